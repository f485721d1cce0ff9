#[rt::main]
async fn main() {
    rt::select! {}
}

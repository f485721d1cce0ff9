#[rt::main]
async fn run(count: usize) -> usize {
    count
}

fn main() {
    let _ = run(1);
}

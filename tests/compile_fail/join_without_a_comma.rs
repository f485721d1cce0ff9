async fn number() -> u32 {
    1
}

#[rt::main]
async fn main() {
    let _ = rt::join!(number() number());
}

#[rt::main(crate = "rt-runtime")]
async fn main() {}

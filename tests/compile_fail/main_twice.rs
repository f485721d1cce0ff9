#[rt::main]
#[rt::main]
async fn main() {}

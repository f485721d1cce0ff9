#[rt::test]
async fn a_test(_count: usize) {}

fn main() {}

#[rt::test(flavor = "single")]
async fn a_test() {}

fn main() {}

#[rt::test(start_paused = true)]
async fn a_test() {}

fn main() {}

#[rt::test]
#[rt::test]
async fn twice_ours() {}

#[rt::test]
#[test]
async fn ours_and_the_built_in() {}

fn main() {}

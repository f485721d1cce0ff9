#![deny(dead_code)]

#[rt::main]
async fn never_called() {}

fn main() {}

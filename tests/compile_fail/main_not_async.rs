use std::future::ready;

#[rt::main]
fn main() {
    ready(()).await;
}

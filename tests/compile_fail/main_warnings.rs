// A warning about a body points at the body, and comes once.
#![deny(unused_must_use, unused_variables)]

#[rt::main]
async fn main() {
    let unused = 1;
    std::future::ready(2);
}

#[rt::main(flavor = "single", worker_threads = 0, threads = 3)]
fn main() {}

#[rt::main]
async unsafe fn run() {}

fn main() {}

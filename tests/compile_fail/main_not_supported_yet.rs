#[rt::main(flavor = "current_thread", start_paused = true, unhandled_panic = "shutdown_runtime")]
async fn main() {}

//! The macros find the runtime under its new name in an example too.

#[tokio::main(worker_threads = 1)]
async fn main() {
    let answer = tokio::spawn(async { 6 * 7 }).await.expect("the task does not panic");
    println!("{answer}");
}

//! `#[tokio::main]` and `#[tokio::test]` where `tokio` is `rt-runtime` under another name.

#[tokio::main]
async fn run_main() -> Result<u32, tokio::task::JoinError> {
    tokio::spawn(async { 6 * 7 }).await
}

#[test]
fn main_finds_the_renamed_runtime() {
    assert_eq!(run_main().unwrap(), 42);
}

#[tokio::test]
async fn test_finds_the_renamed_runtime() {
    assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_finds_the_renamed_runtime_on_several_threads() {
    assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
}

#[tokio::test(flavor = "local")]
async fn test_finds_the_renamed_runtime_of_one_thread() {
    assert_eq!(*tokio::task::spawn_local(async { std::rc::Rc::new(42) }).await.unwrap(), 42);
}

#[tokio::test(crate = "tokio")]
async fn the_name_may_be_given_too() {
    assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
}

mod a_module_called_tokio_is_not_in_the_way {
    mod tokio {
        // What the macro must not find.
        #[allow(dead_code)]
        pub(super) mod runtime {}
    }

    #[::tokio::test]
    async fn test_finds_the_renamed_runtime() {
        assert_eq!(::tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
    }
}

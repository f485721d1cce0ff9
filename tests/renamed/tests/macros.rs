//! `#[tokio::main]` and `#[tokio::test]` where `tokio` is `rt-runtime` under another name.

// What the macros expand to is not the user's to answer for.
#![forbid(unsafe_code)]

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

#[tokio::test]
async fn select_join_and_pin_find_the_renamed_runtime() {
    let first = async { 1 };
    tokio::pin!(first);
    let selected = tokio::select! {
        biased;
        value = &mut first => value,
        else => 0,
    };
    assert_eq!(selected, 1);
    assert_eq!(tokio::join!(async { 1 }, async { 2 }), (1, 2));
    assert_eq!(tokio::try_join!(async { Ok::<_, ()>(1) }, async { Ok(2) }), Ok((1, 2)));
}

macro_rules! first_of {
    ($($future:expr),+) => { ::tokio::select! { biased; $(value = $future => value,)+ } };
}

mod another_module_called_tokio_is_not_in_the_way {
    mod tokio {}

    #[::tokio::test]
    async fn macros_in_macros_find_the_renamed_runtime() {
        assert_eq!(first_of!(std::future::pending(), async { 2 }), 2);
        assert_eq!(::tokio::join!(async { first_of!(async { 1 }) }), (1,));
    }
}

#[tokio::test(name = "renamed", unhandled_panic = "ignore")]
async fn every_argument_is_taken_under_the_new_name() {
    assert_eq!(tokio::runtime::Handle::current().name(), Some("renamed"));
}

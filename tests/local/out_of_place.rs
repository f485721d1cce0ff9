//! Local tasks in the wrong place.

use super::*;

#[test]
fn spawn_local_outside_panics_and_says_what_to_do() {
    let check = |message: &str| {
        assert!(message.contains("outside of a `LocalSet` or `LocalRuntime`"), "{message}");
        assert!(message.contains("run_until"), "{message}");
    };
    check(&panic_message(|| spawn_local(async {})));
    check(&panic_message(|| rt::task::Builder::new().spawn_local(async {})));
    on_each_flavor(move |runtime| {
        runtime.block_on(async { check(&panic_message(|| spawn_local(async {}))) });
        let error = runtime.block_on(runtime.spawn(async { drop(spawn_local(async {})) })).unwrap_err();
        check(&text_of(&*error.into_panic()));
        // Tasks that may move are not in the set, even if it is driven on the same thread.
        let set = LocalSet::new();
        let error = set.block_on(runtime, async { rt::spawn(async { drop(spawn_local(async {})) }).await });
        check(&text_of(&*error.unwrap_err().into_panic()));
    });
}

#[test]
fn spawn_local_on_another_thread_of_a_local_runtime_panics_and_says_what_to_do() {
    within(SOON, || {
        let runtime = local_runtime();
        let handle = runtime.handle().clone();
        let message = thread::spawn(move || {
            let _guard = handle.enter();
            panic_message(|| spawn_local(async {}))
        });
        assert!(message.join().unwrap().contains("belongs to another thread"));
        let blocking = runtime.spawn_blocking(|| panic_message(|| spawn_local(async {})));
        assert!(runtime.block_on(blocking).unwrap().contains("belongs to another thread"));
    });
}

#[test]
fn block_on_of_a_set_inside_of_a_current_thread_runtime_panics() {
    within(SOON, || {
        let runtime = current();
        let set = LocalSet::new();
        let inner = current();
        let message = runtime.block_on(async { panic_message(|| set.block_on(&inner, async {})) });
        assert!(message.contains("use `.await`"), "{message}");
    });
}

#[test]
fn a_multi_thread_runtime_cannot_be_local() {
    let error = Builder::new_multi_thread().build_local(LocalOptions::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("new_current_thread"), "{error}");
}

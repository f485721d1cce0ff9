//! A runtime that shuts down when a task panics.

mod support;

use rt::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use rt::task::JoinHandle;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{DropCounter, Gate, SOON, current, eventually, multi, panic_message, within};

/// Runs `test` on a runtime of each kind that shuts down when a task panics.
#[track_caller]
fn on_each_flavor(test: impl Fn(Runtime) + Send + 'static) {
    within(4 * SOON, move || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            builder.worker_threads(2).enable_all().unhandled_panic(UnhandledPanic::ShutdownRuntime);
            test(builder.build().expect("build a runtime"));
        }
    });
}

const WHY: &str = "has panicked, and the runtime was built to shut down then: `UnhandledPanic::ShutdownRuntime`";

#[test]
fn block_on_panics_and_names_the_task_and_all_tasks_are_dropped() {
    on_each_flavor(|runtime| {
        let counter = DropCounter::new();
        for _ in 0..10 {
            let guard = counter.guard();
            runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        }
        let line = line!() + 1;
        rt::task::Builder::new().name("bad").spawn_on(async { panic!("a bug") }, runtime.handle()).unwrap();
        let message = panic_message(|| runtime.block_on(pending::<()>()));
        assert!(message.starts_with("task ") && message.ends_with(WHY), "{message}");
        assert!(message.contains(&format!(" \"bad\", spawned at tests/unhandled_panic.rs:{line}:")), "{message}");
        eventually(SOON, || counter.drops() == 10);
        drop(runtime);
    });
}

#[test]
fn on_a_current_thread_runtime_all_tasks_are_dropped_when_block_on_panics() {
    within(SOON, || {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.unhandled_panic(UnhandledPanic::ShutdownRuntime).build().expect("build a runtime");
        let counter = DropCounter::new();
        runtime.spawn(async { panic!("a bug") });
        for _ in 0..10 {
            let guard = counter.guard();
            runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        }
        panic_message(|| runtime.block_on(pending::<()>()));
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn a_handle_that_is_kept_makes_no_difference_and_still_reports_the_panic() {
    on_each_flavor(|runtime| {
        let task: JoinHandle<()> = runtime.spawn(async { panic!("a bug") });
        assert!(panic_message(|| runtime.block_on(pending::<()>())).ends_with(WHY));
        eventually(SOON, || task.is_finished());
        assert!(current().block_on(task).unwrap_err().is_panic());
    });
}

#[test]
fn every_thread_in_block_on_panics_and_who_calls_it_later_too() {
    on_each_flavor(|runtime| {
        let waiting = AtomicUsize::new(0);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|number| {
                    let (runtime, waiting) = (&runtime, &waiting);
                    scope.spawn(move || {
                        panic_message(|| {
                            let future = async {
                                waiting.fetch_add(1, Ordering::SeqCst);
                                pending::<()>().await;
                            };
                            if number % 2 == 0 { runtime.block_on(future) } else { runtime.handle().block_on(future) }
                        })
                    })
                })
                .collect();
            eventually(SOON, || waiting.load(Ordering::SeqCst) == 4);
            runtime.spawn(async { panic!("a bug") });
            for thread in threads {
                let message = thread.join().unwrap();
                assert!(message.ends_with(WHY), "{message}");
            }
        });
        assert!(panic_message(|| runtime.block_on(async {})).ends_with(WHY));
        assert!(panic_message(|| runtime.handle().block_on(async {})).ends_with(WHY));
    });
}

#[test]
fn tasks_and_closures_that_come_later_are_refused() {
    on_each_flavor(|runtime| {
        runtime.spawn(async { panic!("a bug") });
        panic_message(|| runtime.block_on(pending::<()>()));
        let (task, closure) = (runtime.spawn(async {}), runtime.spawn_blocking(|| {}));
        assert!(task.is_finished() && closure.is_finished());
        let other = current();
        assert!(other.block_on(task).unwrap_err().is_cancelled());
        assert!(other.block_on(closure).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_closure_that_panics_shuts_the_runtime_down_too() {
    on_each_flavor(|runtime| {
        runtime.spawn_blocking(|| panic!("a bug"));
        assert!(panic_message(|| runtime.block_on(pending::<()>())).ends_with(WHY));
    });
}

#[test]
fn a_future_of_block_on_that_is_ready_first_is_returned() {
    on_each_flavor(|runtime| {
        let (gate, begun) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let (passes, begins) = (gate.clone(), Arc::clone(&begun));
        let output = runtime.block_on(async {
            let task: JoinHandle<()> = rt::task::spawn_blocking(move || {
                begins.fetch_add(1, Ordering::SeqCst);
                passes.pass();
                panic!("a bug");
            });
            // In the same poll the runtime fails.
            eventually(SOON, || begun.load(Ordering::SeqCst) == 1);
            gate.open();
            eventually(SOON, || task.is_finished());
            "ready"
        });
        assert_eq!(output, "ready");
        assert!(panic_message(|| runtime.block_on(async {})).ends_with(WHY));
    });
}

#[test]
fn a_panic_of_the_future_in_block_on_goes_to_its_caller_and_no_further() {
    on_each_flavor(|runtime| {
        assert_eq!(panic_message(|| runtime.block_on(async { panic!("mine") })), "mine");
        assert_eq!(runtime.block_on(async { rt::spawn(async { 1 }).await.unwrap() }), 1);
    });
}

#[test]
fn a_task_whose_future_panics_when_it_is_aborted_does_not_shut_the_runtime_down() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    on_each_flavor(|runtime| {
        let task = runtime.spawn(async {
            let _fails = Fails;
            pending::<()>().await;
        });
        runtime.block_on(async {
            rt::time::sleep(Duration::from_millis(1)).await;
            task.abort();
            // Whether it had begun is open.
            let _ = task.await;
        });
        assert_eq!(runtime.block_on(async { rt::spawn(async { 1 }).await.unwrap() }), 1);
    });
}

#[test]
fn block_on_in_a_task_of_a_runtime_that_fails_panics_and_the_runtime_can_be_dropped() {
    within(4 * SOON, || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let runtime = builder.build().expect("build a runtime");
        let gate = Gate::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = Arc::clone(&begun);
        let inside = runtime.spawn(async move {
            Handle::current().block_on(async {
                begins.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            });
        });
        eventually(SOON, || begun.load(Ordering::SeqCst) == 1);
        runtime.spawn(async { panic!("a bug") });
        gate.open();
        let error = current().block_on(inside).unwrap_err();
        assert!(error.is_panic(), "{error}");
        drop(runtime);
    });
}

#[test]
fn many_tasks_that_panic_at_once_shut_it_down_once() {
    on_each_flavor(|runtime| {
        for _ in 0..100 {
            runtime.spawn(async { panic!("a bug") });
            runtime.spawn_blocking(|| panic!("a bug"));
        }
        assert!(panic_message(|| runtime.block_on(pending::<()>())).ends_with(WHY));
        drop(runtime);
    });
}

#[test]
fn a_runtime_that_ignores_panics_goes_on() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        within(SOON, move || {
            assert_eq!(UnhandledPanic::default(), UnhandledPanic::Ignore);
            let runtime = builder.unhandled_panic(UnhandledPanic::Ignore).build().expect("build a runtime");
            let task: JoinHandle<()> = runtime.spawn(async { panic!("a bug") });
            assert!(runtime.block_on(task).unwrap_err().is_panic());
            assert_eq!(runtime.block_on(async { rt::spawn(async { 1 }).await.unwrap() }), 1);
        });
    }
}

#[test]
fn another_runtime_is_not_concerned() {
    on_each_flavor(|runtime| {
        let other = multi(1);
        runtime.spawn(async { panic!("a bug") });
        panic_message(|| runtime.block_on(pending::<()>()));
        let failed = catch_unwind(AssertUnwindSafe(|| other.block_on(async { rt::spawn(async { 1 }).await.unwrap() })));
        assert_eq!(failed.unwrap(), 1);
    });
}

//! How tokio's runtime ends with this one: after the last thread that may need it, and without anyone waiting for it.

use rt::runtime::Runtime;
use rt_ecosystem::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, soon, within};
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Handle;

/// A task of tokio's that never ends by itself. Its guard is dropped when tokio's runtime ends.
fn linger(runtime: &Runtime, counter: &DropCounter) {
    let guard = counter.guard();
    runtime.block_on(async move {
        let (started, start) = rt::sync::oneshot::channel();
        drop(tokio::spawn(async move {
            let _guard = guard;
            started.send(()).unwrap();
            std::future::pending::<()>().await
        }));
        soon(start).await.unwrap();
    });
}

#[test]
fn it_ends_with_the_runtime_even_if_a_handle_is_left() {
    within(SOON, || {
        for runtime in [current(), multi(2)] {
            let ends = DropCounter::new();
            linger(&runtime, &ends);
            let handle = runtime.handle().clone();
            drop(runtime);
            eventually(SOON, || ends.drops() == 1);
            drop(handle);
        }
    });
}

/// Sleeps by tokio's timers when it is dropped, and tells.
struct Late(mpsc::Sender<()>);

impl Drop for Late {
    fn drop(&mut self) {
        // Panics if tokio's runtime is not there, and if it has ended.
        Handle::current().block_on(tokio::time::sleep(Duration::from_millis(1)));
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_future_that_is_dropped_by_the_shutdown_still_finds_it() {
    within(SOON, || {
        for runtime in [current(), multi(1), multi(2)] {
            let (sender, receiver) = mpsc::channel();
            let late = Late(sender);
            let (started, start) = rt::sync::oneshot::channel();
            drop(runtime.spawn(async move {
                let _late = late;
                started.send(()).unwrap();
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }));
            runtime.block_on(start).unwrap();
            drop(runtime);
            receiver.recv_timeout(SOON).expect("the future's guard has slept");
        }
    });
}

#[test]
fn a_closure_that_the_shutdown_does_not_wait_for_still_has_it() {
    within(SOON, || {
        for runtime in [current(), multi(1)] {
            let (gate, ends) = (Gate::new(), DropCounter::new());
            let _open = OpenOnDrop(gate.clone());
            linger(&runtime, &ends);
            let (sender, receiver) = mpsc::channel();
            let passing = gate.clone();
            drop(runtime.spawn_blocking(move || {
                passing.pass();
                Handle::current().block_on(tokio::time::sleep(Duration::from_millis(1)));
                sender.send(()).unwrap();
            }));
            gate.await_waiting(1);
            runtime.shutdown_background();
            assert_eq!(ends.drops(), 0);
            gate.open();
            receiver.recv_timeout(SOON).unwrap();
            // And ends with it.
            eventually(SOON, || ends.drops() == 1);
        }
    });
}

#[test]
fn a_runtime_that_is_dropped_inside_async_code_takes_it_along() {
    within(SOON, || {
        let outer = multi(1);
        for runtime in [current(), multi(1)] {
            let ends = DropCounter::new();
            linger(&runtime, &ends);
            outer.block_on(outer.spawn(async move { drop(runtime) })).unwrap();
            eventually(SOON, || ends.drops() == 1);
        }
        for runtime in [current(), multi(1)] {
            let ends = DropCounter::new();
            linger(&runtime, &ends);
            outer.block_on(async move { drop(runtime) });
            eventually(SOON, || ends.drops() == 1);
        }
    });
}

#[test]
fn a_runtime_that_is_dropped_by_one_of_its_own_threads_takes_it_along() {
    within(SOON, || {
        let runtime = multi(1);
        let (ends, handle) = (DropCounter::new(), runtime.handle().clone());
        linger(&runtime, &ends);
        drop(handle.spawn(async move { drop(runtime) }));
        eventually(SOON, || ends.drops() == 1);
    });
}

#[test]
fn a_runtime_that_is_dropped_by_a_thread_of_tokio_takes_it_along() {
    within(SOON, || {
        for runtime in [current(), multi(1)] {
            let (ends, handle) = (DropCounter::new(), runtime.handle().clone());
            linger(&runtime, &ends);
            let _entered = handle.enter();
            drop(tokio::spawn(async move { drop(runtime) }));
            eventually(SOON, || ends.drops() == 1);
        }
    });
}

#[test]
fn many_runtimes_come_and_go() {
    within(SOON, || {
        for _ in 0..50 {
            let runtime = multi(1);
            let task =
                runtime.spawn(async { tokio::spawn(async { rt::spawn(async { 1 }).await.unwrap() }).await.unwrap() });
            assert_eq!(runtime.block_on(task).unwrap(), 1);
        }
    });
}

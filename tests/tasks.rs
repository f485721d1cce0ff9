//! Tasks: joining, aborting, panics, wakers, closures that block, yielding.

mod support;

use std::any::Any;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending, poll_fn, ready};
use std::hash::Hash;
use std::io;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use rt::runtime::{Builder, Handle, Runtime};
use rt::sync::oneshot;
use rt::task::{AbortHandle, Id, JoinError, JoinHandle, spawn_blocking, yield_now};
use support::{DropCounter, SOON, current, eventually, multi, unwatched, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(2)].iter().for_each(test));
}

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Waits until a task has ended. `is_finished` is the only thing that is asked.
#[track_caller]
fn wait_finished<T>(handle: &JoinHandle<T>) {
    eventually(SOON, || handle.is_finished());
}

/// A door that threads wait at.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let (guard, timeout) =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), SOON, |is_open| !*is_open).unwrap();
        drop(guard);
        assert!(!timeout.timed_out(), "nobody opened the door");
    }
}

/// Keeps the only worker of `runtime` in a poll until the door is opened.
fn occupy(runtime: &Runtime) -> Door {
    let door = Door::default();
    let (entered, is_in) = mpsc::channel();
    let inside = door.clone();
    drop(runtime.spawn(async move {
        entered.send(()).unwrap();
        inside.wait();
    }));
    is_in.recv_timeout(SOON).expect("the worker takes the task");
    door
}

// Joining.

#[test]
fn a_joiner_gets_the_output_of_its_task() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(async { String::from("from outside") });
        assert_eq!(runtime.block_on(handle).unwrap(), "from outside");
        let output = runtime.block_on(async { rt::spawn(async { vec![1, 2, 3] }).await });
        assert_eq!(output.unwrap(), [1, 2, 3]);
        let nested = runtime.spawn(async { rt::spawn(async { rt::spawn(ready(7)).await }).await });
        assert_eq!(runtime.block_on(nested).unwrap().unwrap().unwrap(), 7);
    });
}

#[test]
fn an_output_waits_for_its_joiner() {
    within(SOON, || {
        let runtime = multi(2);
        let drops = DropCounter::new();
        let guard = drops.guard();
        let handle = runtime.spawn(async move { guard });
        wait_finished(&handle);
        assert_eq!(drops.drops(), 0);
        let output = runtime.block_on(handle).unwrap();
        assert_eq!(drops.drops(), 0);
        drop(output);
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn thousands_of_tasks_are_joined_each_with_its_own_output() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let handles: Vec<_> = (0..5000).map(|n| rt::spawn(async move { n * 2 })).collect();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.await.unwrap(), n * 2);
            }
        });
    });
}

#[test]
fn dropping_the_handle_detaches_the_task() {
    on_each_flavor(|runtime| {
        let (go, gone) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let handle = runtime.spawn(async move {
            gone.await.unwrap();
            done.send("went on").unwrap();
        });
        drop(handle);
        go.send(()).unwrap();
        assert_eq!(runtime.block_on(is_done).unwrap(), "went on");
    });
}

#[test]
fn a_detached_task_drops_its_output_when_it_ends() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let (future, output) = (drops.guard(), drops.guard());
        let (go, gone) = oneshot::channel();
        drop(runtime.spawn(async move {
            let _future = future;
            gone.await.unwrap();
            output
        }));
        runtime.block_on(yield_now());
        assert_eq!(drops.drops(), 0);
        go.send(()).unwrap();
        let counter = drops.clone();
        runtime.block_on(async move {
            while counter.drops() < 2 {
                yield_now().await;
            }
        });
        assert_eq!(drops.drops(), 2);
    });
}

#[test]
fn an_output_that_nobody_took_is_dropped_with_the_handle() {
    within(SOON, || {
        let runtime = multi(1);
        let drops = DropCounter::new();
        let guard = drops.guard();
        let handle = runtime.spawn(async move { guard });
        wait_finished(&handle);
        let abort = handle.abort_handle();
        assert_eq!(drops.drops(), 0);
        drop(handle);
        assert_eq!(drops.drops(), 1, "an abort handle does not keep the output");
        assert!(abort.is_finished());
    });
}

#[test]
fn the_future_is_dropped_before_the_joiner_learns_of_the_output() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            for _ in 0..200 {
                let drops = DropCounter::new();
                let guard = drops.guard();
                let handle = rt::spawn(poll_fn(move |_| {
                    let _guard = &guard;
                    Poll::Ready(())
                }));
                handle.await.unwrap();
                assert_eq!(drops.drops(), 1);
            }
        });
    });
}

#[test]
fn is_finished_tells_whether_a_task_has_ended() {
    within(SOON, || {
        let runtime = multi(1);
        let (go, gone) = oneshot::channel::<()>();
        let handle = runtime.spawn(gone);
        let abort = handle.abort_handle();
        assert!(!handle.is_finished() && !abort.is_finished());
        go.send(()).unwrap();
        wait_finished(&handle);
        assert!(abort.is_finished());
        runtime.block_on(handle).unwrap().unwrap();
        assert!(abort.is_finished(), "and stays so after the output was taken");
    });
}

#[test]
fn ids_are_unique_across_runtimes_and_threads() {
    within(SOON, || {
        let runtimes = [multi(2), multi(1), current()];
        let mut ids: Vec<Id> = Vec::new();
        for runtime in &runtimes {
            // More than a block of ids, from threads that are workers and others.
            ids.extend((0..1500).map(|_| runtime.spawn(async {}).id()));
            ids.push(runtime.spawn_blocking(|| {}).id());
            let handle = runtime.handle().clone();
            let elsewhere = thread::spawn(move || (0..100).map(|_| handle.spawn(async {}).id()).collect::<Vec<_>>());
            ids.extend(elsewhere.join().unwrap());
            let inside = runtime.spawn(async { (0..1500).map(|_| rt::spawn(async {}).id()).collect::<Vec<_>>() });
            ids.extend(runtime.block_on(inside).unwrap());
        }
        let different: HashSet<Id> = ids.iter().copied().collect();
        assert_eq!(different.len(), ids.len());
    });
}

#[test]
fn a_task_its_handles_and_its_error_have_one_id() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(pending::<()>());
        let (id, abort) = (handle.id(), handle.abort_handle());
        assert_eq!(abort.id(), id);
        abort.abort();
        let error = runtime.block_on(handle).unwrap_err();
        assert_eq!(error.id(), id);
        assert_eq!(abort.clone().id(), id);
        assert!(error.to_string().contains(&id.to_string()));
    });
}

#[test]
fn named_tasks_run_like_any_other() {
    on_each_flavor(|runtime| {
        let named = || rt::task::Builder::new().name("a name");
        let other = named().spawn_on(ready("on a handle"), runtime.handle()).unwrap();
        assert_eq!(runtime.block_on(other).unwrap(), "on a handle");
        let closure = named().spawn_blocking_on(|| "closure on a handle", runtime.handle()).unwrap();
        assert_eq!(runtime.block_on(closure).unwrap(), "closure on a handle");
        runtime.block_on(async {
            assert_eq!(named().spawn(ready("here")).unwrap().await.unwrap(), "here");
            assert_eq!(named().spawn_blocking(|| "closure").unwrap().await.unwrap(), "closure");
            assert_eq!(rt::task::Builder::new().spawn(ready("nameless")).unwrap().await.unwrap(), "nameless");
            let text = String::from("a name that is gone before the task runs");
            let handle = rt::task::Builder::new().name(&text).spawn(yield_now()).unwrap();
            drop(text);
            handle.await.unwrap();
        });
    });
}

#[test]
fn handles_say_which_task_they_are_of_when_debugged() {
    within(SOON, || {
        let runtime = current();
        let handle = runtime.spawn(async {});
        let id = handle.id().to_string();
        assert!(format!("{handle:?}").contains(&id));
        assert!(format!("{:?}", handle.abort_handle()).contains(&id));
        assert!(format!("{:?}", handle.id()).contains(&id));
    });
}

// Panics.

#[test]
fn a_panic_reaches_the_joiner_with_its_payload() {
    #[derive(Debug, PartialEq)]
    struct Custom(u32);

    on_each_flavor(|runtime| {
        let payload = |future: Pin<Box<dyn Future<Output = ()> + Send>>| -> Box<dyn Any + Send> {
            let error = runtime.block_on(runtime.spawn(future)).unwrap_err();
            assert!(error.is_panic() && !error.is_cancelled());
            error.into_panic()
        };
        let id = runtime.spawn(async {}).id();
        assert_eq!(*payload(Box::pin(async { panic!("static") })).downcast::<&'static str>().unwrap(), "static");
        assert_eq!(
            *payload(Box::pin(async move { panic!("a {id}") })).downcast::<String>().unwrap(),
            format!("a {id}")
        );
        let custom = payload(Box::pin(async { std::panic::panic_any(Custom(7)) }));
        assert_eq!(*custom.downcast::<Custom>().unwrap(), Custom(7));
    });
}

#[test]
fn a_panic_in_a_later_poll_reaches_the_joiner_that_waits() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(async {
            yield_now().await;
            yield_now().await;
            panic!("in the third poll");
        });
        let payload = runtime.block_on(handle).unwrap_err().try_into_panic().unwrap();
        assert_eq!(*payload.downcast::<&'static str>().unwrap(), "in the third poll");
    });
}

#[test]
fn the_text_of_a_panic_is_in_the_error() {
    within(SOON, || {
        let runtime = current();
        let error = |future: Pin<Box<dyn Future<Output = ()> + Send>>| {
            let handle = runtime.spawn(future);
            let id = handle.id();
            (id, runtime.block_on(handle).unwrap_err())
        };
        for (id, error) in
            [error(Box::pin(async { panic!("boom") })), error(Box::pin(async { panic!("{}", String::from("boom")) }))]
        {
            assert_eq!(error.to_string(), format!("task {id} panicked with message \"boom\""));
            assert!(format!("{error:?}").contains("Panic") && format!("{error:?}").contains("boom"));
        }
        let (id, error) = error(Box::pin(async { std::panic::panic_any(5) }));
        assert_eq!(error.to_string(), format!("task {id} panicked"));
        assert!(format!("{error:?}").contains("Panic"));
    });
}

#[test]
fn the_error_of_a_cancelled_task_has_no_panic_in_it() {
    within(SOON, || {
        let runtime = current();
        let cancelled = || {
            let handle = runtime.spawn(pending::<()>());
            handle.abort();
            runtime.block_on(handle).unwrap_err()
        };
        let error = cancelled();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), format!("task {} was cancelled", error.id()));
        assert!(format!("{error:?}").contains("Cancelled"));
        let error = error.try_into_panic().unwrap_err();
        assert!(error.is_cancelled(), "`try_into_panic` gives the error back");
        let panic = catch_unwind(AssertUnwindSafe(|| cancelled().into_panic())).unwrap_err();
        let text = panic.downcast::<String>().unwrap();
        assert!(text.contains("is_panic"), "it says what to do: {text}");
    });
}

#[test]
fn a_join_error_becomes_an_io_error() {
    within(SOON, || {
        let runtime = current();
        let error = runtime.block_on(runtime.spawn(async { panic!("boom") })).unwrap_err();
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert_eq!(error.to_string(), text);
        let asked = runtime.block_on(async {
            let handle = rt::spawn(pending::<()>());
            handle.abort();
            handle.await?;
            io::Result::Ok(())
        });
        assert!(asked.is_err(), "`?` works in a function that returns `io::Result`");
    });
}

#[test]
fn a_thousand_panics_leave_the_workers_running() {
    on_each_flavor(|runtime| {
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let panicking: Vec<_> = (0..1000_usize)
                .map(|n| {
                    rt::spawn(async move {
                        if n % 2 == 0 {
                            yield_now().await;
                        }
                        // Without the panic hook, which would print a thousand messages.
                        std::panic::resume_unwind(Box::new(n));
                    })
                })
                .collect();
            let working: Vec<_> = (0..1000).map(|n| rt::spawn(async move { n })).collect();
            for (n, handle) in panicking.into_iter().enumerate() {
                let payload = handle.await.unwrap_err().into_panic();
                assert_eq!(*payload.downcast::<usize>().unwrap(), n);
            }
            for (n, handle) in working.into_iter().enumerate() {
                assert_eq!(handle.await.unwrap(), n);
            }
        });
        // Each worker still runs tasks: as many as there are workers meet at a barrier.
        let workers = metrics.num_workers();
        let barrier = Arc::new(Barrier::new(workers));
        let meeting = (0..workers).map(|_| {
            let barrier = barrier.clone();
            runtime.spawn(async move { barrier.wait().is_leader() })
        });
        let leaders = runtime.block_on(join_all(meeting)).into_iter().filter(|leads| *leads.as_ref().unwrap()).count();
        assert_eq!(leaders, 1);
    });
}

#[test]
fn a_panic_drops_the_future_once() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let mut polls = 0;
        let handle = runtime.spawn(poll_fn(move |cx| {
            let _guard = &guard;
            polls += 1;
            assert!(polls < 2, "in the second poll");
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        assert!(runtime.block_on(handle).unwrap_err().is_panic());
        assert_eq!(drops.drops(), 1);
    });
}

// Aborting.

#[test]
fn a_task_aborted_before_its_first_poll_is_never_polled() {
    within(SOON, || {
        let was_polled = Arc::new(AtomicBool::new(false));
        let drops = DropCounter::new();
        let task = || {
            let (was_polled, guard) = (was_polled.clone(), drops.guard());
            async move {
                let _guard = guard;
                was_polled.store(true, Ordering::SeqCst);
            }
        };
        let runtime = current();
        let handle = runtime.spawn(task());
        handle.abort();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());

        let runtime = unwatched(1);
        let door = occupy(&runtime);
        let handle = runtime.spawn(task());
        handle.abort();
        assert!(!handle.is_finished(), "the worker that has to drop the future is busy");
        door.open();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert!(!was_polled.load(Ordering::SeqCst));
        assert_eq!(drops.drops(), 2);
    });
}

#[test]
fn a_task_aborted_while_it_waits_is_dropped() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let (waits, is_waiting) = oneshot::channel();
        let handle = runtime.spawn(async move {
            let _guard = guard;
            waits.send(()).unwrap();
            pending::<()>().await;
        });
        runtime.block_on(is_waiting).unwrap();
        assert_eq!(drops.drops(), 0);
        handle.abort();
        handle.abort();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_task_aborted_while_it_runs_stops_at_its_next_await() {
    within(SOON, || {
        let runtime = multi(2);
        let went_on = Arc::new(AtomicBool::new(false));
        let (runs, is_running) = mpsc::channel();
        let door = Door::default();
        let handle = runtime.spawn({
            let (door, went_on) = (door.clone(), went_on.clone());
            async move {
                runs.send(()).unwrap();
                door.wait();
                yield_now().await;
                went_on.store(true, Ordering::SeqCst);
            }
        });
        is_running.recv_timeout(SOON).unwrap();
        handle.abort();
        assert!(!handle.is_finished());
        door.open();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert!(!went_on.load(Ordering::SeqCst));
    });
}

#[test]
fn a_task_aborted_in_its_last_poll_keeps_its_output() {
    within(SOON, || {
        let runtime = multi(2);
        let (runs, is_running) = mpsc::channel();
        let door = Door::default();
        let handle = runtime.spawn({
            let door = door.clone();
            async move {
                runs.send(()).unwrap();
                door.wait();
                "done"
            }
        });
        is_running.recv_timeout(SOON).unwrap();
        handle.abort();
        door.open();
        assert_eq!(runtime.block_on(handle).unwrap(), "done");
    });
}

#[test]
fn a_finished_task_that_is_aborted_keeps_its_output() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let handle = rt::spawn(async { 5 });
            let abort = handle.abort_handle();
            while !handle.is_finished() {
                yield_now().await;
            }
            handle.abort();
            abort.abort();
            assert_eq!(handle.await.unwrap(), 5);
            abort.abort();
        });
    });
}

#[test]
fn a_task_can_abort_itself() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (send, receive) = oneshot::channel::<AbortHandle>();
            let handle = rt::spawn(async move {
                receive.await.unwrap().abort();
                yield_now().await;
                unreachable!("it was aborted before this await");
            });
            send.send(handle.abort_handle()).unwrap();
            assert!(handle.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn an_abort_handle_works_without_the_join_handle() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let handle = runtime.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let abort = handle.abort_handle();
        drop(handle);
        let clone = abort.clone();
        drop(abort);
        thread::spawn(move || clone.abort()).join().unwrap();
        let counter = drops.clone();
        runtime.block_on(async move {
            while counter.drops() == 0 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn an_aborted_task_wakes_its_joiner_on_another_runtime() {
    within(SOON, || {
        let (here, there) = (multi(1), multi(1));
        let handle = there.spawn(pending::<()>());
        let abort = handle.abort_handle();
        let joiner = here.spawn(handle);
        abort.abort();
        assert!(here.block_on(joiner).unwrap().unwrap_err().is_cancelled());
    });
}

// Join handles as futures.

#[test]
fn a_handle_wakes_the_waker_it_was_polled_with_last() {
    within(SOON, || {
        let runtime = multi(1);
        let (go, gone) = oneshot::channel::<()>();
        let mut handle = runtime.spawn(gone);
        let (first, first_waker) = Count::waker();
        let (second, second_waker) = Count::waker();
        assert!(poll_with(&mut handle, &first_waker).is_pending());
        assert!(poll_with(&mut handle, &first_waker).is_pending());
        assert!(poll_with(&mut handle, &second_waker).is_pending());
        drop(first_waker);
        assert_eq!(Arc::strong_count(&first), 1, "the replaced waker is dropped");
        go.send(()).unwrap();
        eventually(SOON, || second.wakes() == 1);
        assert_eq!(first.wakes(), 0);
        let Poll::Ready(output) = poll_with(&mut handle, &second_waker) else { panic!("it woke its joiner") };
        output.unwrap().unwrap();
        drop((handle, second_waker));
        assert_eq!(Arc::strong_count(&second), 1, "no waker is kept");
    });
}

#[test]
fn a_dropped_handle_drops_its_waker_and_never_wakes_it() {
    within(SOON, || {
        let runtime = multi(1);
        let (go, gone) = oneshot::channel::<()>();
        let mut handle = runtime.spawn(gone);
        let abort = handle.abort_handle();
        let (count, waker) = Count::waker();
        assert!(poll_with(&mut handle, &waker).is_pending());
        drop((handle, waker));
        assert_eq!(Arc::strong_count(&count), 1);
        go.send(()).unwrap();
        eventually(SOON, || abort.is_finished());
        assert_eq!(count.wakes(), 0);
    });
}

#[test]
fn a_handle_can_go_from_task_to_task() {
    on_each_flavor(|runtime| {
        let (go, gone) = oneshot::channel::<()>();
        let mut handle = runtime.spawn(async move {
            gone.await.unwrap();
            "done"
        });
        for _ in 0..50 {
            let visit = runtime.spawn(async move {
                let pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut handle).poll(cx).is_pending())).await;
                assert!(pending);
                Some(handle)
            });
            handle = runtime.block_on(visit).unwrap().unwrap();
        }
        let last = runtime.spawn(handle);
        go.send(()).unwrap();
        assert_eq!(runtime.block_on(last).unwrap().unwrap(), "done");
    });
}

#[test]
fn a_handle_that_lost_a_select_can_be_awaited_again() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (go, gone) = oneshot::channel::<()>();
            let mut handle = rt::spawn(async move {
                gone.await.unwrap();
                "done"
            });
            for _ in 0..20 {
                match select(&mut handle, pin!(yield_now())).await {
                    Either::Left(_) => panic!("the task cannot be done yet"),
                    Either::Right(((), _)) => {}
                }
            }
            go.send(()).unwrap();
            assert_eq!((&mut handle).await.unwrap(), "done");
        });
    });
}

#[test]
fn a_handle_polled_after_its_result_panics() {
    within(SOON, || {
        let runtime = current();
        let mut handle = runtime.spawn(async {});
        runtime.block_on(&mut handle).unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| poll_with(&mut handle, Waker::noop()))).unwrap_err();
        assert!(panic.downcast::<&'static str>().unwrap().contains("JoinHandle"));
        drop(handle);
    });
}

#[test]
fn joining_ten_thousand_finished_tasks_lets_others_run() {
    within(SOON, || {
        let runtime = current();
        runtime.block_on(async {
            let handles: Vec<_> = (0..10_000).map(|_| rt::spawn(async {})).collect();
            while handles.iter().any(|handle| !handle.is_finished()) {
                yield_now().await;
            }
            let joiner_done = Arc::new(AtomicBool::new(false));
            let done = joiner_done.clone();
            let joiner = rt::spawn(async move {
                for handle in handles {
                    handle.await.unwrap();
                }
                done.store(true, Ordering::SeqCst);
            });
            let other = rt::spawn(async move { joiner_done.load(Ordering::SeqCst) });
            assert!(!other.await.unwrap(), "the joiner did not rest");
            joiner.await.unwrap();
        });
    });
}

#[test]
fn handles_have_the_auto_traits_that_they_promise() {
    fn all<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + fmt::Debug + 'static>() {}
    fn id<T: Copy + Eq + Hash + fmt::Display>() {}
    fn error<T: Error + Send + Sync + Unpin + 'static>() {}
    fn unpin<T: Unpin + UnwindSafe + RefUnwindSafe>() {}
    fn send<T: Send>(_: T) {}

    all::<JoinHandle<()>>();
    all::<JoinHandle<std::cell::Cell<u8>>>();
    all::<JoinHandle<std::marker::PhantomPinned>>();
    all::<JoinHandle<&'static mut u8>>();
    all::<AbortHandle>();
    all::<Id>();
    id::<Id>();
    error::<JoinError>();
    // Also if the output has none of them.
    unpin::<JoinHandle<std::rc::Rc<std::cell::Cell<u8>>>>();
    send(yield_now());
}

/// Does not compile if the handle of an output that is not `Send` is `Send` or `Sync`: the call is ambiguous then.
#[test]
fn the_handle_of_an_output_that_is_not_send_is_not_send() {
    trait Ambiguous<A> {
        fn holds() {}
    }
    struct Send_;
    struct Sync_;
    impl<T: ?Sized> Ambiguous<()> for T {}
    impl<T: ?Sized + Send> Ambiguous<Send_> for T {}
    impl<T: ?Sized + Sync> Ambiguous<Sync_> for T {}
    <JoinHandle<std::rc::Rc<u8>> as Ambiguous<_>>::holds();
}

// Wakers.

/// Polls a future that is `Pending` until `polls` polls have happened, and says what it does at each poll.
fn scripted(
    polls: Arc<AtomicUsize>,
    last: usize,
    mut at: impl FnMut(usize, &Waker) + Send + 'static,
) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        let poll = polls.fetch_add(1, Ordering::SeqCst) + 1;
        at(poll, cx.waker());
        if poll < last { Poll::Pending } else { Poll::Ready(()) }
    })
}

#[test]
fn a_wake_during_a_poll_runs_the_task_again() {
    on_each_flavor(|runtime| {
        let polls = Arc::new(AtomicUsize::new(0));
        let task = runtime.spawn(scripted(polls.clone(), 1000, |_, waker| waker.wake_by_ref()));
        runtime.block_on(task).unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 1000);
    });
}

#[test]
fn a_wake_during_a_poll_by_another_thread_runs_the_task_again() {
    on_each_flavor(|runtime| {
        let polls = Arc::new(AtomicUsize::new(0));
        let task = runtime.spawn(scripted(polls.clone(), 50, |_, waker| {
            let waker = waker.clone();
            thread::spawn(move || waker.wake()).join().unwrap();
        }));
        runtime.block_on(task).unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 50);
    });
}

#[test]
fn many_wakes_before_a_poll_make_one_poll() {
    on_each_flavor(|runtime| {
        let polls = Arc::new(AtomicUsize::new(0));
        let (send, wakers) = mpsc::channel();
        let task = runtime.spawn(scripted(polls.clone(), 4, move |poll, waker| {
            if poll == 1 {
                // During the poll.
                (0..10).for_each(|_| waker.wake_by_ref());
            } else if poll < 4 {
                send.send(waker.clone()).unwrap();
            }
        }));
        // Between polls, all at once: this task keeps the only worker while it wakes.
        let waking = runtime.spawn(async move {
            for _ in 0..2 {
                let waker = loop {
                    match wakers.try_recv() {
                        Ok(waker) => break waker,
                        Err(_) => yield_now().await,
                    }
                };
                (0..10).for_each(|_| waker.wake_by_ref());
                let clone = waker.clone();
                clone.wake();
                waker.wake();
            }
        });
        runtime.block_on(async {
            waking.await.unwrap();
            task.await.unwrap();
        });
        if runtime.metrics().num_workers() == 1 {
            assert_eq!(polls.load(Ordering::SeqCst), 4);
        }
    });
}

#[test]
fn nothing_polls_a_task_that_nobody_woke() {
    on_each_flavor(|runtime| {
        let polls = Arc::new(AtomicUsize::new(0));
        let (send, wakers) = mpsc::channel();
        let task = runtime.spawn(scripted(polls.clone(), 2, move |_, waker| send.send(waker.clone()).unwrap()));
        runtime.block_on(async {
            for _ in 0..1000 {
                rt::spawn(async {}).await.unwrap();
            }
        });
        let waker = wakers.recv().unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        drop(waker.clone());
        assert_eq!(polls.load(Ordering::SeqCst), 1, "nor one whose waker was dropped");
        waker.wake();
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn a_wake_from_a_foreign_thread_runs_the_task() {
    on_each_flavor(|runtime| {
        for _ in 0..100 {
            let (send, wakers) = mpsc::channel();
            let task = runtime.spawn(scripted(Arc::default(), 2, move |poll, waker| {
                if poll == 1 {
                    send.send(waker.clone()).unwrap();
                }
            }));
            let waking = thread::spawn(move || wakers.recv().unwrap().wake());
            runtime.block_on(task).unwrap();
            waking.join().unwrap();
        }
    });
}

#[test]
fn all_wakers_of_a_task_are_alike_and_those_of_others_are_not() {
    on_each_flavor(|runtime| {
        let (send, wakers) = mpsc::channel();
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let send = send.clone();
                runtime.spawn(scripted(Arc::default(), 3, move |poll, waker| {
                    assert!(waker.will_wake(&waker.clone()));
                    send.send(waker.clone()).unwrap();
                    if poll < 3 {
                        waker.wake_by_ref();
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let wakers: Vec<_> = wakers.try_iter().collect();
        assert_eq!(wakers.len(), 6);
        for waker in &wakers {
            assert_eq!(wakers.iter().filter(|other| other.will_wake(waker)).count(), 3);
        }
    });
}

#[test]
fn a_waker_kept_after_the_end_keeps_no_future_and_wakes_nobody() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let polls = Arc::new(AtomicUsize::new(0));
        let (send, wakers) = mpsc::channel();
        let future = scripted(polls.clone(), 1, move |_, waker| {
            let _guard = &guard;
            send.send(waker.clone()).unwrap();
        });
        runtime.block_on(runtime.spawn(future)).unwrap();
        assert_eq!(drops.drops(), 1);
        let waker = wakers.recv().unwrap();
        (0..1000).for_each(|_| waker.wake_by_ref());
        let clone = waker.clone();
        waker.wake();
        clone.wake();
        runtime.block_on(async { rt::spawn(yield_now()).await }).unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn no_wake_is_lost_when_many_threads_wake_one_task() {
    const THREADS: usize = 4;
    const EACH: usize = 2000;

    on_each_flavor(|runtime| {
        let arrived = Arc::new(AtomicUsize::new(0));
        let (send, wakers) = mpsc::channel::<Waker>();
        let mut send = Some(send);
        let task = runtime.spawn({
            let arrived = arrived.clone();
            poll_fn(move |cx| {
                if let Some(send) = send.take() {
                    (0..THREADS).for_each(|_| send.send(cx.waker().clone()).unwrap());
                }
                // Relaxed: the wake publishes it.
                if arrived.load(Ordering::Relaxed) == THREADS * EACH { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        let wakers = Arc::new(Mutex::new(wakers));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (arrived, wakers) = (arrived.clone(), wakers.clone());
                thread::spawn(move || {
                    let waker = wakers.lock().unwrap().recv().unwrap();
                    for _ in 0..EACH {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        runtime.block_on(task).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thousand_tasks_woken_at_once_all_run() {
    on_each_flavor(|runtime| {
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let wakers = wakers.clone();
                runtime.spawn(scripted(Arc::default(), 2, move |poll, waker| {
                    if poll == 1 {
                        wakers.lock().unwrap().push(waker.clone());
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            while wakers.lock().unwrap().len() < 1000 {
                yield_now().await;
            }
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            thread::spawn(|| wakers.into_iter().for_each(Waker::wake));
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

// Closures that block.

#[test]
fn spawn_blocking_gives_the_result_of_its_closure() {
    on_each_flavor(|runtime| {
        let driver = thread::current().id();
        let (value, thread) = runtime.block_on(async move {
            spawn_blocking(|| (String::from("result"), thread::current().id())).await.unwrap()
        });
        assert_eq!(value, "result");
        assert_ne!(thread, driver);
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 1)).unwrap(), 1);
        assert_eq!(runtime.block_on(runtime.handle().spawn_blocking(|| 2)).unwrap(), 2);
    });
}

#[test]
fn a_panic_in_a_closure_reaches_its_joiner_alone() {
    on_each_flavor(|runtime| {
        for _ in 0..20 {
            let error = runtime.block_on(runtime.spawn_blocking(|| panic!("in a closure"))).unwrap_err();
            assert_eq!(*error.into_panic().downcast::<&'static str>().unwrap(), "in a closure");
        }
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| "next")).unwrap(), "next");
    });
}

/// A runtime whose pool has `threads` threads at most.
fn with_pool(threads: usize, keep_alive: Duration) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .max_blocking_threads(threads)
        .thread_keep_alive(keep_alive)
        .build()
        .unwrap()
}

#[test]
fn a_closure_aborted_before_it_begins_never_runs() {
    within(SOON, || {
        let runtime = with_pool(1, SOON);
        let (begun, has_begun) = mpsc::channel();
        let door = Door::default();
        let first = runtime.spawn_blocking({
            let door = door.clone();
            move || {
                begun.send(()).unwrap();
                door.wait();
                "ran to its end"
            }
        });
        has_begun.recv_timeout(SOON).unwrap();
        let was_run = Arc::new(AtomicBool::new(false));
        let drops = DropCounter::new();
        let second = runtime.spawn_blocking({
            let (was_run, guard) = (was_run.clone(), drops.guard());
            move || {
                let _guard = guard;
                was_run.store(true, Ordering::SeqCst);
            }
        });
        second.abort();
        first.abort();
        door.open();
        assert!(runtime.block_on(second).unwrap_err().is_cancelled());
        assert!(!was_run.load(Ordering::SeqCst));
        assert_eq!(drops.drops(), 1);
        assert_eq!(runtime.block_on(first).unwrap(), "ran to its end", "one that has begun cannot be aborted");
    });
}

#[test]
fn the_blocking_pool_has_no_more_threads_than_it_may() {
    within(SOON, || {
        let runtime = with_pool(3, SOON);
        let metrics = runtime.metrics();
        let door = Door::default();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handles: Vec<_> = (0..12)
            .map(|_| {
                let (door, running, most) = (door.clone(), running.clone(), most.clone());
                runtime.spawn_blocking(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    door.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        eventually(SOON, || running.load(Ordering::SeqCst) == 3);
        assert_eq!(metrics.num_blocking_threads(), 3);
        assert_eq!(metrics.blocking_queue_depth(), 9);
        assert_eq!(metrics.num_idle_blocking_threads(), 0);
        door.open();
        runtime.block_on(async {
            for handle in handles {
                handle.await.unwrap();
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(metrics.blocking_queue_depth(), 0);
        eventually(SOON, || metrics.num_idle_blocking_threads() == 3);
    });
}

#[test]
fn the_blocking_pool_grows_as_far_as_it_must_and_shrinks_after_the_keep_alive() {
    within(SOON, || {
        const THREADS: usize = 20;
        let runtime = with_pool(100, Duration::from_millis(20));
        let metrics = runtime.metrics();
        for _ in 0..2 {
            // They end only if all run at once.
            let barrier = Arc::new(Barrier::new(THREADS));
            let handles: Vec<_> = (0..THREADS)
                .map(|_| {
                    let barrier = barrier.clone();
                    runtime.spawn_blocking(move || barrier.wait().is_leader())
                })
                .collect();
            runtime.block_on(async {
                for handle in handles {
                    handle.await.unwrap();
                }
            });
            eventually(SOON, || metrics.num_blocking_threads() == 0);
            assert_eq!(metrics.num_idle_blocking_threads(), 0);
        }
    });
}

#[test]
fn an_idle_thread_of_the_pool_is_used_again() {
    within(SOON, || {
        let runtime = with_pool(10, SOON);
        let metrics = runtime.metrics();
        let mut threads = HashSet::new();
        for _ in 0..50 {
            threads.insert(runtime.block_on(runtime.spawn_blocking(|| thread::current().id())).unwrap());
            eventually(SOON, || metrics.num_idle_blocking_threads() == 1);
        }
        assert_eq!(threads.len(), 1);
        assert_eq!(metrics.num_blocking_threads(), 1);
    });
}

#[test]
fn closures_begin_in_the_order_in_which_they_were_spawned() {
    within(SOON, || {
        let runtime = with_pool(1, SOON);
        let order = Arc::new(Mutex::new(Vec::new()));
        let handles: Vec<_> = (0..100)
            .map(|n| {
                let order = order.clone();
                runtime.spawn_blocking(move || order.lock().unwrap().push(n))
            })
            .collect();
        runtime.block_on(async {
            for handle in handles {
                handle.await.unwrap();
            }
        });
        assert!(order.lock().unwrap().iter().copied().eq(0..100));
    });
}

#[test]
fn a_closure_is_inside_its_runtime_and_may_block_on_it() {
    on_each_flavor(|runtime| {
        let flavor = runtime.handle().runtime_flavor();
        runtime.block_on(async move {
            let output = spawn_blocking(move || {
                let handle = Handle::current();
                assert_eq!(handle.runtime_flavor(), flavor);
                let task = rt::spawn(async { 20 });
                let more =
                    spawn_blocking(|| Handle::current().block_on(async { rt::spawn(async { 1 }).await.unwrap() }));
                handle.block_on(async { task.await.unwrap() + more.await.unwrap() })
            });
            assert_eq!(output.await.unwrap(), 21);
        });
    });
}

#[test]
fn a_closure_may_loop_over_ready_futures_without_a_limit() {
    within(SOON, || {
        let runtime = multi(1);
        let closure = runtime.spawn_blocking(|| {
            let mut finished: Vec<_> = (0..1000).map(|_| rt::spawn(async {})).collect();
            finished.iter().for_each(wait_finished);
            // No task is polled here, so that nothing takes turns with others.
            finished.iter_mut().all(|handle| poll_with(handle, Waker::noop()).is_ready())
        });
        assert!(runtime.block_on(closure).unwrap());
    });
}

// Yielding, and order.

#[test]
fn tasks_of_a_current_thread_runtime_run_in_the_order_of_their_spawns() {
    within(SOON, || {
        let runtime = current();
        let order = Arc::new(Mutex::new(Vec::new()));
        let spawn = |n: u32| {
            let order = order.clone();
            rt::spawn(async move { order.lock().unwrap().push(n) })
        };
        runtime.block_on(async {
            let handles: Vec<_> = (0..500).map(spawn).collect();
            for handle in handles {
                handle.await.unwrap();
            }
        });
        assert!(order.lock().unwrap().iter().copied().eq(0..500));
    });
}

#[test]
fn tasks_that_yield_take_turns_on_a_current_thread_runtime() {
    within(SOON, || {
        let runtime = current();
        let order = Arc::new(Mutex::new(Vec::new()));
        let spawn = |name: char| {
            let order = order.clone();
            rt::spawn(async move {
                for turn in 0..50 {
                    order.lock().unwrap().push((turn, name));
                    yield_now().await;
                }
            })
        };
        runtime.block_on(async {
            for handle in ['a', 'b', 'c'].map(spawn) {
                handle.await.unwrap();
            }
        });
        let expected = (0..50).flat_map(|turn| ['a', 'b', 'c'].map(|name| (turn, name)));
        assert!(order.lock().unwrap().iter().copied().eq(expected));
    });
}

#[test]
fn a_future_in_block_on_that_yields_lets_all_tasks_that_are_ready_go_first() {
    within(SOON, || {
        let runtime = current();
        let count = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            // Each wakes the next, so that they are not ready at once; and each round leaves the next one nothing.
            for round in 1..=20 {
                let (first, mut ready) = oneshot::channel();
                for _ in 0..20 {
                    let (send, next) = oneshot::channel();
                    let (count, before) = (count.clone(), std::mem::replace(&mut ready, next));
                    drop(rt::spawn(async move {
                        before.await.unwrap();
                        count.fetch_add(1, Ordering::Relaxed);
                        // The last one's is received by nobody.
                        let _ = send.send(());
                    }));
                }
                yield_now().await;
                assert_eq!(count.load(Ordering::Relaxed), 20 * (round - 1));
                first.send(()).unwrap();
                yield_now().await;
                assert_eq!(count.load(Ordering::Relaxed), 20 * round);
            }
        });
    });
}

#[test]
fn a_future_in_block_on_that_yields_comes_to_its_turn_beside_tasks_that_never_rest() {
    within(SOON, || {
        let runtime = current();
        let polls = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let polled = polls.clone();
            let restless = rt::spawn(poll_fn(move |cx: &mut Context<'_>| -> Poll<()> {
                polled.fetch_add(1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
            for _ in 0..100 {
                yield_now().await;
            }
            restless.abort();
        });
        let polls = polls.load(Ordering::Relaxed);
        assert!((100..=100 * 61).contains(&polls), "{polls} polls");
    });
}

#[test]
fn tasks_of_a_current_thread_runtime_run_in_the_order_of_their_wakes() {
    within(SOON, || {
        let runtime = current();
        let order = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let (mut senders, mut handles) = (Vec::new(), Vec::new());
            for n in 0..100 {
                let (send, receive) = oneshot::channel::<()>();
                let order = order.clone();
                senders.push(send);
                handles.push(rt::spawn(async move {
                    receive.await.unwrap();
                    order.lock().unwrap().push(n);
                }));
            }
            yield_now().await;
            // From a task, and backwards.
            let waking = rt::spawn(async move {
                for send in senders.into_iter().rev() {
                    send.send(()).unwrap();
                }
            });
            waking.await.unwrap();
            for handle in handles {
                handle.await.unwrap();
            }
        });
        assert!(order.lock().unwrap().iter().copied().eq((0..100).rev()));
    });
}

#[test]
fn yield_now_lets_the_other_tasks_of_a_worker_run() {
    within(SOON, || {
        let runtime = multi(1);
        let is_done = Arc::new(AtomicBool::new(false));
        let done = is_done.clone();
        // Waits without ever letting go of the worker but in its yields.
        let waiting = runtime.spawn(async move {
            while !is_done.load(Ordering::SeqCst) {
                yield_now().await;
            }
        });
        let other = runtime.spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            done.store(true, Ordering::SeqCst);
        });
        runtime.block_on(async {
            other.await.unwrap();
            waiting.await.unwrap();
        });
    });
}

#[test]
fn yield_now_in_block_on_lets_the_tasks_run() {
    within(SOON, || {
        let runtime = current();
        let turns = Arc::new(AtomicUsize::new(0));
        let counting = turns.clone();
        runtime.block_on(async {
            let task = rt::spawn(async move {
                loop {
                    counting.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            });
            while turns.load(Ordering::SeqCst) < 100 {
                yield_now().await;
            }
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn who_joins_many_tasks_in_order_is_not_polled_for_each_of_them() {
    const TASKS: usize = 50;
    within(SOON, || {
        for runtime in [current(), multi(1)] {
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let parent = runtime.spawn(async move {
                let children: Vec<_> = (0..TASKS).map(|child| rt::spawn(async move { child })).collect();
                let mut joining = pin!(async {
                    for (expected, child) in children.into_iter().enumerate() {
                        assert_eq!(child.await.unwrap(), expected);
                    }
                });
                poll_fn(|cx| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    joining.as_mut().poll(cx)
                })
                .await;
            });
            runtime.block_on(parent).unwrap();
            let polls = polls.load(Ordering::Relaxed);
            assert!(polls <= TASKS / 5, "{polls} polls to join {TASKS} tasks");
        }
    });
}

#[test]
fn tasks_that_end_far_from_where_they_were_spawned_leave_nothing_behind() {
    const TASKS: usize = 300;
    within(SOON, || {
        let runtime = multi(2);
        let drops = DropCounter::new();
        // Spawned by a plain thread, ended by workers; some handles are dropped at once, some before the output is taken,
        // some after.
        let handles: Vec<_> = (0..TASKS)
            .map(|_| {
                let guard = drops.guard();
                runtime.spawn(async move { guard })
            })
            .enumerate()
            .filter_map(|(number, handle)| (number % 3 != 0).then_some(handle))
            .collect();
        eventually(SOON, || runtime.metrics().num_alive_tasks() == 0);
        for (number, handle) in handles.into_iter().enumerate() {
            if number % 2 == 0 {
                drop(runtime.block_on(handle).unwrap());
            }
        }
        eventually(SOON, || drops.drops() == TASKS);
        drop(runtime);
        assert_eq!(drops.drops(), TASKS);
    });
}

//! Runtimes: `block_on`, entering, builder options, metrics, fairness, several runtimes at once.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeFlavor, RuntimeMetrics};
use rt::sync::{Notify, mpsc as async_mpsc, oneshot};
use rt::task::yield_now;
use rt::time::sleep;
use support::{SOON, current, eventually, multi, unwatched, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Arc<Runtime>) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(2)].map(Arc::new).iter().for_each(test));
}

/// Keeps a worker of `runtime` in a poll until the sender is dropped.
fn occupy(runtime: &Runtime) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (enter, entered) = mpsc::channel();
    drop(runtime.spawn(async move {
        enter.send(()).unwrap();
        let _ = released.recv_timeout(SOON);
    }));
    entered.recv_timeout(SOON).expect("a worker takes the task");
    release
}

/// The sum over all workers.
fn total(metrics: &RuntimeMetrics, of: impl Fn(&RuntimeMetrics, usize) -> u64) -> u64 {
    (0..metrics.num_workers()).map(|worker| of(metrics, worker)).sum()
}

// `block_on`.

#[test]
fn block_on_takes_a_future_that_is_neither_send_nor_static() {
    on_each_flavor(|runtime| {
        let local = String::from("borrowed");
        let shared = Rc::new(RefCell::new(Vec::new()));
        let output = runtime.block_on(async {
            for _ in 0..3 {
                shared.borrow_mut().push(local.as_str());
                yield_now().await;
            }
            rt::spawn(yield_now()).await.unwrap();
            Rc::clone(&shared)
        });
        assert_eq!(*output.borrow(), ["borrowed"; 3]);
        let output = runtime.handle().block_on(async {
            yield_now().await;
            (&local, Rc::clone(&shared))
        });
        assert_eq!(output.0, "borrowed");
    });
}

#[test]
fn block_on_can_be_called_again_and_again() {
    on_each_flavor(|runtime| {
        for n in 0..300 {
            let output = runtime.block_on(async move {
                let task = rt::spawn(async move {
                    yield_now().await;
                    n
                });
                task.await.unwrap()
            });
            assert_eq!(output, n);
        }
    });
}

#[test]
fn block_on_leaves_other_tasks_as_they_are() {
    on_each_flavor(|runtime| {
        let turns = Arc::new(AtomicUsize::new(0));
        let counting = turns.clone();
        let endless = runtime.spawn(async move {
            loop {
                counting.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        });
        runtime.block_on(yield_now());
        let before = turns.load(Ordering::SeqCst);
        assert!(!endless.is_finished());
        // It goes on in the next call.
        runtime.block_on(async {
            while turns.load(Ordering::SeqCst) < before + 10 {
                yield_now().await;
            }
        });
        endless.abort();
    });
}

#[test]
fn any_number_of_threads_can_be_in_block_on_at_once() {
    const THREADS: usize = 8;

    on_each_flavor(|runtime| {
        for _ in 0..10 {
            // Nobody leaves before all are in.
            let meeting = Arc::new(rt::sync::Barrier::new(THREADS));
            let threads: Vec<_> = (0..THREADS)
                .map(|n| {
                    let (runtime, meeting) = (runtime.clone(), meeting.clone());
                    thread::spawn(move || {
                        runtime.block_on(async move {
                            let task = rt::spawn(async move {
                                sleep(Duration::from_millis(n as u64 % 3)).await;
                                yield_now().await;
                                n
                            });
                            let not_send = Rc::new(n);
                            meeting.wait().await;
                            task.await.unwrap() + *not_send
                        })
                    })
                })
                .collect();
            for (n, thread) in threads.into_iter().enumerate() {
                assert_eq!(thread.join().unwrap(), 2 * n);
            }
        }
    });
}

/// A thread in `block_on` until the sender is used; a task on `runtime` tells that it drives.
fn driving_thread(runtime: &Arc<Runtime>) -> (oneshot::Sender<()>, thread::JoinHandle<()>) {
    let (leave, left) = oneshot::channel();
    let (drive, drives) = mpsc::channel();
    let thread = thread::spawn({
        let runtime = runtime.clone();
        move || {
            drop(runtime.spawn(async move { drive.send(thread::current().id()).unwrap() }));
            runtime.block_on(async { left.await.unwrap() });
        }
    });
    assert_eq!(drives.recv_timeout(SOON).unwrap(), thread.thread().id());
    (leave, thread)
}

#[test]
fn another_thread_drives_a_current_thread_runtime_when_the_first_leaves() {
    within(SOON, || {
        for round in 0..100 {
            let runtime = Arc::new(current());
            let (leave, first) = driving_thread(&runtime);
            let (go, gone) = oneshot::channel::<()>();
            let task = runtime.spawn(async move {
                gone.await.unwrap();
                sleep(Duration::from_millis(1)).await;
                thread::current().id()
            });
            let (enter, entered) = mpsc::channel();
            let second = thread::spawn({
                let runtime = runtime.clone();
                move || {
                    runtime.block_on(async move {
                        enter.send(()).unwrap();
                        task.await.unwrap()
                    })
                }
            });
            // The second is in `block_on`, and in most rounds it sleeps.
            entered.recv_timeout(SOON).unwrap();
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
            leave.send(()).unwrap();
            first.join().unwrap();
            go.send(()).unwrap();
            let id = second.thread().id();
            assert_eq!(second.join().unwrap(), id);
        }
    });
}

#[test]
fn a_thread_that_waits_for_its_turn_to_drive_polls_its_own_future() {
    within(SOON, || {
        let runtime = Arc::new(current());
        let (leave, first) = driving_thread(&runtime);
        for _ in 0..100 {
            // Woken by the driving thread, by a foreign thread, by itself.
            let task = runtime.spawn(async { 5 });
            assert_eq!(runtime.block_on(task).unwrap(), 5);
            let (send, receive) = oneshot::channel();
            let foreign = thread::spawn(move || send.send(6).unwrap());
            assert_eq!(runtime.block_on(receive).unwrap(), 6);
            foreign.join().unwrap();
            runtime.block_on(async {
                for _ in 0..10 {
                    yield_now().await;
                }
            });
            runtime.block_on(async { sleep(Duration::from_micros(100)).await });
        }
        leave.send(()).unwrap();
        first.join().unwrap();
    });
}

#[test]
fn threads_that_come_and_go_keep_a_current_thread_runtime_driven() {
    within(SOON, || {
        let runtime = Arc::new(current());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    for n in 0..200 {
                        let output = runtime.block_on(async move {
                            let (send, receive) = oneshot::channel();
                            drop(rt::spawn(async move {
                                yield_now().await;
                                send.send(n).unwrap();
                            }));
                            receive.await.unwrap()
                        });
                        assert_eq!(output, n);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_panic_in_block_on_reaches_its_caller_and_leaves_the_runtime_usable() {
    on_each_flavor(|runtime| {
        for _ in 0..5 {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    drop(rt::spawn(yield_now()));
                    yield_now().await;
                    std::panic::resume_unwind(Box::new("as told"));
                })
            }));
            assert_eq!(*panic.unwrap_err().downcast::<&'static str>().unwrap(), "as told");
            assert!(Handle::try_current().is_err(), "the thread has left the runtime");
            assert_eq!(runtime.block_on(async { rt::spawn(async { 3 }).await.unwrap() }), 3);
        }
    });
}

#[test]
fn another_thread_takes_over_when_the_driving_one_panics() {
    within(SOON, || {
        let runtime = Arc::new(current());
        let (go, gone) = oneshot::channel::<()>();
        let (drive, drives) = mpsc::channel();
        let first = thread::spawn({
            let runtime = runtime.clone();
            move || {
                drop(runtime.spawn(async move { drive.send(()).unwrap() }));
                runtime.block_on(async {
                    gone.await.unwrap();
                    std::panic::resume_unwind(Box::new("as told"));
                })
            }
        });
        drives.recv_timeout(SOON).unwrap();
        let (enter, entered) = mpsc::channel();
        let second = thread::spawn({
            let runtime = runtime.clone();
            move || {
                runtime.block_on(async move {
                    enter.send(()).unwrap();
                    sleep(Duration::from_millis(20)).await;
                    rt::spawn(async { "served" }).await.unwrap()
                })
            }
        });
        entered.recv_timeout(SOON).unwrap();
        go.send(()).unwrap();
        assert!(first.join().is_err());
        assert_eq!(second.join().unwrap(), "served");
    });
}

#[test]
fn a_handle_blocks_on_a_current_thread_runtime_that_another_thread_drives() {
    within(SOON, || {
        let runtime = Arc::new(current());
        let (leave, first) = driving_thread(&runtime);
        let output = runtime.handle().block_on(async {
            sleep(Duration::from_millis(1)).await;
            rt::spawn(async { 4 }).await.unwrap()
        });
        assert_eq!(output, 4);
        leave.send(()).unwrap();
        first.join().unwrap();
    });
}

#[test]
fn a_task_spawned_before_block_on_runs_in_it() {
    within(SOON, || {
        let runtime = current();
        let polled_by = Arc::new(Mutex::new(None));
        let task = runtime.spawn({
            let polled_by = polled_by.clone();
            async move { *polled_by.lock().unwrap() = Some(thread::current().id()) }
        });
        assert!(polled_by.lock().unwrap().is_none() && !task.is_finished());
        runtime.block_on(task).unwrap();
        assert_eq!(*polled_by.lock().unwrap(), Some(thread::current().id()));
    });
}

#[test]
fn a_wake_between_two_block_ons_is_not_lost() {
    within(SOON, || {
        let runtime = current();
        let (send, mut receive) = async_mpsc::unbounded_channel();
        let task = runtime.spawn(async move {
            let mut sum = 0;
            while let Some(n) = receive.recv().await {
                sum += n;
            }
            sum
        });
        for n in 1..=100 {
            runtime.block_on(yield_now());
            send.send(n).unwrap();
        }
        drop(send);
        assert_eq!(runtime.block_on(task).unwrap(), 5050);
    });
}

// Being inside a runtime.

#[test]
fn a_thread_is_in_no_runtime_until_it_enters_one() {
    on_each_flavor(|runtime| {
        let error = Handle::try_current().unwrap_err();
        assert!(error.is_missing_context() && !error.is_thread_local_destroyed());
        let flavor = runtime.handle().runtime_flavor();
        {
            let _guard = runtime.enter();
            assert_eq!(Handle::current().runtime_flavor(), flavor);
            assert_eq!(Handle::try_current().unwrap().runtime_flavor(), flavor);
        }
        assert!(Handle::try_current().is_err());
        let flavors = runtime.block_on(async {
            let here = Handle::current().runtime_flavor();
            let task = rt::spawn(async { Handle::current().runtime_flavor() }).await.unwrap();
            let closure = rt::task::spawn_blocking(|| Handle::current().runtime_flavor()).await.unwrap();
            [here, task, closure]
        });
        assert_eq!(flavors, [flavor; 3]);
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn a_handle_knows_the_flavor_of_its_runtime() {
    within(SOON, || {
        assert_eq!(current().handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
        assert_eq!(multi(1).handle().runtime_flavor(), RuntimeFlavor::MultiThread);
        assert_eq!(Runtime::new().unwrap().handle().runtime_flavor(), RuntimeFlavor::MultiThread);
    });
}

#[test]
fn inside_an_entered_runtime_everything_is_made_on_it() {
    within(SOON, || {
        let runtime = multi(1);
        let (task, closure, waiting, listener) = {
            let _guard = runtime.enter();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            (
                rt::spawn(async { 1 }),
                rt::task::spawn_blocking(|| 2),
                sleep(Duration::from_millis(1)),
                TcpListener::from_std(listener).unwrap(),
            )
        };
        let address = listener.local_addr().unwrap();
        runtime.block_on(async {
            assert_eq!(task.await.unwrap() + closure.await.unwrap(), 3);
            waiting.await;
            let client = rt::spawn(TcpStream::connect(address));
            listener.accept().await.unwrap();
            client.await.unwrap().unwrap();
        });
    });
}

#[test]
fn guards_of_two_runtimes_nest() {
    within(SOON, || {
        let (outer, inner) = (multi(1), current());
        let flavor = || Handle::current().runtime_flavor();
        let first = outer.enter();
        assert_eq!(flavor(), RuntimeFlavor::MultiThread);
        {
            let _second = inner.enter();
            assert_eq!(flavor(), RuntimeFlavor::CurrentThread);
            let _third = outer.enter();
            assert_eq!(flavor(), RuntimeFlavor::MultiThread);
            // `block_on` enters too.
            assert_eq!(inner.block_on(async { flavor() }), RuntimeFlavor::CurrentThread);
            assert_eq!(flavor(), RuntimeFlavor::MultiThread);
        }
        assert_eq!(flavor(), RuntimeFlavor::MultiThread);
        drop(first);
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn a_task_can_enter_another_runtime() {
    within(SOON, || {
        let (here, there) = (multi(1), current());
        let other = there.handle().clone();
        let task = here.spawn(async move {
            let spawned = {
                let _guard = other.enter();
                rt::spawn(async { Handle::current().runtime_flavor() })
            };
            assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
            spawned.await.unwrap()
        });
        assert_eq!(there.block_on(task).unwrap(), RuntimeFlavor::CurrentThread);
    });
}

#[test]
fn a_guard_dropped_out_of_order_panics_and_says_so() {
    within(SOON, || {
        let (one, two) = (multi(1), current());
        let first = one.enter();
        let second = two.enter();
        let panic = catch_unwind(AssertUnwindSafe(|| drop(first))).unwrap_err();
        assert!(panic.downcast::<&'static str>().unwrap().contains("reverse order"));
        assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
        drop(second);
        // Nothing is broken but the order: the runtimes and other threads work.
        assert_eq!(two.block_on(async { Handle::current().runtime_flavor() }), RuntimeFlavor::CurrentThread);
        assert_eq!(one.block_on(one.spawn(async { 1 })).unwrap(), 1);
        assert!(thread::spawn(|| Handle::try_current().is_err()).join().unwrap());
    });
}

#[test]
fn a_panic_inside_an_entered_runtime_leaves_it() {
    within(SOON, || {
        let (one, two) = (multi(1), current());
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _first = one.enter();
            let _second = two.enter();
            std::panic::resume_unwind(Box::new("as told"));
        }));
        assert!(panic.is_err());
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn runtimes_and_handles_go_between_threads_and_guards_do_not() {
    fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + fmt::Debug + 'static>() {}
    fn cloned<T: Clone>() {}
    trait Ambiguous<A> {
        fn holds() {}
    }
    struct Send_;
    impl<T: ?Sized> Ambiguous<()> for T {}
    impl<T: ?Sized + Send> Ambiguous<Send_> for T {}

    shared::<Runtime>();
    shared::<Handle>();
    shared::<RuntimeMetrics>();
    cloned::<Handle>();
    cloned::<RuntimeMetrics>();
    // Ambiguous, and no program, if a guard were `Send`.
    <EnterGuard<'static> as Ambiguous<_>>::holds();
}

// Several runtimes.

/// Two tasks that send a number to and fro.
fn play(one: &Handle, two: &Handle, rounds: u32) -> (rt::task::JoinHandle<u32>, rt::task::JoinHandle<u32>) {
    let (to_two, mut from_one) = async_mpsc::channel::<u32>(1);
    let (to_one, mut from_two) = async_mpsc::channel::<u32>(1);
    let ping = one.spawn(async move {
        let mut last = 0;
        for n in 0..rounds {
            to_two.send(n).await.unwrap();
            last = from_two.recv().await.unwrap();
            assert_eq!(last, n);
        }
        last
    });
    let pong = two.spawn(async move {
        let mut rallies = 0;
        while let Some(n) = from_one.recv().await {
            rallies += 1;
            to_one.send(n).await.unwrap();
        }
        rallies
    });
    (ping, pong)
}

#[test]
fn tasks_of_two_multi_thread_runtimes_wake_each_other() {
    within(SOON, || {
        let (one, two) = (multi(2), multi(1));
        let games: Vec<_> = (0..8).map(|_| play(one.handle(), two.handle(), 300)).collect();
        one.block_on(async {
            for (ping, pong) in games {
                assert_eq!((ping.await.unwrap(), pong.await.unwrap()), (299, 300));
            }
        });
    });
}

#[test]
fn tasks_of_a_multi_thread_and_a_current_thread_runtime_wake_each_other() {
    within(SOON, || {
        let (one, two) = (multi(2), current());
        let games: Vec<_> = (0..8).map(|_| play(one.handle(), two.handle(), 300)).collect();
        two.block_on(async {
            for (ping, pong) in games {
                assert_eq!((ping.await.unwrap(), pong.await.unwrap()), (299, 300));
            }
        });
    });
}

#[test]
fn tasks_of_two_current_thread_runtimes_wake_each_other() {
    within(SOON, || {
        let (one, two) = (Arc::new(current()), current());
        let (leave, driving) = driving_thread(&one);
        let games: Vec<_> = (0..8).map(|_| play(one.handle(), two.handle(), 300)).collect();
        two.block_on(async {
            for (ping, pong) in games {
                assert_eq!((ping.await.unwrap(), pong.await.unwrap()), (299, 300));
            }
        });
        leave.send(()).unwrap();
        driving.join().unwrap();
    });
}

#[test]
fn a_closure_of_one_runtime_may_block_on_another() {
    within(SOON, || {
        let (one, two) = (multi(1), Arc::new(current()));
        let there = two.clone();
        let output = one.block_on(one.spawn_blocking(move || {
            there.block_on(async {
                let spawned = rt::spawn(async { Handle::current().runtime_flavor() });
                sleep(Duration::from_millis(1)).await;
                spawned.await.unwrap()
            })
        }));
        assert_eq!(output.unwrap(), RuntimeFlavor::CurrentThread);
    });
}

// Builder options.

#[test]
fn a_multi_thread_runtime_runs_as_many_tasks_at_once_as_it_has_workers() {
    within(SOON, || {
        for workers in [1, 2, 5] {
            let runtime = multi(workers);
            assert_eq!(runtime.metrics().num_workers(), workers);
            let barrier = Arc::new(Barrier::new(workers));
            let meet = |spawn: &dyn Fn(Arc<Barrier>) -> rt::task::JoinHandle<ThreadId>| -> Vec<_> {
                (0..workers).map(|_| spawn(barrier.clone())).collect()
            };
            // Spawned from outside, and by a task that joins in.
            let outside = meet(&|barrier| {
                runtime.spawn(async move {
                    barrier.wait();
                    thread::current().id()
                })
            });
            let threads: HashSet<_> = outside.into_iter().map(|handle| runtime.block_on(handle).unwrap()).collect();
            assert_eq!(threads.len(), workers);
            let barrier = barrier.clone();
            let inside = runtime.spawn(async move {
                let others: Vec<_> = (1..=workers)
                    .map(|n| {
                        let barrier = barrier.clone();
                        rt::spawn(async move {
                            // The last spawned may wait in this worker's slot for its poll to end.
                            if n < workers {
                                barrier.wait();
                            }
                        })
                    })
                    .collect();
                barrier.wait();
                for other in others {
                    other.await.unwrap();
                }
            });
            runtime.block_on(inside).unwrap();
        }
    });
}

#[test]
fn a_current_thread_runtime_has_one_worker_whatever_it_is_told() {
    within(SOON, || {
        let runtime = Builder::new_current_thread().worker_threads(7).build().unwrap();
        assert_eq!(runtime.metrics().num_workers(), 1);
        let here = thread::current().id();
        assert_eq!(runtime.block_on(runtime.spawn(async { thread::current().id() })).unwrap(), here);
    });
}

/// The name of the thread that runs a task, and of one that runs a closure.
fn names(runtime: &Runtime) -> [String; 2] {
    let name = || thread::current().name().unwrap_or("").to_owned();
    let task = runtime.spawn(async move { name() });
    [runtime.block_on(task).unwrap(), runtime.block_on(runtime.spawn_blocking(name)).unwrap()]
}

#[test]
fn threads_have_the_name_that_they_were_given() {
    within(SOON, || {
        assert_eq!(names(&multi(1)), ["rt-worker", "rt-worker"]);
        let named = Builder::new_multi_thread().worker_threads(1).thread_name("mine").build().unwrap();
        assert_eq!(names(&named), ["mine", "mine"]);
    });
}

#[test]
fn the_naming_function_is_called_for_each_thread() {
    within(SOON, || {
        let calls = Arc::new(AtomicUsize::new(0));
        let counting = calls.clone();
        let started = Arc::new(Mutex::new(Vec::new()));
        let starting = started.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(3)
            .thread_name_fn(move || format!("thread-{}", counting.fetch_add(1, Ordering::SeqCst)))
            .on_thread_start(move || {
                starting.lock().unwrap().push(thread::current().name().unwrap_or("").to_owned());
            })
            .build()
            .unwrap();
        runtime.block_on(runtime.spawn_blocking(|| {})).unwrap();
        eventually(SOON, || started.lock().unwrap().len() == 4);
        let mut names = started.lock().unwrap().clone();
        names.sort();
        assert_eq!(names, ["thread-0", "thread-1", "thread-2", "thread-3"]);
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    });
}

/// Uses about `depth` times 64 KiB of stack.
#[inline(never)]
fn deep(depth: usize) -> usize {
    let frame = black_box([depth as u8; 64 * 1024]);
    let below = if depth == 0 { 0 } else { deep(depth - 1) };
    below + usize::from(black_box(&frame)[depth] == depth as u8)
}

#[test]
fn threads_have_the_stack_that_was_asked_for() {
    within(SOON, || {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_stack_size(64 * 1024 * 1024).build().unwrap();
        // 16 MiB, where the default is 2.
        assert_eq!(runtime.block_on(runtime.spawn(async { deep(255) })).unwrap(), 256);
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| deep(255))).unwrap(), 256);
    });
}

#[test]
fn the_hooks_are_called_at_the_start_and_the_end_of_each_thread() {
    within(SOON, || {
        let (starts, stops) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (starting, stopping) = (starts.clone(), stops.clone());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || {
                // Already inside the runtime.
                assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
                starting.lock().unwrap().push(thread::current().id());
            })
            .on_thread_stop(move || stopping.lock().unwrap().push(thread::current().id()))
            .build()
            .unwrap();
        let task = runtime.block_on(runtime.spawn(async { thread::current().id() })).unwrap();
        assert!(starts.lock().unwrap().contains(&task), "the hook comes before the first task");
        let closure = runtime.block_on(runtime.spawn_blocking(|| thread::current().id())).unwrap();
        assert!(starts.lock().unwrap().contains(&closure));
        eventually(SOON, || starts.lock().unwrap().len() == 3);
        assert!(stops.lock().unwrap().is_empty());
        drop(runtime);
        let ended = |threads: &Mutex<Vec<ThreadId>>| threads.lock().unwrap().iter().copied().collect::<HashSet<_>>();
        assert_eq!(starts.lock().unwrap().len(), 3);
        // A thread of the pool may still be in its hook when the runtime is gone.
        eventually(SOON, || stops.lock().unwrap().len() == 3);
        assert_eq!(ended(&starts), ended(&stops));
    });
}

#[test]
fn the_hooks_are_called_around_each_sleep_of_a_worker() {
    within(SOON, || {
        let builders = [Builder::new_multi_thread(), Builder::new_current_thread()];
        for mut builder in builders {
            let (parks, unparks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (parking, unparking) = (parks.clone(), unparks.clone());
            let runtime = builder
                .worker_threads(2)
                .enable_all()
                .on_thread_park(move || _ = parking.fetch_add(1, Ordering::SeqCst))
                .on_thread_unpark(move || _ = unparking.fetch_add(1, Ordering::SeqCst))
                .build()
                .unwrap();
            let metrics = runtime.metrics();
            for _ in 0..5 {
                // A task that waits for a time leaves its worker nothing to do.
                runtime.block_on(async { rt::spawn(sleep(Duration::from_millis(2))).await }).unwrap();
            }
            eventually(SOON, || parks.load(Ordering::SeqCst) >= 5);
            drop(runtime);
            eventually(SOON, || unparks.load(Ordering::SeqCst) == parks.load(Ordering::SeqCst));
            assert_eq!(total(&metrics, RuntimeMetrics::worker_park_count), parks.load(Ordering::SeqCst) as u64);
        }
    });
}

#[test]
fn everything_is_off_until_it_is_enabled() {
    within(SOON, || {
        let plain = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        assert_eq!(plain.block_on(async { rt::spawn(async { 1 }).await.unwrap() }), 1);
        let timed = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        timed.block_on(async { rt::spawn(sleep(Duration::from_millis(1))).await }).unwrap();
        let timed = Builder::new_current_thread().enable_time().build().unwrap();
        timed.block_on(async { rt::spawn(sleep(Duration::from_millis(1))).await }).unwrap();
        let connected = Builder::new_current_thread().enable_io().build().unwrap();
        connected.block_on(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
    });
}

#[test]
fn one_builder_builds_any_number_of_runtimes() {
    within(SOON, || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("again");
        for runtime in [builder.build().unwrap(), builder.build().unwrap()] {
            assert_eq!(names(&runtime)[0], "again");
        }
    });
}

#[test]
fn a_runtime_for_each_of_a_hundred_moments() {
    within(SOON, || {
        for n in 0..100 {
            let runtime = if n % 2 == 0 { multi(2) } else { current() };
            assert_eq!(runtime.block_on(async move { rt::spawn(async move { n }).await.unwrap() }), n);
        }
    });
}

// Fairness.

/// Builds a runtime with one worker of each flavour, and runs `test` on both.
#[track_caller]
fn on_one_worker(configure: impl Fn(&mut Builder) + Send + 'static, test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            configure(builder.worker_threads(1).enable_all());
            test(&builder.build().unwrap());
        }
    });
}

/// Does what `outside` says on a thread that is no worker, and waits for it.
fn elsewhere<T: Send + 'static>(outside: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(outside).join().unwrap()
}

#[test]
fn two_tasks_that_wake_each_other_for_ever_do_not_starve_a_third() {
    on_one_worker(
        |_| {},
        |runtime| {
            let (one, two) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let endless = [(one.clone(), two.clone()), (two, one)].map(|(mine, other)| {
                runtime.spawn(async move {
                    loop {
                        other.notify_one();
                        mine.notified().await;
                    }
                })
            });
            let third = runtime.spawn(async {
                for _ in 0..1000 {
                    yield_now().await;
                }
            });
            runtime.block_on(third).unwrap();
            endless.iter().for_each(|task| task.abort());
        },
    );
}

#[test]
fn a_task_that_wakes_itself_for_ever_does_not_starve_others() {
    on_one_worker(
        |_| {},
        |runtime| {
            let endless = runtime.spawn(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
            runtime.block_on(async {
                for n in 0..200 {
                    assert_eq!(rt::spawn(async move { n }).await.unwrap(), n);
                }
            });
            endless.abort();
        },
    );
}

#[test]
fn a_task_that_spawns_for_ever_does_not_starve_others() {
    on_one_worker(
        |_| {},
        |runtime| {
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            fn chain(stopped: Arc<AtomicBool>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
                Box::pin(async move {
                    if !stopped.load(Ordering::SeqCst) {
                        drop(rt::spawn(chain(stopped)));
                    }
                })
            }
            drop(runtime.spawn(chain(stopped)));
            let other = runtime.spawn(async {
                for _ in 0..1000 {
                    yield_now().await;
                }
            });
            runtime.block_on(other).unwrap();
            stop.store(true, Ordering::SeqCst);
        },
    );
}

/// A thousand tasks that yield for ever, of which one spawns a task from outside in the middle of a poll; returns how many
/// polls came before the new task's.
fn polls_until_served(runtime: &Runtime, tasks: usize, poll_time: Duration) -> usize {
    let polls = Arc::new(AtomicUsize::new(0));
    let yielding: Vec<_> = (0..tasks)
        .map(|_| {
            let polls = polls.clone();
            runtime.spawn(async move {
                loop {
                    polls.fetch_add(1, Ordering::SeqCst);
                    let begun = Instant::now();
                    while begun.elapsed() < poll_time {}
                    yield_now().await;
                }
            })
        })
        .collect();
    let handle = runtime.handle().clone();
    let spawning = runtime.spawn(async move {
        // All of them run.
        while polls.load(Ordering::SeqCst) < 2 * tasks {
            yield_now().await;
        }
        let spawned = elsewhere(move || {
            // Not before this thread runs: if that takes long, this poll is stuck, and the others go on elsewhere.
            let before = polls.load(Ordering::SeqCst);
            handle.spawn(async move { polls.load(Ordering::SeqCst) - before })
        });
        spawned.await.unwrap()
    });
    let served_after = runtime.block_on(spawning).unwrap();
    yielding.iter().for_each(|task| task.abort());
    served_after
}

#[test]
fn a_spawn_from_outside_is_not_starved_by_a_thousand_tasks_that_yield() {
    on_one_worker(
        |_| {},
        |runtime| {
            let polls = polls_until_served(runtime, 1000, Duration::ZERO);
            assert!(polls <= 61, "it was served after {polls} polls");
        },
    );
}

#[test]
fn the_queue_of_spawns_from_outside_is_looked_at_as_often_as_the_builder_says() {
    for interval in [1, 2, 7, 8, 20] {
        on_one_worker(
            move |builder| _ = builder.global_queue_interval(interval),
            move |runtime| {
                let polls = polls_until_served(runtime, 100, Duration::ZERO);
                assert!(polls <= interval as usize, "it was served after {polls} polls, {interval} was asked for");
            },
        );
    }
}

#[test]
fn a_spawn_from_outside_is_not_starved_by_long_polls() {
    on_one_worker(
        // Never by count.
        |builder| _ = builder.global_queue_interval(1 << 24),
        |runtime| {
            let polls = polls_until_served(runtime, 50, Duration::from_micros(200));
            // It is noticed in 16 polls, has waited for long enough after 3 more, and that is noticed in 6.
            assert!(polls <= 24, "it was served after {polls} polls");
        },
    );
}

#[test]
fn timers_are_looked_at_as_often_as_the_builder_says() {
    for interval in [1, 3, 61] {
        on_one_worker(
            move |builder| _ = builder.event_interval(interval),
            move |runtime| {
                let is_fired = Arc::new(AtomicBool::new(false));
                let firing = is_fired.clone();
                let polls = runtime.spawn(async move {
                    let timer = rt::spawn(async move {
                        sleep(Duration::from_millis(5)).await;
                        firing.store(true, Ordering::SeqCst);
                    });
                    // Armed, and due after this poll.
                    yield_now().await;
                    yield_now().await;
                    thread::sleep(Duration::from_millis(20));
                    let mut polls = 0;
                    while !is_fired.load(Ordering::SeqCst) {
                        yield_now().await;
                        polls += 1;
                    }
                    timer.await.unwrap();
                    polls
                });
                let polls = runtime.block_on(polls).unwrap();
                assert!(polls <= interval + 2, "it fired after {polls} polls, {interval} was asked for");
            },
        );
    }
}

#[test]
fn yielding_tasks_starve_neither_timers_nor_sockets() {
    on_each_flavor(|runtime| {
        let yielding: Vec<_> = (0..100)
            .map(|_| {
                runtime.spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = rt::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut byte = [0];
                while stream.read(&mut byte).await.unwrap() > 0 {
                    stream.write_all(&byte).await.unwrap();
                }
            });
            let client = rt::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for n in 0..50 {
                    stream.write_all(&[n]).await.unwrap();
                    assert_eq!(stream.read_u8().await.unwrap(), n);
                }
            });
            let timer = rt::spawn(async {
                for _ in 0..10 {
                    sleep(Duration::from_millis(1)).await;
                }
            });
            timer.await.unwrap();
            client.await.unwrap();
            server.await.unwrap();
        });
        yielding.iter().for_each(|task| task.abort());
    });
}

#[test]
fn a_yielding_main_future_starves_neither_tasks_nor_timers_nor_sockets() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let work = rt::spawn(async move {
                for _ in 0..5 {
                    let (client, server) = (TcpStream::connect(address), listener.accept());
                    let (client, server) = futures_util::future::join(client, server).await;
                    client.unwrap().write_all(b"hello").await.unwrap();
                    let mut text = String::new();
                    server.unwrap().0.read_to_string(&mut text).await.unwrap();
                    assert_eq!(text, "hello");
                    sleep(Duration::from_millis(1)).await;
                }
            });
            while !work.is_finished() {
                yield_now().await;
            }
            work.await.unwrap();
        });
    });
}

#[test]
fn a_burst_of_spawns_from_outside_is_shared_among_the_workers() {
    within(SOON, || {
        let runtime = multi(2);
        // Twenty pairs that meet: they end only if both workers take part.
        for _ in 0..20 {
            let barrier = Arc::new(Barrier::new(2));
            let tasks: Vec<_> = (0..2)
                .map(|_| {
                    let barrier = barrier.clone();
                    runtime.spawn(async move { barrier.wait().is_leader() })
                })
                .collect();
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
    });
}

// Metrics.

#[test]
fn the_number_of_alive_tasks_returns_to_zero() {
    on_each_flavor(|runtime| {
        let metrics = runtime.metrics();
        assert_eq!((metrics.num_alive_tasks(), metrics.spawned_tasks_count()), (0, 0));
        let from_outside: Vec<_> = (0..100).map(|_| runtime.spawn(pending::<()>())).collect();
        assert_eq!((metrics.num_alive_tasks(), metrics.spawned_tasks_count()), (100, 100));
        runtime.block_on(async {
            let handles: Vec<_> = (0..1000).map(|_| rt::spawn(yield_now())).collect();
            for handle in handles {
                handle.await.unwrap();
            }
            let tasks = rt::spawn(async { (0..1000).map(|_| rt::spawn(yield_now())).collect::<Vec<_>>() });
            for handle in tasks.await.unwrap() {
                handle.await.unwrap();
            }
        });
        assert_eq!(metrics.spawned_tasks_count(), 2101);
        // A task is counted out just after its joiner was woken.
        let count_is = |alive: usize| {
            eventually(SOON, || {
                runtime.block_on(yield_now());
                metrics.num_alive_tasks() == alive
            });
        };
        count_is(100);
        from_outside.iter().for_each(|handle| handle.abort());
        count_is(0);
    });
}

#[test]
fn polls_are_counted() {
    on_one_worker(
        |_| {},
        |runtime| {
            let metrics = runtime.metrics();
            let before = metrics.worker_poll_count(0);
            let task = runtime.spawn(async {
                for _ in 0..9 {
                    yield_now().await;
                }
            });
            runtime.block_on(task).unwrap();
            assert_eq!(metrics.worker_poll_count(0) - before, 10);
        },
    );
}

#[test]
fn wakes_and_spawns_are_counted_where_they_come_from() {
    on_one_worker(
        |_| {},
        |runtime| {
            let metrics = runtime.metrics();
            // Outside: ten spawns, and one wake for each.
            let (sends, tasks): (Vec<_>, Vec<_>) = (0..10)
                .map(|_| {
                    let (send, receive) = oneshot::channel::<()>();
                    (send, runtime.spawn(receive))
                })
                .unzip();
            assert_eq!(metrics.remote_schedule_count(), 10);
            runtime.block_on(async { rt::spawn(async {}).await }).unwrap();
            eventually(SOON, || {
                runtime.block_on(yield_now());
                metrics.global_queue_depth() == 0 && metrics.worker_local_queue_depth(0) == 0
            });
            let before = metrics.remote_schedule_count();
            sends.into_iter().for_each(|send| send.send(()).unwrap());
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap().unwrap();
                }
            });
            assert_eq!(metrics.remote_schedule_count() - before, 10);

            // Inside: a hundred spawns, by one task.
            let spawning = runtime.spawn({
                let metrics = metrics.clone();
                async move {
                    let before = (metrics.worker_local_schedule_count(0), metrics.remote_schedule_count());
                    (0..100).for_each(|_| drop(rt::spawn(async {})));
                    let after = (metrics.worker_local_schedule_count(0), metrics.remote_schedule_count());
                    (after.0 - before.0, after.1 - before.1)
                }
            });
            assert_eq!(runtime.block_on(spawning).unwrap(), (100, 0));
        },
    );
}

#[test]
fn the_depths_of_the_queues_are_told() {
    within(SOON, || {
        let runtime = unwatched(1);
        let metrics = runtime.metrics();
        let release = occupy(&runtime);
        let outside: Vec<_> = (0..5).map(|_| runtime.spawn(async {})).collect();
        assert_eq!(metrics.global_queue_depth(), 5);
        drop(release);
        runtime.block_on(async {
            for task in outside {
                task.await.unwrap();
            }
        });
        assert_eq!(metrics.global_queue_depth(), 0);
        let inside = runtime.spawn({
            let metrics = metrics.clone();
            async move {
                (0..10).for_each(|_| drop(rt::spawn(async {})));
                // The last one waits in the slot.
                metrics.worker_local_queue_depth(0)
            }
        });
        assert_eq!(runtime.block_on(inside).unwrap(), 9);
    });
}

#[test]
fn idle_workers_park_and_say_so() {
    within(SOON, || {
        let runtime = unwatched(3);
        let metrics = runtime.metrics();
        eventually(SOON, || metrics.num_parked_workers() == 3);
        let parks = total(&metrics, RuntimeMetrics::worker_park_count);
        assert!(parks >= 3);
        for _ in 0..10 {
            runtime.block_on(runtime.spawn(async {})).unwrap();
            eventually(SOON, || metrics.num_parked_workers() == 3);
        }
        assert!(total(&metrics, RuntimeMetrics::worker_park_count) >= parks + 10);
        let release = occupy(&runtime);
        assert!(metrics.num_parked_workers() < 3);
        drop(release);
    });
}

#[test]
fn a_runtime_with_nothing_but_far_timers_stays_asleep() {
    within(SOON, || {
        let runtime = multi(2);
        let metrics = runtime.metrics();
        let hour = Duration::from_secs(3600);
        let tasks = runtime.block_on(async move {
            // Of many distances, in many slots of the wheel and some in one; and some that are not there any more.
            let far = (0..200_u32).map(|n| rt::spawn(rt::time::sleep(hour + Duration::from_millis(10) * n * n)));
            let tasks: Vec<_> = far.collect();
            for n in 0..50 {
                let _ = rt::time::timeout(hour / 2 + Duration::from_secs(n), rt::task::yield_now()).await;
            }
            tasks
        });
        // Workers that have just gone to sleep may be called once more.
        eventually(SOON, || {
            let parks = total(&metrics, RuntimeMetrics::worker_park_count);
            thread::sleep(Duration::from_millis(300));
            metrics.num_parked_workers() == 2 && total(&metrics, RuntimeMetrics::worker_park_count) == parks
        });
        tasks.iter().for_each(|task| task.abort());
    });
}

#[test]
fn an_idle_runtime_stays_asleep() {
    within(SOON, || {
        let runtime = multi(2);
        let metrics = runtime.metrics();
        let far = runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
        eventually(SOON, || {
            metrics.num_parked_workers() == 2 && metrics.worker_poll_count(0) + metrics.worker_poll_count(1) == 1
        });
        // A worker that has just gone to sleep may be called once more.
        eventually(SOON, || {
            let parks = total(&metrics, RuntimeMetrics::worker_park_count);
            thread::sleep(Duration::from_millis(300));
            metrics.num_parked_workers() == 2 && total(&metrics, RuntimeMetrics::worker_park_count) == parks
        });
        far.abort();
    });
}

#[test]
fn steals_are_counted() {
    within(SOON, || {
        let runtime = unwatched(2);
        let metrics = runtime.metrics();
        // What this task spawns lies in its worker's deque, and the worker does not return before it is done.
        let spawner = runtime.spawn(async {
            let (done, is_done) = mpsc::channel();
            for _ in 0..50 {
                let done = done.clone();
                drop(rt::spawn(async move {
                    thread::sleep(Duration::from_micros(100));
                    done.send(()).unwrap();
                }));
            }
            drop(rt::spawn(async {}));
            (0..50).for_each(|_| is_done.recv_timeout(SOON).expect("the other worker steals"));
        });
        runtime.block_on(spawner).unwrap();
        assert!(total(&metrics, RuntimeMetrics::worker_steal_count) >= 50);
        let operations = total(&metrics, RuntimeMetrics::worker_steal_operations);
        assert!(0 < operations && operations <= total(&metrics, RuntimeMetrics::worker_steal_count));
    });
}

#[test]
fn polls_from_the_slot_are_counted() {
    within(SOON, || {
        let runtime = multi(1);
        let chain = runtime.spawn(async {
            for _ in 0..100 {
                rt::spawn(async {}).await.unwrap();
            }
        });
        runtime.block_on(chain).unwrap();
        let metrics = runtime.metrics();
        let (polls, lifo_polls) = (metrics.worker_poll_count(0), metrics.worker_lifo_poll_count(0));
        assert!(0 < lifo_polls && lifo_polls <= polls);
        let order = current();
        order.block_on(async { rt::spawn(async {}).await }).unwrap();
        assert_eq!(order.metrics().worker_lifo_poll_count(0), 0, "a current-thread runtime has no slot");
    });
}

#[test]
fn the_metrics_print_as_a_table_with_a_line_for_each_worker() {
    within(SOON, || {
        let runtime = multi(3);
        runtime.block_on(async { rt::spawn(async {}).await }).unwrap();
        let text = runtime.metrics().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6 + 1 + 3, "{text}");
        assert!(lines[0].contains("1 spawned"), "{text}");
        assert!(lines[1].contains("stalls: 0 polls"), "{text}");
        assert!(lines[2].contains("blocking pool"), "{text}");
        assert!(lines[3].contains("reactor"), "{text}");
        assert!(lines[4].contains("polls timed") && lines[5].contains("delays noted"), "{text}");
        assert!(
            ["worker", "busy", "polls", "steals", "parks"].iter().all(|column| lines[6].contains(column)),
            "{text}"
        );
        for (worker, line) in lines[7..].iter().enumerate() {
            assert_eq!(line.len(), lines[6].len(), "the columns are aligned: {text}");
            assert_eq!(line.split_whitespace().next(), Some(worker.to_string().as_str()), "{text}");
            assert_eq!(line.split_whitespace().count(), 13, "{text}");
        }
        assert!(format!("{:?}", runtime.metrics()).contains("RuntimeMetrics"));
    });
}

#[test]
fn asking_for_a_worker_that_is_not_there_panics_and_says_how_many_there_are() {
    within(SOON, || {
        let metrics = multi(2).metrics();
        let panic = catch_unwind(AssertUnwindSafe(|| metrics.worker_poll_count(2))).unwrap_err();
        let text = panic.downcast::<String>().unwrap();
        assert!(text.contains("no worker 2") && text.contains("has 2"), "{text}");
        assert_eq!(metrics.num_workers(), 2, "metrics outlive their runtime");
    });
}

#[test]
fn block_on_does_not_move_its_future_between_threads() {
    on_each_flavor(|runtime| {
        let here = thread::current().id();
        let polls = Cell::new(0);
        runtime.block_on(poll_fn(|cx| {
            assert_eq!(thread::current().id(), here);
            polls.set(polls.get() + 1);
            let waker = cx.waker().clone();
            drop(rt::spawn(async move { waker.wake() }));
            if polls.get() < 50 { Poll::Pending } else { Poll::Ready(()) }
        }));
    });
}

#[test]
fn a_task_that_yields_is_not_left_behind_a_long_poll_of_the_task_it_woke() {
    within(SOON, || {
        let runtime = multi(2);
        let (wake, woken) = oneshot::channel();
        let yielded = Arc::new(AtomicBool::new(false));
        let blocks = runtime.spawn({
            let yielded = yielded.clone();
            async move {
                woken.await.unwrap();
                // Holds its worker until the other task has gone on: only the other worker can run that.
                eventually(SOON / 3, || yielded.load(Ordering::SeqCst));
            }
        });
        let metrics = runtime.metrics();
        let yields = runtime.spawn(async move {
            eventually(SOON / 3, || metrics.num_parked_workers() == 1);
            wake.send(()).unwrap();
            yield_now().await;
            yielded.store(true, Ordering::SeqCst);
        });
        runtime.block_on(async move {
            yields.await.unwrap();
            blocks.await.unwrap();
        });
    });
}

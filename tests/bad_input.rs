//! What happens when a runtime is asked for nonsense, or is given code that misbehaves: each has a documented outcome,
//! with a message that says what to do, and none takes anything else down.

mod support;

use std::any::Any;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use rt::task::JoinHandle;
use rt::time::Instant;
use support::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, panic_message, text_of, within};

const NO_RUNTIME: &str = "there is no rt runtime on this thread: call this from inside `#[rt::main]`, \
                          `Runtime::block_on` or a spawned task, or enter a runtime with `Handle::enter` first";
const NESTED: &str = "`block_on` was called on a thread that is polling futures of a current-thread runtime, which would make \
                      everything else on it wait: use `.await`, or `spawn_blocking` for code that must block";

/// A builder of each flavour, with everything enabled and one worker.
fn builders() -> [Builder; 2] {
    [Builder::new_multi_thread(), Builder::new_current_thread()].map(|mut builder| {
        builder.enable_all().worker_threads(1);
        builder
    })
}

/// Runs `test` with a runtime of each flavour, and with one worker and two.
fn each(test: impl Fn(Runtime) + Clone + Send + 'static) {
    for make in [current, || multi(1), || multi(2)] {
        let test = test.clone();
        within(4 * SOON, move || test(make()));
    }
}

/// Runs tasks and a closure on every worker of `runtime`, to show that it is in order.
#[track_caller]
fn assert_works(runtime: &Runtime) {
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                rt::spawn(async move {
                    rt::task::yield_now().await;
                    rt::time::sleep(Duration::from_micros(10)).await;
                    number
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("the task is done");
        }
        sum + rt::task::spawn_blocking(|| 10).await.expect("the closure is done")
    });
    assert_eq!(sum, 200);
}

// Numbers and names.

#[test]
fn zero_workers_are_refused_where_they_are_asked_for() {
    let message = panic_message(|| Builder::new_multi_thread().worker_threads(0).build());
    assert_eq!(message, "`worker_threads` must be at least 1; `new_current_thread` makes a runtime without threads");
}

#[test]
fn absurd_worker_counts_are_refused_by_build() {
    for workers in [4097, 1 << 20, usize::MAX] {
        let error = Builder::new_multi_thread().worker_threads(workers).build().expect_err("too many");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let expected = format!("`worker_threads` asks for {workers} workers; at most 4096 are possible");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_current_thread_runtime_ignores_the_number_of_workers() {
    let runtime = Builder::new_current_thread().worker_threads(usize::MAX).build().expect("build a runtime");
    assert_eq!(runtime.metrics().num_workers(), 1);
}

#[test]
fn zero_blocking_threads_are_refused_where_they_are_asked_for() {
    let message = panic_message(|| Builder::new_multi_thread().max_blocking_threads(0).build());
    assert_eq!(message, "`max_blocking_threads` must be at least 1, or closures would wait for ever");
}

#[test]
fn zero_intervals_are_refused_where_they_are_asked_for() {
    let message = panic_message(|| Builder::new_multi_thread().event_interval(0).build());
    assert_eq!(message, "`event_interval` must be at least 1 poll");
    let message = panic_message(|| Builder::new_multi_thread().global_queue_interval(0).build());
    assert_eq!(message, "`global_queue_interval` must be at least 1 poll");
    let zero_period = "the period of an interval must not be zero";
    current().block_on(async {
        assert_eq!(panic_message(|| rt::time::interval(Duration::ZERO)), zero_period);
        assert_eq!(panic_message(|| rt::time::interval_at(Instant::now(), Duration::ZERO)), zero_period);
    });
}

#[test]
fn the_least_and_the_greatest_numbers_that_are_allowed_work() {
    for [threads, interval] in [[1, 1], [usize::MAX, u32::MAX as usize]] {
        for keep_alive in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            for mut builder in builders() {
                within(4 * SOON, move || {
                    let runtime = builder
                        .max_blocking_threads(threads)
                        .thread_keep_alive(keep_alive)
                        .event_interval(interval as u32)
                        .global_queue_interval(interval as u32)
                        .build()
                        .expect("build a runtime");
                    assert_works(&runtime);
                });
            }
        }
    }
}

#[test]
fn a_blocking_thread_with_no_keep_alive_ends_when_it_has_nothing_to_do() {
    for mut builder in builders() {
        within(4 * SOON, move || {
            let runtime = builder.thread_keep_alive(Duration::ZERO).build().expect("build a runtime");
            let metrics = runtime.metrics();
            for round in 0..50 {
                assert_eq!(runtime.block_on(runtime.spawn_blocking(move || round)).unwrap(), round);
                eventually(SOON, || metrics.num_blocking_threads() == 0);
            }
        });
    }
}

#[test]
fn closures_are_all_run_by_threads_with_no_keep_alive() {
    within(4 * SOON, || {
        let runtime = Builder::new_current_thread()
            .thread_keep_alive(Duration::ZERO)
            .max_blocking_threads(2)
            .build()
            .expect("build a runtime");
        let handle = runtime.handle().clone();
        let threads = [0, 1, 2].map(|_| {
            let handle = handle.clone();
            thread::spawn(move || {
                for number in 0..500 {
                    let closure = handle.spawn_blocking(move || number);
                    assert_eq!(handle.block_on(closure).unwrap(), number);
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_nul_in_the_threads_name_is_refused_by_build() {
    for mut builder in builders() {
        let error = builder.thread_name("wor\0ker").build().expect_err("no system can take that");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "the thread name \"wor\\0ker\" contains a NUL, which no system can take");
        let error = builder.thread_name_fn(|| "\0".to_owned()).build().expect_err("no system can take that");
        assert_eq!(error.to_string(), "the thread name \"\\0\" contains a NUL, which no system can take");
    }
}

#[test]
fn a_nul_in_a_later_threads_name_becomes_a_question_mark() {
    let calls = AtomicUsize::new(0);
    let runtime = Builder::new_current_thread()
        .thread_name_fn(move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => "first".to_owned(),
            _ => "\0lat\0er".to_owned(),
        })
        .build()
        .expect("the first name is fine");
    let gate = Gate::new();
    let names = [0, 1].map(|_| {
        let gate = gate.clone();
        runtime.spawn_blocking(move || {
            gate.pass();
            thread::current().name().map(str::to_owned)
        })
    });
    gate.await_waiting(2);
    gate.open();
    let mut names = names.map(|name| runtime.block_on(name).unwrap().expect("it has a name"));
    names.sort();
    assert_eq!(names, ["?lat?er", "first"]);
}

#[test]
fn an_empty_and_a_very_long_thread_name_work() {
    for name in [String::new(), "x".repeat(100_000), "\u{1F980}".repeat(10)] {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name.as_str()).build().expect("build");
        let seen = runtime.spawn(async { thread::current().name().map(str::to_owned) });
        assert_eq!(runtime.block_on(seen).unwrap(), Some(name));
    }
}

#[test]
fn a_function_of_names_that_panics_at_once_panics_in_build_and_leaves_nothing_running() {
    for mut builder in builders() {
        let message = panic_message(|| builder.thread_name_fn(|| panic!("no name")).build());
        assert_eq!(message, "no name");
    }
}

#[test]
fn a_function_of_names_that_panics_later_costs_no_more_than_the_name() {
    within(4 * SOON, || {
        for flavour in [Builder::new_multi_thread, Builder::new_current_thread] {
            let calls = AtomicUsize::new(0);
            let counter = DropCounter::new();
            let guard = counter.guard();
            let built = flavour()
                .worker_threads(3)
                .enable_all()
                .thread_name_fn(move || {
                    let _ = &guard;
                    assert_eq!(calls.fetch_add(1, Ordering::SeqCst), 0, "no more names");
                    "first".to_owned()
                })
                .build();
            let runtime = built.expect("a name is no reason to fail");
            assert_works(&runtime);
            let gate = Gate::new();
            for _ in 0..2 {
                let gate = gate.clone();
                runtime.spawn_blocking(move || gate.pass());
            }
            gate.await_waiting(2);
            gate.open();
            drop(runtime);
            // Nothing is left that could ask for a name.
            eventually(SOON, || counter.drops() == 1);
        }
    });
}

// Threads that the system refuses.

/// No address space is that large.
const TOO_LARGE: usize = 1 << 50;

#[test]
fn a_stack_that_the_system_refuses_to_workers_fails_the_build() {
    for size in [TOO_LARGE, usize::MAX / 2, usize::MAX] {
        let error = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .thread_stack_size(size)
            .build()
            .expect_err("no system has that much memory");
        let text = error.to_string();
        assert!(text.starts_with("the system refuses worker thread 1 of 2: "), "{size}: {text}");
    }
}

#[test]
fn a_thread_that_the_system_refuses_to_the_blocking_pool_is_a_panic_that_says_what_to_do() {
    for size in [TOO_LARGE, usize::MAX] {
        within(4 * SOON, move || {
            let runtime =
                Builder::new_current_thread().enable_all().thread_stack_size(size).build().expect("it needs no thread");
            let counter = DropCounter::new();
            for _ in 0..3 {
                let guard = counter.guard();
                let message = panic_message(|| runtime.spawn_blocking(move || drop(guard)));
                assert!(message.starts_with("the system refuses a thread for a blocking closure: "), "{message}");
                let advice = "; lower `max_blocking_threads` or `thread_stack_size` of the runtime's builder, or raise \
                              the system's limits";
                assert!(message.ends_with(advice), "{message}");
            }
            assert_eq!(counter.drops(), 3, "the closures are dropped");
            assert_eq!(runtime.metrics().num_blocking_threads(), 0);
            assert_eq!(runtime.metrics().blocking_queue_depth(), 0);
            // Tasks do not depend on the pool.
            runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
        });
    }
}

#[test]
fn no_closure_is_forgotten_when_the_system_refuses_several_threads_at_once() {
    within(4 * SOON, || {
        for _ in 0..50 {
            let runtime = Builder::new_current_thread().thread_stack_size(TOO_LARGE).build().expect("build a runtime");
            let counter = DropCounter::new();
            let start = Arc::new(Barrier::new(4));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (start, counter, handle) = (Arc::clone(&start), counter.clone(), runtime.handle().clone());
                    thread::spawn(move || {
                        start.wait();
                        for _ in 0..10 {
                            let guard = counter.guard();
                            // A panic, or a handle that reports the closure cancelled.
                            let spawned = catch_unwind(AssertUnwindSafe(|| handle.spawn_blocking(move || drop(guard))));
                            if let Ok(closure) = spawned {
                                eventually(SOON, || closure.is_finished());
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("a closure was forgotten"));
            assert_eq!(counter.drops(), 40);
        }
    });
}

// In the wrong place.

#[test]
fn what_needs_a_runtime_panics_outside_of_one_and_says_what_to_do() {
    let noop = || Context::from_waker(Waker::noop());
    for message in [
        panic_message(Handle::current),
        panic_message(|| rt::spawn(async {})),
        panic_message(|| rt::task::spawn_blocking(|| {})),
        panic_message(|| rt::task::Builder::new().spawn(async {})),
        panic_message(|| rt::task::Builder::new().spawn_blocking(|| {})),
        panic_message(|| rt::time::sleep(Duration::ZERO)),
        panic_message(|| rt::time::timeout(Duration::ZERO, async {})),
        panic_message(|| rt::time::interval(Duration::from_secs(1))),
        panic_message(|| pin!(TcpListener::bind("127.0.0.1:0")).poll(&mut noop()).is_ready()),
        panic_message(|| pin!(TcpStream::connect("127.0.0.1:1")).poll(&mut noop()).is_ready()),
    ] {
        assert_eq!(message, NO_RUNTIME);
    }
    assert_eq!(Handle::try_current().expect_err("there is none").to_string(), NO_RUNTIME);
}

#[test]
fn a_thread_that_has_left_a_runtime_is_in_none() {
    let runtime = current();
    runtime.block_on(async { assert!(Handle::try_current().is_ok()) });
    drop(runtime.enter());
    assert!(Handle::try_current().is_err());
    let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("out") })));
    assert!(Handle::try_current().is_err());
}

#[test]
fn sockets_panic_on_a_runtime_without_io_and_say_what_to_do() {
    let expected = "this runtime has no I/O: call `enable_io` or `enable_all` on its builder";
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let runtime = builder.worker_threads(1).enable_time().build().expect("build a runtime");
        let bind = || runtime.block_on(async { TcpListener::bind("127.0.0.1:0").await.map(drop) });
        assert_eq!(panic_message(bind), expected);
        let connect = || runtime.block_on(async { TcpStream::connect("127.0.0.1:1").await.map(drop) });
        assert_eq!(panic_message(connect), expected);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
        listener.set_nonblocking(true).expect("set it to non-blocking");
        assert_eq!(panic_message(|| runtime.block_on(async { TcpListener::from_std(listener).map(drop) })), expected);
        // It ends the task alone.
        let error = runtime.block_on(runtime.spawn(TcpListener::bind("127.0.0.1:0"))).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), expected);
        assert_works(&runtime);
    }
}

#[test]
fn timers_panic_on_a_runtime_without_time_and_say_what_to_do() {
    let expected = "this runtime has no timers: call `enable_time` or `enable_all` on its builder";
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let runtime = builder.worker_threads(1).enable_io().build().expect("build a runtime");
        let soon = Duration::from_millis(1);
        runtime.block_on(async {
            assert_eq!(panic_message(|| rt::time::sleep(soon)), expected);
            assert_eq!(panic_message(|| rt::time::sleep_until(Instant::now())), expected);
            assert_eq!(panic_message(|| rt::time::timeout(soon, async {})), expected);
            assert_eq!(panic_message(|| rt::time::interval(soon)), expected);
        });
        let error = runtime.block_on(runtime.spawn(async move { rt::time::sleep(soon).await })).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), expected);
    }
}

#[test]
fn a_runtime_with_nothing_enabled_runs_tasks_and_closures() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        within(4 * SOON, move || {
            let runtime = builder.worker_threads(2).build().expect("build a runtime");
            let sum = runtime.block_on(async {
                let (sender, receiver) = rt::sync::oneshot::channel();
                let task = rt::spawn(async { receiver.await.unwrap() });
                rt::task::yield_now().await;
                sender.send(1).unwrap();
                task.await.unwrap() + rt::task::spawn_blocking(|| 2).await.unwrap()
            });
            assert_eq!(sum, 3);
        });
    }
}

#[test]
fn block_on_in_a_task_of_a_current_thread_runtime_panics_and_says_what_to_do() {
    within(4 * SOON, || {
        let runtime = current();
        let (handle, other) = (runtime.handle().clone(), multi(1));
        let task = runtime.spawn(async move {
            let own = panic_message(|| handle.block_on(async {}));
            let another = panic_message(|| other.block_on(async {}));
            let built_here = panic_message(|| current().block_on(async {}));
            [own, another, built_here]
        });
        assert_eq!(runtime.block_on(task).unwrap(), [NESTED; 3]);
        // Uncaught, it ends the task alone.
        let handle = runtime.handle().clone();
        let error = runtime.block_on(runtime.spawn(async move { handle.block_on(async {}) })).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), NESTED);
        assert_works(&runtime);
    });
}

#[test]
fn block_on_in_block_on_of_a_current_thread_runtime_panics_and_says_what_to_do() {
    within(4 * SOON, || {
        let (runtime, other) = (current(), multi(1));
        runtime.block_on(async {
            assert_eq!(panic_message(|| runtime.block_on(async {})), NESTED);
            assert_eq!(panic_message(|| Handle::current().block_on(async {})), NESTED);
            assert_eq!(panic_message(|| other.block_on(async {})), NESTED);
            rt::task::yield_now().await;
        });
        // It is over when the outer one is, also after a panic.
        let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("out") })));
        assert_works(&runtime);
        assert_works(&other);
    });
}

#[test]
fn block_on_in_a_blocking_closure_works_as_the_message_says() {
    each(|runtime| {
        let handle = runtime.handle().clone();
        let closure = runtime.spawn_blocking(move || handle.block_on(async { rt::spawn(async { 3 }).await.unwrap() }));
        assert_eq!(runtime.block_on(closure).unwrap(), 3);
    });
}

#[test]
fn a_handle_polled_after_it_gave_its_result_panics_and_says_so() {
    each(|runtime| {
        let mut task = runtime.spawn(async { 1 });
        assert_eq!(runtime.block_on(&mut task).unwrap(), 1);
        let message = panic_message(|| runtime.block_on(&mut task));
        assert_eq!(message, "a JoinHandle was polled after it had given its result");
        assert_works(&runtime);
    });
}

// Too late.

#[test]
fn a_task_that_is_spawned_after_the_shutdown_is_cancelled_and_dropped_at_once() {
    each(|runtime| {
        let (handle, counter) = (runtime.handle().clone(), DropCounter::new());
        drop(runtime);
        let guards = [0, 1, 2].map(|_| counter.guard());
        let [one, two, three] = guards;
        let _entered = handle.enter();
        let tasks = [
            handle.spawn(async move { drop(one) }),
            rt::spawn(async move { drop(two) }),
            rt::task::Builder::new().name("late").spawn(async move { drop(three) }).expect("it is no error"),
        ];
        assert_eq!(counter.drops(), 3);
        for task in tasks {
            assert!(task.is_finished());
            task.abort();
            // Also by a handle of the runtime that is gone.
            let error = handle.block_on(task).unwrap_err();
            assert!(error.is_cancelled() && error.to_string().ends_with("was cancelled"), "{error}");
        }
    });
}

#[test]
fn a_closure_that_is_spawned_after_the_shutdown_is_cancelled_and_dropped_at_once() {
    each(|runtime| {
        let (handle, counter) = (runtime.handle().clone(), DropCounter::new());
        drop(runtime);
        let guard = counter.guard();
        let closure = handle.spawn_blocking(move || drop(guard));
        assert_eq!(counter.drops(), 1);
        assert!(closure.is_finished());
        assert!(handle.block_on(closure).unwrap_err().is_cancelled());
        assert_eq!(handle.metrics().num_blocking_threads(), 0);
    });
}

#[test]
fn block_on_a_handle_still_polls_after_the_shutdown() {
    each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime);
        let answer = handle.block_on(async {
            rt::task::yield_now().await;
            "polled"
        });
        assert_eq!(answer, "polled");
        let message = panic_message(|| handle.block_on(async { rt::time::sleep(Duration::from_secs(60)).await }));
        assert!(message.contains("the runtime of this timer has shut down"), "{message}");
        let error = handle.block_on(TcpListener::bind("127.0.0.1:0")).expect_err("nobody serves it");
        assert_eq!(error.to_string(), "the runtime that serves this socket or descriptor has shut down");
        assert_eq!(handle.metrics().num_alive_tasks(), 0);
    });
}

// Wakers.

/// A task that leaves a waker at each poll and is done at the poll number `polls`.
fn leaves_wakers(polls: usize) -> (impl Future<Output = usize> + Send + 'static, Arc<Mutex<Vec<Waker>>>) {
    let place: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let left = Arc::clone(&place);
    let mut polled = 0;
    let future = poll_fn(move |cx| {
        polled += 1;
        left.lock().unwrap().push(cx.waker().clone());
        if polled == polls { Poll::Ready(polled) } else { Poll::Pending }
    });
    (future, place)
}

/// Runs the runtime until the task has left `count` wakers.
fn await_wakers(runtime: &Runtime, place: &Mutex<Vec<Waker>>, count: usize) -> Vec<Waker> {
    eventually(SOON, || {
        runtime.block_on(rt::task::yield_now());
        place.lock().unwrap().len() >= count
    });
    place.lock().unwrap().clone()
}

#[test]
fn a_waker_that_outlives_the_runtime_does_nothing() {
    each(|runtime| {
        let (future, place) = leaves_wakers(2);
        let task = runtime.spawn(future);
        let wakers = await_wakers(&runtime, &place, 1);
        drop(runtime);
        let use_up = move || {
            for waker in wakers {
                waker.wake_by_ref();
                let clone = waker.clone();
                assert!(waker.will_wake(&clone));
                clone.wake();
                drop(waker.clone());
                waker.wake();
            }
        };
        // From a foreign thread, and from a worker of another runtime.
        let other = multi(1);
        thread::spawn(use_up.clone()).join().unwrap();
        other.block_on(other.spawn(async move { use_up() })).unwrap();
        // The cell itself goes with the last of them.
        assert!(current().block_on(task).unwrap_err().is_cancelled());
        let last = place.lock().unwrap().pop().expect("the first waker");
        last.wake();
    });
}

#[test]
fn a_waker_called_from_a_foreign_thread_twice_runs_the_task() {
    each(|runtime| {
        let (future, place) = leaves_wakers(2);
        let task = runtime.spawn(future);
        let wakers = await_wakers(&runtime, &place, 1);
        let waking = thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                waker.wake();
            }
        });
        assert_eq!(runtime.block_on(task).unwrap(), 2);
        waking.join().unwrap();
        assert_works(&runtime);
    });
}

#[test]
fn a_waker_called_from_a_worker_of_another_runtime_runs_the_task() {
    each(|runtime| {
        for other in [current(), multi(1)] {
            let (future, place) = leaves_wakers(2);
            let task = runtime.spawn(future);
            let wakers = await_wakers(&runtime, &place, 1);
            other.block_on(other.spawn(async move { wakers.into_iter().for_each(Waker::wake) })).unwrap();
            assert_eq!(runtime.block_on(task).unwrap(), 2);
        }
    });
}

#[test]
fn a_waker_of_a_task_that_is_done_does_nothing() {
    each(|runtime| {
        let (future, place) = leaves_wakers(1);
        let task = runtime.spawn(future);
        assert_eq!(runtime.block_on(task).unwrap(), 1);
        let wakers = await_wakers(&runtime, &place, 1);
        for _ in 0..1000 {
            wakers.iter().for_each(Waker::wake_by_ref);
        }
        assert_works(&runtime);
        assert_eq!(place.lock().unwrap().len(), 1, "it is not polled again");
    });
}

#[test]
fn a_waker_that_is_never_called_keeps_nothing_but_its_task() {
    each(|runtime| {
        let counter = DropCounter::new();
        let guard = counter.guard();
        let (future, place) = leaves_wakers(2);
        let task = runtime.spawn(async move {
            let _guard = guard;
            future.await
        });
        await_wakers(&runtime, &place, 1);
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(counter.drops(), 1, "the future goes although a waker is left");
        drop(runtime);
        place.lock().unwrap().clear();
    });
}

/// A waker that does something of its own.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// A waker that calls `closure`.
fn waker(closure: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Calls(closure)))
}

/// Polls a future once with `waker`.
fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_joiners_waker_that_panics_does_no_harm() {
    each(|runtime| {
        let (sender, receiver) = rt::sync::oneshot::channel::<()>();
        let mut task = runtime.spawn(async move {
            receiver.await.unwrap();
            "done"
        });
        let mut closure = {
            let gate = Gate::new();
            let passes = gate.clone();
            let closure = runtime.spawn_blocking(move || passes.pass());
            gate.await_waiting(1);
            (closure, gate)
        };
        let panics = waker(|| panic!("the joiner's waker has failed"));
        assert!(poll_with(&mut task, &panics).is_pending());
        assert!(poll_with(&mut closure.0, &panics).is_pending());
        drop(panics);
        sender.send(()).unwrap();
        closure.1.open();
        assert_works(&runtime);
        assert_eq!(runtime.block_on(task).unwrap(), "done");
        runtime.block_on(closure.0).unwrap();
        assert_works(&runtime);
    });
}

#[test]
fn a_timers_waker_that_panics_does_no_harm_to_the_other_timers() {
    each(|runtime| {
        let _entered = runtime.enter();
        let woken = Arc::new(AtomicUsize::new(0));
        let counts = {
            let woken = Arc::clone(&woken);
            waker(move || {
                woken.fetch_add(1, Ordering::SeqCst);
            })
        };
        let panics = waker(|| panic!("the timer's waker has failed"));
        let mut timers: Vec<_> = (0..6).map(|_| Box::pin(rt::time::sleep(Duration::from_millis(1)))).collect();
        for (number, timer) in timers.iter_mut().enumerate() {
            // One whose deadline has passed already wakes nobody.
            if poll_with(timer, if number % 2 == 0 { &panics } else { &counts }).is_ready() && number % 2 == 1 {
                woken.fetch_add(1, Ordering::SeqCst);
            }
        }
        eventually(SOON, || {
            runtime.block_on(async { rt::time::sleep(Duration::from_millis(1)).await });
            woken.load(Ordering::SeqCst) == 3
        });
        assert_works(&runtime);
    });
}

#[test]
fn a_joiners_waker_that_uses_the_runtime_does_no_harm() {
    each(|runtime| {
        let (handle, spawned) = (runtime.handle().clone(), Arc::new(Mutex::new(Vec::new())));
        let tasks = Arc::clone(&spawned);
        let spawns = waker(move || {
            tasks.lock().unwrap().push(handle.spawn(async { 1 }));
            tasks.lock().unwrap().push(handle.spawn_blocking(|| 2));
        });
        let mut task = runtime.spawn(rt::task::yield_now());
        let polled = poll_with(&mut task, &spawns);
        if polled.is_ready() {
            // It was done before anybody could wait.
            return;
        }
        runtime.block_on(task).unwrap();
        let mut sum = 0;
        // The waker was replaced by that of `block_on`, unless it was called first.
        let spawned: Vec<_> = spawned.lock().unwrap().drain(..).collect();
        let expected = if spawned.is_empty() { 0 } else { 3 };
        for task in spawned {
            sum += runtime.block_on(task).unwrap();
        }
        assert_eq!(sum, expected);
    });
}

/// A waker whose destructor panics.
struct PanicsInDrop;

impl Wake for PanicsInDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a destructor has failed");
        }
    }
}

#[test]
fn an_output_is_dropped_once_though_the_joiners_waker_panics_in_its_drop() {
    each(|runtime| {
        let counter = DropCounter::new();
        let (sender, receiver) = rt::sync::oneshot::channel::<()>();
        let guard = counter.guard();
        let (handle, spawns) = (runtime.handle().clone(), Arc::new(AtomicUsize::new(0)));
        let spawned = Arc::clone(&spawns);
        let mut task = runtime.spawn(async move {
            receiver.await.unwrap();
            // The output uses the runtime in its drop, which must not happen under one of the runtime's locks.
            OnDrop(Some(move || {
                drop(handle.spawn(async {}));
                spawned.fetch_add(1, Ordering::SeqCst);
                drop(guard);
            }))
        });
        {
            let panics = Waker::from(Arc::new(PanicsInDrop));
            assert!(poll_with(&mut task, &panics).is_pending());
            // The one in the task is the last.
            drop(catch_unwind(AssertUnwindSafe(|| drop(panics))));
        }
        // The panic may reach whoever drops the handle, or not.
        drop(catch_unwind(AssertUnwindSafe(|| drop(task))));
        sender.send(()).expect("the task waits");
        assert_works(&runtime);
        eventually(SOON, || counter.drops() == 1);
        assert_eq!(spawns.load(Ordering::SeqCst), 1);
        assert_works(&runtime);
    });
}

// Panics of futures, outputs and hooks.

/// Calls a closure when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(closure) = self.0.take() {
            closure();
        }
    }
}

/// A value whose drop panics.
fn panics_in_drop() -> OnDrop<impl FnOnce() + Send + Sync + 'static> {
    OnDrop(Some(|| panic!("a drop has failed")))
}

#[test]
fn a_future_that_panics_ends_its_task_alone_and_the_panic_reaches_the_joiner() {
    each(|runtime| {
        let counter = DropCounter::new();
        let guard = counter.guard();
        let task: JoinHandle<()> = runtime.spawn(async move {
            let _guard = guard;
            rt::task::yield_now().await;
            panic!("boom {}", 1);
        });
        let id = task.id();
        let error = runtime.block_on(task).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.id(), id);
        assert_eq!(error.to_string(), format!("task {id} panicked with message \"boom 1\""));
        assert_eq!(text_of(&*error.into_panic()), "boom 1");
        assert_eq!(counter.drops(), 1);
        // Detached, it reaches nobody.
        drop(runtime.spawn(async { panic!("boom") }));
        drop(runtime.spawn_blocking(|| panic!("boom")));
        let closure: JoinHandle<()> = runtime.spawn_blocking(|| panic!("bang"));
        let error = runtime.block_on(closure).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "bang");
        assert_works(&runtime);
    });
}

#[test]
fn a_future_that_panics_in_its_drop_when_it_is_done_does_not_cost_the_output() {
    each(|runtime| {
        let fails = panics_in_drop();
        let task = runtime.spawn(poll_fn(move |_| {
            // Captured, so that it goes with the future and not within its poll.
            let _ = &fails;
            Poll::Ready("output")
        }));
        assert_eq!(runtime.block_on(task).unwrap(), "output");
        assert_works(&runtime);
    });
}

#[test]
fn a_future_that_panics_in_poll_and_in_its_drop_reports_the_first() {
    each(|runtime| {
        let fails = panics_in_drop();
        let task = runtime.spawn(poll_fn(move |_| -> Poll<()> {
            let _ = &fails;
            panic!("a poll has failed")
        }));
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "a poll has failed");
        assert_works(&runtime);
    });
}

#[test]
fn a_future_that_panics_in_its_drop_when_it_is_aborted_reports_that() {
    each(|runtime| {
        let fails = panics_in_drop();
        let task = runtime.spawn(async move {
            let _fails = fails;
            pending::<()>().await;
        });
        runtime.block_on(rt::task::yield_now());
        task.abort();
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "a drop has failed");
        assert_works(&runtime);
    });
}

#[test]
fn futures_that_panic_in_their_drop_when_the_runtime_goes_do_not_keep_the_others() {
    each(|runtime| {
        let counter = DropCounter::new();
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (guard, fails) = (counter.guard(), (number % 2 == 0).then(panics_in_drop));
                runtime.spawn(async move {
                    let _both = (guard, fails);
                    pending::<()>().await;
                })
            })
            .collect();
        drop(runtime);
        assert_eq!(counter.drops(), 20);
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(current().block_on(task).unwrap_err().is_panic(), number % 2 == 0);
        }
    });
}

#[test]
fn a_future_that_is_spawned_too_late_and_panics_in_its_drop_reports_that() {
    each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime);
        let fails = panics_in_drop();
        let task = handle.spawn(async move { drop(fails) });
        assert!(current().block_on(task).unwrap_err().is_panic());
        let fails = panics_in_drop();
        let closure = handle.spawn_blocking(move || drop(fails));
        assert!(current().block_on(closure).unwrap_err().is_panic());
    });
}

#[test]
fn an_output_that_panics_in_its_drop_does_no_harm_when_nobody_takes_it() {
    each(|runtime| {
        // Dropped by the runner, because the handle has gone before.
        drop(runtime.spawn(async { panics_in_drop() }));
        drop(runtime.spawn_blocking(panics_in_drop));
        assert_works(&runtime);
        // Dropped with the handle.
        let task = runtime.spawn(async { panics_in_drop() });
        let closure = runtime.spawn_blocking(panics_in_drop);
        eventually(SOON, || {
            runtime.block_on(rt::task::yield_now());
            task.is_finished() && closure.is_finished()
        });
        drop((task, closure));
        assert_works(&runtime);
    });
}

/// A panic's payload whose drop panics in turn, with a payload of the same kind, `depth` times.
struct Nested(usize);

impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            panic_any(Nested(self.0 - 1));
        }
    }
}

#[test]
fn a_panic_whose_payload_panics_in_its_drop_does_no_harm() {
    each(|runtime| {
        for depth in [1, 2, 3] {
            // As a task's result that nobody takes.
            drop(runtime.spawn(async move { panic_any(Nested(depth)) }));
            drop(runtime.spawn_blocking(move || panic_any(Nested(depth))));
            assert_works(&runtime);
            // From a future's drop, after it gave its output.
            let fails = OnDrop(Some(move || panic_any(Nested(depth))));
            let task = runtime.spawn(poll_fn(move |_| {
                let _ = &fails;
                Poll::Ready("output")
            }));
            assert_eq!(runtime.block_on(task).unwrap(), "output");
            assert_works(&runtime);
            // From an output's drop.
            drop(runtime.spawn(async move { OnDrop(Some(move || panic_any(Nested(depth)))) }));
            assert_works(&runtime);
            // From a joiner's waker.
            let (sender, receiver) = rt::sync::oneshot::channel::<()>();
            let mut task = runtime.spawn(async move { receiver.await.unwrap() });
            assert!(poll_with(&mut task, &waker(move || panic_any(Nested(depth)))).is_pending());
            sender.send(()).expect("the task waits");
            assert_works(&runtime);
            forget_payload(runtime.block_on(task).err());
        }
    });
}

fn forget_payload(payload: Option<impl Any>) {
    std::mem::forget(payload);
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// Sets a hook.
type SetHook = fn(&mut Builder, Hook) -> &mut Builder;

/// The four hooks and their setters.
fn hooks() -> [(&'static str, SetHook); 4] {
    [
        ("start", |builder, hook| builder.on_thread_start(hook)),
        ("stop", |builder, hook| builder.on_thread_stop(hook)),
        ("park", |builder, hook| builder.on_thread_park(hook)),
        ("unpark", |builder, hook| builder.on_thread_unpark(hook)),
    ]
}

/// Builds a runtime of each flavour with `hook` in each of the four places, and shows that it works and ends. The hook is
/// given the number of its call.
fn with_each_hook(hook: fn(usize)) {
    for (name, set) in hooks() {
        for mut builder in builders() {
            within(4 * SOON, move || {
                let calls = Arc::new(AtomicUsize::new(0));
                let counts = Arc::clone(&calls);
                set(&mut builder, Box::new(move || hook(counts.fetch_add(1, Ordering::SeqCst))));
                let runtime = builder.worker_threads(2).build().expect("build a runtime");
                drop(builder);
                assert_works(&runtime);
                // Each worker parks, and works afterwards.
                if runtime.metrics().num_workers() > 1 {
                    eventually(SOON, || runtime.metrics().num_parked_workers() == 2);
                }
                assert_works(&runtime);
                drop(runtime);
                assert!(calls.load(Ordering::SeqCst) > 0, "the {name} hook was never called");
            });
        }
    }
}

#[test]
fn a_thread_hook_that_panics_is_reported_and_ignored() {
    with_each_hook(|call| panic!("hook call {call} has failed"));
}

#[test]
fn a_thread_hook_whose_panic_has_a_payload_that_panics_in_its_drop_is_ignored_too() {
    with_each_hook(|_| panic_any(Nested(2)));
}

#[test]
fn a_task_that_a_park_hook_spawns_is_run() {
    for (name, set) in hooks() {
        if !name.ends_with("park") {
            continue;
        }
        for mut builder in builders() {
            within(4 * SOON, move || {
                let runs = Arc::new(AtomicUsize::new(0));
                let (calls, ran) = (AtomicUsize::new(0), Arc::clone(&runs));
                set(
                    &mut builder,
                    Box::new(move || {
                        if calls.fetch_add(1, Ordering::SeqCst) < 3 {
                            let ran = Arc::clone(&ran);
                            rt::spawn(async move { ran.fetch_add(1, Ordering::SeqCst) });
                        }
                    }),
                );
                let runtime = builder.build().expect("build a runtime");
                // The only worker parks, and is unparked by the timer.
                runtime.block_on(async { rt::time::sleep(Duration::from_millis(5)).await });
                let stands_still = runtime.handle().runtime_flavor() == RuntimeFlavor::CurrentThread;
                eventually(SOON, || {
                    if stands_still {
                        // On a crowded machine the first may have been over before the worker came to park.
                        runtime.block_on(async { rt::time::sleep(Duration::from_millis(1)).await });
                    }
                    runs.load(Ordering::SeqCst) >= 1
                });
            });
        }
    }
}

#[test]
fn a_task_that_a_park_hook_wakes_runs_though_nothing_else_happens() {
    within(4 * SOON, || {
        let place: Arc<Mutex<Option<Waker>>> = Arc::default();
        let wakes = Arc::clone(&place);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_park(move || {
                let waker = wakes.lock().unwrap().take();
                waker.inspect(Waker::wake_by_ref);
            })
            .build()
            .expect("build a runtime");
        let mut polls = 0;
        let task = runtime.spawn(poll_fn(move |cx| {
            polls += 1;
            *place.lock().unwrap() = Some(cx.waker().clone());
            if polls == 5 { Poll::Ready(polls) } else { Poll::Pending }
        }));
        eventually(SOON, || task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), 5);
    });
}

#[test]
fn a_panic_of_the_future_in_block_on_reaches_its_caller_and_leaves_the_runtime_in_order() {
    each(|runtime| {
        let counter = DropCounter::new();
        let guard = counter.guard();
        let message = panic_message(|| {
            runtime.block_on(async move {
                let _guard = guard;
                rt::spawn(async {}).await.unwrap();
                panic!("main has failed");
            })
        });
        assert_eq!((message.as_str(), counter.drops()), ("main has failed", 1));
        assert_works(&runtime);
    });
}

#[test]
fn a_future_that_panics_in_its_drop_in_block_on_leaves_the_runtime_in_order() {
    each(|runtime| {
        let fails = panics_in_drop();
        let message = panic_message(|| {
            runtime.block_on(poll_fn(move |_| {
                let _ = &fails;
                Poll::Ready(())
            }))
        });
        assert_eq!(message, "a drop has failed");
        assert_works(&runtime);
    });
}

#[test]
fn a_stuck_worker_does_not_keep_others_from_being_refused_or_run() {
    within(4 * SOON, || {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let runtime = multi(2);
        let passes = gate.clone();
        runtime.spawn(async move { passes.pass() });
        gate.await_waiting(1);
        assert_works(&runtime);
        gate.open();
    });
}

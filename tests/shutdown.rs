//! The contract of shutting a runtime down: every future that is left is dropped exactly once, wherever its wakers lie,
//! and nothing hangs.

mod support;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle, Runtime};
use rt::sync::{Notify, Semaphore, oneshot};
use rt::task::JoinHandle;
use rt::time::sleep;
use support::{
    DropCounter, DropGuard, Gate, OpenOnDrop, SOON, current, eventually, multi, panic_message, unwatched, within,
};

const LONG: Duration = Duration::from_secs(3600);

/// Runs `test` with a runtime of each flavour, and with one worker and two.
fn each(test: impl Fn(Runtime) + Clone + Send + 'static) {
    for make in [current, || multi(1), || multi(2)] {
        let test = test.clone();
        within(4 * SOON, move || test(make()));
    }
}

/// Runs the runtime until `condition` holds. A current-thread runtime stands still otherwise.
#[track_caller]
fn run_until(runtime: &Runtime, mut condition: impl FnMut() -> bool) {
    eventually(SOON, || {
        runtime.block_on(async {
            for _ in 0..100 {
                rt::task::yield_now().await;
            }
        });
        condition()
    });
}

/// Counts the polls of `future` that returned `Pending`.
async fn counting<F: Future>(pending: Arc<AtomicUsize>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() {
            pending.fetch_add(1, Ordering::SeqCst);
        }
        poll
    })
    .await
}

/// Spawns `tasks` tasks that each own a guard and wait for the future that `wait` makes; returns when all have waited once.
fn park<F>(runtime: &Runtime, counter: &DropCounter, tasks: usize, wait: impl Fn(usize) -> F) -> Vec<JoinHandle<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let polled = Arc::new(AtomicUsize::new(0));
    let handles = (0..tasks).map(|number| {
        let (guard, future, polled) = (counter.guard(), wait(number), Arc::clone(&polled));
        runtime.spawn(async move {
            let _guard = guard;
            counting(polled, future).await;
        })
    });
    let handles = handles.collect();
    run_until(runtime, || polled.load(Ordering::SeqCst) >= tasks);
    handles
}

/// Awaits tasks from outside any runtime.
fn assert_cancelled(handles: Vec<JoinHandle<()>>) {
    let outside = current();
    for handle in handles {
        assert!(handle.is_finished());
        let error = outside.block_on(handle).expect_err("its runtime has gone");
        assert!(error.is_cancelled(), "{error}");
    }
}

// Where a task may be when its runtime goes.

#[test]
fn dropping_the_runtime_drops_a_task_parked_for_ever_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let handles = park(&runtime, &counter, 10, |_| pending());
        assert_eq!(counter.drops(), 0);
        drop(runtime);
        assert_eq!(counter.drops(), 10);
        assert_cancelled(handles);
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_parked_in_a_channel_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let mut senders = Vec::new();
        for _ in 0..10 {
            let (sender, mut receiver) = rt::sync::mpsc::channel::<DropGuard>(1);
            let receiver = Mutex::new(Some(async move { drop(receiver.recv().await) }));
            park(&runtime, &counter, 1, |_| receiver.lock().unwrap().take().expect("one task"));
            senders.push(sender);
        }
        drop(runtime);
        assert_eq!(counter.drops(), 10);
        for sender in senders {
            // Wakes nobody, and gives the message back.
            assert!(sender.try_send(counter.guard()).is_err());
        }
        assert_eq!(counter.drops(), counter.guards());
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_parked_in_a_lock_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let (notify, semaphore) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        park(&runtime, &counter, 10, |number| {
            let (notify, semaphore) = (Arc::clone(&notify), Arc::clone(&semaphore));
            async move {
                match number % 2 {
                    0 => notify.notified().await,
                    _ => drop(semaphore.acquire().await),
                }
            }
        });
        drop(runtime);
        assert_eq!(counter.drops(), 10);
        notify.notify_waiters();
        semaphore.add_permits(10);
        assert_eq!(semaphore.available_permits(), 10, "nobody waits any more");
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_parked_in_a_socket_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("an address");
        park(&runtime, &counter, 8, |number| async move {
            if number % 2 == 0 {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
                let _ = listener.accept().await;
            } else {
                use rt::io::AsyncReadExt;
                let mut stream = TcpStream::connect(address).await.expect("connect");
                let _ = stream.read_u8().await;
            }
        });
        let peers: Vec<_> = (0..4).map(|_| listener.accept().expect("accept").0).collect();
        drop(runtime);
        assert_eq!(counter.drops(), 8);
        for mut peer in peers {
            // Closed with its task.
            assert_eq!(io::Read::read(&mut peer, &mut [0; 1]).expect("the end of the stream"), 0);
        }
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_parked_in_a_timer_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let started = Instant::now();
        park(&runtime, &counter, 10, |number| async move {
            match number % 3 {
                0 => sleep(LONG).await,
                1 => drop(rt::time::timeout(LONG, pending::<()>()).await),
                _ => {
                    let mut interval = rt::time::interval(LONG);
                    interval.tick().await;
                    interval.tick().await;
                }
            }
        });
        drop(runtime);
        assert_eq!(counter.drops(), 10);
        assert!(started.elapsed() < LONG);
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_that_owns_its_own_handle_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let mut senders = Vec::new();
        let receivers = Mutex::new(Vec::new());
        for _ in 0..10 {
            let (sender, receiver) = oneshot::channel::<JoinHandle<()>>();
            senders.push(sender);
            receivers.lock().unwrap().push(receiver);
        }
        let polled = Arc::new(AtomicUsize::new(0));
        let handles = park(&runtime, &counter, 10, |_| {
            let receiver = receivers.lock().unwrap().pop().expect("one each");
            let polled = Arc::clone(&polled);
            async move {
                let own = receiver.await.expect("it is sent");
                // For ever: a task cannot end before it has ended.
                let _ = counting(polled, own).await;
            }
        });
        for (sender, handle) in senders.into_iter().rev().zip(handles) {
            sender.send(handle).expect("the task waits");
        }
        run_until(&runtime, || polled.load(Ordering::SeqCst) >= 10);
        drop(runtime);
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_that_holds_its_own_waker_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        park(&runtime, &counter, 10, |_| {
            let mine: Arc<Mutex<Option<Waker>>> = Arc::default();
            poll_fn(move |cx| {
                *mine.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
        });
        drop(runtime);
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn dropping_the_runtime_drops_two_tasks_that_await_each_other_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        for _ in 0..10 {
            let polled = Arc::new(AtomicUsize::new(0));
            let (senders, handles): (Vec<_>, Vec<_>) = (0..2)
                .map(|_| {
                    let (sender, receiver) = oneshot::channel::<JoinHandle<()>>();
                    let (guard, polled) = (counter.guard(), Arc::clone(&polled));
                    let task = runtime.spawn(async move {
                        let _guard = guard;
                        let other = receiver.await.expect("it is sent");
                        let _ = counting(polled, other).await;
                    });
                    (sender, task)
                })
                .unzip();
            for (sender, handle) in senders.into_iter().zip(handles.into_iter().rev()) {
                sender.send(handle).expect("the task waits");
            }
            run_until(&runtime, || polled.load(Ordering::SeqCst) >= 2);
        }
        drop(runtime);
        assert_eq!(counter.drops(), 20);
    });
}

#[test]
fn dropping_the_runtime_drops_a_task_that_holds_a_handle_to_the_runtime_once() {
    each(|runtime| {
        let counter = DropCounter::new();
        let handle = runtime.handle().clone();
        park(&runtime, &counter, 10, |_| {
            let (handle, metrics) = (handle.clone(), handle.metrics());
            async move {
                pending::<()>().await;
                drop((handle, metrics));
            }
        });
        drop((handle, runtime));
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn dropping_a_current_thread_runtime_drops_the_tasks_that_it_never_ran_once() {
    within(SOON, || {
        let (counter, polls) = (DropCounter::new(), Arc::new(AtomicUsize::new(0)));
        let runtime = current();
        let handles = (0..1000).map(|_| {
            let (guard, polls) = (counter.guard(), Arc::clone(&polls));
            runtime.spawn(async move {
                let _guard = guard;
                polls.fetch_add(1, Ordering::SeqCst);
            })
        });
        let handles: Vec<_> = handles.collect();
        drop(runtime);
        assert_eq!(counter.drops(), 1000);
        assert_eq!(polls.load(Ordering::SeqCst), 0, "shutting down polls nobody");
        assert_cancelled(handles);
    });
}

/// Waits until the runtime of `handle` refuses tasks.
fn await_closed(handle: &Handle) {
    eventually(SOON, || handle.spawn(pending::<()>()).is_finished());
}

#[test]
fn dropping_the_runtime_drops_the_tasks_in_the_injector_once() {
    within(4 * SOON, || {
        let (counter, polls, gate) = (DropCounter::new(), Arc::new(AtomicUsize::new(0)), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        let runtime = unwatched(2);
        for _ in 0..2 {
            let gate = gate.clone();
            runtime.spawn(async move { gate.pass() });
        }
        gate.await_waiting(2);
        for _ in 0..1000 {
            let (guard, polls) = (counter.guard(), Arc::clone(&polls));
            runtime.spawn(async move {
                let _guard = guard;
                polls.fetch_add(1, Ordering::SeqCst);
            });
        }
        assert!(runtime.metrics().global_queue_depth() >= 1000);
        let handle = runtime.handle().clone();
        let dropping = thread::spawn(move || drop(runtime));
        await_closed(&handle);
        gate.open();
        dropping.join().unwrap();
        assert_eq!(counter.drops(), 1000);
        assert_eq!(polls.load(Ordering::SeqCst), 0, "what is queued behind a shutdown is not polled");
    });
}

#[test]
fn dropping_the_runtime_drops_the_tasks_in_the_queues_of_a_stuck_worker_once() {
    within(4 * SOON, || {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        let runtime = unwatched(1);
        let (guards, passes): (Vec<_>, _) = ((0..500).map(|_| counter.guard()).collect(), gate.clone());
        runtime.spawn(async move {
            // All but the last to the deque, the last to the LIFO slot.
            for guard in guards {
                rt::spawn(async move { drop(guard) });
            }
            passes.pass();
        });
        gate.await_waiting(1);
        let handle = runtime.handle().clone();
        let dropping = thread::spawn(move || drop(runtime));
        await_closed(&handle);
        assert_eq!(counter.drops(), 0, "the poll that the worker is in is not over");
        gate.open();
        dropping.join().unwrap();
        assert_eq!(counter.drops(), 500);
    });
}

#[test]
fn dropping_the_runtime_drops_a_thousand_tasks_that_never_rest_once() {
    for _ in 0..5 {
        each(|runtime| {
            let counter = DropCounter::new();
            let notify = Arc::new(Notify::new());
            park(&runtime, &counter, 1000, |number| {
                let notify = Arc::clone(&notify);
                async move {
                    loop {
                        match number % 3 {
                            0 => rt::task::yield_now().await,
                            // A spawn and a wake into the LIFO slot.
                            1 => drop(rt::spawn(rt::task::yield_now()).await),
                            _ => {
                                notify.notify_one();
                                notify.notified().await;
                                rt::task::yield_now().await;
                            }
                        }
                    }
                }
            });
            drop(runtime);
            assert_eq!(counter.drops(), 1000);
        });
    }
}

#[test]
fn tasks_woken_from_outside_while_the_runtime_is_dropped_are_dropped_once() {
    for _ in 0..20 {
        each(|runtime| {
            let counter = DropCounter::new();
            let notify = Arc::new(Notify::new());
            park(&runtime, &counter, 20, |_| {
                let notify = Arc::clone(&notify);
                async move {
                    loop {
                        notify.notified().await;
                    }
                }
            });
            let start = Arc::new(Barrier::new(2));
            let waking = thread::spawn({
                let (start, notify, counter) = (Arc::clone(&start), Arc::clone(&notify), counter.clone());
                move || {
                    start.wait();
                    while counter.drops() < 20 {
                        notify.notify_waiters();
                    }
                }
            });
            start.wait();
            drop(runtime);
            assert_eq!(counter.drops(), 20);
            waking.join().unwrap();
        });
    }
}

#[test]
fn tasks_spawned_from_outside_while_the_runtime_is_dropped_are_run_or_cancelled_and_dropped_once() {
    for _ in 0..20 {
        each(|runtime| {
            let counter = DropCounter::new();
            let start = Arc::new(Barrier::new(3));
            let spawning = [0, 1].map(|_| {
                let (start, counter, handle) = (Arc::clone(&start), counter.clone(), runtime.handle().clone());
                thread::spawn(move || {
                    start.wait();
                    let spawn = |_| {
                        let (guard, blocking) = (counter.guard(), counter.guard());
                        handle.spawn_blocking(move || drop(blocking));
                        handle.spawn(async move { drop(guard) })
                    };
                    (0..100).map(spawn).collect::<Vec<_>>()
                })
            });
            start.wait();
            drop(runtime);
            for handle in spawning.into_iter().flat_map(|thread| thread.join().unwrap()) {
                eventually(SOON, || handle.is_finished());
            }
            eventually(SOON, || counter.drops() == 400);
            assert_eq!(counter.guards(), 400);
        });
    }
}

// Closures.

#[test]
fn dropping_the_runtime_waits_for_a_closure_that_has_begun_and_drops_those_that_have_not() {
    for enable in [false, true] {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            if enable {
                builder.enable_all();
            }
            let runtime = builder.worker_threads(1).max_blocking_threads(1).build().expect("build a runtime");
            within(4 * SOON, move || {
                let (counter, gate) = (DropCounter::new(), Gate::new());
                let _open = OpenOnDrop(gate.clone());
                let passes = gate.clone();
                let begun = runtime.spawn_blocking(move || {
                    passes.pass();
                    "done"
                });
                gate.await_waiting(1);
                let waiting: Vec<_> = (0..10)
                    .map(|_| {
                        let guard = counter.guard();
                        runtime.spawn_blocking(move || drop(guard))
                    })
                    .collect();
                let (sender, receiver) = mpsc::channel();
                let handle = runtime.handle().clone();
                let dropping = thread::spawn(move || {
                    drop(runtime);
                    sender.send(()).unwrap();
                });
                await_closed(&handle);
                eventually(SOON, || counter.drops() == 10);
                assert_cancelled(waiting);
                assert!(receiver.try_recv().is_err(), "it waits for the closure that has begun");
                gate.open();
                dropping.join().unwrap();
                assert_eq!(current().block_on(begun).unwrap(), "done");
            });
        }
    }
}

#[test]
fn dropping_the_runtime_waits_until_the_stop_hook_has_run_on_every_thread() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        within(4 * SOON, move || {
            let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (start, stop) = (Arc::clone(&started), Arc::clone(&stopped));
            let runtime = builder
                .worker_threads(2)
                .on_thread_start(move || {
                    start.fetch_add(1, Ordering::SeqCst);
                })
                .on_thread_stop(move || {
                    // Gives a drop that does not wait the time to show it.
                    thread::sleep(Duration::from_millis(20));
                    stop.fetch_add(1, Ordering::SeqCst);
                })
                .build()
                .expect("build a runtime");
            let closures: Vec<_> = (0..3).map(|_| runtime.spawn_blocking(|| {})).collect();
            for closure in closures {
                runtime.block_on(closure).unwrap();
            }
            drop(runtime);
            assert_eq!(started.load(Ordering::SeqCst), stopped.load(Ordering::SeqCst));
        });
    }
}

// Dropping it in async code.

#[test]
fn the_last_reference_to_a_runtime_can_be_dropped_in_its_own_task() {
    for workers in [1, 2] {
        within(4 * SOON, move || {
            let counter = DropCounter::new();
            let runtime = Arc::new(multi(workers));
            park(&runtime, &counter, 10, |_| pending());
            let (gate, handle) = (Gate::new(), runtime.handle().clone());
            let (passes, own, guard) = (gate.clone(), Arc::clone(&runtime), counter.guard());
            let (sender, receiver) = mpsc::channel();
            let task = runtime.spawn(async move {
                let _guard = guard;
                passes.pass();
                drop(own);
                // The poll goes on as if nothing had happened; only new tasks are refused.
                sender.send(rt::spawn(async {}).await.unwrap_err().is_cancelled()).unwrap();
                pending::<()>().await;
            });
            gate.await_waiting(1);
            drop(runtime);
            gate.open();
            assert_eq!(receiver.recv_timeout(SOON), Ok(true));
            eventually(SOON, || counter.drops() == 11 && task.is_finished());
            assert_cancelled(vec![task]);
            assert!(handle.spawn(async {}).is_finished());
        });
    }
}

#[test]
fn a_runtime_can_be_dropped_in_a_task_of_another() {
    each(|other| {
        for make in [current, || multi(2)] {
            let counter = DropCounter::new();
            let runtime = make();
            let handles = park(&runtime, &counter, 10, |_| sleep_inside(LONG));
            let task = other.spawn(async move {
                drop(runtime);
                // Still in one's own runtime.
                rt::spawn(async { "spawned" }).await.unwrap()
            });
            assert_eq!(other.block_on(task).unwrap(), "spawned");
            eventually(SOON, || counter.drops() == 10);
            eventually(SOON, || handles.iter().all(JoinHandle::is_finished));
            assert_cancelled(handles);
        }
    });
}

/// A sleep that is made at its first poll, in the runtime of its task.
async fn sleep_inside(duration: Duration) {
    sleep(duration).await;
}

#[test]
fn a_runtime_can_be_dropped_in_block_on() {
    each(|other| {
        for make in [current, || multi(2)] {
            // In that of another runtime, and in that of its own handle.
            for own in [false, true] {
                let counter = DropCounter::new();
                let runtime = make();
                park(&runtime, &counter, 10, |_| sleep_inside(LONG));
                let handle = if own { runtime.handle().clone() } else { other.handle().clone() };
                handle.block_on(async move {
                    drop(runtime);
                    rt::task::yield_now().await;
                });
                eventually(SOON, || counter.drops() == 10);
            }
        }
    });
}

#[test]
fn a_runtime_that_is_built_in_a_task_can_be_dropped_there() {
    each(|other| {
        let counter = DropCounter::new();
        let guards: Vec<_> = (0..2).map(|_| counter.guard()).collect();
        let task = other.spawn(async move {
            for (guard, make) in guards.into_iter().zip([current, || multi(1)]) {
                let runtime = make();
                runtime.spawn(async move {
                    let _guard = guard;
                    sleep(LONG).await;
                });
            }
        });
        other.block_on(task).unwrap();
        eventually(SOON, || counter.drops() == 2);
    });
}

#[test]
fn a_runtime_can_be_dropped_in_a_closure_of_another_which_waits_for_it() {
    each(|other| {
        for make in [current, || multi(2)] {
            let counter = DropCounter::new();
            let runtime = make();
            park(&runtime, &counter, 10, |_| sleep_inside(LONG));
            let watched = counter.clone();
            let closure = other.spawn_blocking(move || {
                drop(runtime);
                watched.drops()
            });
            assert_eq!(other.block_on(closure).unwrap(), 10);
        }
    });
}

#[test]
fn the_last_reference_to_a_runtime_can_be_dropped_in_its_own_closure() {
    for make in [current, || multi(2)] {
        within(4 * SOON, move || {
            let (counter, gate) = (DropCounter::new(), Gate::new());
            let runtime = Arc::new(make());
            park(&runtime, &counter, 10, |_| sleep_inside(LONG));
            let (passes, own) = (gate.clone(), Arc::clone(&runtime));
            let (sender, receiver) = mpsc::channel();
            let closure = runtime.spawn_blocking(move || {
                passes.pass();
                drop(own);
                sender.send(()).unwrap();
            });
            gate.await_waiting(1);
            drop(runtime);
            gate.open();
            receiver.recv_timeout(SOON).expect("a thread does not wait for its own end");
            eventually(SOON, || counter.drops() == 10 && closure.is_finished());
            current().block_on(closure).expect("it has run to its end");
        });
    }
}

#[test]
fn the_last_reference_to_a_runtime_can_go_with_the_output_of_its_own_closure() {
    within(4 * SOON, || {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let runtime = Arc::new(multi(1));
        park(&runtime, &counter, 10, |_| pending());
        let (passes, own) = (gate.clone(), Arc::clone(&runtime));
        // Detached: the thread drops the output.
        runtime.spawn_blocking(move || {
            passes.pass();
            own
        });
        gate.await_waiting(1);
        let metrics = runtime.metrics();
        drop(runtime);
        gate.open();
        eventually(SOON, || counter.drops() == 10 && metrics.num_blocking_threads() == 0);
    });
}

#[test]
fn the_last_reference_to_a_runtime_can_go_with_the_output_of_its_own_task() {
    within(4 * SOON, || {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let runtime = Arc::new(multi(2));
        park(&runtime, &counter, 10, |_| pending());
        let (passes, own) = (gate.clone(), Arc::clone(&runtime));
        let task = runtime.spawn(async move {
            passes.pass();
            own
        });
        gate.await_waiting(1);
        let handle = runtime.handle().clone();
        drop(runtime);
        drop(task);
        gate.open();
        await_closed(&handle);
        eventually(SOON, || counter.drops() == 10);
    });
}

#[test]
fn a_task_can_shut_its_own_runtime_down_with_a_timeout_and_does_not_wait_for_itself_beyond_it() {
    within(4 * SOON, || {
        let counter = DropCounter::new();
        let runtime = multi(2);
        park(&runtime, &counter, 10, |_| pending());
        let place: Arc<Mutex<Option<Runtime>>> = Arc::default();
        let gate = Gate::new();
        let (passes, own) = (gate.clone(), Arc::clone(&place));
        let (sender, receiver) = mpsc::channel();
        runtime.spawn(async move {
            passes.pass();
            let runtime = own.lock().unwrap().take().expect("it was left here");
            runtime.shutdown_timeout(Duration::from_millis(50));
            sender.send(()).unwrap();
        });
        *place.lock().unwrap() = Some(runtime);
        gate.open();
        receiver.recv_timeout(SOON).expect("it returns at its deadline");
        eventually(SOON, || counter.drops() == 10);
    });
}

#[test]
fn a_panic_that_unwinds_through_a_runtime_shuts_it_down() {
    each(|runtime| {
        let counter = DropCounter::new();
        park(&runtime, &counter, 10, |_| sleep_inside(LONG));
        let message = panic_message(move || {
            runtime.block_on(async {
                rt::spawn(async {}).await.unwrap();
                panic!("main has failed");
            })
        });
        assert_eq!(message, "main has failed");
        assert_eq!(counter.drops(), 10);
    });
}

// What a future may do in its drop.

/// Calls a closure when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(closure) = self.0.take() {
            closure();
        }
    }
}

/// Spawns tasks that call `closure` when they are dropped, and drops the runtime; all of them must have been called.
fn on_drop(runtime: Runtime, closure: impl Fn() + Clone + Send + 'static) {
    let counter = DropCounter::new();
    park(&runtime, &DropCounter::new(), 10, |_| {
        let (closure, guard) = (closure.clone(), counter.guard());
        let on_drop = OnDrop(Some(move || {
            closure();
            drop(guard);
        }));
        async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        }
    });
    drop(runtime);
    assert_eq!(counter.drops(), 10, "a drop has panicked");
}

#[test]
fn a_future_that_spawns_in_its_drop_gets_a_cancelled_task() {
    each(|runtime| {
        let (handle, counter) = (runtime.handle().clone(), DropCounter::new());
        let spawned = counter.clone();
        on_drop(runtime, move || {
            let (one, two, three) = (spawned.guard(), spawned.guard(), spawned.guard());
            // The thread is inside the runtime that is going.
            let task = rt::spawn(async move { drop(one) });
            let other = handle.spawn(async move { drop(two) });
            let closure = rt::task::spawn_blocking(move || drop(three));
            assert!(task.is_finished() && other.is_finished() && closure.is_finished());
        });
        assert_eq!((counter.guards(), counter.drops()), (30, 30));
    });
}

#[test]
fn a_future_that_wakes_others_in_its_drop_does_no_harm() {
    each(|runtime| {
        let (notify, wakers) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::<Waker>::new())));
        let counter = DropCounter::new();
        park(&runtime, &counter, 10, |_| {
            let (notify, wakers) = (Arc::clone(&notify), Arc::clone(&wakers));
            async move {
                poll_fn(|cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::Ready(())
                })
                .await;
                notify.notified().await;
                pending::<()>().await;
            }
        });
        on_drop(runtime, move || {
            notify.notify_waiters();
            wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
        });
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn a_future_that_aborts_others_in_its_drop_does_no_harm() {
    each(|runtime| {
        let counter = DropCounter::new();
        let handles = park(&runtime, &counter, 10, |_| pending());
        let aborts: Vec<_> = handles.iter().map(JoinHandle::abort_handle).collect();
        on_drop(runtime, move || aborts.iter().for_each(rt::task::AbortHandle::abort));
        assert_eq!(counter.drops(), 10);
        assert_cancelled(handles);
    });
}

#[test]
fn a_future_that_uses_timers_and_sockets_in_its_drop_does_no_harm() {
    each(|runtime| {
        let polled = Arc::new(AtomicUsize::new(0));
        let polls = Arc::clone(&polled);
        on_drop(runtime, move || {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(sleep(LONG)).poll(&mut cx).is_pending());
            assert!(pin!(sleep(Duration::ZERO)).poll(&mut cx).is_ready());
            let mut bind = pin!(TcpListener::bind("127.0.0.1:0"));
            let Poll::Ready(Ok(listener)) = bind.as_mut().poll(&mut cx) else { panic!("it binds at once") };
            assert!(pin!(listener.accept()).poll(&mut cx).is_pending());
            polls.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(polled.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn a_future_that_drops_another_runtime_in_its_drop_does_no_harm() {
    each(|runtime| {
        let counter = DropCounter::new();
        let others: Arc<Mutex<Vec<Runtime>>> = Arc::default();
        for make in [current, || multi(1)] {
            let other = make();
            park(&other, &counter, 5, |_| sleep_inside(LONG));
            others.lock().unwrap().push(other);
        }
        on_drop(runtime, move || {
            let other = others.lock().unwrap().pop();
            drop(other);
        });
        eventually(SOON, || counter.drops() == 10);
    });
}

// Several runtimes.

#[test]
fn runtimes_whose_tasks_await_each_other_can_go_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        within(4 * SOON, move || {
            let counter = DropCounter::new();
            let mut runtimes = [Some(multi(2)), Some(current()), Some(multi(1))];
            let forever: Vec<_> = runtimes.iter().flatten().map(|runtime| runtime.spawn(pending::<()>())).collect();
            let mut forever: Vec<_> = forever.into_iter().map(Some).collect();
            let polled = Arc::new(AtomicUsize::new(0));
            for (index, runtime) in runtimes.iter().flatten().enumerate() {
                // A task of the next one.
                let other = forever[(index + 1) % 3].take().expect("each is awaited once");
                let (guard, polled) = (counter.guard(), Arc::clone(&polled));
                runtime.spawn(async move {
                    let _guard = guard;
                    assert!(counting(polled, other).await.unwrap_err().is_cancelled());
                });
            }
            let stands_still = runtimes[1].as_ref().expect("the current-thread runtime");
            run_until(stands_still, || polled.load(Ordering::SeqCst) >= 3);
            for index in order {
                drop(runtimes[index].take());
            }
            assert_eq!(counter.drops(), 3);
        });
    }
}

#[test]
fn runtimes_can_be_dropped_by_several_threads_at_once() {
    within(4 * SOON, || {
        for _ in 0..20 {
            let counter = DropCounter::new();
            let start = Arc::new(Barrier::new(4));
            let threads = [0, 1, 2, 3].map(|number| {
                let runtime = if number == 0 { current() } else { multi(number) };
                park(&runtime, &counter, 5, |_| sleep_inside(LONG));
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    drop(runtime);
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(counter.drops(), 20);
        }
    });
}

#[test]
fn a_runtime_that_goes_leaves_the_others_alone() {
    within(4 * SOON, || {
        let survivor = multi(2);
        let counter = DropCounter::new();
        park(&survivor, &counter, 10, |_| sleep_inside(LONG));
        for make in [current, || multi(1), || multi(2)] {
            let runtime = make();
            runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
            drop(runtime);
            let answer = survivor.block_on(async {
                sleep(Duration::from_millis(1)).await;
                rt::task::spawn_blocking(|| 1).await.unwrap() + rt::spawn(async { 1 }).await.unwrap()
            });
            assert_eq!(answer, 2);
        }
        assert_eq!(counter.drops(), 0);
    });
}

// Those who are left.

#[test]
fn a_joiner_in_another_runtime_learns_that_the_task_was_cancelled() {
    each(|runtime| {
        let other = multi(1);
        let polled = Arc::new(AtomicUsize::new(0));
        let joiner = other.spawn(counting(Arc::clone(&polled), runtime.spawn(pending::<()>())));
        eventually(SOON, || polled.load(Ordering::SeqCst) >= 1);
        drop(runtime);
        assert!(other.block_on(joiner).unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_thread_that_waits_for_a_timer_of_a_runtime_that_goes_panics_and_says_why() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let (handle, polled) = (runtime.handle().clone(), Arc::new(AtomicUsize::new(0)));
        let polls = Arc::clone(&polled);
        let waiting = thread::spawn(move || panic_message(|| handle.block_on(counting(polls, sleep_inside(LONG)))));
        eventually(SOON, || polled.load(Ordering::SeqCst) >= 1);
        drop(runtime);
        let message = waiting.join().unwrap();
        assert!(message.contains("the runtime of this timer has shut down"), "{message}");
    });
}

#[test]
fn a_thread_that_waits_for_a_socket_of_a_runtime_that_goes_gets_an_error() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let (handle, polled) = (runtime.handle().clone(), Arc::new(AtomicUsize::new(0)));
        let polls = Arc::clone(&polled);
        let waiting = thread::spawn(move || {
            handle.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                counting(polls, listener.accept()).await.map(drop)
            })
        });
        eventually(SOON, || polled.load(Ordering::SeqCst) >= 1);
        drop(runtime);
        let error = waiting.join().unwrap().expect_err("nobody serves it any more");
        assert_eq!(error.to_string(), "the runtime that serves this socket or descriptor has shut down");
    });
}

#[test]
fn a_socket_and_a_timer_that_outlive_their_runtime_can_be_dropped() {
    each(|runtime| {
        let left = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
            let stream = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connect");
            let mut timer = Box::pin(sleep(LONG));
            assert!(poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await);
            (listener, stream, timer)
        });
        drop(runtime);
        drop(left);
    });
}

#[test]
fn shutdown_background_returns_at_once_and_the_tasks_go_soon() {
    for workers in [1, 2] {
        within(4 * SOON, move || {
            let (counter, gate) = (DropCounter::new(), Gate::new());
            let _open = OpenOnDrop(gate.clone());
            let runtime = unwatched(workers);
            park(&runtime, &counter, 10, |_| sleep_inside(LONG));
            for _ in 0..workers {
                let passes = gate.clone();
                runtime.spawn(async move { passes.pass() });
            }
            let passes = gate.clone();
            runtime.spawn_blocking(move || passes.pass());
            gate.await_waiting(workers + 1);
            runtime.shutdown_background();
            // Every worker is stuck still.
            assert_eq!((gate.waiting(), counter.drops()), (workers + 1, 0));
            gate.open();
            eventually(SOON, || counter.drops() == 10);
        });
    }
}

#[test]
fn shutdown_background_of_a_current_thread_runtime_drops_its_tasks() {
    within(4 * SOON, || {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        let runtime = current();
        park(&runtime, &counter, 10, |_| sleep_inside(LONG));
        let passes = gate.clone();
        runtime.spawn_blocking(move || passes.pass());
        gate.await_waiting(1);
        runtime.shutdown_background();
        assert_eq!((gate.waiting(), counter.drops()), (1, 10));
    });
}

#[test]
fn shutdown_with_a_timeout_returns_at_its_deadline_though_a_worker_is_stuck() {
    within(4 * SOON, || {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        let runtime = multi(1);
        park(&runtime, &counter, 10, |_| sleep_inside(LONG));
        let passes = gate.clone();
        let stuck = runtime.spawn(async move { passes.pass() });
        gate.await_waiting(1);
        let started = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(100));
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(gate.waiting(), 1, "it did not wait for the worker");
        gate.open();
        eventually(SOON, || counter.drops() == 10);
        // The poll that it was in was its last, and came to its end.
        eventually(SOON, || stuck.is_finished());
        current().block_on(stuck).expect("a poll that returns `Ready` gives its output");
    });
}

#[test]
fn shutdown_with_a_timeout_returns_at_its_deadline_though_a_closure_is_stuck() {
    each(|runtime| {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let passes = gate.clone();
        let stuck = runtime.spawn_blocking(move || passes.pass());
        gate.await_waiting(1);
        let started = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(100));
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(gate.waiting(), 1, "it did not wait for the closure");
        gate.open();
        eventually(SOON, || stuck.is_finished());
        current().block_on(stuck).expect("a closure that has begun gives its output");
    });
}

#[test]
fn shutdown_with_a_timeout_returns_at_its_deadline_though_a_stop_hook_is_stuck() {
    within(4 * SOON, || {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let passes = gate.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_stop(move || passes.pass())
            .build()
            .expect("build a runtime");
        let (sender, receiver) = mpsc::channel();
        let shutting_down = thread::spawn(move || {
            runtime.shutdown_timeout(Duration::from_millis(100));
            sender.send(()).unwrap();
        });
        let returned = receiver.recv_timeout(SOON);
        let waiting = gate.waiting();
        gate.open();
        shutting_down.join().unwrap();
        assert_eq!((returned, waiting), (Ok(()), 2));
    });
}

#[test]
fn shutdown_with_a_timeout_returns_as_soon_as_the_threads_have_ended() {
    each(|runtime| {
        let counter = DropCounter::new();
        park(&runtime, &counter, 10, |_| sleep_inside(LONG));
        runtime.block_on(async { rt::task::spawn_blocking(|| {}).await.unwrap() });
        // `within` fails if it waits for its deadline. The last is too long to be a point in time.
        runtime.shutdown_timeout(Duration::MAX);
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn shutdown_with_no_time_at_all_returns_at_once() {
    each(|runtime| {
        let (counter, gate) = (DropCounter::new(), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        park(&runtime, &counter, 10, |_| sleep_inside(LONG));
        let passes = gate.clone();
        runtime.spawn_blocking(move || passes.pass());
        gate.await_waiting(1);
        runtime.shutdown_timeout(Duration::ZERO);
        assert_eq!(gate.waiting(), 1);
        eventually(SOON, || counter.drops() == 10);
    });
}

#[test]
fn a_shutdown_lets_a_poll_finish_that_has_begun() {
    within(4 * SOON, || {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let runtime = multi(2);
        let passes = gate.clone();
        let task = runtime.spawn(async move {
            passes.pass();
            "finished"
        });
        gate.await_waiting(1);
        let handle = runtime.handle().clone();
        let dropping = thread::spawn(move || drop(runtime));
        await_closed(&handle);
        gate.open();
        dropping.join().unwrap();
        assert_eq!(current().block_on(task).unwrap(), "finished");
    });
}

#[test]
fn an_output_that_nobody_has_taken_is_dropped_once_with_its_handle_after_the_runtime() {
    each(|runtime| {
        let counter = DropCounter::new();
        let guards: Vec<_> = (0..10).map(|_| counter.guard()).collect();
        let handles: Vec<_> = guards.into_iter().map(|guard| runtime.spawn(async move { guard })).collect();
        run_until(&runtime, || handles.iter().all(JoinHandle::is_finished));
        drop(runtime);
        assert_eq!(counter.drops(), 0);
        drop(handles);
        assert_eq!(counter.drops(), 10);
    });
}

#[test]
fn tasks_that_are_refused_do_not_change_the_count_of_those_that_are_alive() {
    within(4 * SOON, || {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let runtime = multi(2);
        let stuck = gate.clone();
        runtime.spawn(async move { stuck.pass() });
        gate.await_waiting(1);
        let (handle, metrics) = (runtime.handle().clone(), runtime.metrics());
        runtime.shutdown_background();
        await_closed(&handle);
        let spawned = metrics.spawned_tasks_count();
        for _ in 0..10 {
            assert!(handle.spawn(pending::<()>()).is_finished());
        }
        assert_eq!(metrics.num_alive_tasks(), 1);
        assert_eq!(metrics.spawned_tasks_count(), spawned);
        gate.open();
        eventually(SOON, || metrics.num_alive_tasks() == 0);
    });
}

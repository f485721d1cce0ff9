//! Futures that are not `Send`: local sets, local runtimes, `spawn_local`.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_util::future::{join, join_all, select};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor};
use rt::sync::{Notify, oneshot};
use rt::task::{AbortHandle, JoinHandle, LocalSet, spawn_local, yield_now};
use rt::time::{Instant, sleep};
use support::{DropCounter, DropGuard, Gate, SOON, current, eventually, multi, panic_message, text_of, within};

/// Runs `test` wherever local tasks can be.
#[track_caller]
fn everywhere(test: impl AsyncFn() + Send + 'static) {
    within(SOON, move || {
        for runtime in [current(), multi(2)] {
            LocalSet::new().block_on(&runtime, test());
            runtime.block_on(async { LocalSet::new().run_until(test()).await });
        }
        let runtime = local_runtime();
        runtime.block_on(test());
        // A set inside of a local runtime, and one inside of a task of a set.
        runtime.block_on(async { LocalSet::new().run_until(test()).await });
        let outer = LocalSet::new();
        let inner = Rc::new(LocalSet::new());
        runtime.block_on(outer.run_until(async {
            let inner = inner.clone();
            spawn_local(async move { inner.run_until(yield_now()).await }).await.unwrap();
        }));
        runtime.block_on(outer.run_until(inner.run_until(test())));
    });
}

/// Runs `test` on a runtime of each kind that is shared among threads.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(test));
}

fn local_runtime() -> LocalRuntime {
    LocalRuntime::new().expect("build a local runtime")
}

/// Hands out values that may only be dropped on the thread that asked for them.
#[derive(Clone, Default)]
struct Residents {
    drops: DropCounter,
    strays: Arc<AtomicUsize>,
}

struct Resident {
    home: ThreadId,
    strays: Arc<AtomicUsize>,
    _drop: DropGuard,
    not_send: PhantomData<*mut ()>,
}

impl Residents {
    fn one(&self) -> Resident {
        let (home, strays) = (thread::current().id(), self.strays.clone());
        Resident { home, strays, _drop: self.drops.guard(), not_send: PhantomData }
    }

    /// How many are gone, all of which must have been at home.
    #[track_caller]
    fn gone(&self) -> usize {
        assert_eq!(self.strays.load(Ordering::SeqCst), 0, "dropped on a foreign thread");
        self.drops.drops()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        if self.home != thread::current().id() {
            self.strays.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A waker that a task leaves for others to take.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Waker>>>);

impl Left {
    /// Leaves the waker of the task and is never done.
    async fn wait(&self) {
        poll_fn(|cx| {
            *self.0.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }

    fn waker(&self) -> Waker {
        self.0.lock().unwrap().clone().expect("the task has been polled")
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Gives its thread's runtime time to run what is ready: between two polls of a future of `block_on`, at least one task is polled.
async fn rest() {
    for _ in 0..20 {
        yield_now().await;
    }
}

// What works everywhere.

#[test]
fn a_local_task_keeps_what_is_not_send_across_its_awaits() {
    everywhere(async || {
        let shared = Rc::new(Cell::new(0));
        let tasks = (1..=10).map(|n| {
            let shared = shared.clone();
            spawn_local(async move {
                for _ in 0..n {
                    yield_now().await;
                    shared.set(shared.get() + 1);
                }
                shared
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            assert!(Rc::ptr_eq(&task.await.unwrap(), &shared));
        }
        assert_eq!((shared.get(), Rc::strong_count(&shared)), (55, 1));
    });
}

#[test]
fn a_local_task_and_what_it_spawns_run_on_the_thread_that_spawned_it() {
    everywhere(async || {
        let here = thread::current().id();
        let task = spawn_local(async move {
            yield_now().await;
            let nested = spawn_local(async move {
                yield_now().await;
                (thread::current().id(), spawn_local(async { thread::current().id() }).await.unwrap())
            });
            (thread::current().id(), nested.await.unwrap())
        });
        assert_eq!(task.await.unwrap(), (here, (here, here)));
    });
}

#[test]
fn local_tasks_begin_in_the_order_in_which_they_were_spawned() {
    everywhere(async || {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let order = order.clone();
                spawn_local(async move { order.borrow_mut().push(n) })
            })
            .collect();
        join_all(tasks).await.into_iter().for_each(Result::unwrap);
        assert!(order.borrow().iter().copied().eq(0..100));
    });
}

#[test]
fn a_wake_from_another_thread_reaches_a_local_task() {
    everywhere(async || {
        for _ in 0..50 {
            let (sender, receiver) = oneshot::channel();
            let local = Rc::new(1);
            let task = spawn_local(async move { *local + receiver.await.unwrap() });
            let other = thread::spawn(move || sender.send(41).unwrap());
            assert_eq!(task.await.unwrap(), 42);
            other.join().unwrap();
        }
    });
}

#[test]
fn many_threads_wake_many_local_tasks() {
    everywhere(async || {
        const TASKS: usize = 50;
        let wakes: Vec<_> = (0..TASKS).map(|_| Arc::new(Notify::new())).collect();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let wakes = wakes.clone();
                thread::spawn(move || {
                    for _ in 0..10 {
                        wakes.iter().for_each(|wake| wake.notify_one());
                        thread::yield_now();
                    }
                })
            })
            .collect();
        let count = Rc::new(Cell::new(0));
        let tasks = wakes.iter().map(|wake| {
            let (wake, count) = (wake.clone(), count.clone());
            spawn_local(async move {
                wake.notified().await;
                count.set(count.get() + 1);
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
        assert_eq!(count.get(), TASKS);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn an_abort_from_another_thread_drops_the_future_on_its_own() {
    everywhere(async || {
        for is_polled in [false, true] {
            let residents = Residents::default();
            let resident = residents.one();
            let task = spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            if is_polled {
                rest().await;
            }
            let abort: AbortHandle = task.abort_handle();
            thread::spawn(move || abort.abort()).join().unwrap();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(residents.gone(), 1);
        }
    });
}

#[test]
fn a_handle_is_aborted_at_home_too() {
    everywhere(async || {
        let residents = Residents::default();
        let resident = residents.one();
        let task = spawn_local(async move {
            let _resident = resident;
            pending::<()>().await;
        });
        rest().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn an_output_that_nobody_asks_for_is_dropped_on_its_thread() {
    everywhere(async || {
        let residents = Residents::default();
        let early = residents.one();
        // The handle goes first.
        drop(spawn_local(async move { early }));
        let late = residents.one();
        let task = spawn_local(async move { late });
        rest().await;
        assert!(task.is_finished());
        assert_eq!(residents.gone(), 1);
        // The task has ended first.
        drop(task);
        assert_eq!(residents.gone(), 2);
        // An abort handle elsewhere outlives both.
        let third = residents.one();
        let task = spawn_local(async move { third });
        let abort = task.abort_handle();
        drop(task.await.unwrap());
        thread::spawn(move || drop(abort)).join().unwrap();
        assert_eq!(residents.gone(), 3);
    });
}

#[test]
fn a_join_handle_whose_output_is_send_is_awaited_on_another_thread() {
    everywhere(async || {
        let residents = Residents::default();
        let resident = residents.one();
        let (go, gone) = oneshot::channel();
        let task = spawn_local(async move {
            let _resident = resident;
            gone.await.unwrap();
            String::from("from a thread that it never left")
        });
        let handle = Handle::current();
        let other = thread::spawn(move || {
            go.send(()).unwrap();
            handle.block_on(task).unwrap()
        });
        while !other.is_finished() {
            yield_now().await;
        }
        assert_eq!(other.join().unwrap(), "from a thread that it never left");
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_join_handle_is_dropped_on_another_thread_at_any_time() {
    everywhere(async || {
        for _ in 0..100 {
            let residents = Residents::default();
            let resident = residents.one();
            let drops = DropCounter::new();
            let output = drops.guard();
            let task = spawn_local(async move {
                let _resident = resident;
                yield_now().await;
                output
            });
            let other = thread::spawn(move || drop(task));
            while drops.drops() == 0 {
                yield_now().await;
            }
            other.join().unwrap();
            assert_eq!((residents.gone(), drops.drops()), (1, 1));
        }
    });
}

#[test]
fn a_panic_of_a_local_task_is_its_result_and_nobody_elses() {
    everywhere(async || {
        let local = Rc::new(());
        let inside = local.clone();
        let task = spawn_local(async move {
            let _inside = inside;
            yield_now().await;
            panic!("boom");
        });
        let other = spawn_local(ready(7));
        let error = task.await.unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "boom");
        assert_eq!(other.await.unwrap(), 7);
        assert_eq!(Rc::strong_count(&local), 1);
    });
}

/// Panics when it is dropped.
struct Bomb {
    _local: Rc<()>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_local_future_is_its_result() {
    everywhere(async || {
        let local = Rc::new(());
        let bomb = Bomb { _local: local.clone() };
        let task = spawn_local(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
        rest().await;
        task.abort();
        let error = task.await.unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "dropped");
        assert_eq!(Rc::strong_count(&local), 1);
    });
}

#[test]
fn a_panic_in_the_drop_of_an_output_that_nobody_takes_is_contained() {
    everywhere(async || {
        let local = Rc::new(());
        let (first, second) = (Bomb { _local: local.clone() }, Bomb { _local: local.clone() });
        drop(spawn_local(async move { first }));
        let task = spawn_local(async move { second });
        rest().await;
        drop(task);
        assert_eq!(Rc::strong_count(&local), 1);
        assert_eq!(spawn_local(ready(1)).await.unwrap(), 1);
    });
}

#[test]
fn a_task_that_may_move_is_spawned_from_a_local_one() {
    everywhere(async || {
        let local = Rc::new(20);
        let task = spawn_local(async move {
            let moving = rt::spawn(async { 22 });
            *local + moving.await.unwrap()
        });
        assert_eq!(task.await.unwrap(), 42);
        let blocking = spawn_local(async { rt::task::spawn_blocking(|| 7).await.unwrap() });
        assert_eq!(blocking.await.unwrap(), 7);
    });
}

#[test]
fn timers_and_sockets_work_in_local_tasks() {
    everywhere(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Rc::new(Cell::new(0));
        let count = served.clone();
        let server = spawn_local(async move {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let count = count.clone();
                spawn_local(async move {
                    let mut text = [0; 4];
                    stream.read_exact(&mut text).await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                    stream.write_all(&text).await.unwrap();
                    count.set(count.get() + 1);
                });
            }
        });
        let clients = (0..3).map(|_| {
            spawn_local(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"echo").await.unwrap();
                let mut text = [0; 4];
                stream.read_exact(&mut text).await.unwrap();
                text
            })
        });
        for client in clients.collect::<Vec<_>>() {
            assert_eq!(&client.await.unwrap(), b"echo");
        }
        server.await.unwrap();
        while served.get() < 3 {
            yield_now().await;
        }
    });
}

#[test]
fn ten_thousand_local_tasks_end_each_with_its_own_output() {
    everywhere(async || {
        let offset = Rc::new(1);
        let tasks: Vec<_> = (0..10_000)
            .map(|n| {
                let offset = offset.clone();
                spawn_local(async move {
                    yield_now().await;
                    n + *offset
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n + 1);
        }
        assert_eq!(Rc::strong_count(&offset), 1);
    });
}

#[test]
fn a_task_that_is_always_ready_holds_up_neither_the_future_nor_tasks_nor_timers() {
    everywhere(async || {
        let stop = Rc::new(Cell::new(false));
        let busy: Vec<_> = (0..200)
            .map(|_| {
                let stop = stop.clone();
                spawn_local(async move {
                    while !stop.get() {
                        yield_now().await;
                    }
                })
            })
            .collect();
        rest().await;
        rt::spawn(async { yield_now().await }).await.unwrap();
        spawn_local(async { yield_now().await }).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        let (sender, receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(()).unwrap());
        receiver.await.unwrap();
        other.join().unwrap();
        stop.set(true);
        join_all(busy).await.into_iter().for_each(Result::unwrap);
    });
}

#[test]
fn a_local_task_that_finds_everything_ready_lets_others_run_when_its_budget_is_used_up() {
    everywhere(async || {
        let ready: Vec<_> = (0..1000).map(|_| spawn_local(async {})).collect();
        while !ready.iter().all(JoinHandle::is_finished) {
            yield_now().await;
        }
        let polls = Rc::new(Cell::new(0));
        let (stop, counter) = (Rc::new(Cell::new(false)), polls.clone());
        let stopped = stop.clone();
        let greedy = spawn_local(async move {
            for task in ready {
                task.await.unwrap();
            }
            stopped.set(true);
        });
        let other = spawn_local(async move {
            while !stop.get() {
                counter.set(counter.get() + 1);
                yield_now().await;
            }
        });
        greedy.await.unwrap();
        other.await.unwrap();
        assert!((5..100).contains(&polls.get()), "it was polled {} times beside 1000 joins", polls.get());
    });
}

#[test]
fn builders_name_local_tasks() {
    everywhere(async || {
        let local = Rc::new(3);
        let task = rt::task::Builder::new().name("stays").spawn_local(async move { *local }).unwrap();
        assert_eq!(task.await.unwrap(), 3);
    });
}

// Local sets.

#[test]
fn a_set_that_is_awaited_is_done_when_all_its_tasks_are() {
    on_each_flavor(|runtime| {
        runtime.block_on(LocalSet::new());
        let count = Rc::new(Cell::new(0));
        let set = LocalSet::default();
        for n in 0..20 {
            let count = count.clone();
            set.spawn_local(async move {
                sleep(Duration::from_millis(n % 3)).await;
                let nested = count.clone();
                // Nobody awaits this one, or its handle.
                spawn_local(async move {
                    yield_now().await;
                    nested.set(nested.get() + 1);
                });
                count.set(count.get() + 1);
            });
        }
        runtime.block_on(set);
        assert_eq!((count.get(), Rc::strong_count(&count)), (40, 1));
    });
}

#[test]
fn a_set_can_be_awaited_by_reference_and_used_again() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = LocalSet::new();
            for n in 0..3 {
                let task = set.spawn_local(async move {
                    yield_now().await;
                    n
                });
                (&mut set).await;
                assert!(task.is_finished());
                assert_eq!(task.await.unwrap(), n);
            }
            // Dropped half way, the set is as it was.
            let task = set.spawn_local(sleep(Duration::from_millis(1)));
            assert!(rt::time::timeout(Duration::ZERO, &mut set).await.is_err());
            set.run_until(task).await.unwrap();
        });
    });
}

#[test]
fn what_run_until_leaves_goes_on_in_the_next_one() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let steps = Rc::new(Cell::new(0));
        let (inside, next) = (steps.clone(), Rc::new(Notify::new()));
        let notified = next.clone();
        let task = set.spawn_local(async move {
            for _ in 0..3 {
                inside.set(inside.get() + 1);
                notified.notified().await;
            }
        });
        for step in 1..=3 {
            set.block_on(runtime, yield_now());
            assert_eq!(steps.get(), step);
            assert!(!task.is_finished());
            next.notify_one();
        }
        set.block_on(runtime, task).unwrap();
    });
}

#[test]
fn a_task_spawned_on_a_set_that_rests_wakes_it() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (sender, receiver) = oneshot::channel();
            let driver = set.run_until(receiver);
            let outside = async {
                // The driver has found nothing to do by then.
                sleep(Duration::from_millis(1)).await;
                set.spawn_local(async { sender.send(5).unwrap() });
            };
            assert_eq!(join(driver, outside).await.0.unwrap(), 5);
        });
    });
}

#[test]
fn a_wake_outside_of_its_turn_wakes_a_set_that_rests() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (first, second) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let (one, two) = (first.clone(), second.clone());
            let task = set.spawn_local(async move {
                one.notified().await;
                two.notified().await;
            });
            let outside = async {
                for notify in [first, second] {
                    sleep(Duration::from_millis(1)).await;
                    notify.notify_one();
                }
            };
            join(set.run_until(task), outside).await.0.unwrap();
        });
    });
}

#[test]
fn several_futures_drive_one_set() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (sender, receiver) = oneshot::channel();
            // The first is done while the second still waits for a task that only a driver runs.
            let quick = set.run_until(async {
                yield_now().await;
                spawn_local(async move {
                    yield_now().await;
                    sender.send(1).unwrap();
                });
            });
            assert_eq!(join(quick, set.run_until(receiver)).await.1.unwrap(), 1);
        });
    });
}

#[test]
fn a_driver_that_goes_leaves_the_set_to_the_others() {
    within(SOON, || {
        let runtime = local_runtime();
        for _ in 0..20 {
            let set = Rc::new(LocalSet::new());
            let (sender, receiver) = oneshot::channel();
            let (first, second) = (set.clone(), set.clone());
            let (go, gone) = oneshot::channel::<()>();
            // Tasks of their own, so that each driver has a waker of its own.
            let patient = runtime.spawn_local(async move { first.run_until(receiver).await.unwrap() });
            let hasty = runtime.spawn_local(async move {
                second
                    .run_until(async {
                        gone.await.unwrap();
                        // Queued when this driver, which alone has been woken, is already done.
                        spawn_local(async move { sender.send("run by the other").unwrap() });
                    })
                    .await;
            });
            runtime.block_on(async {
                rest().await;
                go.send(()).unwrap();
                assert_eq!(patient.await.unwrap(), "run by the other");
                hasty.await.unwrap();
            });
        }
    });
}

#[test]
fn a_driver_that_is_dropped_leaves_the_set_to_the_others() {
    within(SOON, || {
        let runtime = local_runtime();
        let set = Rc::new(LocalSet::new());
        let (sender, receiver) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let inner = set.clone();
        let patient = runtime.spawn_local(async move { inner.run_until(receiver).await.unwrap() });
        runtime.block_on(async {
            rest().await;
            let task = set.spawn_local(async move {
                gone.await.unwrap();
                sender.send(3).unwrap();
            });
            {
                let mut driver = pin!(set.run_until(pending::<()>()));
                assert!(poll_once(&mut driver).is_pending());
                go.send(()).unwrap();
            }
            assert_eq!(patient.await.unwrap(), 3);
            assert!(task.is_finished());
        });
    });
}

#[test]
fn a_set_can_be_driven_by_hand() {
    within(SOON, || {
        let mut set = LocalSet::new();
        let task = set.spawn_local(async { Rc::new(8) });
        assert!(poll_once(&mut set).is_ready());
        let mut task = task;
        let Poll::Ready(Ok(output)) = poll_once(&mut task) else { panic!("it has ended") };
        assert_eq!(*output, 8);
    });
}

#[test]
fn a_turn_is_bounded() {
    within(SOON, || {
        let mut set = LocalSet::new();
        let polls = Rc::new(Cell::new(0));
        let inside = polls.clone();
        set.spawn_local(async move {
            loop {
                inside.set(inside.get() + 1);
                yield_now().await;
            }
        });
        for turn in 1..=3 {
            assert!(poll_once(&mut set).is_pending());
            assert!((turn..=turn * 100).contains(&polls.get()), "{} polls in {turn} turns", polls.get());
        }
        drop(set);
        assert_eq!(Rc::strong_count(&polls), 1);
    });
}

#[test]
fn a_guard_lets_spawn_local_find_the_set() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = {
            let _guard = set.enter();
            spawn_local(async { Rc::new(1) })
        };
        assert_eq!(*set.block_on(runtime, task).unwrap(), 1);
        assert!(catch_unwind(|| spawn_local(async {})).is_err());
    });
}

#[test]
fn guards_may_be_dropped_in_any_order_and_outlive_their_sets() {
    within(SOON, || {
        let residents = Residents::default();
        let (first, second) = (LocalSet::new(), LocalSet::new());
        let guards = [&first, &second, &first, &second].map(LocalSet::enter);
        let [one, two, three, four] = guards;
        drop(three);
        let in_second = spawn_local(pending::<()>());
        drop(one);
        drop(four);
        let also_in_second = spawn_local(pending::<()>());
        drop(two);
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in a set");
        drop(first);
        assert!(!in_second.is_finished() && !also_in_second.is_finished());
        drop(second);
        assert!(in_second.is_finished() && also_in_second.is_finished());
        let last = LocalSet::new();
        let guard = last.enter();
        drop(last);
        let resident = residents.one();
        let mut task = spawn_local(async move {
            let _resident = resident;
        });
        assert_eq!(residents.gone(), 1);
        let Poll::Ready(result) = poll_once(&mut task) else { panic!("it was refused at once") };
        assert!(result.unwrap_err().is_cancelled());
        drop(guard);
    });
}

#[test]
fn a_guard_may_outlive_the_turn_in_which_it_was_made() {
    within(SOON, || {
        let (driven, entered) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let kept = Rc::new(RefCell::new(None));
        let (inside, set) = (kept.clone(), entered.clone());
        driven.block_on(&current(), async move {
            let keep = async move { *inside.borrow_mut() = Some(set.enter()) };
            spawn_local(keep).await.unwrap();
        });
        drop(driven);
        let task = spawn_local(pending::<()>());
        kept.borrow_mut().take();
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in a set");
        assert!(!task.is_finished());
        drop(entered);
        assert!(task.is_finished());
    });
}

#[test]
fn dropping_a_set_drops_every_future_once_and_on_its_thread() {
    on_each_flavor(|runtime| {
        let residents = Residents::default();
        let set = LocalSet::new();
        let spawn = |future: Pin<Box<dyn Future<Output = ()>>>| {
            let resident = residents.one();
            set.spawn_local(async move {
                let _resident = resident;
                future.await;
            })
        };
        let left = Left::default();
        let (sender, receiver) = oneshot::channel::<()>();
        let (waiting, elsewhere) = (left.clone(), left.clone());
        let mut tasks = vec![
            spawn(Box::pin(async move { drop(receiver.await) })),
            spawn(Box::pin(async { sleep(Duration::from_secs(3600)).await })),
            spawn(Box::pin(async move { waiting.wait().await })),
            spawn(Box::pin(async {
                loop {
                    yield_now().await;
                }
            })),
            spawn(Box::pin(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                drop(listener.accept().await);
            })),
        ];
        set.block_on(runtime, async { sleep(Duration::from_millis(1)).await });
        assert_eq!(residents.gone(), 0);
        // One that was never polled.
        tasks.push(spawn(Box::pin(pending())));
        let waker = thread::spawn(move || elsewhere.waker()).join().unwrap();
        drop(set);
        assert_eq!(residents.gone(), 6);
        for task in tasks {
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
        assert!(sender.send(()).is_err());
        // Wakers that outlive the set do nothing, anywhere.
        waker.wake_by_ref();
        thread::spawn(move || waker.wake()).join().unwrap();
        left.waker().wake();
    });
}

#[test]
fn outputs_that_nobody_took_outlive_the_set() {
    within(SOON, || {
        let residents = Residents::default();
        let resident = residents.one();
        let mut set = LocalSet::new();
        let mut task = set.spawn_local(async move { resident });
        assert!(poll_once(&mut set).is_ready());
        drop(set);
        assert_eq!(residents.gone(), 0);
        assert!(poll_once(&mut task).is_ready());
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_set_is_dropped_in_the_middle_of_run_until() {
    on_each_flavor(|runtime| {
        let residents = Residents::default();
        runtime.block_on(async {
            let driven = {
                let residents = residents.clone();
                async move {
                    let set = LocalSet::new();
                    let resident = residents.one();
                    set.spawn_local(async move {
                        let _resident = resident;
                        pending::<()>().await;
                    });
                    let own = residents.one();
                    set.run_until(async move {
                        let _own = own;
                        pending::<()>().await;
                    })
                    .await;
                }
            };
            drop(select(Box::pin(driven), Box::pin(sleep(Duration::from_millis(1)))).await);
        });
        assert_eq!(residents.gone(), 2);
    });
}

#[test]
fn panics_in_drops_do_not_keep_a_set_from_dropping_the_rest() {
    within(SOON, || {
        let local = Rc::new(());
        let mut set = LocalSet::new();
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let bomb = Bomb { _local: local.clone() };
                set.spawn_local(async move {
                    let _bomb = bomb;
                    pending::<()>().await;
                })
            })
            .collect();
        assert!(poll_once(&mut set).is_pending());
        drop(set);
        assert_eq!(Rc::strong_count(&local), 1);
        for mut task in tasks {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("it has ended") };
            assert!(result.unwrap_err().is_panic());
        }
    });
}

/// Calls its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn what_a_future_spawns_while_the_set_is_dropped_is_cancelled_at_once() {
    within(SOON, || {
        let outcome = Rc::new(Cell::new(None));
        let set = LocalSet::new();
        let inside = outcome.clone();
        set.spawn_local(async move {
            let _last = OnDrop(move || {
                let mut task = spawn_local(async {});
                let Poll::Ready(result) = poll_once(&mut task) else { panic!("it was refused at once") };
                inside.set(Some(result.unwrap_err().is_cancelled()));
            });
            pending::<()>().await;
        });
        set.block_on(&current(), yield_now());
        drop(set);
        assert_eq!(outcome.get(), Some(true));
    });
}

#[test]
fn futures_wake_each_other_while_the_set_is_dropped() {
    within(SOON, || {
        let set = LocalSet::new();
        let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
        let residents = Residents::default();
        for _ in 0..2 {
            for left in &lefts {
                let (own, others, resident) = (left.clone(), lefts.clone(), residents.one());
                set.spawn_local(async move {
                    let _resident = resident;
                    let _last = OnDrop(move || others.iter().for_each(|other| other.waker().wake()));
                    own.wait().await;
                });
            }
        }
        set.block_on(&current(), yield_now());
        drop(set);
        assert_eq!(residents.gone(), 8);
    });
}

#[test]
fn sets_are_dropped_while_other_threads_wake_and_abort_their_tasks() {
    within(SOON, || {
        for round in 0..200 {
            let residents = Residents::default();
            let mut set = LocalSet::new();
            let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
            let tasks: Vec<_> = lefts
                .iter()
                .map(|left| {
                    let (left, resident) = (left.clone(), residents.one());
                    set.spawn_local(async move {
                        let _resident = resident;
                        left.wait().await;
                    })
                })
                .collect();
            assert!(poll_once(&mut set).is_pending());
            let stop = Arc::new(AtomicBool::new(false));
            let wakers: Vec<_> = lefts.iter().map(Left::waker).collect();
            let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
            let stopped = stop.clone();
            let other = thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    wakers.iter().for_each(Waker::wake_by_ref);
                }
                aborts.iter().for_each(AbortHandle::abort);
            });
            for _ in 0..round % 5 {
                assert!(poll_once(&mut set).is_pending());
            }
            drop(set);
            assert_eq!(residents.gone(), 4);
            assert!(tasks.iter().all(JoinHandle::is_finished));
            stop.store(true, Ordering::SeqCst);
            other.join().unwrap();
        }
    });
}

#[test]
fn a_set_in_a_thread_local_ends_with_its_thread() {
    within(SOON, || {
        thread_local! {
            static SET: LocalSet = LocalSet::new();
        }
        let drops = DropCounter::new();
        let guard = drops.guard();
        thread::spawn(move || {
            SET.with(|set| {
                set.spawn_local(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                set.block_on(&current(), yield_now());
            });
        })
        .join()
        .unwrap();
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_set_that_outlives_its_thread_rests_for_ever_and_its_wakers_do_no_harm() {
    // Where a search for leaks finds it.
    static FORGOTTEN: AtomicPtr<LocalSet> = AtomicPtr::new(null_mut());
    within(SOON, || {
        let left = Left::default();
        let waiting = left.clone();
        thread::spawn(move || {
            let mut set = LocalSet::new();
            set.spawn_local(async move { waiting.wait().await });
            assert!(poll_once(&mut set).is_pending());
            FORGOTTEN.store(Box::into_raw(Box::new(set)), Ordering::SeqCst);
        })
        .join()
        .unwrap();
        let waker = left.waker();
        waker.wake_by_ref();
        thread::spawn(move || waker.wake()).join().unwrap();
    });
}

#[test]
fn a_task_that_holds_the_set_lets_it_go_when_it_ends() {
    within(SOON, || {
        let residents = Residents::default();
        let set = Rc::new(LocalSet::new());
        let (inside, resident) = (set.clone(), residents.one());
        let task = set.spawn_local(async move {
            inside.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
        });
        set.block_on(&current(), task).unwrap();
        drop(set);
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_panic_of_the_future_of_run_until_leaves_the_set_usable() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = set.spawn_local(async { Rc::new(2) });
        let message = panic_message(|| set.block_on(runtime, async { panic!("of the future") }));
        assert_eq!(message, "of the future");
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in the set");
        assert_eq!(*set.block_on(runtime, task).unwrap(), 2);
    });
}

#[test]
fn a_set_inside_of_a_task_of_another_set_is_the_one_that_counts() {
    on_each_flavor(|runtime| {
        let (outer, inner) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let spawned = Rc::new(Cell::new(None));
        let (driven, inside) = (inner.clone(), spawned.clone());
        let task = async move { driven.run_until(async move { inside.set(Some(spawn_local(pending::<()>()))) }).await };
        outer.block_on(runtime, async { spawn_local(task).await.unwrap() });
        let task = spawned.take().unwrap();
        drop(outer);
        assert!(!task.is_finished());
        drop(inner);
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn sets_and_guards_print_and_have_ids() {
    let (first, second) = (LocalSet::new(), LocalSet::new());
    assert_ne!(first.id(), second.id());
    assert!(format!("{first:?}").starts_with("LocalSet"));
    assert!(format!("{:?}", first.enter()).starts_with("LocalEnterGuard"));
    let runtime = current();
    assert_ne!(runtime.handle().id(), first.id());
    assert_eq!(runtime.handle().id(), runtime.handle().clone().id());
    assert!(first.id().to_string().parse::<u64>().is_ok());
    fn is_unpin<T: Unpin>(_: &T) {}
    is_unpin(&first);
}

#[test]
fn builders_spawn_on_a_set() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = rt::task::Builder::new().name("stays").spawn_local_on(async { Rc::new(9) }, &set).unwrap();
        assert_eq!(*set.block_on(runtime, task).unwrap(), 9);
    });
}

// In the wrong place.

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

// Local runtimes.

#[test]
fn a_local_runtime_runs_both_kinds_of_tasks_in_the_order_of_their_wakes() {
    within(SOON, || {
        let runtime = local_runtime();
        let (sender, receiver) = mpsc::channel();
        for n in 0..20 {
            let sender = sender.clone();
            let task = async move { sender.send(n).unwrap() };
            if n % 2 == 0 {
                runtime.spawn(task);
            } else {
                let local = Rc::new(());
                runtime.spawn_local(async move {
                    let _local = local;
                    task.await;
                });
            }
        }
        runtime.block_on(rest());
        while runtime.metrics().num_alive_tasks() > 0 {
            runtime.block_on(yield_now());
        }
        assert!(receiver.try_iter().eq(0..20));
        assert_eq!(runtime.metrics().spawned_tasks_count(), 20);
        assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    });
}

#[test]
fn a_handle_spawns_onto_a_local_runtime_from_another_thread() {
    within(SOON, || {
        let runtime = local_runtime();
        let here = thread::current().id();
        let handle = runtime.handle().clone();
        let other = thread::spawn(move || {
            let task = handle.spawn(async { thread::current().id() });
            handle.block_on(task).unwrap()
        });
        runtime.block_on(async {
            while !other.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(other.join().unwrap(), here);
    });
}

#[test]
fn entering_a_local_runtime_lets_spawn_local_find_it() {
    within(SOON, || {
        let runtime = local_runtime();
        let tasks = {
            let _guard = runtime.enter();
            let first = spawn_local(async { Rc::new(1) });
            let handle = Handle::current();
            let _again = handle.enter();
            [first, spawn_local(async { Rc::new(2) })]
        };
        let outputs = runtime.block_on(join_all(tasks));
        assert!(outputs.into_iter().map(|output| *output.unwrap()).eq([1, 2]));
        assert!(catch_unwind(|| spawn_local(async {})).is_err());
    });
}

#[test]
fn of_a_set_and_a_local_runtime_the_one_that_was_entered_last_counts() {
    within(SOON, || {
        let runtime = local_runtime();
        let set = LocalSet::new();
        let in_set = Cell::new(None);
        runtime.block_on(set.run_until(async { in_set.set(Some(spawn_local(pending::<()>()))) }));
        let in_set = in_set.take().unwrap();
        let in_runtime = {
            let _set = set.enter();
            let _runtime = runtime.enter();
            spawn_local(pending::<()>())
        };
        // A runtime of another kind does not hide the set.
        let other = multi(1);
        let also_in_set = {
            let _set = set.enter();
            let _other = other.enter();
            spawn_local(pending::<()>())
        };
        drop(set);
        assert!(in_set.is_finished() && also_in_set.is_finished());
        assert!(!in_runtime.is_finished());
        drop(runtime);
        assert!(in_runtime.is_finished());
    });
}

#[test]
fn a_local_runtime_works_inside_of_a_local_task_of_another_runtime() {
    within(SOON, || {
        let outer = multi(1);
        let set = LocalSet::new();
        let output = set.block_on(&outer, async {
            let task = spawn_local(async {
                let runtime = local_runtime();
                runtime.block_on(async { *spawn_local(async { Rc::new(6) }).await.unwrap() })
            });
            task.await.unwrap() + *spawn_local(async { Rc::new(7) }).await.unwrap()
        });
        assert_eq!(output, 13);
    });
}

#[test]
fn a_set_that_is_driven_again_below_its_own_task_learns_of_wakes() {
    within(SOON, || {
        let outer = multi(1);
        let set = Rc::new(LocalSet::new());
        let below = set.clone();
        let output = set.block_on(&outer, async move {
            let task = spawn_local(async move {
                let (sender, receiver) = oneshot::channel();
                let waits = spawn_local(async move { receiver.await.unwrap() });
                let runtime = local_runtime();
                // Wakes a task of the set outside of the set's turn, while a turn of it is on the stack.
                runtime.spawn_local(async move {
                    rest().await;
                    sender.send(4).unwrap();
                });
                runtime.block_on(below.run_until(waits)).unwrap()
            });
            task.await.unwrap()
        });
        assert_eq!(output, 4);
    });
}

#[test]
fn dropping_a_local_runtime_drops_every_future_once_and_on_its_thread() {
    within(SOON, || {
        let residents = Residents::default();
        let runtime = local_runtime();
        let left = Left::default();
        let (sender, receiver) = oneshot::channel::<()>();
        let (waiting, resident) = (left.clone(), residents.one());
        let mut tasks = vec![runtime.spawn_local(async move {
            let _resident = resident;
            waiting.wait().await;
        })];
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
            drop(receiver.await);
        }));
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
            sleep(Duration::from_secs(3600)).await;
        }));
        runtime.block_on(rest());
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
        }));
        let waker = left.waker();
        let handle = runtime.handle().clone();
        drop(runtime);
        assert_eq!(residents.gone(), 4);
        for mut task in tasks {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("it has ended") };
            assert!(result.unwrap_err().is_cancelled());
        }
        assert!(sender.send(()).is_err());
        thread::spawn(move || waker.wake()).join().unwrap();
        // What is spawned afterwards is dropped at once.
        let _guard = handle.enter();
        let resident = residents.one();
        let task = spawn_local(async move {
            let _resident = resident;
        });
        assert!(task.is_finished());
        assert_eq!(residents.gone(), 5);
    });
}

#[test]
fn a_local_runtime_that_is_shut_down_does_not_wait_longer_than_it_is_told() {
    within(SOON, || {
        for is_background in [false, true] {
            let residents = Residents::default();
            let gate = Gate::new();
            let _open = support::OpenOnDrop(gate.clone());
            let runtime = local_runtime();
            let inside = gate.clone();
            let blocking = runtime.spawn_blocking(move || inside.pass());
            let resident = residents.one();
            runtime.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            runtime.block_on(rest());
            gate.await_waiting(1);
            if is_background {
                runtime.shutdown_background();
            } else {
                runtime.shutdown_timeout(Duration::from_millis(1));
            }
            assert_eq!(residents.gone(), 1);
            assert!(!blocking.is_finished());
            gate.open();
            eventually(SOON, || blocking.is_finished());
        }
    });
}

#[test]
fn a_local_runtime_is_dropped_inside_async_code() {
    within(SOON, || {
        let residents = Residents::default();
        current().block_on(async {
            let runtime = local_runtime();
            let resident = residents.one();
            runtime.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            drop(runtime);
            assert_eq!(residents.gone(), 1);
        });
    });
}

#[test]
fn a_local_runtime_is_dropped_while_other_threads_wake_and_abort_its_tasks() {
    within(SOON, || {
        for _ in 0..50 {
            let residents = Residents::default();
            let runtime = local_runtime();
            let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
            let tasks: Vec<_> = lefts
                .iter()
                .map(|left| {
                    let (left, resident) = (left.clone(), residents.one());
                    runtime.spawn_local(async move {
                        let _resident = resident;
                        left.wait().await;
                    })
                })
                .collect();
            runtime.block_on(rest());
            let stop = Arc::new(AtomicBool::new(false));
            let wakers: Vec<_> = lefts.iter().map(Left::waker).collect();
            let abort = tasks[0].abort_handle();
            let stopped = stop.clone();
            let other = thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    wakers.iter().for_each(Waker::wake_by_ref);
                    abort.abort();
                }
            });
            runtime.block_on(rest());
            drop(runtime);
            assert_eq!(residents.gone(), 4);
            stop.store(true, Ordering::SeqCst);
            other.join().unwrap();
        }
    });
}

#[test]
fn a_panic_in_block_on_leaves_a_local_runtime_usable() {
    within(SOON, || {
        let runtime = local_runtime();
        let task = runtime.spawn_local(async { Rc::new(5) });
        let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("of the future") })));
        assert_eq!(text_of(&*panic.unwrap_err()), "of the future");
        assert_eq!(*runtime.block_on(task).unwrap(), 5);
    });
}

#[test]
fn block_on_inside_of_a_local_runtime_panics() {
    within(SOON, || {
        let runtime = local_runtime();
        let message = runtime.block_on(async { panic_message(|| runtime.block_on(async {})) });
        assert!(message.contains("use `.await`"), "{message}");
    });
}

#[test]
fn the_time_of_a_local_runtime_can_be_paused() {
    within(SOON, || {
        let options = LocalOptions::default();
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(options).unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            spawn_local(sleep(Duration::from_secs(3600))).await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3600));
            let set = LocalSet::new();
            set.run_until(async { spawn_local(sleep(Duration::from_secs(60))).await }).await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3660));
        });
    });
}

#[test]
fn local_runtimes_print() {
    let runtime = local_runtime();
    assert!(format!("{runtime:?}").starts_with("LocalRuntime"));
    assert!(format!("{:?}", LocalOptions::default()).starts_with("LocalOptions"));
}

#[rt::main(flavor = "local")]
async fn a_body() -> Rc<u32> {
    spawn_local(async { Rc::new(42) }).await.unwrap()
}

#[test]
fn main_runs_on_a_local_runtime() {
    assert_eq!(*a_body(), 42);
}

#[rt::test(flavor = "local")]
async fn a_test_runs_on_a_local_runtime() {
    assert_eq!(*spawn_local(async { Rc::new(42) }).await.unwrap(), 42);
}

#[rt::test(flavor = "local", start_paused = true)]
async fn a_test_on_a_local_runtime_may_begin_with_time_paused() {
    let start = Instant::now();
    spawn_local(sleep(Duration::from_secs(1))).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

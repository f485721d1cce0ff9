//! Tasks that block their worker or compute for long: what everybody else notices, and what is told of it.
//!
//! A scenario blocks for a second, and whoever must not be held up has to be done in a quarter of that. The figures themselves are
//! those of `cargo run --release -p rt-benches --bin stalls`.

mod support;

use rt::io::AsyncReadExt;
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle, Runtime, RuntimeMetrics, Stall, StallCause};
use rt::sync::{Notify, oneshot};
use rt::task::{block_in_place, yield_now};
use rt::time::{interval, sleep};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, in_child, is_child_of};
use support::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, panic_message, unwatched, within};

/// How long a scenario blocks.
const BLOCK: Duration = Duration::from_secs(1);
/// Long before that.
const BEFORE: Duration = Duration::from_millis(250);

fn block(time: Duration) {
    thread::sleep(time);
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Spawns a task on each worker that blocks until the gate opens.
fn block_all(runtime: &Runtime, gate: &Gate) {
    for _ in 0..runtime.metrics().num_workers() {
        let gate = gate.clone();
        runtime.spawn(async move { gate.pass() });
    }
    gate.await_waiting(runtime.metrics().num_workers());
}

#[track_caller]
fn assert_prompt(delay: Duration) {
    assert!(delay < BEFORE, "it took {delay:?}");
}

fn builder(workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder
}

// What is ready behind a stuck worker.

fn delay_of_one_woken_before(hold: fn(Duration)) -> Duration {
    let runtime = multi(2);
    let notify = Arc::new(Notify::new());
    let woken = runtime.spawn({
        let notify = notify.clone();
        async move {
            notify.notified().await;
            Instant::now()
        }
    });
    let waker = runtime.spawn(async move {
        // The other task waits by then, and the other worker sleeps.
        sleep(Duration::from_millis(20)).await;
        let now = Instant::now();
        notify.notify_one();
        hold(BLOCK);
        now
    });
    runtime.block_on(async { woken.await.unwrap().duration_since(waker.await.unwrap()) })
}

#[test]
fn a_task_that_was_woken_by_one_that_blocks_runs_elsewhere() {
    within(SOON, || assert_prompt(delay_of_one_woken_before(block)));
}

#[test]
fn a_task_that_was_woken_by_one_that_computes_runs_elsewhere() {
    within(SOON, || assert_prompt(delay_of_one_woken_before(spin)));
}

#[test]
fn two_tasks_woken_in_the_middle_of_a_long_poll_run_elsewhere() {
    within(SOON, || {
        let runtime = multi(2);
        let notify = Arc::new(Notify::new());
        let waiting = [notify.clone(), notify.clone()].map(|notify| {
            runtime.spawn(async move {
                notify.notified().await;
                Instant::now()
            })
        });
        let delay = runtime.block_on(async {
            let waker = runtime.spawn(async move {
                sleep(Duration::from_millis(20)).await;
                let now = Instant::now();
                notify.notify_waiters();
                spin(BLOCK);
                now
            });
            let [first, second] = waiting;
            let last = first.await.unwrap().max(second.await.unwrap());
            last.duration_since(waker.await.unwrap())
        });
        assert_prompt(delay);
    });
}

#[test]
fn what_a_stuck_worker_wakes_after_it_was_found_stuck_runs_at_once() {
    within(SOON, || {
        let runtime = multi(2);
        let (ask, asked) = mpsc::channel::<()>();
        let (answer, answered) = mpsc::channel();
        let stuck = runtime.spawn(async move {
            asked.recv_timeout(SOON).unwrap();
            for _ in 0..3 {
                let answer = answer.clone();
                drop(rt::spawn(async move { answer.send(()).unwrap() }));
            }
            block(BLOCK);
        });
        eventually(SOON, || runtime.metrics().stalls_count() == 1);
        let start = Instant::now();
        ask.send(()).unwrap();
        (0..3).for_each(|_| answered.recv_timeout(SOON).unwrap());
        assert_prompt(start.elapsed());
        assert!(!stuck.is_finished());
    });
}

#[test]
fn tasks_run_while_all_workers_block() {
    within(SOON, || {
        let (runtime, gate) = (multi(2), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        block_all(&runtime, &gate);
        for _ in 0..20 {
            let start = Instant::now();
            runtime.block_on(runtime.spawn(async { rt::spawn(async {}).await })).unwrap().unwrap();
            assert_prompt(start.elapsed());
        }
        assert_eq!(gate.waiting(), 2);
        gate.open();
    });
}

#[test]
fn tasks_run_while_all_workers_compute() {
    within(SOON, || {
        let runtime = multi(2);
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let is_over = is_over.clone();
            runtime.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let start = Instant::now();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert_prompt(start.elapsed());
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn tasks_that_yield_beside_one_that_blocks_in_every_poll_go_on() {
    within(SOON, || {
        let runtime = multi(2);
        let is_over = Arc::new(AtomicBool::new(false));
        let longest = Arc::new(Mutex::new(Duration::ZERO));
        let yielding: Vec<_> = (0..100)
            .map(|_| {
                let (is_over, longest) = (is_over.clone(), longest.clone());
                runtime.spawn(async move {
                    let mut last = Instant::now();
                    while !is_over.load(Ordering::Relaxed) {
                        yield_now().await;
                        let gap = last.elapsed();
                        last = Instant::now();
                        let mut longest = longest.lock().unwrap();
                        *longest = gap.max(*longest);
                    }
                })
            })
            .collect();
        let blocking = runtime.spawn(async {
            for _ in 0..2 {
                block(BLOCK);
                yield_now().await;
            }
        });
        runtime.block_on(blocking).unwrap();
        is_over.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in yielding {
                task.await.unwrap();
            }
        });
        assert_prompt(*longest.lock().unwrap());
    });
}

#[test]
fn timers_fire_while_a_task_blocks_after_its_own() {
    within(SOON, || {
        let runtime = multi(2);
        let ticking = runtime.spawn(async {
            let mut interval = interval(Duration::from_millis(5));
            let mut latest = Duration::ZERO;
            for _ in 0..200 {
                let due = interval.tick().await;
                latest = latest.max(due.elapsed());
            }
            latest
        });
        runtime.spawn(async {
            sleep(Duration::from_millis(22)).await;
            block(BLOCK);
        });
        assert_prompt(runtime.block_on(ticking).unwrap());
    });
}

#[test]
fn sockets_and_timers_are_served_while_all_workers_block() {
    within(SOON, || {
        let (runtime, gate) = (multi(2), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let reading = runtime.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap()
        });
        let sleeping = runtime.spawn(async { sleep(Duration::from_millis(50)).await });
        block_all(&runtime, &gate);
        let start = Instant::now();
        peer.write_all(&[7]).unwrap();
        assert_eq!(runtime.block_on(reading).unwrap(), 7);
        runtime.block_on(sleeping).unwrap();
        assert_prompt(start.elapsed());
        assert_eq!(gate.waiting(), 2);
        gate.open();
    });
}

/// A worker that leaves the reactor and goes to sleep again must find its way back there, whoever makes a turn meanwhile.
#[test]
fn events_are_watched_whoever_looks_at_them_in_between() {
    within(4 * SOON, || {
        for workers in [1, 2] {
            let runtime = builder(workers).stall_after(Duration::from_micros(100)).build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let serving = rt::spawn(async move {
                    for _ in 0..300 {
                        let (mut stream, _) = listener.accept().await.unwrap();
                        assert_eq!(stream.read_u8().await.unwrap(), 1);
                    }
                });
                for _ in 0..300 {
                    let stream = TcpStream::connect(address).await.unwrap();
                    stream.writable().await.unwrap();
                    assert_eq!(stream.try_write(&[1]).unwrap(), 1);
                }
                serving.await.unwrap();
            });
        }
    });
}

// Locks and joins that only another task can end.

#[test]
fn tasks_that_block_on_one_lock_are_freed_by_a_task_in_the_queue() {
    within(SOON, || {
        let runtime = multi(2);
        let lock = Arc::new(Mutex::new(()));
        let (end, ended) = mpsc::channel();
        let ended = Arc::new(Mutex::new(ended));
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (lock, ended) = (lock.clone(), ended.clone());
                runtime.spawn(async move {
                    let _guard = lock.lock().unwrap();
                    ended.lock().unwrap().recv().unwrap();
                })
            })
            .collect();
        let last = runtime.spawn(async move { (0..6).for_each(|_| end.send(()).unwrap()) });
        runtime.block_on(async {
            last.await.unwrap();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn a_convoy_on_one_lock_keeps_nobody_else_waiting() {
    within(SOON, || {
        let runtime = multi(2);
        let lock = Arc::new(Mutex::new(0));
        let convoy: Vec<_> = (0..64)
            .map(|_| {
                let lock = lock.clone();
                runtime.spawn(async move {
                    let mut count = lock.lock().unwrap();
                    block(Duration::from_millis(15));
                    *count += 1;
                })
            })
            .collect();
        for _ in 0..20 {
            let start = Instant::now();
            runtime.block_on(runtime.spawn(async {})).unwrap();
            // The first has all of the convoy before it in the queue.
            assert_prompt(start.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        runtime.block_on(async {
            for task in convoy {
                task.await.unwrap();
            }
        });
        assert_eq!(*lock.lock().unwrap(), 64);
    });
}

#[test]
fn block_on_works_in_tasks_on_every_worker() {
    within(SOON, || {
        for make in [multi, unwatched] {
            let runtime = make(2);
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    runtime.spawn(async move {
                        let handle = Handle::current();
                        handle.block_on(async move { rt::spawn(async move { number }).await.unwrap() })
                    })
                })
                .collect();
            let sum = runtime.block_on(async {
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 45);
        }
    });
}

fn nested(depth: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        match depth {
            0 => 0,
            _ => 1 + Handle::current().block_on(async move { rt::spawn(nested(depth - 1)).await.unwrap() }),
        }
    })
}

#[test]
fn block_on_nests_as_deep_as_there_are_spares() {
    within(SOON, || {
        let runtime = multi(1);
        assert_eq!(runtime.block_on(runtime.spawn(nested(40))).unwrap(), 40);
        eventually(SOON, || runtime.metrics().num_spare_workers() == 0);
    });
}

#[test]
fn block_on_of_another_runtime_works_in_a_task() {
    within(SOON, || {
        let (runtime, other, single) = (multi(1), multi(1), current());
        let handle = other.handle().clone();
        let task = runtime.spawn(async move {
            let there = handle.block_on(async { rt::spawn(async { 1 }).await.unwrap() });
            let here = single.block_on(async { rt::spawn(async { 2 }).await.unwrap() });
            there + here + rt::spawn(async { 4 }).await.unwrap()
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn block_on_in_block_on_of_a_multi_thread_runtime_works() {
    within(SOON, || {
        let runtime = multi(1);
        let answer = runtime.block_on(async { runtime.block_on(async { rt::spawn(async { 42 }).await.unwrap() }) });
        assert_eq!(answer, 42);
    });
}

// Code that says that it blocks.

#[test]
fn what_waits_behind_block_in_place_runs_at_once() {
    within(SOON, || {
        for make in [multi, unwatched] {
            for workers in [1, 2] {
                let runtime = make(workers);
                let delay = runtime.block_on(runtime.spawn(async {
                    let (told, tell) = mpsc::channel();
                    let tasks = 5;
                    for _ in 0..tasks {
                        let told = told.clone();
                        drop(rt::spawn(async move { told.send(()).unwrap() }));
                    }
                    let start = Instant::now();
                    block_in_place(|| (0..tasks).for_each(|_| tell.recv_timeout(SOON).unwrap()));
                    start.elapsed()
                }));
                assert_prompt(delay.unwrap());
                eventually(SOON, || runtime.metrics().num_spare_workers() == 0);
            }
        }
    });
}

#[test]
fn block_in_place_stays_on_its_thread_and_nests_and_borrows() {
    thread_local! { static LOCAL: Cell<u32> = const { Cell::new(0) }; }
    within(SOON, || {
        let runtime = multi(1);
        let task = runtime.spawn(async {
            let (here, text) = (thread::current().id(), String::from("borrowed"));
            LOCAL.set(7);
            let found = block_in_place(|| {
                let inner =
                    block_in_place(|| Handle::current().block_on(async { rt::spawn(async { 1 }).await.unwrap() }));
                // Still announced after the inner one.
                let outer = Handle::current().block_on(async { rt::spawn(async { 2 }).await.unwrap() });
                (thread::current().id(), LOCAL.get(), text.as_str(), inner + outer)
            });
            assert_eq!(found, (here, 7, "borrowed", 3));
            yield_now().await;
            rt::spawn(async { 5 }).await.unwrap()
        });
        assert_eq!(runtime.block_on(task).unwrap(), 5);
    });
}

#[test]
fn a_panic_in_block_in_place_reaches_its_caller_and_leaves_the_worker_usable() {
    within(SOON, || {
        let runtime = multi(1);
        let task = runtime.spawn(async { panic_message(|| block_in_place(|| -> () { panic!("in place") })) });
        assert_eq!(runtime.block_on(task).unwrap(), "in place");
        let error = runtime.block_on(runtime.spawn(async { block_in_place(|| -> () { panic!("out") }) })).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        eventually(SOON, || runtime.metrics().num_spare_workers() == 0);
    });
}

#[test]
fn block_in_place_only_runs_the_closure_where_there_is_no_worker() {
    within(SOON, || {
        assert_eq!(block_in_place(|| 1), 1);
        let runtime = multi(1);
        assert_eq!(runtime.block_on(async { block_in_place(|| 2) }), 2);
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| block_in_place(|| 3))).unwrap(), 3);
    });
}

#[test]
fn block_in_place_on_a_current_thread_runtime_panics_and_says_what_to_do() {
    within(SOON, || {
        let runtime = current();
        let message = runtime.block_on(async { panic_message(|| block_in_place(|| ())) });
        assert!(message.contains("`block_in_place`") && message.contains("`spawn_blocking`"), "{message}");
        let task = runtime.spawn(async { panic_message(|| block_in_place(|| ())) });
        assert_eq!(runtime.block_on(task).unwrap(), message);
    });
}

// Spares.

#[test]
fn spares_come_one_for_each_stuck_worker_and_retire_with_them() {
    within(SOON, || {
        let runtime = builder(2).thread_keep_alive(Duration::from_millis(20)).build().unwrap();
        let metrics = runtime.metrics();
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        for stuck in 1..=10 {
            let gate = gate.clone();
            runtime.spawn(async move { gate.pass() });
            eventually(SOON, || {
                // A spare may come only for the next one.
                runtime.block_on(runtime.spawn(async {})).unwrap();
                metrics.num_spare_workers() + 1 >= stuck
            });
            assert!(metrics.num_spare_workers() <= stuck, "{metrics}");
        }
        eventually(SOON, || metrics.num_spare_workers() >= 9);
        gate.open();
        eventually(SOON, || metrics.num_spare_workers() == 0);
        eventually(SOON, || metrics.num_blocking_threads() == 0);
        // They come back.
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        block_all(&runtime, &gate);
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert!(metrics.num_spare_workers() >= 1);
        gate.open();
    });
}

#[test]
fn there_are_no_more_spares_than_allowed() {
    within(SOON, || {
        let runtime = builder(2).max_spare_workers(3).build().unwrap();
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        for _ in 0..10 {
            let gate = gate.clone();
            runtime.spawn(async move { gate.pass() });
        }
        gate.await_waiting(5);
        thread::sleep(Duration::from_millis(50));
        assert_eq!((gate.waiting(), runtime.metrics().num_spare_workers()), (5, 3));
        gate.open();
        eventually(SOON, || gate.waiting() == 0 && runtime.metrics().num_spare_workers() == 0);
    });
}

#[test]
fn without_spares_a_task_waits_for_a_worker_and_nothing_else_is_lost() {
    within(SOON, || {
        let runtime = builder(1).max_spare_workers(0).build().unwrap();
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        block_all(&runtime, &gate);
        let waiting = runtime.spawn(async { 1 });
        eventually(SOON, || runtime.metrics().stalls_count() == 1);
        assert!(!waiting.is_finished());
        gate.open();
        assert_eq!(runtime.block_on(waiting).unwrap(), 1);
    });
}

#[test]
fn spares_do_not_count_against_the_blocking_pool() {
    within(SOON, || {
        let runtime = builder(1).max_blocking_threads(1).build().unwrap();
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let passes = gate.clone();
        let closure = runtime.spawn_blocking(move || passes.pass());
        gate.await_waiting(1);
        let passes = gate.clone();
        runtime.spawn(async move { passes.pass() });
        gate.await_waiting(2);
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert_eq!(gate.waiting(), 2);
        gate.open();
        runtime.block_on(closure).unwrap();
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 2)).unwrap(), 2);
    });
}

#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("list the threads").count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_stalls_in_a_row_leave_no_thread() {
    in_child("a_thousand_stalls_in_a_row_leave_no_thread", || {
        let before = threads();
        let runtime = builder(2)
            .stall_after(Duration::from_millis(1))
            .report_stalls_after(None)
            .thread_keep_alive(Duration::from_millis(50))
            .build()
            .unwrap();
        let stalls = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let stalls = stalls.clone();
                runtime.spawn(async move {
                    while stalls.fetch_add(1, Ordering::Relaxed) < 1000 {
                        block(Duration::from_millis(4));
                        yield_now().await;
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert!(runtime.metrics().stalls_count() > 100, "{}", runtime.metrics());
        // The workers and the monitor.
        eventually(SOON, || threads() == before + 3);
        drop(runtime);
        eventually(SOON, || threads() == before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn on_one_processor_a_task_that_computes_holds_nobody_up() {
    in_child("on_one_processor_a_task_that_computes_holds_nobody_up", || {
        let mut first = rustix::thread::CpuSet::new();
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        first.set((0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap());
        rustix::thread::sched_setaffinity(None, &first).unwrap();
        for workers in [1, 2] {
            let runtime = multi(workers);
            for _ in 0..workers {
                runtime.spawn(async { spin(BLOCK) });
            }
            let start = Instant::now();
            runtime.block_on(runtime.spawn(async {})).unwrap();
            assert_prompt(start.elapsed());
        }
    });
}

// The monitor itself.

/// How often the threads of that name have gone to sleep.
#[cfg(target_os = "linux")]
fn sleeps(name: &str) -> u64 {
    let mut sleeps = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("list the threads") {
        let path = task.unwrap().path();
        let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let status = read("status");
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
            sleeps += line.split_whitespace().last().unwrap().parse::<u64>().unwrap();
        }
    }
    sleeps
}

/// Waits until the monitor has gone to sleep for good: it has not looked for the time of sixty looks, nor of the report of a stall.
#[cfg(target_os = "linux")]
fn await_quiet() {
    let mut before = 0;
    eventually(SOON, || {
        let now = sleeps("rt-monitor");
        let is_quiet = now == before;
        before = now;
        thread::sleep(Duration::from_millis(300));
        is_quiet && now > 0
    });
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_watches_an_idle_runtime() {
    in_child("nobody_watches_an_idle_runtime", || {
        let runtime = multi(2);
        runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
        runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
        await_quiet();
        let before = sleeps("rt-monitor");
        thread::sleep(Duration::from_millis(300));
        assert_eq!(sleeps("rt-monitor"), before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_watches_a_runtime_whose_stuck_worker_has_been_replaced() {
    in_child("nobody_watches_a_runtime_whose_stuck_worker_has_been_replaced", || {
        let (runtime, gate) = (multi(1), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        block_all(&runtime, &gate);
        eventually(SOON, || runtime.metrics().num_spare_workers() == 1);
        await_quiet();
        let before = sleeps("rt-monitor");
        thread::sleep(Duration::from_millis(300));
        assert_eq!(sleeps("rt-monitor"), before);
        let start = Instant::now();
        runtime.block_on(runtime.spawn(async { sleep(Duration::from_millis(1)).await })).unwrap();
        assert_prompt(start.elapsed());
        gate.open();
        eventually(SOON, || runtime.metrics().num_spare_workers() == 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_was_stopped_has_not_stalled() {
    let test = "a_process_that_was_stopped_has_not_stalled";
    if is_child_of(test) {
        let runtime = multi(2);
        let is_over = Arc::new(AtomicBool::new(false));
        let task = runtime.spawn({
            let is_over = is_over.clone();
            async move {
                while !is_over.load(Ordering::Relaxed) {
                    spin(Duration::from_micros(200));
                    yield_now().await;
                }
            }
        });
        thread::sleep(Duration::from_millis(50));
        let before = runtime.metrics().stalls_count();
        println!("\npid {}.", std::process::id());
        support::child::wait_for_release();
        thread::sleep(Duration::from_millis(50));
        is_over.store(true, Ordering::Relaxed);
        runtime.block_on(task).unwrap();
        // A crowded machine may keep a thread from its processor, but not for so long.
        assert!(runtime.metrics().stall_sites().iter().all(|site| site.longest() < BLOCK), "{}", runtime.metrics());
        println!("\nstalls {before} {}.", runtime.metrics().stalls_count());
        return;
    }
    let mut child = Child::start(test, |_| {});
    child.prints("pid ");
    let stdout = child.stdout();
    let pid = stdout.split("pid ").nth(1).unwrap().split('.').next().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    thread::sleep(2 * BLOCK);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    child.release();
    let (_, stderr) = child.succeeds();
    assert!(!stderr.contains("kept its worker"), "{stderr}");
}

#[test]
fn without_the_monitor_a_stuck_worker_stays_stuck() {
    within(SOON, || {
        let (runtime, gate) = (unwatched(1), Gate::new());
        let _open = OpenOnDrop(gate.clone());
        block_all(&runtime, &gate);
        let waiting = runtime.spawn(async {});
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        assert_eq!((runtime.metrics().stalls_count(), runtime.metrics().num_spare_workers()), (0, 0));
        gate.open();
        runtime.block_on(waiting).unwrap();
    });
}

#[test]
fn a_zero_time_between_looks_panics_and_says_how_to_switch_the_monitor_off() {
    let message = panic_message(|| Builder::new_multi_thread().stall_after(Duration::ZERO).build());
    assert!(message.contains("`stall_after`") && message.contains("`None`"), "{message}");
}

#[test]
fn times_and_numbers_beyond_all_reason_are_taken_for_what_is_possible_or_refused() {
    within(SOON, || {
        for time in [Duration::from_nanos(1), Duration::MAX] {
            let runtime = builder(2).stall_after(time).report_stalls_after(time).on_stall(|_| ()).build().unwrap();
            runtime.block_on(runtime.spawn(async { block_in_place(|| block(Duration::from_millis(20))) })).unwrap();
            runtime.block_on(runtime.spawn(async { block(Duration::from_millis(20)) })).unwrap();
        }
        let error = builder(2).max_spare_workers(usize::MAX).build().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`max_spare_workers`"), "{error}");
    });
}

// A hook that blocks keeps its worker, which counts as awake, from taking what it was woken for.
#[test]
fn a_worker_that_is_held_up_by_a_hook_is_replaced_by_one_that_sleeps() {
    within(SOON, || {
        let held = Arc::new(AtomicBool::new(false));
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let runtime = builder(2)
            .on_thread_unpark({
                let (held, gate) = (held.clone(), gate.clone());
                move || {
                    if held.swap(false, Ordering::SeqCst) {
                        gate.pass();
                    }
                }
            })
            .build()
            .unwrap();
        eventually(SOON, || runtime.metrics().num_parked_workers() == 2);
        held.store(true, Ordering::SeqCst);
        let start = Instant::now();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert_prompt(start.elapsed());
        assert_eq!(gate.waiting(), 1);
        gate.open();
    });
}

// Shutdown.

#[test]
fn the_other_tasks_of_a_runtime_whose_workers_are_stuck_are_dropped_when_it_is() {
    within(SOON, || {
        let (runtime, gate, drops) = (multi(2), Gate::new(), DropCounter::new());
        let _open = OpenOnDrop(gate.clone());
        for _ in 0..10 {
            let guard = drops.guard();
            drop(runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
        block_all(&runtime, &gate);
        let start = Instant::now();
        let dropping = thread::spawn(move || runtime.shutdown_timeout(BLOCK));
        eventually(SOON, || drops.drops() == 10);
        assert_prompt(start.elapsed());
        assert_eq!(gate.waiting(), 2);
        dropping.join().unwrap();
        assert!(start.elapsed() >= BLOCK, "it waits for those that are stuck");
        gate.open();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn spares_and_the_monitor_end_with_the_runtime() {
    in_child("spares_and_the_monitor_end_with_the_runtime", || {
        let before = threads();
        for _ in 0..20 {
            let (runtime, gate) = (multi(2), Gate::new());
            block_all(&runtime, &gate);
            runtime.block_on(runtime.spawn(async {})).unwrap();
            gate.open();
            drop(runtime);
            eventually(SOON, || threads() == before);
        }
    });
}

// What is told.

/// A runtime, and what its hook has been told.
fn telling(configure: impl FnOnce(&mut Builder)) -> (Runtime, Arc<Mutex<Vec<Stall>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let mut builder = builder(2);
    builder.on_stall(move |stall| hook.lock().unwrap().push(stall.clone()));
    configure(&mut builder);
    (builder.build().unwrap(), told)
}

fn site_of(metrics: &RuntimeMetrics, line: u32) -> Option<(u64, Duration)> {
    let sites = metrics.stall_sites();
    let site = sites.iter().find(|site| site.spawned_at().line() == line && site.spawned_at().file() == file!());
    site.map(|site| (site.count(), site.longest()))
}

#[test]
fn the_hook_is_told_who_stalls_and_since_when_and_why() {
    within(SOON, || {
        let (runtime, told) = telling(|_| {});
        let task =
            rt::task::Builder::new().name("blocks").spawn_on(async { block(BLOCK / 2) }, runtime.handle()).unwrap();
        let line = line!() - 1;
        let id = task.id();
        runtime.block_on(task).unwrap();
        eventually(SOON, || told.lock().unwrap().len() == 1);
        let stall = told.lock().unwrap()[0].clone();
        assert_eq!((stall.task_id(), stall.task_name()), (id, Some("blocks")));
        assert_eq!((stall.spawned_at().file(), stall.spawned_at().line()), (file!(), line));
        assert_eq!(stall.cause(), StallCause::Blocked);
        assert!((Duration::from_millis(100)..BLOCK).contains(&stall.elapsed()), "{stall:?}");
        assert!(stall.to_string().contains("\"blocks\"") && stall.to_string().contains(file!()), "{stall}");

        runtime.block_on(runtime.spawn(async { spin(BLOCK / 2) })).unwrap();
        eventually(SOON, || told.lock().unwrap().len() == 2);
        let stall = told.lock().unwrap()[1].clone();
        assert_eq!((stall.task_name(), stall.cause()), (None, StallCause::Computing));
        assert_eq!(runtime.metrics().stalls_count(), 2);
    });
}

#[test]
fn stalls_are_counted_by_the_place_where_their_tasks_were_spawned() {
    within(SOON, || {
        let (runtime, told) = telling(|builder| {
            builder.report_stalls_after(None);
        });
        let metrics = runtime.metrics();
        for _ in 0..3 {
            runtime.block_on(runtime.spawn(async { block(Duration::from_millis(60)) })).unwrap();
        }
        let line = line!() - 2;
        eventually(
            SOON,
            || matches!(site_of(&metrics, line), Some((3, longest)) if longest > Duration::from_millis(30)),
        );
        assert_eq!(metrics.stalls_count(), 3);
        assert!(told.lock().unwrap().is_empty());
        assert!(metrics.to_string().contains("3 polls"), "{metrics}");
    });
}

#[test]
fn code_that_says_that_it_blocks_is_not_reported() {
    within(SOON, || {
        let (runtime, told) = telling(|builder| {
            builder.report_stalls_after(Duration::from_millis(10));
        });
        runtime.block_on(runtime.spawn(async { block_in_place(|| block(BEFORE)) })).unwrap();
        runtime.block_on(runtime.spawn(async { Handle::current().block_on(sleep(BEFORE)) })).unwrap();
        assert_eq!(runtime.metrics().stalls_count(), 0);
        assert!(told.lock().unwrap().is_empty());
    });
}

#[test]
fn a_hook_that_blocks_or_panics_holds_nobody_up() {
    within(SOON, || {
        let (gate, calls) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let _open = OpenOnDrop(gate.clone());
        let runtime = builder(2)
            .report_stalls_after(Duration::from_millis(10))
            .on_stall({
                let (gate, calls) = (gate.clone(), calls.clone());
                move |_| {
                    if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                        gate.pass();
                        panic!("in a hook");
                    }
                }
            })
            .build()
            .unwrap();
        let stuck = Gate::new();
        let _open_too = OpenOnDrop(stuck.clone());
        block_all(&runtime, &stuck);
        eventually(SOON, || calls.load(Ordering::SeqCst) == 1);
        let start = Instant::now();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert_prompt(start.elapsed());
        gate.open();
        eventually(SOON, || calls.load(Ordering::SeqCst) == 2);
        stuck.open();
    });
}

#[test]
fn without_a_hook_each_place_is_reported_once_and_one_a_second() {
    let test = "without_a_hook_each_place_is_reported_once_and_one_a_second";
    if is_child_of(test) {
        let runtime = builder(2).report_stalls_after(Duration::from_millis(20)).build().unwrap();
        for round in 0..3 {
            runtime.block_on(runtime.spawn(async { block(Duration::from_millis(100)) })).unwrap();
            if round == 0 {
                // So soon after the other that nothing is said.
                runtime.block_on(runtime.spawn(async { block(Duration::from_millis(100)) })).unwrap();
                thread::sleep(BLOCK);
            }
        }
        return;
    }
    let (_, stderr) = Child::start(test, |_| {}).succeeds();
    let reports: Vec<_> = stderr.lines().filter(|line| line.starts_with("rt: task ")).collect();
    assert_eq!(reports.len(), 1, "{stderr}");
    assert!(reports[0].contains("spawned at tests/stalls.rs:") && reports[0].contains("blocked"), "{stderr}");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_report_says_where_the_thread_is_if_that_is_wanted() {
    #[inline(never)]
    fn look_for_me(time: Duration) {
        let start = Instant::now();
        while std::hint::black_box(start.elapsed()) < time {}
    }
    within(SOON, || {
        // A thread that the system has put aside does not answer in time; then the report goes without.
        let (stall, backtrace) = loop {
            let (runtime, told) = telling(|builder| {
                builder.stall_backtraces(true);
            });
            runtime.block_on(runtime.spawn(async { look_for_me(BLOCK) })).unwrap();
            eventually(SOON, || !told.lock().unwrap().is_empty());
            let stall = told.lock().unwrap()[0].clone();
            if let Some(backtrace) = stall.backtrace().map(str::to_owned) {
                break (stall, backtrace);
            }
        };
        // It may be caught in what it calls to learn the time.
        assert!(backtrace.contains("0: "), "{backtrace}");
        assert!(stall.to_string().contains(&backtrace), "{stall}");
    });
}

// Nobody starves.

#[test]
fn two_tasks_that_wake_each_other_for_ever_leave_a_third_its_turn() {
    within(SOON, || {
        let runtime = multi(1);
        let is_over = Arc::new(AtomicBool::new(false));
        let ball = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let players: Vec<_> = [0, 1]
            .map(|side| {
                let (is_over, ball) = (is_over.clone(), ball.clone());
                runtime.spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        ball[1 - side].notify_one();
                        ball[side].notified().await;
                    }
                    ball[1 - side].notify_one();
                })
            })
            .into();
        let third = runtime.spawn(async {
            let mut longest = Duration::ZERO;
            for _ in 0..1000 {
                let start = Instant::now();
                yield_now().await;
                longest = longest.max(start.elapsed());
            }
            longest
        });
        assert_prompt(runtime.block_on(third).unwrap());
        is_over.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for player in players {
                player.await.unwrap();
            }
        });
    });
}

#[test]
fn a_spawn_from_outside_comes_to_its_turn_beside_ten_thousand_tasks_that_never_wait() {
    within(SOON, || {
        let runtime = multi(2);
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..10_000 {
            let is_over = is_over.clone();
            drop(runtime.spawn(poll_fn(move |cx| {
                if is_over.load(Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })));
        }
        let mut delays: Vec<_> = (0..50)
            .map(|_| {
                let start = Instant::now();
                runtime.block_on(runtime.spawn(async {})).unwrap();
                start.elapsed()
            })
            .collect();
        delays.sort_unstable();
        assert_prompt(delays[25]);
        is_over.store(true, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        runtime.spawn(async { end.send(()).unwrap() });
        runtime.block_on(ended).unwrap();
    });
}

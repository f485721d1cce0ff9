//! What `rt`'s monitor costs while there is work: the processor time of its thread, and what its presence does to the hot paths. And how
//! long those wait whom it need not look after.
//!
//! `cargo run --release -p rt-benches --bin monitor` takes half a minute, and works on Linux.

use rt::runtime::{Builder, Runtime};
use rt_benches::{Peer, Rt, Workload, median};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const WORKERS: usize = 2;
const PAIRS: usize = 15;
const REPETITION: Duration = Duration::from_millis(100);
const HOT: [Workload; 7] = [
    Workload::SpawnJoin,
    Workload::SpawnChain,
    Workload::SelfWake,
    Workload::YieldAlone,
    Workload::OneshotPairs,
    Workload::ChannelPairs,
    Workload::ForkJoin,
];
const TIME: Duration = Duration::from_secs(2);
/// Long enough for the first looks, and for spares to have come.
const SETTLING: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let mut rows = Vec::new();
    rows.push((
        "100 tasks that yield",
        share(|is_over| (0..100).for_each(|_| drop(rt::spawn(yielding(is_over.clone()))))),
    ));
    rows.push((
        "polls of 300 us on all workers",
        share(|is_over| (0..8).for_each(|_| drop(rt::spawn(polling(is_over.clone(), 300))))),
    ));
    rows.push((
        "polls of 3 ms on all workers",
        share(|is_over| (0..8).for_each(|_| drop(rt::spawn(polling(is_over.clone(), 3000))))),
    ));
    rows.push((
        "tasks that yield, behind one that blocks",
        share(|is_over| {
            (0..100).for_each(|_| drop(rt::spawn(yielding(is_over.clone()))));
            drop(rt::spawn(blocking(is_over)));
        }),
    ));
    println!("{:<44}share of one processor", "what the workers do");
    for (name, share) in rows {
        let Some(share) = share else {
            eprintln!("monitor: this system does not tell what a thread takes");
            return ExitCode::FAILURE;
        };
        println!("{name:<44}{:.2} %", 100.0 * share);
    }
    println!("\n{:<44}with / without", "time of an operation");
    let (with, without) = (Rt::start(WORKERS), Rt::start_unwatched(WORKERS));
    for workload in HOT {
        println!("{:<44}{:.3}", workload.name(), ratio(workload, &with, &without));
    }
    println!("\n{:<44}p99, us", "who might starve");
    println!("{:<44}{:.0}", "a yield beside two that wake each other", 1e6 * third().as_secs_f64());
    println!("{:<44}{:.0}", "a remote spawn beside 10 000 that never wait", 1e6 * remote().as_secs_f64());
    println!("\n{:<44}median, us", "what waits behind `block_in_place`");
    println!("{:<44}{:.0}", "while another worker sleeps", 1e6 * behind(WORKERS).as_secs_f64());
    println!("{:<44}{:.0}", "while none does, and a spare has to come", 1e6 * behind(1).as_secs_f64());
    ExitCode::SUCCESS
}

/// From when a task says that it blocks to when the task runs that it had spawned before.
fn behind(workers: usize) -> Duration {
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("start rt");
    let delays = (0..100).map(|_| {
        thread::sleep(Duration::from_millis(2));
        let waited = runtime.spawn(async {
            let (ran, has_run) = mpsc::channel();
            drop(rt::spawn(async move { ran.send(Instant::now()).expect("the other waits") }));
            let start = Instant::now();
            let ran = rt::task::block_in_place(|| has_run.recv()).expect("the task runs");
            ran.saturating_duration_since(start).as_secs_f64()
        });
        runtime.block_on(waited).expect("the task does not panic")
    });
    Duration::from_secs_f64(median(delays))
}

/// From one poll to the next of a task that yields on the only worker, while two others wake each other for ever.
fn third() -> Duration {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("start rt");
    let is_over = Arc::new(AtomicBool::new(false));
    let [here, there] = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    for (own, other) in [(here.clone(), there.clone()), (there, here)] {
        let is_over = is_over.clone();
        drop(runtime.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                other.notify_one();
                own.notified().await;
            }
            other.notify_one();
        }));
    }
    let third = runtime.spawn(async {
        let mut gaps = Vec::with_capacity(100_000);
        for _ in 0..gaps.capacity() {
            let start = Instant::now();
            rt::task::yield_now().await;
            gaps.push(start.elapsed());
        }
        gaps
    });
    let gaps = runtime.block_on(third).expect("the task does not panic");
    is_over.store(true, Ordering::Relaxed);
    p99(gaps)
}

/// From a spawn by a thread that is no worker to the task's first poll.
fn remote() -> Duration {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().expect("start rt");
    let is_over = Arc::new(AtomicBool::new(false));
    (0..10_000).for_each(|_| drop(runtime.spawn(yielding(is_over.clone()))));
    thread::sleep(SETTLING);
    let delays = (0..300).map(|_| {
        thread::sleep(Duration::from_millis(2));
        let start = Instant::now();
        runtime.block_on(runtime.spawn(async move { start.elapsed() })).expect("the task does not panic")
    });
    let delays = delays.collect();
    is_over.store(true, Ordering::Relaxed);
    p99(delays)
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// The median of paired ratios.
fn ratio(workload: Workload, with: &Rt, without: &Rt) -> f64 {
    let once = workload.run(with, 1) + workload.run(without, 1);
    let rounds = (2.0 * REPETITION.as_secs_f64() / once.as_secs_f64()).ceil() as u64;
    let pair = |number: usize| {
        // Whoever comes first finds other caches.
        let in_order = number.is_multiple_of(2);
        let (first, second) = if in_order { (with, without) } else { (without, with) };
        let (first, second) = (workload.run(first, rounds), workload.run(second, rounds));
        let (with, without) = if in_order { (first, second) } else { (second, first) };
        with.as_secs_f64() / without.as_secs_f64()
    };
    pair(0);
    median((0..PAIRS).map(pair))
}

/// The monitor's part of a processor while what `begin` spawns goes on.
fn share(begin: impl FnOnce(Arc<AtomicBool>) + Send + 'static) -> Option<f64> {
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .report_stalls_after(None)
        .enable_all()
        .build()
        .expect("start rt");
    let is_over = Arc::new(AtomicBool::new(false));
    let spawned = is_over.clone();
    let _ = runtime.block_on(runtime.spawn(async move { begin(spawned) }));
    thread::sleep(SETTLING);
    let (before, start) = (processor_time("rt-monitor")?, Instant::now());
    thread::sleep(TIME);
    let (after, elapsed) = (processor_time("rt-monitor")?, start.elapsed());
    is_over.store(true, Ordering::Relaxed);
    Some((after - before).as_secs_f64() / elapsed.as_secs_f64())
}

/// What the threads of that name have taken.
fn processor_time(name: &str) -> Option<Duration> {
    let mut time = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path();
        if std::fs::read_to_string(path.join("comm")).ok()?.trim() == name {
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            time += Duration::from_nanos(text.split(' ').next()?.parse().ok()?);
        }
    }
    Some(time)
}

async fn yielding(is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        rt::task::yield_now().await;
    }
}

async fn polling(is_over: Arc<AtomicBool>, microseconds: u64) {
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(microseconds) {
            std::hint::spin_loop();
        }
        rt::task::yield_now().await;
    }
}

async fn blocking(is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
        rt::task::yield_now().await;
    }
}

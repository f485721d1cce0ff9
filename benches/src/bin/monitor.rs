//! What `rt`'s monitor costs while there is work: the processor time of its thread.
//!
//! `cargo run --release -p rt-benches --bin monitor` takes ten seconds, and works on Linux.

use rt::runtime::{Builder, Runtime};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
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
    ExitCode::SUCCESS
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

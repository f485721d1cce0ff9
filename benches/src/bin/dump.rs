//! What a dump costs, for each task; and one that polls the tasks to learn where they wait.
//!
//! `cargo run --release -p rt-benches --bin dump [-- --quick]`

use rt_benches::program;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const WORKERS: usize = 2;
const REPETITIONS: usize = 9;

fn main() -> ExitCode {
    let most = match std::env::args().nth(1).as_deref() {
        None => 1_000_000,
        Some("--quick") => 10_000,
        Some(other) => return program::end("dump", Err(format!("{other:?} is no option but --quick"))),
    };
    println!("{:>9} {:>18} {:>18}", "tasks", "waiting, ns each", "queued, ns each");
    for tasks in [1000, 10_000, 100_000, 1_000_000].into_iter().filter(|&tasks| tasks <= most) {
        println!("{tasks:>9} {:>18.0} {:>18.0}", waiting(tasks), queued(tasks));
    }
    println!("\n{:>9} {:>18} {:>18}", "tasks", "traced, us each", "printed, us each");
    for tasks in [100, 1000, 10_000] {
        let (traced, printed) = traced(tasks);
        println!("{tasks:>9} {traced:>18.1} {printed:>18.1}");
    }
    program::end("dump", Ok(()))
}

/// The median, of tasks that wait.
fn waiting(tasks: usize) -> f64 {
    let runtime = runtime();
    let handles: Vec<_> = (0..tasks).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    while runtime.metrics().snapshot().workers.iter().map(|worker| worker.polls).sum::<u64>() < tasks as u64 {
        std::thread::yield_now();
    }
    let cost = median(&runtime, tasks);
    drop(handles);
    cost
}

/// The same, of tasks in the queue of workers that are all stuck.
fn queued(tasks: usize) -> f64 {
    let runtime = runtime();
    let barrier = Arc::new(Barrier::new(WORKERS + 1));
    for _ in 0..WORKERS {
        let barrier = barrier.clone();
        runtime.spawn(async move {
            barrier.wait();
            barrier.wait();
        });
    }
    barrier.wait();
    for _ in 0..tasks {
        runtime.spawn(async {});
    }
    let cost = median(&runtime, tasks);
    barrier.wait();
    cost
}

/// A dump of tasks that wait for a channel each, by which all are polled, and its text.
fn traced(tasks: usize) -> (f64, f64) {
    let runtime = runtime();
    let channels: Vec<_> = (0..tasks)
        .map(|_| {
            let (sender, receiver) = oneshot::channel::<()>();
            (sender, runtime.spawn(receiver))
        })
        .collect();
    while runtime.metrics().snapshot().workers.iter().map(|worker| worker.polls).sum::<u64>() < tasks as u64 {
        std::thread::yield_now();
    }
    let handle = runtime.handle();
    let start = Instant::now();
    let dump = handle.block_on(handle.dump_traced(Duration::from_secs(60)));
    let traced = start.elapsed();
    let told = dump.tasks().iter().filter(|task| task.trace().is_some_and(|trace| trace.backtraces().count() == 1));
    assert_eq!(told.count(), tasks, "some tasks are missing");
    let start = Instant::now();
    black_box(format!("{dump:#}"));
    let printed = start.elapsed();
    drop(channels);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / tasks as f64;
    (each(traced), each(printed))
}

fn runtime() -> rt::runtime::Runtime {
    let mut builder = rt::runtime::Builder::new_multi_thread();
    // Nobody helps the stuck ones.
    builder.worker_threads(WORKERS).stall_after(None).build().expect("the system has threads")
}

fn median(runtime: &rt::runtime::Runtime, tasks: usize) -> f64 {
    let mut times: Vec<_> = (0..REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            let dump = black_box(runtime.handle().dump());
            let time = start.elapsed();
            assert!(dump.tasks().len() >= tasks, "some tasks are missing");
            time.as_nanos() as f64 / dump.tasks().len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPETITIONS / 2]
}

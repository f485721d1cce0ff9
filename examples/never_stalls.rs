//! What happens to a server's other tasks when one of them blocks every worker there is, with nothing said about it.
//!
//! ```text
//! cargo run --release --example never_stalls
//! ```
//!
//! Beside tokio and smol: `cargo run --release -p rt-benches --bin stalls`.

use rt::runtime::{Builder, Runtime};
use rt::time::{interval, sleep};
use std::error::Error;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
const BLOCK: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .on_stall(|stall| println!("  told: {stall}"))
        .enable_all()
        .build()?;

    println!("A task ticks every 5 ms. Then each of the {WORKERS} workers sleeps for {BLOCK:?} in a task of its own.");
    let latest = runtime.block_on(async {
        let ticking = rt::spawn(latest_tick(Duration::from_millis(5), 120));
        sleep(Duration::from_millis(52)).await;
        block_all();
        ticking.await
    })?;
    println!("  the latest tick came {latest:.1?} late");

    println!("Once more, and a task is spawned while they sleep.");
    block_all_of(&runtime);
    std::thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    let delay = runtime.block_on(runtime.spawn(async move { start.elapsed() }))?;
    println!("  it ran after {delay:.1?}");

    println!("A task waits in `block_on` for another task, on a runtime whose workers are all asleep.");
    let waiting = runtime.spawn(async {
        let handle = rt::runtime::Handle::current();
        handle.block_on(async { rt::spawn(async { "an answer" }).await })
    });
    println!("  it got {:?}", runtime.block_on(waiting)??);

    println!("\n{}", runtime.metrics());
    for site in runtime.metrics().stall_sites() {
        println!(
            "{} long polls, up to {:.0?}, of tasks spawned at {}",
            site.count(),
            site.longest(),
            site.spawned_at()
        );
    }
    Ok(())
}

/// The longest time from when a tick was due to when it came.
async fn latest_tick(period: Duration, ticks: u32) -> Duration {
    let mut interval = interval(period);
    let mut latest = Duration::ZERO;
    for _ in 0..ticks {
        let due = interval.tick().await;
        latest = latest.max(due.elapsed());
    }
    latest
}

/// Nobody should do that, and somebody always does.
fn block_all() {
    for _ in 0..WORKERS {
        rt::spawn(async { std::thread::sleep(BLOCK) });
    }
}

fn block_all_of(runtime: &Runtime) {
    let _guard = runtime.enter();
    block_all();
}

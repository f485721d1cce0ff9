//! What the flight recorder costs while it is on.
//!
//! `cargo run --release -p rt-benches --bin recorder [-- --quick]` takes some seconds, and works where the system tells the time of a thread.
//!
//! Two tasks on one worker wake each other, which makes three events a turn: a wake, and the beginning and the end of a poll. In the second row each
//! turn also computes for so long that there are a million events a second. Recorder off and on take turns, by the processor time
//! of the worker; a figure is the median of the differences within each pair.

use rt::runtime::{Builder, Runtime};
use rt_benches::{median, program, thread_time};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const EVENTS: f64 = 3.0;
/// A million events a second.
const TURN: Duration = Duration::from_micros(3);

struct Plan {
    pairs: usize,
    turns: u32,
}

/// Of one row, in nanoseconds a turn.
struct Row {
    off: f64,
    on: f64,
    more: f64,
}

fn main() -> ExitCode {
    let plan = match std::env::args().nth(1).as_deref() {
        None => Plan { pairs: 41, turns: 50_000 },
        Some("--quick") => Plan { pairs: 3, turns: 2000 },
        Some(other) => return program::end("recorder", Err(format!("{other:?} is no option but --quick"))),
    };
    program::end("recorder", measure(&plan))
}

fn measure(plan: &Plan) -> Result<(), String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .stall_after(None)
        .build()
        .map_err(|error| format!("the runtime does not start: {error}"))?;
    // Once, so that the rings are there.
    runtime.handle().start_recording();
    runtime.handle().stop_recording();
    println!("{:<34}{:>12}{:>12}{:>14}{:>12}", "", "off, ns", "on, ns", "an event, ns", "more");
    let bare = row(&runtime, plan, 0)?;
    print("a turn that only wakes", &bare);
    let loops = loops_for(TURN.as_nanos() as f64 - bare.off);
    let spaced = row(&runtime, plan, loops)?;
    print("a turn that also computes", &spaced);
    println!("a million events a second: {:.2} % of a processor", spaced.more / EVENTS * 1e6 / 1e9 * 100.0);
    Ok(())
}

fn print(name: &str, row: &Row) {
    let share = format!("{:.2} %", 100.0 * row.more / row.off);
    println!("{name:<34}{:>12.1}{:>12.1}{:>14.1}{share:>12}", row.off, row.on, row.more / EVENTS);
}

fn row(runtime: &Runtime, plan: &Plan, loops: u32) -> Result<Row, String> {
    let take = |on: bool| {
        if on {
            runtime.handle().start_recording();
        }
        let time = turns(runtime, plan.turns, loops);
        runtime.handle().stop_recording();
        time.ok_or("this system does not tell what a thread takes".to_owned())
    };
    take(true)?;
    let mut pairs = Vec::new();
    for pair in 0..plan.pairs {
        // Neither is always the first.
        pairs.push(match pair % 2 {
            0 => (take(false)?, take(true)?),
            _ => {
                let on = take(true)?;
                (take(false)?, on)
            }
        });
    }
    let of = |figure: fn(&(f64, f64)) -> f64| median(pairs.iter().map(figure));
    Ok(Row { off: of(|pair| pair.0), on: of(|pair| pair.1), more: of(|pair| pair.1 - pair.0) })
}

/// Nanoseconds of the worker for each turn.
fn turns(runtime: &Runtime, turns: u32, loops: u32) -> Option<f64> {
    let (here, there) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let echo = runtime.spawn({
        let (here, there) = (here.clone(), there.clone());
        async move {
            for _ in 0..turns {
                there.notified().await;
                compute(loops);
                here.notify_one();
            }
        }
    });
    let measured = runtime.spawn(async move {
        let before = thread_time()?;
        for _ in 0..turns {
            there.notify_one();
            here.notified().await;
            compute(loops);
        }
        let time = thread_time()?.saturating_sub(before);
        echo.await.ok()?;
        // The other task has turns too.
        Some(time.as_nanos() as f64 / f64::from(2 * turns))
    });
    runtime.block_on(measured).ok()?
}

fn compute(loops: u32) {
    for number in 0..loops {
        black_box(number);
    }
}

/// So many loops take so many nanoseconds.
fn loops_for(nanoseconds: f64) -> u32 {
    const SOME: u32 = 1_000_000;
    let time = || {
        let before = thread_time()?;
        compute(SOME);
        Some(thread_time()?.saturating_sub(before).as_nanos() as f64)
    };
    let one = median((0..9).filter_map(|_| time())) / f64::from(SOME);
    (nanoseconds / one).clamp(1.0, 1e7) as u32
}

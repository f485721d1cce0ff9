//! Everything at once, for as long as you like: tasks of random shapes that sleep, talk, block, panic, are aborted, spawn others and build runtimes,
//! while the books are kept: each future is dropped exactly once, each join is answered, each byte comes back, nobody waits for ever, and after each
//! round memory, threads and descriptors are what they were.
//!
//! ```text
//! cargo run --release --example soak -- --minutes 30
//! cargo run --release --example soak -- --minutes 30 --workers 64
//! taskset -c 0 cargo run --release --example soak -- --minutes 30
//! ```
//!
//! It ends with an error, and says with which seed, at the first thing that is wrong.

mod actor;
mod books;
mod children;
mod churn;
mod echo;
mod foreign;
#[path = "../support/machine.rs"]
mod machine;
mod rest;
mod round;
mod screen;
mod watchdog;

use books::Stage;
use rest::Rest;
use rt::runtime::Builder;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: soak [--minutes NUMBER] [--workers NUMBER] [--actors NUMBER] [--seed NUMBER]

  --minutes  for how long; 1 if nothing is said, 0.2 is enough to see that it works
  --workers  of the runtime; as many as there are processors if nothing is said
  --actors   tasks that do one random thing after the other; 96 if nothing is said
  --seed     of the first round; chosen by the clock if nothing is said";

struct Options {
    minutes: f64,
    workers: Option<usize>,
    actors: usize,
    seed: u64,
}

/// A round is long enough for everything to happen, and short enough for several in a minute, since only between rounds can be seen what is left over.
const ROUND: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("soak: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match soak(&options) {
        Ok(summary) => {
            println!("\n{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nsoak: {error}\nThe seed was {}.", options.seed);
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Option<Options>, String> {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { minutes: 1.0, workers: None, actors: 96, seed: clock.as_secs() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if matches!(&*argument, "-h" | "--help") {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} is unknown, or wants a number"))?;
        let wrong = || format!("{argument} wants a number, not {value:?}");
        match &*argument {
            "--minutes" => {
                options.minutes =
                    value.parse().ok().filter(|minutes| (0.0..1e6).contains(minutes)).ok_or_else(wrong)?;
            }
            "--workers" => options.workers = Some(value.parse().map_err(|_| wrong())?),
            "--actors" => options.actors = value.parse().map_err(|_| wrong())?,
            "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    Ok(Some(options))
}

fn soak(options: &Options) -> Result<String, String> {
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = options.workers {
        builder.worker_threads(workers);
    }
    // Stalls are part of the programme: counted, not told. Threads that are idle leave, so that those that are left over are seen.
    builder.report_stalls_after(None).thread_keep_alive(Duration::from_millis(200)).enable_all();
    let runtime = builder.build().map_err(|error| format!("cannot build the runtime: {error}"))?;
    let stage = Arc::new(Stage::new(runtime.handle().clone(), options.actors));
    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let watchdog = watchdog::start(stage.clone(), screen::Screen::new(options.seed, end));

    let mut rest = Rest::new();
    let mut number = 0;
    while number == 0 || Instant::now() < end {
        let seed = options.seed.wrapping_add(number);
        let left = end.saturating_duration_since(Instant::now());
        // What would be less than half a round belongs to this one.
        let time = if left < ROUND + ROUND / 2 { left } else { ROUND };
        round::run(&runtime, &stage, seed, time).map_err(|error| format!("round {number} (seed {seed}): {error}"))?;
        rest.settle(&stage).map_err(|error| format!("after round {number} (seed {seed}): {error}"))?;
        number += 1;
        stage.rounds_end(number, &rest);
    }
    watchdog.stop();
    drop(runtime);
    stage.books.check()?;
    Ok(format!("{number} rounds, all clean: {}\n{rest}", stage.books))
}

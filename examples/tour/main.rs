//! A look at `rt` at work: tasks and stealing, HTTP, timers, metrics. It takes about ten seconds, and ends by itself.
//!
//! ```text
//! cargo run --release --example tour
//! cargo run --release --example tour -- --quick
//! ```

mod figures;
mod http;
mod screen;
mod tasks;
mod timers;
mod workers;

use rt::runtime::{Handle, RuntimeMetrics};
use rt::task::JoinHandle;
use rt::time::timeout;
use screen::Screen;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: tour [--quick]

Shows the runtime at work for about 10 seconds: tasks, HTTP, timers, metrics.
--quick makes it 2 seconds.";

type Failure = Box<dyn Error + Send + Sync>;

/// What a section found, in one line.
type Outcome = Result<String, Failure>;

#[rt::main]
async fn main() -> ExitCode {
    let mut is_quick = false;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--quick") => is_quick = true,
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("tour: unknown argument {argument:?}\n{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match tour(is_quick).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tour: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The sections, one after the other: each has the workers for itself.
async fn tour(is_quick: bool) -> Result<(), Failure> {
    let lasting = |seconds| if is_quick { Duration::from_millis(500) } else { Duration::from_secs(seconds) };
    let mut screen = Screen::new();
    let metrics = Handle::current().metrics();
    let started = Instant::now();
    screen.say(&format!(
        "rt on {} workers: tasks and who steals them, an HTTP server and its clients,\n\
         timers and how late they are. Measured here and now; it ends by itself.",
        metrics.num_workers()
    ))?;

    let tasks = tasks::show(&mut screen, lasting(3)).await?;
    let http = http::show(&mut screen, lasting(4)).await?;
    let timers = timers::show(&mut screen, lasting(3)).await?;

    screen.headline(&format!("Summary, after {:.1} s", started.elapsed().as_secs_f64()))?;
    screen.say(&format!("tasks:  {tasks}\nhttp:   {http}\ntimers: {timers}"))?;
    screen.headline("The runtime's metrics (`println!(\"{}\", handle.metrics())`)")?;
    show_metrics(&mut screen, &metrics)?;
    Ok(())
}

/// The table that the runtime prints of itself, or as much in words where it is too wide.
fn show_metrics(screen: &mut Screen, metrics: &RuntimeMetrics) -> io::Result<()> {
    let table = metrics.to_string();
    if table.lines().all(|line| screen.fits(line.chars().count())) {
        return screen.say(&table);
    }
    for worker in 0..metrics.num_workers() {
        screen.say(&format!(
            "worker {worker}: {} polls, {} steals of {} tasks, {} parks",
            metrics.worker_poll_count(worker),
            metrics.worker_steal_operations(worker),
            metrics.worker_steal_count(worker),
            metrics.worker_park_count(worker),
        ))?;
    }
    Ok(())
}

/// Tasks that were told to stop do so within a fraction of this, unless something is wrong with the runtime.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits for tasks that were told to stop.
async fn join_all(what: &str, tasks: Vec<JoinHandle<Result<(), Failure>>>) -> Result<(), Failure> {
    let all = async {
        for task in tasks {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("{what} failed: {error}").into()),
                Err(error) => return Err(format!("{what} failed: {error}").into()),
            }
        }
        Ok(())
    };
    match timeout(PATIENCE, all).await {
        Ok(ended) => ended,
        Err(_) => Err(format!("{what} did not stop within {} s", PATIENCE.as_secs()).into()),
    }
}

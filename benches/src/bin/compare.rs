//! Times of all workloads on `rt`, tokio and smol, taken in turns, and their ratios.
//!
//! `cargo run --release -p rt-benches --bin compare -- --help` tells the options.
//!
//! Noise that comes and goes within seconds touches all peers of a repetition alike, so the ratio is taken within each
//! repetition; the table has the median of those. A median of the times stands beside it only to tell the size.

use rt_benches::{Peer, Peers, Rt, Smol, Tokio, Workload, chart, median, memory, program, table};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
Times of the same work on rt, tokio and smol, taken in turns, in ns per operation.

  --reps N      repetitions (default 9)
  --workers N   worker threads of each (default 2)
  --only NAME   workloads whose name contains NAME; may be given more than once
  --quick       only see that everything runs: 3 short repetitions
  --markdown    print the table as markdown
  --chart FILE  also draw the ratios to tokio, as SVG
  --account     print rt's metrics at the end, of all that it did in this process
  --help        this, and the names of the workloads";

/// Runs a measurement of memory in this process; how `compare` calls itself.
const MEMORY_OF: &str = "--memory-of";

/// As many as the machine has cores on which the tables in the documentation were made.
const WORKERS: usize = 2;
/// Long enough for thousands of rounds, short enough for the machine to stay the same from one peer to the next.
const REPETITION: Duration = Duration::from_millis(200);
const QUICK_REPETITION: Duration = Duration::from_millis(30);
/// Memory hardly varies, and each takes a process.
const MEMORY_REPETITIONS: usize = 3;

struct Options {
    repetitions: usize,
    workers: usize,
    repetition: Duration,
    only: Vec<String>,
    markdown: bool,
    chart: Option<String>,
    account: bool,
}

enum Task {
    Compare(Options),
    Help,
    MemoryOf(String),
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut repetitions, mut workers, mut quick) = (None, WORKERS, false);
    let (mut only, mut markdown, mut chart, mut account) = (Vec::new(), false, None, false);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--reps" => repetitions = Some(program::count(&argument, &value()?)?),
            "--workers" => workers = program::count(&argument, &value()?)?,
            "--only" => only.push(value()?),
            "--quick" => quick = true,
            "--markdown" => markdown = true,
            "--chart" => chart = Some(value()?),
            "--account" => account = true,
            "--help" | "-h" => return Ok(Task::Help),
            MEMORY_OF => return Ok(Task::MemoryOf(value()?)),
            _ => return Err(format!("{argument:?} is no option; --help tells them")),
        }
    }
    let (usual_repetitions, repetition) = if quick { (3, QUICK_REPETITION) } else { (9, REPETITION) };
    let repetitions = repetitions.unwrap_or(usual_repetitions);
    Ok(Task::Compare(Options { repetitions, workers, repetition, only, markdown, chart, account }))
}

fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(Task::Compare(options)) => compare(&options),
        Ok(Task::Help) => {
            println!("{HELP}\n\nWorkloads:");
            for workload in Workload::ALL {
                println!("  {:<20} {}", workload.name(), workload.operation());
            }
            println!("  {:<20} resident bytes of a task that waits", memory::NAME);
            Ok(())
        }
        Ok(Task::MemoryOf(peer)) => print_memory_of(&peer),
        Err(error) => Err(error),
    };
    program::end("compare", result)
}

fn compare(options: &Options) -> Result<(), String> {
    let is_chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part));
    let workloads: Vec<_> = Workload::ALL.into_iter().filter(|workload| is_chosen(workload.name())).collect();
    let with_memory = is_chosen(memory::NAME);
    if workloads.is_empty() && !with_memory {
        return Err("no workload has such a name; --help tells them".to_owned());
    }

    let peers = Peers::start(options.workers);
    let mut rows = Vec::new();
    for workload in workloads {
        eprintln!("{}: {} repetitions", workload.name(), options.repetitions);
        rows.push(Row::of_workload(workload, &peers, options));
    }
    if with_memory {
        let repetitions = options.repetitions.min(MEMORY_REPETITIONS);
        eprintln!("{}: {repetitions} repetitions", memory::NAME);
        rows.push(Row::of_memory(repetitions)?);
    }

    if options.markdown {
        // Without the names for the command line.
        let cells: Vec<_> = rows.iter().map(|row| row.cells().split_off(1)).collect();
        println!("{}", table::markdown(&HEADS[1..], &cells, TEXT_COLUMNS - 1));
    } else {
        let cells: Vec<_> = rows.iter().map(Row::cells).collect();
        println!("{}", table::plain(&HEADS, &cells, TEXT_COLUMNS));
    }
    if options.account
        && let Some(account) = peers.rt.account()
    {
        println!("\n{account}");
    }
    if let Some(file) = &options.chart {
        let rows: Vec<_> = rows.iter().map(Row::for_chart).collect();
        std::fs::write(file, chart::svg(&rows)).map_err(|error| format!("the chart cannot be written: {error}"))?;
    }
    Ok(())
}

/// What one workload took on each peer.
struct Row {
    name: &'static str,
    operation: String,
    repetitions: Vec<Repetition>,
}

/// Per operation, taken one after the other.
struct Repetition {
    rt: f64,
    tokio: f64,
    smol: f64,
}

impl Row {
    fn of_workload(workload: Workload, peers: &Peers, options: &Options) -> Self {
        // These also warm up.
        let rt_rounds = rounds_for(workload, &peers.rt, options.repetition);
        let tokio_rounds = rounds_for(workload, &peers.tokio, options.repetition);
        let smol_rounds = rounds_for(workload, &peers.smol, options.repetition);
        let repetitions = (0..options.repetitions).map(|_| Repetition {
            rt: nanoseconds(workload, &peers.rt, rt_rounds),
            tokio: nanoseconds(workload, &peers.tokio, tokio_rounds),
            smol: nanoseconds(workload, &peers.smol, smol_rounds),
        });
        let operation = format!("{}, ns", workload.operation());
        Row { name: workload.name(), operation, repetitions: repetitions.collect() }
    }

    fn of_memory(repetitions: usize) -> Result<Self, String> {
        let measure = || {
            Ok(Repetition { rt: memory_of(Rt::NAME)?, tokio: memory_of(Tokio::NAME)?, smol: memory_of(Smol::NAME)? })
        };
        let repetitions = (0..repetitions).map(|_| measure()).collect::<Result<_, String>>()?;
        let operation = "task that waits, holding 64 bytes, resident bytes".to_owned();
        Ok(Row { name: memory::NAME, operation, repetitions })
    }

    fn median(&self, of: impl Fn(&Repetition) -> f64) -> f64 {
        median(self.repetitions.iter().map(of))
    }

    fn for_chart(&self) -> chart::Row {
        chart::Row {
            // A ratio of times has no unit.
            label: self.operation.strip_suffix(", ns").unwrap_or(&self.operation).to_owned(),
            rt: self.median(|repetition| repetition.rt / repetition.tokio),
            smol: self.median(|repetition| repetition.smol / repetition.tokio),
        }
    }

    fn cells(&self) -> Vec<String> {
        let size = |value: f64| if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
        vec![
            self.name.to_owned(),
            self.operation.clone(),
            size(self.median(|repetition| repetition.rt)),
            size(self.median(|repetition| repetition.tokio)),
            size(self.median(|repetition| repetition.smol)),
            format!("{:.2}", self.median(|repetition| repetition.rt / repetition.tokio)),
            format!("{:.2}", self.median(|repetition| repetition.rt / repetition.smol)),
        ]
    }
}

fn nanoseconds<P: Peer>(workload: Workload, peer: &P, rounds: u64) -> f64 {
    let operations = rounds * workload.operations_per_round();
    workload.run(peer, rounds).as_nanos() as f64 / operations as f64
}

/// How many rounds take about `time` by the clock on the wall.
fn rounds_for<P: Peer>(workload: Workload, peer: &P, time: Duration) -> u64 {
    let elapsed = |rounds| {
        let start = Instant::now();
        workload.run(peer, rounds);
        start.elapsed()
    };
    // Less may be all overhead, and more would not make the result better.
    let is_long = |elapsed| elapsed >= time / 4;
    let mut rounds = 1;
    loop {
        let mut shortest = elapsed(rounds);
        if is_long(shortest) {
            // Once more, or a single pause of the machine would pass for many rounds.
            shortest = shortest.min(elapsed(rounds));
        }
        if is_long(shortest) {
            let rounds_in_time = rounds as f64 * time.as_secs_f64() / shortest.as_secs_f64();
            return (rounds_in_time.round() as u64).max(1);
        }
        rounds *= 2;
    }
}

fn print_memory_of(peer: &str) -> Result<(), String> {
    let bytes = match peer {
        Rt::NAME => memory::bytes_per_idle_task(&Rt::start(WORKERS)),
        Tokio::NAME => memory::bytes_per_idle_task(&Tokio::start(WORKERS)),
        Smol::NAME => memory::bytes_per_idle_task(&Smol::start(WORKERS)),
        _ => return Err(format!("{peer:?} is none of the peers")),
    };
    println!("{}", bytes.ok_or("this system does not tell how much memory a process has")?);
    Ok(())
}

/// Bytes per task, measured in a process that does nothing else.
fn memory_of(peer: &str) -> Result<f64, String> {
    Ok(program::numbers_of_child(&[MEMORY_OF, peer])?[0])
}

/// Names and operations, which are text; the rest are numbers.
const TEXT_COLUMNS: usize = 2;
const HEADS: [&str; 7] = ["workload", "operation", Rt::NAME, Tokio::NAME, Smol::NAME, "rt/tokio", "rt/smol"];

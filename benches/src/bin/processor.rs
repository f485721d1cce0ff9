//! What the runtimes do to the processor when there is little to do.
//!
//! `cargo run --release -p rt-benches --bin processor -- --help` tells the options.
//!
//! Each figure is of a process that has one runtime and does nothing else, because the kernel counts processes.

use rt_benches::round::Round;
use rt_benches::{Peer, Rt, Smol, Tokio, processor, program, table};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
What rt, tokio and smol do to the processor when there is little to do, each in processes of its own, taken in turns.

  --reps N      repetitions (default 3)
  --quick       only see that everything runs: short repetitions
  --markdown    print the table as markdown
  --help        this

Measures:
  idle          nothing to do, for 10 s
  timer         one task with an interval of 10 ms, for 10 s
  requests      two tasks that ask and answer each other, while a third keeps one of the two workers busy";

/// Runs one measurement in this process; how `processor` calls itself.
const MEASURE: &str = "--measure";
const QUICK: &str = "--quick";

const REPETITIONS: usize = 3;
const WORKERS: usize = 2;
/// A processor that is idle is used by the kernel now and then; a short look would see this or miss it.
const TIME: Duration = Duration::from_secs(10);
const QUICK_TIME: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(10);
/// Requests are so many that a part of the time is enough.
const REQUESTS_PART: u32 = 5;

struct Options {
    repetitions: usize,
    quick: bool,
    markdown: bool,
}

enum Task {
    Compare(Options),
    Help,
    Measure { measure: Measure, peer: String, time: Duration },
}

#[derive(Clone, Copy)]
enum Measure {
    Idle,
    Timer,
    Requests,
}

impl Measure {
    const ALL: [Measure; 3] = [Measure::Idle, Measure::Timer, Measure::Requests];

    fn name(self) -> &'static str {
        match self {
            Measure::Idle => "idle",
            Measure::Timer => "timer",
            Measure::Requests => "requests",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let measure = Measure::ALL.into_iter().find(|measure| measure.name() == name);
        measure.ok_or(format!("{name:?} is no measure"))
    }

    /// What its figures are, each a row of the table.
    fn rows(self, time: Duration) -> Vec<String> {
        let seconds = time.as_secs();
        match self {
            Measure::Idle => vec![format!("processor time of {seconds} s with nothing to do, ms")],
            Measure::Timer => vec![format!("processor time of {seconds} s with one interval of 10 ms, ms")],
            Measure::Requests => vec![
                "context switches per 1000 requests beside a busy worker".to_owned(),
                "time per request beside a busy worker, ns".to_owned(),
            ],
        }
    }

    /// One figure for each row.
    fn take<P: Peer>(self, time: Duration) -> Option<Vec<f64>> {
        let peer = P::start(WORKERS);
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        match self {
            Measure::Idle => Some(vec![milliseconds(processor::idle(&peer, time)?)]),
            Measure::Timer => {
                let ticks = time.as_millis() / PERIOD.as_millis();
                Some(vec![milliseconds(processor::timer(&peer, PERIOD, ticks as u64)?)])
            }
            Measure::Requests => {
                let found = processor::requests(&peer, time / REQUESTS_PART)?;
                Some(vec![1e3 * found.context_switches, found.nanoseconds])
            }
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut repetitions, mut quick, mut markdown, mut measured) = (REPETITIONS, false, false, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--reps" => repetitions = program::count(&argument, &value()?)?,
            QUICK => quick = true,
            "--markdown" => markdown = true,
            "--help" | "-h" => return Ok(Task::Help),
            MEASURE => measured = Some((Measure::named(&value()?)?, value()?)),
            _ => return Err(format!("{argument:?} is no option; --help tells them")),
        }
    }
    Ok(match measured {
        Some((measure, peer)) => Task::Measure { measure, peer, time: time(quick) },
        None => Task::Compare(Options { repetitions, quick, markdown }),
    })
}

fn time(quick: bool) -> Duration {
    if quick { QUICK_TIME } else { TIME }
}

fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(Task::Compare(options)) => compare(&options),
        Ok(Task::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Task::Measure { measure, peer, time }) => print_measure(measure, &peer, time),
        Err(error) => Err(error),
    };
    program::end("processor", result)
}

fn print_measure(measure: Measure, peer: &str, time: Duration) -> Result<(), String> {
    program::tell(match peer {
        Rt::NAME => measure.take::<Rt>(time),
        Tokio::NAME => measure.take::<Tokio>(time),
        Smol::NAME => measure.take::<Smol>(time),
        _ => return Err(format!("{peer:?} is none of the peers")),
    })
}

/// In processes of their own.
fn take(measure: Measure, quick: bool) -> Result<Round, String> {
    Round::take(|peer| {
        let mut arguments = vec![MEASURE, measure.name(), peer];
        arguments.extend(quick.then_some(QUICK));
        program::numbers_of_child(&arguments)
    })
}

fn compare(options: &Options) -> Result<(), String> {
    let mut rows = Vec::new();
    for measure in Measure::ALL {
        eprintln!("{}: {} repetitions", measure.name(), options.repetitions);
        let rounds = (0..options.repetitions).map(|_| take(measure, options.quick));
        let rounds = rounds.collect::<Result<Vec<_>, String>>()?;
        for (number, text) in measure.rows(time(options.quick)).into_iter().enumerate() {
            rows.push([vec![text], Round::cells(&rounds, number).to_vec()].concat());
        }
    }
    let heads = [&["measure"], Round::HEADS.as_slice()].concat();
    let print = if options.markdown { table::markdown } else { table::plain };
    println!("{}", print(&heads, &rows, 1));
    Ok(())
}

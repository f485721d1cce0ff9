//! What child processes and signals cost on `rt`, tokio and smol.
//!
//! `cargo run --release -p rt-benches --bin children -- --help` tells the options.
//!
//! Each figure is of a process that has one runtime and does nothing else: signals are for the whole process.

use rt_benches::children::{Measure, Scale};
use rt_benches::round::Round;
use rt_benches::{Peer, Rt, Smol, Tokio, program, table};
use std::process::ExitCode;

const HELP: &str = "\
What child processes and signals cost on rt, tokio and smol, each in processes of its own, taken in turns. They have two
workers.

  --reps N      repetitions (default 9)
  --only NAME   measures whose name contains NAME; may be given more than once
  --quick       only see that everything runs: 3 repetitions of a tenth of everything
  --markdown    print the table as markdown
  --help        this, and the names of the measures";

/// Runs one measure in this process; how `children` calls itself.
const MEASURE: &str = "--measure";
const QUICK: &str = "--quick";

const REPETITIONS: usize = 9;
const QUICK_REPETITIONS: usize = 3;

struct Options {
    repetitions: usize,
    measures: Vec<Measure>,
    scale: Scale,
    markdown: bool,
}

enum Task {
    Compare(Options),
    Help,
    Measure { measure: Measure, peer: String, scale: Scale },
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut repetitions, mut only, mut markdown, mut measured) = (None, Vec::new(), false, None);
    let mut scale = Scale::Full;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--reps" => repetitions = Some(program::count(&argument, &value()?)?),
            "--only" => only.push(value()?),
            QUICK => scale = Scale::Quick,
            "--markdown" => markdown = true,
            "--help" | "-h" => return Ok(Task::Help),
            MEASURE => measured = Some((value()?, value()?)),
            _ => return Err(format!("{argument:?} is no option; --help tells them")),
        }
    }
    if let Some((name, peer)) = measured {
        let measure = Measure::named(&name).ok_or(format!("{name:?} is no measure"))?;
        return Ok(Task::Measure { measure, peer, scale });
    }
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let measures: Vec<_> = Measure::ALL.into_iter().filter(|measure| is_chosen(measure.name())).collect();
    if measures.is_empty() {
        return Err("no measure has such a name; --help tells them".to_owned());
    }
    let usual_repetitions = if scale == Scale::Quick { QUICK_REPETITIONS } else { REPETITIONS };
    let repetitions = repetitions.unwrap_or(usual_repetitions);
    Ok(Task::Compare(Options { repetitions, measures, scale, markdown }))
}

fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(Task::Compare(options)) => compare(&options),
        Ok(Task::Help) => {
            println!("{HELP}\n\nMeasures:");
            for measure in Measure::ALL {
                let mut name = measure.name();
                for row in measure.rows(Scale::Full) {
                    println!("  {name:<16} {row}");
                    name = "";
                }
            }
            Ok(())
        }
        Ok(Task::Measure { measure, peer, scale }) => print_measure(measure, &peer, scale),
        Err(error) => Err(error),
    };
    program::end("children", result)
}

fn print_measure(measure: Measure, peer: &str, scale: Scale) -> Result<(), String> {
    program::tell(Some(match peer {
        Rt::NAME => measure.take::<Rt>(scale),
        Tokio::NAME => measure.take::<Tokio>(scale),
        Smol::NAME => measure.take::<Smol>(scale),
        _ => return Err(format!("{peer:?} is none of the peers")),
    }))
}

/// In processes of their own.
fn take(measure: Measure, scale: Scale) -> Result<Round, String> {
    Round::take(|peer| {
        let mut arguments = vec![MEASURE, measure.name(), peer];
        arguments.extend((scale == Scale::Quick).then_some(QUICK));
        program::numbers_of_child(&arguments)
    })
}

fn compare(options: &Options) -> Result<(), String> {
    let mut rows = Vec::new();
    for &measure in &options.measures {
        let repetitions = options.repetitions;
        eprintln!("{}: {repetitions} repetitions", measure.name());
        let rounds = (0..repetitions).map(|_| take(measure, options.scale));
        let rounds = rounds.collect::<Result<Vec<_>, String>>()?;
        for (number, text) in measure.rows(options.scale).into_iter().enumerate() {
            rows.push([vec![text], Round::cells(&rounds, number).to_vec()].concat());
        }
    }
    let heads = [&["measure"], Round::HEADS.as_slice()].concat();
    let print = if options.markdown { table::markdown } else { table::plain };
    println!("{}", print(&heads, &rows, 1));
    Ok(())
}

//! What files cost on `rt`, tokio and smol.
//!
//! `cargo run --release -p rt-benches --bin files -- --help` tells the options.
//!
//! Each figure is of a process that has one runtime and does nothing else.

use rt_benches::files::{Measure, Place, Scale};
use rt_benches::round::Round;
use rt_benches::{Peer, Rt, Smol, Tokio, program, table};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
What files cost on rt, tokio and smol, each in processes of its own, taken in turns. They have two workers. The files, up to 2 GiB, are in
/dev/shm, or else in the directory for temporary files.

  --reps N      repetitions (default 9)
  --only NAME   measures whose name contains NAME; may be given more than once
  --quick       only see that everything runs: 3 repetitions of a hundredth of everything
  --markdown    print the table as markdown
  --help        this, and the names of the measures";

/// Runs one measure in this process; how `files` calls itself.
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
    Measure { measure: Measure, peer: String, place: PathBuf, scale: Scale },
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
            MEASURE => measured = Some((value()?, value()?, value()?)),
            _ => return Err(format!("{argument:?} is no option; --help tells them")),
        }
    }
    if let Some((name, peer, place)) = measured {
        let measure = Measure::named(&name).ok_or(format!("{name:?} is no measure"))?;
        return Ok(Task::Measure { measure, peer, place: place.into(), scale });
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
                println!("  {:<12} {}", measure.name(), measure.row(Scale::Full));
            }
            Ok(())
        }
        Ok(Task::Measure { measure, peer, place, scale }) => {
            let figure = match peer.as_str() {
                Rt::NAME => Ok(measure.take::<Rt>(&place, scale)),
                Tokio::NAME => Ok(measure.take::<Tokio>(&place, scale)),
                Smol::NAME => Ok(measure.take::<Smol>(&place, scale)),
                _ => Err(format!("{peer:?} is none of the peers")),
            };
            figure.and_then(|figure| program::tell(Some(vec![figure])))
        }
        Err(error) => Err(error),
    };
    program::end("files", result)
}

/// In processes of their own.
fn take(measure: Measure, place: &Place, scale: Scale) -> Result<Round, String> {
    Round::take(|peer| {
        let path = place.path().to_str().ok_or("the path of the directory is not text")?;
        let mut arguments = vec![MEASURE, measure.name(), peer, path];
        arguments.extend((scale == Scale::Quick).then_some(QUICK));
        program::numbers_of_child(&arguments)
    })
}

fn compare(options: &Options) -> Result<(), String> {
    let place = Place::prepare(options.scale).map_err(|error| format!("cannot make the files: {error}"))?;
    let mut rows = Vec::new();
    for &measure in &options.measures {
        eprintln!("{}: {} repetitions", measure.name(), options.repetitions);
        let rounds = (0..options.repetitions).map(|_| take(measure, &place, options.scale));
        let rounds = rounds.collect::<Result<Vec<_>, String>>()?;
        rows.push([vec![measure.row(options.scale)], Round::cells(&rounds, 0).to_vec()].concat());
    }
    let heads = [&["measure"], Round::HEADS.as_slice()].concat();
    let print = if options.markdown { table::markdown } else { table::plain };
    println!("{}", print(&heads, &rows, 1));
    Ok(())
}

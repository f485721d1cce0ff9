//! What a task that blocks its worker costs the others, on `rt`, tokio and smol.
//!
//! `cargo run --release -p rt-benches --bin stalls -- --help` tells the options.
//!
//! Each figure is of a process of its own, so that a runtime that is stuck does not disturb the next.

use rt_benches::stalls::{Outcome, Outcomes, Pace, Scenario, WORKERS};
use rt_benches::{Peer, Rt, Smol, Tokio, program, table};
use std::io::{self, IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
How long others wait for a task that blocks its worker or keeps it busy, in ms, on rt, tokio and smol with two workers each.
Each figure is of a process of its own, and one that is not done after 2.5 s counts as a deadlock. `Scenario`, in the library,
tells from when to when each is measured.

  --reps N      repetitions, peers in turns (default 1); above 1 each figure is a median / the worst
  --only NAME   scenarios whose name contains NAME; may be given more than once
  --quick       only see that everything runs: all times a fifth, deadlocks after 1.5 s
  --markdown    print the table as markdown
  --help        this, and the names of the scenarios";

/// Runs one scenario in this process; how `stalls` calls itself.
const MEASURE: &str = "--measure";
const QUICK: &str = "--quick";

const PEERS: [&str; 3] = [Rt::NAME, Tokio::NAME, Smol::NAME];
/// More than twice what the longest scenario takes. Several deadlocks should not make the table a matter of minutes.
const LIMIT: Duration = Duration::from_millis(2500);
const QUICK_LIMIT: Duration = Duration::from_millis(1500);

struct Options {
    repetitions: usize,
    scenarios: Vec<Scenario>,
    pace: Pace,
    markdown: bool,
}

enum Task {
    Compare(Options),
    Help,
    Measure { scenario: Scenario, peer: String, pace: Pace },
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut repetitions, mut only, mut markdown, mut measured) = (1, Vec::new(), false, None);
    let mut pace = Pace::Full;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--reps" => repetitions = program::count(&argument, &value()?)?,
            "--only" => only.push(value()?),
            QUICK => pace = Pace::Quick,
            "--markdown" => markdown = true,
            "--help" | "-h" => return Ok(Task::Help),
            MEASURE => measured = Some((value()?, value()?)),
            _ => return Err(format!("{argument:?} is no option; --help tells them")),
        }
    }
    if let Some((name, peer)) = measured {
        let scenario = Scenario::named(&name).ok_or(format!("{name:?} is no scenario"))?;
        return Ok(Task::Measure { scenario, peer, pace });
    }
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let scenarios: Vec<_> = Scenario::ALL.into_iter().filter(|scenario| is_chosen(scenario.name())).collect();
    if scenarios.is_empty() {
        return Err("no scenario has such a name; --help tells them".to_owned());
    }
    Ok(Task::Compare(Options { repetitions, scenarios, pace, markdown }))
}

fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(Task::Compare(options)) => compare(&options),
        Ok(Task::Help) => {
            println!("{HELP}\n\nScenarios:");
            for scenario in Scenario::ALL {
                println!("  {:<16} {}", scenario.name(), scenario.what(Pace::Full));
            }
            Ok(())
        }
        Ok(Task::Measure { scenario, peer, pace }) => print_measure(scenario, &peer, pace),
        Err(error) => Err(error),
    };
    program::end("stalls", result)
}

fn print_measure(scenario: Scenario, peer: &str, pace: Pace) -> Result<(), String> {
    let outcome = match peer {
        Rt::NAME => take::<Rt>(scenario, pace),
        Tokio::NAME => take::<Tokio>(scenario, pace),
        Smol::NAME => take::<Smol>(scenario, pace),
        _ => return Err(format!("{peer:?} is none of the peers")),
    };
    println!("{outcome}");
    Ok(())
}

fn take<P: Peer>(scenario: Scenario, pace: Pace) -> Outcome {
    // A runtime that is dropped may wait for tasks that still block. The end of the process does not.
    let peer = ManuallyDrop::new(P::start(WORKERS));
    scenario.run(&*peer, pace)
}

/// Has a process of its own do it.
fn outcome(scenario: Scenario, peer: &str, pace: Pace) -> Result<Outcome, String> {
    let mut arguments = vec![MEASURE, scenario.name(), peer];
    arguments.extend((pace == Pace::Quick).then_some(QUICK));
    let limit = if pace == Pace::Quick { QUICK_LIMIT } else { LIMIT };
    let text = program::text_of_child(&arguments, limit)?;
    text.map_or(Ok(Outcome::Deadlock), |text| text.trim().parse())
}

fn compare(options: &Options) -> Result<(), String> {
    let screen = Screen::new(options);
    screen.heads();
    for &scenario in &options.scenarios {
        let mut outcomes: [Outcomes; PEERS.len()] = Default::default();
        for round in 1..=options.repetitions {
            let mut progress = format!("{}, {round} of {}:", scenario.name(), options.repetitions);
            for (peer, outcomes) in PEERS.into_iter().zip(&mut outcomes) {
                progress.push_str(&format!(" {peer}"));
                screen.progress(&format!("{progress} ..."));
                let outcome = outcome(scenario, peer, options.pace)?;
                progress.push_str(&format!(" {},", outcome.cell()));
                outcomes.add(outcome);
            }
        }
        let figures = outcomes.iter().map(Outcomes::cell);
        screen.row([scenario.what(options.pace)].into_iter().chain(figures).collect());
    }
    Ok(())
}

/// Standard output, on which the table grows.
struct Screen {
    heads: Vec<&'static str>,
    widths: Vec<usize>,
    markdown: bool,
    /// Whether a line can be overwritten.
    is_terminal: bool,
}

/// What is delayed is text; the rest are numbers.
const TEXT_COLUMNS: usize = 1;

impl Screen {
    fn new(options: &Options) -> Self {
        let heads = match options.repetitions {
            1 => "what is delayed, ms",
            _ => "what is delayed, median / worst, ms",
        };
        let longest = options.scenarios.iter().map(|scenario| scenario.what(options.pace).len()).max();
        let longest_figure = if options.repetitions == 1 { "deadlock" } else { "1000.000 / 1000.000" };
        let mut widths = vec![longest.unwrap_or(0).max(heads.len())];
        widths.extend(PEERS.map(|_| longest_figure.len()));
        let is_terminal = io::stdout().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb");
        Screen { heads: [heads].into_iter().chain(PEERS).collect(), widths, markdown: options.markdown, is_terminal }
    }

    fn heads(&self) {
        if self.markdown {
            println!("{}", table::markdown_heads(&self.heads, TEXT_COLUMNS));
        } else {
            self.row(self.heads.iter().map(|&head| head.to_owned()).collect());
        }
    }

    fn row(&self, cells: Vec<String>) {
        self.clear();
        if self.markdown {
            println!("{}", table::markdown_row(&cells));
        } else {
            println!("{}", table::plain_row(&cells, &self.widths, TEXT_COLUMNS));
        }
    }

    /// Shows a line until the next.
    fn progress(&self, line: &str) {
        self.clear();
        if self.is_terminal {
            print!("{line}");
            // Whoever does not see it will see the row.
            let _ = io::stdout().flush();
        }
    }

    fn clear(&self) {
        if self.is_terminal {
            print!("\r\x1b[K");
        }
    }
}

//! What servers cost and how late they answer, on `rt`, tokio and smol.
//!
//! `cargo run --release -p rt-benches --bin servers -- --help` tells the options.
//!
//! Each figure is of a server in a process of its own, loaded by another process.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    rt_benches::program::end("servers", Err("the load generator is made of epoll, which only Linux has".to_owned()))
}

#[cfg(target_os = "linux")]
mod linux {
    use rt_benches::servers::{LOAD, Measure, Order, Rates, SERVE, Scale, Series, Service, load, serve};
    use rt_benches::{program, table};
    use std::process::ExitCode;

    const HELP: &str = "\
What servers cost and how late they answer on rt, tokio and smol, with two workers each, and on a loop over epoll that does
nothing else: the floor. Each is a process of its own, which another process loads, taken in turns.

  --reps N       repetitions (default 5, and at most 3 of what hardly varies)
  --only NAME    measures whose name contains NAME; may be given more than once
  --peers A,B    only these of rt, tokio, smol and floor
  --rate N       requests per second where they come on their own (default: 60 % of what the slowest of the peers can answer)
  --quick        only see that everything runs: one repetition of almost nothing
  --markdown     print the table as markdown
  --help         this, and the names of the measures

`aim` is what the ratio of rt to tokio should not exceed.";

    const REPETITIONS: usize = 5;

    enum Task {
        Compare { series: Series, measures: Vec<Measure>, markdown: bool },
        Help,
        Serve { peer: String, service: Service, computes: bool },
        Load(Order),
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
        let (mut repetitions, mut only, mut rate, mut markdown) = (None, Vec::new(), None, false);
        let mut scale = Scale::Full;
        let mut peers = Series::PEERS.map(str::to_owned).to_vec();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--reps" => repetitions = Some(program::count(&argument, &value()?)?),
                "--only" => only.push(value()?),
                "--peers" => peers = value()?.split(',').map(str::to_owned).collect(),
                "--rate" => rate = Some(program::count(&argument, &value()?)? as f64),
                "--quick" => scale = Scale::Quick,
                "--markdown" => markdown = true,
                "--help" | "-h" => return Ok(Task::Help),
                SERVE => {
                    let (peer, service, computes) = (value()?, value()?, value()? == "computes");
                    let service = Service::named(&service).ok_or(format!("{service:?} is no service"))?;
                    return Ok(Task::Serve { peer, service, computes });
                }
                LOAD => {
                    let order = Order::from_arguments(&arguments.collect::<Vec<_>>());
                    return Ok(Task::Load(order.ok_or("this is no order for a load generator")?));
                }
                _ => return Err(format!("{argument:?} is no option; --help tells them")),
            }
        }
        if let Some(other) = peers.iter().find(|peer| !Series::PEERS.contains(&peer.as_str())) {
            return Err(format!("{other:?} is none of the peers"));
        }
        let is_chosen = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
        let measures: Vec<_> = Measure::ALL.into_iter().filter(|measure| is_chosen(&measure.name())).collect();
        if measures.is_empty() {
            return Err("no measure has such a name; --help tells them".to_owned());
        }
        let repetitions = repetitions.unwrap_or(if scale == Scale::Quick { 1 } else { REPETITIONS });
        let series = Series { repetitions, peers, scale, rate, rates: Rates::new() };
        Ok(Task::Compare { series, measures, markdown })
    }

    pub(super) fn main() -> ExitCode {
        let result = match parse(std::env::args().skip(1)) {
            Ok(Task::Compare { mut series, measures, markdown }) => compare(&mut series, &measures, markdown),
            Ok(Task::Help) => {
                println!("{HELP}\n\nMeasures:");
                for measure in Measure::ALL {
                    println!("  {}", measure.name());
                    for row in measure.rows(Scale::Full, &Rates::new()) {
                        println!("      {}", row.text);
                    }
                }
                Ok(())
            }
            Ok(Task::Serve { peer, service, computes }) => serve(&peer, service, computes),
            Ok(Task::Load(order)) => load(&order),
            Err(error) => Err(error),
        };
        program::end("servers", result)
    }

    fn compare(series: &mut Series, measures: &[Measure], markdown: bool) -> Result<(), String> {
        let mut rows = Vec::new();
        for &measure in measures {
            match measure.obstacle() {
                Some(obstacle) => eprintln!("{} is left out: {obstacle}", measure.name()),
                None => rows.extend(series.rows(measure)?),
            }
        }
        let print = if markdown { table::markdown } else { table::plain };
        println!("{}", print(&Series::HEADS, &rows, 1));
        Ok(())
    }
}

//! One workload on one peer with a single worker, for a tool that counts instructions.
//!
//! `count <peer> <workload> <rounds>` prints how many operations it did. `benches/count.sh` runs it under callgrind.

use rt_benches::{Peer, Rt, Smol, Tokio, Workload};
use std::process::ExitCode;

/// One, because several that search and steal never do the same twice.
const WORKERS: usize = 1;
/// `rt` with its monitor, whose instructions are then counted too.
const WATCHED: &str = "rt-watched";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match count(&arguments) {
        Ok(operations) => {
            println!("{operations}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let names: Vec<_> = Workload::ALL.map(Workload::name).into_iter().collect();
            eprintln!("count: {error}\nusage: count <rt | tokio | smol> <{}> <rounds>", names.join(" | "));
            ExitCode::FAILURE
        }
    }
}

fn count(arguments: &[String]) -> Result<u64, String> {
    let [peer, workload, rounds] = arguments else {
        return Err("three arguments are needed".to_owned());
    };
    let workload = Workload::named(workload).ok_or(format!("{workload:?} is no workload"))?;
    let rounds =
        rounds.parse().ok().filter(|&rounds| rounds > 0).ok_or(format!("{rounds:?} is no number of rounds"))?;
    _ = match peer.as_str() {
        Rt::NAME => workload.run(&Rt::start_unwatched(WORKERS), rounds),
        WATCHED => workload.run(&Rt::start(WORKERS), rounds),
        Tokio::NAME => workload.run(&Tokio::start(WORKERS), rounds),
        Smol::NAME => workload.run(&Smol::start(WORKERS), rounds),
        _ => return Err(format!("{peer:?} is no peer")),
    };
    Ok(rounds * workload.operations_per_round())
}

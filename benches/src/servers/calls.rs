//! The system calls of a server, as strace counts them.

use super::{Order, taking};
use crate::peers::UNWATCHED;
use crate::program;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, process};

/// What the calls are counted as.
pub(super) const KINDS: [&str; 6] = ["all", "epoll_wait", "recvfrom", "sendto", "futex", "others"];

fn is_of(kind: &str, call: &str) -> bool {
    match kind {
        "all" => true,
        "epoll_wait" => matches!(call, "epoll_wait" | "epoll_pwait" | "epoll_pwait2"),
        "others" => !KINDS[1..KINDS.len() - 1].iter().any(|kind| is_of(kind, call)),
        _ => call == kind,
    }
}

/// Whether there is an strace.
pub(super) fn can_be_counted() -> bool {
    let mut strace = Command::new("strace");
    strace.arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// How often each call was made.
type Counts = BTreeMap<String, u64>;

/// The calls of each kind per request, of a server that is started with `arguments` and loaded as `order` says. What it takes to
/// start, to accept and to answer each connection once is left out.
pub(super) fn per_request(peer: &str, arguments: &[String], order: Order, requests: u64) -> Result<Vec<f64>, String> {
    let without = counts(peer, arguments, order, 0)?;
    let with = counts(peer, arguments, order, requests)?;
    let of = |counts: &Counts, kind: &str| -> f64 {
        counts.iter().filter(|(call, _)| is_of(kind, call)).map(|(_, &calls)| calls as f64).sum()
    };
    Ok(KINDS.map(|kind| (of(&with, kind) - of(&without, kind)) / requests as f64).to_vec())
}

fn counts(peer: &str, arguments: &[String], order: Order, requests: u64) -> Result<Counts, String> {
    let file = File(env::temp_dir().join(format!("rt-benches-calls-{}", process::id())));
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-qq", "-o"]).arg(&file.0).arg(program::this_program()?.get_program()).args(arguments);
    // The monitor looks by the clock, which strace makes run ten times too fast, and takes strace's slowness for stalls.
    strace.env(UNWATCHED, "1");
    taking::count(peer, strace, order, requests)?;
    let text = fs::read_to_string(&file.0).map_err(|error| format!("strace has left no counts: {error}"))?;
    let counts = parse(&text);
    if counts.is_empty() { Err(format!("strace has counted nothing: {text}")) } else { Ok(counts) }
}

/// Removed when it is not needed any more.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        // There is none if strace did not come that far.
        let _ = fs::remove_file(&self.0);
    }
}

/// The fourth column is the number of calls, and the last their name.
fn parse(text: &str) -> Counts {
    let counts = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.split_whitespace().collect();
        let (calls, &name) = (cells.get(3)?.parse().ok()?, cells.last()?);
        (name != "total").then(|| (name.to_owned(), calls))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::{KINDS, is_of, parse};

    #[test]
    fn a_summary_of_strace_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 63.77    0.000301           4        70         2 recvfrom
 36.23    0.000171           2        64           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000472           3       134         2 total
";
        let counts: Vec<_> = parse(text).into_iter().collect();
        assert_eq!(counts, [("recvfrom".to_owned(), 70), ("sendto".to_owned(), 64)]);
    }

    #[test]
    fn a_call_is_counted_with_all_and_with_one_kind_besides() {
        for call in ["epoll_pwait", "recvfrom", "sendto", "futex", "sched_yield"] {
            let kinds: Vec<_> = KINDS.into_iter().filter(|kind| is_of(kind, call)).collect();
            assert_eq!((kinds[0], kinds.len()), ("all", 2), "{call}");
        }
        assert!(is_of("others", "read"));
    }
}

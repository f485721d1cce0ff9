//! What else the machine did. Figures that were taken while it had much to do for others say little.

use rustix::param::clock_ticks_per_second;
use std::fs;
use std::time::Instant;

/// Two processes, and the machine that they have for themselves, or not.
#[derive(Debug)]
pub(super) struct Watch {
    start: Instant,
    processes: [u32; 2],
    of_others: Option<u64>,
}

impl Watch {
    pub(super) fn start(processes: [u32; 2]) -> Self {
        Watch { start: Instant::now(), processes, of_others: ticks_of_others(processes) }
    }

    /// How much others took since the start, of one processor; `None` where the system does not tell.
    pub(super) fn share_of_others(&self) -> Option<f64> {
        let ticks = ticks_of_others(self.processes)?.saturating_sub(self.of_others?);
        Some(ticks as f64 / clock_ticks_per_second() as f64 / self.start.elapsed().as_secs_f64())
    }
}

fn ticks_of_others(processes: [u32; 2]) -> Option<u64> {
    let all = ticks_of_all(&fs::read_to_string("/proc/stat").ok()?)?;
    let ours = processes.map(|id| ticks_of_one(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?));
    Some(all.saturating_sub(ours[0]? + ours[1]?))
}

/// user, nice, system, idle, iowait, irq, softirq and steal, of which two are no work.
fn ticks_of_all(stat: &str) -> Option<u64> {
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|tick| tick.parse().ok()).collect();
    Some(ticks.get(..8)?.iter().sum::<u64>() - ticks[3] - ticks[4])
}

/// The 14th and the 15th field: time in the program and in the kernel. The second is a name in parentheses, which may have
/// anything in it.
fn ticks_of_one(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::{Watch, ticks_of_all, ticks_of_one};

    #[test]
    fn what_the_kernel_tells_is_read() {
        assert_eq!(ticks_of_all("cpu  1 2 3 1000 1000 4 5 6 0 0\ncpu0 1 2 3"), Some(21));
        assert_eq!(ticks_of_one("7 (a) b) R 1 2 3 4 5 6 7 8 9 10 300 20 0 0"), Some(320));
    }

    #[test]
    fn this_system_tells() {
        let this = std::process::id();
        let share = Watch::start([this, this]).share_of_others();
        assert!(share.is_some_and(|share| share >= 0.0));
    }
}

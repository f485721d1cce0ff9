//! What timers cost, and how late they are.
//!
//! A [`Measure`] starts a runtime, and leaves behind what it has made of it. So each should have a process to itself. Some
//! take figures that the kernel keeps, and `None` stands for a system that does not.

mod arming;
mod lateness;
mod many;
mod resets;
mod waiting;

use crate::{Peer, Smol, Workload, memory, processor};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// The number of workers of all measures but one.
pub const WORKERS: usize = 2;

/// How much of each is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Enough for figures that mean something.
    Full,
    /// A hundredth, only to see that everything runs.
    Quick,
}

impl Scale {
    fn count(self, full: u64) -> u64 {
        if self == Scale::Full { full } else { full / 100 }
    }

    fn time(self, full: Duration) -> Duration {
        if self == Scale::Full { full } else { full / 100 }
    }
}

/// Something that is done with timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// One task arms timers and drops them, while the other worker has nothing to do.
    ///
    /// Each is the only one, so that who waits for the first timer of all may have to be told each time. This does not happen
    /// while a nearer one is armed, as there is in most programs; the second figure is of that.
    ArmDrop,
    /// A task on each worker does so, all at the same time. The second figure is as that of [`ArmDrop`](Self::ArmDrop).
    ArmDropOnAll,
    /// One task gives futures a second that are ready.
    TimeoutReady,
    /// One task gives another a second for its answer, for which it has to wait; and the same without a limit.
    TimeoutWait,
    /// Many tasks that each sleep once, for a time that is over soon.
    ManySleeps,
    /// How late a task is that sleeps for a part of a millisecond, in a runtime that has nothing else to do.
    LoneSleep,
    /// How late the ticks of an interval are while another task keeps one of the workers busy.
    Interval,
    /// The memory of tasks that sleep.
    SleepingMemory,
    /// Millions of timers that are armed, and are reset before they are due, on one worker.
    ///
    /// Not for smol, whose timers are no affair of a worker.
    Resets,
}

/// Timers or timeouts of those measures where one follows the other.
const ONE_BY_ONE: u64 = 1_000_000;
/// Before any timer that is armed meanwhile, and after the end.
const NEARER: Duration = Duration::from_secs(30);
const ON_ALL: Duration = Duration::from_millis(300);
const ROUND_TRIPS: u64 = 200_000;
const MANY: u64 = 100_000;
const LONE: u64 = 500;
const TICKS: u64 = 1000;
const SLEEPING: u64 = 1_000_000;
const ARMED: u64 = 10_000_000;
/// A wheel whose levels have 64 slots, those of the first a millisecond each, empties a slot of its third level every 4.1 s.
/// Those of its fourth are for minutes: what they cost is not seen.
const RESETTING: Duration = Duration::from_secs(5);

impl Measure {
    /// All of them, in the order of the table.
    pub const ALL: [Measure; 9] = [
        Measure::ArmDrop,
        Measure::ArmDropOnAll,
        Measure::TimeoutReady,
        Measure::TimeoutWait,
        Measure::ManySleeps,
        Measure::LoneSleep,
        Measure::Interval,
        Measure::SleepingMemory,
        Measure::Resets,
    ];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Measure::ArmDrop => "arm-drop",
            Measure::ArmDropOnAll => "arm-drop-on-all",
            Measure::TimeoutReady => "timeout-ready",
            Measure::TimeoutWait => "timeout-wait",
            Measure::ManySleeps => "many-sleeps",
            Measure::LoneSleep => "lone-sleep",
            Measure::Interval => "interval",
            Measure::SleepingMemory => "sleeping-memory",
            Measure::Resets => "resets",
        }
    }

    /// The measure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// What its figures are, each a row of the table.
    pub fn rows(self, scale: Scale) -> Vec<String> {
        let many = |full| in_words(scale.count(full));
        match self {
            Measure::ArmDrop => {
                vec!["arm + drop, ns".to_owned(), "arm + drop while a nearer timer is armed, ns".to_owned()]
            }
            Measure::ArmDropOnAll => vec![
                "arm + drop, both workers at once, ns".to_owned(),
                "arm + drop, both workers at once, while a nearer timer is armed, ns".to_owned(),
            ],
            Measure::TimeoutReady => vec!["timeout(1 s, ready), ns".to_owned()],
            Measure::TimeoutWait => vec![
                "round trip with timeout(1 s, recv that waits once), ns".to_owned(),
                "round trip with recv that waits once, ns".to_owned(),
            ],
            Measure::ManySleeps => vec![
                format!("{} sleeps over 1-50 ms: processor time per sleep, ns", many(MANY)),
                format!("{} sleeps over 1-50 ms: time beyond 50 ms, ms", many(MANY)),
            ],
            Measure::LoneSleep => vec!["lone sleep of 137 us: median lateness, us".to_owned()],
            Measure::Interval => vec!["interval of 1 ms beside a busy worker: p99 of lateness, us".to_owned()],
            Measure::SleepingMemory => vec![format!("{} sleeping tasks: resident bytes per task", many(SLEEPING))],
            Measure::Resets => vec![
                format!("{} armed, 1 million resets a second: reset + poll, ns", many(ARMED)),
                format!("{} armed, 1 million resets a second: longest turn of the worker, us", many(ARMED)),
            ],
        }
    }

    /// Whether the peer of that name has figures.
    pub fn is_for(self, peer: &str) -> bool {
        self != Measure::Resets || peer != Smol::NAME
    }

    /// Whether it takes so long, and varies so little, that a few repetitions have to do.
    pub fn is_long(self) -> bool {
        matches!(self, Measure::SleepingMemory | Measure::Resets)
    }

    /// One figure for each row.
    pub fn take<P: Peer>(self, scale: Scale) -> Option<Vec<f64>> {
        let workers = if self == Measure::Resets { 1 } else { WORKERS };
        // Millions of tasks and timers need not be tidied up when the process ends.
        let peer = &*ManuallyDrop::new(P::start(workers));
        processor::settle(peer);
        let count = |full| scale.count(full) as usize;
        match self {
            Measure::ArmDrop => {
                Some(without_and_with_nearer_timer(peer, || one_by_one(Workload::TimerArmDrop, peer, scale)))
            }
            Measure::ArmDropOnAll => {
                Some(without_and_with_nearer_timer(peer, || arming::on_all_workers(peer, scale.time(ON_ALL))))
            }
            Measure::TimeoutReady => Some(vec![one_by_one(Workload::TimeoutReady, peer, scale)]),
            Measure::TimeoutWait => {
                let round_trips = scale.count(ROUND_TRIPS);
                let nanoseconds = |is_limited| waiting::round_trips(peer, round_trips, is_limited);
                Some(vec![nanoseconds(true), nanoseconds(false)])
            }
            Measure::ManySleeps => {
                let found = many::sleeps(peer, count(MANY))?;
                Some(vec![found.processor_nanoseconds, found.milliseconds_beyond])
            }
            Measure::LoneSleep => Some(vec![lateness::lone_sleep(peer, count(LONE))]),
            Measure::Interval => Some(vec![lateness::interval(peer, scale.count(TICKS))]),
            Measure::SleepingMemory => Some(vec![memory::bytes_per_sleeping_task(peer, count(SLEEPING))?]),
            Measure::Resets => {
                let found = resets::resets(peer, count(ARMED), scale.time(RESETTING))?;
                Some(vec![found.nanoseconds, found.longest_turn.as_secs_f64() * 1e6])
            }
        }
    }
}

fn without_and_with_nearer_timer<P: Peer>(peer: &P, measure: impl Fn() -> f64) -> Vec<f64> {
    let without = measure();
    P::detach(peer.spawn_from_outside(async { P::sleep(NEARER).await }));
    // Whoever waits, waits for it from then on.
    processor::settle(peer);
    vec![without, measure()]
}

/// The nanoseconds of one operation.
fn one_by_one<P: Peer>(workload: Workload, peer: &P, scale: Scale) -> f64 {
    let rounds = scale.count(ONE_BY_ONE) / workload.operations_per_round();
    workload.run(peer, (rounds / 10).max(1));
    let operations = rounds * workload.operations_per_round();
    workload.run(peer, rounds).as_nanos() as f64 / operations as f64
}

/// A number that is some thousands, or millions.
fn in_words(count: u64) -> String {
    if count.is_multiple_of(1_000_000) {
        format!("{} million", count / 1_000_000)
    } else {
        format!("{} thousand", count / 1000)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Measure, Scale};
    use crate::{Peer, Rt, Tokio};

    /// smol can be started once in a process, and has been for the workloads.
    fn every_measure_has_its_figures_on<P: Peer>() {
        for measure in Measure::ALL {
            let figures = measure.take::<P>(Scale::Quick).expect("this system tells");
            assert_eq!(figures.len(), measure.rows(Scale::Quick).len(), "{}", measure.name());
            assert!(figures.iter().all(|figure| figure.is_finite()), "{}: {figures:?}", measure.name());
        }
    }

    // One after the other: the memory is that of the process.
    #[cfg(target_os = "linux")]
    #[test]
    fn every_measure_has_its_figures() {
        every_measure_has_its_figures_on::<Rt>();
        every_measure_has_its_figures_on::<Tokio>();
    }

    #[test]
    fn a_name_leads_back_to_its_measure() {
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
        assert_eq!(Measure::named("nothing"), None);
    }
}

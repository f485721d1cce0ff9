//! What closures that block cost, on the pool of threads that each runtime has for them.
//!
//! A [`Measure`] starts a runtime, and leaves behind what it has made of it. So each should have a process to itself. Some
//! take figures that the kernel keeps, and `None` stands for a system that does not.

mod batches;
mod calls;
mod flood;
mod sleeping;

use crate::{Peer, processor};
use std::mem::ManuallyDrop;

/// The number of workers.
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
    fn count(self, full: usize) -> usize {
        if self == Scale::Full { full } else { full / 100 }
    }
}

/// Something that is done with closures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A task awaits one closure after the other.
    Calls,
    /// Tasks that each spawn sixteen closures, await all, and begin again.
    BatchesFromTasks,
    /// The same by threads that are not in the runtime.
    BatchesFromThreads,
    /// A task spawns very many closures, and then awaits them.
    Flood,
    /// A task spawns closures that sleep, and awaits all.
    Sleeping,
}

const CALLS: usize = 50_000;
/// How many tasks or threads submit at once.
const SUBMITTERS: [usize; 3] = [1, 4, 16];
/// Closures of all submitters together.
const BATCHED: usize = 64_000;
const FLOOD: usize = 100_000;

impl Measure {
    /// All of them, in the order of the table.
    pub const ALL: [Measure; 5] =
        [Measure::Calls, Measure::BatchesFromTasks, Measure::BatchesFromThreads, Measure::Flood, Measure::Sleeping];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Calls => "calls",
            Measure::BatchesFromTasks => "batches-from-tasks",
            Measure::BatchesFromThreads => "batches-from-threads",
            Measure::Flood => "flood",
            Measure::Sleeping => "sleeping",
        }
    }

    /// The measure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// What its figures are, each a row of the table.
    pub fn rows(self, scale: Scale) -> Vec<String> {
        let batches = |who: &str| {
            let row = |submitters| format!("batches of 16 from {submitters} {who}: ns per closure");
            SUBMITTERS.map(row).to_vec()
        };
        match self {
            Measure::Calls => vec!["one closure after the other, awaited: ns each".to_owned()],
            Measure::BatchesFromTasks => batches("tasks"),
            Measure::BatchesFromThreads => batches("threads"),
            Measure::Flood => {
                let closures = scale.count(FLOOD);
                vec![
                    format!("{closures} closures at once: ns per closure"),
                    format!("{closures} closures at once: threads"),
                    format!("{closures} closures at once: context switches per 1000"),
                ]
            }
            Measure::Sleeping => sleeping::CLOSURES
                .map(|count| format!("{count} closures that sleep 10 ms: time beyond that, ms"))
                .to_vec(),
        }
    }

    /// Takes its figures of a new runtime; `None` where the system does not tell.
    pub fn take<P: Peer>(self, scale: Scale) -> Option<Vec<f64>> {
        // Threads need not be waited for when the process ends.
        let peer = &*ManuallyDrop::new(P::start(WORKERS));
        processor::settle(peer);
        let batched = scale.count(BATCHED);
        match self {
            Measure::Calls => Some(vec![calls::nanoseconds(peer, scale.count(CALLS))]),
            Measure::BatchesFromTasks => {
                Some(SUBMITTERS.map(|tasks| batches::from_tasks(peer, tasks, batched)).to_vec())
            }
            Measure::BatchesFromThreads => {
                Some(SUBMITTERS.map(|threads| batches::from_threads(peer, threads, batched)).to_vec())
            }
            Measure::Flood => {
                let found = flood::flood(peer, scale.count(FLOOD))?;
                Some(vec![found.nanoseconds, found.threads, found.context_switches])
            }
            Measure::Sleeping => {
                // A peer that has threads already, as tokio and rt have after the first, starts fewer.
                let rounds = if scale == Scale::Full { 5 } else { 1 };
                Some(sleeping::CLOSURES.map(|count| sleeping::milliseconds_beyond(peer, count, rounds)).to_vec())
            }
        }
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

//! What child processes and signals cost.
//!
//! A [`Measure`] starts a runtime, and leaves behind what it has made of it. So each should have a process to itself.

mod signals;
mod spawns;

use crate::{Peer, Rt, Smol, Tokio, processor};
use std::future::Future;
use std::mem::ManuallyDrop;

/// The number of workers.
pub const WORKERS: usize = 2;

/// How much of each is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Enough for figures that mean something.
    Full,
    /// A tenth, only to see that everything runs.
    Quick,
}

impl Scale {
    fn count(self, full: usize) -> usize {
        if self == Scale::Full { full } else { full / 10 }
    }
}

/// A runtime with child processes and signals.
pub trait ChildrenPeer: Peer {
    /// Whether it has signals.
    const HAS_SIGNALS: bool;

    /// Starts the program `true`, and waits for its end.
    fn run_true() -> impl Future<Output = ()> + Send;

    /// Calls `on_signal` each time that `SIGUSR1` comes, `count` times. `ready` is called when it listens.
    fn each_signal<F>(count: usize, ready: impl FnOnce() + Send, on_signal: F) -> impl Future<Output = ()> + Send
    where
        F: FnMut() + Send;
}

/// Both look the same in each crate, but for its name.
macro_rules! peer {
    ($peer:ident, $crate_name:ident) => {
        impl ChildrenPeer for $peer {
            const HAS_SIGNALS: bool = true;

            async fn run_true() {
                let status = $crate_name::process::Command::new("true").status().await.expect("run `true`");
                assert!(status.success());
            }

            async fn each_signal<F>(count: usize, ready: impl FnOnce() + Send, mut on_signal: F)
            where
                F: FnMut() + Send,
            {
                use $crate_name::signal::unix::{SignalKind, signal};
                let mut listener = signal(SignalKind::user_defined1()).expect("listen");
                ready();
                for _ in 0..count {
                    listener.recv().await;
                    on_signal();
                }
            }
        }
    };
}

peer!(Rt, rt);
peer!(Tokio, tokio);

impl ChildrenPeer for Smol {
    const HAS_SIGNALS: bool = false;

    async fn run_true() {
        let status = smol::process::Command::new("true").status().await.expect("run `true`");
        assert!(status.success());
    }

    async fn each_signal<F>(_count: usize, _ready: impl FnOnce() + Send, _on_signal: F)
    where
        F: FnMut() + Send,
    {
        unreachable!("smol has none");
    }
}

/// Something that is done with children or signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Tasks that start a process each and wait for its end.
    Spawns,
    /// A thread sends signals for which a task waits.
    Signals,
}

/// Processes in all.
const CHILDREN: usize = 500;
/// How many tasks run them, each one after the other.
const TASKS: [usize; 3] = [1, 16, 500];
const SIGNALS: usize = 1000;

impl Measure {
    /// All of them, in the order of the table.
    pub const ALL: [Measure; 2] = [Measure::Spawns, Measure::Signals];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Spawns => "spawns",
            Measure::Signals => "signals",
        }
    }

    /// The measure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// What its figures are, each a row of the table.
    pub fn rows(self, scale: Scale) -> Vec<String> {
        let children = scale.count(CHILDREN);
        let spawns =
            |tasks: usize| format!("{children} processes run and reaped, {} at a time: us each", tasks.min(children));
        let signals = |part| format!("from `kill` to the task that waits, {part}: us");
        match self {
            Measure::Spawns => TASKS.map(spawns).to_vec(),
            Measure::Signals => ["p50", "p99"].map(signals).to_vec(),
        }
    }

    /// Takes its figures of a new runtime. What a peer has not is no number.
    pub fn take<P: ChildrenPeer>(self, scale: Scale) -> Vec<f64> {
        // Threads need not be waited for when the process ends.
        let peer = &*ManuallyDrop::new(P::start(WORKERS));
        processor::settle(peer);
        match self {
            Measure::Spawns => {
                let children = scale.count(CHILDREN);
                TASKS.map(|tasks| spawns::microseconds(peer, tasks.min(children), children)).to_vec()
            }
            Measure::Signals if P::HAS_SIGNALS => signals::microseconds(peer, scale.count(SIGNALS)).to_vec(),
            Measure::Signals => vec![f64::NAN; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, Scale};
    use crate::{Rt, Tokio};

    #[test]
    fn every_measure_has_its_figures() {
        for measure in Measure::ALL {
            for figures in [measure.take::<Rt>(Scale::Quick), measure.take::<Tokio>(Scale::Quick)] {
                assert_eq!(figures.len(), measure.rows(Scale::Quick).len(), "{}", measure.name());
                assert!(figures.iter().all(|figure| figure.is_finite()), "{}: {figures:?}", measure.name());
            }
        }
    }

    #[test]
    fn a_name_leads_back_to_its_measure() {
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
        assert_eq!(Measure::named("nothing"), None);
    }
}

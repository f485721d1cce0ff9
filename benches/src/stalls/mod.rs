//! What a task that blocks its worker, or keeps it busy, costs the others.
//!
//! A worker that is inside of a poll does nothing else. What it has in its queue, what it has just woken, and the sockets and
//! timers that it would have looked after have to wait, unless another worker sees to them; and where the poll waits for one
//! of these, they may wait for ever. A [`Scenario`] has one runtime with [`WORKERS`] workers do such a thing, and looks at it
//! from a thread that is none of the runtime's.
//!
//! A scenario that has come to its outcome may leave tasks behind that still block, and one that deadlocks does not return.
//! So each should have a process to itself.

mod beside;
mod blocked;
mod outcome;
mod waiting;
mod waking;

pub use outcome::{Outcome, Outcomes};

use crate::{Peer, Workload};
use std::future::Future;
use std::thread;
use std::time::Duration;

/// The number of workers that the scenarios are made for.
pub const WORKERS: usize = 2;

/// Something that a task does to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A task wakes another, and then spins for 50 ms in the same poll. The other worker has nothing to do.
    ///
    /// From before the wake to when the woken task runs.
    Spin,
    /// A task wakes another, and then sleeps as a thread for 50 ms in the same poll. The other worker has nothing to do.
    ///
    /// From before the wake to when the woken task runs.
    Block,
    /// A task wakes two others, one after the other, and then spins for 50 ms in the same poll. The other worker has nothing
    /// to do.
    ///
    /// From before the first wake to when the task runs that was woken first.
    TwoWakes,
    /// All workers have tasks that sleep as threads for 500 ms. 20 ms after the last of them began, a plain thread spawns a
    /// task.
    ///
    /// From before the spawn to when the task runs.
    AllBlocked,
    /// All workers have tasks that sleep as threads for 200 ms, while another task waits for a TCP connection. 20 ms after the
    /// last of them began, a plain thread writes to the other end.
    ///
    /// From before the write to when the task has read.
    Socket,
    /// For a second 100 tasks yield in a loop, while another sleeps as a thread for 50 ms in each poll and wakes itself.
    ///
    /// The longest time of any of the 100 from when a poll yields to when the next begins.
    RepeatBlocker,
    /// A task waits for 60 ticks of an interval of 5 ms, while another waits for a timer of 20 ms and then sleeps as a thread
    /// for 100 ms.
    ///
    /// The longest time from when a tick was due to when the task runs. Ticks that were missed come in a burst, and each
    /// counts from when it was due.
    Interval,
    /// A task holds a lock of the standard library's and waits as a thread for a message. Five more wait as threads for the
    /// lock, and one that is spawned after them sends the message.
    ///
    /// From before the first of the five is spawned, when the lock is held, to when the last of all seven is done.
    Lock,
    /// On each worker a task calls `Handle::block_on` of its own runtime, or what comes nearest to it, all at once. The future
    /// spawns a task and joins it.
    ///
    /// From before the first call to when the last has returned.
    BlockOn,
}

/// For how long things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the scenarios say.
    Full,
    /// A fifth of that, only to see that everything runs.
    Quick,
}

impl Pace {
    fn milliseconds(self, full: u64) -> u64 {
        match self {
            Pace::Full => full,
            Pace::Quick => full / 5,
        }
    }

    fn time(self, full: u64) -> Duration {
        Duration::from_millis(self.milliseconds(full))
    }
}

// All in milliseconds.
const SPIN: u64 = 50;
const BLOCK: u64 = 50;
const ALL_BLOCKED: u64 = 500;
const SOCKET: u64 = 200;
const LASTING: u64 = 1000;
const PERIOD: u64 = 5;
/// Not a multiple of the period, or both tasks would be woken at once, and one of them would wake the other worker.
const TIMER: u64 = 22;
const TIMER_BLOCK: u64 = 100;
/// From when all workers are blocked to when work arrives.
const WAIT: u64 = 20;

/// 300 ms.
const TICKS: u64 = 60;
/// Enough to have started whatever is started late.
const WARM_UP_ROUNDS: u64 = 20;
/// Long enough for workers that have just worked to give up looking for more.
const SETTLING: Duration = Duration::from_millis(20);

impl Scenario {
    /// All of them, in the order of the tables.
    pub const ALL: [Scenario; 9] = [
        Scenario::Spin,
        Scenario::Block,
        Scenario::TwoWakes,
        Scenario::AllBlocked,
        Scenario::Socket,
        Scenario::RepeatBlocker,
        Scenario::Interval,
        Scenario::Lock,
        Scenario::BlockOn,
    ];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Spin => "spin",
            Scenario::Block => "block",
            Scenario::TwoWakes => "two-wakes",
            Scenario::AllBlocked => "all-blocked",
            Scenario::Socket => "socket",
            Scenario::RepeatBlocker => "repeat-blocker",
            Scenario::Interval => "interval",
            Scenario::Lock => "lock",
            Scenario::BlockOn => "block-on",
        }
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Option<Self> {
        Scenario::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// What is delayed.
    pub fn what(self, pace: Pace) -> String {
        let ms = |full| format!("{} ms", pace.milliseconds(full));
        match self {
            Scenario::Spin => format!("a task woken by one that then spins for {}", ms(SPIN)),
            Scenario::Block => format!("a task woken by one that then blocks for {}", ms(BLOCK)),
            Scenario::TwoWakes => format!("the first of two woken by one that then spins for {}", ms(SPIN)),
            Scenario::AllBlocked => format!("a task spawned while all workers block for {}", ms(ALL_BLOCKED)),
            Scenario::Socket => format!("a read while all workers block for {}", ms(SOCKET)),
            Scenario::RepeatBlocker => format!("one of 100 beside a task that blocks {} in each poll", ms(BLOCK)),
            Scenario::Interval => format!("a tick of {} beside a task that blocks for {}", ms(PERIOD), ms(TIMER_BLOCK)),
            Scenario::Lock => {
                format!("{} tasks at a lock that is held until one more runs, to the end", waiting::WAITING)
            }
            Scenario::BlockOn => "tasks in block_on on all workers, to the end".to_owned(),
        }
    }

    /// Does it once, on a runtime that has just been started with [`WORKERS`] workers. Does not return from a deadlock.
    pub fn run<P: Peer>(self, peer: &P, pace: Pace) -> Outcome {
        Workload::SpawnJoin.run(peer, WARM_UP_ROUNDS);
        settle();
        let (spin, block) = (pace.time(SPIN), pace.time(BLOCK));
        let delay = match self {
            Scenario::Spin => waking::one(peer, move || waking::spin(spin)),
            Scenario::Block => waking::one(peer, move || waking::block(block)),
            Scenario::TwoWakes => waking::two(peer, move || waking::spin(spin)),
            Scenario::AllBlocked => blocked::spawning(peer, pace.time(ALL_BLOCKED), pace.time(WAIT)),
            Scenario::Socket => blocked::reading(peer, pace.time(SOCKET), pace.time(WAIT)),
            Scenario::RepeatBlocker => beside::yielding(peer, block, pace.time(LASTING)),
            Scenario::Interval => {
                beside::ticking(peer, pace.time(PERIOD), TICKS, pace.time(TIMER), pace.time(TIMER_BLOCK))
            }
            Scenario::Lock => waiting::lock(peer),
            Scenario::BlockOn => waiting::block_on(peer),
        };
        delay.map_or(Outcome::Panics, Outcome::After)
    }
}

/// Spawns a task from a thread of its own, without anybody who waits for it.
fn spawn<P, F>(peer: &P, future: F)
where
    P: Peer,
    F: Future<Output = ()> + Send + 'static,
{
    P::detach(peer.spawn_from_outside(future));
}

/// Lets the workers fall asleep.
fn settle() {
    thread::sleep(SETTLING);
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Pace, Scenario, WORKERS};
    use crate::{Peer, Rt, Tokio};

    /// smol can be started once in a process, and has been for the workloads.
    fn goes_on_with<P: Peer>(scenario: Scenario) {
        let outcome = scenario.run(&P::start(WORKERS), Pace::Quick);
        assert!(matches!(outcome, Outcome::After(_)), "{} on {}: {outcome}", scenario.name(), P::NAME);
    }

    #[test]
    fn every_scenario_in_which_nobody_waits_for_a_task_goes_on() {
        for scenario in Scenario::ALL {
            if !matches!(scenario, Scenario::Lock | Scenario::BlockOn) {
                goes_on_with::<Tokio>(scenario);
                goes_on_with::<Rt>(scenario);
            }
        }
    }

    #[test]
    fn tasks_of_rt_that_wait_for_another_task_are_freed() {
        goes_on_with::<Rt>(Scenario::Lock);
        goes_on_with::<Rt>(Scenario::BlockOn);
    }

    #[test]
    fn block_on_within_a_task_of_tokio_panics() {
        assert_eq!(Scenario::BlockOn.run(&Tokio::start(WORKERS), Pace::Quick), Outcome::Panics);
    }

    #[test]
    fn a_name_leads_back_to_its_scenario() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::named(scenario.name()), Some(scenario));
        }
        assert_eq!(Scenario::named("nothing"), None);
    }
}

//! What a worker shows of its polls, and whether it is known to be stuck in one.
//!
//! | verdict | set by | what it changes |
//! |---|---|---|
//! | `FREE` | the worker, at the end of a poll or before it sleeps | – |
//! | `STUCK` | the monitor, when the same poll goes on and on | the worker's own wakes go to the injector |
//! | `ANNOUNCED` | the worker, in `block_in_place` and `block_on` | the same |
//!
//! Each verdict but `FREE` is counted in `sleep/crew.rs`: so many members are not able to do what there is to do.
//!
//! # A verdict against the end of the poll
//!
//! *The monitor*: raise the count; `FREE` to `STUCK` by an exchange; full fence; look at the pulse again. If it has moved on, take
//! the verdict back. *The worker*, after each poll: look for a verdict, and take it back. This look has no fence, because it comes
//! after every poll, so it can miss a verdict that is being passed; the next look finds it. Only before it sleeps, when no
//! look would follow, does the worker look behind a full fence: the one with which it announces its sleep. Of two such fences one is
//! first: the monitor sees that the worker has stopped polling, or the worker sees the verdict. Whoever takes a verdict back does so
//! by a read-modify-write, and lowers the count if it was the one.

use super::sleep::Sleep;
use crate::primitives::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use crate::primitives::counter::Counter;
use crate::primitives::planted::{self, Step};

const FREE: u8 = 0;
const STUCK: u8 = 1;
const ANNOUNCED: u8 = 2;

/// See the module's page. All of it is on a line that the worker writes at each poll and others only read, but for verdicts.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Polls begun. While it stands still, the worker is in one poll, or has nothing to run.
    polls: Counter,
    /// The place in the registry of the task that is being polled, or, between two polls, was polled last; 0 for a worker that
    /// has nothing to run.
    task: AtomicU64,
    verdict: AtomicU8,
}

/// A poll, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    /// Which of the worker's polls.
    pub(super) poll: u64,
    /// The place in the registry of the task that is polled.
    pub(super) task: u64,
}

/// What a worker was before it said that it blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Announced {
    Free,
    /// The monitor had noticed already.
    Stuck,
    /// It has said so before, and not taken it back.
    Before,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Pulse { polls: Counter::default(), task: AtomicU64::new(0), verdict: AtomicU8::new(FREE) }
    }

    #[inline(always)]
    pub(super) fn begin_poll(&self, task: u64) {
        self.polls.add(1);
        // Ordering: Relaxed; whoever reads it looks the task up and may find it gone.
        self.task.store(task, Ordering::Relaxed);
    }

    /// The worker has nothing to run.
    pub(super) fn end_polls(&self) {
        self.task.store(0, Ordering::Relaxed);
    }

    pub(super) fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// The poll that the worker is in, or has just left; `None` if it has nothing to run.
    pub(super) fn beat(&self) -> Option<Beat> {
        // Ordering: Relaxed; where it matters a fence stands before.
        let beat = Beat { poll: self.polls.get(), task: self.task.load(Ordering::Relaxed) };
        (beat.task != 0).then_some(beat)
    }

    /// Whether the worker is known to be stuck. For the worker itself.
    #[inline(always)]
    pub(super) fn is_stuck(&self) -> bool {
        // Ordering: Relaxed; see the module's page.
        self.verdict.load(Ordering::Relaxed) != FREE
    }

    /// Whether the worker has said itself that it blocks.
    pub(super) fn is_announced(&self) -> bool {
        // Ordering: Relaxed; a hint.
        self.verdict.load(Ordering::Relaxed) == ANNOUNCED
    }

    /// The monitor has seen `beat` for too long. False: it has ended.
    pub(super) fn convict(&self, beat: Beat, sleep: &Sleep) -> bool {
        sleep.begin_stuck();
        // Ordering: AcqRel, as all changes of the verdict: the count that was raised is there for whoever takes it back.
        if self.verdict.compare_exchange(FREE, STUCK, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // It has just said so itself.
            sleep.end_stuck();
            return true;
        }
        if planted::keeps(Step::VerdictFences) {
            // Pairs with the fence in `Sleep::announce`.
            fence(Ordering::SeqCst);
        }
        if self.beat() == Some(beat) {
            return true;
        }
        if self.verdict.compare_exchange(STUCK, FREE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            sleep.end_stuck();
        }
        false
    }

    /// The worker takes a verdict back. True: there was one, and the caller has to lower the count.
    #[must_use]
    pub(super) fn acquit(&self) -> bool {
        // Ordering: AcqRel; as in `convict`.
        self.verdict.swap(FREE, Ordering::AcqRel) != FREE
    }

    /// The worker says that it blocks.
    pub(super) fn announce(&self, sleep: &Sleep) -> Announced {
        // Ordering: Relaxed; only the worker itself announces.
        if self.verdict.load(Ordering::Relaxed) == ANNOUNCED {
            return Announced::Before;
        }
        sleep.begin_stuck();
        // Ordering: AcqRel; as in `convict`.
        if self.verdict.swap(ANNOUNCED, Ordering::AcqRel) == FREE {
            return Announced::Free;
        }
        sleep.end_stuck();
        Announced::Stuck
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn polling(task: u64) -> (Pulse, Sleep) {
        let pulse = Pulse::new();
        pulse.begin_poll(task);
        (pulse, Sleep::new(2))
    }

    #[test]
    fn a_poll_that_goes_on_is_found_stuck_until_it_ends() {
        let (pulse, sleep) = polling(7);
        let beat = pulse.beat().unwrap();
        assert!(pulse.convict(beat, &sleep));
        assert_eq!((pulse.is_stuck(), sleep.muster().stuck), (true, 1));
        assert!(pulse.acquit());
        assert!(!pulse.acquit());
    }

    #[test]
    fn a_poll_that_has_ended_is_not_found_stuck() {
        let (pulse, sleep) = polling(7);
        let beat = pulse.beat().unwrap();
        pulse.begin_poll(7);
        assert!(!pulse.convict(beat, &sleep));
        assert_eq!((pulse.is_stuck(), sleep.muster().stuck), (false, 0));
    }

    #[test]
    fn a_worker_that_says_that_it_blocks_counts_once() {
        let (pulse, sleep) = polling(7);
        let beat = pulse.beat().unwrap();
        assert_eq!(pulse.announce(&sleep), Announced::Free);
        assert_eq!(pulse.announce(&sleep), Announced::Before);
        assert!(pulse.convict(beat, &sleep));
        assert_eq!(sleep.muster().stuck, 1);
        assert!(pulse.acquit());
        sleep.end_stuck();

        assert!(pulse.convict(beat, &sleep));
        assert_eq!(pulse.announce(&sleep), Announced::Stuck);
        assert_eq!(sleep.muster().stuck, 1);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn a_worker_that_sleeps_is_not_found_stuck() {
        loom::model(|| {
            let pulse = Pulse::new();
            pulse.begin_poll(7);
            let pair = Arc::new((pulse, Sleep::new(1)));
            let beat = pair.0.beat().unwrap();
            let monitor = thread::spawn({
                let pair = pair.clone();
                move || pair.0.convict(beat, &pair.1)
            });
            let (pulse, sleep) = &*pair;
            pulse.end_polls();
            assert!(sleep.prepare(0, false, || false));
            if pulse.is_stuck() && pulse.acquit() {
                sleep.end_stuck();
            }
            monitor.join().unwrap();
            assert_eq!((pulse.is_stuck(), sleep.muster().stuck), (false, 0), "it sleeps, and counts as stuck");
        });
    }

    #[test]
    fn two_who_take_back_a_verdict_lower_the_count_once() {
        loom::model(|| {
            let pulse = Pulse::new();
            pulse.begin_poll(7);
            let pair = Arc::new((pulse, Sleep::new(1)));
            let beat = pair.0.beat().unwrap();
            let monitor = thread::spawn({
                let pair = pair.clone();
                move || pair.0.convict(beat, &pair.1)
            });
            let (pulse, sleep) = &*pair;
            let announced = pulse.announce(sleep);
            assert_ne!(announced, Announced::Before);
            if pulse.acquit() {
                sleep.end_stuck();
            }
            monitor.join().unwrap();
            assert_eq!(usize::from(pulse.is_stuck()), sleep.muster().stuck);
        });
    }

    #[test]
    fn the_verdict_model_notices_a_monitor_without_a_fence() {
        assert_caught("scheduler::pulse::models::a_worker_that_sleeps_is_not_found_stuck", Step::VerdictFences);
    }
}

//! How eager a worker is to take tasks from others.
//!
//! A task that moves to another core costs both sides: its lines travel there, and back to whoever joins it, which takes as
//! long as a few hundred nanoseconds of work; and each look into a queue that its owner is using takes the queue's line away
//! from the owner. For tasks of a microsecond and more that is nothing beside what a second core gains. For shorter ones
//! the pool is *faster* when the owner is left alone.
//!
//! Nobody knows beforehand how long a task will take, so a worker learns it from what it took last. If each task was worth
//! less than [`WORTH`], then the next time it finds work elsewhere it takes a nap first, twice as long each time, up to
//! [`LONGEST`], and takes no more than a [`PROBE`]. Taking what was worth its while makes it eager again.
//!
//! Appetite does not matter for what lies behind a worker that is stuck in a poll: nobody else takes that.
//!
//! A worker that naps counts as searching, so nobody is woken to do what it does not want. That holds up a task for no longer
//! than the nap, and only where tasks have been tiny until now.

use crate::primitives::{clock, spin_loop, thread};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What a task must take for moving it to be worth its while. Half of it, and a pool takes part in work that it slows down;
/// twice as much, and programs whose tasks talk much and compute little stay on one core.
const WORTH: Duration = Duration::from_nanos(250);
/// The first nap. A system's timers add some 50 us, so that shorter ones would not be shorter.
const SHORTEST: Duration = Duration::from_micros(16);
/// The longest nap. Shorter, and the probes add up to some per cent of a fast owner's time; longer, and a task waits for
/// longer in the queue of an owner that has just begun a long poll after many short ones.
const LONGEST: Duration = Duration::from_micros(64);
/// Tasks to take after a nap: enough to learn whether it is worth it now.
const PROBE: usize = 8;
/// Pauses of the processor in a rest, about a third of a microsecond.
const PAUSES: u32 = 32;
/// Rests between two passes, when tasks are short. With a third of it, a fast worker still takes them almost one by one; with
/// three times as many, it takes so much longer for the first task after a break.
const RESTS: u32 = 10;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Appetite {
    nap: Cell<Duration>,
    /// When it last took tasks from others, and how many, unless it has learned from that since.
    taken: Cell<Option<(Instant, u32)>>,
}

impl Appetite {
    /// Tasks to take when eager; the other limit is half of the queue.
    pub(super) const BATCH: usize = 32;

    /// The worker takes so many tasks, and has nothing else to run. The time since it last did so tells how long those
    /// tasks took, at the most.
    pub(super) fn took(&self, tasks: usize) {
        let now = clock::now();
        if let Some(before) = self.taken.replace(Some((now, tasks as u32))) {
            self.learn(before, now);
        }
    }

    /// The worker has nothing left of what it took.
    pub(super) fn ran_dry(&self) {
        if let Some(taken) = self.taken.take() {
            self.learn(taken, clock::now());
        }
    }

    fn learn(&self, (since, tasks): (Instant, u32), now: Instant) {
        let each = now.saturating_duration_since(since) / tasks;
        self.nap.set(if each >= WORTH { Duration::ZERO } else { (self.nap.get() * 2).clamp(SHORTEST, LONGEST) });
    }

    pub(super) fn is_eager(&self) -> bool {
        self.nap.get().is_zero()
    }

    /// How many tasks to take from a deque.
    pub(super) fn limit(&self) -> usize {
        if self.is_eager() { Self::BATCH } else { PROBE }
    }

    /// Leaves work to others for a while, unless eager.
    pub(super) fn nap(&self) {
        if !self.is_eager() {
            thread::sleep(self.nap.get());
        }
    }

    /// Rests between two passes over the queues of others, unless it `is_needed`.
    ///
    /// A worker that is faster than whoever feeds it would take tasks one by one, and each time the lines on which they are
    /// pushed. When tasks are short it comes less often, and takes more at a time.
    pub(super) fn rest(&self, is_needed: impl Fn() -> bool) {
        let mut rests = if self.is_eager() { 1 } else { RESTS };
        while rests > 0 && !is_needed() {
            (0..PAUSES).for_each(|_| spin_loop());
            if !self.is_eager() {
                // Whoever feeds it may be waiting for this very processor.
                thread::yield_now();
            }
            rests -= 1;
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn naps_grow_with_takings_that_were_not_worth_it_and_end_with_one_that_was() {
        let appetite = Appetite::default();
        let start = Instant::now();
        assert!(appetite.is_eager());
        appetite.learn((start, 10), start + 5 * WORTH);
        assert_eq!((appetite.nap.get(), appetite.limit()), (SHORTEST, PROBE));
        for _ in 0..10 {
            appetite.learn((start, 10), start + 5 * WORTH);
        }
        assert_eq!(appetite.nap.get(), LONGEST);
        appetite.learn((start, 10), start + 10 * WORTH);
        assert_eq!((appetite.is_eager(), appetite.limit()), (true, Appetite::BATCH));
    }

    #[test]
    fn a_worker_rests_no_longer_when_it_is_needed() {
        let appetite = Appetite::default();
        appetite.learn((Instant::now(), 1), Instant::now());
        let looks = Cell::new(0);
        appetite.rest(|| {
            looks.set(looks.get() + 1);
            looks.get() == 3
        });
        assert_eq!(looks.get(), 3);
    }
}

//! How eager a worker is to take tasks from others.
//!
//! A task that moves to another core costs both sides: its lines travel there, and back to whoever joins it, which takes as
//! long as a few hundred nanoseconds of work; and each look into a queue that its owner is using takes the queue's line away
//! from the owner. For tasks of a microsecond and more that is nothing beside what a second core gains. For shorter ones
//! the pool is *faster* when the owner is left alone.
//!
//! Nobody knows beforehand how long a task will take, so a worker learns it from what it took last: it reads the clock when it
//! takes tasks from a queue that is not its own, and when it has run dry. If each was worth less than [`WORTH`], then the next
//! time it finds work elsewhere it *waits* before it takes, twice as long each time, up to [`LONGEST`], and takes no more than a
//! [`PROBE`]. Taking that was worth its while makes it eager again.
//!
//! A worker that waits counts as searching, so nobody is woken to do what it does not want. That holds up a task for no longer
//! than the wait. What lies in the injector belongs to nobody, so there the wait ends as soon as no other worker makes progress.

use super::counters::Counters;
use crate::primitives::{clock, spin_loop, thread};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What a task must take for moving it to be worth its while. Half of it, and a pool takes part in work that it slows down;
/// twice as much, and programs whose tasks talk much and compute little stay on one core.
const WORTH: Duration = Duration::from_nanos(250);
/// The first wait; less costs its owner about as much as no wait.
const SHORTEST: Duration = Duration::from_micros(4);
/// The longest wait, which a task in the queue of a worker that is in a long poll may have to wait too. Shorter, and the
/// probes add up to some per cent of a fast owner's time.
const LONGEST: Duration = Duration::from_micros(64);
/// Tasks to take after a wait: enough to learn whether it is worth it now.
const PROBE: usize = 8;
/// Tasks to take when eager; the other limit is half of the queue.
const BATCH: usize = 32;
/// Pauses of the processor between two looks, about a third of a microsecond: a look takes lines that others write.
const PAUSES: u32 = 32;
/// Looks without progress of another worker after which the injector is not left to it. Fewer, and an ordinary poll looks
/// like a stuck one; more, and what was pushed from outside waits for longer behind one that is.
const LOOKS: u32 = 8;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Appetite {
    patience: Cell<Duration>,
    /// When it last took tasks from others, and how many, unless it has run dry since.
    taken: Cell<Option<(Instant, u32)>>,
}

impl Appetite {
    /// The worker has taken so many tasks.
    pub(super) fn took(&self, tasks: usize) {
        self.taken.set(Some((clock::now(), tasks as u32)));
    }

    /// The worker has nothing to run.
    pub(super) fn ran_dry(&self) {
        if let Some((since, tasks)) = self.taken.take() {
            self.learn(clock::now().saturating_duration_since(since) / tasks);
        }
    }

    fn learn(&self, each: Duration) {
        self.patience.set(if each >= WORTH {
            Duration::ZERO
        } else {
            (self.patience.get() * 2).clamp(SHORTEST, LONGEST)
        });
    }

    /// How many tasks to take from a deque.
    pub(super) fn limit(&self) -> usize {
        if self.is_eager() { BATCH } else { PROBE }
    }

    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.patience.get().is_zero()
    }

    /// Leaves work to others as long as patience lasts and `goes_on` says so. It is called every third of a microsecond.
    pub(super) fn wait(&self, mut goes_on: impl FnMut() -> bool) {
        if self.is_eager() {
            return;
        }
        let began = clock::now();
        while clock::now().saturating_duration_since(began) < self.patience.get() && goes_on() {
            (0..PAUSES).for_each(|_| spin_loop());
            // The owner of the work may be waiting for this very processor.
            thread::yield_now();
        }
    }
}

/// Whether some of the workers get on with their work.
pub(super) struct Progress {
    polls: u64,
    looks_left: u32,
}

impl Progress {
    pub(super) fn new() -> Self {
        Progress { polls: 0, looks_left: LOOKS }
    }

    /// Looks again.
    pub(super) fn goes_on<'a>(&mut self, workers: impl Iterator<Item = &'a Counters>) -> bool {
        let polls = workers.map(|worker| worker.polls.get()).sum();
        if polls != self.polls {
            *self = Progress { polls, looks_left: LOOKS };
        }
        self.looks_left = self.looks_left.saturating_sub(1);
        self.looks_left > 0
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_takings_that_were_not_worth_it_and_ends_with_one_that_was() {
        let appetite = Appetite::default();
        assert!(appetite.is_eager());
        appetite.learn(WORTH / 2);
        assert_eq!((appetite.patience.get(), appetite.limit()), (SHORTEST, PROBE));
        for _ in 0..10 {
            appetite.learn(WORTH / 2);
        }
        assert_eq!(appetite.patience.get(), LONGEST);
        appetite.learn(WORTH);
        assert!(appetite.is_eager());
        assert_eq!(appetite.limit(), BATCH);
    }

    #[test]
    fn an_eager_worker_does_not_wait() {
        Appetite::default().wait(|| panic!("it waits"));
    }

    #[test]
    fn a_wait_ends_when_others_make_no_progress() {
        let counters = Counters::default();
        let appetite = Appetite::default();
        for _ in 0..10 {
            appetite.learn(Duration::ZERO);
        }
        let (mut progress, mut looks) = (Progress::new(), 0);
        appetite.wait(|| {
            looks += 1;
            progress.goes_on([&counters].into_iter())
        });
        assert!(looks <= LOOKS, "it looked {looks} times");
    }
}

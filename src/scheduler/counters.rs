//! Statistics of one worker, on lines that only it writes.

use crate::primitives::plain::{AtomicU64, Ordering};

/// Each is written by the worker alone, with a load and a store, and read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Polls begun. While it stands still, the worker is in one poll or parked.
    pub(crate) polls: Counter,
    /// The id of the task that is being polled, or, between two polls, was polled last; 0 for a worker that has nothing to
    /// run.
    current: AtomicU64,
    /// Tasks that ended on this worker.
    pub(crate) ended: Counter,
    /// Wakes and spawns by this worker.
    pub(crate) local_schedules: Counter,
    /// Polls of a task from the LIFO slot.
    pub(crate) lifo_polls: Counter,
    /// Tasks stolen from peers.
    pub(crate) stolen: Counter,
    /// Steals that took something.
    pub(crate) steals: Counter,
    /// Times it went to sleep.
    pub(crate) parks: Counter,
    /// Times it woke up and found nothing.
    pub(crate) idle_wakes: Counter,
}

/// A number that one thread counts up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // Ordering: Relaxed; statistics. One writer, so no update is lost.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    #[inline(always)]
    pub(super) fn begin_poll(&self, task: u64) {
        self.polls.add(1);
        // Ordering: Relaxed; whoever reads it looks the task up and may find it gone.
        self.current.store(task, Ordering::Relaxed);
    }

    pub(super) fn end_polls(&self) {
        self.current.store(0, Ordering::Relaxed);
    }

    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }
}

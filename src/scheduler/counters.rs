//! Statistics of one worker, on lines that only it writes.

use super::pulse::Pulse;
use crate::primitives::plain::{AtomicU64, Ordering};

/// Each is written by the worker alone, with a load and a store, and read by anyone.
#[derive(Debug)]
pub(crate) struct Counters {
    /// First, and so on the line with the counters that are written most.
    pub(super) pulse: Pulse,
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
    pub(super) fn new() -> Self {
        Counters {
            pulse: Pulse::new(),
            ended: Counter::default(),
            local_schedules: Counter::default(),
            lifo_polls: Counter::default(),
            stolen: Counter::default(),
            steals: Counter::default(),
            parks: Counter::default(),
            idle_wakes: Counter::default(),
        }
    }

    /// Polls begun.
    pub(crate) fn polls(&self) -> u64 {
        self.pulse.polls()
    }
}

//! Statistics of one worker, on lines that only it writes.

use super::pulse::Pulse;
use crate::primitives::counter::{Counter, Distribution};
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
    /// Times it went to sleep, and times it was back from there: odd while it sleeps.
    pub(crate) parks_and_returns: Counter,
    /// Times it woke up and found nothing.
    pub(crate) idle_wakes: Counter,
    /// Polls that ended because their budget was used up, until the worker last looked.
    pub(crate) budget_yields: Counter,
    /// Nanoseconds that it was awake, until it last went to sleep.
    busy: Counter,
    /// Since when it is awake, in nanoseconds since the runtime's start, plus one; 0 while it sleeps.
    awake_since: AtomicU64,
    /// How long polls took, of those that were timed.
    pub(crate) poll_times: Distribution,
    /// How long tasks were ready before these polls, of those that have it noted.
    pub(crate) schedule_delays: Distribution,
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
            parks_and_returns: Counter::default(),
            idle_wakes: Counter::default(),
            budget_yields: Counter::default(),
            busy: Counter::default(),
            awake_since: AtomicU64::new(0),
            poll_times: Distribution::default(),
            schedule_delays: Distribution::default(),
        }
    }

    /// Times it went to sleep.
    pub(crate) fn parks(&self) -> u64 {
        self.parks_and_returns.get().div_ceil(2)
    }

    /// Polls begun.
    pub(crate) fn polls(&self) -> u64 {
        self.pulse.polls()
    }

    /// The worker wakes up, or begins. Times are in nanoseconds since the runtime's start.
    pub(super) fn wakes_up(&self, now: u64) {
        // Ordering: Relaxed; statistics.
        self.awake_since.store(now + 1, Ordering::Relaxed);
    }

    /// The worker goes to sleep, or ends.
    pub(super) fn falls_asleep(&self, now: u64) {
        // Ordering: Relaxed; statistics.
        let since = self.awake_since.load(Ordering::Relaxed);
        if since > 0 {
            self.awake_since.store(0, Ordering::Relaxed);
            self.busy.add(now.saturating_sub(since - 1));
        }
    }

    /// For how long it has been awake, nanoseconds.
    pub(super) fn busy(&self, now: u64) -> u64 {
        let busy = self.busy.get();
        // Ordering: Relaxed; if it falls asleep in between, what it was awake for last is told next time.
        match self.awake_since.load(Ordering::Relaxed) {
            0 => busy,
            since => busy + now.saturating_sub(since - 1),
        }
    }
}

//! The places of workers: what others can reach of each.
//!
//! Those of the pool come first and are there from the beginning. A spare's place is made when it is first needed, and is kept for the
//! next spare when it retires. The table never moves, so that thieves walk it without a lock.

use super::counters::Counters;
use super::lifo_slot::LifoSlot;
use super::pulse::Pulse;
use super::recorder::Tape;
use super::sleep::Parker;
use crate::primitives::backtrace::OsThread;
use crate::primitives::clock::Tick;
use crate::primitives::counter::Counter;
use crate::primitives::deque::{self, Stealer};
use crate::primitives::plain::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::primitives::{CachePadded, Mutex};
use crate::task::{RunToken, budget};
use std::sync::{Arc, OnceLock};

/// What others can reach of a worker: what they read when they search, and what only it writes, on lines apart.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) stealer: Stealer<RunToken>,
    pub(super) lifo_slot: CachePadded<LifoSlot>,
    pub(super) counters: CachePadded<Counters>,
    pub(super) parker: CachePadded<Parker>,
    /// What it records, once something was to be recorded.
    pub(super) tape: OnceLock<Tape>,
    /// The system's number of the thread that is this worker; 0 for none, or where the system tells none.
    thread: AtomicU32,
    /// By which the thread can be asked where it is, if that is wanted.
    traceable: Mutex<Option<OsThread>>,
    /// By which the monitor ends a poll that takes too long at its next step.
    pub(super) leash: budget::Leash,
    /// Polls that took too long, counted by the monitor.
    pub(super) stalls: Counter,
    /// The poll that the monitor saw last, and when it saw it first.
    seen: (AtomicU64, AtomicU32),
}

impl Remote {
    pub(super) fn pulse(&self) -> &Pulse {
        &self.counters.pulse
    }

    /// Whether tasks wait here for their turn.
    pub(super) fn has_tasks(&self) -> bool {
        !self.lifo_slot.is_vacant() || !self.stealer.is_empty()
    }

    pub(super) fn thread(&self) -> u32 {
        // Ordering: Relaxed; a number that means nothing to a thread that has ended does no harm.
        self.thread.load(Ordering::Relaxed)
    }

    pub(super) fn set_thread(&self, thread: u32) {
        // Ordering: Relaxed; as above.
        self.thread.store(thread, Ordering::Relaxed);
    }

    /// The monitor sees another poll.
    pub(super) fn see(&self, poll: u64, now: Tick) {
        // Ordering: Relaxed; if they do not belong together for a moment, a dump tells a wrong time.
        self.seen.1.store(now.as_raw(), Ordering::Relaxed);
        self.seen.0.store(poll, Ordering::Relaxed);
    }

    /// Since when, at least, the worker is in this poll; `None` if the monitor has not seen it yet.
    pub(super) fn seen_since(&self, poll: u64) -> Option<Tick> {
        // Ordering: Relaxed; as above.
        (self.seen.0.load(Ordering::Relaxed) == poll).then(|| Tick::from_raw(self.seen.1.load(Ordering::Relaxed)))
    }

    pub(super) fn traceable(&self) -> Option<OsThread> {
        *self.traceable.lock()
    }

    pub(super) fn set_traceable(&self, thread: Option<OsThread>) {
        *self.traceable.lock() = thread;
    }
}

/// A worker's place while nobody has it, or the right to it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) index: usize,
    pub(super) queue: deque::Worker<RunToken>,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Seats {
    places: Box<[OnceLock<Arc<Remote>>]>,
    /// How many places have been made.
    made: AtomicUsize,
    /// Those of spares that have retired.
    free: Mutex<Vec<Seat>>,
}

impl Seats {
    /// `workers` places, which are returned, and room for `spares` more.
    pub(super) fn new(workers: usize, spares: usize) -> (Self, Vec<Seat>) {
        let seats = Seats {
            places: (0..workers + spares).map(|_| OnceLock::new()).collect(),
            made: AtomicUsize::new(0),
            free: Mutex::new(Vec::new()),
        };
        let taken = (0..workers).map(|index| seats.make(index)).collect();
        (seats, taken)
    }

    fn make(&self, index: usize) -> Seat {
        let queue = deque::Worker::new_fifo();
        let remote = Remote {
            stealer: queue.stealer(),
            lifo_slot: CachePadded::new(LifoSlot::new()),
            counters: CachePadded::new(Counters::new()),
            parker: CachePadded::new(Parker::new()),
            tape: OnceLock::new(),
            thread: AtomicU32::new(0),
            traceable: Mutex::new(None),
            leash: budget::Leash::default(),
            stalls: Counter::default(),
            seen: (AtomicU64::new(0), AtomicU32::new(0)),
        };
        let was_empty = self.places[index].set(Arc::new(remote)).is_ok();
        debug_assert!(was_empty, "a place is made once");
        // Ordering: Release pairs with the Acquire in `len`: who counts the place finds it made.
        self.made.store(index + 1, Ordering::Release);
        Seat { index, queue }
    }

    /// A place for a spare; `None` when all are taken.
    pub(super) fn take(&self) -> Option<Seat> {
        let mut free = self.free.lock();
        // Under the lock: two must not make the same one.
        free.pop().or_else(|| (self.len() < self.places.len()).then(|| self.make(self.len())))
    }

    /// A spare's place is free again.
    pub(super) fn give_back(&self, seat: Seat) {
        self.free.lock().push(seat);
    }

    /// How many places there are now.
    pub(super) fn len(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `make`.
        self.made.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, index: usize) -> &Arc<Remote> {
        self.places[index].get().expect("a place below `len` has been made")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Remote>> {
        self.places.iter().map_while(OnceLock::get)
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_spares_place_is_used_again() {
        let (seats, taken) = Seats::new(2, 2);
        assert_eq!((taken.len(), seats.len()), (2, 2));
        let spare = seats.take().unwrap();
        assert_eq!((spare.index, seats.len()), (2, 3));
        seats.give_back(spare);
        assert_eq!(seats.take().map(|seat| seat.index), Some(2));
        assert_eq!(seats.take().map(|seat| seat.index), Some(3));
        assert!(seats.take().is_none());
        assert_eq!(seats.iter().count(), 4);
    }
}

//! The rings of threads that are no workers: whoever wakes or spawns from outside, and the monitor.
//!
//! There are a few, and a thread takes one for the length of a record: it swaps a word beside the ring, and passes on to the next ring if
//! that was taken. If all are, nothing is recorded, and the loss is counted. So nobody waits, not even for a thread that lost its processor with a
//! ring in hand.
//!
//! The swap is Acquire, and the word is given back with Release, so that each writer finds the ring as the one before left it: that is what
//! the ring asks of those who write one after the other.

use super::event::Tape;
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::plain::{AtomicU64, Ordering as PlainOrdering};
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex, thread};
use std::cell::Cell;
use std::collections::HashMap;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Outside {
    rings: Box<[CachePadded<InTurn<Tape>>]>,
    /// What was not recorded.
    lost: AtomicU64,
    /// What the threads are called that have recorded something, by their numbers.
    names: Mutex<HashMap<u64, Box<str>>>,
}

/// Something that one thread at a time may have, and nobody waits for.
#[derive(Debug)]
pub(super) struct InTurn<T> {
    is_taken: AtomicBool,
    value: T,
}

impl<T> InTurn<T> {
    fn new(value: T) -> Self {
        InTurn { is_taken: AtomicBool::new(false), value }
    }

    /// Calls `f` unless another thread is in such a call. `f` does not panic.
    fn try_with(&self, f: impl FnOnce(&T)) -> bool {
        // Ordering: Acquire pairs with the Release below.
        if self.is_taken.swap(true, planted::ordering(Step::RingIsHandedOn, Ordering::Acquire)) {
            return false;
        }
        f(&self.value);
        // Ordering: Release pairs with the Acquire above.
        self.is_taken.store(false, Ordering::Release);
        true
    }
}

/// Half as many, and threads on a large machine lose what they record at the same moment; each takes the memory of a worker's.
const RINGS: usize = 4;

/// Names that are kept. A program that starts a thread for each of a million tasks should not keep a million names.
const MOST_NAMES: usize = 4096;

thread_local! {
    /// This thread's number; 0 before it has one.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// The recorder that knows the thread's name.
    static KNOWN: Cell<u64> = const { Cell::new(0) };
}

impl Outside {
    pub(super) fn new(capacity: usize) -> Self {
        let ring = |_| CachePadded::new(InTurn::new(Tape::new(capacity)));
        Outside { rings: (0..RINGS).map(ring).collect(), lost: AtomicU64::new(0), names: Mutex::new(HashMap::new()) }
    }

    /// Lends the calling thread, whose number is given, a ring to write to. `recorder` identifies this among all of the process.
    pub(super) fn with(&self, recorder: u64, f: impl Fn(&Tape, u64)) {
        let thread = this_thread();
        if KNOWN.replace(recorder) != recorder {
            self.learn_name(thread);
        }
        let count = self.rings.len();
        let first = thread as usize % count;
        if !(first..first + count).any(|ring| self.rings[ring % count].try_with(|tape| f(tape, thread))) {
            // Ordering: Relaxed; statistics.
            self.lost.fetch_add(1, PlainOrdering::Relaxed);
        }
    }

    #[cold]
    fn learn_name(&self, thread: u64) {
        let current = thread::current();
        let Some(name) = current.name() else { return };
        let mut names = self.names.lock();
        if names.len() < MOST_NAMES {
            names.insert(thread, name.into());
        }
    }

    pub(super) fn tapes(&self) -> impl Iterator<Item = &Tape> {
        self.rings.iter().map(|ring| &ring.value)
    }

    pub(super) fn names(&self) -> HashMap<u64, Box<str>> {
        self.names.lock().clone()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(PlainOrdering::Relaxed)
    }
}

fn this_thread() -> u64 {
    let number = NUMBER.get();
    if number != 0 {
        return number;
    }
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Ordering: Relaxed; only uniqueness matters.
    NUMBER.set(NEXT.fetch_add(1, PlainOrdering::Relaxed));
    NUMBER.get()
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::super::event::Event;
    use super::*;

    fn record(outside: &Outside) {
        outside.with(1, |tape, thread| Event::Takes { tasks: thread }.write(tape));
    }

    fn count(outside: &Outside) -> usize {
        outside.tapes().map(|tape| tape.read().len()).sum()
    }

    #[test]
    fn what_many_threads_record_is_there_or_counted_as_lost() {
        let outside = Outside::new(1 << 12);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| record(&outside)));
            }
        });
        assert_eq!(count(&outside) as u64 + outside.lost(), 4000);
        assert!(count(&outside) >= 1000, "one at a time at least");
    }

    #[test]
    fn a_ring_that_is_taken_is_passed_by() {
        let outside = Outside::new(16);
        let ring = this_thread() as usize % RINGS;
        outside.rings[ring].try_with(|_| record(&outside));
        assert_eq!((count(&outside), outside.lost()), (1, 0));
        assert!(outside.rings[ring].value.read().is_empty());
    }

    #[test]
    fn a_thread_is_known_by_its_name() {
        let outside = Outside::new(16);
        std::thread::scope(|scope| {
            let named = std::thread::Builder::new().name("a thread".to_owned());
            named.spawn_scoped(scope, || record(&outside)).unwrap();
        });
        assert_eq!(outside.names().into_values().collect::<Vec<_>>(), ["a thread".into()]);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::super::ring::{Record, Ring};
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;

    #[test]
    fn writers_who_take_turns_lose_nothing_of_each_other() {
        loom::model(|| {
            let shared = Arc::new(InTurn::new(Ring::<2>::new(4)));
            let write = |shared: &InTurn<Ring<2>>, number| {
                shared.try_with(|ring| ring.write(Record { words: [number; 2], place: None }))
            };
            let other = loom::thread::spawn({
                let shared = shared.clone();
                move || write(&shared, 1)
            });
            let wrote = write(&shared, 2);
            let written = usize::from(other.join().unwrap()) + usize::from(wrote);
            let records = shared.value.read();
            assert_eq!(records.len(), written, "a record has taken the place of another");
            assert!(records.iter().all(|record| record.words[0] > 0 && record.words[0] == record.words[1]));
        });
    }

    #[test]
    fn the_model_of_several_writers_notices_a_ring_that_is_not_handed_on() {
        let name = "scheduler::recorder::outside::models::writers_who_take_turns_lose_nothing_of_each_other";
        assert_caught(name, Step::RingIsHandedOn);
    }
}

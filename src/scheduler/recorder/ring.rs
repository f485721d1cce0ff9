//! A ring of records: one thread writes, and anyone reads meanwhile.
//!
//! # The protocol
//!
//! `head` says how many records have been written. Record `n` is in slot `n` modulo the number of slots, so that it takes the place of the one a
//! round before. All of a record is atomic words, which are never torn; what has to be prevented is that a reader takes words of two records
//! for one.
//!
//! | the writer, for record `n` | | a reader | |
//! |---|---|---|---|
//! | 1 | `head` is `n`, since record `n - 1` | 5 | read `head`: `h` (Acquire) |
//! | 2 | fence (Release) | 6 | copy the slots of all records below `h` that there is room for |
//! | 3 | write the words of the slot | 7 | fence (Acquire) |
//! | 4 | `head` becomes `n + 1` (Release) | 8 | read `head` again: `k` |
//! | | | 9 | keep what is a record above `k` minus the number of slots |
//!
//! # Why what is kept is whole
//!
//! *It was written.* Record `m` is below `h`, so step 4 of `m` happened before step 5, and its words before that: the copy has these words, or
//! later ones.
//!
//! *It was not written over.* Say the copy of `m` has a word of a later record in that slot, `n`, which is at least `m` plus the number of
//! slots. The word was written in step 3 of `n`, behind the fence of step 2, and read in step 6, before the fence of step 7. So these fences
//! pair, and what was before the one, `head` being `n`, is before what is behind the other: `k` is at least `n`. Then `m` is not above `k` minus
//! the number of slots, and was given up in step 9.
//!
//! So a reader loses the oldest record always, and of the others as many as were written while it copied.
//!
//! Nobody waits for anybody. A writer does six stores and no read-modify-write; both fences cost nothing on x86.
//!
//! # Several writers
//!
//! One after the other may write, if each hands the ring to the next with Release and Acquire: workers do, by the lock of their seat, and
//! threads that are no workers by a word beside the ring; see [`outside`](super::outside).

use crate::primitives::atomic::{AtomicU64, Ordering, fence};
use crate::primitives::planted::{self, Step};
use crate::primitives::static_ref::AtomicStatic;
use std::panic::Location;

/// A place in the program.
pub(crate) type Place = &'static Location<'static>;

/// See the module's page. A record has so many words, besides a place in the program.
#[derive(Debug)]
pub(crate) struct Ring<const WORDS: usize> {
    slots: Box<[Slot<WORDS>]>,
    head: AtomicU64,
}

/// Half a cache line: two records are written to the same one, and none lies on two.
#[derive(Debug)]
#[repr(align(32))]
struct Slot<const WORDS: usize> {
    words: [AtomicU64; WORDS],
    place: AtomicStatic<Location<'static>>,
}

/// What a record is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<const WORDS: usize> {
    pub(super) words: [u64; WORDS],
    pub(super) place: Option<Place>,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// `capacity` is a power of two.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two(), "slots are found by a mask");
        let slot = || Slot { words: std::array::from_fn(|_| AtomicU64::new(0)), place: AtomicStatic::none() };
        Ring { slots: (0..capacity).map(|_| slot()).collect(), head: AtomicU64::new(0) }
    }

    /// Steps 1 to 4. For the one who writes.
    #[inline(always)]
    pub(super) fn write(&self, record: Record<WORDS>) {
        // Ordering: Relaxed; this thread wrote it, or was handed the ring.
        let head = self.head.load(Ordering::Relaxed);
        if planted::keeps(Step::RecorderFences) {
            // Pairs with the fence in `read`.
            fence(Ordering::Release);
        }
        let slot = &self.slots[head as usize & (self.slots.len() - 1)];
        for (word, value) in slot.words.iter().zip(record.words) {
            // Ordering: Relaxed; between the fence and the store below.
            word.store(value, Ordering::Relaxed);
        }
        slot.place.store(record.place);
        // Ordering: Release pairs with the Acquire in `read`.
        self.head.store(head.wrapping_add(1), planted::ordering(Step::RecordPublishes, Ordering::Release));
    }

    /// Steps 5 to 9: the last records, the oldest first.
    pub(super) fn read(&self) -> Vec<Record<WORDS>> {
        let slots = self.slots.len() as u64;
        // Ordering: Acquire pairs with the Release in `write`.
        let head = self.head.load(Ordering::Acquire);
        let first = head.saturating_sub(slots);
        let mut records: Vec<_> = (first..head).map(|record| self.slot(record).load()).collect();
        if planted::keeps(Step::ReaderFences) {
            // Pairs with the fence in `write`.
            fence(Ordering::Acquire);
        }
        // Ordering: Relaxed; see the fence.
        let now = self.head.load(Ordering::Relaxed);
        let whole = (now + 1).saturating_sub(slots);
        if whole > first && planted::keeps(Step::ReaderLooksAgain) {
            records.drain(..((whole - first) as usize).min(records.len()));
        }
        records
    }

    /// Whether there was more than there is room for.
    pub(super) fn has_gone_round(&self) -> bool {
        // Ordering: Relaxed; a number.
        self.head.load(Ordering::Relaxed) >= self.slots.len() as u64
    }

    fn slot(&self, record: u64) -> &Slot<WORDS> {
        &self.slots[record as usize & (self.slots.len() - 1)]
    }
}

impl<const WORDS: usize> Slot<WORDS> {
    fn load(&self) -> Record<WORDS> {
        // Ordering: Relaxed; the fence in `read` is behind it.
        let words = std::array::from_fn(|word| self.words[word].load(Ordering::Relaxed));
        Record { words, place: self.place.load() }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn record(number: u64) -> Record<3> {
        Record { words: [number; 3], place: number.is_multiple_of(2).then(Location::caller) }
    }

    #[test]
    fn all_is_read_in_order_while_there_is_room() {
        let ring = Ring::new(8);
        assert!(ring.read().is_empty());
        (0..7).map(record).for_each(|record| ring.write(record));
        let numbers: Vec<_> = ring.read().iter().map(|record| record.words[0]).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
        assert!(ring.read().iter().all(|record| record.place.is_some() == record.words[0].is_multiple_of(2)));
    }

    #[test]
    fn the_oldest_are_written_over() {
        let ring = Ring::new(4);
        (0..11).map(record).for_each(|record| ring.write(record));
        let numbers: Vec<_> = ring.read().iter().map(|record| record.words[0]).collect();
        assert_eq!(numbers, [8, 9, 10], "and the one that might be written over just now is not read");
    }

    #[test]
    fn records_that_are_read_while_others_are_written_are_whole_and_in_order() {
        let (ring, is_over) = (Ring::new(64), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let numbers = (0..).take_while(|_| !is_over.load(Ordering::Relaxed));
                numbers.for_each(|number| ring.write(record(number)));
            });
            for _ in 0..2000 {
                let records = ring.read();
                assert!(records.iter().all(|record| record.words.iter().all(|&word| word == record.words[0])));
                assert!(records.windows(2).all(|pair| pair[0].words[0] + 1 == pair[1].words[0]));
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    /// A writer who goes round, and a reader. Two words are enough to be of two records.
    ///
    /// The reader is the thread that is spawned: of a word that its writer reads before each write loom would not see that others read it too.
    #[test]
    fn a_reader_keeps_whole_records_only() {
        loom::model(|| {
            let ring = Arc::new(Ring::<2>::new(2));
            let reading = thread::spawn({
                let ring = ring.clone();
                move || ring.read()
            });
            (1..=3).for_each(|number| ring.write(Record { words: [number; 2], place: None }));
            for record in reading.join().unwrap() {
                assert!(record.words[0] > 0, "a record is read that was not written");
                assert_eq!(record.words[0], record.words[1], "a record is read that is two");
            }
            assert_eq!(ring.read().len(), 1);
        });
    }

    const NAME: &str = "scheduler::recorder::ring::models::a_reader_keeps_whole_records_only";

    #[test]
    fn the_ring_model_notices_a_writer_without_a_fence() {
        assert_caught(NAME, Step::RecorderFences);
    }

    #[test]
    fn the_ring_model_notices_a_record_that_is_not_published() {
        assert_caught(NAME, Step::RecordPublishes);
    }

    #[test]
    fn the_ring_model_notices_a_reader_without_a_fence() {
        assert_caught(NAME, Step::ReaderFences);
    }

    #[test]
    fn the_ring_model_notices_a_reader_that_does_not_look_again() {
        assert_caught(NAME, Step::ReaderLooksAgain);
    }
}

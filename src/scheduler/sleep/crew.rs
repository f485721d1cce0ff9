//! How many workers there are, and how many of them sleep, search or are stuck, in one word.
//!
//! | bits | count | changed |
//! |---|---|---|
//! | 0-15 | parked: in the list of sleepers | under the lock of the sleepers |
//! | 16-31 | members: the workers of the pool, and the spares that are out | by whoever releases a spare; by a spare that retires |
//! | 32-47 | stuck: members whose poll takes too long, or who said that they block | by the monitor and the worker; see `../pulse.rs` |
//! | 48-63 | searching | by anyone |
//!
//! `searching` comes last, so that whether nobody searches is one comparison. A count never goes below zero, because what is taken
//! off was put on before: `stuck` is raised before its worker can learn of it.

use crate::primitives::atomic::{AtomicU64, Ordering};

const PARKED: u64 = 1;
const MEMBER: u64 = 1 << 16;
const STUCK: u64 = 1 << 32;
const SEARCHING: u64 = 1 << 48;
const MASK: u64 = 0xffff;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Crew(AtomicU64);

/// The counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Muster {
    pub(crate) parked: usize,
    pub(crate) members: usize,
    pub(crate) stuck: usize,
    pub(crate) searching: usize,
}

impl Muster {
    fn of(word: u64) -> Self {
        let count = |unit: u64| ((word / unit) & MASK) as usize;
        Muster { parked: count(PARKED), members: count(MEMBER), stuck: count(STUCK), searching: count(SEARCHING) }
    }

    /// Those who can do what there is to do, asleep or not.
    pub(crate) fn able(self) -> usize {
        self.members - self.stuck
    }

    /// Those who are awake and not known to be stuck.
    pub(crate) fn at_work(self) -> usize {
        self.able().saturating_sub(self.parked)
    }
}

// Ordering: the read-modify-writes are AcqRel, which keeps the word's history in one chain. What the protocol promises
// comes from the fences around them, in `sleep/mod.rs`.
impl Crew {
    pub(super) fn new(members: usize) -> Self {
        Crew(AtomicU64::new(members as u64 * MEMBER))
    }

    pub(super) fn muster(&self) -> Muster {
        // Ordering: Relaxed; where it matters a fence stands before.
        Muster::of(self.0.load(Ordering::Relaxed))
    }

    /// Whether a pusher has somebody to wake, and a reason to.
    #[inline]
    pub(super) fn wants_notification(&self) -> bool {
        // Ordering: Relaxed; the fence before it, where there is one, pairs with the fence in `announce`.
        let word = self.0.load(Ordering::Relaxed);
        word & MASK != 0 && word < SEARCHING
    }

    pub(super) fn try_search(&self, workers: usize) -> bool {
        // Ordering: Relaxed; a stale count only lets one searcher more or less in.
        let searching = self.0.load(Ordering::Relaxed) / SEARCHING;
        if 2 * searching as usize >= workers {
            return false;
        }
        self.0.fetch_add(SEARCHING, Ordering::AcqRel);
        true
    }

    /// True: it was the last.
    pub(super) fn end_search(&self) -> bool {
        self.0.fetch_sub(SEARCHING, Ordering::AcqRel) / SEARCHING == 1
    }

    pub(super) fn announce(&self, was_searching: bool) {
        if was_searching {
            self.0.fetch_sub(SEARCHING - PARKED, Ordering::AcqRel);
        } else {
            self.0.fetch_add(PARKED, Ordering::AcqRel);
        }
    }

    pub(super) fn parked_to_searching(&self) {
        self.0.fetch_add(SEARCHING - PARKED, Ordering::AcqRel);
    }

    pub(super) fn parked_to_running(&self) {
        self.0.fetch_sub(PARKED, Ordering::AcqRel);
    }

    /// A spare comes in. It counts as searching, so that nobody else is woken for what it comes for.
    pub(super) fn enlist(&self) {
        self.0.fetch_add(MEMBER + SEARCHING, Ordering::AcqRel);
    }

    /// A spare that was to come does not. It goes on searching until it says that it does not.
    pub(super) fn strike(&self) {
        self.0.fetch_sub(MEMBER, Ordering::AcqRel);
    }

    /// A spare leaves, if more than `enough` are able without it.
    #[inline]
    pub(super) fn retire(&self, enough: usize) -> bool {
        // Ordering: Relaxed; the exchange decides.
        let mut word = self.0.load(Ordering::Relaxed);
        while Muster::of(word).able() > enough {
            match self.0.compare_exchange_weak(word, word - MEMBER, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    pub(super) fn begin_stuck(&self) {
        self.0.fetch_add(STUCK, Ordering::AcqRel);
    }

    pub(super) fn end_stuck(&self) {
        self.0.fetch_sub(STUCK, Ordering::AcqRel);
    }
}

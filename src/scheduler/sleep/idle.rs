//! How many workers search and how many are parked, in one word.
//!
//! | bits | count | changed |
//! |---|---|---|
//! | 0-15 | parked | under the lock of the sleepers |
//! | 16-31 | searching | by anyone |

use crate::primitives::atomic::{AtomicU32, Ordering};

const PARKED: u32 = 1;
const SEARCHING: u32 = 1 << 16;
const PARKED_MASK: u32 = SEARCHING - 1;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Idle(AtomicU32);

// Ordering: the read-modify-writes are AcqRel, which keeps the word's history in one chain. What the protocol promises
// comes from the fences around them, in `sleep/mod.rs`.
impl Idle {
    pub(super) fn new() -> Self {
        Idle(AtomicU32::new(0))
    }

    /// Whether a pusher has somebody to wake, and a reason to.
    #[inline]
    pub(super) fn wants_notification(&self) -> bool {
        // Ordering: Relaxed; the fence before it, where there is one, pairs with the fence in `announce`.
        let word = self.0.load(Ordering::Relaxed);
        word & PARKED_MASK != 0 && word < SEARCHING
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

    /// How many are parked or search, about.
    pub(super) fn idle(&self) -> usize {
        // Ordering: Relaxed; a hint.
        let word = self.0.load(Ordering::Relaxed);
        ((word & PARKED_MASK) + word / SEARCHING) as usize
    }

    pub(super) fn parked(&self) -> usize {
        // Ordering: Relaxed; a statistic.
        (self.0.load(Ordering::Relaxed) & PARKED_MASK) as usize
    }
}

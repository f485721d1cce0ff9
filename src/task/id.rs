//! Identifiers of tasks.

use crate::primitives::plain::{AtomicU64, Ordering};
use std::fmt;
use std::num::NonZeroU64;

/// Identifies a task among all tasks of this process, those of other runtimes included.
///
/// An id is never used twice. Ids say nothing about the order in which tasks were spawned: each worker draws them
/// from a block of its own.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(async {});
/// println!("task {} is on its way", task.id());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Id {
    pub(super) fn from_raw(raw: u64) -> Self {
        Id(NonZeroU64::new(raw).expect("ids start at 1 and are set before the task is seen"))
    }

    #[cfg(test)]
    pub(crate) fn from_number(number: NonZeroU64) -> Self {
        Id(number)
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

/// A run of ids that belongs to one shard.
///
/// A block of 1024: one touch of the process-wide counter for so many spawns. Half of it would double those touches;
/// twice as many would only make ids jump further apart.
#[derive(Debug, Default)]
pub(super) struct Block {
    next: u64,
    end: u64,
    /// Ids drawn from earlier blocks.
    before: u64,
}

const BLOCK: u64 = 1024;

impl Block {
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        if self.next == self.end {
            self.renew();
        }
        let id = self.next;
        self.next += 1;
        id
    }

    #[cold]
    fn renew(&mut self) {
        static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);
        self.before = self.drawn();
        // Ordering: Relaxed, only uniqueness matters.
        self.next = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
        self.end = self.next + BLOCK;
    }

    /// How many ids were drawn.
    pub(super) fn drawn(&self) -> u64 {
        let left = self.end - self.next;
        if self.end == 0 { 0 } else { self.before + BLOCK - left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_how_many_ids_were_drawn() {
        let mut block = Block::default();
        assert_eq!(block.drawn(), 0);
        for drawn in 1..=2 * BLOCK + 1 {
            block.next();
            assert_eq!(block.drawn(), drawn);
        }
    }
}

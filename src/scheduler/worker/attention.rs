//! What a worker has to see to besides polling: mostly nothing, and that is one look before each poll.

use std::cell::Cell;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Attention {
    bits: Cell<u8>,
    /// Polls among which a stamped task may be.
    left: Cell<u32>,
}

/// The worker is counted as searching.
const SEARCHES: u8 = 1 << 0;
/// The poll is to be timed.
const TIMES: u8 = 1 << 1;
/// Hooks are called around each poll.
const CALLS_HOOKS: u8 = 1 << 3;
/// Polls are recorded.
const RECORDS: u8 = 1 << 4;
/// A task may come that has a stamp, which tells since when it is ready.
const SEEKS: u8 = 1 << 2;

impl Attention {
    #[inline(always)]
    pub(super) fn is_needed(&self) -> bool {
        self.bits.get() != 0
    }

    #[inline]
    pub(super) fn searches(&self) -> bool {
        self.has(SEARCHES)
    }

    #[inline]
    pub(super) fn set_searches(&self, searches: bool) {
        self.set(SEARCHES, searches);
    }

    pub(super) fn times(&self) -> bool {
        self.has(TIMES)
    }

    pub(super) fn set_times(&self, times: bool) {
        self.set(TIMES, times);
    }

    pub(super) fn calls_hooks(&self) -> bool {
        self.has(CALLS_HOOKS)
    }

    pub(super) fn set_calls_hooks(&self, calls: bool) {
        self.set(CALLS_HOOKS, calls);
    }

    #[inline]
    pub(super) fn records(&self) -> bool {
        self.has(RECORDS)
    }

    pub(super) fn set_records(&self, records: bool) {
        self.set(RECORDS, records);
    }

    pub(super) fn seeks(&self) -> bool {
        self.has(SEEKS)
    }

    /// Among so many polls there may be a stamped task.
    pub(super) fn seek(&self, polls: u32) {
        self.set(SEEKS, true);
        self.left.set(self.left.get().max(polls));
    }

    /// One of them was looked at.
    pub(super) fn looked(&self, found: bool) {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        if found || left == 0 {
            self.left.set(0);
            self.set(SEEKS, false);
        }
    }

    #[inline]
    fn has(&self, bit: u8) -> bool {
        self.bits.get() & bit != 0
    }

    #[inline]
    fn set(&self, bit: u8, on: bool) {
        let others = self.bits.get() & !bit;
        self.bits.set(if on { others | bit } else { others });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_for_a_stamp_ends_when_it_is_found_or_after_so_many_polls() {
        let attention = Attention::default();
        attention.set_searches(true);
        attention.seek(3);
        attention.seek(2);
        attention.looked(false);
        attention.looked(false);
        assert!(attention.seeks());
        attention.looked(false);
        assert!(!attention.seeks());
        attention.seek(3);
        attention.looked(true);
        assert!(!attention.seeks() && attention.searches());
    }
}

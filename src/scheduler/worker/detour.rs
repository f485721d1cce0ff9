//! What is not to go straight into the LIFO slot: mostly nothing, and that is one look for each wake.

use std::cell::Cell;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Detour {
    now: Cell<u8>,
    /// After each poll.
    usual: Cell<u8>,
}

/// To the deque: always, in `Events`, or because a task that came out of the deque has ended.
const TO_DEQUE: u8 = 1 << 0;
/// Noting since when it is ready: the next, or always.
const STAMP: u8 = 1 << 1;
/// It is recorded who wakes it.
const RECORD: u8 = 1 << 2;

impl Detour {
    pub(super) fn new(no_slot: bool, stamp_all: bool) -> Self {
        let usual = if no_slot { TO_DEQUE } else { 0 } | if stamp_all { STAMP } else { 0 };
        Detour { now: Cell::new(usual), usual: Cell::new(usual) }
    }

    #[inline(always)]
    pub(super) fn is_needed(&self) -> bool {
        self.now.get() != 0
    }

    #[inline(always)]
    pub(super) fn set_to_deque(&self) {
        self.now.set(self.now.get() | TO_DEQUE);
    }

    #[inline(always)]
    pub(super) fn reset(&self) {
        self.now.set(self.usual.get());
    }

    pub(super) fn leads_to_deque(&self) -> bool {
        self.now.get() & TO_DEQUE != 0
    }

    pub(super) fn records(&self) -> bool {
        self.usual.get() & RECORD != 0
    }

    /// From now on, or no more.
    pub(super) fn set_records(&self, records: bool) {
        let set = |word: &Cell<u8>| word.set(word.get() & !RECORD | if records { RECORD } else { 0 });
        set(&self.usual);
        set(&self.now);
    }

    /// The next is to be stamped.
    pub(super) fn stamp_next(&self) {
        self.now.set(self.now.get() | STAMP);
    }

    pub(super) fn stamps_all(&self) -> bool {
        self.usual.get() & STAMP != 0
    }

    /// Whether this one is to be stamped.
    pub(super) fn take_stamp(&self) -> bool {
        let now = self.now.get();
        self.now.set(now & !STAMP | self.usual.get() & STAMP);
        now & STAMP != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_stamped_or_all_are() {
        let detour = Detour::new(false, false);
        assert!(!detour.is_needed());
        detour.stamp_next();
        assert!(detour.is_needed() && detour.take_stamp() && !detour.take_stamp());
        let all = Detour::new(true, true);
        assert!(all.take_stamp() && all.take_stamp() && all.leads_to_deque());
    }

    #[test]
    fn all_are_recorded_or_none() {
        let detour = Detour::new(false, false);
        detour.set_records(true);
        detour.reset();
        assert!(detour.is_needed() && detour.records() && !detour.leads_to_deque() && !detour.take_stamp());
        detour.set_records(false);
        assert!(!detour.is_needed());
    }

    #[test]
    fn after_a_poll_it_is_as_usual() {
        let detour = Detour::new(false, false);
        detour.set_to_deque();
        detour.stamp_next();
        detour.reset();
        assert!(!detour.is_needed());
    }
}

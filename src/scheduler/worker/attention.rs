//! What a worker has to see to at its next poll besides polling: mostly nothing, and that is one look.

use std::cell::Cell;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Attention(Cell<u8>);

/// The worker is counted as searching.
const SEARCHES: u8 = 1 << 0;
/// The poll is to be timed.
const TIMES: u8 = 1 << 1;

impl Attention {
    #[inline(always)]
    pub(super) fn is_needed(&self) -> bool {
        self.0.get() != 0
    }

    #[inline]
    pub(super) fn searches(&self) -> bool {
        self.0.get() & SEARCHES != 0
    }

    #[inline]
    pub(super) fn set_searches(&self, searches: bool) {
        self.set(SEARCHES, searches);
    }

    pub(super) fn times(&self) -> bool {
        self.0.get() & TIMES != 0
    }

    pub(super) fn set_times(&self, times: bool) {
        self.set(TIMES, times);
    }

    #[inline]
    fn set(&self, bit: u8, on: bool) {
        let others = self.0.get() & !bit;
        self.0.set(if on { others | bit } else { others });
    }
}

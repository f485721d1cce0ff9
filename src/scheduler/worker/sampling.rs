//! Which polls are timed, when not all are.
//!
//! A worker is asked after every 61 polls or so. Each is a sample then if there was none for a tick of the coarse clock; a busy
//! worker, for which that is not long, takes one in [`TURNS`] on top. A sample is four clock reads.

use crate::primitives::clock::Tick;
use std::cell::Cell;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Sampling {
    left: Cell<u32>,
    last: Cell<Tick>,
}

/// With half as many, polls of 10 ns become 3 % slower; with twice as many, a program of a second tells little.
const TURNS: u32 = 8;

impl Sampling {
    pub(super) fn new() -> Self {
        Sampling { left: Cell::new(TURNS), last: Cell::new(Tick::now()) }
    }

    /// Whether the next is a sample.
    pub(super) fn is_due(&self) -> bool {
        let left = self.left.get() - 1;
        let is_due = left == 0 || self.last.get() != Tick::now();
        self.left.set(if is_due { TURNS } else { left });
        if is_due {
            self.last.set(Tick::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_is_a_sample_at_least() {
        let sampling = Sampling::new();
        let samples = (0..TURNS * 100).filter(|_| sampling.is_due()).count();
        assert!(samples >= 100, "{samples}");
    }
}

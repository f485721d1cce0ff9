//! What time it is for one runtime.

use crate::primitives::clock::Time;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Clock {}

impl Clock {
    /// The time now, for the price of a clock read.
    #[inline]
    pub(super) fn now(&self) -> Time {
        Time::now()
    }

    /// A time that has been, mostly not more than 10 ms ago.
    #[inline]
    pub(super) fn coarse(&self) -> Time {
        Time::coarse()
    }
}

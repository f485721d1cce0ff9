//! Stands in for `trace/` where the feature `tracing` is off: nothing is told, and it costs nothing.

use std::task::{Context, Waker};
#[cfg(feature = "time")]
use std::time::Duration;

pub(crate) struct BlockOn(Waker);

impl BlockOn {
    #[inline(always)]
    pub(crate) fn new(waker: Waker, _bytes: usize) -> Self {
        BlockOn(waker)
    }

    #[inline(always)]
    pub(crate) fn poll<R>(&self, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        poll(&mut Context::from_waker(&self.0))
    }
}

#[cfg(feature = "time")]
#[derive(Debug)]
pub(crate) struct Resource {}

#[cfg(feature = "time")]
impl Resource {
    #[inline(always)]
    pub(crate) fn sleep() -> Self {
        Resource {}
    }

    #[inline(always)]
    pub(crate) fn interval() -> Self {
        Resource {}
    }

    #[inline(always)]
    pub(crate) fn pending(&mut self, _left: impl FnOnce() -> Duration) {}

    #[inline(always)]
    pub(crate) fn ready(&self) {}

    #[inline(always)]
    pub(crate) fn reset(&self, _left: impl FnOnce() -> Duration) {}
}

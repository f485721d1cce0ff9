//! Stands in for `traced.rs` where the feature `tracing` is off: nothing is told, and it costs nothing.

use super::header::{Header, Meta, RunToken};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::Waker;

#[derive(Clone, Copy)]
pub(super) struct Story {}

impl Story {
    #[inline(always)]
    pub(super) fn of(_header: &Header) -> Self {
        Story {}
    }

    /// # Safety
    ///
    /// None; that of `traced.rs` has conditions.
    #[inline(always)]
    pub(super) unsafe fn waker(self, _header: NonNull<Header>, plain: ManuallyDrop<Waker>) -> ManuallyDrop<Waker> {
        plain
    }

    #[inline(always)]
    pub(super) fn enter(self) -> Inside {
        Inside {}
    }

    #[inline(always)]
    pub(super) fn end(self) {}
}

pub(super) struct Inside {}

impl Meta {
    #[inline(always)]
    pub(crate) fn traced_task(self, _bytes: usize) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn traced_local(self, _bytes: usize) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn traced_blocking(self, _function: &'static str, _bytes: usize) -> Self {
        self
    }
}

impl RunToken {
    #[inline(always)]
    pub(crate) fn tell_spawned(&self) {}
}

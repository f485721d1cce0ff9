//! Telling others of a task's life: a part of the task's vtable, chosen when it is spawned, so that a task of which nothing is told pays nothing.

use super::header::Header;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::Waker;

/// What is told while a task runs, and when it ends.
pub(super) trait Teller {
    /// The waker for a poll, given the task's plain one. It stands for a reference that the poll does not own.
    ///
    /// # Safety
    ///
    /// `header` is of a live cell, was made of a pointer to the whole of it, and outlives the use of what is returned, which is
    /// never dropped.
    unsafe fn waker(header: NonNull<Header>, plain: ManuallyDrop<Waker>) -> ManuallyDrop<Waker>;

    /// Runs code of the task's.
    fn inside<R>(header: &Header, code: impl FnOnce() -> R) -> R;

    /// The future has been dropped, and whoever joins the task does not know yet. Called once, if the task was ever taken in.
    fn ended(header: &Header);
}

/// Nothing is told.
pub(super) struct Untold;

impl Teller for Untold {
    #[inline(always)]
    unsafe fn waker(_header: NonNull<Header>, plain: ManuallyDrop<Waker>) -> ManuallyDrop<Waker> {
        plain
    }

    #[inline(always)]
    fn inside<R>(_header: &Header, code: impl FnOnce() -> R) -> R {
        code()
    }

    #[inline(always)]
    fn ended(_header: &Header) {}
}

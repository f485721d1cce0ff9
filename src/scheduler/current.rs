//! Which worker this thread is.

use super::{Shared, Worker};
use crate::task::Id;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::null;

thread_local! {
    // Without a destructor, so that wakes from other thread-locals' destructors find it.
    static CURRENT: Cell<*const Worker> = const { Cell::new(null()) };
    /// See `set_answers`.
    static ANSWERS: Cell<bool> = const { Cell::new(false) };
}

/// Says that this thread, which is no worker, has just been woken: what it pushes first is an answer. Or that this is over.
pub(crate) fn set_answers(answers: bool) {
    ANSWERS.set(answers);
}

/// Whether what this thread pushes now is an answer. It is so once: whoever answers with many tasks does not wait for one.
pub(super) fn take_answers() -> bool {
    ANSWERS.replace(false)
}

/// Runs `f` with this thread's worker, if it is one of `scheduler`'s.
#[inline(always)]
pub(super) fn with<R>(scheduler: *const Shared, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    // SAFETY: `enter` set the pointer to a worker that it borrows until it resets the pointer, on this thread.
    let worker = unsafe { CURRENT.get().as_ref() };
    f(worker.filter(|worker| worker.is_of(scheduler)))
}

/// Runs `f` with this thread's worker, whatever its scheduler.
#[inline]
pub(super) fn with_any<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    // SAFETY: `enter` set the pointer to a worker that it borrows until it resets the pointer, on this thread.
    f(unsafe { CURRENT.get().as_ref() })
}

/// The id of the task that this thread's worker polls, whatever its scheduler.
pub(crate) fn polled_id() -> Option<Id> {
    with_any(|worker| worker?.polled_id())
}

/// Where this thread's worker is at home, whatever its scheduler.
#[inline]
pub(crate) fn home() -> Option<usize> {
    with_any(|worker| worker.map(Worker::home))
}

/// Makes `worker` this thread's worker until the guard is dropped.
pub(super) fn enter(worker: &Worker) -> Entered<'_> {
    Entered { before: CURRENT.replace(worker), worker: PhantomData }
}

/// Resets the thread's worker when dropped. Private to the worker loop, which never leaks it.
pub(super) struct Entered<'a> {
    before: *const Worker,
    worker: PhantomData<&'a Worker>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

//! Tasks that a subscriber of `tracing` follows. What it is told, and what it may do, is in [`trace`](crate::trace).
//!
//! A task that nobody wants to hear of when it is spawned is not followed, and has a null in its header that says so. One that is has its span behind
//! that pointer, and wakers with a vtable of their own, which tell what is done with them.
//!
//! | what | when |
//! |---|---|
//! | the span is opened | the task has its id, and nobody else has its run token |
//! | entered | around each poll, and where the future is dropped without one |
//! | closed | the future is gone, and whoever joins the task does not know yet |

use super::header::{Header, Meta, RunToken, TaskRef};
use crate::trace::{self, Kind, Open, Waking};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What is told of one task that is followed.
pub(super) struct Told {
    kind: Kind,
    bytes: usize,
    /// From the spawn to the end of the task.
    span: Open,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("kind", &self.kind).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Meta {
    /// It is that of a task whose future has so many bytes.
    #[inline]
    pub(crate) fn traced_task(self, bytes: usize) -> Self {
        self.traced(Kind::Task, bytes)
    }

    /// The same, of one that stays on its thread.
    #[inline]
    pub(crate) fn traced_local(self, bytes: usize) -> Self {
        self.traced(Kind::Local, bytes)
    }

    /// It is that of a closure, with the name of its type.
    #[inline]
    pub(crate) fn traced_blocking(self, function: &'static str, bytes: usize) -> Self {
        self.traced(Kind::Blocking(function), bytes)
    }

    #[inline]
    fn traced(self, kind: Kind, bytes: usize) -> Self {
        if trace::is_wanted(kind) { self.with_told(Told { kind, bytes, span: Open::new(None) }) } else { self }
    }
}

// What each task goes through asks only whether the task is a plain one, which costs two instructions. The rest is behind a call.

impl RunToken {
    /// The task has been taken in by its registry, and nobody else has seen it.
    #[inline(always)]
    pub(crate) fn tell_spawned(&self) {
        let header = self.header();
        if !header.meta.is_plain() {
            begin(header);
        }
    }
}

#[cold]
fn begin(header: &Header) {
    let (meta, id) = (&header.meta, header.id().as_u64());
    if let Some(told) = meta.told() {
        told.span.set(trace::open_task(told.kind, told.bytes, meta.name(), Some(id), meta.location));
    }
}

/// A poll begins. If the task is followed, its waker for this poll is replaced by one that tells; that stands for a reference that the poll does
/// not own, too.
///
/// # Safety
///
/// `header` is of a live cell, was made of a pointer to the whole of it, and outlives the use of the waker, which is never dropped.
#[inline(always)]
pub(super) unsafe fn poll_begins(header: NonNull<Header>, waker: &mut ManuallyDrop<Waker>) {
    // SAFETY: the caller keeps the cell alive.
    if !unsafe { header.as_ref() }.meta.is_plain() {
        // SAFETY: the caller's promise.
        unsafe { attentive_poll_begins(header, waker) };
    }
}

/// # Safety
///
/// As for [`poll_begins`].
#[cold]
unsafe fn attentive_poll_begins(header: NonNull<Header>, waker: &mut ManuallyDrop<Waker>) {
    // SAFETY: the caller keeps the cell alive.
    if let Some(told) = unsafe { header.as_ref() }.meta.told() {
        let data = header.as_ptr().cast_const().cast();
        // SAFETY: the functions of the vtable are safe to call from any thread, because a `TaskRef` is `Send` and `Sync`, as long as there is a
        // reference behind each waker; the caller sees to this one's.
        *waker = ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &WAKER)) });
        told.span.enter();
    }
}

/// The task's own code runs, until [`leave`].
#[inline(always)]
pub(super) fn enter(header: &Header) {
    tell_of(header, Open::enter);
}

/// The task's own code is back. What [`enter`] did not tell because the thread told something, this does not tell for the same reason.
#[inline(always)]
pub(super) fn leave(header: &Header) {
    tell_of(header, Open::exit);
}

/// The future has been dropped, and whoever joins the task does not know yet. By the holder of the run token.
#[inline(always)]
pub(super) fn end(header: &Header) {
    tell_of(header, Open::close);
}

#[inline(always)]
fn tell_of(header: &Header, what: fn(&Open)) {
    #[cold]
    fn attentively(header: &Header, what: fn(&Open)) {
        if let Some(told) = header.meta.told() {
            what(&told.span);
        }
    }

    if !header.meta.is_plain() {
        attentively(header, what);
    }
}

/// For the wakers of all tasks that are followed, so that two of one task are known to wake the same. What they point to is the task's header.
static WAKER: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The reference that a waker is.
///
/// # Safety
///
/// `data` is of a waker made by [`poll_begins`] or [`clone`], and if it is given up, so is what is returned.
unsafe fn reference(data: *const ()) -> ManuallyDrop<TaskRef> {
    // SAFETY: it was the pointer of a header, which is never null.
    let header = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) };
    // SAFETY: the waker keeps the cell alive; it gives its reference up if the caller drops what is in the wrapper.
    ManuallyDrop::new(unsafe { TaskRef::new(header) })
}

fn tell(task: &TaskRef, waking: Waking) {
    // Nothing, once the task has ended.
    if let Some(span) = task.meta().told().and_then(|told| told.span.get()) {
        trace::tell_waking(span, waking);
    }
}

/// # Safety
///
/// As for the functions of any [`RawWakerVTable`]; `data` as for [`reference`].
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise. The waker's own reference stays.
    let task = unsafe { reference(data) };
    tell(&task, Waking::Clone);
    // The new waker's.
    std::mem::forget(TaskRef::clone(&task));
    RawWaker::new(data, &WAKER)
}

/// # Safety
///
/// As for [`clone`].
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise. The waker is given up, and so is this, below.
    let task = ManuallyDrop::into_inner(unsafe { reference(data) });
    tell(&task, Waking::Wake);
    task.wake();
}

/// # Safety
///
/// As for [`clone`].
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise. The waker's own reference stays.
    let task = unsafe { reference(data) };
    tell(&task, Waking::WakeByRef);
    task.wake();
}

/// # Safety
///
/// As for [`clone`].
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller's promise. The waker is given up, and so is this, below.
    let task = ManuallyDrop::into_inner(unsafe { reference(data) });
    tell(&task, Waking::Drop);
}

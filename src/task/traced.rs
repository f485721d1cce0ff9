//! Tasks that a subscriber of `tracing` follows. What it is told, and what it may do, is in [`trace`](crate::trace).
//!
//! A task that nobody wants to hear of when it is spawned is not followed: its polls and wakers are the plain ones. One that is has a [`Story`], and
//! wakers with a vtable of their own, which tell what is done with them.
//!
//! | what | when |
//! |---|---|
//! | the span is opened | the task has its id, and nobody else has its run token |
//! | entered | around each poll, and where the future is dropped without one |
//! | closed | the future is gone, and whoever joins the task does not know yet |

use super::Id;
use super::header::{Header, Meta, RunToken, TaskRef};
use super::teller::Teller;
use crate::trace::{self, Kind, Open, Span, Waking};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What is told of one task.
pub(super) struct Story {
    kind: Kind,
    bytes: usize,
    /// From the spawn to the end of the task.
    span: Open,
}

impl Story {
    fn begin(&self, meta: &Meta, id: Id) {
        self.span.set(trace::open_task(self.kind, self.bytes, meta.name(), Some(id.as_u64()), meta.location));
    }

    fn span(&self) -> Option<Span> {
        self.span.get()
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Story").field("kind", &self.kind).field("bytes", &self.bytes).finish_non_exhaustive()
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
        if trace::is_wanted(kind) { self.with_story(Story { kind, bytes, span: Open::new(None) }) } else { self }
    }

    #[inline]
    pub(super) fn is_traced(&self) -> bool {
        self.story().is_some()
    }
}

impl RunToken {
    /// The task has been taken in by its registry, and nobody else has seen it.
    #[inline]
    pub(crate) fn tell_spawned(&self) {
        let header = self.header();
        if let Some(story) = header.meta.story() {
            story.begin(&header.meta, header.id());
        }
    }
}

/// `tracing` is told.
pub(super) struct Traced;

impl Teller for Traced {
    unsafe fn waker(header: NonNull<Header>, _plain: ManuallyDrop<Waker>) -> ManuallyDrop<Waker> {
        // SAFETY: the functions of the vtable are safe to call from any thread, because a `TaskRef` is `Send` and `Sync`, as long as there is a
        // reference behind each waker; the caller sees to this one's.
        ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(header.as_ptr().cast_const().cast(), &WAKER)) })
    }

    fn inside<R>(header: &Header, code: impl FnOnce() -> R) -> R {
        let span = header.meta.story().and_then(Story::span);
        let _inside = span.as_ref().and_then(Span::enter);
        code()
    }

    fn ended(header: &Header) {
        if let Some(story) = header.meta.story() {
            story.span.close();
        }
    }
}

/// For the wakers of all traced tasks, so that two of one task are known to wake the same. What they point to is the task's header.
static WAKER: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The reference that a waker is.
///
/// # Safety
///
/// `data` is of a waker made by [`Traced::waker`] or [`clone`], and if it is given up, so is what is returned.
unsafe fn reference(data: *const ()) -> ManuallyDrop<TaskRef> {
    // SAFETY: it was the pointer of a header, which is never null.
    let header = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) };
    // SAFETY: the waker keeps the cell alive; it gives its reference up if the caller drops what is in the wrapper.
    ManuallyDrop::new(unsafe { TaskRef::new(header) })
}

fn tell(task: &TaskRef, waking: Waking) {
    // Nothing, once the task has ended.
    if let Some(span) = task.meta().story().and_then(Story::span) {
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

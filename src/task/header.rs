//! A task whatever its future: the head of its cell, and the thin pointers to it.
//!
//! Queues, the registry and handles must not know the type of a future, so what they hold is a pointer to the [`Header`] at the
//! cell's start:
//!
//! | type | counted | stands for |
//! |---|---|---|
//! | [`RunToken`] | no | the run token of the [state word](super::state); neither `Clone` nor `Copy` |
//! | [`Listed`] | no | the task's place in the registry, until it is retired |
//! | [`Ending`] | no | a task that completes, on its way out of the registry |
//! | [`HandleRef`] | no | the join handle |
//! | [`TaskRef`] | yes | any further reference |
//!
//! A cell begins with one counted reference that the registry and the join handle have together; the
//! [state word](super::state) tells which of the two gives it up. A run token needs no count, because it exists only while
//! the task is not complete, and so long it is in the registry. A wake therefore costs one read-modify-write, and a poll that
//! ends with `Pending` one more.

use super::state::{HandleDropped, Progress, Retired, State};
#[cfg(feature = "tracing")]
use super::told::Told;
use super::wait::{self, Wait};
use super::{Id, JoinError};
use crate::primitives::atomic;
use crate::primitives::clock::Tick;
use crate::primitives::plain::{AtomicU32, AtomicU64, Ordering};
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a spawner says of a task.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) location: &'static Location<'static>,
    /// Behind a pointer: most tasks have none, and should not pay for more than a null.
    extra: Option<Box<Extra>>,
}

/// What few tasks have.
#[derive(Debug, Default)]
struct Extra {
    name: Option<Box<str>>,
    /// For how long it was polled, in nanoseconds, if that is wanted.
    busy: Option<AtomicU64>,
    #[cfg(feature = "tracing")]
    told: Option<Told>,
}

impl Meta {
    pub(crate) fn new(name: Option<&str>, location: &'static Location<'static>) -> Self {
        Meta { location, extra: name.map(|name| Box::new(Extra { name: Some(name.into()), ..Extra::default() })) }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name.as_deref()
    }

    /// The times of its polls are to be added up.
    #[cold]
    pub(crate) fn with_busy(mut self) -> Self {
        self.extra.get_or_insert_default().busy = Some(AtomicU64::new(0));
        self
    }

    /// Whether this has anything of what few tasks have: a look at one word.
    #[cfg(feature = "tracing")]
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    /// What `tracing` is told of the task.
    #[cfg(feature = "tracing")]
    pub(super) fn told(&self) -> Option<&Told> {
        self.extra.as_ref()?.told.as_ref()
    }

    #[cfg(feature = "tracing")]
    #[cold]
    pub(super) fn with_told(mut self, told: Told) -> Self {
        self.extra.get_or_insert_default().told = Some(told);
        self
    }

    /// For how long the task was polled.
    pub(crate) fn busy(&self) -> Option<Duration> {
        // Ordering: Relaxed; statistics.
        let busy = self.extra.as_ref()?.busy.as_ref()?.load(Ordering::Relaxed);
        Some(Duration::from_nanos(busy))
    }

    /// It was polled for so long. By whoever has just done so.
    pub(crate) fn add_busy(&self, nanoseconds: u64) {
        if let Some(busy) = self.extra.as_ref().and_then(|extra| extra.busy.as_ref()) {
            // Ordering: Relaxed; statistics.
            busy.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }
}

/// The part of a task that does not depend on its future's type.
pub(super) struct Header {
    pub(super) state: State,
    vtable: &'static VTable,
    pub(super) meta: Meta,
    /// Set once by the registry, before anyone but the spawner sees the task.
    id: AtomicU64,
    /// Where in the registry the task is; see [`registry`](super::registry). Set with the id. Once the task is on its shard's return list,
    /// the low half has the next one on that list.
    place: atomic::AtomicU64,
    /// What the last poll waits for; see [`wait`]. This and the next two are written by the holder of the run token at the end
    /// of a poll, for dumps.
    wait: AtomicU64,
    /// Polls that ended with `Pending`.
    polls: AtomicU32,
    /// When the last of them ended.
    polled: AtomicU32,
}

/// What differs from one type of future to another. Each takes a pointer to a live cell of the type it was made for, and
/// has further conditions where it is defined, in [`cell`](super::cell).
pub(super) struct VTable {
    pub(super) run: unsafe fn(NonNull<Header>) -> Ran,
    pub(super) cancel: unsafe fn(NonNull<Header>),
    pub(super) wake_by_ref: unsafe fn(NonNull<Header>),
    pub(super) poll_join: unsafe fn(NonNull<Header>, &mut bool, &mut Context<'_>, *mut ()) -> bool,
    pub(super) watch: unsafe fn(NonNull<Header>, &mut bool, &mut Context<'_>) -> bool,
    pub(super) release_join: unsafe fn(NonNull<Header>),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    pub(super) increment: unsafe fn(NonNull<Header>),
    pub(super) decrement: unsafe fn(NonNull<Header>),
    /// Gives up the base reference.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// What a run ended with.
pub(super) enum Ran {
    /// The token is gone.
    Done,
    /// The caller still has it, and queues the task again.
    Again,
}

impl Header {
    pub(super) fn new(vtable: &'static VTable, meta: Meta) -> Self {
        Header {
            state: State::new(),
            vtable,
            meta,
            id: AtomicU64::new(0),
            place: atomic::AtomicU64::new(0),
            wait: AtomicU64::new(0),
            polls: AtomicU32::new(0),
            polled: AtomicU32::new(0),
        }
    }

    /// A poll has returned `Pending`. The caller still holds the run token.
    #[inline(always)]
    pub(super) fn note_pending(&self) {
        // Ordering: Relaxed; statistics. One writer at a time.
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.polled.store(Tick::now().as_raw(), Ordering::Relaxed);
        self.wait.store(wait::take(), Ordering::Relaxed);
    }

    /// That of the task's type.
    pub(super) fn run_function(&self) -> unsafe fn(NonNull<Header>) -> Ran {
        self.vtable.run
    }

    pub(super) fn id(&self) -> Id {
        // Ordering: Relaxed; set before the task was shared with anyone.
        Id::from_raw(self.id.load(Ordering::Relaxed))
    }
}

/// A counted reference to a task, whatever its future.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a `TaskRef` is an `Arc<Task<F, S>>`, and the cell is `Send` and `Sync`.
unsafe impl Send for TaskRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    ///
    /// `header` is of a live cell, was made of a pointer to the whole of it, and the caller gives up a counted reference.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        TaskRef(header)
    }

    fn header(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn id(&self) -> Id {
        self.header().id()
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.header().meta
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.header().state.is_complete()
    }

    /// Cancels the task: its future is dropped by the next run, on a worker. Nothing happens to a complete task.
    pub(crate) fn abort(&self) {
        self.header().state.cancel();
        self.wake();
    }

    /// Wakes the task, as one of its wakers.
    pub(super) fn wake(&self) {
        // SAFETY: this reference keeps the cell alive.
        unsafe { (self.header().vtable.wake_by_ref)(self.0) };
    }

    pub(super) fn state(&self) -> &State {
        &self.header().state
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        // SAFETY: this reference keeps the cell alive.
        unsafe { (self.header().vtable.increment)(self.0) };
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: the reference is given up here, and not used after.
        unsafe { (self.header().vtable.decrement)(self.0) };
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id().as_u64()).field("location", &self.meta().location).finish()
    }
}

/// The right, and the duty, to run a task: there is at most one of it for each task.
///
/// Dropped without being run it cancels the task, so that a task is never forgotten with a queue.
#[must_use]
pub(crate) struct RunToken(NonNull<Header>);

// SAFETY: running a task moves its future to the running thread. By `cell::new` the future and its output are `Send`, or the
// task's scheduler sees to it that the token, wherever it has been, is run and dropped on the task's own thread.
unsafe impl Send for RunToken {}

impl RunToken {
    /// # Safety
    ///
    /// `header` is of a live cell, was made of a pointer to the whole of it, and the caller has won the run token.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        RunToken(header)
    }

    /// The task's place in the registry, as a number that a statistic can store. Not 0.
    #[inline]
    pub(crate) fn place(&self) -> u64 {
        // Ordering: Relaxed; written before the task was shared.
        self.header().place.load(Ordering::Relaxed)
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the token exists, so the task is not complete, and the base reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    /// The task's place in the registry, before it has one.
    #[inline]
    pub(super) fn listed(&self) -> Listed {
        Listed(self.0)
    }

    /// Notes since when the task is ready.
    pub(crate) fn stamp(&self, time: u64) {
        // Ordering: Relaxed; as in `note_pending`: this has the run token.
        self.header().wait.store(wait::ready_since(time), Ordering::Relaxed);
    }

    /// What [`stamp`](Self::stamp) has noted, if this run is the first since.
    pub(crate) fn stamped(&self) -> Option<u64> {
        // Ordering: Relaxed; whoever handed the token over published it.
        wait::since(self.header().wait.load(Ordering::Relaxed))
    }

    /// What the task waited for in the poll before, as a word of `wait.rs`; 0 if nothing is known of it.
    pub(crate) fn waited_for(&self) -> u64 {
        // Ordering: Relaxed; as above.
        wait::waited_for(self.header().wait.load(Ordering::Relaxed))
    }

    /// Whether the task has just been spawned: no poll of it has ended yet.
    pub(crate) fn is_new(&self) -> bool {
        // Ordering: Relaxed; as above.
        self.header().polls.load(Ordering::Relaxed) == 0
    }

    /// What its spawner said of the task.
    pub(crate) fn meta(&self) -> &Meta {
        &self.header().meta
    }

    /// The task's identifier.
    pub(crate) fn id(&self) -> Id {
        self.header().id()
    }

    /// A reference to the task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        self.listed().task_ref()
    }

    /// Runs the task once. Returns the token if the task was woken meanwhile: it belongs at the end of a queue.
    #[inline]
    pub(crate) fn run(self) -> Option<RunToken> {
        let header = self.0;
        let run = self.header().vtable.run;
        std::mem::forget(self);
        // SAFETY: the token was ours and is given up here.
        match unsafe { run(header) } {
            Ran::Done => None,
            Ran::Again => Some(RunToken(header)),
        }
    }

    /// Drops the future, and reports the task as cancelled.
    pub(crate) fn cancel(self) {
        drop(self);
    }

    /// As a word that an atomic can hold; [`from_raw`](Self::from_raw) is the way back.
    #[inline]
    pub(crate) fn into_raw(self) -> *mut () {
        let pointer = self.0.as_ptr().cast();
        std::mem::forget(self);
        pointer
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw) and is given back once.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: `into_raw` never returns null.
        RunToken(unsafe { NonNull::new_unchecked(raw.cast()) })
    }
}

impl Drop for RunToken {
    fn drop(&mut self) {
        let cancel = self.header().vtable.cancel;
        // SAFETY: the token is ours and ends here.
        unsafe { cancel(self.0) };
    }
}

impl fmt::Debug for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RunToken").field(&self.header().id().as_u64()).finish()
    }
}

/// A task's place in the registry, which keeps the cell until the task is [retired](Listed::retire).
pub(super) struct Listed(NonNull<Header>);

// SAFETY: it gives out references to the task, which are `Send` and `Sync`.
unsafe impl Send for Listed {}

impl Listed {
    /// As a word, whose lowest bit is clear: cells are aligned.
    #[inline]
    pub(super) fn into_raw(self) -> *mut () {
        self.0.as_ptr().cast()
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw), the task has not been retired since, and of the values that were made of it only one is
    /// used for that.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: `into_raw` never returns null.
        Listed(unsafe { NonNull::new_unchecked(raw.cast()) })
    }

    fn header(&self) -> &Header {
        // SAFETY: the task has not been retired, so the base reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn id(&self) -> u64 {
        self.header().id().as_u64()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.header().state.is_complete()
    }

    /// Tells the task its id and its place in the registry. Called once, before the task is shared.
    #[inline]
    pub(super) fn register(&self, id: u64, place: u64) {
        let header = self.header();
        // Ordering: Relaxed; the queue that publishes the task publishes these.
        header.id.store(id, Ordering::Relaxed);
        header.place.store(place, Ordering::Relaxed);
    }

    /// A reference to the task that may outlive its place here.
    pub(super) fn task_ref(&self) -> TaskRef {
        // SAFETY: the cell is alive, as above.
        unsafe { (self.header().vtable.increment)(self.0) };
        // SAFETY: that reference is the new value's.
        unsafe { TaskRef::new(self.0) }
    }

    /// What there is to see of the task; `None` if it has ended.
    pub(super) fn look(&self) -> Option<Look<'_>> {
        let header = self.header();
        let progress = header.state.look()?;
        // Ordering: Relaxed; statistics, of this poll or the next.
        let polls = header.polls.load(Ordering::Relaxed);
        let polled = Tick::from_raw(header.polled.load(Ordering::Relaxed));
        Some(Look {
            listed: self,
            id: header.id(),
            place: header.place.load(Ordering::Relaxed),
            meta: &header.meta,
            progress,
            polls,
            polled: (polls > 0).then_some(polled),
            wait: header.wait.load(Ordering::Relaxed).into(),
        })
    }

    /// The next task on the return list this one is on.
    pub(super) fn next_returned(&self) -> u32 {
        // Ordering: Relaxed; the list's head publishes it.
        self.header().place.load(Ordering::Relaxed) as u32
    }

    /// Lets go of a complete task that was given back.
    pub(super) fn retire(self) {
        let header = self.0;
        let free = self.header().vtable.free;
        if self.header().state.retire() == Retired::Free {
            // SAFETY: the handle is gone, and this was the task's place in the registry: the base reference ends here.
            unsafe { free(header) };
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listed").field(&self.id()).finish()
    }
}

/// A task, as whoever walks the registry sees it.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    listed: &'a Listed,
    pub(crate) id: Id,
    pub(crate) place: u64,
    pub(crate) meta: &'a Meta,
    pub(crate) progress: Progress,
    /// Polls that have ended.
    pub(crate) polls: u32,
    /// When the last of them ended.
    pub(crate) polled: Option<Tick>,
    /// What that one waits for.
    pub(crate) wait: Wait,
}

impl Look<'_> {
    pub(crate) fn task_ref(&self) -> TaskRef {
        self.listed.task_ref()
    }
}

/// A task that completes, on its way out of the registry. It is not retired yet, so the cell is there.
pub(crate) struct Ending(NonNull<Header>);

// SAFETY: what it reaches is atomics.
unsafe impl Send for Ending {}

impl Ending {
    /// # Safety
    ///
    /// The task of `header` is in the registry until this value has been given to it.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        Ending(header)
    }

    fn header(&self) -> &Header {
        // SAFETY: by `new`, the task has not been retired, so the base reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    /// The place in the registry.
    #[inline]
    pub(super) fn place(&self) -> u64 {
        // Ordering: Relaxed; written before the task was shared.
        self.header().place.load(Ordering::Relaxed)
    }

    /// A reference to the task.
    pub(super) fn task_ref(&self) -> TaskRef {
        Listed(self.0).task_ref()
    }

    /// Links this task before `next` on a return list. Its own place is with whoever calls this now.
    pub(super) fn set_next_returned(&self, next: u32) {
        let place = &self.header().place;
        // Ordering: Relaxed; the list's head publishes it.
        let shard = place.load(Ordering::Relaxed) >> 32;
        place.store(shard << 32 | u64::from(next), Ordering::Relaxed);
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ending").field(&self.header().id().as_u64()).finish()
    }
}

/// The join handle, whatever the type of the output.
pub(super) struct HandleRef {
    header: NonNull<Header>,
    /// The join slot is filled, and the state word says so.
    announced: bool,
    /// The output has been taken.
    taken: bool,
}

// SAFETY: it reaches the output, in a cell that is `Send` and `Sync`; the `JoinHandle` around it is `Send` only if the output is.
unsafe impl Send for HandleRef {}
// SAFETY: as for `Send`; shared, it gives access to atomics only.
unsafe impl Sync for HandleRef {}

impl HandleRef {
    /// # Safety
    ///
    /// `header` is of a live cell, was made of a pointer to the whole of it, and no other handle is ever made for it.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        HandleRef { header, announced: false, taken: false }
    }

    fn header(&self) -> &Header {
        // SAFETY: the handle has not been dropped, so the base reference keeps the cell alive.
        unsafe { self.header.as_ref() }
    }

    pub(super) fn id(&self) -> Id {
        self.header().id()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.header().state.is_complete()
    }

    pub(super) fn abort(&self) {
        // A handle is no reference of its own.
        self.task_ref().abort();
    }

    pub(super) fn task_ref(&self) -> TaskRef {
        // SAFETY: the cell is alive, as above.
        unsafe { (self.header().vtable.increment)(self.header) };
        // SAFETY: that reference is the new value's.
        unsafe { TaskRef::new(self.header) }
    }

    /// Polls for the end of the task.
    ///
    /// # Safety
    ///
    /// `T` is the output of the task's future.
    ///
    /// # Panics
    ///
    /// If it has given the output before.
    #[inline]
    pub(super) unsafe fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        assert!(!self.taken, "a JoinHandle was polled after it had given its result");
        let mut output: Option<Result<T, JoinError>> = None;
        let place = (&raw mut output).cast::<()>();
        let poll_join = self.header().vtable.poll_join;
        // SAFETY: the cell is alive, this is the task's only handle, `place` is of the type that the callee writes, and
        // the output is there until it is taken.
        self.taken = unsafe { poll_join(self.header, &mut self.announced, cx, place) };
        match output {
            Some(output) => Poll::Ready(output),
            None => Poll::Pending,
        }
    }

    /// Whether the task has ended; if not, the waker will be woken. The output has not been taken.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> bool {
        debug_assert!(!self.taken, "a set takes a member's output once");
        let watch = self.header().vtable.watch;
        // SAFETY: the cell is alive, this is the task's only handle, and the output is there until it is taken.
        unsafe { watch(self.header, &mut self.announced, cx) }
    }
}

impl Drop for HandleRef {
    #[inline]
    fn drop(&mut self) {
        let vtable = self.header().vtable;
        if self.announced && !self.taken {
            // SAFETY: the cell is alive and this is its handle, at its end.
            unsafe { (vtable.release_join)(self.header) };
        }
        let mut end = self.header().state.drop_handle(self.taken);
        if end == HandleDropped::OutputFirst {
            // SAFETY: the task is complete, and its handle has not taken the output.
            unsafe { (vtable.drop_output)(self.header) };
            end = self.header().state.drop_handle(true);
        }
        if end == HandleDropped::Free {
            // SAFETY: the task has been retired, and its handle ends here: so does the base reference.
            unsafe { (vtable.free)(self.header) };
        }
    }
}

//! The cell of a task: one allocation that holds the future, then its output, and everything the runtime knows of it.
//!
//! # One allocation, two kinds of pointer
//!
//! A task is an `Arc<Task<F, S>>`. Wakers are made of it by [`std::task::Wake`], without a vtable of ours. Queues, the
//! registry and handles must not know `F`, so they hold thin pointers to the [`Header`] at the cell's start:
//!
//! | type | counted | stands for |
//! |---|---|---|
//! | [`RunToken`] | no | the run token of the [state word](super::state); neither `Clone` nor `Copy` |
//! | [`TaskRef`] | yes | a reference; the *life reference* is the one that keeps the cell until the task is complete |
//!
//! The life reference is made with the task and given to the scheduler's registry; the runner hands it back through
//! [`Schedule::retire`] after completion. That is why a run token needs no count of its own: it exists only while the
//! task is not complete, and so long the life reference is there. A wake therefore costs one read-modify-write, and a
//! poll that ends with `Pending` one more.
//!
//! # Pinning
//!
//! A future must not move between its first poll and its drop. It lies in the `Arc`'s allocation, which never moves.
//! It is written there once, before the cell is shared, and is only ever reached by reference afterwards: no code in
//! this module moves it out. It is dropped in place, by [`Task::drop_stage`], by the holder of the run token: after it
//! returned `Ready`, after it panicked, or when it was cancelled. The memory outlives it because the runner still
//! has the life reference.
//!
//! # Panics
//!
//! A panic of the future is the task's result. A panic while a future or an output is dropped, or in a joiner's waker,
//! is contained: the panic hook has reported it, nobody is waiting for it, and the runtime goes on.

use super::error::Reason;
use super::join_slot::{AfterComplete, JoinSlot};
use super::state::{Join, Pending, Start, State, Wake as Woken};
use super::{Id, JoinError, Schedule};
use crate::primitives::cell::UnsafeCell;
use crate::primitives::contain::{contain, discard};
use crate::primitives::plain::{AtomicU32, AtomicU64, Ordering};
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// What a spawner says of a task.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) location: &'static Location<'static>,
    /// Behind a pointer: most tasks have none, and should not pay for more than a null.
    extra: Option<Box<Extra>>,
}

/// What few tasks have.
#[derive(Debug)]
struct Extra {
    name: Box<str>,
}

impl Meta {
    pub(crate) fn new(name: Option<&str>, location: &'static Location<'static>) -> Self {
        Meta { location, extra: name.map(|name| Box::new(Extra { name: name.into() })) }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.as_ref().map(|extra| &*extra.name)
    }
}

/// The part of a task that does not depend on its future's type.
pub(super) struct Header {
    state: State,
    vtable: &'static VTable,
    meta: Meta,
    /// Set once by the registry, before anyone but the spawner sees the task.
    id: AtomicU64,
    /// Which shard of the registry holds the life reference. Set with the id.
    shard: AtomicU32,
    /// Where in the shard. Once the task is on the shard's return list: the next one on that list; see
    /// [`registry`](super::registry).
    slot: AtomicU32,
}

struct VTable {
    run: unsafe fn(NonNull<Header>) -> Ran,
    cancel: unsafe fn(NonNull<Header>),
    wake_by_ref: unsafe fn(NonNull<Header>),
    poll_join: unsafe fn(NonNull<Header>, &mut bool, &mut Context<'_>, *mut ()) -> bool,
    drop_join: unsafe fn(NonNull<Header>, JoinState),
    increment: unsafe fn(NonNull<Header>),
    decrement: unsafe fn(NonNull<Header>),
}

/// What a join handle knows of the two things it shares with the task.
#[derive(Clone, Copy, Debug)]
pub(super) struct JoinState {
    /// The join slot is filled.
    pub(super) announced: bool,
    /// The output has been taken.
    pub(super) taken: bool,
}

enum Ran {
    Done,
    Again,
}

/// `repr(C)`: a pointer to the cell is a pointer to its header.
#[repr(C)]
struct Task<F: Future, S: Schedule> {
    header: Header,
    /// Live until the task has been retired; see [`Schedule`].
    scheduler: NonNull<S>,
    join_slot: JoinSlot,
    /// Touched by the holder of the run token until the task is complete, and by whoever the
    /// [state word](super::state) gives the output to afterwards.
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(F),
    Output(Result<F::Output, Reason>),
    Empty,
}

// SAFETY: the header is atomics and what is never written after the task was made. `scheduler` is a shared reference
// to an `S`, which is `Sync`. The join slot and the stage are handed from thread to thread by the state word, which
// gives each to one thread at a time with Release/Acquire between them; the future, its output and the waker are `Send`.
unsafe impl<F, S> Send for Task<F, S>
where
    F: Future + Send,
    F::Output: Send,
    S: Schedule,
{
}
// SAFETY: as for `Send`.
unsafe impl<F, S> Sync for Task<F, S>
where
    F: Future + Send,
    F::Output: Send,
    S: Schedule,
{
}

/// Makes a task. Its life reference is for the registry, which sets its id; the caller then queues the run token.
///
/// # Safety
///
/// `scheduler` stays live until [`Schedule::retire`] has been called for this task.
pub(super) unsafe fn new<F, S>(future: F, meta: Meta, scheduler: NonNull<S>) -> (TaskRef, RunToken)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let task = Arc::new(Task {
        header: Header {
            state: State::new(),
            vtable: &VTable {
                run: run::<F, S>,
                cancel: cancel::<F, S>,
                wake_by_ref: wake_by_ref::<F, S>,
                poll_join: poll_join::<F, S>,
                drop_join: drop_join::<F, S>,
                increment: increment::<F, S>,
                decrement: decrement::<F, S>,
            },
            meta,
            id: AtomicU64::new(0),
            shard: AtomicU32::new(0),
            slot: AtomicU32::new(0),
        },
        scheduler,
        join_slot: JoinSlot::new(),
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    let pointer = Arc::into_raw(task).cast_mut().cast::<Header>();
    // SAFETY: `Arc::into_raw` never returns null.
    let pointer = unsafe { NonNull::new_unchecked(pointer) };
    (TaskRef(pointer), RunToken(pointer))
}

impl<F, S> Task<F, S>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    /// The cell behind a thin pointer.
    ///
    /// # Safety
    ///
    /// `header` came from [`new`] with these types, and the cell is alive for `'a`.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the header is the first field of a `repr(C)` struct, and the pointer was made from one to the whole
        // cell, so it may be used for the whole cell. The caller promises the types and the life.
        unsafe { header.cast::<Self>().as_ref() }
    }

    /// Polls the future.
    ///
    /// # Safety
    ///
    /// The caller holds the run token.
    unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.stage.with_mut(|stage| {
            // SAFETY: only the holder of the run token touches the stage of a task that is not complete.
            match unsafe { &mut *stage } {
                // SAFETY: nothing moves the future out of the cell before it is dropped in place; see the module's page.
                Stage::Future(future) => unsafe { Pin::new_unchecked(future) }.poll(cx),
                _ => unreachable!("a task that is not complete has its future"),
            }
        })
    }

    /// Drops in place what the stage holds, and contains a panic of it.
    ///
    /// # Safety
    ///
    /// The stage is the caller's: it holds the run token of a task that is not complete, or was given the output.
    unsafe fn drop_stage(&self) -> std::thread::Result<()> {
        catch_unwind(AssertUnwindSafe(|| {
            // An assignment drops the old value where it lies, and stores the new one even if that drop panics.
            // SAFETY: the stage is the caller's.
            self.stage.with_mut(|stage| unsafe { *stage = Stage::Empty });
        }))
    }
}

/// Ends the task, whose future has been dropped already.
///
/// Takes a pointer, not a reference: the cell may be freed before this returns.
///
/// # Safety
///
/// `header` is of a live cell of these types, and the caller holds its run token, which ends here.
unsafe fn complete<F, S>(header: NonNull<Header>, output: Result<F::Output, Reason>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the life reference keeps the cell alive until it is handed back below.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the stage is the token holder's until `complete` below.
    task.stage.with_mut(|stage| unsafe { *stage = Stage::Output(output) });
    // SAFETY: the caller holds the token, and the output has been written.
    let joiner = match unsafe { task.join_slot.complete(&task.header.state) } {
        AfterComplete::Wake(waker) => Some(waker),
        AfterComplete::DropOutput => {
            // A panic of its drop has been reported by the panic hook, and nobody waits for it.
            // SAFETY: the handle is gone, so the output is ours.
            discard(unsafe { task.drop_stage() });
            None
        }
        AfterComplete::Nothing => None,
    };
    // SAFETY: this task has not been retired, so its scheduler is live.
    let scheduler = unsafe { task.scheduler.as_ref() };
    scheduler.retire(Completed(header));
    // Last, so that a joiner that was woken finds the task gone from the metrics.
    if let Some(waker) = joiner {
        wake_contained(waker);
    }
}

/// Wakes `waker`; a panic in it is contained.
pub(crate) fn wake_contained(waker: Waker) {
    // The panic hook has reported it, and there is nobody to hand it to.
    contain(|| waker.wake());
}

impl<F, S> Wake for Task<F, S>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if self.header.state.wake() == Woken::Queue {
            let pointer = Arc::as_ptr(self).cast_mut().cast::<Header>();
            // SAFETY: `Arc::as_ptr` never returns null.
            let token = RunToken(unsafe { NonNull::new_unchecked(pointer) });
            // SAFETY: the token is of a task that is not complete, so it has not been retired and its scheduler lives.
            unsafe { S::schedule(self.scheduler, token) };
        }
    }
}

/// # Safety
///
/// `header` is of a live cell of these types, and the caller holds its run token, which it gives up unless the result
/// is `Again`.
unsafe fn run<F, S>(header: NonNull<Header>) -> Ran
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the run token keeps the cell alive until it is given up, and nothing below uses it after that.
    let task = unsafe { Task::<F, S>::of(header) };
    let seen = match task.header.state.start() {
        Start::Poll(seen) => seen,
        Start::Cancel => {
            // SAFETY: the caller's promises are the callee's.
            unsafe { cancel::<F, S>(header) };
            return Ran::Done;
        }
    };
    // A borrowed waker: it stands for a reference that the poll does not own, so it is never dropped.
    // SAFETY: the pointer came from `Arc::into_raw` of this type; the life reference keeps the count above zero.
    let borrowed = unsafe { Arc::from_raw(header.as_ptr().cast_const().cast::<Task<F, S>>()) };
    let waker = ManuallyDrop::new(Waker::from(borrowed));
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the token is the caller's.
    let output = match catch_unwind(AssertUnwindSafe(|| unsafe { task.poll(&mut cx) })) {
        Ok(Poll::Pending) => {
            return match task.header.state.pending(seen) {
                Pending::Idle => Ran::Done,
                Pending::Again => Ran::Again,
            };
        }
        Ok(Poll::Ready(output)) => Ok(output),
        Err(payload) => Err(Reason::panic(payload)),
    };
    // A panic of this drop does not cost the joiner the output that is already there.
    // SAFETY: the token is the caller's.
    discard(unsafe { task.drop_stage() });
    // SAFETY: the token is the caller's and the future has been dropped.
    unsafe { complete::<F, S>(header, output) };
    Ran::Done
}

/// # Safety
///
/// As for [`run`]; the token is always given up.
unsafe fn cancel<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the run token keeps the cell alive until it is given up.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the token is the caller's.
    let reason = match unsafe { task.drop_stage() } {
        Ok(()) => Reason::Cancelled,
        Err(payload) => Reason::panic(payload),
    };
    // SAFETY: the token is the caller's and the future has been dropped.
    unsafe { complete::<F, S>(header, Err(reason)) };
}

/// # Safety
///
/// `header` is of a live cell of these types.
unsafe fn wake_by_ref<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the pointer came from `Arc::into_raw` of this type, and the caller keeps the cell alive.
    let task = ManuallyDrop::new(unsafe { Arc::from_raw(header.as_ptr().cast_const().cast::<Task<F, S>>()) });
    Wake::wake_by_ref(&*task);
}

/// Writes the output to `output`, an `Option<Result<F::Output, JoinError>>`, and returns true if the task is complete.
///
/// # Safety
///
/// `header` is of a live cell of these types; the caller is its join handle, has not taken the output yet, and owns
/// what `output` points to.
unsafe fn poll_join<F, S>(header: NonNull<Header>, announced: &mut bool, cx: &mut Context<'_>, output: *mut ()) -> bool
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the caller is the join handle.
    if unsafe { task.join_slot.poll(&task.header.state, announced, cx) }.is_pending() {
        return false;
    }
    let taken = task.stage.with_mut(|stage| {
        // SAFETY: the task is complete and the handle is there, so the output is the handle's.
        match std::mem::replace(unsafe { &mut *stage }, Stage::Empty) {
            Stage::Output(output) => output.map_err(|reason| JoinError::new(task.header.id(), reason)),
            _ => unreachable!("a complete task has its output until the handle takes it"),
        }
    });
    // SAFETY: the caller promises what `output` points to.
    unsafe { *output.cast::<Option<Result<F::Output, JoinError>>>() = Some(taken) };
    true
}

/// # Safety
///
/// `header` is of a live cell of these types; the caller is its join handle, at its end.
unsafe fn drop_join<F, S>(header: NonNull<Header>, join: JoinState)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    if join.taken {
        return;
    }
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the caller is the join handle.
    contain(|| unsafe { task.join_slot.release(&task.header.state, join.announced) });
    if task.header.state.drop_handle() == Join::Ready {
        // SAFETY: completion came before the handle's end, so the output is the handle's.
        discard(unsafe { task.drop_stage() });
    }
}

/// # Safety
///
/// `header` is of a live cell of these types.
unsafe fn increment<F: Future, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the pointer came from `Arc::into_raw` of this type, and the caller keeps the count above zero.
    unsafe { Arc::increment_strong_count(header.as_ptr().cast_const().cast::<Task<F, S>>()) };
}

/// # Safety
///
/// `header` is of a live cell of these types, and the caller gives up a counted reference.
unsafe fn decrement<F: Future, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the pointer came from `Arc::into_raw` of this type, and the count is the caller's to give up.
    unsafe { Arc::decrement_strong_count(header.as_ptr().cast_const().cast::<Task<F, S>>()) };
}

impl Header {
    fn id(&self) -> Id {
        // Ordering: Relaxed; set before the task was shared with anyone.
        Id::from_raw(self.id.load(Ordering::Relaxed))
    }
}

/// A counted reference to a task, whatever its future.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a `TaskRef` is an `Arc<Task<F, S>>`, and `new` demands a `Send` future and output, so that the cell is `Send`
// and `Sync`.
unsafe impl Send for TaskRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

impl TaskRef {
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
        // SAFETY: this reference keeps the cell alive.
        unsafe { (self.header().vtable.wake_by_ref)(self.0) };
    }

    /// Tells the task its id and its place in the registry. Called once, before the task is shared.
    pub(super) fn register(&self, id: u64, shard: u32, slot: u32) {
        let header = self.header();
        // Ordering: Relaxed; the queue that publishes the task publishes these.
        header.id.store(id, Ordering::Relaxed);
        header.shard.store(shard, Ordering::Relaxed);
        header.slot.store(slot, Ordering::Relaxed);
    }

    /// The next task on the return list this one is on.
    pub(super) fn next_returned(&self) -> u32 {
        // Ordering: Relaxed; the list's head publishes it.
        self.header().slot.load(Ordering::Relaxed)
    }

    /// Polls for the end of the task.
    ///
    /// # Safety
    ///
    /// `T` is the output of the task's future, the caller is the task's only join handle, and `join` is its own.
    pub(super) unsafe fn poll_join<T>(&self, join: &mut JoinState, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        let place = (&raw mut output).cast::<()>();
        // SAFETY: this reference keeps the cell alive, `place` is of the type that the callee writes, and the rest is
        // the caller's promise.
        if unsafe { (self.header().vtable.poll_join)(self.0, &mut join.announced, cx, place) } {
            join.taken = true;
        }
        match output {
            Some(output) => Poll::Ready(output),
            None => Poll::Pending,
        }
    }

    /// Gives up the right to the output.
    ///
    /// # Safety
    ///
    /// The caller is the task's only join handle, at its end, and `join` is its own.
    pub(super) unsafe fn drop_join(&self, join: JoinState) {
        // SAFETY: this reference keeps the cell alive; the rest is the caller's promise.
        unsafe { (self.header().vtable.drop_join)(self.0, join) };
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

// SAFETY: running a task moves its future to the running thread, and `new` demands a future and an output that are
// `Send`.
unsafe impl Send for RunToken {}

impl RunToken {
    /// The id of the task, as a number that a statistic can store.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        // Ordering: Relaxed; see `Header::id`.
        self.header().id.load(Ordering::Relaxed)
    }

    fn header(&self) -> &Header {
        // SAFETY: the token exists, so the task is not complete and its life reference keeps the cell alive.
        unsafe { self.0.as_ref() }
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
        f.debug_tuple("RunToken").field(&self.id()).finish()
    }
}

/// A task that has just completed, on its way out of the registry. Its life reference keeps the cell alive.
pub(crate) struct Completed(NonNull<Header>);

impl Completed {
    fn header(&self) -> &Header {
        // SAFETY: the life reference is given up only after this value.
        unsafe { self.0.as_ref() }
    }

    /// The shard of the registry that holds the life reference, and the place in it.
    pub(super) fn home(&self) -> (u32, u32) {
        let header = self.header();
        // Ordering: Relaxed; written before the task was shared.
        (header.shard.load(Ordering::Relaxed), header.slot.load(Ordering::Relaxed))
    }

    /// Links this task before `next` on its shard's return list. Its own place is with whoever calls this now.
    pub(super) fn set_next_returned(&self, next: u32) {
        // Ordering: Relaxed; the list's head publishes it.
        self.header().slot.store(next, Ordering::Relaxed);
    }
}

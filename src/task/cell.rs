//! The cell of a task: one allocation that holds the future, then its output, and everything the runtime knows of it.
//!
//! A task is an `Arc<Task<F, S>>`. Wakers are made of it by [`std::task::Wake`], without a vtable of ours. Whoever must not
//! know `F` holds one of the pointers of [`header`](super::header), and reaches the functions here through its vtable.
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
use super::header::{Completed, Header, JoinState, Meta, Ran, RunToken, TaskRef, VTable};
use super::join_slot::{AfterComplete, JoinSlot};
use super::state::{Join, Pending, Start, Wake as Woken};
use super::{JoinError, Schedule};
use crate::primitives::cell::UnsafeCell;
use crate::primitives::contain::{contain, discard};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
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
        header: Header::new(
            &VTable {
                run: run::<F, S>,
                cancel: cancel::<F, S>,
                wake_by_ref: wake_by_ref::<F, S>,
                poll_join: poll_join::<F, S>,
                drop_join: drop_join::<F, S>,
                increment: increment::<F, S>,
                decrement: decrement::<F, S>,
            },
            meta,
        ),
        scheduler,
        join_slot: JoinSlot::new(),
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    let pointer = Arc::into_raw(task).cast_mut().cast::<Header>();
    // SAFETY: `Arc::into_raw` never returns null.
    let pointer = unsafe { NonNull::new_unchecked(pointer) };
    // SAFETY: the count that the `Arc` began with is given up here.
    let life = unsafe { TaskRef::new(pointer) };
    // SAFETY: a new task's run token is the spawner's.
    let token = unsafe { RunToken::new(pointer) };
    (life, token)
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
    // SAFETY: it has completed, and the life reference went to the registry when the task was spawned.
    scheduler.retire(unsafe { Completed::new(header) });
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
            let pointer = unsafe { NonNull::new_unchecked(pointer) };
            // SAFETY: `self` keeps the cell alive, and the token was won just now.
            let token = unsafe { RunToken::new(pointer) };
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

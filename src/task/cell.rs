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
//! returned `Ready`, after it panicked, or when it was cancelled. The memory outlives it because the task is not retired
//! before it is complete.
//!
//! # Futures that stay on their thread
//!
//! A cell's type does not ask whether its future may go to other threads; [`new`] does. Of a task that is bound to a thread, others
//! may have wakers, abort handles and, if its output is `Send`, the join handle, and may carry its run token to a queue of
//! the owner's. That is all safe, because the future is touched only by who runs or drops a run token, and its output by
//! who completes it, which is the same, or by the join handle. Whoever frees the cell finds neither there any more.
//!
//! # Panics
//!
//! A panic of the future is the task's result. A panic while a future or an output is dropped, or in a joiner's waker,
//! is contained: the panic hook has reported it, nobody is waiting for it, and the runtime goes on.
//!
//! # Runs that are traced
//!
//! A run whose poll is to tell what it waits for (see [`trace`](super::trace)) is an ordinary one, but for the waker. It comes to
//! [`run_traced`] twice: first from the ordinary run, which it calls anew, to have the frame and the tracer below everything that happens
//! then; and again from that one, which it gives the waker. So there is one copy of the poll. With a second one the compiler would put the future's code
//! into neither, which costs an ordinary poll up to 40 instructions; that it does not know the waker costs one or two.
//!
//! # Whose code runs
//!
//! A task's future and its output are dropped as the task's own code: `rt::task::id` tells its id there. In a poll the worker knows it; where
//! a task is dropped without one, or when it has left the registry, [`Task::drop_as_own`] says it.

use super::error::Reason;
use super::header::{Ending, Header, Meta, Ran, RunToken, TaskRef, VTable};
use super::join_slot::JoinSlot;
use super::state::{Pending, Seen, Start, Wake as Woken};
use super::trace::Tracer;
use super::whose::Whose;
use super::{JoinError, Schedule, reuse, told, wait};
use crate::primitives::cell::UnsafeCell;
use crate::primitives::contain::{contain, discard};
use std::cell::Cell;
use std::future::Future;
use std::mem::{ManuallyDrop, needs_drop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{NonNull, null};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// By which the frames of a poll are known in a backtrace.
pub(crate) const FILE: &str = file!();

/// `repr(C)`: a pointer to the cell is a pointer to its header. Aligned as [`reuse`] needs it, which is what an allocator
/// gives anyway.
#[repr(C, align(16))]
struct Task<F: Future, S: Schedule> {
    header: Header,
    /// Live while the task is in its registry; see [`Schedule`].
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
// gives each to one thread at a time with Release/Acquire between them; the waker in the slot is `Send`. By `new`, the future
// and its output are `Send` too, or do not leave their thread.
unsafe impl<F: Future, S: Schedule> Send for Task<F, S> {}
// SAFETY: as for `Send`.
unsafe impl<F: Future, S: Schedule> Sync for Task<F, S> {}

/// Makes a task; its run token and its handle are the caller's to make.
///
/// # Safety
///
/// `scheduler` stays live until it has let go of this task. And either the future and its output are `Send`, or the task is
/// bound to this thread: here alone are its run tokens run and dropped, and, if the output is not `Send`, its join handle used and
/// dropped.
#[inline]
pub(super) unsafe fn new<F, S>(future: F, meta: Meta, scheduler: NonNull<S>) -> NonNull<Header>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let vtable = &VTable {
        run: run::<F, S>,
        cancel: cancel::<F, S>,
        wake_by_ref: wake_by_ref::<F, S>,
        poll_join: poll_join::<F, S>,
        watch: watch::<F, S>,
        release_join: release_join::<F, S>,
        drop_output: drop_output::<F, S>,
        increment: increment::<F, S>,
        decrement: decrement::<F, S>,
        free: free::<F, S>,
    };
    let cell = reuse::allocate::<Task<F, S>>();
    let header = Header::new(vtable, meta);
    // In one expression, which the compiler builds in its place: a task that is put together first and then moved would move a large
    // future twice. The workload `spawn-large` of `benches/count.sh` sees to that.
    // SAFETY: the cell is this function's alone, and of that size and alignment; there is nothing in it that would have to be dropped.
    unsafe {
        cell.write(Task {
            header,
            scheduler,
            join_slot: JoinSlot::new(),
            stage: UnsafeCell::new(Stage::Future(future)),
        });
    }
    cell.cast()
}

impl<F, S> Task<F, S>
where
    F: Future + 'static,
    F::Output: 'static,
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

    /// Drops in place what the stage holds.
    ///
    /// # Safety
    ///
    /// The stage is the caller's: it holds the run token of a task that is not complete, or was given the output.
    unsafe fn drop_stage(&self) {
        // An assignment drops the old value where it lies, and stores the new one even if that drop panics.
        // SAFETY: the stage is the caller's.
        self.stage.with_mut(|stage| unsafe { *stage = Stage::Empty });
    }

    /// The same outside the task's polls. What runs meanwhile is the task's code.
    ///
    /// # Safety
    ///
    /// As for [`drop_stage`](Self::drop_stage).
    unsafe fn drop_as_own(&self) {
        let _whose = Whose::Task(self.header.id()).begin();
        // SAFETY: the caller's promise is the callee's.
        unsafe { self.drop_stage() };
    }

    /// Drops an output that nobody took.
    ///
    /// # Safety
    ///
    /// As for [`drop_stage`](Self::drop_stage); the task is complete.
    #[inline]
    unsafe fn drop_output(&self) {
        // Else nothing of the user's runs, but for what a panic carried.
        let _whose = needs_drop::<F::Output>().then(|| Whose::Task(self.header.id()).begin());
        // SAFETY: the caller's promise is the callee's.
        unsafe { self.drop_stage() };
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
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the task is not retired before the last use of this.
    let task = unsafe { Task::<F, S>::of(header) };
    // The stage is empty, so nothing has to be dropped here.
    // SAFETY: the stage is the token holder's until `complete` below.
    task.stage.with_mut(|stage| unsafe { stage.write(Stage::Output(output)) });
    // SAFETY: this task is in the registry, so its scheduler is live.
    let scheduler = unsafe { task.scheduler.as_ref() };
    // SAFETY: the task is in the registry until `let_go` or `give_back` took it out, and retired not before.
    let ending = unsafe { Ending::new(header) };
    let retire = scheduler.let_go(&ending);
    // SAFETY: the caller holds the token, and the output has been written.
    let after = unsafe { task.join_slot.complete(&task.header.state, retire) };
    if after.output {
        // A panic of its drop has been reported by the panic hook, and nobody waits for it.
        // SAFETY: the handle is gone, so the output is ours.
        contain(|| unsafe { task.drop_output() });
    }
    if !retire {
        scheduler.give_back(ending);
    } else if after.cell {
        // SAFETY: retired by this thread, after the handle's end.
        unsafe { free::<F, S>(header) };
    }
    // Last, so that a joiner that was woken finds the task gone from the metrics.
    if let Some(joiner) = after.joiner {
        wake_contained(joiner);
    }
}

/// Wakes `waker`; a panic in it is contained.
pub(crate) fn wake_contained(waker: Waker) {
    // The panic hook has reported it, and there is nobody to hand it to.
    contain(|| waker.wake());
}

impl<F, S> Wake for Task<F, S>
where
    F: Future + 'static,
    F::Output: 'static,
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
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the run token keeps the cell alive until it is given up, and nothing below uses it after that.
    let task = unsafe { Task::<F, S>::of(header) };
    let (seen, waker) = match task.header.state.start() {
        Start::Poll(seen) => {
            // SAFETY: the run token keeps the cell alive during the poll.
            let mut waker = unsafe { borrow_waker::<F, S>(header) };
            // SAFETY: a waker that was put in its place is used while this function has it, and never dropped, as the one before.
            unsafe { told::poll_begins(header, &mut waker) };
            (seen, waker)
        }
        Start::Cancel => {
            // SAFETY: the caller's promises are the callee's.
            unsafe { cancel::<F, S>(header) };
            return Ran::Done;
        }
        // SAFETY: the caller's promises are the callee's.
        Start::Trace => match unsafe { run_traced::<F, S>(header) } {
            Traced::Poll(seen, waker) => {
                told::enter(&task.header);
                (seen, waker)
            }
            Traced::Ran(ran) => return ran,
        },
    };
    let mut cx = Context::from_waker(&waker);
    let mut output = None;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the token is the caller's.
        if let Poll::Ready(ready) = unsafe { task.poll(&mut cx) } {
            output = Some(ready);
            // A panic of this drop does not cost the joiner the output that is already there.
            // SAFETY: the token is the caller's.
            unsafe { task.drop_stage() };
        }
    }));
    told::leave(&task.header);
    let output = match (output, polled) {
        (Some(output), polled) => {
            discard(polled);
            Ok(output)
        }
        (None, Ok(())) => {
            task.header.note_pending();
            return match task.header.state.pending(seen) {
                Pending::Idle => Ran::Done,
                Pending::Again => Ran::Again,
            };
        }
        (None, Err(payload)) => {
            told::enter(&task.header);
            // SAFETY: the token is the caller's.
            contain(|| unsafe { task.drop_stage() });
            told::leave(&task.header);
            // SAFETY: the task is in its registry, so the cell and the scheduler are live.
            unsafe { report_panic::<F, S>(header) };
            Err(Reason::panic(payload))
        }
    };
    wait::forget();
    told::end(&task.header);
    // SAFETY: the token is the caller's and the future has been dropped.
    unsafe { complete::<F, S>(header, output) };
    Ran::Done
}

/// A borrowed waker: it stands for a reference that the poll does not own, so it is never dropped.
///
/// # Safety
///
/// `header` is of a cell of these types, which is alive for as long as the waker is used.
#[inline(always)]
unsafe fn borrow_waker<F, S>(header: NonNull<Header>) -> ManuallyDrop<Waker>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the pointer came from `Arc::into_raw` of this type; the base reference keeps the count above zero.
    let borrowed = unsafe { Arc::from_raw(header.as_ptr().cast_const().cast::<Task<F, S>>()) };
    ManuallyDrop::new(Waker::from(borrowed))
}

/// What a run that is to be traced does next.
enum Traced {
    /// Poll the future with this waker.
    Poll(Seen, ManuallyDrop<Waker>),
    /// Nothing: it has been done.
    Ran(Ran),
}

thread_local! {
    /// From the first call of `run_traced` for a task to the second, with nothing in between but, at most, the task's cancellation.
    static TRACER: Cell<(*const Header, *const Tracer)> = const { Cell::new((null(), null())) };
}

/// See the module's page. A backtrace ends here, so this keeps its name: `runtime/dump/frames.rs` looks for it.
///
/// # Safety
///
/// As for [`run`]. A waker that is returned is used only for the poll that follows.
#[cold]
#[inline(never)]
unsafe fn run_traced<F, S>(header: NonNull<Header>) -> Traced
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the run token keeps the cell alive until it is given up.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: as above; a clone of it is counted.
    let waker = unsafe { borrow_waker::<F, S>(header) };
    let (traced, tracer) = TRACER.replace((null(), null()));
    if traced == header.as_ptr().cast_const() {
        // SAFETY: below, it is there until `run` has returned, and that is what has called this.
        let tracer = unsafe { &*tracer };
        let (seen, is_wanted) = tracer.begin(task.header.id(), &task.header.state);
        // SAFETY: as above.
        return Traced::Poll(seen, if is_wanted { unsafe { tracer.waker() } } else { waker });
    }
    // SAFETY: as above.
    unsafe { increment::<F, S>(header) };
    // SAFETY: that reference is the new value's.
    let reference = unsafe { TaskRef::new(header) };
    let tracer = Tracer::new(Waker::clone(&waker));
    TRACER.set((header.as_ptr(), &raw const tracer));
    // Not by its name: there would be a second copy of the poll.
    let run = task.header.run_function();
    // SAFETY: the caller's promises are the callee's.
    let ran = unsafe { run(header) };
    // If it was cancelled just now, nobody has taken it.
    TRACER.set((null(), null()));
    tracer.end(&reference);
    Traced::Ran(ran)
}

/// Tells the scheduler that the future has panicked.
///
/// # Safety
///
/// `header` is of a live cell of these types, of a task that is in its registry.
#[cold]
unsafe fn report_panic<F, S>(header: NonNull<Header>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: as above.
    unsafe { increment::<F, S>(header) };
    // SAFETY: that reference is the new value's.
    let reference = unsafe { TaskRef::new(header) };
    // SAFETY: the task is in its registry, so its scheduler is live.
    unsafe { task.scheduler.as_ref() }.panicked(&reference);
}

/// # Safety
///
/// As for [`run`]; the token is always given up.
unsafe fn cancel<F, S>(header: NonNull<Header>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the run token keeps the cell alive until it is given up.
    let task = unsafe { Task::<F, S>::of(header) };
    told::enter(&task.header);
    // SAFETY: the token is the caller's.
    let reason = match catch_unwind(AssertUnwindSafe(|| unsafe { task.drop_as_own() })) {
        Ok(()) => Reason::Cancelled,
        Err(payload) => Reason::panic(payload),
    };
    told::leave(&task.header);
    told::end(&task.header);
    // SAFETY: the token is the caller's and the future has been dropped.
    unsafe { complete::<F, S>(header, Err(reason)) };
}

/// # Safety
///
/// `header` is of a live cell of these types.
unsafe fn wake_by_ref<F, S>(header: NonNull<Header>)
where
    F: Future + 'static,
    F::Output: 'static,
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
    F: Future + 'static,
    F::Output: 'static,
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

/// Asks for the end of the task as [`poll_join`] does, and leaves the output where it is.
///
/// # Safety
///
/// `header` is of a live cell of these types; the caller is its join handle, and has not taken the output yet.
unsafe fn watch<F, S>(header: NonNull<Header>, announced: &mut bool, cx: &mut Context<'_>) -> bool
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the caller is the join handle.
    unsafe { task.join_slot.poll(&task.header.state, announced, cx) }.is_ready()
}

/// Takes back and drops the joiner's waker.
///
/// # Safety
///
/// `header` is of a live cell of these types; the caller is its join handle, at its end, and has announced a waker.
unsafe fn release_join<F, S>(header: NonNull<Header>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the caller is the join handle.
    contain(|| unsafe { task.join_slot.release(&task.header.state) });
}

/// # Safety
///
/// `header` is of a live cell of these types, of a complete task whose output is the caller's.
unsafe fn drop_output<F, S>(header: NonNull<Header>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the caller keeps the cell alive.
    let task = unsafe { Task::<F, S>::of(header) };
    // SAFETY: the output is the caller's.
    contain(|| unsafe { task.drop_output() });
}

/// # Safety
///
/// `header` is of a live cell of these types, of a complete task, and the caller gives up its base reference.
unsafe fn free<F: Future, S: Schedule>(header: NonNull<Header>) {
    // Of a task whose base reference ends, the output is gone and the join slot empty: what is left is in the header, and
    // runs no code of the user's when it is dropped.
    // SAFETY: a pointer to a task is one to its header; `from_raw` calls this only while the cell is alive and nobody else
    // refers to it.
    let drop_rest = |task: *mut Task<F, S>| unsafe { task.cast::<Header>().drop_in_place() };
    // SAFETY: the pointer came from `reuse::allocate` of this type, and the count is the caller's to give up.
    unsafe { reuse::from_raw(header.cast::<Task<F, S>>(), drop_rest) };
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

//! The spawner's end of a task.

use super::header::HandleRef;
use super::{AbortHandle, Id, JoinError, budget, wait};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Awaits the output of a task. Dropping it detaches the task, which goes on.
///
/// Awaiting gives `Ok` with the output, or a [`JoinError`] if the task panicked or was cancelled.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # }
/// ```
///
/// # Cancel safety
///
/// `&mut handle` can be awaited in a `select!`: if another branch wins, nothing is lost, and the handle can be awaited
/// again.
///
/// # Panics
///
/// If it is polled again after it gave its result.
pub struct JoinHandle<T> {
    task: HandleRef,
    output: PhantomData<T>,
}

// SAFETY: the handle gives out a `T`, on the thread that polls it; all else that it reaches is `Send` and `Sync`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: `&JoinHandle<T>` gives no access to a `T`.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// `T` is the output of the task's future.
    pub(super) unsafe fn new(task: HandleRef) -> Self {
        JoinHandle { task, output: PhantomData }
    }

    /// Cancels the task: its future is dropped at its next await point, on a worker, and awaiting this handle then gives
    /// an error for which [`JoinError::is_cancelled`] holds. A task that has finished keeps its output.
    ///
    /// A closure given to `spawn_blocking` is cancelled only if it has not begun.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// A handle that can cancel the task, but not await it.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.task.task_ref())
    }

    /// Whether the task has ended. After [`abort`](Self::abort) that takes until a worker has dropped the future.
    pub fn is_finished(&self) -> bool {
        self.task.is_complete()
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// Whether the task has ended; if not, the waker will be woken. Draws on nobody's budget.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> bool {
        self.task.watch(cx)
    }

    /// The result, for one who has asked for a step of progress already.
    ///
    /// # Panics
    ///
    /// If it has been given before.
    #[inline]
    pub(super) fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        // SAFETY: by `new`, `T` is the task's output.
        unsafe { self.task.poll(cx) }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = ready!(budget::poll_proceed(cx));
        let output = self.poll_unasked(cx);
        if output.is_ready() {
            progress.made();
        } else {
            wait::note_join(self.id());
        }
        output
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

//! Many tasks that are awaited together, each as it ends: [`JoinSet`].
//!
//! Inside a set each member is watched by a waker of its own, which puts the member's key on the set's *ready list* when the member ends
//! and wakes whoever waits for the set. So a member costs one look when it is added and one when it is taken, however many there are.

// How members are added needs a runtime, and lives with it: `runtime/join_set.rs`.

mod members;
mod ready;

pub use crate::runtime::join_set::Builder;

use super::{AbortHandle, Id, JoinError, JoinHandle, budget, wait, wake_contained};
use members::Members;
use ready::{Member, Ready};
use std::fmt;
use std::future::poll_fn;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// A set of tasks that all have the same type of output. Gives the outputs in the order in which the tasks end.
///
/// Dropping the set aborts the tasks that are in it.
///
/// ```
/// use rt::task::JoinSet;
///
/// # #[rt::main]
/// # async fn main() {
/// let mut set = JoinSet::new();
/// for i in 0..4 {
///     set.spawn(async move { i * i });
/// }
/// let mut sum = 0;
/// while let Some(square) = set.join_next().await {
///     sum += square.unwrap();
/// }
/// assert_eq!(sum, 0 + 1 + 4 + 9);
/// # }
/// ```
///
/// A task that has ended stays in the set, with its output, until it is taken. A set that is only ever added to grows without bound: take what
/// has ended now and then, by [`try_join_next`](Self::try_join_next) for example.
pub struct JoinSet<T> {
    members: Members<JoinHandle<T>>,
    ready: Arc<Ready>,
}

// A panic of the user's code finds no set half changed.
impl<T> UnwindSafe for JoinSet<T> {}
impl<T> RefUnwindSafe for JoinSet<T> {}

impl<T> JoinSet<T> {
    /// A set without tasks.
    ///
    /// ```
    /// let set = rt::task::JoinSet::<()>::new();
    /// assert!(set.is_empty());
    /// ```
    pub fn new() -> Self {
        JoinSet { members: Members::new(), ready: Arc::default() }
    }

    /// How many tasks are in the set: those that run, and those whose outputs have not been taken.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(async {});
    /// assert_eq!((set.len(), set.is_empty()), (1, false));
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: 'static> JoinSet<T> {
    /// Adds a task.
    pub(crate) fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let key = self.members.insert(handle);
        let waker = Waker::from(Arc::new(Member { key, ready: self.ready.clone() }));
        let handle = self.members.get(key).expect("it was added just now");
        if handle.watch(&mut Context::from_waker(&waker))
            // It has ended already, and does not do this itself.
            && let Some(waiting) = self.ready.push(key)
        {
            wake_contained(waiting);
        }
        abort
    }

    /// Waits for a task to end, takes it out of the set and returns its result. `None` if the set is empty.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(async { "done" });
    /// set.spawn(async { panic!("boom") });
    /// let mut ends = Vec::new();
    /// while let Some(result) = set.join_next().await {
    ///     ends.push(result.is_ok());
    /// }
    /// ends.sort();
    /// assert_eq!(ends, [false, true]);
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, for another branch of a `select!` for example, no task has been taken out.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the task's id. That of a task that failed is in the error.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// let id = set.spawn(async { 7 }).id();
    /// assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (id, 7));
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As for `join_next`.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes out a task that has ended, without waiting. `None` if there is none, or if the set is empty.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// for _ in 0..1000 {
    ///     set.spawn(async { /* Serves a connection. */ });
    ///     while let Some(result) = set.try_join_next() {
    ///         result.unwrap();
    ///     }
    /// }
    /// # }
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.take_ready().map(|(_, result)| result)
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's id. That of a task that failed is in the error.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// let id = set.spawn(async { 7 }).id();
    /// let taken = loop {
    ///     match set.try_join_next_with_id() {
    ///         Some(taken) => break taken.unwrap(),
    ///         None => rt::task::yield_now().await,
    ///     }
    /// };
    /// assert_eq!(taken, (id, 7));
    /// # }
    /// ```
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.take_ready().map(with_id)
    }

    /// As [`join_next`](Self::join_next), to be called from `poll`.
    ///
    /// `Ready(None)` if the set is empty. Of several callers the last one is woken. `Pending` may also mean that the
    /// [budget](super::coop) of this poll is used up.
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(async { "done" });
    /// assert_eq!(poll_fn(|cx| set.poll_join_next(cx)).await.unwrap().unwrap(), "done");
    /// # }
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_ready(cx).map(|taken| taken.map(|(_, result)| result))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the task's id. That of a task that failed is in the error.
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// let id = set.spawn(async { "done" }).id();
    /// assert_eq!(poll_fn(|cx| set.poll_join_next_with_id(cx)).await.unwrap().unwrap(), (id, "done"));
    /// # }
    /// ```
    pub fn poll_join_next_with_id(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(Id, T), JoinError>>> {
        self.poll_ready(cx).map(|taken| taken.map(with_id))
    }

    /// Waits for all tasks, and returns their outputs in the order in which they ended.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let set: rt::task::JoinSet<_> = (0..4).map(|i| async move { i }).collect();
    /// let mut outputs = set.join_all().await;
    /// outputs.sort();
    /// assert_eq!(outputs, [0, 1, 2, 3]);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If a task panicked, with what it panicked with, or if one was cancelled. The others are aborted then.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is done it aborts the tasks that are left, and the outputs that it has are lost. `join_next` keeps them.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(error) => panic!("`JoinSet::join_all` needs all outputs, but {error}"),
                },
            }
        }
        outputs
    }

    /// Aborts all tasks. They stay in the set, and [`join_next`](Self::join_next) gives the result of each.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.abort_all();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// # }
    /// ```
    pub fn abort_all(&mut self) {
        self.members.iter().for_each(JoinHandle::abort);
    }

    /// Takes all tasks out of the set without aborting them. They go on, and their outputs are dropped.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let (sender, receiver) = rt::sync::oneshot::channel();
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(async { sender.send("still here") });
    /// set.detach_all();
    /// drop(set);
    /// assert_eq!(receiver.await.unwrap(), "still here");
    /// # }
    /// ```
    pub fn detach_all(&mut self) {
        // What they still put on their ready list is not to be taken for members of the same keys that come later.
        let ready = std::mem::take(&mut self.ready);
        let members = std::mem::replace(&mut self.members, Members::new());
        ready.forget_waiting();
        drop(members);
    }

    /// Aborts all tasks and waits until the last has ended: until its future has been dropped. Outputs and errors are dropped.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.shutdown().await;
    /// assert!(set.is_empty());
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the tasks have been aborted, and those that have not been waited for are in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let progress = ready!(budget::poll_proceed(cx));
        loop {
            if let Some(taken) = self.take_ready() {
                progress.made();
                return Poll::Ready(Some(taken));
            }
            if self.ready.wait(cx.waker()) {
                wait::note_tasks(self.len());
                return Poll::Pending;
            }
        }
    }

    /// Takes out a member that has ended.
    fn take_ready(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        let key = self.ready.pop()?;
        // A member is on the list once, when it has ended, and nothing else takes it out.
        let handle = self.members.get(key).expect("a member stays until it is taken");
        let id = handle.id();
        let Poll::Ready(result) = handle.poll_unasked(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("a member on the ready list has ended");
        };
        self.members.remove(key);
        Some((id, result))
    }
}

fn with_id<T>((id, result): (Id, Result<T, JoinError>)) -> Result<(Id, T), JoinError> {
    result.map(|output| (id, output))
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        // All of them before the first output is dropped, which runs code of the user's.
        self.members.iter().for_each(JoinHandle::abort);
        self.ready.forget_waiting();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

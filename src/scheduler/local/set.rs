//! What users see of a local set.

use super::current::{self, Entered};
use super::remote::Place;
use super::{Set, Turn};
use crate::primitives::clock::Tick;
use crate::scheduler::{Id, Running};
use crate::task::wait::note_tasks;
use crate::task::{JoinHandle, Look, Meta};
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Tasks whose futures need not be `Send`, all of which run on one thread.
///
/// A set does nothing by itself. Its tasks run while the thread that made it is in a future that drives it: that of
/// [`run_until`](Self::run_until), or the set itself, which is done when all its tasks are. Inside of both, and inside the
/// tasks, [`spawn_local`](crate::task::spawn_local) adds tasks.
///
/// ```
/// use rt::task::{LocalSet, spawn_local};
/// use std::{cell::Cell, rc::Rc};
///
/// # #[rt::main]
/// # async fn main() {
/// let count = Rc::new(Cell::new(0));
/// let set = LocalSet::new();
/// let sum = set.run_until(async {
///     for n in 1..=4 {
///         let count = count.clone();
///         spawn_local(async move { count.set(count.get() + n) }).await.unwrap();
///     }
///     count.get()
/// });
/// assert_eq!(sum.await, 10);
/// # }
/// ```
///
/// Sockets, timers and [`rt::spawn`](crate::spawn) work in the tasks as they do where the set is driven. A set can be driven by different
/// futures one after the other, or at a time.
///
/// Where a runtime may belong to one thread as a whole, a [`LocalRuntime`](crate::runtime::LocalRuntime) needs no set: its tasks are
/// those of its scheduler, and cheaper.
///
/// # Threads
///
/// A set is neither `Send` nor `Sync`, so that what drives it cannot be spawned with `rt::spawn`; `block_on` can have it. Wakers, abort
/// handles, and join handles whose output is `Send`, work from any thread:
///
/// ```compile_fail,E0277
/// # #[rt::main]
/// # async fn main() {
/// let set = rt::task::LocalSet::new();
/// rt::spawn(async move { set.run_until(async {}).await });
/// # }
/// ```
///
/// # Dropping it
///
/// Drops the futures of all tasks that are left, at once and on this thread. Their join handles say that they were cancelled. Panics are
/// contained.
pub struct LocalSet {
    set: Arc<Set>,
    /// As the poller that this future is.
    place: Option<Place>,
    not_send: PhantomData<*mut ()>,
}

impl LocalSet {
    /// A set without tasks. It belongs to this thread.
    pub fn new() -> LocalSet {
        LocalSet { set: Set::new(), place: None, not_send: PhantomData }
    }

    /// Lets [`spawn_local`](crate::task::spawn_local) find this set on this thread until the guard is dropped, as if inside of it.
    ///
    /// ```
    /// use rt::task::{LocalSet, spawn_local};
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let set = LocalSet::new();
    /// let task = {
    ///     let _guard = set.enter();
    ///     spawn_local(async { "spawned from ordinary code" })
    /// };
    /// assert_eq!(set.run_until(task).await.unwrap(), "spawned from ordinary code");
    /// # }
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { _entered: current::enter(&self.set) }
    }

    /// Spawns a task. It begins when the set is driven next.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let set = rt::task::LocalSet::new();
    /// let task = set.spawn_local(async { 6 * 7 });
    /// assert!(!task.is_finished());
    /// set.await;
    /// assert_eq!(task.await.unwrap(), 42);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.set.spawn(future, Meta::new(None, Location::caller()))
    }

    pub(crate) fn spawn_with<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.set.spawn(future, meta)
    }

    /// Polls `future` and drives the set until `future` is done. The tasks that are left by then go on when the set is driven
    /// again.
    ///
    /// ```
    /// use rt::sync::oneshot;
    /// use rt::task::LocalSet;
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let set = LocalSet::new();
    /// let (sender, receiver) = oneshot::channel();
    /// set.spawn_local(async { sender.send("from a task of the set").unwrap() });
    /// assert_eq!(set.run_until(receiver).await.unwrap(), "from a task of the set");
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops `future`. The set's tasks are left where they were.
    pub async fn run_until<F>(&self, future: F) -> F::Output
    where
        F: Future,
    {
        let mut future = pin!(future);
        let mut poller = Poller { set: &self.set, place: None };
        poll_fn(|cx| {
            poller.set.turn(&mut poller.place, cx.waker(), |turn| {
                let polled = future.as_mut().poll(cx);
                if polled.is_pending() {
                    run(turn, cx.waker());
                }
                polled
            })
        })
        .await
    }

    /// Shows each task, for a dump.
    pub(crate) fn visit(&self, f: impl FnMut(Look<'_>, Tick, Option<Running>)) {
        self.set.visit(f);
    }

    /// The set's identifier.
    pub fn id(&self) -> Id {
        self.set.id
    }
}

fn run(turn: &Turn<'_>, waker: &Waker) {
    if turn.run() {
        waker.wake_by_ref();
    }
}

/// One call of `run_until`.
struct Poller<'a> {
    set: &'a Arc<Set>,
    place: Option<Place>,
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.set.leave(place);
        }
    }
}

/// Drives the set until all its tasks have ended.
///
/// ```
/// use rt::task::{LocalSet, spawn_local};
///
/// # #[rt::main]
/// # async fn main() {
/// let set = LocalSet::new();
/// let first = set.spawn_local(async { spawn_local(async { 1 }) });
/// set.await;
/// assert_eq!(first.await.unwrap().await.unwrap(), 1);
/// # }
/// ```
impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let LocalSet { set, place, .. } = self.get_mut();
        let waker = cx.waker();
        set.turn(place, waker, |turn| run(turn, waker));
        if set.is_done() {
            return Poll::Ready(());
        }
        note_tasks(set.own().alive.get());
        Poll::Pending
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        self.set.end();
    }
}

impl Default for LocalSet {
    fn default() -> LocalSet {
        LocalSet::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Keeps a thread inside a set; see [`LocalSet::enter`].
///
/// The set may be dropped before the guard is. What is spawned after that is cancelled at once.
#[must_use = "the thread leaves the set as soon as the guard is dropped"]
pub struct LocalEnterGuard {
    _entered: Entered,
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

//! What the body and the children of a scope have of it.

use super::child::{self, ScopedJoinHandle};
use super::shared::{Failure, Shared};
use crate::task::signal::{Signal, Wait};
use crate::task::wait::{Event, note_event};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A scope whose children cannot fail, but by a panic: what the body of [`scope`](super::scope) is given.
///
/// It can be cloned into children, so that they spawn siblings, and be used on any thread. One that outlives its scope refuses what is
/// spawned.
pub struct Scope {
    pub(super) shared: Arc<Shared<Infallible>>,
}

/// A scope whose children can fail: what the bodies of [`try_scope`](super::try_scope) and [`supervise`](super::supervise) are given.
///
/// It can be cloned into children, so that they spawn siblings, and be used on any thread. One that outlives its scope refuses what is
/// spawned.
pub struct TryScope<E> {
    pub(super) shared: Arc<Shared<E>>,
}

// A panic of the user's code finds nothing of a scope half done.
impl UnwindSafe for Scope {}
impl RefUnwindSafe for Scope {}
impl<E> UnwindSafe for TryScope<E> {}
impl<E> RefUnwindSafe for TryScope<E> {}

impl Scope {
    /// Spawns a child: a task that the scope waits for. It may return anything, which its handle gives.
    ///
    /// A child that is spawned after the scope was cancelled, or has ended, is dropped before it begins, and its handle says that it was
    /// cancelled.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let answer = rt::task::scope(async |scope| {
    ///     let siblings = scope.clone();
    ///     let first = scope.spawn(async move { siblings.spawn(async { 40 }).await.unwrap() });
    ///     let second = scope.spawn(async { 2 });
    ///     first.await.unwrap() + second.await.unwrap()
    /// })
    /// .await;
    /// assert_eq!(answer, 42);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopedJoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        child::spawn(&self.shared, future, Ok, Location::caller())
    }

    /// Runs a closure that blocks, on a thread of the blocking pool, as a child; see
    /// [`rt::task::spawn_blocking`](crate::task::spawn_blocking). The scope waits for one that has begun, also when it is cancelled.
    ///
    /// # Panics
    ///
    /// If the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking<C, R>(&self, closure: C) -> ScopedJoinHandle<R>
    where
        C: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        child::spawn_blocking(&self.shared, closure, Ok, Location::caller())
    }

    /// Cancels the children: see [`TryScope::cancel`].
    pub fn cancel(&self) {
        self.shared.members.cancel(false);
    }

    /// Whether the scope has been cancelled, or has ended.
    pub fn is_cancelled(&self) -> bool {
        self.shared.members.cancelled().is_set()
    }

    /// Waits until the scope is cancelled, or has ended: see [`TryScope::cancelled`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled::new(self.shared.members.cancelled())
    }

    /// How many children have not ended.
    pub fn len(&self) -> usize {
        self.shared.members.len()
    }

    /// Whether all children have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E: Send + 'static> TryScope<E> {
    /// Spawns a child: a task that the scope waits for. Its handle gives what is in its `Ok`. Its error, or its panic, goes to the scope, before
    /// anybody who awaits the handle learns of it.
    ///
    /// A child that is spawned after the scope was cancelled, or has ended, is dropped before it begins, and its handle says that it was
    /// cancelled.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let sum = rt::task::try_scope(async |scope| {
    ///     let parsed = ["1", "2"].map(|text| scope.spawn(async move { text.parse::<i32>() }));
    ///     let mut sum = 0;
    ///     for number in parsed {
    ///         sum += number.await.unwrap();
    ///     }
    ///     Ok(sum)
    /// })
    /// .await;
    /// assert_eq!(sum, Ok(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, future: F) -> ScopedJoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        child::spawn(&self.shared, future, |result| result, Location::caller())
    }

    /// Runs a closure that blocks, on a thread of the blocking pool, as a child; see
    /// [`rt::task::spawn_blocking`](crate::task::spawn_blocking). The scope waits for one that has begun, also when it is cancelled.
    ///
    /// # Panics
    ///
    /// If the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking<C, T>(&self, closure: C) -> ScopedJoinHandle<T>
    where
        C: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        child::spawn_blocking(&self.shared, closure, |result| result, Location::caller())
    }
}

impl<E> TryScope<E> {
    /// Cancels the children, those that the scope has now. They are aborted at once, or, if the scope gives them a
    /// [grace](super::ScopeBuilder::grace), when that is over; then no more are taken. The body goes on, and what it returns is what the scope gives:
    /// awaiting the scope to its end is the way to wait until all have ended.
    ///
    /// May be called by the body, by children, or by whoever has been given a clone. The second time it does nothing.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let result: Result<_, ()> = rt::task::try_scope(async |scope| {
    ///     scope.spawn(std::future::pending::<Result<(), ()>>());
    ///     scope.cancel();
    ///     Ok("enough")
    /// })
    /// .await;
    /// assert_eq!(result, Ok("enough"));
    /// # }
    /// ```
    pub fn cancel(&self) {
        self.shared.members.cancel(false);
    }

    /// Whether the scope has been cancelled, by [`cancel`](Self::cancel), a failure, or the end of the task that it is in; or has ended.
    pub fn is_cancelled(&self) -> bool {
        self.shared.members.cancelled().is_set()
    }

    /// Waits until the scope is cancelled, or has ended.
    ///
    /// What a child does after that has as much time as the scope's [grace](super::ScopeBuilder::grace); without one, it is aborted at the await
    /// point where it would learn of it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled::new(self.shared.members.cancelled())
    }

    /// How many children have not ended.
    pub fn len(&self) -> usize {
        self.shared.members.len()
    }

    /// Whether all children have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The failures that have been collected since this was last called, in a scope of [`supervise`](super::supervise). So a server that runs for
    /// long does not keep them all. In a [`try_scope`](super::try_scope) there are none: the first failure ends it.
    pub fn take_failures(&self) -> Vec<Failure<E>> {
        self.shared.take_collected()
    }
}

impl Clone for Scope {
    fn clone(&self) -> Self {
        Scope { shared: self.shared.clone() }
    }
}

impl<E> Clone for TryScope<E> {
    fn clone(&self) -> Self {
        TryScope { shared: self.shared.clone() }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl<E> fmt::Debug for TryScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// The future of [`Scope::cancelled`] and [`TryScope::cancelled`].
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited"]
pub struct Cancelled<'a>(Wait<'a>);

impl<'a> Cancelled<'a> {
    fn new(signal: &'a Signal) -> Self {
        Cancelled(signal.wait())
    }
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.0).poll(cx);
        if polled.is_pending() {
            note_event(Event::Cancelled);
        }
        polled
    }
}

//! A child of a scope: its task, its value, and the handle to it.
//!
//! A child is an ordinary task whose future is a [`Child`]. It ends in this order, which its parent relies on: the user's future is
//! dropped; its value goes to the handle, or is dropped if the handle has gone, and an error or a panic goes to the scope; the child
//! leaves the scope. After that no code of the child's runs any more. So the value is not the task's output, which would be dropped by
//! the runtime later than that, but lies in a [`Slot`] of its own.

use super::shared::{Failure, Shared};
use crate::primitives::Mutex;
use crate::primitives::contain::contain;
use crate::task::error::Reason;
use crate::task::{AbortHandle, Id, JoinError, JoinHandle, Meta};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Awaits the value of a child of a scope. Dropping it lets the child go on: its scope waits for it all the same.
///
/// Awaiting gives `Ok` with the value, or a [`JoinError`] for which [`is_cancelled`](JoinError::is_cancelled) holds if there is none: the child
/// was aborted, or refused because its scope takes no more children, or it failed. Why it failed, its scope says.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let sum = rt::task::scope(async |scope| {
///     let halves = [vec![1, 2, 3], vec![4, 5, 6]].map(|half| scope.spawn(async move { half.iter().sum::<i32>() }));
///     let mut sum = 0;
///     for half in halves {
///         sum += half.await.unwrap();
///     }
///     sum
/// })
/// .await;
/// assert_eq!(sum, 21);
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
pub struct ScopedJoinHandle<T> {
    task: JoinHandle<()>,
    slot: Arc<Slot<T>>,
}

impl<T> UnwindSafe for ScopedJoinHandle<T> {}
impl<T> RefUnwindSafe for ScopedJoinHandle<T> {}

impl<T> ScopedJoinHandle<T> {
    /// Cancels this child and no other: its future is dropped at its next await point. The scope goes on.
    ///
    /// A closure given to `spawn_blocking` is cancelled only if it has not begun.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// A handle that can cancel the child, but not await it.
    pub fn abort_handle(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    /// Whether the child has ended.
    pub fn is_finished(&self) -> bool {
        self.slot.is_finished() || self.task.is_finished()
    }

    /// The identifier of the child's task.
    pub fn id(&self) -> Id {
        self.task.id()
    }
}

impl<T> Future for ScopedJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.task).poll(cx));
        let cancelled = || JoinError::new(self.task.id(), Reason::Cancelled);
        Poll::Ready(ended.and_then(|()| self.slot.take().ok_or_else(cancelled)))
    }
}

impl<T> Drop for ScopedJoinHandle<T> {
    fn drop(&mut self) {
        let value = self.slot.abandon();
        // As with the output of any task that nobody wants.
        contain(|| drop(value));
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").field("id", &self.id()).finish()
    }
}

/// Where a child leaves its value.
struct Slot<T>(Mutex<Value<T>>);

enum Value<T> {
    /// The child has not ended.
    Awaited,
    Here(T),
    /// It was taken, or the child has ended without one.
    None,
    /// The handle has gone.
    Unwanted,
}

impl<T> Slot<T> {
    fn is_finished(&self) -> bool {
        matches!(*self.0.lock(), Value::Here(_) | Value::None)
    }

    fn put(&self, value: T) {
        let mut place = self.0.lock();
        if matches!(*place, Value::Awaited) {
            *place = Value::Here(value);
            return;
        }
        drop(place);
        // Its panic has been reported by the panic hook, and nobody waits for it.
        contain(|| drop(value));
    }

    /// The child ends without a value, if it has left none.
    fn end(&self) {
        let mut place = self.0.lock();
        if matches!(*place, Value::Awaited) {
            *place = Value::None;
        }
    }

    fn take(&self) -> Option<T> {
        match std::mem::replace(&mut *self.0.lock(), Value::None) {
            Value::Here(value) => Some(value),
            _ => None,
        }
    }

    /// The handle goes, and what is here with it.
    fn abandon(&self) -> Value<T> {
        std::mem::replace(&mut *self.0.lock(), Value::Unwanted)
    }
}

/// What a child has of its scope. Dropped, the child leaves.
struct Membership<T, E> {
    slot: Arc<Slot<T>>,
    scope: Arc<Shared<E>>,
    place: usize,
}

impl<T, E> Membership<T, E> {
    /// The child's code has come to its end.
    fn end(&self, result: std::thread::Result<Result<T, E>>) {
        match result {
            Ok(Ok(value)) => self.slot.put(value),
            Ok(Err(error)) => self.scope.child_failed(Failure::Error(error)),
            Err(payload) => self.scope.child_failed(Failure::Panic(payload)),
        }
    }

    /// Runs code of the child's that gives nothing. A panic in it is the child's.
    fn run(&self, code: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
            self.scope.child_failed(Failure::Panic(payload));
        }
    }
}

impl<T, E> Drop for Membership<T, E> {
    fn drop(&mut self) {
        self.slot.end();
        self.scope.members.leave(self.place);
    }
}

/// What the output of a child's code means to its scope.
pub(super) type Judge<O, T, E> = fn(O) -> Result<T, E>;

pin_project! {
    /// The future of a child's task. Without a membership it does nothing: its scope has refused it.
    struct Child<F: Future, T, E> {
        #[pin]
        future: Option<F>,
        judge: Judge<F::Output, T, E>,
        membership: Option<Membership<T, E>>,
    }

    impl<F: Future, T, E> PinnedDrop for Child<F, T, E> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(membership) = this.membership.take() {
                membership.run(|| this.future.set(None));
            }
        }
    }
}

impl<F: Future, T, E> Future for Child<F, T, E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let polled = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        if let Some(membership) = this.membership.take() {
            let result = polled.map(*this.judge);
            // A failure first, so that a panic of the drop is the later one.
            let value = match result {
                Ok(Ok(value)) => Some(value),
                failed => {
                    membership.end(failed);
                    None
                }
            };
            membership.run(|| this.future.set(None));
            if let Some(value) = value {
                membership.end(Ok(Ok(value)));
            }
        }
        Poll::Ready(())
    }
}

/// Spawns a child.
pub(super) fn spawn<F, T, E>(
    scope: &Arc<Shared<E>>,
    future: F,
    judge: Judge<F::Output, T, E>,
    location: &'static Location<'static>,
) -> ScopedJoinHandle<T>
where
    F: Future + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (admission, slot) = Admission::new(scope);
    let membership = admission.as_ref().map(|admission| admission.membership(&slot));
    let future = membership.is_some().then_some(future);
    let child = Child { future, judge, membership };
    let task = scope.runtime.spawn_with(child, Meta::new(None, location));
    if let Some(admission) = admission {
        admission.settle(&task);
    }
    ScopedJoinHandle { task, slot }
}

/// Spawns a child that blocks a thread of its own.
#[track_caller]
pub(super) fn spawn_blocking<C, O, T, E>(
    scope: &Arc<Shared<E>>,
    closure: C,
    judge: Judge<O, T, E>,
    location: &'static Location<'static>,
) -> ScopedJoinHandle<T>
where
    C: FnOnce() -> O + Send + 'static,
    O: 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (admission, slot) = Admission::new(scope);
    let child =
        admission.as_ref().map(|admission| Closure { membership: admission.membership(&slot), closure: Some(closure) });
    let call = move || {
        if let Some(child) = child {
            child.call(judge);
        }
    };
    let task = scope.runtime.spawn_blocking_with(call, Meta::new(None, location));
    if let Some(admission) = admission {
        admission.settle(&task);
    }
    ScopedJoinHandle { task, slot }
}

/// A child between its admission and the moment when its task is known.
struct Admission<'a, E> {
    scope: &'a Arc<Shared<E>>,
    place: usize,
}

impl<'a, E> Admission<'a, E> {
    /// `None`: the scope takes no more children.
    fn new<T>(scope: &'a Arc<Shared<E>>) -> (Option<Self>, Arc<Slot<T>>) {
        let admission = scope.members.admit().map(|place| Admission { scope, place });
        let value = if admission.is_some() { Value::Awaited } else { Value::None };
        (admission, Arc::new(Slot(Mutex::new(value))))
    }

    fn membership<T>(&self, slot: &Arc<Slot<T>>) -> Membership<T, E> {
        Membership { slot: slot.clone(), scope: self.scope.clone(), place: self.place }
    }

    fn settle(self, task: &JoinHandle<()>) {
        self.scope.members.settle(self.place, task.abort_handle());
        std::mem::forget(self);
    }
}

impl<E> Drop for Admission<'_, E> {
    /// There is no task: the system has refused a thread. The child has left.
    fn drop(&mut self) {
        self.scope.members.give_up(self.place);
    }
}

/// A child that blocks.
struct Closure<C, T, E> {
    closure: Option<C>,
    membership: Membership<T, E>,
}

impl<C, T, E> Closure<C, T, E> {
    fn call<O>(mut self, judge: Judge<O, T, E>)
    where
        C: FnOnce() -> O,
    {
        if let Some(closure) = self.closure.take() {
            let result = catch_unwind(AssertUnwindSafe(closure));
            self.membership.end(result.map(judge));
        }
    }
}

impl<C, T, E> Drop for Closure<C, T, E> {
    fn drop(&mut self) {
        let closure = self.closure.take();
        self.membership.run(|| drop(closure));
    }
}

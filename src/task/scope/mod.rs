//! Structured concurrency: tasks that do not outlive the code that spawned them.
//!
//! | file | subject |
//! |---|---|
//! | this | the ways to open a scope |
//! | `handle` | what body and children have of it |
//! | `child` | a child's task, its value and its handle |
//! | `run` | the parent: polls the body, waits for the children |
//! | `shared` | what they have in common; failures |
//! | `members` | the protocol between them |
//!
//! For users it is told in `docs/structured-concurrency.md`.

mod child;
mod handle;
mod members;
mod run;
mod shared;

pub use child::ScopedJoinHandle;
pub use handle::{Cancelled, Scope, TryScope};
pub use shared::Failure;

use crate::runtime::Handle;
use run::{Grace, Run};
use shared::Shared;
use std::future::Future;

/// Runs `body`, and ends only when it and all children that were spawned in its scope have ended.
///
/// The children's outputs are whatever they are; children that can fail belong in a [`try_scope`].
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # #[rt::main]
/// # async fn main() {
/// let seen = Arc::new(AtomicUsize::new(0));
/// rt::task::scope(async |scope| {
///     for _ in 0..10 {
///         let seen = seen.clone();
///         scope.spawn(async move { seen.fetch_add(1, Ordering::Relaxed) });
///     }
/// })
/// .await;
/// // No handle was awaited, and still all have ended.
/// assert_eq!(seen.load(Ordering::Relaxed), 10);
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future, by an abort, a `timeout` or a `select!`, drops the body and aborts the children; their own scopes are
/// dropped with them. Nobody waits for them then: each ends at its next await point, and nothing of it runs beyond the poll that it is in. A
/// drop cannot wait. The way that waits is [`Scope::cancel`], and awaiting the scope to its end.
///
/// # Panics
///
/// If this is awaited outside a runtime. With what a child or the body panicked with, after all others have been aborted and have ended.
pub async fn scope<T, B, F>(body: B) -> T
where
    B: FnOnce(Scope) -> F,
    F: Future<Output = T>,
{
    ScopeBuilder::new().scope(body).await
}

/// Runs `body`, whose children can fail, and ends only when it and all of them have ended.
///
/// The first error, of a child or of the body, cancels all others, and is what this returns when they have ended. Errors that come later
/// are dropped.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let result: Result<(), String> = rt::task::try_scope(async |scope| {
///     scope.spawn(async { Err::<(), _>(String::from("out of paper")) });
///     // Would go on for ever.
///     scope.spawn(std::future::pending::<Result<(), String>>());
///     std::future::pending().await
/// })
/// .await;
/// assert_eq!(result.unwrap_err(), "out of paper");
/// # }
/// ```
///
/// # Errors
///
/// The first error that a child or the body returned.
///
/// # Cancel safety
///
/// That of [`scope`].
///
/// # Panics
///
/// If this is awaited outside a runtime. With what a child or the body panicked with, if that came before the first error, after all others
/// have been aborted and have ended.
pub async fn try_scope<T, E, B, F>(body: B) -> Result<T, E>
where
    B: FnOnce(TryScope<E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    ScopeBuilder::new().try_scope(body).await
}

/// Runs `body`, whose children can fail without consequences for the others, and returns its output and what went wrong when all have ended.
///
/// Errors and panics of children are collected. A scope that lives for long takes them out now and then, by [`TryScope::take_failures`].
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let (numbers, failures) = rt::task::supervise(async |scope| {
///     let parsed = ["1", "two", "3"].map(|text| scope.spawn(async move { text.parse::<i32>() }));
///     let mut numbers = Vec::new();
///     for number in parsed {
///         numbers.extend(number.await);
///     }
///     numbers
/// })
/// .await;
/// assert_eq!(numbers, [1, 3]);
/// assert_eq!(failures[0].to_string(), "invalid digit found in string");
/// # }
/// ```
///
/// # Cancel safety
///
/// That of [`scope`].
///
/// # Panics
///
/// If this is awaited outside a runtime. With what the body panicked with, after the children have been aborted and have ended.
pub async fn supervise<T, E, B, F>(body: B) -> (T, Vec<Failure<E>>)
where
    B: FnOnce(TryScope<E>) -> F,
    F: Future<Output = T>,
{
    ScopeBuilder::new().supervise(body).await
}

/// Scopes with a choice.
///
/// ```
/// use rt::task::ScopeBuilder;
/// use rt::time::{Duration, sleep};
///
/// # #[rt::main]
/// # async fn main() {
/// let saved = ScopeBuilder::new()
///     .grace(Duration::from_secs(5))
///     .scope(async |scope| {
///         let child = scope.clone();
///         let task = scope.spawn(async move {
///             child.cancelled().await;
///             sleep(Duration::from_millis(1)).await;
///             "saved"
///         });
///         scope.cancel();
///         task.await.unwrap()
///     })
///     .await;
/// assert_eq!(saved, "saved");
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScopeBuilder {
    #[cfg(feature = "time")]
    grace: Option<std::time::Duration>,
}

impl ScopeBuilder {
    /// Scopes whose children are aborted as soon as they are cancelled.
    pub fn new() -> Self {
        ScopeBuilder::default()
    }

    /// Gives children that are cancelled so much time to end by themselves. They learn of it by `cancelled` or `is_cancelled`. Those that are there
    /// when it is over are aborted. The body has the same grace when its scope fails.
    ///
    /// There is none when the scope itself is dropped: nobody would be there to measure it.
    #[cfg(feature = "time")]
    #[must_use]
    pub fn grace(mut self, grace: std::time::Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    #[cfg(feature = "time")]
    fn make_grace(&self) -> Grace {
        self.grace.map_or_else(Grace::none, Grace::new)
    }

    #[cfg(not(feature = "time"))]
    fn make_grace(&self) -> Grace {
        Grace::none()
    }

    /// See [`scope`](super::scope()).
    ///
    /// # Cancel safety
    ///
    /// The same.
    ///
    /// # Panics
    ///
    /// For the same reasons; and if there is a grace, but no timers.
    pub async fn scope<T, B, F>(self, body: B) -> T
    where
        B: FnOnce(Scope) -> F,
        F: Future<Output = T>,
    {
        let grace = self.make_grace();
        let shared = Shared::new(Handle::current(), grace.is_some(), false);
        let scope = Scope { shared: shared.clone() };
        // Called inside, so that a panic of the call is one of the body.
        let body = async move { body(scope).await };
        match Run::new(shared, grace, body, Ok).await {
            Ok(output) => output,
            Err(never) => match never {},
        }
    }

    /// See [`try_scope`](super::try_scope()).
    ///
    /// # Errors
    ///
    /// The first error that a child or the body returned.
    ///
    /// # Cancel safety
    ///
    /// The same.
    ///
    /// # Panics
    ///
    /// For the same reasons; and if there is a grace, but no timers.
    pub async fn try_scope<T, E, B, F>(self, body: B) -> Result<T, E>
    where
        B: FnOnce(TryScope<E>) -> F,
        F: Future<Output = Result<T, E>>,
    {
        let grace = self.make_grace();
        let shared = Shared::new(Handle::current(), grace.is_some(), false);
        let scope = TryScope { shared: shared.clone() };
        let body = async move { body(scope).await };
        Run::new(shared, grace, body, |output| output).await
    }

    /// See [`supervise`](super::supervise()).
    ///
    /// # Cancel safety
    ///
    /// The same.
    ///
    /// # Panics
    ///
    /// For the same reasons; and if there is a grace, but no timers.
    pub async fn supervise<T, E, B, F>(self, body: B) -> (T, Vec<Failure<E>>)
    where
        B: FnOnce(TryScope<E>) -> F,
        F: Future<Output = T>,
    {
        let grace = self.make_grace();
        let shared = Shared::new(Handle::current(), grace.is_some(), true);
        let scope = TryScope { shared: shared.clone() };
        let body = async move { body(scope).await };
        let supervisor = shared.clone();
        match Run::new(shared, grace, body, Ok).await {
            Ok(output) => (output, supervisor.take_collected()),
            Err(_) => {
                unreachable!("the body of a supervisor returns no error, and those of its children are collected")
            }
        }
    }
}

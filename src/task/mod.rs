//! Tasks: what `spawn` makes of a future.
//!
//! ```
//! # #[rt::main]
//! # async fn main() {
//! let task = rt::task::spawn(async { "done" });
//! assert_eq!(task.await.unwrap(), "done");
//! # }
//! ```
//!
//! A task is an independent flow of control. It runs on some worker whenever it was woken, moves between workers at its
//! await points, and ends with an output, a panic or a cancellation, each of which its [`JoinHandle`] reports.
//!
//! A future that is not `Send` runs on the thread that spawns it: in a [`LocalSet`], or on a
//! [`LocalRuntime`](crate::runtime::LocalRuntime).
//!
//! A future never moves once it has been polled, and is dropped where it lies: in the task's one allocation.

// Inside: one future and its life. This folder knows nothing of workers: it hands a runnable task to a `Schedule`.

mod abort;
pub(crate) mod budget;
mod cell;
pub mod coop;
mod error;
mod header;
pub(crate) mod hooks;
mod id;
mod join;
pub mod join_set;
mod join_slot;
mod places;
mod registry;
mod reuse;
mod scope;
pub(crate) mod signal;
mod state;
mod task_local;
pub(crate) mod trace;
// What is told of tasks to `tracing`, or nothing.
#[cfg_attr(not(feature = "tracing"), path = "untold.rs")]
mod told;
pub(crate) mod wait;
mod whose;
mod yield_now;

pub use abort::AbortHandle;
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use error::JoinError;
pub(crate) use hooks::TaskHooks;
pub use id::Id;
pub use join::JoinHandle;
#[doc(inline)]
pub use join_set::JoinSet;
pub use scope::{Cancelled, Failure, Scope, ScopeBuilder, ScopedJoinHandle, TryScope, scope, supervise, try_scope};
pub use task_local::{AccessError, LocalKey};
pub use yield_now::yield_now;

/// Futures that run others.
pub mod futures {
    pub use super::task_local::TaskLocalFuture;
}

// The ways to spawn, and to ask who one is, need a runtime, and live with it.
pub use crate::runtime::current_id::{id, try_id};
pub use crate::runtime::spawn::{TaskBuilder as Builder, block_in_place, spawn, spawn_blocking, spawn_local};
pub use crate::scheduler::{LocalEnterGuard, LocalSet};

pub(crate) use cell::{FILE as CELL_FILE, wake_contained};
pub(crate) use header::{Ending, Look, Meta, RunToken, TaskRef};
pub(crate) use registry::{Inside, Registry, Returns};
pub(crate) use reuse::trim as trim_memory;
pub(crate) use state::Progress;
pub(crate) use whose::Whose;

use header::HandleRef;
use std::future::Future;
use std::ptr::NonNull;

/// What runs tasks, as a task sees it.
///
/// A task keeps a bare pointer to its scheduler, because a counted one would cost two read-modify-writes on a line that
/// every worker shares. The scheduler in turn lives until every task that it took in has left its registry.
pub(crate) trait Schedule: Send + Sync + Sized + 'static {
    /// Puts a task on a queue and makes sure that somebody looks there.
    ///
    /// # Safety
    ///
    /// `this` is live until `token` is queued, which holds because the task of a token is in its registry. It need
    /// not be afterwards: the task can run, complete, and be the last one.
    unsafe fn schedule(this: NonNull<Self>, token: RunToken);

    /// Takes a task that is about to complete out of the registry, or returns false if that is for another thread to do.
    fn let_go(&self, task: &Ending) -> bool;

    /// The future of a task has panicked; the task is about to complete.
    fn panicked(&self, task: &TaskRef);

    /// Gives a complete task back to the registry. Called once for each task for which `let_go` was false.
    fn give_back(&self, task: Ending);
}

/// Called by a thread that begins to poll futures, perhaps in the middle of a poll: what that one may do still, and waits for, is
/// left alone until the guard is dropped.
pub(crate) fn poll_scope() -> (budget::Scope, wait::Scope) {
    (budget::scope(), wait::scope())
}

/// Makes a task: the run token, for the registry and then for a queue, and the handle.
///
/// # Safety
///
/// `scheduler` stays live until it has let go of the task, or it was given back.
#[inline]
pub(crate) unsafe fn new<F, S>(future: F, meta: Meta, scheduler: NonNull<S>) -> (RunToken, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller's promise; the future and its output are `Send`.
    unsafe { new_bound(future, meta, scheduler) }
}

/// Makes a task whose future need not be `Send`, and stays on this thread.
///
/// # Safety
///
/// As for [`new`]. Besides, if the future or its output is not `Send`, the task's run tokens are run and dropped on this thread
/// only, wherever they were queued.
#[inline]
pub(crate) unsafe fn new_bound<F, S>(future: F, meta: Meta, scheduler: NonNull<S>) -> (RunToken, JoinHandle<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: the caller's promise. The handle is made below, on this thread, which it leaves only if the output is `Send`.
    let header = unsafe { cell::new(future, meta, scheduler) };
    // SAFETY: a new task's run token is the spawner's.
    let token = unsafe { RunToken::new(header) };
    // SAFETY: this is the only handle that is made for the task.
    let handle = unsafe { HandleRef::new(header) };
    // SAFETY: the type is that of the future's output.
    (token, unsafe { JoinHandle::new(handle) })
}

//! Cancelling a task from somewhere else.

use super::Id;
use super::header::TaskRef;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Cancels a task, as [`JoinHandle::abort`](super::JoinHandle::abort) does, without being able to await it.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(std::future::pending::<()>());
/// let abort = task.abort_handle();
/// rt::spawn(async move { abort.abort() });
/// assert!(task.await.unwrap_err().is_cancelled());
/// # }
/// ```
#[derive(Clone)]
pub struct AbortHandle(TaskRef);

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    pub(super) fn new(task: TaskRef) -> Self {
        AbortHandle(task)
    }

    /// See [`JoinHandle::abort`](super::JoinHandle::abort).
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.0.is_complete()
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.0.id()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}

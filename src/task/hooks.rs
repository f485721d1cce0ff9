//! What a program is told of its tasks' lives.

use super::header::{RunToken, TaskRef};
use super::{Ending, Id};
use crate::primitives::contain::contain;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// What a hook is told of a task.
///
/// See [`Builder::on_task_spawn`](crate::runtime::Builder::on_task_spawn) and the other hooks of the builder.
pub struct TaskMeta<'a> {
    task: &'a TaskRef,
}

impl TaskMeta<'_> {
    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.task.meta().location
    }

    /// The name that [`task::Builder::name`](crate::task::Builder::name) gave it.
    pub fn name(&self) -> Option<&str> {
        self.task.meta().name()
    }
}

impl fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMeta")
            .field("id", &self.id())
            .field("spawned_at", &self.spawned_at())
            .field("name", &self.name())
            .finish()
    }
}

/// A callback of the user's.
pub(crate) type TaskHook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// The callbacks of one runtime.
#[derive(Clone, Default)]
pub(crate) struct TaskHooks {
    pub(crate) on_spawn: Option<TaskHook>,
    pub(crate) before_poll: Option<TaskHook>,
    pub(crate) after_poll: Option<TaskHook>,
    pub(crate) on_terminate: Option<TaskHook>,
}

impl TaskHooks {
    /// Something has to be done at each poll.
    pub(crate) fn see_polls(&self) -> bool {
        self.before_poll.is_some() || self.after_poll.is_some()
    }

    /// A task has been made and is in the registry, and nobody else has seen it.
    #[inline]
    pub(crate) fn spawned(&self, token: &RunToken) {
        if let Some(hook) = &self.on_spawn {
            call(hook, &token.task_ref());
        }
    }

    /// A task is about to complete. One that was refused has never been spawned.
    #[inline]
    pub(crate) fn terminated(&self, task: &Ending) {
        if let Some(hook) = &self.on_terminate
            && task.was_taken_in()
        {
            call(hook, &task.task_ref());
        }
    }

    /// Runs a task, and calls what is to be called before and after.
    pub(crate) fn run(&self, token: RunToken) -> Option<RunToken> {
        // The task may be gone after its run.
        let task = token.task_ref();
        if let Some(hook) = &self.before_poll {
            call(hook, &task);
        }
        let again = token.run();
        if let Some(hook) = &self.after_poll {
            call(hook, &task);
        }
        again
    }
}

#[cold]
fn call(hook: &TaskHook, task: &TaskRef) {
    // The panic hook has reported it, and the task is not to blame.
    contain(|| hook(&TaskMeta { task }));
}

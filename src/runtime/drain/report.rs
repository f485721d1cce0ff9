//! What became of the tasks of a runtime that was drained.

use crate::task::{Id, TaskRef};
use std::fmt;
use std::panic::Location;

/// What [`Runtime::drain`](crate::runtime::Runtime::drain) and [`Handle::drain`](crate::runtime::Handle::drain) have done. With `{}` it prints as a
/// report.
#[derive(Clone, Debug)]
#[must_use = "it says which tasks were aborted, and which would not stop"]
pub struct Drained {
    finished: u64,
    aborted: Vec<DrainedTask>,
    stuck: Vec<DrainedTask>,
}

impl Drained {
    pub(super) fn new(finished: u64, aborted: Vec<DrainedTask>, stuck: Vec<DrainedTask>) -> Self {
        Drained { finished, aborted, stuck }
    }

    /// Whether all finished before the deadline.
    pub fn is_clean(&self) -> bool {
        self.aborted.is_empty() && self.stuck.is_empty()
    }

    /// How many tasks and closures ended before the deadline: those that were there when the drain began, and those that they spawned.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Those that were there at the deadline, and have ended since, because they were aborted.
    pub fn aborted(&self) -> &[DrainedTask] {
        &self.aborted
    }

    /// Those that were aborted too, but would not stop: they are still inside a poll, or a closure that blocks. On a current-thread runtime also those
    /// that nobody ran, because no thread was in its `block_on`.
    pub fn stuck(&self) -> &[DrainedTask] {
        &self.stuck
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.finished == 1 { "" } else { "s" };
        write!(f, "drained: {} task{plural} finished", self.finished)?;
        if !self.is_clean() {
            write!(f, ", {} had to be aborted, {} would not stop", self.aborted.len(), self.stuck.len())?;
        }
        for task in &self.aborted {
            write!(f, "\n  {task}, was aborted")?;
        }
        for task in &self.stuck {
            write!(f, "\n  {task}, would not stop")?;
        }
        Ok(())
    }
}

/// A task, or a closure of `spawn_blocking`, that a drain had to abort. With `{}` it prints as a line.
#[derive(Clone, Debug)]
pub struct DrainedTask {
    id: Id,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
    is_blocking: bool,
}

impl DrainedTask {
    pub(super) fn new(task: &TaskRef, is_blocking: bool) -> Self {
        let meta = task.meta();
        DrainedTask { id: task.id(), name: meta.name().map(Box::from), location: meta.location, is_blocking }
    }

    /// Its identifier.
    pub fn task_id(&self) -> Id {
        self.id
    }

    /// Its name, if it was given one by [`task::Builder`](crate::task::Builder::name).
    pub fn task_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.location
    }

    /// Whether it is a closure of [`spawn_blocking`](crate::task::spawn_blocking), and not a future.
    pub fn is_blocking(&self) -> bool {
        self.is_blocking
    }
}

impl fmt::Display for DrainedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_blocking { "closure" } else { "task" };
        write!(f, "{kind} {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.location)
    }
}

//! Whose code a thread runs, where its worker cannot tell.
//!
//! A worker shows which task it polls, so that a poll costs nothing here. Everything else is rare, and says so: closures that
//! block, futures that are dropped without being polled, outputs that nobody took, and futures of `block_on` on a worker.

use super::Id;
use std::cell::Cell;

/// Whose code a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the task that the thread's worker polls, if it is a worker.
    Polled,
    Task(Id),
    Nobody,
}

thread_local! {
    // Without a destructor, so that those of other thread-locals can ask.
    static WHOSE: Cell<Whose> = const { Cell::new(Whose::Polled) };
}

impl Whose {
    pub(crate) fn now() -> Self {
        WHOSE.get()
    }

    /// Is so until the guard is dropped.
    pub(crate) fn begin(self) -> Guard {
        Guard { before: WHOSE.replace(self) }
    }
}

impl From<Option<Id>> for Whose {
    fn from(id: Option<Id>) -> Self {
        id.map_or(Whose::Nobody, Whose::Task)
    }
}

/// Restores what was before when dropped.
pub(crate) struct Guard {
    before: Whose,
}

impl Drop for Guard {
    fn drop(&mut self) {
        WHOSE.set(self.before);
    }
}

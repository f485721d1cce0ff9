//! What the parent and the children of one scope share, and what became of those that failed.

use super::members::Members;
use crate::primitives::Mutex;
use crate::primitives::contain::contain;
use crate::runtime::Handle;
use crate::task::AbortHandle;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Why a child of a [`supervise`](super::supervise) scope has ended without a value.
pub enum Failure<E> {
    /// It returned an error.
    Error(E),
    /// It panicked, with this.
    Panic(Box<dyn Any + Send + 'static>),
}

impl<E> Failure<E> {
    /// Whether the child panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Failure::Panic(_))
    }

    /// The error that the child returned; `None` if it panicked.
    pub fn into_error(self) -> Option<E> {
        match self {
            Failure::Error(error) => Some(error),
            Failure::Panic(_) => None,
        }
    }

    /// What the child panicked with, if that is a text.
    fn text(&self) -> Option<&str> {
        let Failure::Panic(payload) = self else {
            return None;
        };
        payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&'static str>().copied())
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.text()) {
            (Failure::Error(error), _) => error.fmt(f),
            (Failure::Panic(_), Some(text)) => write!(f, "a child of a scope panicked with message {text:?}"),
            (Failure::Panic(_), None) => f.write_str("a child of a scope panicked"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.text()) {
            (Failure::Error(error), _) => f.debug_tuple("Error").field(error).finish(),
            (Failure::Panic(_), Some(text)) => write!(f, "Panic({text:?}, ...)"),
            (Failure::Panic(_), None) => f.write_str("Panic(...)"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Error(error) => error.source(),
            Failure::Panic(_) => None,
        }
    }
}

/// See the module's page.
pub(super) struct Shared<E> {
    pub(super) members: Members<AbortHandle>,
    /// Where children run, wherever they are spawned from.
    pub(super) runtime: Handle,
    failures: Mutex<Failures<E>>,
    /// Children that fail do not take the others with them.
    is_supervisor: bool,
}

struct Failures<E> {
    /// What the scope ends with.
    fatal: Option<Failure<E>>,
    /// What a supervisor has been told of.
    collected: Vec<Failure<E>>,
}

impl<E> Shared<E> {
    pub(super) fn new(runtime: Handle, has_grace: bool, is_supervisor: bool) -> Arc<Self> {
        let failures = Mutex::new(Failures { fatal: None, collected: Vec::new() });
        Arc::new(Shared { members: Members::new(has_grace), runtime, failures, is_supervisor })
    }

    pub(super) fn child_failed(&self, failure: Failure<E>) {
        if self.is_supervisor {
            self.failures.lock().collected.push(failure);
        } else {
            self.fail(failure);
        }
    }

    /// Ends the scope, unless something has before. The first failure is the cause of those that follow: whoever awaits a child that has
    /// failed learns of it later than this.
    pub(super) fn fail(&self, failure: Failure<E>) {
        let mut failures = self.failures.lock();
        let left = match failures.fatal {
            None => failures.fatal.replace(failure),
            Some(_) => Some(failure),
        };
        drop(failures);
        // Its panic has been reported by the panic hook, and there is nobody to hand it to.
        contain(|| drop(left));
        self.members.cancel(true);
    }

    /// What the scope ends with, if it is not its body's output.
    pub(super) fn take_fatal(&self) -> Option<Failure<E>> {
        self.failures.lock().fatal.take()
    }

    pub(super) fn take_collected(&self) -> Vec<Failure<E>> {
        std::mem::take(&mut self.failures.lock().collected)
    }
}

impl<E> fmt::Debug for Shared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.members.len())
            .field("is_cancelled", &self.members.cancelled().is_set())
            .finish()
    }
}

//! Why a task did not give its output.

use super::Id;
use std::any::Any;
use std::fmt;
use std::io;

/// A task ended without an output: it was cancelled, or it panicked.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let error = rt::spawn(async { panic!("boom") }).await.unwrap_err();
/// assert!(error.is_panic());
///
/// let task = rt::spawn(std::future::pending::<()>());
/// task.abort();
/// assert!(task.await.unwrap_err().is_cancelled());
/// # }
/// ```
pub struct JoinError {
    id: Id,
    reason: Reason,
}

/// What a task's cell keeps in place of an output; the error's id is the cell's own.
pub(super) enum Reason {
    Cancelled,
    Panic(Payload),
}

impl Reason {
    pub(super) fn panic(payload: Box<dyn Any + Send + 'static>) -> Self {
        Reason::Panic(Payload(payload))
    }
}

/// What a panic carries is `Send` but not `Sync`.
pub(super) struct Payload(Box<dyn Any + Send + 'static>);

// SAFETY: a shared `Payload` gives no access to what is in it, but for its text in `text`, and that is read through
// `downcast_ref` to `&str` and `String`, which are `Sync`. All else needs the payload by value.
unsafe impl Sync for Payload {}

impl Payload {
    fn text(&self) -> Option<&str> {
        let any = &*self.0;
        any.downcast_ref::<String>().map(String::as_str).or_else(|| any.downcast_ref::<&'static str>().copied())
    }
}

impl JoinError {
    pub(super) fn new(id: Id, reason: Reason) -> Self {
        JoinError { id, reason }
    }

    /// Whether the task was cancelled: by `abort`, or because its runtime shut down.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panic(_))
    }

    /// What the task panicked with, to be passed to [`std::panic::resume_unwind`], for example.
    ///
    /// # Panics
    ///
    /// If the task was cancelled. [`try_into_panic`](Self::try_into_panic) does not panic.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("the task did not panic, it was cancelled: look at `is_panic` first")
    }

    /// What the task panicked with.
    ///
    /// # Errors
    ///
    /// The error itself, if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.reason {
            Reason::Panic(payload) => Ok(payload.0),
            Reason::Cancelled => Err(self),
        }
    }

    /// The task that ended so.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Cancelled => write!(f, "task {} was cancelled", self.id),
            Reason::Panic(payload) => match payload.text() {
                Some(text) => write!(f, "task {} panicked with message {text:?}", self.id),
                None => write!(f, "task {} panicked", self.id),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Cancelled => write!(f, "JoinError::Cancelled({:?})", self.id),
            Reason::Panic(payload) => match payload.text() {
                Some(text) => write!(f, "JoinError::Panic({:?}, {text:?}, ...)", self.id),
                None => write!(f, "JoinError::Panic({:?}, ...)", self.id),
            },
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error.to_string())
    }
}

//! What goes wrong with timers.

pub use super::timeout::Elapsed;

use std::fmt;

/// A timer could not be made, or would never be over.
///
/// Nothing here gives one: what goes wrong with a timer is a mistake in the program, and a panic. The type is here for code that names it.
#[derive(Clone, Copy, Debug)]
pub struct Error(Reason);

#[derive(Clone, Copy, Debug)]
enum Reason {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The runtime of the timer has shut down.
    pub fn shutdown() -> Error {
        Error(Reason::Shutdown)
    }

    /// Whether the runtime of the timer has shut down.
    pub fn is_shutdown(&self) -> bool {
        matches!(self.0, Reason::Shutdown)
    }

    /// There are as many timers as there can be.
    pub fn at_capacity() -> Error {
        Error(Reason::AtCapacity)
    }

    /// Whether there are as many timers as there can be.
    pub fn is_at_capacity(&self) -> bool {
        matches!(self.0, Reason::AtCapacity)
    }

    /// The time to wait for is none.
    pub fn invalid() -> Error {
        Error(Reason::Invalid)
    }

    /// Whether the time to wait for is none.
    pub fn is_invalid(&self) -> bool {
        matches!(self.0, Reason::Invalid)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Shutdown => "the runtime of the timer has shut down",
            Reason::AtCapacity => "there are as many timers as there can be",
            Reason::Invalid => "the time to wait for is longer than a timer can wait",
        })
    }
}

impl std::error::Error for Error {}

//! Any signal of a Unix system.

pub use crate::driver::SignalKind;

use crate::driver::Listener;
use crate::runtime::Handle;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

/// Listens to a signal, from now on.
///
/// ```
/// use rt::signal::unix::{SignalKind, signal};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut hangup = signal(SignalKind::hangup())?;
/// rt::spawn(async move {
///     while hangup.recv().await.is_some() {
///         println!("reading the configuration again");
///     }
/// });
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Other` if there is no signal of that number, and for those that cannot be caught or after which a program does not go on: `SIGKILL`, `SIGSTOP`,
/// `SIGILL`, `SIGFPE`, `SIGSEGV`. Else what the system says: `EINVAL` for a signal that it keeps for itself, `EMFILE` if no descriptor is left for it.
///
/// # Panics
///
/// If this thread is in no runtime, or in one without I/O.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let listener = Listener::new(kind, &Handle::current_reactor())?;
    Ok(Signal { kind, listener })
}

/// Hears one signal, again and again. Made by [`signal`].
///
/// Any number may listen to the same signal, on any number of runtimes, and each hears it. Signals that come faster than they are taken are told of
/// as one: what is received stands for one signal or for several, but whatever comes after that is received later. So the system does it, too.
///
/// It hears by the runtime that it is polled in, and may be carried from one to another.
#[must_use = "signals are heard by `recv` or `poll_recv`"]
pub struct Signal {
    kind: SignalKind,
    listener: Listener,
}

impl Signal {
    /// Waits for the next signal.
    ///
    /// `None` only if the runtime that it was made in has shut down and it is polled in none: nobody is there who could hear.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next signal; see [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if let Some(reactor) = Handle::other_reactor(self.listener.reactor()) {
            // If it cannot move, for want of descriptors, it hears where it is.
            let _ = self.listener.move_to(&reactor);
        }
        Poll::Ready(ready!(self.listener.poll(cx)).ok())
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).finish_non_exhaustive()
    }
}

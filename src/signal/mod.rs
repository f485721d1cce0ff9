//! Signals of the system, as something to await.
//!
//! ```no_run
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! println!("waiting for Ctrl-C");
//! rt::signal::ctrl_c().await?;
//! println!("going down");
//! # Ok(())
//! # }
//! ```
//!
//! [`unix`] has all other signals. What a handler does, and how it gets from there to a task, is in `docs/processes-and-signals.md`.
//!
//! # What listening changes
//!
//! The first listener to a signal installs a handler, which stays for the life of the process: from then on the signal
//! does not do what it does by default, end the process for example, even when nobody listens any more. A handler that was there before
//! is called too. Child processes start without handlers, as always.

pub mod unix;

use std::io;
use unix::{SignalKind, signal};

/// Waits until somebody presses Ctrl-C, or sends `SIGINT` by other means.
///
/// It listens from its first poll on. What is pressed before ends the process, and what is pressed after, when nobody waits any more, does
/// nothing: a program that should end at once the second time waits for it a second time.
///
/// ```no_run
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// rt::spawn(async {
///     loop {
///         rt::time::sleep(std::time::Duration::from_secs(1)).await;
///         println!("working");
///     }
/// });
/// rt::signal::ctrl_c().await
/// # }
/// ```
///
/// # Cancel safety
///
/// A signal that comes before the future is dropped, and which it has not told of, is lost. To wait in a loop, use
/// [`signal`](unix::signal)`(SignalKind::interrupt())`.
///
/// # Errors
///
/// What the system says, `EMFILE` for example; or that the runtime has shut down.
///
/// # Panics
///
/// If it is polled in no runtime, or in one without I/O.
pub async fn ctrl_c() -> io::Result<()> {
    match signal(SignalKind::interrupt())?.recv().await {
        Some(()) => Ok(()),
        None => Err(io::Error::other("the runtime that listened for Ctrl-C has shut down")),
    }
}

//! What a listener does when the process is out of descriptors: tell, and try again a little later.
//!
//! A connection that cannot be accepted stays in the queue, so the listener stays readable, and a loop around `accept`
//! would spin.

use crate::primitives::Mutex;
use crate::runtime::Handle;
use crate::time::{Instant, Sleep, sleep_until};
use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Longer, and a server that has just closed a connection leaves the next client waiting for no reason; shorter, and it
/// spends the time that it needs for closing connections on failing to accept some.
const REST: Duration = Duration::from_millis(10);

/// Until when a listener does not try.
#[derive(Debug, Default)]
pub(super) struct Rest(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// Of whoever polls, the last one only; others have their own.
    polled: Option<Pin<Box<Sleep>>>,
}

impl Rest {
    /// Begins a rest if `error` says that something is used up.
    pub(super) fn after(&self, error: &io::Error) {
        if is_used_up(error) {
            self.0.lock().until = Some(Instant::now() + REST);
        }
    }

    /// The end of a rest that has not passed.
    fn until(&self) -> Option<Instant> {
        let mut state = self.0.lock();
        let until = state.until?;
        if Handle::has_timers() && Instant::now() < until {
            return Some(until);
        }
        state.until = None;
        None
    }

    pub(super) async fn wait(&self) {
        if let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }

    pub(super) fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until() else {
            return Poll::Ready(());
        };
        // Without the lock: making a timer and polling it may run code of the user's waker.
        let old = self.0.lock().polled.take();
        let mut sleep = old.filter(|sleep| sleep.deadline() == until).unwrap_or_else(|| Box::pin(sleep_until(until)));
        let polled = sleep.as_mut().poll(cx);
        if polled.is_pending() {
            self.0.lock().polled = Some(sleep);
        }
        polled
    }
}

// The lock is held while nobody's code runs, so a panic finds nothing half done; and a timer does not show what is inside.
impl UnwindSafe for Rest {}
impl RefUnwindSafe for Rest {}

fn is_used_up(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let used_up = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        error.raw_os_error().is_some_and(|code| used_up.iter().any(|errno| errno.raw_os_error() == code))
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}

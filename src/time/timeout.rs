//! A future that gives up at a deadline.

use super::{Instant, Sleep};
use crate::task::budget;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Awaits `future` for at most `duration`.
///
/// `Ok` with its output, or [`Elapsed`] once the time is over; `future` is dropped with this future. A future that is ready
/// at its first poll never costs a timer.
///
/// ```
/// use rt::time::{Duration, sleep, timeout};
///
/// # #[rt::main]
/// # async fn main() {
/// assert_eq!(timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
/// assert!(timeout(Duration::from_millis(1), sleep(Duration::from_secs(60))).await.is_err());
/// # }
/// ```
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Panics
///
/// If this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: Sleep::after(duration) }
}

/// Awaits `future` until `deadline` at the latest; see [`timeout`].
///
/// # Panics
///
/// If this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: Sleep::until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "a timeout does nothing until it is awaited"]
    #[derive(Debug)]
    pub struct Timeout<T> {
        #[pin]
        future: T,
        #[pin]
        sleep: Sleep,
    }
}

impl<T> Timeout<T> {
    /// The future that is awaited.
    pub fn get_ref(&self) -> &T {
        &self.future
    }

    /// The future that is awaited.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.future
    }

    /// The future that is awaited, without the timeout.
    pub fn into_inner(self) -> T {
        self.future
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = budget::has_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A future that uses up the budget again and again must not keep the time from being looked at.
        let elapsed = if had_budget { this.sleep.poll_unasked(cx) } else { this.sleep.poll(cx) };
        elapsed.map(|()| Err(Elapsed(())))
    }
}

/// A timeout was over before its future was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}

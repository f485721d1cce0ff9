//! Waiting for one deadline.

use super::Instant;
use crate::driver::Timer;
use crate::runtime::Handle;
use crate::task::{budget, wait};
use crate::trace::Resource;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Waits for `duration`.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// rt::time::sleep(std::time::Duration::from_millis(2)).await;
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future cancels the wait; nothing is lost.
///
/// # Panics
///
/// If this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::after(duration)
}

/// Waits until `deadline`. One that has passed completes at once.
///
/// # Cancel safety
///
/// Dropping the future cancels the wait; nothing is lost.
///
/// # Panics
///
/// If this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::until(deadline)
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`]. Not `Unpin`: pin it, with `std::pin::pin!` for example, to await it more
    /// than once or to reset it.
    #[must_use = "a sleep does nothing until it is awaited"]
    pub struct Sleep {
        deadline: Instant,
        #[pin]
        timer: Timer,
        resource: Resource,
    }
}

impl Sleep {
    #[track_caller]
    #[inline]
    pub(super) fn after(duration: Duration) -> Self {
        let (deadline, wait) = Instant::in_time(duration);
        Sleep { deadline, timer: Handle::current_timer(deadline.time(), Some(wait)), resource: Resource::sleep() }
    }

    #[track_caller]
    #[inline]
    pub(super) fn until(deadline: Instant) -> Self {
        Sleep { deadline, timer: Handle::current_timer(deadline.time(), None), resource: Resource::sleep() }
    }

    /// The same for an interval that begins then.
    #[track_caller]
    pub(super) fn until_start(deadline: Instant) -> Self {
        Sleep { deadline, timer: Handle::current_timer(deadline.time(), None), resource: Resource::interval() }
    }

    /// As `poll`, whether or not the task may make progress in this poll.
    #[track_caller]
    #[inline]
    pub(super) fn poll_unasked(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.timer.poll(this.deadline.time(), cx.waker()).is_pending() {
            this.resource.pending(|| this.deadline.duration_since(Instant::now()));
            wait::note_timer(this.deadline.time().0);
            return Poll::Pending;
        }
        this.resource.ready();
        budget::draw();
        Poll::Ready(())
    }

    /// When this completes.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Gives this another deadline, whether or not it has completed. A task that waits for it is woken at the new one; but if it
    /// has completed, it must be polled again first.
    ///
    /// A deadline that is later than before is an exchange of a word, without a lock.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        this.resource.reset(|| deadline.duration_since(Instant::now()));
        this.timer.reset(deadline.time());
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _progress = ready!(budget::poll_proceed(cx));
        self.poll_unasked(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

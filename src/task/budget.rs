//! How much a task may do in one poll before it must let others run.
//!
//! A socket that always has data, or a join that is always done, would let its task loop without ever returning
//! `Pending`. So each poll starts with a budget, the runtime's own leaf futures draw one unit for each step of progress,
//! and with nothing left they return `Pending` and wake the task at once: it goes to the back of the queue.

use std::cell::Cell;
use std::task::{Context, Poll};

/// Steps of progress in one poll. Half of it yields twice as often for little gain in latency; much more, and one busy
/// connection holds a worker for milliseconds.
const PER_POLL: u8 = 128;

/// Outside a task nothing is limited.
const UNLIMITED: u8 = u8::MAX;

thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(UNLIMITED) };
}

/// Called by a worker before each poll of a task.
#[inline]
pub(crate) fn refill() {
    LEFT.set(PER_POLL);
}

/// Lifts the limit until the end of the poll.
pub(crate) fn lift() {
    LEFT.set(UNLIMITED);
}

/// Called by a thread that begins to poll futures: what it does until the guard is dropped leaves the budget of whatever
/// called it alone.
pub(crate) fn scope() -> Scope {
    Scope { before: LEFT.get() }
}

/// Restores the budget when dropped.
pub(crate) struct Scope {
    before: u8,
}

impl Drop for Scope {
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
}

/// Whether something is left of the budget of this poll.
#[cfg(feature = "time")]
#[inline]
pub(crate) fn has_remaining() -> bool {
    LEFT.get() > 0
}

/// Draws one unit if there is one, without asking first.
#[cfg(feature = "time")]
#[inline]
pub(crate) fn draw() {
    Progress(()).made();
}

/// `Pending` if the budget of this poll is used up; the task has been woken then.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<Progress> {
    if LEFT.get() == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(Progress(()))
}

/// The right to one step of progress.
#[must_use = "say whether progress was made"]
pub(crate) struct Progress(());

impl Progress {
    /// Draws one unit.
    #[inline]
    pub(crate) fn made(self) {
        let left = LEFT.get();
        if left != UNLIMITED {
            LEFT.set(left.saturating_sub(1));
        }
    }
}

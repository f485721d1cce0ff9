//! Letting others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets other tasks run: the caller goes to the back of its worker's queue.
///
/// Costs no system call, and wakes no other worker. Nothing is promised about the order in which tasks that wait are run.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// rt::task::yield_now().await;
/// # }
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // Woken during its own poll, a task goes to the back of the queue; that is all a yield needs.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

//! Running the same task again.

use crate::Peer;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Wakes itself and is pending, that many times.
struct SelfWake {
    wakes_left: u64,
}

impl Future for SelfWake {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.wakes_left == 0 {
            return Poll::Ready(());
        }
        self.wakes_left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `tasks` tasks wake themselves once a round. They are spawned once, which many rounds make up for.
pub(super) fn self_wake<P: Peer>(peer: &P, rounds: u64, tasks: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        let tasks: Vec<_> = (0..tasks).map(|_| P::spawn(SelfWake { wakes_left: rounds })).collect();
        for task in tasks {
            task.await;
        }
        start.elapsed()
    })
}

/// One task yields once a round; there is no other.
pub(super) fn yield_alone<P: Peer>(peer: &P, rounds: u64) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            P::yield_now().await;
        }
        start.elapsed()
    })
}

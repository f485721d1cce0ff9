//! Tasks that go on beside one that blocks.

use super::spawn;
use crate::Peer;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// So many that each worker always has some.
const YIELDING: usize = 100;

/// For `lasting` 100 tasks yield in a loop, while another blocks for `block` in every poll. Returns the longest time that
/// one of the 100 had to wait from one poll to the next.
pub(super) fn yielding<P: Peer>(peer: &P, block: Duration, lasting: Duration) -> Option<Duration> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (gap, gaps) = blocking::channel();
    for _ in 0..YIELDING {
        spawn(peer, yield_until::<P>(Arc::clone(&is_over), gap.clone()));
    }
    drop(gap);
    spawn(peer, block_until(Arc::clone(&is_over), block));
    thread::sleep(lasting);
    is_over.store(true, Ordering::Relaxed);
    let gaps: Vec<Duration> = gaps.iter().collect();
    gaps.into_iter().max()
}

/// Tells its longest gap, of which the last is after the end.
async fn yield_until<P: Peer>(is_over: Arc<AtomicBool>, gap: blocking::Sender<Duration>) {
    let mut longest = Duration::ZERO;
    let mut polled_at = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        P::yield_now().await;
        let now = Instant::now();
        longest = longest.max(now - polled_at);
        polled_at = now;
    }
    gap.send(longest).expect("the thread waits");
}

/// Blocks in every poll, and wakes itself.
async fn block_until(is_over: Arc<AtomicBool>, block: Duration) {
    poll_fn(|cx| {
        thread::sleep(block);
        if is_over.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A task waits for `count` ticks of an interval, while another waits for its own timer and then blocks. Returns the longest
/// time from when a tick was due to when the task ran.
pub(super) fn ticking<P: Peer>(
    peer: &P,
    period: Duration,
    count: u64,
    wait: Duration,
    block: Duration,
) -> Option<Duration> {
    let (late, delays) = blocking::channel();
    spawn(
        peer,
        P::each_tick(period, count, move |due| {
            late.send(due.elapsed()).expect("the thread waits");
        }),
    );
    spawn(peer, async move {
        P::sleep(wait).await;
        thread::sleep(block);
    });
    delays.iter().max()
}

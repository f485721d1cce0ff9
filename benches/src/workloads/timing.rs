//! Timers that never go off, which is what becomes of most.

use crate::Peer;
use crate::random::Random;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::ops::Range;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// So far away that none is due while it is armed.
const FAR: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A task arms a timer and drops it, `timers` times a round, and yields after each round, so that the worker gets to what it
/// may have put off.
pub(super) fn arm_drop<P: Peer>(peer: &P, rounds: u64, timers: usize) -> Duration {
    peer.run_on_worker(async move {
        let mut random = Random::new(1);
        let start = Instant::now();
        for _ in 0..rounds {
            arm_and_drop::<P>(timers, &mut random).await;
            P::yield_now().await;
        }
        start.elapsed()
    })
}

/// Arms that many timers, each of which is dropped before the next.
pub(crate) async fn arm_and_drop<P: Peer>(timers: usize, random: &mut Random) {
    // Beforehand, because to draw them takes as long as a part of what is measured.
    let durations: [Duration; 64] = std::array::from_fn(|_| random.duration(&FAR));
    poll_fn(|cx| {
        for timer in 0..timers {
            let sleep = pin!(P::sleep(durations[timer % durations.len()]));
            assert!(sleep.poll(cx).is_pending(), "a timer went off a minute early");
        }
        Poll::Ready(())
    })
    .await;
}

/// A task gives a future a second that is ready when it is first polled, `timeouts` times a round, and yields after each
/// round.
pub(super) fn timeout_ready<P: Peer>(peer: &P, rounds: u64, timeouts: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            for _ in 0..timeouts {
                black_box(P::timeout(SECOND, async { 1 }).await.expect("it is ready"));
            }
            P::yield_now().await;
        }
        start.elapsed()
    })
}

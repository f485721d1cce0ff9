//! Timers that are armed on several workers at once.

use super::WORKERS;
use crate::Peer;
use crate::random::Random;
use crate::workloads::timing::arm_and_drop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const ROUND: usize = 1000;

/// Each worker has a task that arms timers and drops them for `time`. Returns the nanoseconds that one takes, by the clock
/// on the wall.
pub(super) fn on_all_workers<P: Peer>(peer: &P, time: Duration) -> f64 {
    nanoseconds(peer, time / 10);
    nanoseconds(peer, time)
}

fn nanoseconds<P: Peer>(peer: &P, time: Duration) -> f64 {
    let begun = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> =
        (0..WORKERS).map(|number| peer.spawn_from_outside(arm_for::<P>(time, Arc::clone(&begun), number))).collect();
    let sum: f64 = tasks.into_iter().map(|task| peer.block_on(task)).sum();
    sum / WORKERS as f64
}

/// Ends after the same time for all, so that none of them ever has the timers for itself.
async fn arm_for<P: Peer>(time: Duration, begun: Arc<AtomicUsize>, number: usize) -> f64 {
    let mut random = Random::new(number as u64);
    begun.fetch_add(1, Ordering::Relaxed);
    // Who spins keeps its worker, so that the other has to begin on another.
    while begun.load(Ordering::Relaxed) < WORKERS {
        std::hint::spin_loop();
    }
    let start = Instant::now();
    let mut timers = 0;
    loop {
        arm_and_drop::<P>(ROUND, &mut random).await;
        timers += ROUND;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return elapsed.as_nanos() as f64 / timers as f64;
        }
        P::yield_now().await;
    }
}

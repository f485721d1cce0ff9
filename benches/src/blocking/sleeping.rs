//! Closures that block, which all need a thread.

use crate::{Peer, processor};
use std::thread;
use std::time::{Duration, Instant};

/// How many at a time. No peer's limit is lower than the last, and the first is more than there are processors.
pub(super) const CLOSURES: [usize; 2] = [8, 256];
const SLEEP: Duration = Duration::from_millis(10);

/// A task spawns that many closures that sleep, and awaits all, for so many rounds. Returns by how many milliseconds a round took longer than
/// one sleep, in the mean.
pub(super) fn milliseconds_beyond<P: Peer>(peer: &P, closures: usize, rounds: usize) -> f64 {
    processor::run(peer, async move {
        let start = Instant::now();
        for _ in 0..rounds {
            let joins: Vec<_> = (0..closures).map(|_| P::spawn_blocking(|| thread::sleep(SLEEP))).collect();
            for join in joins {
                join.await;
            }
        }
        (start.elapsed().as_secs_f64() / rounds as f64 - SLEEP.as_secs_f64()) * 1e3
    })
}

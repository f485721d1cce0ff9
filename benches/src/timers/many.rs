//! Many tasks that wait for timers at the same time.

use crate::random::Random;
use crate::{Peer, Usage, processor};
use std::ops::Range;
use std::time::{Duration, Instant};

/// With one round only, half of what is measured is the system's work for new pages, and that twice as long in one run as in the next.
const WARMING: usize = 5;
const TIMES: Range<Duration> = Duration::from_millis(1)..Duration::from_millis(50);

/// What [`sleeps`] finds.
pub(super) struct Found {
    /// Of the whole process, for one task.
    pub(super) processor_nanoseconds: f64,
    /// From the first spawn to when all are joined, less the longest sleep.
    pub(super) milliseconds_beyond: f64,
}

/// A task spawns that many tasks, each of which sleeps once, and joins them.
pub(super) fn sleeps<P: Peer>(peer: &P, tasks: usize) -> Option<Found> {
    processor::run(peer, async move {
        // The first pages of memory would cost more than timers do, and the allocator takes some rounds until it keeps them.
        for _ in 0..WARMING {
            sleep_all::<P>(tasks).await;
        }
        let before = Usage::now();
        let start = Instant::now();
        sleep_all::<P>(tasks).await;
        let elapsed = start.elapsed();
        let after = Usage::now();
        Some(Found {
            processor_nanoseconds: after?.since(before?).processor_time.as_nanos() as f64 / tasks as f64,
            milliseconds_beyond: (elapsed.as_secs_f64() - TIMES.end.as_secs_f64()) * 1e3,
        })
    })
}

async fn sleep_all<P: Peer>(tasks: usize) {
    let mut random = Random::new(1);
    let spawn_sleep = |_| {
        let time = random.duration(&TIMES);
        P::spawn(async move { P::sleep(time).await })
    };
    let tasks: Vec<_> = (0..tasks).map(spawn_sleep).collect();
    for task in tasks {
        task.await;
    }
}

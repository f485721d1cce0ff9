//! Processes that end at once.

use super::ChildrenPeer;
use crate::processor;
use std::time::Instant;

/// So many tasks run so many processes together. Returns the microseconds of one.
pub(super) fn microseconds<P: ChildrenPeer>(peer: &P, tasks: usize, children: usize) -> f64 {
    processor::run(peer, async move {
        let start = Instant::now();
        let each = children / tasks;
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                P::spawn(async move {
                    for _ in 0..each {
                        P::run_true().await;
                    }
                })
            })
            .collect();
        let run = each * tasks.len();
        for task in tasks {
            task.await;
        }
        start.elapsed().as_secs_f64() * 1e6 / run as f64
    })
}

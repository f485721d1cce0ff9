//! Batches of closures, from several submitters at once.

use crate::{Peer, processor};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Closures that a submitter has on their way.
const BATCH: usize = 16;

/// That many tasks spawn `closures` together. Returns the nanoseconds of one.
pub(super) fn from_tasks<P: Peer>(peer: &P, tasks: usize, closures: usize) -> f64 {
    let nanoseconds = |closures: usize| {
        let batches = (closures / tasks / BATCH).max(1);
        processor::run(peer, async move {
            let start = Instant::now();
            let tasks: Vec<_> = (0..tasks).map(|_| P::spawn(batches_in_task::<P>(batches))).collect();
            let count = tasks.len() * batches * BATCH;
            for task in tasks {
                task.await;
            }
            start.elapsed().as_nanos() as f64 / count as f64
        })
    };
    nanoseconds(closures / 10);
    nanoseconds(closures)
}

async fn batches_in_task<P: Peer>(batches: usize) {
    let mut joins = Vec::with_capacity(BATCH);
    for _ in 0..batches {
        joins.extend((0..BATCH).map(|_| P::spawn_blocking(|| ())));
        for join in joins.drain(..) {
            join.await;
        }
    }
}

/// That many threads, which are not in the runtime, spawn `closures` together. Returns the nanoseconds of one.
pub(super) fn from_threads<P: Peer>(peer: &P, threads: usize, closures: usize) -> f64 {
    let nanoseconds = |closures: usize| {
        let batches = (closures / threads / BATCH).max(1);
        // With the thread that takes the time.
        let barrier = Barrier::new(threads + 1);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..batches {
                        let joins: Vec<_> = (0..BATCH).map(|_| peer.spawn_blocking_from_outside(|| ())).collect();
                        joins.into_iter().for_each(|join| peer.block_on(join));
                    }
                    barrier.wait();
                });
            }
            barrier.wait();
            let start = Instant::now();
            barrier.wait();
            start.elapsed().as_nanos() as f64 / (threads * batches * BATCH) as f64
        })
    };
    nanoseconds(closures / 10);
    nanoseconds(closures)
}

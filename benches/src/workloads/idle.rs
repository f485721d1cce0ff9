//! What a runtime that sleeps does when it is called.
//!
//! The pauses are `std::thread::sleep`, so that both CPUs of a small machine are free for the runtime. Linux makes
//! them about 60 us longer than they should be.

use crate::{Peer, median};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Samples in nanoseconds, as the time of that many median rounds.
fn median_rounds(samples: Vec<f64>) -> Duration {
    let rounds = samples.len() as f64;
    Duration::from_nanos((median(samples) * rounds) as u64)
}

fn nanoseconds_since(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64
}

/// The future in `block_on` spawns a task that is done at once, and joins it, after the runtime was idle for `gap`.
pub(super) fn spawn_from_block_on<P: Peer>(peer: &P, rounds: u64, gap: Duration) -> Duration {
    let samples = peer.block_on(async {
        let mut samples = Vec::new();
        for _ in 0..rounds {
            // This thread is no worker: the others sleep meanwhile.
            thread::sleep(gap);
            let start = Instant::now();
            P::spawn(async {}).await;
            samples.push(nanoseconds_since(start));
        }
        samples
    });
    median_rounds(samples)
}

/// A plain thread sends a task a message and waits for its answer, after the runtime was idle for `gap`. The thread
/// sleeps in `recv` until the answer comes, so that its own waking is part of the time, the same for all peers.
pub(super) fn wake<P: Peer>(peer: &P, rounds: u64, gap: Duration) -> Duration {
    let (ask, mut asked) = mpsc::channel(1);
    let (answer, answered) = blocking::channel();
    let task = peer.spawn_from_outside(async move {
        while let Some(()) = asked.recv().await {
            answer.send(()).expect("the thread waits");
        }
    });
    let mut samples = Vec::new();
    for _ in 0..rounds {
        thread::sleep(gap);
        let start = Instant::now();
        ask.try_send(()).expect("the task has taken the last one");
        answered.recv().expect("the task answers");
        samples.push(nanoseconds_since(start));
    }
    drop(ask);
    peer.block_on(task);
    median_rounds(samples)
}

//! Very many closures at once.

use crate::{Peer, Usage, processor};
use std::time::Instant;

/// What [`flood`] finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood {
    /// Of one closure, from the first spawn to the last join.
    pub(super) nanoseconds: f64,
    /// Threads that the process has more than before.
    pub(super) threads: f64,
    /// Of all threads, per 1000 closures.
    pub(super) context_switches: f64,
}

/// A task spawns that many closures that do nothing, and then awaits them.
pub(super) fn flood<P: Peer>(peer: &P, closures: usize) -> Option<Flood> {
    let threads_before = threads()?;
    let before = Usage::now();
    let nanoseconds = processor::run(peer, async move {
        let start = Instant::now();
        let joins: Vec<_> = (0..closures).map(|_| P::spawn_blocking(|| ())).collect();
        for join in joins {
            join.await;
        }
        start.elapsed().as_nanos() as f64 / closures as f64
    });
    let switches = Usage::now()?.since(before?).context_switches;
    // Threads that have nothing to do stay for longer than it takes to look.
    let threads = threads()? - threads_before;
    Some(Flood { nanoseconds, threads, context_switches: 1000.0 * switches as f64 / closures as f64 })
}

/// The threads of this process, where the system tells.
#[cfg(target_os = "linux")]
fn threads() -> Option<f64> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count() as f64)
}

/// The threads of this process, where the system tells.
#[cfg(not(target_os = "linux"))]
fn threads() -> Option<f64> {
    None
}

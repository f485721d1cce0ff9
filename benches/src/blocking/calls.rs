//! One closure after the other.

use crate::{Peer, processor};
use std::time::Instant;

/// A task awaits that many closures that do nothing, one after the other. Returns the nanoseconds of one.
pub(super) fn nanoseconds<P: Peer>(peer: &P, calls: usize) -> f64 {
    processor::run(peer, async move {
        call::<P>(calls / 10).await;
        let start = Instant::now();
        call::<P>(calls).await;
        start.elapsed().as_nanos() as f64 / calls as f64
    })
}

async fn call<P: Peer>(calls: usize) {
    for _ in 0..calls {
        P::spawn_blocking(|| ()).await;
    }
}

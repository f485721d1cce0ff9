//! From when a timer is due to when its task runs.

use crate::{Peer, median, processor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};

/// Nobody's granularity.
const SLEEP: Duration = Duration::from_micros(137);
const PERIOD: Duration = Duration::from_millis(1);
/// Enough for a busy task to have a worker for itself.
const SETTLING: Duration = Duration::from_millis(100);

/// A task sleeps that many times, one after the other. Returns by how many microseconds it is late in the median.
pub(super) fn lone_sleep<P: Peer>(peer: &P, times: usize) -> f64 {
    let samples = processor::run(peer, async move {
        let mut samples = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            P::sleep(SLEEP).await;
            samples.push((start.elapsed().as_secs_f64() - SLEEP.as_secs_f64()) * 1e6);
        }
        samples
    });
    median(samples)
}

/// A task waits for that many ticks while another keeps one worker busy. Returns by how many microseconds the latest are late,
/// but for one in a hundred.
pub(super) fn interval<P: Peer>(peer: &P, ticks: u64) -> f64 {
    let is_over = Arc::new(AtomicBool::new(false));
    let busy = peer.spawn_from_outside(processor::keep_busy::<P>(Arc::clone(&is_over)));
    thread::sleep(SETTLING);
    let (late, delays) = blocking::channel();
    let on_tick = move |due: Instant| late.send(due.elapsed()).expect("the thread waits");
    processor::run(peer, P::each_tick(PERIOD, ticks, on_tick));
    is_over.store(true, Ordering::Relaxed);
    peer.block_on(busy);
    let mut delays: Vec<Duration> = delays.iter().collect();
    delays.sort_unstable();
    delays[delays.len() * 99 / 100].as_secs_f64() * 1e6
}

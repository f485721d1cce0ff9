//! How long a signal takes to the task that waits for it.

use super::ChildrenPeer;
use crate::processor;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Between two signals: the workers sleep by then.
const PAUSE: Duration = Duration::from_micros(500);

/// A thread that is not in the runtime sends that many signals, one after the other. Returns the median of the microseconds that each took, and what
/// one in a hundred was over.
pub(super) fn microseconds<P: ChildrenPeer>(peer: &P, signals: usize) -> [f64; 2] {
    let (is_ready, ready) = mpsc::channel();
    let (heard, hears) = mpsc::channel();
    let sender = thread::spawn(move || {
        ready.recv().expect("somebody listens");
        let mut times: Vec<f64> = (0..signals)
            .map(|_| {
                thread::sleep(PAUSE);
                let start = Instant::now();
                // SAFETY: takes numbers only.
                let sent = unsafe { libc::kill(std::process::id().cast_signed(), libc::SIGUSR1) };
                assert_eq!(sent, 0, "send a signal to this process");
                let at: Instant = hears.recv().expect("the signal comes");
                at.saturating_duration_since(start).as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        [times[times.len() / 2], times[times.len() * 99 / 100]]
    });
    processor::run(peer, async move {
        let on_signal = move || heard.send(Instant::now()).expect("the sender waits");
        P::each_signal(signals, move || is_ready.send(()).expect("the sender waits"), on_signal).await;
    });
    sender.join().expect("it only sends")
}

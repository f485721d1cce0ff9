//! A task that wakes others, and keeps its worker.

use super::{settle, spawn};
use crate::Peer;
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A task wakes one that waits, and then does `work` in the same poll. Returns how long after the wake that one ran.
pub(super) fn one<P: Peer>(peer: &P, work: impl FnOnce() + Send + 'static) -> Option<Duration> {
    let (wake, delay) = sleeper(peer);
    settle();
    spawn(peer, async move {
        wake.send(Instant::now()).expect("it waits");
        work();
    });
    delay.recv().ok()
}

/// A task wakes two that wait, and then does `work` in the same poll. Returns how long after its wake the first ran.
pub(super) fn two<P: Peer>(peer: &P, work: impl FnOnce() + Send + 'static) -> Option<Duration> {
    let (wake_first, delay_of_first) = sleeper(peer);
    let (wake_second, delay_of_second) = sleeper(peer);
    settle();
    spawn(peer, async move {
        wake_first.send(Instant::now()).expect("the first waits");
        wake_second.send(Instant::now()).expect("the second waits");
        work();
    });
    delay_of_second.recv().ok()?;
    delay_of_first.recv().ok()
}

/// A task that waits to be woken, with the time of that, and tells how long after it ran.
fn sleeper<P: Peer>(peer: &P) -> (oneshot::Sender<Instant>, blocking::Receiver<Duration>) {
    let (wake, woken) = oneshot::channel::<Instant>();
    let (delay, delays) = blocking::channel();
    let (begin, begun) = blocking::channel();
    spawn(peer, async move {
        begin.send(()).expect("the thread waits");
        let woken_at = woken.await.expect("another wakes");
        // If the thread does not wait any more, it knows enough.
        let _ = delay.send(woken_at.elapsed());
    });
    begun.recv().expect("the task begins");
    (wake, delays)
}

/// Keeps the processor for that long.
pub(super) fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Leaves the processor, and keeps the worker.
pub(super) fn block(time: Duration) {
    thread::sleep(time);
}

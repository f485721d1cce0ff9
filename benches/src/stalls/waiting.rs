//! Tasks that block until other tasks have run.

use super::{WORKERS, spawn};
use crate::Peer;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

/// So many that a worker which is replaced once, or twice, does not get to the one that matters.
pub(super) const WAITING: usize = WORKERS + 4;

/// A task holds a lock and blocks until a message comes, others block until they have the lock, and one that is spawned after
/// them sends the message. Returns how long after the first of these was spawned all are done.
pub(super) fn lock<P: Peer>(peer: &P) -> Option<Duration> {
    let lock = Arc::new(Mutex::new(()));
    let (done, dones) = blocking::channel();
    let (message, messages) = blocking::channel();
    let (hold, held) = blocking::channel();

    let (holders_lock, holder_done) = (Arc::clone(&lock), done.clone());
    spawn(peer, async move {
        {
            let _guard = holders_lock.lock().expect("nobody panics");
            hold.send(()).expect("the thread waits");
            messages.recv().expect("another sends it");
        }
        holder_done.send(Instant::now()).expect("the thread waits");
    });
    held.recv().ok()?;

    let spawned_at = Instant::now();
    for _ in 1..WAITING {
        let (lock, done) = (Arc::clone(&lock), done.clone());
        spawn(peer, async move {
            drop(lock.lock().expect("nobody panics"));
            done.send(Instant::now()).expect("the thread waits");
        });
    }
    spawn(peer, async move {
        message.send(()).expect("the holder waits");
        done.send(Instant::now()).expect("the thread waits");
    });
    all_done(&dones, WAITING + 1).map(|done_at| done_at - spawned_at)
}

/// Every worker has a task that calls `block_on`, all at once, each with a future that spawns a task and joins it. Returns
/// how long after the first call all have returned.
pub(super) fn block_on<P: Peer>(peer: &P) -> Option<Duration> {
    let all = Arc::new(Barrier::new(WORKERS));
    let (call, calls) = blocking::channel();
    let (done, dones) = blocking::channel();
    for _ in 0..WORKERS {
        let (all, call, done) = (Arc::clone(&all), call.clone(), done.clone());
        spawn(peer, async move {
            all.wait();
            call.send(Instant::now()).expect("the thread waits");
            let answer = P::block_on_in_task(async { P::spawn(async { 1 }).await });
            assert_eq!(answer, 1);
            done.send(Instant::now()).expect("the thread waits");
        });
    }
    drop((call, done));
    let done_at = all_done(&dones, WORKERS)?;
    calls.iter().min().map(|called_at| done_at - called_at)
}

/// When the last of `count` was done; never, if one panics.
fn all_done(dones: &blocking::Receiver<Instant>, count: usize) -> Option<Instant> {
    let dones: Vec<Instant> = dones.iter().take(count).collect();
    if dones.len() == count { dones.into_iter().max() } else { None }
}

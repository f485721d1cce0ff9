//! What a runtime does to the processor when there is little to do.
//!
//! The counts are of the whole process, so only a process that does nothing else has meaningful ones. `None` stands for
//! a system that does not count.

use crate::{Peer, Usage, Workload};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Enough to have started whatever is started late, and to have filled what is filled once.
const WARM_UP_ROUNDS: u64 = 20;
/// Long enough for workers that have just worked to give up looking for more.
const SETTLING: Duration = Duration::from_millis(100);

/// The processor time that the process takes while the runtime has nothing to do for `time`.
pub fn idle<P: Peer>(peer: &P, time: Duration) -> Option<Duration> {
    settle(peer);
    let before = Usage::now();
    thread::sleep(time);
    let after = Usage::now();
    Some(after?.since(before?).processor_time)
}

/// The processor time that the process takes while its only task waits for `ticks` ticks, one every `period`.
pub fn timer<P: Peer>(peer: &P, period: Duration, ticks: u64) -> Option<Duration> {
    settle(peer);
    let before = Usage::now();
    run(peer, P::ticks(period, ticks));
    let after = Usage::now();
    Some(after?.since(before?).processor_time)
}

/// What [`requests`] finds, per request.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// Context switches of all threads.
    pub context_switches: f64,
    /// Time from a request to the next.
    pub nanoseconds: f64,
}

/// A client asks a server, one request after the other, for about `time`, while a third task keeps one worker busy.
///
/// The runtime has to decide for each message whether it is worth another thread.
pub fn requests<P: Peer>(peer: &P, time: Duration) -> Option<Requests> {
    settle(peer);
    let is_over = Arc::new(AtomicBool::new(false));
    let busy = peer.spawn_from_outside(keep_busy::<P>(Arc::clone(&is_over)));
    // It has a worker for itself before the first request comes.
    thread::sleep(SETTLING);

    let (ask, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
    let server = peer.spawn_from_outside(async move {
        while let Some(reply) = asked.recv().await {
            reply.send(()).expect("the client waits");
        }
    });
    let found = run(peer, async move {
        // The runtimes adapt to what they meet.
        ask_for(time / 10, &ask).await;
        let before = Usage::now();
        let (requests, elapsed) = ask_for(time, &ask).await;
        let after = Usage::now();
        let context_switches = after?.since(before?).context_switches as f64 / requests as f64;
        Some(Requests { context_switches, nanoseconds: elapsed.as_nanos() as f64 / requests as f64 })
    });
    is_over.store(true, Ordering::Relaxed);
    peer.block_on(async {
        server.await;
        busy.await;
    });
    found
}

/// Returns how many requests there were, and the time of all.
async fn ask_for(time: Duration, ask: &mpsc::Sender<oneshot::Sender<()>>) -> (u64, Duration) {
    let start = Instant::now();
    let mut requests = 0;
    loop {
        let (reply, replied) = oneshot::channel();
        ask.send(reply).await.expect("the server serves");
        replied.await.expect("the server replies");
        requests += 1;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return (requests, elapsed);
        }
    }
}

/// Computes for as long as a small piece of an ordinary task takes, then lets others run, and so on.
pub(crate) async fn keep_busy<P: Peer>(is_over: Arc<AtomicBool>) {
    const PIECE: Duration = Duration::from_micros(20);
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        while start.elapsed() < PIECE {
            std::hint::spin_loop();
        }
        P::yield_now().await;
    }
}

/// Has the runtime do something, and waits until it is quiet again.
pub(crate) fn settle<P: Peer>(peer: &P) {
    Workload::SpawnJoin.run(peer, WARM_UP_ROUNDS);
    thread::sleep(SETTLING);
}

/// Runs `future` as a task, while this thread sleeps. In smol's `block_on` it would help the workers to wait for timers.
pub(crate) fn run<P, F>(peer: &P, future: F) -> F::Output
where
    P: Peer,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (answer, answered) = blocking::channel();
    P::detach(peer.spawn_from_outside(async move {
        answer.send(future.await).expect("the thread waits");
    }));
    answered.recv().expect("a task of a measurement does not panic")
}

#[cfg(all(test, unix))]
mod tests {
    use super::{idle, requests, timer};
    use crate::{Peer, Rt, Tokio};
    use std::time::{Duration, Instant};

    const SHORT: Duration = Duration::from_millis(20);

    fn requests_take_time_on<P: Peer>() {
        let found = requests(&P::start(2), SHORT).expect("this system tells");
        assert!(found.nanoseconds > 0.0 && found.nanoseconds.is_finite(), "{found:?}");
        assert!(found.context_switches >= 0.0 && found.context_switches.is_finite(), "{found:?}");
    }

    fn ticks_keep_to_their_period_on<P: Peer>() {
        let peer = P::start(2);
        let start = Instant::now();
        timer(&peer, SHORT, 3).expect("this system tells");
        assert!(start.elapsed() >= 2 * SHORT, "the first is at once, the others are not");
    }

    // smol can be started once in a process, and has been for the workloads.
    #[test]
    fn requests_take_time() {
        requests_take_time_on::<Rt>();
        requests_take_time_on::<Tokio>();
    }

    #[test]
    fn ticks_come_no_faster_than_their_period() {
        ticks_keep_to_their_period_on::<Rt>();
        ticks_keep_to_their_period_on::<Tokio>();
    }

    #[test]
    fn an_idle_runtime_is_watched_for_the_given_time() {
        let peer = Rt::start(2);
        let start = Instant::now();
        idle(&peer, SHORT).expect("this system tells");
        assert!(start.elapsed() >= SHORT);
    }
}

//! Millions of timers that are put off again and again, as those of connections are on which something happens.
//!
//! What a runtime puts off itself it has to do between two polls, and tasks wait for it meanwhile. So two tasks share one
//! worker, of which one resets timers and the other yields for ever, and the clock of the worker's thread is read when each
//! poll begins and when it ends. From the end of one to the beginning of the next is a turn of the worker. It is the clock
//! of what the thread has of a processor, which does not go on while another thread has that.

use crate::random::Random;
use crate::{Peer, processor, thread_time};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// When the timers are due at first. To arm millions takes longer than the nearest of these, so that some are due all the time
/// in which others are reset. If none were, a wheel would have nothing to move from slot to slot, and no long turns.
const ARMED: Range<Duration> = Duration::from_secs(1)..Duration::from_secs(600);
/// When they are due from a reset on.
const RESET: Range<Duration> = Duration::from_secs(30)..Duration::from_secs(600);
/// Timers of a poll, which should be short.
const CHUNK: usize = 1000;
/// From one chunk to the next: a million resets a second.
const CHUNK_PERIOD: Duration = Duration::from_millis(1);

/// What [`resets`] finds.
pub(super) struct Found {
    /// Of one reset and the poll after it, by the clock of the thread.
    pub(super) nanoseconds: f64,
    /// The longest time of the thread from one poll to the next.
    pub(super) longest_turn: Duration,
}

/// A task arms that many timers, a multiple of [`CHUNK`], and then resets some of them for `time`.
pub(super) fn resets<P: Peer>(peer: &P, timers: usize, time: Duration) -> Option<Found> {
    let turns = Arc::new(Turns::default());
    let is_over = Arc::new(AtomicBool::new(false));
    P::detach(peer.spawn_from_outside(Turns::watch(Arc::clone(&turns), yield_until::<P>(Arc::clone(&is_over)))));
    let found = processor::run(peer, Turns::watch(Arc::clone(&turns), reset_for::<P>(turns, timers, time)));
    is_over.store(true, Ordering::Relaxed);
    found
}

async fn yield_until<P: Peer>(is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        P::yield_now().await;
    }
}

async fn reset_for<P: Peer>(turns: Arc<Turns>, timers: usize, time: Duration) -> Option<Found> {
    let mut random = Random::new(1);
    let mut sleeps = arm::<P>(timers, &mut random).await;
    turns.start_over();
    let start = Instant::now();
    let (mut chunks, mut taken) = (0, Duration::ZERO);
    loop {
        let elapsed = start.elapsed();
        if elapsed >= time {
            break;
        }
        // Who is too slow for this does as many as it can.
        if elapsed >= chunks * CHUNK_PERIOD {
            let before = thread_time()?;
            reset_some::<P>(&mut sleeps, &mut random).await;
            taken += thread_time()? - before;
            chunks += 1;
        }
        P::yield_now().await;
    }
    let resets = f64::from(chunks) * CHUNK as f64;
    // Millions of timers need not be disarmed when the process ends.
    mem::forget(sleeps);
    Some(Found { nanoseconds: taken.as_nanos() as f64 / resets, longest_turn: turns.longest() })
}

/// Resets a chunk of them, and polls each: one runtime arms a timer when it is reset, and another when it is polled then.
async fn reset_some<P: Peer>(sleeps: &mut [Pin<Box<P::Sleep>>], random: &mut Random) {
    let now = Instant::now();
    poll_fn(|cx| {
        for _ in 0..CHUNK {
            let sleep = &mut sleeps[random.below(sleeps.len() as u64) as usize];
            P::reset(sleep.as_mut(), now + random.duration(&RESET));
            assert!(sleep.as_mut().poll(cx).is_pending(), "a timer went off half a minute early");
        }
        Poll::Ready(())
    })
    .await;
}

/// In chunks too, or the worker would be taken for one that is blocked.
async fn arm<P: Peer>(timers: usize, random: &mut Random) -> Vec<Pin<Box<P::Sleep>>> {
    let mut sleeps = Vec::with_capacity(timers);
    while sleeps.len() < timers {
        poll_fn(|cx| {
            for _ in 0..CHUNK {
                let mut sleep = Box::pin(P::sleep(random.duration(&ARMED)));
                assert!(sleep.as_mut().poll(cx).is_pending(), "a timer went off a second early");
                sleeps.push(sleep);
            }
            Poll::Ready(())
        })
        .await;
        P::yield_now().await;
    }
    sleeps
}

/// What passes between polls of the tasks that are watched.
#[derive(Default)]
struct Turns {
    longest_nanoseconds: AtomicU64,
}

thread_local! {
    /// By the clock of this thread. A worker may go on with another thread, and its turns too then begin anew.
    static POLL_ENDED_AT: Cell<Option<Duration>> = const { Cell::new(None) };
}

impl Turns {
    /// Runs a task that is to be watched. All others on the worker would count as its turns.
    async fn watch<F: Future>(turns: Arc<Turns>, task: F) -> F::Output {
        let mut task = pin!(task);
        poll_fn(|cx| {
            turns.poll_begins();
            let polled = task.as_mut().poll(cx);
            turns.poll_ends();
            polled
        })
        .await
    }

    fn poll_begins(&self) {
        if let (Some(now), Some(ended_at)) = (thread_time(), POLL_ENDED_AT.take()) {
            self.longest_nanoseconds.fetch_max((now - ended_at).as_nanos() as u64, Ordering::Relaxed);
        }
    }

    fn poll_ends(&self) {
        POLL_ENDED_AT.set(thread_time());
    }

    /// Forgets what was before.
    fn start_over(&self) {
        self.longest_nanoseconds.store(0, Ordering::Relaxed);
    }

    fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_nanoseconds.load(Ordering::Relaxed))
    }
}

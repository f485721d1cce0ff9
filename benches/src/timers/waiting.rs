//! A limit to the time that a task waits for another.

use crate::{Peer, processor};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(1);

/// A task asks another and waits for its answer, that many times, for no longer than a second each if it `is_limited`. Returns
/// the nanoseconds of one.
pub(super) fn round_trips<P: Peer>(peer: &P, round_trips: u64, is_limited: bool) -> f64 {
    let (ask, mut asked) = mpsc::channel(1);
    let (answer, mut answers) = mpsc::channel(1);
    P::detach(peer.spawn_from_outside(async move {
        while let Some(()) = asked.recv().await {
            answer.send(()).await.expect("the other waits");
        }
    }));
    processor::run(peer, async move {
        ask_for::<P>(&ask, &mut answers, round_trips / 10, is_limited).await;
        let start = Instant::now();
        ask_for::<P>(&ask, &mut answers, round_trips, is_limited).await;
        start.elapsed().as_nanos() as f64 / round_trips as f64
    })
}

async fn ask_for<P: Peer>(ask: &mpsc::Sender<()>, answers: &mut mpsc::Receiver<()>, times: u64, is_limited: bool) {
    for _ in 0..times {
        if is_limited {
            let answer = round_trip(ask, P::timeout(LIMIT, answers.recv())).await;
            answer.expect("the other answers in time").expect("the other answers");
        } else {
            round_trip(ask, answers.recv()).await.expect("the other answers");
        }
    }
}

/// Asks when the answer is already waited for. The other might otherwise be faster, and there would be nothing to wait for.
async fn round_trip<F: Future>(ask: &mpsc::Sender<()>, answer: F) -> F::Output {
    let mut answer = pin!(answer);
    let mut has_asked = false;
    poll_fn(|cx| {
        let polled = answer.as_mut().poll(cx);
        if !has_asked {
            assert!(polled.is_pending(), "an answer came before it was asked for");
            ask.try_send(()).expect("the last one was answered");
            has_asked = true;
        }
        polled
    })
    .await
}

//! Waiting for several things at once.

use crate::Peer;
use std::future::{self, Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// One task receives `messages` messages a round from two channels that always have some.
pub(super) fn channels<P: Peer>(peer: &P, rounds: u64, messages: usize) -> Duration {
    peer.run_on_worker(async move {
        let (to_one, mut one) = mpsc::channel(messages);
        let (to_other, mut other) = mpsc::channel(messages);
        let fill = |sender: &mpsc::Sender<u32>| while sender.try_send(1).is_ok() {};
        let start = Instant::now();
        let mut sum = 0;
        for _ in 0..rounds {
            fill(&to_one);
            fill(&to_other);
            for _ in 0..messages {
                sum += P::first(one.recv(), other.recv()).await.expect("the senders are there");
            }
        }
        assert_eq!(u64::from(sum), rounds * messages as u64);
        start.elapsed()
    })
}

/// One future that waits for two channels is polled `polls` times a round, in vain.
pub(super) fn pending<P: Peer>(peer: &P, rounds: u64, polls: usize) -> Duration {
    peer.run_on_worker(async move {
        let (_to_one, mut one) = mpsc::channel::<u32>(1);
        let (_to_other, mut other) = mpsc::channel::<u32>(1);
        let start = Instant::now();
        for _ in 0..rounds {
            let mut first = pin!(P::first(one.recv(), other.recv()));
            poll_fn(|cx| {
                for _ in 0..polls {
                    assert!(first.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            P::yield_now().await;
        }
        start.elapsed()
    })
}

/// One task joins three futures that are ready, `joins` times a round.
pub(super) fn ready<P: Peer>(peer: &P, rounds: u64, joins: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        let mut sum = 0;
        for _ in 0..rounds {
            for number in 0..joins as u64 {
                let number = std::hint::black_box(number);
                let (one, two, three) =
                    P::join(future::ready(number), async { number + 1 }, future::ready(number + 2)).await;
                sum += std::hint::black_box(one + two + three);
            }
        }
        std::hint::black_box(sum);
        start.elapsed()
    })
}

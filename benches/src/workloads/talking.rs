//! Tasks that wake each other.

use crate::Peer;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// `pairs` tasks, each of which spawns a partner, sends it a message and waits for its answer, both over new channels.
pub(super) fn oneshots<P: Peer>(peer: &P, rounds: u64, pairs: usize) -> Duration {
    peer.run_on_worker(async move {
        let mut players = Vec::with_capacity(pairs);
        let start = Instant::now();
        for _ in 0..rounds {
            players.extend((0..pairs).map(|_| P::spawn(play::<P>())));
            for player in players.drain(..) {
                player.await;
            }
        }
        start.elapsed()
    })
}

async fn play<P: Peer>() {
    let (ping, pinged) = oneshot::channel();
    let (pong, ponged) = oneshot::channel();
    P::detach(P::spawn(async move {
        pinged.await.expect("the player pings");
        pong.send(()).expect("the player waits");
    }));
    ping.send(()).expect("the partner waits");
    ponged.await.expect("the partner answers");
}

/// `pairs` pairs of tasks that send one message to and fro once a round, over channels that hold one.
pub(super) fn channels<P: Peer>(peer: &P, rounds: u64, pairs: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        let players: Vec<_> = (0..pairs)
            .map(|_| {
                let (there, mut arrives) = mpsc::channel(1);
                let (back, mut returns) = mpsc::channel(1);
                P::detach(P::spawn(async move {
                    while let Some(()) = arrives.recv().await {
                        back.send(()).await.expect("the player waits");
                    }
                }));
                P::spawn(async move {
                    for _ in 0..rounds {
                        there.send(()).await.expect("the partner waits");
                        returns.recv().await.expect("the partner answers");
                    }
                })
            })
            .collect();
        for player in players {
            player.await;
        }
        start.elapsed()
    })
}

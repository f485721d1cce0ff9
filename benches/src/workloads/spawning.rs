//! Making tasks, and waiting for them.

use crate::Peer;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A task spawns `tasks` that are done at once, then joins them in order.
pub(super) fn batch<P: Peer>(peer: &P, rounds: u64, tasks: usize) -> Duration {
    peer.run_on_worker(async move {
        let mut batch = Vec::with_capacity(tasks);
        let start = Instant::now();
        for _ in 0..rounds {
            batch.extend((0..tasks).map(|_| P::spawn(async {})));
            for task in batch.drain(..) {
                task.await;
            }
        }
        start.elapsed()
    })
}

/// A future as large as that of a request with a buffer. What is in it does not matter: it is moved as a whole.
struct Large {
    bytes: MaybeUninit<[u8; 16 << 10]>,
}

impl Future for Large {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        std::hint::black_box(&self.bytes);
        Poll::Ready(())
    }
}

/// A task spawns `tasks` that are large and done at once, and joins each before the next.
pub(super) fn large<P: Peer>(peer: &P, rounds: u64, tasks: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            for _ in 0..tasks {
                P::spawn(Large { bytes: MaybeUninit::uninit() }).await;
            }
        }
        start.elapsed()
    })
}

/// A thread that is not in the runtime spawns `tasks` that are done at once, then joins them in order.
pub(super) fn outside<P: Peer>(peer: &P, rounds: u64, tasks: usize) -> Duration {
    let mut batch = Vec::with_capacity(tasks);
    let start = Instant::now();
    for _ in 0..rounds {
        batch.extend((0..tasks).map(|_| peer.spawn_from_outside(async {})));
        peer.block_on(async {
            for task in batch.drain(..) {
                task.await;
            }
        });
    }
    start.elapsed()
}

/// One of a chain of tasks. A type of its own, because an `async fn` that spawns itself cannot be shown to be `Send`.
struct Link<P> {
    links_left: usize,
    end: Option<oneshot::Sender<()>>,
    peer: PhantomData<fn() -> P>,
}

impl<P> Link<P> {
    fn new(links_left: usize, end: Option<oneshot::Sender<()>>) -> Self {
        Link { links_left, end, peer: PhantomData }
    }
}

impl<P: Peer> Future for Link<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        let end = self.end.take();
        match self.links_left - 1 {
            0 => end.expect("a link is polled once").send(()).expect("somebody waits for the end of the chain"),
            left => P::detach(P::spawn(Link::<P>::new(left, end))),
        }
        Poll::Ready(())
    }
}

/// A task spawns the first of `links` tasks, each of which spawns the next, and waits for the last.
pub(super) fn chain<P: Peer>(peer: &P, rounds: u64, links: usize) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            let (end, ended) = oneshot::channel();
            P::detach(P::spawn(Link::<P>::new(links, Some(end))));
            ended.await.expect("the chain has an end");
        }
        start.elapsed()
    })
}

/// The future in `block_on` spawns a task that is done at once, and joins it.
pub(super) fn from_block_on<P: Peer>(peer: &P, rounds: u64) -> Duration {
    peer.block_on(async {
        let start = Instant::now();
        for _ in 0..rounds {
            P::spawn(async {}).await;
        }
        start.elapsed()
    })
}

fn fibonacci<P: Peer>(n: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return u64::from(n);
        }
        let left = P::spawn(fibonacci::<P>(n - 1));
        let right = P::spawn(fibonacci::<P>(n - 2));
        left.await + right.await
    })
}

/// How many tasks `fork_join` spawns for `n`: two for each call that is not a leaf.
pub(super) fn forks(n: u32) -> u64 {
    if n < 2 { 0 } else { 2 + forks(n - 1) + forks(n - 2) }
}

/// A task computes the `n`th Fibonacci number.
pub(super) fn fork_join<P: Peer>(peer: &P, rounds: u64, n: u32) -> Duration {
    peer.run_on_worker(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(fibonacci::<P>(n).await);
        }
        start.elapsed()
    })
}

#[cfg(test)]
mod tests {
    use super::{fibonacci, forks};
    use crate::{Peer, Rt};

    #[test]
    fn fork_join_finds_fibonacci_numbers_with_as_many_tasks_as_it_says() {
        let peer = Rt::start(1);
        assert_eq!(peer.run_on_worker(fibonacci::<Rt>(10)), 55);
        // 2 * fib(n + 1) - 1 calls, of which the first is no task.
        assert_eq!(forks(10), 2 * 89 - 2);
    }
}

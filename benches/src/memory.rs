//! How much memory a task takes that waits.

use crate::{Peer, processor};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

/// What the tables call this measurement.
pub const NAME: &str = "idle-task-memory";

/// How many tasks wait while their memory is taken.
pub const TASKS: usize = 200_000;

/// Tasks in a queue at a time: a queue that once held all of them would count as theirs.
const CHUNK: usize = 500;

/// How many have been polled.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// 64 bytes that are never ready.
struct Waits {
    payload: [u64; 8],
}

impl Future for Waits {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        black_box(&self.payload);
        WAITING.fetch_add(1, Ordering::Relaxed);
        Poll::Pending
    }
}

/// The resident bytes of this process per task, of [`TASKS`] tasks on `peer` that hold 64 bytes and wait for ever;
/// `None` where the system does not tell.
///
/// Only a process that has done little else has a meaningful answer. The tasks stay.
pub fn bytes_per_idle_task<P: Peer>(peer: &P) -> Option<f64> {
    // What is allocated once, whatever the number of tasks.
    park(peer, 2 * CHUNK);
    let before = resident_bytes()?;
    park(peer, TASKS);
    let after = resident_bytes()?;
    Some((after - before) as f64 / TASKS as f64)
}

/// Spawns that many, and waits until all have been polled.
fn park<P: Peer>(peer: &P, tasks: usize) {
    for _ in 0..tasks / CHUNK {
        let all = WAITING.load(Ordering::Relaxed) + CHUNK;
        for _ in 0..CHUNK {
            P::detach(peer.spawn_from_outside(Waits { payload: [1; 8] }));
        }
        while WAITING.load(Ordering::Relaxed) < all {
            thread::sleep(Duration::from_micros(20));
        }
    }
}

/// How many have come to their timer.
static SLEEPING: AtomicUsize = AtomicUsize::new(0);

/// For those that were the last to come to their timer, and for what a runtime puts off.
const SETTLING: Duration = Duration::from_millis(100);

/// The resident bytes of this process per task, of that many tasks on `peer` that do nothing but sleep for an hour;
/// `None` where the system does not tell.
///
/// Only a process that has done little else has a meaningful answer. The tasks stay.
pub fn bytes_per_sleeping_task<P: Peer>(peer: &P, tasks: usize) -> Option<f64> {
    let put_to_sleep = |tasks| {
        processor::run(peer, put_to_sleep::<P>(tasks));
        thread::sleep(SETTLING);
    };
    // What is allocated once, whatever the number of tasks.
    put_to_sleep(2 * CHUNK);
    let before = resident_bytes()?;
    put_to_sleep(tasks);
    let after = resident_bytes()?;
    Some((after - before) as f64 / tasks as f64)
}

/// Spawns that many, a multiple of [`CHUNK`], and waits until all have been polled.
async fn put_to_sleep<P: Peer>(tasks: usize) {
    for _ in 0..tasks / CHUNK {
        let all = SLEEPING.load(Ordering::Relaxed) + CHUNK;
        for _ in 0..CHUNK {
            // Nothing but the timer is kept in the task: what it needs for it, it makes when it is polled.
            P::detach(P::spawn(async { P::sleep(long(SLEEPING.fetch_add(1, Ordering::Relaxed))).await }));
        }
        while SLEEPING.load(Ordering::Relaxed) < all {
            P::yield_now().await;
        }
    }
}

/// An hour, and up to ten minutes more: timers of the same time might share what others do not.
fn long(number: usize) -> Duration {
    Duration::from_secs(3600) + Duration::from_millis(number as u64 % 600_000)
}

/// The kernel's count. `status` has the number of `statm`, in a unit that does not depend on the page size.
pub(crate) fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::Waits;

    #[test]
    fn the_future_of_an_idle_task_is_64_bytes() {
        assert_eq!(size_of::<Waits>(), 64);
    }
}

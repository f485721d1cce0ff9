//! How much memory a task takes that waits.

use crate::Peer;
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

/// The kernel's count. `status` has the number of `statm`, in a unit that does not depend on the page size.
fn resident_bytes() -> Option<i64> {
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

//! `rt` beside its peers: the same work on `rt`, tokio and smol, and what each takes for it.
//!
//! | to see | run |
//! |---|---|
//! | a table of times and ratios, taken in turns | `cargo run --release -p rt-benches --bin compare` |
//! | the ratios to tokio, as a drawing too | `cargo run --release -p rt-benches --bin compare -- --chart FILE.svg` |
//! | what the processor does when there is little to do | `cargo run --release -p rt-benches --bin processor` |
//! | what a task that blocks its worker costs the others | `cargo run --release -p rt-benches --bin stalls` |
//! | what closures that block cost | `cargo run --release -p rt-benches --bin blocking` |
//! | what child processes and signals cost | `cargo run --release -p rt-benches --bin children` |
//! | what files cost | `cargo run --release -p rt-benches --bin files` |
//! | what timers cost, and how late they are | `cargo run --release -p rt-benches --bin timers` |
//! | what servers cost, and how late they answer | `cargo run --release -p rt-benches --bin servers` |
//! | what the flight recorder costs while it is on | `cargo run --release -p rt-benches --bin recorder` |
//! | what `rt`'s monitor takes while there is work | `cargo run --release -p rt-benches --bin monitor` |
//! | criterion's statistics | `cargo bench -p rt-benches` |
//! | that the benches still run | `cargo bench -p rt-benches -- --test` |
//! | instructions per operation, on one worker | `benches/count.sh` (needs valgrind) |
//! | whether `rt` takes more instructions than recorded | `benches/count.sh --check` |
//! | the record brought up to date | `benches/count.sh --record` |
//!
//! A [`Workload`] is written once, against the trait [`Peer`], so that all peers do the same. Whoever reads the results
//! should know:
//!
//! - Times of a machine that does other things prove nothing, and ratios of times that were taken one after the other
//!   prove little. `compare` therefore goes round the peers, and takes the ratio within each round and then the median.
//! - Each peer has two workers, and reactor and timers enabled, as in a server. In `compare` the runtimes live side by
//!   side for the whole run, and those that are not being measured sleep. What the kernel counts for a process, which is
//!   memory, processor time and context switches, is taken in processes that have one runtime each.
//! - Channels are tokio's for all, so that only the scheduler differs. On its own runtime they take part in tokio's
//!   budget: a task that always finds something to receive gives way every 128 times. Elsewhere they do not.
//! - smol is its parts: async-executor's `Executor`, in a static, run by threads in smol's `block_on`, which is what
//!   `smol::spawn` does. It has no scheduler-level yield; [`Peer::yield_now`] is futures-lite's, which wakes its own task.
//! - Joining a task of `rt` or tokio yields a `Result`, which is unwrapped; smol's yields the output.

mod peers;
mod random;
mod usage;
mod workloads;

pub mod blocking;
pub mod chart;
#[cfg(unix)]
pub mod children;
pub mod files;
pub mod memory;
pub mod processor;
pub mod program;
pub mod round;
#[cfg(target_os = "linux")]
pub mod servers;
pub mod stalls;
pub mod table;
pub mod timers;

pub use peers::{Peers, Rt, Smol, Tokio};
pub use usage::{Usage, thread_time};
pub use workloads::Workload;

use std::fmt::Debug;
use std::future::Future;
use std::net::TcpStream;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A runtime on which the workloads can run.
pub trait Peer: Sized + Sync + 'static {
    /// What the tables call it.
    const NAME: &'static str;

    /// A task that can be awaited. It panics if the task did.
    type Join<T: Send + 'static>: Future<Output = T> + Send + 'static;

    /// The runtime's timer. It is armed when it is first polled, and disarmed when it is dropped.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// What a [`timeout`](Self::timeout) says whose time is up.
    type Elapsed: Debug + Send;

    /// Starts a runtime with that many worker threads, reactor and timers enabled. Call it once in a process.
    fn start(workers: usize) -> Self;

    /// Runs `future` on this thread, which is no worker, until it is done.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Spawns a task from inside the runtime: from a task, or from the future in [`block_on`](Self::block_on).
    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a task from a thread that is not in the runtime.
    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Runs a closure that blocks, from inside the runtime.
    fn spawn_blocking<F, T>(closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Runs a closure that blocks, from a thread that is not in the runtime.
    fn spawn_blocking_from_outside<F, T>(&self, closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Lets the task run without anybody who waits for it.
    fn detach<T: Send + 'static>(task: Self::Join<T>);

    /// The runtime's own way of letting others run, or the nearest that it has.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits for that many ticks of the runtime's interval, of which the first comes at once.
    fn ticks(period: Duration, count: u64) -> impl Future<Output = ()> + Send + 'static;

    /// As [`ticks`](Self::ticks), and tells `on_tick` of each when it was due. One that was missed comes as soon as it can.
    fn each_tick<F>(period: Duration, count: u64, on_tick: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: FnMut(Instant) + Send + 'static;

    /// Waits for the runtime's timer.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Gives the timer another deadline. Some then have to be polled to be armed again.
    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Instant);

    /// Runs `future` for no longer than `duration`, as one would with the runtime. It is polled before the timer.
    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// The output of the one of two futures that is done first, by the runtime's own `select!`.
    fn first<A, B>(one: A, other: B) -> impl Future<Output = A::Output> + Send
    where
        A: Future + Send,
        B: Future<Output = A::Output> + Send;

    /// The outputs of three futures, by the runtime's own `join!`.
    fn join<A, B, C>(one: A, two: B, three: C) -> impl Future<Output = (A::Output, B::Output, C::Output)> + Send
    where
        A: Future<Output: Send> + Send,
        B: Future<Output: Send> + Send,
        C: Future<Output: Send> + Send;

    /// Reads one byte after the other from a connection that does not block, and calls `on_byte` after each, to the end.
    fn each_byte<F>(connection: TcpStream, on_byte: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: FnMut() + Send + 'static;

    /// Runs `future` to its end within a poll of a task, as `Handle::block_on` of the task's own runtime does.
    fn block_on_in_task<F: Future>(future: F) -> F::Output;

    /// The runtime's account of what it has done so far, if it keeps one.
    fn account(&self) -> Option<String> {
        None
    }

    /// Runs `future` on a worker, and waits for it outside.
    fn run_on_worker<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(self.spawn_from_outside(future))
    }
}

/// The middle one, or the mean of the two in the middle.
///
/// # Panics
///
/// If there is none.
#[track_caller]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "nothing has no median");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_is_the_middle_of_an_odd_number_of_values() {
        assert_eq!(median([5.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn a_median_is_the_mean_of_the_two_middles_of_an_even_number_of_values() {
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), 3.0);
    }
}

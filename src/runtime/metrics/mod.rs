//! Numbers that say how a runtime is doing.

mod histogram;
mod settings;
mod snapshot;

pub use histogram::Histogram;
#[cfg(feature = "net")]
pub(super) use snapshot::Number;
pub use snapshot::{RuntimeSnapshot, WorkerSnapshot};

use super::handle::Inner;
use crate::scheduler::{Counters, StallSite};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How a runtime is doing. All numbers are on by default and cost the runtime next to nothing: each worker writes its own.
///
/// Numbers read while the runtime works are each right, but not of the same instant.
///
/// Printed with `{}` it is a table of the workers.
///
/// ```
/// # #[rt::main(worker_threads = 2)]
/// # async fn main() {
/// let metrics = rt::runtime::Handle::current().metrics();
/// assert_eq!(metrics.num_workers(), 2);
/// println!("{metrics}");
/// # }
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    inner: Arc<Inner>,
}

impl RuntimeMetrics {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        RuntimeMetrics { inner }
    }

    #[track_caller]
    fn worker(&self, worker: usize) -> &Counters {
        assert!(worker < self.num_workers(), "there is no worker {worker}: this runtime has {}", self.num_workers());
        self.inner.scheduler.counters(worker)
    }

    /// How many workers there are.
    pub fn num_workers(&self) -> usize {
        self.inner.scheduler.workers()
    }

    /// How many workers sleep for want of tasks.
    pub fn num_parked_workers(&self) -> usize {
        self.inner.scheduler.parked()
    }

    /// How many tasks have been spawned and have not ended.
    pub fn num_alive_tasks(&self) -> usize {
        self.inner.scheduler.alive()
    }

    /// How many tasks were ever spawned.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.inner.scheduler.spawned()
    }

    /// How many tasks wait in the queue for those spawned or woken from outside the workers.
    pub fn global_queue_depth(&self) -> usize {
        self.inner.scheduler.injector_depth()
    }

    /// How many wakes and spawns came from outside the workers.
    pub fn remote_schedule_count(&self) -> u64 {
        self.inner.scheduler.remote_schedules()
    }

    /// How many spare workers are at work or ready, in the place of workers that are stuck.
    pub fn num_spare_workers(&self) -> usize {
        self.inner.scheduler.spares()
    }

    /// How many polls have kept their worker for longer than [`stall_after`](super::Builder::stall_after).
    pub fn stalls_count(&self) -> u64 {
        self.inner.scheduler.stalls()
    }

    /// Where the tasks of these polls were spawned, those with the most first.
    pub fn stall_sites(&self) -> Vec<StallSite> {
        self.inner.scheduler.stall_sites()
    }

    /// How many ready tasks the monitor has moved away from behind a worker that was stuck.
    pub fn rescued_tasks_count(&self) -> u64 {
        self.inner.scheduler.rescued()
    }

    /// How many threads the blocking pool has.
    pub fn num_blocking_threads(&self) -> usize {
        self.inner.blocking.threads()
    }

    /// How many threads of the blocking pool have nothing to do.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.inner.blocking.idle_threads()
    }

    /// How many closures wait for a thread of the blocking pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.inner.blocking.queue_depth()
    }

    /// How many closures were ever given to the blocking pool, without those that it refused because it had been closed.
    pub fn spawned_blocking_count(&self) -> u64 {
        self.inner.blocking.spawned()
    }

    /// How many of them are done: they have run, or were aborted before it was their turn. Those that are dropped when the pool is closed are not
    /// counted.
    pub fn finished_blocking_count(&self) -> u64 {
        self.inner.blocking.finished()
    }

    /// How many of them have panicked.
    pub fn panicked_blocking_count(&self) -> u64 {
        self.inner.blocking.panicked()
    }

    /// How many tasks have panicked. Closures of the blocking pool, and tasks of a local set, are not counted here.
    pub fn panicked_tasks_count(&self) -> u64 {
        self.inner.scheduler.panicked()
    }

    /// How often somebody looked at sockets and timers, with or without waiting.
    pub fn reactor_turn_count(&self) -> u64 {
        self.inner.driver.statistics().turns
    }

    /// How many events of sockets, pipes and other descriptors these looks found.
    pub fn io_driver_ready_count(&self) -> u64 {
        self.inner.driver.statistics().events
    }

    /// How many sockets, pipes and other descriptors were ever registered.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        self.inner.driver.statistics().registered
    }

    /// How many of them have gone.
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        self.inner.driver.statistics().deregistered
    }

    /// How many timers began to be waited for.
    pub fn timers_armed_count(&self) -> u64 {
        self.inner.driver.statistics().timers.armed
    }

    /// How many of them came to their time.
    pub fn timers_fired_count(&self) -> u64 {
        self.inner.driver.statistics().timers.fired
    }

    /// How many of them were dropped, or reset to a time that had passed, before that.
    pub fn timers_cancelled_count(&self) -> u64 {
        self.inner.driver.statistics().timers.cancelled
    }

    /// How many polls ended early because their budget was used up. Those of the last 61 polls of each worker may be missing.
    pub fn budget_forced_yield_count(&self) -> u64 {
        let scheduler = &self.inner.scheduler;
        (0..scheduler.workers_made()).map(|worker| scheduler.counters(worker).budget_yields.get()).sum()
    }

    /// Whether every poll is timed; see
    /// [`enable_metrics_poll_time_histogram`](super::Builder::enable_metrics_poll_time_histogram). Otherwise one is now and then.
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.inner.scheduler.times_all_polls()
    }

    /// How many buckets the histograms of poll times have.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        Histogram::num_buckets()
    }

    /// Which poll times a bucket counts.
    ///
    /// # Panics
    ///
    /// If there is no bucket of that number.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        Histogram::bucket_range(bucket)
    }

    /// How many polls of a worker took as long as a bucket counts, of those that were timed.
    ///
    /// # Panics
    ///
    /// If there is no worker or no bucket of that number.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        Histogram::new(self.worker(worker).poll_times.counts()).bucket_count(bucket)
    }

    /// Whether every delay is noted; see
    /// [`enable_metrics_schedule_delay_histogram`](super::Builder::enable_metrics_schedule_delay_histogram).
    pub fn schedule_delay_histogram_enabled(&self) -> bool {
        self.inner.scheduler.times_all_delays()
    }

    /// All numbers at once.
    pub fn snapshot(&self) -> RuntimeSnapshot {
        RuntimeSnapshot::take(self)
    }

    /// How many tasks wait in the worker's own queue.
    ///
    /// # Panics
    ///
    /// Like all functions that take the number of a worker: if there is none of that number.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.worker(worker);
        self.inner.scheduler.worker_queue_depth(worker)
    }

    /// How often the worker polled a task.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).polls()
    }

    /// How many of those polls were of the task that the one before had just woken or spawned.
    #[track_caller]
    pub fn worker_lifo_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).lifo_polls.get()
    }

    /// How often a task was woken or spawned on the worker.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.worker(worker).local_schedules.get()
    }

    /// How often the worker woke or spawned a task for others to run: a task of another runtime, or, while the worker is known to be stuck in a
    /// poll, one of its own.
    #[track_caller]
    pub fn worker_remote_schedule_count(&self, worker: usize) -> u64 {
        self.worker(worker).remote_schedules.get()
    }

    /// How many tasks the worker took from its peers.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.worker(worker).stolen.get()
    }

    /// How often the worker took tasks from a peer, any number at a time.
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.worker(worker).steals.get()
    }

    /// How often the worker went to sleep.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker(worker).parks()
    }

    /// How often the worker went to sleep, and how often it was back from there, added up: odd while it sleeps.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.worker(worker).parks_and_returns.get()
    }

    /// How many polls of the worker have kept it for longer than [`stall_after`](super::Builder::stall_after).
    #[track_caller]
    pub fn worker_stalls_count(&self, worker: usize) -> u64 {
        self.worker(worker);
        self.inner.scheduler.worker_stalls(worker)
    }

    /// For how long the worker has been awake.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.worker(worker);
        self.inner.scheduler.busy(worker)
    }

    /// How many tasks the worker's own queue could not take. Always 0: it grows.
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        self.worker(worker);
        0
    }

    /// How often the worker was woken and found nothing to do.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.worker(worker).idle_wakes.get()
    }
}

impl fmt::Display for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("num_workers", &self.num_workers())
            .field("num_alive_tasks", &self.num_alive_tasks())
            .finish_non_exhaustive()
    }
}

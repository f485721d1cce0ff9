//! Numbers that say how a runtime is doing.

use super::handle::Inner;
use crate::scheduler::{Counters, StallSite};
use std::fmt;
use std::sync::Arc;

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
        self.worker(worker).parks.get()
    }

    /// How often the worker was woken and found nothing to do.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.worker(worker).idle_wakes.get()
    }
}

impl fmt::Display for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "tasks: {} alive, {} spawned; global queue: {} waiting, {} from outside",
            self.num_alive_tasks(),
            self.spawned_tasks_count(),
            self.global_queue_depth(),
            self.remote_schedule_count(),
        )?;
        writeln!(
            f,
            "stalls: {} polls, {} tasks rescued, {} spare workers",
            self.stalls_count(),
            self.rescued_tasks_count(),
            self.num_spare_workers(),
        )?;
        writeln!(
            f,
            "blocking pool: {} threads, {} idle, {} closures waiting",
            self.num_blocking_threads(),
            self.num_idle_blocking_threads(),
            self.blocking_queue_depth(),
        )?;
        write!(
            f,
            "{:>6} {:>10} {:>10} {:>10} {:>7} {:>8} {:>7} {:>7} {:>6}",
            "worker", "polls", "lifo polls", "scheduled", "steals", "stolen", "parks", "no-ops", "queued"
        )?;
        for worker in 0..self.num_workers() {
            write!(
                f,
                "\n{:>6} {:>10} {:>10} {:>10} {:>7} {:>8} {:>7} {:>7} {:>6}",
                worker,
                self.worker_poll_count(worker),
                self.worker_lifo_poll_count(worker),
                self.worker_local_schedule_count(worker),
                self.worker_steal_operations(worker),
                self.worker_steal_count(worker),
                self.worker_park_count(worker),
                self.worker_noop_count(worker),
                self.worker_local_queue_depth(worker),
            )?;
        }
        Ok(())
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

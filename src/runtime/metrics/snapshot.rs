//! All numbers of a runtime at one moment, and what changed between two.

use super::{Histogram, RuntimeMetrics};
use crate::scheduler::Shared;
use std::fmt;
use std::time::Duration;

/// One of the numbers of a snapshot, for the socket of [`insight`](crate::runtime::insight).
#[cfg(feature = "net")]
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) enum Number {
    Count(u64),
    Time(Duration),
}

#[cfg(feature = "net")]
impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Number::Count(count)
    }
}

#[cfg(feature = "net")]
impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Number::Count(count as u64)
    }
}

#[cfg(feature = "net")]
impl From<Duration> for Number {
    fn from(time: Duration) -> Self {
        Number::Time(time)
    }
}

/// What is counted, and what is a state. A difference subtracts the former and leaves the latter.
macro_rules! snapshot {
    (
        $(#[$meta:meta])* $type:ident;
        counts { $($(#[$count_meta:meta])* $count:ident: $count_type:ty,)* }
        states { $($(#[$state_meta:meta])* $state:ident: $state_type:ty,)* }
        others { $($(#[$other_meta:meta])* $other:ident: $other_type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            $($(#[$count_meta])* pub $count: $count_type,)*
            $($(#[$state_meta])* pub $state: $state_type,)*
            $($(#[$other_meta])* pub $other: $other_type,)*
        }

        impl $type {
            /// Another's on top.
            #[allow(dead_code, reason = "there are several workers, but only one runtime")]
            fn add(&mut self, other: &Self) {
                $(self.$count += other.$count;)*
                $(self.$state += other.$state;)*
            }

            /// Shows each number with its name.
            #[cfg(feature = "net")]
            pub(in crate::runtime) fn each_number(&self, f: &mut dyn FnMut(&'static str, Number)) {
                $(f(stringify!($count), self.$count.into());)*
                $(f(stringify!($state), self.$state.into());)*
            }

            fn subtract_counts(&mut self, earlier: &Self) {
                $(self.$count = self.$count.saturating_sub(earlier.$count);)*
            }
        }
    };
}

snapshot! {
    /// All numbers of a runtime; see [`RuntimeMetrics::snapshot`].
    ///
    /// Printed with `{}` it is a table. [`since`](Self::since) tells what changed between two.
    RuntimeSnapshot;
    counts {
        /// Time since the runtime was built; in a difference, between the two.
        elapsed: Duration,
        /// Tasks spawned.
        spawned_tasks: u64,
        /// Tasks that panicked.
        panicked_tasks: u64,
        /// Wakes and spawns from outside the workers.
        remote_schedules: u64,
        /// Polls that kept their worker for longer than [`stall_after`](crate::runtime::Builder::stall_after).
        stalls: u64,
        /// Ready tasks that the monitor moved away from behind a stuck worker.
        rescued_tasks: u64,
        /// Closures given to the blocking pool.
        spawned_blocking: u64,
        /// Those that are done: they have run, or were aborted before.
        finished_blocking: u64,
        /// Those that panicked.
        panicked_blocking: u64,
        /// Looks at sockets and timers, with or without waiting.
        reactor_turns: u64,
        /// Events of sockets, pipes and other descriptors that these found.
        reactor_events: u64,
        /// Sockets, pipes and other descriptors that came.
        registered_sources: u64,
        /// Those that went.
        deregistered_sources: u64,
        /// Timers that began to be waited for.
        timers_armed: u64,
        /// Those whose time came.
        timers_fired: u64,
        /// Those that were dropped, or reset to a time that had passed, before that.
        timers_cancelled: u64,
    }
    states {
        /// Tasks that were spawned and have not ended.
        alive_tasks: usize,
        /// Tasks that wait in the queue for those spawned or woken from outside the workers.
        global_queue_depth: usize,
        /// Workers that sleep for want of tasks.
        parked_workers: usize,
        /// Spare workers in the place of stuck ones.
        spare_workers: usize,
        /// Threads of the blocking pool.
        blocking_threads: usize,
        /// Those with nothing to do.
        idle_blocking_threads: usize,
        /// Closures that wait for such a thread.
        blocking_queue_depth: usize,
    }
    others {
        /// How long polls took: of a poll now and then, one in 61 to 500, or of every one with
        /// [`enable_metrics_poll_time_histogram`](crate::runtime::Builder::enable_metrics_poll_time_histogram).
        poll_times: Histogram,
        /// How long tasks were ready before they were polled: a sample, of some that were woken in a timed poll, by events, or from outside; or of every poll with
        /// [`enable_metrics_schedule_delay_histogram`](crate::runtime::Builder::enable_metrics_schedule_delay_histogram).
        schedule_delays: Histogram,
        /// Each worker's.
        workers: Vec<WorkerSnapshot>,
        /// Those of all spare workers together, also of those that have retired.
        spares: WorkerSnapshot,
    }
}

snapshot! {
    /// The numbers of one worker.
    WorkerSnapshot;
    counts {
        /// Polls of tasks.
        polls: u64,
        /// Polls of the task that the one before had just woken or spawned.
        lifo_polls: u64,
        /// Wakes and spawns on this worker.
        local_schedules: u64,
        /// Wakes and spawns by this worker for others to run: of tasks of other runtimes, and, while it is known to be stuck, of its own.
        remote_schedules: u64,
        /// Times it took tasks from a peer.
        steal_operations: u64,
        /// Tasks that it took so.
        stolen_tasks: u64,
        /// Times it went to sleep.
        parks: u64,
        /// Times it was woken and found nothing to do.
        noops: u64,
        /// Polls that ended early because their budget was used up; see [`coop`](crate::task::coop). Those of the last 61 polls may be missing.
        budget_yields: u64,
        /// Polls that took too long.
        stalls: u64,
        /// Time that it was awake.
        busy: Duration,
    }
    states {
        /// Tasks in its own queue.
        queue_depth: usize,
    }
    others {}
}

impl RuntimeSnapshot {
    pub(super) fn take(metrics: &RuntimeMetrics) -> Self {
        let inner = &metrics.inner;
        let (scheduler, driver) = (&*inner.scheduler, inner.driver.statistics());
        let (mut poll_times, mut schedule_delays) = (Histogram::default(), Histogram::default());
        let mut workers = Vec::with_capacity(scheduler.workers());
        let mut spares = WorkerSnapshot::default();
        for number in 0..scheduler.workers_made() {
            let counters = scheduler.counters(number);
            poll_times.add(&Histogram::new(counters.poll_times.counts()));
            schedule_delays.add(&Histogram::new(counters.schedule_delays.counts()));
            let worker = WorkerSnapshot::take(scheduler, number);
            match number < scheduler.workers() {
                true => workers.push(worker),
                false => spares.add(&worker),
            }
        }
        RuntimeSnapshot {
            elapsed: scheduler.started().elapsed(),
            spawned_tasks: metrics.spawned_tasks_count(),
            panicked_tasks: metrics.panicked_tasks_count(),
            remote_schedules: metrics.remote_schedule_count(),
            stalls: metrics.stalls_count(),
            rescued_tasks: metrics.rescued_tasks_count(),
            spawned_blocking: metrics.spawned_blocking_count(),
            finished_blocking: metrics.finished_blocking_count(),
            panicked_blocking: metrics.panicked_blocking_count(),
            reactor_turns: driver.turns,
            reactor_events: driver.events,
            registered_sources: driver.registered,
            deregistered_sources: driver.deregistered,
            timers_armed: driver.timers.armed,
            timers_fired: driver.timers.fired,
            timers_cancelled: driver.timers.cancelled,
            alive_tasks: metrics.num_alive_tasks(),
            global_queue_depth: metrics.global_queue_depth(),
            parked_workers: metrics.num_parked_workers(),
            spare_workers: metrics.num_spare_workers(),
            blocking_threads: metrics.num_blocking_threads(),
            idle_blocking_threads: metrics.num_idle_blocking_threads(),
            blocking_queue_depth: metrics.blocking_queue_depth(),
            poll_times,
            schedule_delays,
            workers,
            spares,
        }
    }

    /// What changed since an earlier snapshot of the same runtime: counts and times are differences, states like
    /// [`alive_tasks`](Self::alive_tasks) are those of this one.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let metrics = rt::runtime::Handle::current().metrics();
    /// let before = metrics.snapshot();
    /// rt::spawn(async {}).await.unwrap();
    /// let change = metrics.snapshot().since(&before);
    /// assert_eq!(change.spawned_tasks, 1);
    /// println!("{change}");
    /// # }
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &RuntimeSnapshot) -> RuntimeSnapshot {
        let mut change = self.clone();
        change.subtract_counts(earlier);
        change.poll_times.subtract(&earlier.poll_times);
        change.schedule_delays.subtract(&earlier.schedule_delays);
        change.spares.subtract_counts(&earlier.spares);
        change.workers.iter_mut().zip(&earlier.workers).for_each(|(worker, earlier)| worker.subtract_counts(earlier));
        change
    }
}

impl WorkerSnapshot {
    fn take(scheduler: &Shared, worker: usize) -> Self {
        let counters = scheduler.counters(worker);
        WorkerSnapshot {
            polls: counters.polls(),
            lifo_polls: counters.lifo_polls.get(),
            local_schedules: counters.local_schedules.get(),
            remote_schedules: counters.remote_schedules.get(),
            steal_operations: counters.steals.get(),
            stolen_tasks: counters.stolen.get(),
            parks: counters.parks(),
            noops: counters.idle_wakes.get(),
            budget_yields: counters.budget_yields.get(),
            stalls: scheduler.worker_stalls(worker),
            busy: scheduler.busy(worker),
            queue_depth: scheduler.worker_queue_depth(worker),
        }
    }
}

impl fmt::Display for RuntimeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "tasks: {} alive, {} spawned, {} panicked; global queue: {} waiting, {} from outside",
            self.alive_tasks, self.spawned_tasks, self.panicked_tasks, self.global_queue_depth, self.remote_schedules,
        )?;
        writeln!(
            f,
            "stalls: {} polls, {} tasks rescued, {} spare workers",
            self.stalls, self.rescued_tasks, self.spare_workers,
        )?;
        writeln!(
            f,
            "blocking pool: {} threads, {} idle; closures: {} waiting, {} spawned, {} finished, {} panicked",
            self.blocking_threads,
            self.idle_blocking_threads,
            self.blocking_queue_depth,
            self.spawned_blocking,
            self.finished_blocking,
            self.panicked_blocking,
        )?;
        writeln!(
            f,
            "reactor: {} turns, {} events, {} sources came, {} went; timers: {} armed, {} fired, {} cancelled",
            self.reactor_turns,
            self.reactor_events,
            self.registered_sources,
            self.deregistered_sources,
            self.timers_armed,
            self.timers_fired,
            self.timers_cancelled,
        )?;
        writeln!(f, "polls timed: {}", self.poll_times)?;
        writeln!(f, "delays noted: {}", self.schedule_delays)?;
        write!(
            f,
            "{:>6} {:>6} {:>10} {:>10} {:>10} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>6} {:>6}",
            "worker",
            "busy",
            "polls",
            "lifo polls",
            "scheduled",
            "remote",
            "steals",
            "stolen",
            "parks",
            "no-ops",
            "yields",
            "stalls",
            "queued"
        )?;
        let numbered = self.workers.iter().enumerate().map(|(number, worker)| (number.to_string(), worker));
        let spares = (self.spares != WorkerSnapshot::default()).then(|| ("spares".to_owned(), &self.spares));
        for (name, worker) in numbered.chain(spares) {
            let busy = 100.0 * worker.busy.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9);
            write!(
                f,
                "\n{:>6} {:>4.0} % {:>10} {:>10} {:>10} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>6} {:>6}",
                name,
                busy,
                worker.polls,
                worker.lifo_polls,
                worker.local_schedules,
                worker.remote_schedules,
                worker.steal_operations,
                worker.stolen_tasks,
                worker.parks,
                worker.noops,
                worker.budget_yields,
                worker.stalls,
                worker.queue_depth,
            )?;
        }
        Ok(())
    }
}

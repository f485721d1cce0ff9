//! Who runs which task, where and when.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Shared`]: what all workers of a runtime share, spawning, and the way of a wake |
//! | `worker/` | one worker: its loop, its queues, stealing, going to sleep, being stuck |
//! | `appetite` | whether it pays to take tasks from others |
//! | `lifo_slot` | the one task that a worker runs next |
//! | `seats` | what others can reach of each worker |
//! | `pulse` | what a worker shows of its polls, and whether it is stuck |
//! | `monitor/` | looks after what waits behind stuck workers; how is in its README |
//! | `sleep/` | who sleeps, who searches, whom to wake; the proof is in its README |
//! | `local/` | futures that stay on their thread, in a small scheduler of their own |
//! | `current` | which worker this thread is |
//! | `recorder/` | the flight recorder: what workers did last |
//! | `counters` | statistics, written by their owner only |
//! | `id` | which scheduler is which |
//!
//! A current-thread runtime is the same scheduler with one worker, which `block_on` drives.
//!
//! # The way of a wake
//!
//! On a worker of the task's own runtime: into its LIFO slot, and what was there to its deque. From anywhere else: into
//! the injector, and then by the protocol of `sleep/`. Wakes by events and timers go to the deque in order, and nobody
//! is notified until all are there.

mod appetite;
mod counters;
mod current;
mod id;
mod lifo_slot;
pub(crate) mod local;
mod monitor;
mod pulse;
pub(crate) mod recorder;
mod seats;
mod sleep;
mod worker;

pub(crate) use crate::primitives::Patience;
pub(crate) use counters::Counters;
pub(crate) use current::{home, polled_id, set_answers, set_drives};
pub use id::Id;
pub use local::{LocalEnterGuard, LocalSet};
pub(crate) use monitor::Tuning;
pub use monitor::{Stall, StallCause, StallSite};
pub(crate) use sleep::{Parker, Unpark};
pub(crate) use worker::{Blocking, Main, NoMain, Worker};

use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::clock::{self, Tick};
use crate::primitives::deque::Injector;
use crate::primitives::plain::{AtomicU64, Ordering as PlainOrdering};
use crate::primitives::{CachePadded, random, spin_loop};
use crate::task::wait::Cause;
use crate::task::{
    Ending, Id as TaskId, Inside, JoinHandle, Look, Meta, Progress, Registry, Returns, RunToken, Schedule, TaskHooks,
    TaskRef,
};
use monitor::Watch;
use recorder::{Event, Recorder};
use seats::Seats;
use sleep::Sleep;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What wakes tasks from outside, as a worker sees it: sockets and timers.
pub(crate) trait Events: Send + Sync + 'static {
    /// Wakes what is due, without waiting. False: it has done nothing, because another thread is at it, or was a moment ago.
    ///
    /// Calls `call` if a thread wanted to wait meanwhile and sleeps elsewhere now: it has to be woken. Calls `wakes` before it wakes anybody: with how
    /// many sources are ready, then, if there are any, with how many timers are due.
    fn turn(&self, call: &mut dyn FnMut(), wakes: &mut dyn FnMut(Cause, usize)) -> bool;

    /// Waits until something is due, wakes it, and returns true. Returns false at once if another thread waits already.
    ///
    /// `begin` is called when nobody else can wait any more; if it returns false, this does not wait but only looks. `wakes` is called behind the
    /// wait, as by [`turn`](Self::turn).
    fn wait(&self, begin: &mut dyn FnMut() -> bool, wakes: &mut dyn FnMut(Cause, usize)) -> bool;

    /// Ends a `wait`, or the next one.
    fn interrupt(&self);
}

/// Where the scheduler's threads come from, but for the workers of the pool.
pub(crate) trait Threads: Send + Sync + 'static {
    /// Runs a worker on a thread inside the runtime. The closure is dropped if the system refuses the thread.
    fn start_worker(&self, body: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Runs the monitor. The closure is dropped if the system refuses the thread.
    fn start_monitor(&self, body: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// A callback of the user's.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// Called with a task that has panicked.
pub(crate) type OnPanic = Arc<dyn Fn(&TaskRef) + Send + Sync>;

/// How workers behave.
pub(crate) struct Config {
    /// Events are looked at after so many polls.
    pub(crate) event_interval: u32,
    /// The injector comes first after so many polls.
    pub(crate) global_queue_interval: u32,
    /// Woken tasks go to the LIFO slot.
    pub(crate) lifo_slot: bool,
    pub(crate) on_park: Option<Hook>,
    pub(crate) on_unpark: Option<Hook>,
    /// Every poll is timed, not only one now and then.
    pub(crate) time_all_polls: bool,
    /// The times of a task's polls are added up. All are timed then.
    pub(crate) time_tasks: bool,
    /// The same of the time that a task is ready before it is polled.
    pub(crate) time_all_delays: bool,
    /// What the flight recorder keeps of each worker, in events.
    pub(crate) recorded: usize,
    pub(crate) hooks: TaskHooks,
    /// Called when a task has panicked.
    pub(crate) on_panic: Option<OnPanic>,
    /// Where the workers' random numbers begin.
    pub(crate) seed: u64,
    /// How the pool is protected from polls that take too long. `None` for a single worker without threads to help it.
    pub(crate) tuning: Option<Tuning>,
}

/// What all workers of one runtime share.
pub(crate) struct Shared {
    id: Id,
    injector: CachePadded<Injector<RunToken>>,
    seats: Seats,
    /// How many of them are of the pool, and not spares.
    workers: usize,
    sleep: Sleep,
    watch: Option<Watch>,
    registry: Registry,
    events: Option<Arc<dyn Events>>,
    config: Config,
    recorder: Recorder,
    started: Instant,
    /// How many of these have noted since when their task is ready.
    stamped_outside: CachePadded<AtomicU64>,
    /// Wakes and spawns from outside the pool.
    remote_schedules: CachePadded<AtomicU64>,
    /// Tasks that ended on a thread that is no worker.
    ended_outside: AtomicU64,
    panicked: AtomicU64,
    /// Threads that have polled a future of their own.
    guests: AtomicU64,
    closed: AtomicBool,
}

/// One push from outside in so many is a sample. Half as many, and the shared line of the count is written for nothing; twice as many tell
/// no more.
const SAMPLED_OUTSIDE: u64 = 64;

/// A poll that goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// `None` if it is not a worker that polls, but whoever drives a local set.
    pub(crate) worker: Option<usize>,
    /// Since when, at least; `None` if it has just begun, or that is not known.
    pub(crate) since: Option<Tick>,
}

/// Shards of the registry for threads that are no workers. One would do for a single spawning thread; with more than a
/// few the locks would be spread thinner than the cores.
const FOREIGN_SHARDS: usize = 4;

/// Looks of an answering pusher before it wakes a worker while another is running: together a twentieth of what waking costs.
/// With half as many, a worker is often still on its way; with more, an answer to a worker in a long poll costs more.
const HESITATION: usize = 16;

impl Shared {
    /// A scheduler, and its workers, which do nothing until somebody calls [`Worker::run`].
    pub(crate) fn new(workers: usize, events: Option<Arc<dyn Events>>, config: Config) -> (Arc<Self>, Vec<Worker>) {
        let watch = config.tuning.clone().map(Watch::new);
        let spares = config.tuning.as_ref().map_or(0, |tuning| tuning.max_spares);
        let (seats, taken) = Seats::new(workers, spares);
        let id = Id::next();
        let shared = Arc::new(Shared {
            id,
            recorder: Recorder::new(id, config.recorded, config.time_all_delays),
            injector: CachePadded::new(Injector::new()),
            seats,
            workers,
            sleep: Sleep::new(workers),
            watch,
            registry: Registry::new(workers + FOREIGN_SHARDS),
            events,
            config,
            started: clock::now(),
            stamped_outside: CachePadded::new(AtomicU64::new(0)),
            remote_schedules: CachePadded::new(AtomicU64::new(0)),
            ended_outside: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            guests: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let workers = taken.into_iter().map(|seat| Worker::new(shared.clone(), seat)).collect();
        (shared, workers)
    }

    /// Says where threads come from, and starts the monitor. Called once, before anything is spawned.
    pub(crate) fn begin_watch(self: &Arc<Self>, threads: Box<dyn Threads>) -> io::Result<()> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.begin(self, threads))
    }

    /// Ends the monitor, once the last worker has ended.
    pub(crate) fn end_watch(&self) {
        if let Some(watch) = &self.watch {
            watch.end();
        }
    }

    /// Spawns a task. After shutdown has begun the task is cancelled at once.
    #[inline]
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let meta = self.prepare(meta).traced_task(size_of::<F>());
        // SAFETY: `Arc::as_ptr` never returns null.
        let this = unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut()) };
        // SAFETY: tasks are in the registry until they are retired, and workers do not end before it is empty; each of
        // them, and whoever runs or drops one in their place, has a counted reference to `self`.
        let (token, handle) = unsafe { crate::task::new(future, meta, this) };
        self.take_in(token);
        handle
    }

    /// Spawns a task whose future need not be `Send`. As [`spawn`](Self::spawn) else.
    ///
    /// # Safety
    ///
    /// This scheduler has one worker, and only this thread ever runs it.
    pub(crate) unsafe fn spawn_local<F>(self: &Arc<Self>, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let meta = self.prepare(meta).traced_local(size_of::<F>());
        // SAFETY: `Arc::as_ptr` never returns null.
        let this = unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut()) };
        // SAFETY: as in `spawn`. Run tokens are run and dropped by workers, and by `take_in` below; all of that is this thread.
        let (token, handle) = unsafe { crate::task::new_bound(future, meta, this) };
        self.take_in(token);
        handle
    }

    #[inline(always)]
    fn prepare(&self, meta: Meta) -> Meta {
        if self.config.time_tasks { meta.with_busy() } else { meta }
    }

    /// Registers a new task and queues it.
    // Always: it is the rest of `spawn`.
    #[inline(always)]
    fn take_in(&self, token: RunToken) {
        current::with(self, |worker| {
            let shard = worker.map_or_else(|| self.foreign_home(), Worker::home);
            if !self.registry.insert(shard, &token) {
                return token.cancel();
            }
            token.tell_spawned();
            self.config.hooks.spawned(&token);
            match worker {
                Some(worker) => worker.push(token),
                None => self.push_from_outside(token),
            }
        });
    }

    /// What a future draws from that a thread polls which is no worker.
    pub(crate) fn guest_chances(&self) -> random::Source {
        // Ordering: Relaxed; only that no two are the same matters.
        let guest = self.guests.fetch_add(1, PlainOrdering::Relaxed);
        // Workers count upwards.
        random::Source::new(self.config.seed.wrapping_sub(guest + 1))
    }

    /// The shard of a thread that is no worker.
    fn foreign_home(&self) -> usize {
        if self.sleep.muster().at_work() == 0 {
            // Nobody has told the time for long.
            Tick::advance(clock::now());
        }
        self.foreign_shard()
    }

    fn foreign_shard(&self) -> usize {
        self.workers + Registry::shard_of_this_thread(FOREIGN_SHARDS)
    }

    fn push_to_injector(&self, token: RunToken) {
        // Ordering: Relaxed; a sample is a sample.
        let pushed = self.remote_schedules.load(PlainOrdering::Relaxed);
        if pushed.is_multiple_of(SAMPLED_OUTSIDE) || self.recorder.heeds_outside() {
            self.heed_outside(&token, pushed);
        }
        self.injector.push(token);
    }

    /// More belongs to this push from outside than to queue the task.
    #[inline(never)]
    fn heed_outside(&self, token: &RunToken, pushed: u64) {
        // That of a worker is recorded by itself.
        if self.recorder.is_on() && current::with(self, |worker| worker.is_none()) {
            self.record_push_from_outside(token);
        }
        if pushed.is_multiple_of(SAMPLED_OUTSIDE) || self.config.time_all_delays {
            token.stamp(self.nanoseconds(clock::now()));
            // Ordering: Relaxed; whoever misses it misses a sample.
            self.stamped_outside.fetch_add(1, PlainOrdering::Relaxed);
        }
    }

    fn push_from_outside(&self, token: RunToken) {
        self.push_to_injector(token);
        // A read-modify-write behind the push is what the look at the sleepers needs anyway.
        // Ordering: Release keeps it behind.
        self.remote_schedules.fetch_add(1, PlainOrdering::Release);
        // It may be a worker of another runtime.
        current::with_any(|worker| worker.map(Worker::has_scheduled_elsewhere));
        if let Some(worker) = self.sleep.notify_behind_rmw(|| !(current::take_answers() && self.is_taken_soon())) {
            self.unpark(worker);
        }
    }

    /// A worker is at work, so the monitor must not sleep.
    fn be_watched(&self) {
        if self.sleep.needs_watch()
            && let Some(watch) = &self.watch
        {
            watch.set_by_worker();
        }
    }

    /// Whether a worker that runs comes for what was just pushed on the injector.
    ///
    /// A thread that pushes in answer to a task that has just ended is often faster than the worker on its way back from that
    /// task. A short look is much cheaper than to wake another worker for nothing.
    #[cold]
    fn is_taken_soon(&self) -> bool {
        (0..HESITATION).any(|_| {
            if !self.sleep.anyone_runs() {
                return false;
            }
            spin_loop();
            self.injector.is_empty()
        })
    }

    /// Steps 2 and 3 of pushing, in `sleep/README.md`.
    #[inline]
    fn notify(&self) {
        if let Some(worker) = self.sleep.notify(|| true) {
            self.unpark(worker);
        }
    }

    /// Makes a worker return from its park, or from its next one.
    pub(crate) fn unpark(&self, worker: usize) {
        if self.recorder.is_on() {
            self.record_rarely(|by| Event::Calls { worker: worker as u64, by });
        }
        match self.seats.get(worker).parker.unpark() {
            Unpark::Done => {}
            Unpark::Interrupt => {
                if let Some(events) = &self.events {
                    events.interrupt();
                }
            }
        }
    }

    /// Wakes a worker that sleeps, whoever searches. One that finds nothing to do goes to wait for events.
    fn call_somebody(&self) {
        if let Some(worker) = self.sleep.notify_anyway() {
            self.unpark(worker);
        }
    }

    fn unpark_all(&self) {
        for worker in 0..self.seats.len() {
            self.unpark(worker);
        }
    }

    /// Whether a task is in the injector or in a deque.
    fn has_visible_work(&self) -> bool {
        !self.injector.is_empty() || self.seats.iter().any(|remote| !remote.stealer.is_empty())
    }

    /// Begins shutdown: refuses new tasks and cancels those that are there. Workers end when all have gone.
    pub(crate) fn close(&self) {
        let tasks = self.registry.close();
        // Ordering: Release pairs with the Acquire in `is_finished`: who sees the flag sees the closed registry.
        self.closed.store(true, Ordering::Release);
        for task in &tasks {
            task.abort();
        }
        drop(tasks);
        self.unpark_all();
    }

    /// From now on tasks that are spawned by threads that are no workers are refused, unless `inside` says that the thread is in code that the
    /// runtime runs.
    pub(crate) fn guard(&self, inside: Inside) {
        self.registry.guard(self.workers, inside);
    }

    /// All live tasks.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether shutdown has begun.
    pub(crate) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// Whether shutdown has begun and no task is left.
    ///
    /// Nothing can be queued any more then: a complete task's waker does nothing.
    fn is_finished(&self) -> bool {
        self.is_closed() && self.registry.is_empty()
    }

    /// What each worker is polling: the task's id, name and spawn location. Empty when no task is being polled.
    pub(crate) fn running(&self) -> Vec<TaskRef> {
        let beats = self.seats.iter().filter_map(|remote| remote.pulse().beat());
        beats.filter_map(|beat| self.registry.find(beat.task)).collect()
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    /// Shows each task: what there is to see of it, when it was spawned, and whether it is being polled. Polls nobody, and waits for
    /// nothing but the locks of the registry.
    pub(crate) fn visit(&self, mut f: impl FnMut(Look<'_>, Tick, Option<Running>)) {
        let beats: Vec<_> = self
            .seats
            .iter()
            .enumerate()
            .filter_map(|(worker, remote)| {
                let beat = remote.pulse().beat()?;
                Some((beat.task, Running { worker: Some(worker), since: remote.seen_since(beat.poll) }))
            })
            .collect();
        self.registry.visit(|look, born| {
            // Of a worker that is between two polls, the one before has ended.
            let polled = beats.iter().find(|(place, _)| *place == look.place && look.progress == Progress::Woken);
            let running = polled.map(|(_, running)| *running);
            f(look, born, running);
        });
    }

    /// How many workers the pool has, without spares.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// How many spares are out.
    pub(crate) fn spares(&self) -> usize {
        self.sleep.muster().members.saturating_sub(self.workers)
    }

    /// How many polls have taken too long.
    pub(crate) fn stalls(&self) -> u64 {
        self.watch.as_ref().map_or(0, |watch| watch.stalls.load(PlainOrdering::Relaxed))
    }

    /// Whose they were.
    pub(crate) fn stall_sites(&self) -> Vec<StallSite> {
        self.watch.as_ref().map_or_else(Vec::new, |watch| watch.sites.list())
    }

    /// Whose they were lately, by task.
    pub(crate) fn stalled_tasks(&self) -> HashMap<TaskId, u64> {
        self.watch.as_ref().map_or_else(HashMap::new, |watch| watch.stalled.counts())
    }

    /// How many tasks were moved away from behind a stuck worker.
    pub(crate) fn rescued(&self) -> u64 {
        self.watch.as_ref().map_or(0, |watch| watch.rescued.load(PlainOrdering::Relaxed))
    }

    /// How many tasks were ever spawned.
    pub(crate) fn spawned(&self) -> u64 {
        self.registry.spawned()
    }

    /// How many tasks have not ended, about.
    pub(crate) fn alive(&self) -> usize {
        // These first, or tasks that are spawned and end meanwhile would be subtracted without having been added. A task that
        // was refused ends too.
        let inside: u64 = self.seats.iter().map(|remote| remote.counters.ended.get()).sum();
        let ended = inside + self.ended_outside.load(PlainOrdering::Relaxed);
        self.registry.made().saturating_sub(ended) as usize
    }

    /// In nanoseconds since the start.
    fn nanoseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_nanos() as u64
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn times_all_delays(&self) -> bool {
        self.config.time_all_delays
    }

    pub(crate) fn times_all_polls(&self) -> bool {
        self.config.time_all_polls
    }

    #[cfg(feature = "net")]
    pub(crate) fn times_tasks(&self) -> bool {
        self.config.time_tasks
    }

    /// For how long a worker has been awake.
    pub(crate) fn busy(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.counters(worker).busy(self.nanoseconds(clock::now())))
    }

    /// How many workers have ever been, spares too.
    pub(crate) fn workers_made(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn counters(&self, worker: usize) -> &Counters {
        &self.seats.get(worker).counters
    }

    pub(crate) fn worker_stalls(&self, worker: usize) -> u64 {
        self.seats.get(worker).stalls.get()
    }

    pub(crate) fn worker_queue_depth(&self, worker: usize) -> usize {
        self.seats.get(worker).stealer.len()
    }

    pub(crate) fn injector_depth(&self) -> usize {
        self.injector.len()
    }

    pub(crate) fn remote_schedules(&self) -> u64 {
        self.remote_schedules.load(PlainOrdering::Relaxed)
    }

    /// How many tasks have panicked.
    pub(crate) fn panicked(&self) -> u64 {
        self.panicked.load(PlainOrdering::Relaxed)
    }

    pub(crate) fn parked(&self) -> usize {
        self.sleep.muster().parked
    }
}

impl Schedule for Shared {
    #[inline]
    unsafe fn schedule(this: NonNull<Self>, token: RunToken) {
        current::with(this.as_ptr(), |worker| match worker {
            Some(worker) => worker.push(token),
            None => {
                // The task can run and be the last one as soon as it is queued, so the look at the sleepers needs a
                // reference of its own.
                // SAFETY: the caller promises that `this` is live until `token` is queued. It came from `Arc::as_ptr`.
                unsafe { Arc::increment_strong_count(this.as_ptr()) };
                // SAFETY: that reference is ours.
                let shared = unsafe { Arc::from_raw(this.as_ptr()) };
                shared.push_from_outside(token);
            }
        });
    }

    #[inline]
    fn let_go(&self, task: &Ending) -> bool {
        self.config.hooks.terminated(task);
        current::with(self, |worker| match worker {
            Some(worker) => {
                worker.task_ended();
                self.registry.let_go(Some(worker.home()), task)
            }
            None => {
                self.ended_outside.fetch_add(1, PlainOrdering::Relaxed);
                self.registry.let_go(None, task)
            }
        })
    }

    fn panicked(&self, task: &TaskRef) {
        self.record_panic(task.id().as_u64());
        // Ordering: Relaxed; statistics.
        self.panicked.fetch_add(1, PlainOrdering::Relaxed);
        if let Some(on_panic) = &self.config.on_panic {
            on_panic(task);
        }
    }

    fn give_back(&self, task: Ending) {
        current::with(self, |worker| match worker {
            Some(worker) => worker.give_back(task),
            None => {
                let mut returns = Returns::default();
                self.registry.give_back(&mut returns, task);
                self.registry.flush(&mut returns);
            }
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("workers", &self.workers)
            .field("parked", &self.parked())
            .field("alive", &self.alive())
            .finish_non_exhaustive()
    }
}

/// Calls a hook of the user's; a panic in it is contained, after the panic hook has reported it.
pub(crate) fn call(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        crate::primitives::contain::contain(|| hook());
    }
}

//! How a runtime is configured. What is made of it is in [`build`].

mod build;

use super::compat::Wanted;
use super::failure::UnhandledPanic;
use super::handle::RuntimeFlavor;
use super::threads::DEFAULT_NAME;
use super::{LocalOptions, LocalRuntime, Runtime, dump, insight, recording};
use crate::driver::Batches;
use crate::primitives::owner::this_thread;
use crate::scheduler::{Hook, Stall, Tuning};
use crate::task::TaskHooks;
use build::invalid;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Configures a [`Runtime`].
///
/// ```
/// let runtime = rt::runtime::Builder::new_multi_thread()
///     .worker_threads(2)
///     .thread_name("worker")
///     .enable_all()
///     .build()?;
/// let answer = runtime.block_on(async { rt::spawn(async { 42 }).await.unwrap() });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    flavor: RuntimeFlavor,
    workers: Option<usize>,
    io: bool,
    batches: Batches,
    time: bool,
    compat: Wanted,
    #[cfg(feature = "test-util")]
    start_paused: bool,
    runtime_name: Option<String>,
    name: Arc<dyn Fn() -> String + Send + Sync>,
    stack_size: Option<usize>,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
    on_park: Option<Hook>,
    on_unpark: Option<Hook>,
    pub(super) hooks: TaskHooks,
    pub(super) unhandled_panic: UnhandledPanic,
    max_blocking: usize,
    keep_alive: Duration,
    event_interval: u32,
    global_queue_interval: u32,
    pub(super) time_all_polls: bool,
    pub(super) time_all_delays: bool,
    pub(super) time_tasks: bool,
    pub(super) recording: recording::Settings,
    stalls: Tuning,
    pub(super) insight: insight::Wanted,
    pub(super) dumps: dump::on_signal::Wanted,
}

/// Events taken by one call that waits. Fewer cost more calls under load; more make the tasks of the first wait for the last.
const EVENTS: usize = 1024;
/// Events taken by a worker that is busy and only looks. More would flood its queue; with fewer, a busy server falls behind.
const FEW_EVENTS: usize = 256;
/// With more, the list alone would take more than a megabyte.
const MOST_EVENTS: usize = 1 << 16;

/// Beyond this a worker count is a mistake: a thread each, and no machine to run them.
const MAX_WORKERS: usize = 4096;

/// A prime, so that it does not beat with task counts that are powers of two. Half of it doubles the price of looking; twice
/// as much lets sockets and spawns from outside wait longer behind a full queue. tokio and Go take the same.
const INTERVAL: u32 = 61;

/// Half of it doubles what the monitor costs while there is work, some 0.6 % of a processor; twice as much doubles how long a task waits
/// behind a stuck worker.
const STALL_AFTER: Duration = Duration::from_millis(5);
/// Less, and the log tells of hiccups of the machine; more, and what users feel goes unsaid.
const REPORT_AFTER: Duration = Duration::from_millis(100);
/// As many as the blocking pool has threads, for the same reason: a blocked thread costs little, but not nothing.
const SPARES: usize = 512;
/// Beyond this a number of spares is a mistake, as with workers.
const MAX_SPARES: usize = 16384;
/// More often the monitor would do nothing but look.
const SHORTEST_LOOK: Duration = Duration::from_micros(50);
/// Longer than this nothing is waited for, so that no sum of times overflows.
const YEAR: Duration = Duration::from_secs(86400 * 365);

impl Builder {
    fn new(flavor: RuntimeFlavor) -> Self {
        Builder {
            flavor,
            workers: None,
            io: false,
            batches: Batches { waiting: EVENTS, looking: FEW_EVENTS },
            time: false,
            compat: Wanted::default(),
            #[cfg(feature = "test-util")]
            start_paused: false,
            runtime_name: None,
            name: Arc::new(|| DEFAULT_NAME.to_owned()),
            stack_size: None,
            on_start: None,
            on_stop: None,
            on_park: None,
            on_unpark: None,
            hooks: TaskHooks::default(),
            unhandled_panic: UnhandledPanic::Ignore,
            max_blocking: 512,
            keep_alive: Duration::from_secs(10),
            event_interval: INTERVAL,
            global_queue_interval: INTERVAL,
            time_all_polls: false,
            time_all_delays: false,
            time_tasks: false,
            recording: recording::Settings::default(),
            stalls: Tuning {
                after: Some(STALL_AFTER),
                max_spares: SPARES,
                spares_for_loops: true,
                report_after: Some(REPORT_AFTER),
                on_stall: None,
                on_stalled: None,
                backtraces: false,
            },
            insight: insight::Wanted::default(),
            dumps: dump::on_signal::Wanted::default(),
        }
    }

    /// A runtime whose tasks run on a pool of worker threads.
    pub fn new_multi_thread() -> Self {
        Builder::new(RuntimeFlavor::MultiThread)
    }

    /// A runtime without worker threads: its tasks run on the thread that calls [`Runtime::block_on`], in the order in
    /// which they were woken.
    pub fn new_current_thread() -> Self {
        Builder::new(RuntimeFlavor::CurrentThread)
    }

    /// Enables everything: I/O and time, and with the feature `tokio-compat` a runtime of tokio's beside this one.
    pub fn enable_all(&mut self) -> &mut Self {
        self.compat.enable();
        self.enable_io().enable_time()
    }

    /// Enables sockets. Without it they panic, and say so.
    pub fn enable_io(&mut self) -> &mut Self {
        self.io = true;
        self
    }

    /// How many events of sockets one call takes that waits for them. Default: 1024. More than 65 536 are taken for that.
    ///
    /// More cost fewer calls under load; but the first of the tasks that they wake waits until all are on a queue.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "`max_io_events_per_tick` must be at least 1, or no socket would ever be ready");
        self.batches.waiting = events.min(MOST_EVENTS);
        self
    }

    /// How many events of sockets a worker takes that has tasks to run and looks in between. Default: 256, or
    /// [`max_io_events_per_tick`](Self::max_io_events_per_tick) if that is less.
    ///
    /// What is left stays with the system until the next look: under overload, that is where requests had better wait.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "`max_io_events_per_busy_tick` must be at least 1, or a busy worker would see no socket");
        self.batches.looking = events.min(MOST_EVENTS);
        self
    }

    /// Enables timers. Without it they panic, and say so.
    pub fn enable_time(&mut self) -> &mut Self {
        self.time = true;
        self
    }

    /// Starts a runtime of tokio's beside this one, for crates that insist on finding one: reqwest, sqlx, `axum::serve`. Needs the feature
    /// `tokio-compat`, which also makes [`enable_all`](Self::enable_all) do this.
    ///
    /// Tasks still run here. Each thread of this runtime, and each that is in [`block_on`](Runtime::block_on) or has
    /// [entered](Runtime::enter) it, finds tokio's for its sockets, timers and `tokio::spawn`. What is spawned so runs on tokio's thread, of
    /// which there is one, called `rt-tokio`; that thread is in this runtime too, so that `rt::spawn` and the like work there.
    ///
    /// Tokio's runtime ends in the background, when all of this runtime's threads have ended. Paused time does not concern it.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = rt::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// runtime.block_on(async {
    ///     let task = rt::spawn(async { tokio::time::sleep(std::time::Duration::from_millis(1)).await });
    ///     task.await.unwrap();
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio-compat")]
    pub fn enable_tokio(&mut self) -> &mut Self {
        self.compat.enable();
        self
    }

    /// Lets crates that insist on a runtime of tokio's find this one, and starts none. Needs the feature `tokio-compat`.
    ///
    /// As [`enable_tokio`](Self::enable_tokio), but for its end: whoever made tokio's runtime keeps it, for at least as long as this one. And its threads are not
    /// in this runtime, unless it was built with an `on_thread_start` that sees to it.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    /// let runtime = rt::runtime::Builder::new_multi_thread().enable_all().tokio_handle(tokio.handle().clone()).build()?;
    /// let task = runtime.spawn(async { tokio::spawn(async { 42 }).await.unwrap() });
    /// assert_eq!(runtime.block_on(task).unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio-compat")]
    pub fn tokio_handle(&mut self, handle: tokio::runtime::Handle) -> &mut Self {
        self.compat = Wanted::Given(handle);
        self
    }

    /// Whether time stands still from the beginning, as after [`time::pause`](crate::time::pause). Default: false. Needs the feature `test-util`.
    ///
    /// Only for a current-thread runtime with timers: [`build`](Self::build) refuses others with `InvalidInput`.
    ///
    /// ```
    /// use rt::time::{Duration, Instant, sleep};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = rt::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_secs(3600)).await; // takes no time
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "test-util")]
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// How many worker threads a multi-thread runtime has. A current-thread runtime ignores it.
    ///
    /// Default: the environment variable `RT_WORKER_THREADS`, then `TOKIO_WORKER_THREADS`, then the number of CPUs that this
    /// process may use, cgroup quotas included.
    ///
    /// # Panics
    ///
    /// If `workers` is 0. More than 4096 make [`build`](Self::build) fail.
    #[track_caller]
    pub fn worker_threads(&mut self, workers: usize) -> &mut Self {
        assert!(
            workers > 0,
            "`worker_threads` must be at least 1; `new_current_thread` makes a runtime without threads"
        );
        self.workers = Some(workers);
        self
    }

    /// How many threads [`spawn_blocking`](crate::task::spawn_blocking) may use at a time, besides the workers. Default: 512. More than 16 million
    /// are taken for that.
    ///
    /// The pool has so many only if so many closures block at a time. Closures that wait for others to run, when as many as this do, wait for ever.
    ///
    /// # Panics
    ///
    /// If `threads` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        assert!(threads > 0, "`max_blocking_threads` must be at least 1, or closures would wait for ever");
        self.max_blocking = threads;
        self
    }

    /// How long a thread of the blocking pool waits for more to do before it ends. Default: 10 s. Zero: it ends at once.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// The name of the runtime, for whoever asks by [`Handle::name`](super::Handle::name) and for the `Debug` of both. It has none by default.
    ///
    /// ```
    /// let runtime = rt::runtime::Builder::new_current_thread().name("background").build()?;
    /// assert_eq!(runtime.handle().name(), Some("background"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `name` is empty, or blank.
    #[track_caller]
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        assert!(!name.trim().is_empty(), "the name of a runtime must not be empty: leave `name` out if it has none");
        self.runtime_name = Some(name);
        self
    }

    /// The name of the runtime's threads. Default: `rt-worker`. One that contains a NUL makes [`build`](Self::build) fail.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.name = Arc::new(move || name.clone());
        self
    }

    /// A function that names each of the runtime's threads.
    ///
    /// The first name is checked by [`build`](Self::build). A NUL in a later one becomes a question mark, and if the function
    /// panics later, the thread is called `rt-worker`.
    pub fn thread_name_fn<F>(&mut self, name: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.name = Arc::new(name);
        self
    }

    /// The stack size of the runtime's threads, in bytes. Default: std's, 2 MiB.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Called on each thread of the runtime before it does anything else. A panic in it is reported and ignored.
    pub fn on_thread_start<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.on_start = Some(Arc::new(hook));
        self
    }

    /// Called on each thread of the runtime as the last thing it does. A panic in it is reported and ignored.
    pub fn on_thread_stop<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.on_stop = Some(Arc::new(hook));
        self
    }

    /// Called on a worker just before it goes to sleep for want of tasks. A panic in it is reported and ignored.
    pub fn on_thread_park<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.on_park = Some(Arc::new(hook));
        self
    }

    /// Called on a worker just after it slept. A panic in it is reported and ignored.
    pub fn on_thread_unpark<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.on_unpark = Some(Arc::new(hook));
        self
    }

    /// A busy worker looks at sockets and timers after so many polls, unless some worker did within the last 50 us.
    /// Default: 61.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn event_interval(&mut self, polls: u32) -> &mut Self {
        assert!(polls > 0, "`event_interval` must be at least 1 poll");
        self.event_interval = polls;
        self
    }

    /// A busy worker takes from the queue of tasks from outside after so many polls of its own. Default: 61. It does so
    /// earlier when polls are long and that queue has waited for half a millisecond.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, polls: u32) -> &mut Self {
        assert!(polls > 0, "`global_queue_interval` must be at least 1 poll");
        self.global_queue_interval = polls;
        self
    }

    /// How often a monitor looks for workers that are stuck in a poll, on a multi-thread runtime. Default: 5 ms. `None` switches it off.
    ///
    /// A poll that the monitor sees twice has taken too long, whether it blocks or computes. What is ready behind it is given to other
    /// workers, sockets and timers are served, and if all workers are stuck, spares take their place. So this is about how long a task
    /// waits behind a stuck worker. The monitor looks only while there is work. Shorter: proportionally more processor time, which at 5 ms is
    /// about 0.6 % of one processor. At least 50 us and at most a year are meant, whatever is given.
    ///
    /// ```
    /// use rt::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let quick = Builder::new_multi_thread().stall_after(Duration::from_millis(2)).build()?;
    /// let unwatched = Builder::new_multi_thread().stall_after(None).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the time is zero.
    #[track_caller]
    pub fn stall_after(&mut self, time: impl Into<Option<Duration>>) -> &mut Self {
        let time = time.into();
        assert!(time != Some(Duration::ZERO), "`stall_after` must not be zero; `None` switches the monitor off");
        self.stalls.after = time.map(|time| time.clamp(SHORTEST_LOOK, YEAR));
        self
    }

    /// How many spare workers there may be at a time in the place of stuck ones. Default: 512. More than 16384 make
    /// [`build`](Self::build) fail. Zero: none, then a task waits when all
    /// workers are stuck, and `block_on` inside tasks can deadlock.
    ///
    /// Spares are released one by one, the slower the more there are, and retire when the stuck ones come back. Their threads are
    /// those of the blocking pool, whose limit they do not count against.
    pub fn max_spare_workers(&mut self, workers: usize) -> &mut Self {
        self.stalls.max_spares = workers;
        self
    }

    /// Whether spares also take the place of workers that compute, as many as the pool has workers. Default: true.
    ///
    /// Then the system divides the processors among the computations and everything else. With `false`, the other tasks wait until one
    /// of the computations is done, which for pure number crunching is a few per cent faster.
    pub fn spares_for_computing(&mut self, wanted: bool) -> &mut Self {
        self.stalls.spares_for_loops = wanted;
        self
    }

    /// How long a poll takes that is reported while it goes on. Default: 100 ms. `None`: no reports. At least
    /// [`stall_after`](Self::stall_after) is meant, whatever is given.
    ///
    /// Reports go to [`on_stall`](Self::on_stall). Without it, they go to standard error, or to `tracing` with that feature: once for each
    /// place where tasks are spawned, and at most once a second. [`RuntimeMetrics`](super::RuntimeMetrics) counts all.
    pub fn report_stalls_after(&mut self, time: impl Into<Option<Duration>>) -> &mut Self {
        self.stalls.report_after = time.into().map(|time| time.min(YEAR));
        self
    }

    /// Called for each poll that takes longer than [`report_stalls_after`](Self::report_stalls_after), while it goes on.
    ///
    /// On a thread of its own, so that it may be slow; but of more than 64 reports that wait for it the rest is dropped. A panic in it is
    /// reported and ignored.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = rt::runtime::Builder::new_multi_thread()
    ///     .on_stall(|stall| println!("{} blocks: {:?}", stall.spawned_at(), stall.elapsed()))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_stall<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&Stall) + Send + Sync + 'static,
    {
        self.stalls.on_stall = Some(Arc::new(hook));
        self
    }

    /// Whether reports of stalls say where the thread is. Default: false. Needs the feature `stall-backtrace`, and works on Linux, on
    /// x86-64 and aarch64.
    ///
    /// The stuck thread is interrupted by the signal `SIGURG` for that, once for each report. Where it is comes out right, but its
    /// callers only in code that keeps frame pointers: Rust's standard library does, a program if it is built with
    /// `-C force-frame-pointers=yes`. A system call that waits and that Linux cannot restart, like a sleep or a `poll`, ends with
    /// `EINTR`, which std's functions expect. A program that handles `SIGURG` itself keeps its handler, and gets no backtraces.
    #[cfg(feature = "stall-backtrace")]
    pub fn stall_backtraces(&mut self, wanted: bool) -> &mut Self {
        self.stalls.backtraces = wanted;
        self
    }

    /// Builds the runtime and starts its workers.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for more than 4096 workers or 16384 spares, a worker count in the environment that is none, or a NUL in the threads'
    /// name. Else what the system says when it refuses a poller (`EMFILE`, for example), a thread or the socket of `serve_insight`; nothing is left
    /// running then.
    pub fn build(&mut self) -> io::Result<Runtime> {
        self.build_for(None)
    }

    /// Builds a runtime that belongs to this thread.
    ///
    /// ```
    /// use rt::runtime::{Builder, LocalOptions};
    ///
    /// let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    /// let task = runtime.spawn_local(async { std::rc::Rc::new(42) });
    /// assert_eq!(*runtime.block_on(task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a [multi-thread](Self::new_multi_thread) runtime. Else as [`build`](Self::build).
    pub fn build_local(&mut self, _options: LocalOptions) -> io::Result<LocalRuntime> {
        if self.flavor != RuntimeFlavor::CurrentThread {
            return Err(invalid(
                "`build_local` needs a current-thread runtime: `Builder::new_current_thread`".to_owned(),
            ));
        }
        self.build_for(Some(this_thread())).map(LocalRuntime::new_with)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.runtime_name)
            .field("flavor", &self.flavor)
            .field("worker_threads", &self.workers)
            .field("io", &self.io)
            .field("time", &self.time)
            .field("thread_stack_size", &self.stack_size)
            .field("unhandled_panic", &self.unhandled_panic)
            .field("max_blocking_threads", &self.max_blocking)
            .field("thread_keep_alive", &self.keep_alive)
            .field("event_interval", &self.event_interval)
            .field("global_queue_interval", &self.global_queue_interval)
            .field("stall_after", &self.stalls.after)
            .field("max_spare_workers", &self.stalls.max_spares)
            .field("spares_for_computing", &self.stalls.spares_for_loops)
            .field("report_stalls_after", &self.stalls.report_after)
            .field("dump_on_signal", &self.dumps)
            .finish_non_exhaustive()
    }
}

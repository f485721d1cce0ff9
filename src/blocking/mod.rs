//! Threads for closures that block.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Pool`]: the queue, spawning, closing |
//! | `crew` | how many threads there are, which of them sleep, whom to call; the handshake and its proof |
//! | `seat` | a thread as others see it, and where it waits |
//! | `growth` | whether one more thread helps |
//! | `thread` | the life of a thread |
//!
//! A closure is a task like any other, whose only poll runs it: its handle joins, aborts and reports panics in the same
//! way. The queue holds the run tokens, first in, first out. Aborting a closure that has not begun makes the run drop it: it never runs, and what it
//! has captured is dropped when its turn comes, or when the pool is closed. One that has begun cannot be stopped.
//!
//! # How many threads
//!
//! As many closures run at once as there are processors, and at least two, without asking; a further thread is started, or woken, when
//! those before it do not get on with the queue, because they block. So closures that are short share few threads however many
//! they are, and those that block, or wait for each other, all get one, up to `max_threads`. `growth` has the rule and how long a closure waits by it. A
//! thread that had nothing to do for the keep-alive time ends.
//!
//! A thread that has run a closure takes the next without a call. When there is none it looks for a few microseconds, unless another does,
//! and then sleeps. Whoever queues a closure calls somebody only if nobody looks or watches; and if threads are busy it waits for
//! half a microsecond first, because one of them may be about to come.
//!
//! # Errands
//!
//! The threads also do *errands* for the scheduler: each is a spare worker at work. An errand takes an idle thread or a new one, and the
//! thread does not count against the limit meanwhile.

mod crew;
mod growth;
mod seat;
mod thread;

use crate::primitives::clock::Tick;
use crate::primitives::deque::{Injector, settle};
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::{CachePadded, Mutex, clock, spin_loop};
use crate::task::{Ending, JoinHandle, Look, Meta, Registry, RunToken, Schedule, TaskHooks, TaskRef};
use crew::{Called, Crew, Need};
use growth::Growth;
use std::any::type_name;
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// See the module's page.
pub(crate) struct Pool {
    queue: CachePadded<Injector<RunToken>>,
    crew: Crew,
    growth: Mutex<Growth>,
    registry: Registry,
    keep_alive: Duration,
    hooks: TaskHooks,
    on_panic: Option<OnPanic>,
    panicked: AtomicU64,
    began: Instant,
    threads: OnceLock<Box<dyn Threads>>,
    quiet: Option<Quiet>,
}

/// Where the pool's threads come from.
pub(crate) trait Threads: Send + Sync + 'static {
    /// Starts a thread that calls the closure. Names, stacks and hooks are its own affair. It drops `end` when the thread has nothing
    /// more to do, or if there is none.
    fn start(&self, body: Box<dyn FnOnce() + Send>, end: Ended) -> io::Result<()>;
}

/// The system refuses a thread, and there is none that could run the closure.
#[derive(Debug)]
pub(crate) struct Refused(io::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the system refuses a thread for a blocking closure: {}; lower `max_blocking_threads` or `thread_stack_size` of the \
             runtime's builder, or raise the system's limits",
            self.0
        )
    }
}

impl std::error::Error for Refused {}

/// Called with a closure that has panicked.
pub(crate) type OnPanic = Arc<dyn Fn(&TaskRef) + Send + Sync>;

/// What the pool tells of its closures, and how many threads it has.
pub(crate) struct Config {
    pub(crate) max_threads: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) on_quiet: Option<OnQuiet>,
    pub(crate) hooks: TaskHooks,
    pub(crate) on_panic: Option<OnPanic>,
}

/// Counts the closures that wait or run, for somebody who wants to know when there is none.
struct Quiet {
    open: CachePadded<AtomicU64>,
    call: OnQuiet,
}

/// Called when the last closure that was there is done.
pub(crate) type OnQuiet = Box<dyn Fn() + Send + Sync>;

/// A spare worker's life on a thread of the pool.
struct Errand(Box<dyn FnOnce() + Send>);

impl Errand {
    fn run(self) {
        (self.0)();
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}

/// Counts a thread out when dropped.
pub(crate) struct Ended(Arc<Pool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.crew.ended();
    }
}

/// Shards of the registry. One would do for a single spawning thread; more than a few would be spread thinner than the processors.
const SHARDS: usize = 8;

/// Looks of a submitter before it calls somebody while threads are busy: about half a microsecond, a tenth of what waking costs. With half as
/// many, a thread is often still in the closure before; with more, closures that block wait longer for the next thread.
const HESITATION: usize = 24;

impl Pool {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let Config { max_threads, keep_alive, on_quiet, hooks, on_panic } = config;
        Arc::new(Pool {
            queue: CachePadded::new(Injector::new()),
            // Two, so that on one processor one that blocks does not hold up the next.
            crew: Crew::new(max_threads, num_cpus::get().max(2)),
            growth: Mutex::new(Growth::new()),
            registry: Registry::new(SHARDS),
            keep_alive,
            hooks,
            on_panic,
            panicked: AtomicU64::new(0),
            began: clock::now(),
            threads: OnceLock::new(),
            quiet: on_quiet.map(|call| Quiet { open: CachePadded::new(AtomicU64::new(0)), call }),
        })
    }

    /// Says where threads come from. Called once, before anything is spawned.
    pub(crate) fn begin(&self, threads: Box<dyn Threads>) {
        let known = self.threads.set(threads);
        debug_assert!(known.is_ok(), "it is said once");
    }

    /// Queues a closure. After the pool was closed its handle reports it cancelled.
    ///
    /// # Panics
    ///
    /// If the OS refuses the pool's first thread, because then nobody would ever run it.
    #[track_caller]
    pub(crate) fn spawn<F, R>(self: &Arc<Self>, closure: F, meta: Meta) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.try_spawn(closure, meta) {
            Ok(handle) => handle,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// As [`spawn`](Self::spawn), with an error in the place of the panic. The closure has been dropped then.
    pub(crate) fn try_spawn<F, R>(self: &Arc<Self>, closure: F, meta: Meta) -> Result<JoinHandle<R>, Refused>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        // SAFETY: `Arc::as_ptr` never returns null.
        let this = unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut()) };
        let meta = meta.traced_blocking(type_name::<F>(), size_of::<F>());
        // SAFETY: whoever runs or drops a token of this pool has a counted reference to it: a thread of the pool, or
        // this function.
        let (token, handle) = unsafe { crate::task::new(Once(Some(closure)), meta, this) };
        if !self.registry.insert(Registry::shard_of_this_thread(SHARDS), &token) {
            token.cancel();
            return Ok(handle);
        }
        if let Some(quiet) = &self.quiet {
            // Ordering: Relaxed; whoever looks does so after this thread, or has to be told in another way that there is a closure.
            quiet.open.fetch_add(1, Ordering::Relaxed);
        }
        token.tell_spawned();
        self.hooks.spawned(&token);
        self.queue.push(token);
        let need = self.crew.submitted();
        if need != Need::Nothing {
            self.serve_if_nobody_comes(need).map_err(Refused)?;
        }
        Ok(handle)
    }

    /// Step 3 of submitting.
    #[cold]
    fn serve_if_nobody_comes(self: &Arc<Self>, need: Need) -> io::Result<()> {
        let has_come = || {
            spin_loop();
            self.queue.is_empty() || !self.crew.is_needed()
        };
        if self.crew.anyone_is_busy() && (0..HESITATION).any(|_| has_come()) {
            return Ok(());
        }
        self.serve(need)
    }

    /// Sees to it that somebody comes for what waits.
    ///
    /// # Errors
    ///
    /// What the system says when it refuses the only thread. The queue has been emptied then.
    fn serve(self: &Arc<Self>, need: Need) -> io::Result<()> {
        let called = match need {
            Need::Nothing => return Ok(()),
            Need::Empty => Called::Empty,
            Need::Somebody(_) => self.crew.call(),
        };
        match called {
            Called::Done => {}
            Called::Empty => self.empty(),
            Called::Start(duty) => {
                let pool = self.clone();
                if let Err(error) = self.start(Box::new(move || pool.work(Some(duty))))
                    && self.crew.not_started(duty)
                {
                    // With those of others, which left them to that thread.
                    self.empty();
                    return Err(error);
                }
                // If it was refused but there are others, these will come to it.
            }
        }
        Ok(())
    }

    fn start(self: &Arc<Self>, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let end = Ended(self.clone());
        match self.threads.get() {
            Some(threads) => threads.start(body, end),
            None => Err(io::Error::other("the runtime is not complete")),
        }
    }

    fn take(&self) -> Option<RunToken> {
        settle(|| self.queue.steal())
    }

    /// Drops all closures that wait.
    fn empty(&self) {
        while let Some(token) = self.take() {
            token.cancel();
            self.ended(1);
        }
    }

    /// So many closures are done, and their outputs taken care of.
    fn ended(&self, closures: u64) {
        if let Some(quiet) = &self.quiet {
            // Ordering: Release pairs with the Acquire in `is_quiet`: what a closure has done, its wakes included, is seen by who sees it gone.
            if quiet.open.fetch_sub(closures, Ordering::Release) == closures {
                (quiet.call)();
            }
        }
    }

    /// Runs an errand on an idle thread, or on a new one. Also after the pool was closed.
    ///
    /// # Errors
    ///
    /// What the system says when it refuses a thread. The errand is dropped then.
    pub(crate) fn lend(self: &Arc<Self>, errand: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let Some(errand) = self.crew.lend(Errand(errand)) else {
            return Ok(());
        };
        let pool = self.clone();
        self.start(Box::new(move || {
            errand.run();
            if pool.crew.join_in() {
                pool.work(None);
            }
        }))
    }

    /// All closures that are not done.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Refuses further closures, and drops those that have not begun.
    pub(crate) fn close(&self) {
        for task in self.registry.close() {
            // Whoever runs one of these next drops it instead.
            task.abort();
        }
        self.crew.close();
        self.empty();
    }

    /// Whether no further closure is taken.
    #[cfg(any(feature = "fs", feature = "io-std"))]
    pub(crate) fn is_closed(&self) -> bool {
        self.crew.is_closed()
    }

    /// Waits until all threads have ended; false if they have not by `deadline`.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        self.crew.wait_ended(deadline)
    }

    /// Whether no closure waits or runs. Only for a pool that tells when that comes true.
    #[cfg(feature = "test-util")]
    pub(crate) fn is_quiet(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `ended`.
        self.quiet.as_ref().is_none_or(|quiet| quiet.open.load(Ordering::Acquire) == 0)
    }

    /// The closures that run now.
    pub(crate) fn running(&self) -> Vec<TaskRef> {
        self.crew.running().into_iter().filter_map(|place| self.registry.find(place)).collect()
    }

    /// Shows each closure: what there is to see of its task, when it was queued, and whether it runs.
    pub(crate) fn visit(&self, mut f: impl FnMut(Look<'_>, Tick, bool)) {
        let running: HashSet<_> = self.crew.running().into_iter().collect();
        self.registry.visit(|look, born| {
            let is_running = running.contains(&look.place);
            f(look, born, is_running);
        });
    }

    pub(crate) fn threads(&self) -> usize {
        self.crew.threads()
    }

    pub(crate) fn idle_threads(&self) -> usize {
        self.crew.idle()
    }

    pub(crate) fn queue_depth(&self) -> usize {
        self.queue.len()
    }

    /// How many closures were ever taken in.
    pub(crate) fn spawned(&self) -> u64 {
        self.registry.spawned()
    }

    /// How many of them the threads have done.
    pub(crate) fn finished(&self) -> u64 {
        self.crew.tally().1
    }

    /// How many of them have panicked.
    pub(crate) fn panicked(&self) -> u64 {
        // Ordering: Relaxed; statistics.
        self.panicked.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("crew", &self.crew).field("waiting", &self.queue_depth()).finish_non_exhaustive()
    }
}

impl Schedule for Pool {
    unsafe fn schedule(_this: NonNull<Self>, _token: RunToken) {
        unreachable!("the token of a closure is in the queue or with a thread until the closure is done");
    }

    fn let_go(&self, task: &Ending) -> bool {
        self.hooks.terminated(task);
        self.registry.remove(task);
        true
    }

    fn panicked(&self, task: &TaskRef) {
        // Ordering: Relaxed; statistics.
        self.panicked.fetch_add(1, Ordering::Relaxed);
        if let Some(on_panic) = &self.on_panic {
            on_panic(task);
        }
    }

    fn give_back(&self, _task: Ending) {
        unreachable!("whoever ends a closure takes it out of the registry");
    }
}

/// A future that calls a closure when it is first polled.
struct Once<F>(Option<F>);

// The closure is moved out before it is called, so nothing relies on its place.
impl<F> Unpin for Once<F> {}

impl<F: FnOnce() -> R, R> Future for Once<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<R> {
        let closure = self.0.take().expect("a task is not polled after it is done");
        // A closure may do as much as it likes.
        crate::task::budget::lift();
        Poll::Ready(closure())
    }
}

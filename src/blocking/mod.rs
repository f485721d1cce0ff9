//! Threads for closures that block.
//!
//! A closure is a task like any other, whose only poll runs it: its handle joins, aborts and reports panics in the same
//! way. The queue holds the run tokens. Aborting a closure that has not begun makes the run drop it; one that has begun
//! cannot be stopped.
//!
//! Threads are started when a closure is queued and nobody is idle, up to the limit; a thread that had nothing to do for
//! the keep-alive time ends.
//!
//! The threads also do *errands* for the scheduler: each is a spare worker at work. An errand takes an idle thread or a new one, and the
//! thread does not count against the limit meanwhile.

use crate::primitives::clock::Tick;
use crate::primitives::plain::{AtomicUsize, Ordering};
use crate::primitives::{Condvar, Mutex, clock};
use crate::task::{Ending, JoinHandle, Look, Meta, Registry, RunToken, Schedule, TaskRef, Whose};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// See the module's page.
pub(crate) struct Pool {
    state: Mutex<State>,
    /// A closure was queued, or the pool was closed.
    queued: Condvar,
    /// The last thread has ended.
    ended: Condvar,
    registry: Registry,
    max_threads: usize,
    keep_alive: Duration,
    idle: AtomicUsize,
    /// Called when the last closure that was there is done.
    on_quiet: Option<OnQuiet>,
}

/// Called with the pool's lock held.
pub(crate) type OnQuiet = Box<dyn Fn() + Send + Sync>;

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(RunToken, TaskRef)>,
    errands: Vec<Errand>,
    /// Threads that take closures.
    threads: usize,
    /// Those, and the ones that only have the user's hook to run.
    alive: usize,
    idle: usize,
    /// Idle threads that were told of a closure or an errand and have not taken it yet.
    told: usize,
    closed: bool,
    /// What each busy thread runs, by the number of the thread.
    running: HashMap<usize, TaskRef>,
    next_thread: usize,
}

/// A spare worker's life on a thread of the pool.
struct Errand(Box<dyn FnOnce() + Send>);

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}

/// What became of a closure that was to be queued.
enum Queued {
    Yes,
    /// The pool is closed.
    Closed(RunToken),
    /// Nobody will run these, because the system refused the pool's only thread.
    Refused(VecDeque<(RunToken, TaskRef)>, io::Error),
}

/// Starts a thread that calls the closure. Given by the caller, which knows names, stacks and hooks. It drops the other
/// argument when the thread has nothing more to do, or if there is none.
pub(crate) type StartThread<'a> = &'a dyn Fn(Box<dyn FnOnce() + Send>, Ended) -> io::Result<()>;

/// Counts a thread out when dropped.
pub(crate) struct Ended(Arc<Pool>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.alive -= 1;
        if state.alive == 0 {
            self.0.ended.notify_all();
        }
    }
}

impl State {
    fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.running.is_empty()
    }
}

impl Pool {
    pub(crate) fn new(max_threads: usize, keep_alive: Duration, on_quiet: Option<OnQuiet>) -> Arc<Self> {
        Arc::new(Pool {
            state: Mutex::new(State::default()),
            queued: Condvar::new(),
            ended: Condvar::new(),
            registry: Registry::new(1),
            max_threads,
            keep_alive,
            idle: AtomicUsize::new(0),
            on_quiet,
        })
    }

    /// Queues a closure. After the pool was closed its handle reports it cancelled.
    ///
    /// # Panics
    ///
    /// If the OS refuses the pool's first thread, because then nobody would ever run it.
    #[track_caller]
    pub(crate) fn spawn<F, R>(self: &Arc<Self>, closure: F, meta: Meta, start: StartThread<'_>) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        // SAFETY: `Arc::as_ptr` never returns null.
        let this = unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut()) };
        // SAFETY: whoever runs or drops a token of this pool has a counted reference to it: a thread of the pool, or
        // this function.
        let (token, handle) = unsafe { crate::task::new(Once(Some(closure)), meta, this) };
        if !self.registry.insert(0, &token) {
            token.cancel();
            return handle;
        }
        let task = token.task_ref();
        match self.queue(token, task, start) {
            Queued::Yes => {}
            Queued::Closed(token) => token.cancel(),
            Queued::Refused(queue, error) => {
                queue.into_iter().for_each(|(token, _)| token.cancel());
                panic!(
                    "the system refuses a thread for a blocking closure: {error}; lower `max_blocking_threads` or \
                     `thread_stack_size` of the runtime's builder, or raise the system's limits"
                );
            }
        }
        handle
    }

    fn queue(self: &Arc<Self>, token: RunToken, task: TaskRef, start: StartThread<'_>) -> Queued {
        let mut state = self.state.lock();
        if state.closed {
            return Queued::Closed(token);
        }
        state.queue.push_back((token, task));
        if state.idle > state.told {
            state.told += 1;
            self.queued.notify_one();
            return Queued::Yes;
        }
        if state.threads == self.max_threads {
            return Queued::Yes;
        }
        state.threads += 1;
        state.alive += 1;
        let number = state.next_thread;
        state.next_thread += 1;
        drop(state);
        let pool = self.clone();
        let Err(error) = start(Box::new(move || pool.work(number)), Ended(self.clone())) else {
            return Queued::Yes;
        };
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.threads > 0 {
            // The others will come to it.
            return Queued::Yes;
        }
        // With those of other threads, which left them to this one.
        Queued::Refused(std::mem::take(&mut state.queue), error)
    }

    /// Runs an errand on an idle thread, or on a new one. Also after the pool was closed.
    ///
    /// # Errors
    ///
    /// What the system says when it refuses a thread. The errand is dropped then.
    pub(crate) fn lend(self: &Arc<Self>, errand: Box<dyn FnOnce() + Send>, start: StartThread<'_>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.idle > state.told {
            state.errands.push(Errand(errand));
            state.told += 1;
            self.queued.notify_one();
            return Ok(());
        }
        state.alive += 1;
        let number = state.next_thread;
        state.next_thread += 1;
        drop(state);
        let pool = self.clone();
        let body = move || {
            errand();
            if pool.join_in(&mut pool.state.lock()) {
                pool.work(number);
            }
        };
        start(Box::new(body), Ended(self.clone()))
    }

    /// A thread that comes from an errand takes closures, unless there are enough that do.
    fn join_in(&self, state: &mut State) -> bool {
        let wanted = state.threads < self.max_threads && !state.closed;
        state.threads += usize::from(wanted);
        wanted
    }

    /// The life of a thread that takes closures.
    fn work(&self, number: usize) {
        let mut state = self.state.lock();
        loop {
            if let Some(Errand(errand)) = state.errands.pop() {
                state.threads -= 1;
                drop(state);
                errand();
                state = self.state.lock();
                if !self.join_in(&mut state) {
                    return;
                }
                continue;
            }
            if let Some((token, task)) = state.queue.pop_front() {
                let whose = Whose::Task(task.id()).begin();
                state.running.insert(number, task);
                drop(state);
                // A closure does not wake itself, so the token never comes back.
                let again = token.run();
                debug_assert!(again.is_none(), "a closure runs once");
                drop(whose);
                state = self.state.lock();
                // The closure is done and its output taken care of: what is dropped here runs no code of the user's.
                state.running.remove(&number);
                if let Some(on_quiet) = &self.on_quiet
                    && state.is_quiet()
                {
                    on_quiet();
                }
                continue;
            }
            if state.closed || !self.wait(&mut state) {
                break;
            }
        }
        state.threads -= 1;
    }

    /// Waits for a closure; false after the keep-alive time without one.
    fn wait(&self, state: &mut crate::primitives::MutexGuard<'_, State>) -> bool {
        let until = clock::now().checked_add(self.keep_alive);
        state.idle += 1;
        self.idle.store(state.idle, Ordering::Relaxed);
        let mut timed_out = false;
        while state.told == 0 && !state.closed && !timed_out {
            match until {
                None => self.queued.wait(state),
                Some(until) => timed_out = self.queued.wait_until(state, until).timed_out(),
            }
        }
        state.idle -= 1;
        self.idle.store(state.idle, Ordering::Relaxed);
        if state.told > 0 {
            state.told -= 1;
            return true;
        }
        state.closed
    }

    /// Refuses further closures, and drops those that have not begun.
    pub(crate) fn close(&self) {
        for task in self.registry.close() {
            // Whoever runs one of these next drops it instead.
            task.abort();
        }
        let mut state = self.state.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        self.queued.notify_all();
        drop(state);
        queue.into_iter().for_each(|(token, _)| token.cancel());
    }

    /// Waits until all threads have ended; false if they have not by `deadline`.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while state.alive > 0 {
            match deadline {
                None => self.ended.wait(&mut state),
                Some(deadline) => {
                    if self.ended.wait_until(&mut state, deadline).timed_out() {
                        return state.alive == 0;
                    }
                }
            }
        }
        true
    }

    /// Whether no closure waits or runs.
    #[cfg(feature = "test-util")]
    pub(crate) fn is_quiet(&self) -> bool {
        self.state.lock().is_quiet()
    }

    /// The closures that run now.
    pub(crate) fn running(&self) -> Vec<TaskRef> {
        self.state.lock().running.values().cloned().collect()
    }

    /// Shows each closure: what there is to see of its task, when it was queued, and whether it runs.
    pub(crate) fn visit(&self, mut f: impl FnMut(Look<'_>, Tick, bool)) {
        let running: HashSet<_> = self.state.lock().running.values().map(TaskRef::id).collect();
        self.registry.visit(|look, born| {
            let is_running = running.contains(&look.id);
            f(look, born, is_running);
        });
    }

    pub(crate) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    pub(crate) fn idle_threads(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    pub(crate) fn queue_depth(&self) -> usize {
        self.state.lock().queue.len()
    }
}

impl Schedule for Pool {
    unsafe fn schedule(_this: NonNull<Self>, _token: RunToken) {
        unreachable!("the token of a closure is in the queue or with a thread until the closure is done");
    }

    fn let_go(&self, task: &Ending) -> bool {
        self.registry.let_go(Some(0), task)
    }

    fn give_back(&self, _task: Ending) {
        unreachable!("the registry of closures has one shard, and lets go of every task");
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

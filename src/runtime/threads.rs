//! The threads of a runtime: how they are made, and how many of them are left.

use super::context;
use super::handle::Inner;
use crate::blocking;
use crate::primitives::contain::contain;
use crate::primitives::{Condvar, Mutex, thread};
use crate::scheduler::{self, Hook, NoMain, Worker, call};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What threads are called if nobody says otherwise.
pub(super) const DEFAULT_NAME: &str = "rt-worker";

/// What the monitor's thread is called.
const MONITOR_NAME: &str = "rt-monitor";

/// See the module's page.
pub(super) struct Threads {
    name: Arc<dyn Fn() -> String + Send + Sync>,
    stack_size: Option<usize>,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
    left: Mutex<Left>,
    changed: Condvar,
}

/// The threads that have not ended.
#[derive(Debug, Default)]
struct Left {
    /// Those that are workers, spares too.
    workers: usize,
    /// The monitor's, and that for dumps.
    watchers: usize,
}

/// What the user wants the threads to be.
pub(super) struct Look {
    pub(super) name: Arc<dyn Fn() -> String + Send + Sync>,
    pub(super) stack_size: Option<usize>,
    pub(super) on_start: Option<Hook>,
    pub(super) on_stop: Option<Hook>,
}

impl Threads {
    pub(super) fn new(look: Look) -> Self {
        let Look { name, stack_size, on_start, on_stop } = look;
        Threads { name, stack_size, on_start, on_stop, left: Mutex::new(Left::default()), changed: Condvar::new() }
    }
}

impl Inner {
    /// Starts a thread inside the runtime, with the user's name, stack and hooks.
    ///
    /// `end` is dropped when the last of the user's hooks has run, or at once if there is no thread.
    pub(super) fn start_thread(
        self: &Arc<Self>,
        body: Box<dyn FnOnce() + Send>,
        end: impl Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let mut name = DEFAULT_NAME.to_owned();
        contain(|| name = (self.threads.name)());
        // A name with a NUL would make std panic.
        let mut builder = thread::Builder::new().name(name.replace('\0', "?"));
        if let Some(size) = self.threads.stack_size {
            builder = builder.stack_size(size);
        }
        let inner = self.clone();
        let compat = self.compat.keep();
        builder.spawn(move || {
            context::join(&inner);
            let _entered = context::enter(&inner);
            call(inner.threads.on_start.as_ref());
            body();
            call(inner.threads.on_stop.as_ref());
            context::part();
            compat.release();
            drop(end);
        })
    }

    /// Starts the thread of a worker of the pool.
    pub(super) fn start_worker(self: &Arc<Self>, worker: Worker) -> io::Result<thread::JoinHandle<()>> {
        self.threads.left.lock().workers += 1;
        let inner = self.clone();
        let body = move || {
            let _async = context::begin_async(&inner);
            worker.run(&mut NoMain);
        };
        self.start_thread(Box::new(body), WorkerEnd(self.clone()))
    }

    /// Starts a thread inside the runtime that looks after it. The user's settings of threads do not concern it. It is told to end when
    /// the last worker has ended.
    pub(super) fn start_watcher(self: &Arc<Self>, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.left.lock().watchers += 1;
        let inner = self.clone();
        let end = WatcherEnd(inner.clone());
        let thread = move || {
            context::join(&inner);
            let entered = context::enter(&inner);
            body();
            drop(entered);
            context::part();
            drop(end);
        };
        thread::Builder::new().name(name.to_owned()).spawn(thread).map(drop)
    }

    /// Waits until the threads of all workers have ended, and those of its watchers; false if they have not by `deadline`.
    pub(super) fn wait_workers_ended(&self, deadline: Option<Instant>) -> bool {
        let mut left = self.threads.left.lock();
        while !left.is_empty() {
            match deadline {
                None => self.threads.changed.wait(&mut left),
                Some(deadline) => {
                    if self.threads.changed.wait_until(&mut left, deadline).timed_out() {
                        return left.is_empty();
                    }
                }
            }
        }
        true
    }
}

impl Left {
    fn is_empty(&self) -> bool {
        self.workers == 0 && self.watchers == 0
    }
}

/// Counts a worker out when dropped.
struct WorkerEnd(Arc<Inner>);

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        let inner = &self.0;
        let mut left = inner.threads.left.lock();
        left.workers -= 1;
        if left.workers == 0 {
            drop(left);
            // All futures have been dropped: nothing of the runtime's own waits for sockets or timers any more.
            inner.driver.shut_down();
            inner.scheduler.end_watch();
            inner.dumper.end();
            inner.threads.changed.notify_all();
        }
    }
}

/// Counts a watcher out when dropped.
struct WatcherEnd(Arc<Inner>);

impl Drop for WatcherEnd {
    fn drop(&mut self) {
        self.0.threads.left.lock().watchers -= 1;
        self.0.threads.changed.notify_all();
    }
}

/// Gives the scheduler and the blocking pool their threads. Does not keep the runtime, because these have it, and the runtime has them.
pub(super) struct Starter(pub(super) Weak<Inner>);

impl Starter {
    fn inner(&self) -> io::Result<Arc<Inner>> {
        self.0.upgrade().ok_or_else(|| io::Error::other("the runtime is gone"))
    }
}

impl blocking::Threads for Starter {
    fn start(&self, body: Box<dyn FnOnce() + Send>, end: blocking::Ended) -> io::Result<()> {
        self.inner()?.start_thread(body, end).map(drop)
    }
}

impl scheduler::Threads for Starter {
    fn start_worker(&self, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let inner = self.inner()?;
        {
            let mut left = inner.threads.left.lock();
            if left.workers == 0 {
                return Err(io::Error::other("the last worker has ended"));
            }
            left.workers += 1;
        }
        let end = WorkerEnd(inner.clone());
        let errand = move || {
            let is_async = context::begin_async(&end.0);
            body();
            drop(is_async);
            drop(end);
        };
        inner.blocking.lend(Box::new(errand))
    }

    fn start_monitor(&self, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.inner()?.start_watcher(MONITOR_NAME, body)
    }
}

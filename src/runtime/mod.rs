//! Runtimes: building them, entering them, shutting them down.
//!
//! Most programs need nothing of this: `#[rt::main]` builds a runtime and runs `main` on it.
//!
//! ```
//! let runtime = rt::runtime::Runtime::new()?;
//! runtime.block_on(async {
//!     let task = rt::spawn(async { "work" });
//!     assert_eq!(task.await.unwrap(), "work");
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Shutting down
//!
//! Dropping a [`Runtime`] refuses new tasks, lets the workers finish the polls that they are in, drops every task that is
//! left, wherever its wakers may be, and waits for the threads. If that takes more than a second it names on stderr
//! whom it waits for. [`Runtime::shutdown_timeout`] waits for a limited time, [`Runtime::shutdown_background`] not at all.
//! A runtime that is dropped inside async code, or by one of its own threads, shuts down in the background.
//!
//! [`Runtime::drain`] first lets the tasks finish what they do, up to a deadline, and says which did not; [`Handle::drain`] does that from inside, and
//! by [`draining`] tasks learn of it.

// Inside: puts the parts together. `Inner` owns one of each: scheduler, driver, blocking pool.

mod block_on;
mod builder;
#[cfg_attr(not(feature = "tokio-compat"), path = "no_compat.rs")]
mod compat;
mod context;
pub(crate) mod current_id;
mod drain;
mod dump;
mod failure;
mod handle;
pub(crate) mod join_set;
mod local;
mod metrics;
pub(crate) mod spawn;
mod task_hooks;
mod threads;

pub use crate::scheduler::{Id, Stall, StallCause, StallSite};
pub use crate::task::hooks::TaskMeta;
pub use builder::Builder;
pub use context::EnterGuard;
pub use drain::{Drained, DrainedTask, Draining, draining, is_draining};
pub use dump::{Dump, TaskDump, TaskKind, TaskState, WaitReason};
pub use failure::UnhandledPanic;
pub use handle::{Handle, RuntimeFlavor, TryCurrentError};
pub use local::{LocalOptions, LocalRuntime};
pub use metrics::{Histogram, RuntimeMetrics, RuntimeSnapshot, WorkerSnapshot};

use crate::driver::Driver;
use crate::primitives::{clock, thread};
use crate::scheduler::{Events, NoMain};
use crate::task::{JoinHandle, Meta, TaskRef};
use block_on::Core;
use handle::Inner;
use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::panic::Location;
use std::time::{Duration, Instant};

/// The index of the worker that runs on this thread: less than [`RuntimeMetrics::num_workers`], and the one that the metrics use.
///
/// `None` on a thread that is no worker: in the blocking pool, outside of any runtime, and in [`Runtime::block_on`] of a multi-thread runtime. Of a
/// current-thread runtime the thread is worker 0 that runs its tasks.
///
/// A task may be on another worker after each `.await`. And two threads may have the same index for a while: a spare, which was released because a worker is
/// stuck in a poll, has that of a worker of the pool.
///
/// ```
/// # #[rt::main(worker_threads = 2)]
/// # async fn main() {
/// let index = rt::spawn(async { rt::runtime::worker_index() }).await.unwrap();
/// assert!(index.is_some_and(|index| index < 2));
/// assert_eq!(rt::runtime::worker_index(), None);
/// # }
/// ```
pub fn worker_index() -> Option<usize> {
    crate::scheduler::home()
}

/// Whether an error says that the runtime which serves a socket has shut down.
///
/// ```
/// use rt::net::TcpListener;
/// use rt::runtime::Runtime;
///
/// let one = Runtime::new()?;
/// let listener = one.block_on(TcpListener::bind("127.0.0.1:0"))?;
/// drop(one);
///
/// let other = Runtime::new()?;
/// let error = other.block_on(listener.accept()).unwrap_err();
/// assert!(rt::runtime::is_rt_shutdown_err(&error));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_rt_shutdown_err(error: &io::Error) -> bool {
    #[cfg(feature = "net")]
    return crate::driver::is_shut_down(error);
    #[cfg(not(feature = "net"))]
    {
        let _ = error;
        false
    }
}

/// A runtime: a scheduler, its threads, sockets and timers. Dropping it shuts it down; see the
/// [module's page](crate::runtime#shutting-down).
pub struct Runtime {
    handle: Handle,
    /// `None` once it has been shut down.
    kind: Option<Kind>,
    _compat: compat::Keep,
}

enum Kind {
    CurrentThread(Box<Core>),
    MultiThread(Vec<thread::JoinHandle<()>>),
}

/// How long a shutdown waits in silence.
const PATIENCE: Duration = Duration::from_secs(1);

impl Runtime {
    /// A multi-thread runtime with everything enabled and a worker for each CPU.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Runtime> {
        Builder::new_multi_thread().enable_all().build()
    }

    fn new_with(handle: Handle, kind: Kind, compat: compat::Keep) -> Self {
        Runtime { handle, kind: Some(kind), _compat: compat }
    }

    /// A reference to this runtime that can be cloned and sent anywhere.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task; see [`rt::spawn`](crate::spawn). On a current-thread runtime it runs while some thread is in
    /// [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.inner.scheduler.spawn(future, Meta::new(None, Location::caller()))
    }

    /// Runs a closure that blocks on a thread that is made for it; see
    /// [`rt::task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.inner.spawn_blocking(closure, Meta::new(None, Location::caller()))
    }

    /// Polls `future` on this thread until it is done, inside the runtime.
    ///
    /// The future need not be `Send` or `'static`. Any number of threads may be in this call at once. On a current-thread
    /// runtime one of them runs the tasks besides its own future; when it leaves, another takes over.
    ///
    /// # Panics
    ///
    /// If the thread is polling futures of a current-thread runtime already, which would stand still; and if `future` panics. Inside
    /// a task of a multi-thread runtime it works: another thread takes the worker's place meanwhile.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _blocking = block_on::begin(&self.handle);
        match &self.kind {
            Some(Kind::CurrentThread(core)) => block_on::as_worker(core, &self.handle.inner, future),
            _ => block_on::on_this_thread(&self.handle.inner, future),
        }
    }

    /// Makes this the runtime that `rt::spawn`, sockets and timers find on this thread; see [`Handle::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Numbers that say how the runtime is doing.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Shuts down, and waits for the threads for at most `duration`. Those that have not stopped by then are named on stderr
    /// and left to themselves: they end as soon as they return from the poll or the closure that they are in.
    /// Called by one of the runtime's own threads it does not wait, for that thread would wait for itself.
    pub fn shutdown_timeout(mut self, duration: Duration) {
        let wait = match context::is_member(&self.handle.inner) {
            true => Wait::No,
            false => Wait::Until(clock::now().checked_add(duration)),
        };
        self.shut_down(wait);
    }

    /// Shuts down without waiting for the threads.
    pub fn shutdown_background(mut self) {
        self.shut_down(Wait::No);
    }

    /// A thread that polls futures must not wait for threads, and may be one of those that would be waited for.
    fn must_not_wait(&self) -> bool {
        context::is_async() || context::is_member(&self.handle.inner)
    }

    fn shut_down(&mut self, wait: Wait) {
        let Some(kind) = self.kind.take() else {
            return;
        };
        let inner = &self.handle.inner;
        inner.begin_shutdown();
        let threads = match kind {
            Kind::CurrentThread(core) => {
                // Nobody can be in `block_on`, which borrows the runtime: the worker is here.
                if let Some(worker) = core.take_for_good() {
                    let _entered = self.handle.enter();
                    let _async = context::begin_async(inner);
                    worker.run(&mut NoMain);
                }
                inner.driver.shut_down();
                inner.dumper.end();
                Vec::new()
            }
            Kind::MultiThread(threads) => threads,
        };
        let deadline = match wait {
            Wait::No => return,
            Wait::Until(deadline) => deadline,
        };
        if wait_ended(inner, deadline) {
            for thread in threads {
                // It has left its loop, and a worker does not panic.
                let _ = thread.join();
            }
        }
    }
}

/// How long to wait for threads.
enum Wait {
    No,
    /// `None`: as long as it takes.
    Until(Option<Instant>),
}

/// Waits for all threads of a runtime that is shutting down; false if some were still there at `deadline`.
fn wait_ended(inner: &Inner, deadline: Option<Instant>) -> bool {
    let ended = |until| inner.wait_workers_ended(until) && inner.blocking.wait_ended(until);
    let patience = clock::now() + PATIENCE;
    let first = deadline.map_or(patience, |deadline| deadline.min(patience));
    if ended(Some(first)) {
        return true;
    }
    let is_over = deadline == Some(first);
    let running: Vec<_> = inner.scheduler.running().into_iter().chain(inner.blocking.running()).collect();
    // There is nobody to tell that it cannot be told.
    let _ = writeln!(io::stderr().lock(), "{}", report(&running, is_over));
    !is_over && ended(deadline)
}

fn report(running: &[TaskRef], is_over: bool) -> String {
    let mut text = String::from(match is_over {
        true => "rt: the runtime was shut down, but some threads have not stopped:",
        false => "rt: the runtime is shutting down, and waits for threads that do not stop:",
    });
    for task in running {
        let name = task.meta().name().map_or(String::new(), |name| format!(" {name:?}"));
        text += &format!("\n  task {}{name}, spawned at {}, is running", task.id(), task.meta().location);
    }
    if running.is_empty() {
        text += "\n  no task is running: a thread is in a hook, or was not given a CPU";
    }
    text
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let wait = if self.must_not_wait() { Wait::No } else { Wait::Until(None) };
        self.shut_down(wait);
    }
}

// As for `Inner`.
impl std::panic::UnwindSafe for Runtime {}
impl std::panic::RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runtime = f.debug_struct("Runtime");
        if let Some(name) = self.handle.name() {
            runtime.field("name", &name);
        }
        runtime.field("flavor", &self.handle.inner.flavor).finish_non_exhaustive()
    }
}

impl Events for Driver {
    fn turn(&self, call: &mut dyn FnMut()) -> bool {
        Driver::turn(self, call)
    }

    fn wait(&self, begin: &mut dyn FnMut() -> bool) -> bool {
        Driver::wait(self, begin)
    }

    fn interrupt(&self) {
        Driver::interrupt(self);
    }
}

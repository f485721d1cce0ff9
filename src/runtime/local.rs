//! A runtime that belongs to one thread.
//!
//! It is a current-thread runtime whose one worker never runs on another thread than the one that built it, because nobody else can reach
//! [`LocalRuntime`]. So its scheduler takes tasks whose futures are not `Send`, beside the others and in the same queues. A [`Handle`] can
//! go anywhere, which is why it does not spawn such tasks; `spawn_local` looks which thread it is on.

use super::{Drained, EnterGuard, Handle, Runtime, RuntimeMetrics};
use crate::scheduler::LocalSet;
use crate::task::{JoinHandle, Meta};
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Duration;

/// A runtime that belongs to one thread, on which it runs tasks whose futures need not be `Send`.
///
/// It is a current-thread runtime else: its tasks run while its thread is in [`block_on`](Self::block_on), those of
/// [`spawn_local`](crate::task::spawn_local) and those of [`rt::spawn`](crate::spawn) in the order in which they were woken. Threads
/// elsewhere may spawn futures that are `Send` through its [`handle`](Self::handle). Dropping it shuts it down; see the
/// [module's page](crate::runtime#shutting-down).
///
/// ```
/// use rt::{runtime::LocalRuntime, task::spawn_local};
/// use std::rc::Rc;
///
/// let runtime = LocalRuntime::new()?;
/// let word = Rc::new("word");
/// let length = runtime.block_on(async {
///     let word = word.clone();
///     spawn_local(async move { word.len() }).await.unwrap()
/// });
/// assert_eq!(length, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// `#[rt::main(flavor = "local")]` runs `main` on one.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// let runtime = rt::runtime::LocalRuntime::new().unwrap();
/// std::thread::spawn(move || runtime.block_on(async {}));
/// ```
pub struct LocalRuntime {
    runtime: Runtime,
    not_send: PhantomData<*mut ()>,
}

/// What a [`LocalRuntime`] can be told beyond what the [`Builder`](super::Builder) tells any runtime. Nothing so far.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    not_send: PhantomData<*mut ()>,
}

impl LocalRuntime {
    /// A runtime of this thread with everything enabled.
    ///
    /// # Errors
    ///
    /// As [`Builder::build_local`](super::Builder::build_local).
    pub fn new() -> io::Result<LocalRuntime> {
        super::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    /// `runtime` was built to be local, on this thread, and is reached by nobody else.
    pub(super) fn new_with(runtime: Runtime) -> Self {
        LocalRuntime { runtime, not_send: PhantomData }
    }

    /// A reference to this runtime that can be cloned and sent anywhere. It spawns futures that are `Send`.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task; see [`rt::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.spawn(future)
    }

    /// Spawns a task whose future need not be `Send`. It begins in the next [`block_on`](Self::block_on).
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// let runtime = rt::runtime::LocalRuntime::new()?;
    /// let task = runtime.spawn_local(async { Rc::new(42) });
    /// assert_eq!(*runtime.block_on(task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.handle().inner.spawn_local(future, Meta::new(None, Location::caller()))
    }

    /// Runs a closure that blocks on a thread that is made for it; see
    /// [`rt::task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(closure)
    }

    /// Polls `future` until it is done, inside the runtime, and runs its tasks meanwhile.
    ///
    /// The future need not be `Send` or `'static`.
    ///
    /// # Panics
    ///
    /// If the thread is polling futures of a current-thread runtime already, which would stand still; and if `future` panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Makes this the runtime that `rt::spawn`, `spawn_local`, sockets and timers find on this thread; see [`Handle::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Numbers that say how the runtime is doing.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }

    /// Lets the runtime's work be finished, and shuts it down; see [`Runtime::drain`].
    ///
    /// ```
    /// use rt::runtime::{LocalRuntime, draining};
    /// use std::time::Duration;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// runtime.spawn_local(async { draining().await });
    /// let drained = runtime.drain(Duration::from_secs(1));
    /// assert!(drained.is_clean(), "{drained}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`block_on`](Self::block_on).
    #[track_caller]
    pub fn drain(self, deadline: Duration) -> Drained {
        self.runtime.drain(deadline)
    }

    /// Drops all tasks, and waits for closures that block for at most `duration`; see [`Runtime::shutdown_timeout`].
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// Drops all tasks, and waits for no closure that blocks.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

// As for `Runtime`.
impl std::panic::UnwindSafe for LocalRuntime {}
impl std::panic::RefUnwindSafe for LocalRuntime {}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime").field("id", &self.handle().id()).finish_non_exhaustive()
    }
}

impl LocalSet {
    /// Polls `future` on this thread until it is done, inside `runtime`, and drives the set meanwhile.
    ///
    /// The same as `runtime.block_on(set.run_until(future))`.
    ///
    /// ```
    /// let runtime = rt::runtime::Runtime::new()?;
    /// let set = rt::task::LocalSet::new();
    /// let task = set.spawn_local(async { 42 });
    /// assert_eq!(set.block_on(&runtime, task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Runtime::block_on`].
    #[track_caller]
    pub fn block_on<F>(&self, runtime: &Runtime, future: F) -> F::Output
    where
        F: Future,
    {
        runtime.block_on(self.run_until(future))
    }
}

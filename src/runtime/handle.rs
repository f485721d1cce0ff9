//! A runtime seen from anywhere: spawning, entering, asking.

use super::compat::Compat;
use super::context::{self, EnterGuard};
use super::drain::Drain;
use super::dump::on_signal::Dumper;
use super::dump::{self, Dump};
use super::failure::Failure;
use super::insight;
use super::threads::Threads;
use super::{RuntimeMetrics, block_on};
use crate::blocking::Pool;
use crate::driver::Driver;
#[cfg(feature = "time")]
use crate::primitives::clock::Time;
use crate::primitives::owner::{Thread, this_thread};
use crate::scheduler::{Id, Shared};
use crate::task::{JoinHandle, Meta};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A reference to a runtime: spawns onto it, enters it, and tells how it is doing.
///
/// A handle does not keep its runtime going. Once the [`Runtime`](super::Runtime) has shut down, tasks spawned through a
/// handle are cancelled at once, and their join handles say so.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let handle = rt::runtime::Handle::current();
/// std::thread::spawn(move || {
///     // Not a thread of the runtime, but it can spawn onto it and wait for the result.
///     let task = handle.spawn(async { 1 + 1 });
///     assert_eq!(handle.block_on(task).unwrap(), 2);
/// })
/// .join()
/// .unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

/// Which kind of runtime a handle belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// Tasks run on the thread that calls `block_on`.
    CurrentThread,
    /// Tasks run on a pool of worker threads.
    MultiThread,
}

/// The parts of a runtime, put together.
pub(crate) struct Inner {
    pub(super) scheduler: Arc<Shared>,
    pub(super) driver: Arc<Driver>,
    pub(super) blocking: Arc<Pool>,
    pub(super) threads: Threads,
    pub(super) compat: Compat,
    pub(super) drain: Drain,
    pub(super) insight: insight::Servers,
    pub(super) dumper: Dumper,
    /// Of a runtime that shuts down when a task panics.
    pub(super) failure: Option<Arc<Failure>>,
    pub(super) name: Option<String>,
    pub(super) flavor: RuntimeFlavor,
    /// The thread of a `LocalRuntime`, the only one that ever runs its worker.
    pub(super) local: Option<Thread>,
}

impl Inner {
    /// Refuses further tasks and closures, and cancels those that are there. May be called again.
    pub(super) fn begin_shutdown(&self) {
        self.blocking.close();
        self.scheduler.close();
        self.drain.tell();
    }

    #[track_caller]
    pub(super) fn spawn_blocking<F, R>(&self, closure: F, meta: Meta) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.blocking.spawn(closure, meta)
    }

    /// Whether this is a `LocalRuntime`, on its thread.
    pub(super) fn is_local_here(&self) -> bool {
        self.local.is_some_and(|owner| owner == this_thread())
    }

    /// # Panics
    ///
    /// If this is no `LocalRuntime`, or on another thread.
    #[track_caller]
    pub(super) fn spawn_local<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(self.is_local_here(), "a future that is not `Send` stays on the thread of its runtime");
        // SAFETY: a `LocalRuntime` is a current-thread runtime, whose scheduler has one worker, and that worker is reached only
        // through the `LocalRuntime`, which does not leave this thread.
        unsafe { self.scheduler.spawn_local(future, meta) }
    }

    /// What time it is for this runtime's timers; 0 if there are none.
    pub(super) fn timer_nanoseconds(&self) -> u64 {
        #[cfg(all(feature = "time", feature = "test-util"))]
        return self.driver.now().0;
        #[cfg(not(all(feature = "time", feature = "test-util")))]
        machine_nanoseconds()
    }
}

/// What time it is for timers of no runtime; 0 if there are no timers.
pub(super) fn machine_nanoseconds() -> u64 {
    #[cfg(feature = "time")]
    return Time::now().0;
    #[cfg(not(feature = "time"))]
    0
}

// A panic of the user's code finds nothing of a runtime half done.
impl std::panic::RefUnwindSafe for Inner {}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("flavor", &self.flavor)
            .field("scheduler", &self.scheduler)
            .finish_non_exhaustive()
    }
}

/// There is no runtime on this thread.
#[derive(Debug, Clone)]
pub struct TryCurrentError(());

impl TryCurrentError {
    /// Whether the thread has not entered a runtime. True: it is the only reason there is.
    pub fn is_missing_context(&self) -> bool {
        true
    }

    /// Whether the thread's local storage was gone. False: this runtime's can be read until the thread ends.
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_RUNTIME)
    }
}

impl std::error::Error for TryCurrentError {}

const NO_RUNTIME: &str = "there is no rt runtime on this thread: call this from inside `#[rt::main]`, `Runtime::block_on` \
                          or a spawned task, or enter a runtime with `Handle::enter` first";

impl Handle {
    /// The runtime this thread is in.
    ///
    /// # Panics
    ///
    /// If it is in none. [`try_current`](Self::try_current) does not panic.
    #[track_caller]
    pub fn current() -> Handle {
        match Handle::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime this thread is in.
    ///
    /// # Errors
    ///
    /// If it is in none.
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        context::with(|inner| inner.map(|inner| Handle { inner: inner.clone() }).ok_or(TryCurrentError(())))
    }

    /// Runs `f` with the runtime this thread is in, without counting a reference.
    #[track_caller]
    #[inline]
    pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Inner>) -> R) -> R {
        // Panics here and not in a closure, so that the message names the caller.
        match context::with(|inner| inner.map(f)) {
            Some(result) => result,
            None => panic!("{NO_RUNTIME}"),
        }
    }

    /// Makes this the runtime that `rt::spawn`, sockets and timers find on this thread, until the guard is dropped.
    ///
    /// ```
    /// let runtime = rt::runtime::Runtime::new().unwrap();
    /// let task = {
    ///     let _guard = runtime.enter();
    ///     rt::spawn(async { "spawned from ordinary code" })
    /// };
    /// assert_eq!(runtime.block_on(task).unwrap(), "spawned from ordinary code");
    /// ```
    ///
    /// # Panics
    ///
    /// If guards are dropped in another order than the reverse of their making.
    pub fn enter(&self) -> EnterGuard<'_> {
        context::enter(&self.inner)
    }

    /// Spawns a task; see [`rt::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.scheduler.spawn(future, Meta::new(None, Location::caller()))
    }

    /// Runs a closure that blocks on a thread that is made for it; see
    /// [`rt::task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.inner.spawn_blocking(closure, Meta::new(None, Location::caller()))
    }

    /// As [`spawn`](Self::spawn), with what is known of the task.
    pub(crate) fn spawn_with<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.scheduler.spawn(future, meta)
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), with what is known of the task.
    #[track_caller]
    pub(crate) fn spawn_blocking_with<F, R>(&self, closure: F, meta: Meta) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.inner.spawn_blocking(closure, meta)
    }

    /// Polls `future` on this thread until it is done, inside the runtime.
    ///
    /// The future need not be `Send` or `'static`. On a current-thread runtime this polls nothing but `future`: its
    /// tasks, sockets and timers stand still unless another thread is in [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    ///
    /// If the thread is polling futures of a current-thread runtime already; and if `future` panics. Inside a task of a
    /// multi-thread runtime it works: another thread takes the worker's place meanwhile.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _blocking = block_on::begin(self);
        block_on::on_this_thread(&self.inner, future)
    }

    /// Which kind of runtime this is.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        self.inner.flavor
    }

    /// The runtime's identifier.
    pub fn id(&self) -> Id {
        self.inner.scheduler.id()
    }

    /// The runtime's name, if it [was given one](super::Builder::name).
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Numbers that say how the runtime is doing.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.inner.clone())
    }

    /// What each task of the runtime does now: runs, waits for its turn, or waits to be woken, and then for what; and how old it is, how often it
    /// was polled, where it was spawned.
    ///
    /// Nothing is polled, nobody is stopped, and it works from any thread: also while all workers are stuck, and with a hundred
    /// thousand tasks in the queues. It costs some 10 to 100 ns a task. What is told of each task is right, but not of the same instant. The future of
    /// [`block_on`](super::Runtime::block_on) is no task, and is not told of.
    ///
    /// ```
    /// use rt::runtime::{Handle, TaskState, WaitReason};
    /// use std::time::Duration;
    ///
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let task = rt::task::Builder::new().name("janitor").spawn(rt::time::sleep(Duration::from_secs(60)))?;
    /// rt::time::sleep(Duration::from_millis(10)).await;
    ///
    /// let dump = Handle::current().dump();
    /// let janitor = dump.tasks().iter().find(|dumped| dumped.id() == task.id()).unwrap();
    /// assert_eq!(janitor.name(), Some("janitor"));
    /// assert!(matches!(janitor.state(), TaskState::Waiting { reason: WaitReason::Timer { .. }, .. }));
    /// // 1 task: 0 running, 0 queued, 1 waiting
    /// //   task 1 "janitor" spawned at src/main.rs:7:12 waits for a timer that is due in 59.99 s; 0.01 s old, ...
    /// println!("{dump}");
    /// # task.abort();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Tasks of a [`LocalSet`](crate::task::LocalSet) are listed if this runtime has driven the set last; [`LocalSet::dump`](crate::task::LocalSet::dump)
    /// tells of those of one set.
    pub fn dump(&self) -> Dump {
        Dump::take(&self.inner)
    }

    /// As [`dump`](Self::dump), and then **polls each task that waits once more**, to learn where in the program it does: of a task that waits for a
    /// channel, a lock or a waker of somebody's, this tells what `dump` cannot. See [`TaskDump::trace`](super::TaskDump::trace).
    ///
    /// Each is woken, and polled by an ordinary run in its turn, with hooks and budget, as after any wake that was for nothing, which every future
    /// must bear. A task whose time has come ends by it, or goes on. In that poll each waker that a future leaves somewhere is noted with a
    /// backtrace, 32 in one task at most. That costs some 20 to 50 us a backtrace, so this is for people who look for a fault, and not for every minute. 64
    /// tasks are asked at a time, so that others have their turns; what the dump tells besides is from before.
    ///
    /// It ends when all have answered, and at the `deadline` at the latest, a time from now of the machine's clock: those that have not been polled by then,
    /// because all workers are stuck, or because nobody drives a current-thread runtime or a local set, are said so. It needs no worker itself: a
    /// thread is made for it. Ordinary code calls `handle.block_on(handle.dump_traced(..))`.
    ///
    /// Printed with `{:#}` each task is followed by its backtraces, from the future that waits outwards to the task's own. Their names are looked up
    /// only then, which takes some hundred milliseconds the first time. They are as good as the program's debug information.
    ///
    /// ```
    /// use rt::runtime::Handle;
    /// use std::time::Duration;
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// let (sender, receiver) = rt::sync::oneshot::channel::<()>();
    /// let task = rt::spawn(async move { receiver.await });
    /// # while Handle::current().metrics().num_alive_tasks() == 0 {}
    /// let dump = Handle::current().dump_traced(Duration::from_secs(1)).await;
    /// // task 1 spawned at src/main.rs:7:12 waits for something outside the runtime; ...
    /// //   polled for this dump, it waits here:
    /// //     0: tokio::sync::oneshot::Inner<T>::poll_recv
    /// //     ...
    /// println!("{dump:#}");
    /// # drop(sender);
    /// # let _ = task.await;
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped, it asks no further task. Those that it has woken are polled all the same.
    pub fn dump_traced(&self, deadline: Duration) -> impl Future<Output = Dump> + Send + use<> {
        let inner = self.inner.clone();
        async move { dump::dump_traced(&inner, deadline).await }
    }

    /// Runs `f` with the threads for closures that block, of the runtime this thread is in.
    #[cfg(any(feature = "fs", feature = "io-std"))]
    #[track_caller]
    #[inline]
    pub(crate) fn with_current_pool<R>(f: impl FnOnce(&Arc<Pool>) -> R) -> R {
        Handle::with_current(|inner| f(&inner.blocking))
    }

    /// The driver of sockets.
    #[cfg(feature = "net")]
    #[track_caller]
    pub(crate) fn current_reactor() -> Arc<crate::driver::Reactor> {
        let reactor = Handle::with_current(|inner| inner.driver.reactor().cloned());
        match reactor {
            Some(reactor) => reactor,
            None => panic!("this runtime has no I/O: call `enable_io` or `enable_all` on its builder"),
        }
    }

    /// The driver of sockets of the runtime that this thread is in, if it is in one with sockets and other than that of `reactor`.
    #[cfg(all(unix, feature = "signal"))]
    pub(crate) fn other_reactor(reactor: &Arc<crate::driver::Reactor>) -> Option<Arc<crate::driver::Reactor>> {
        let current =
            |inner: &Arc<Inner>| inner.driver.reactor().filter(|current| !Arc::ptr_eq(current, reactor)).cloned();
        context::with(|inner| inner.and_then(current))
    }

    /// Whether this thread is in a runtime with timers.
    #[cfg(all(feature = "net", feature = "time"))]
    pub(crate) fn has_timers() -> bool {
        context::with(|inner| inner.is_some_and(|inner| inner.driver.has_timers()))
    }

    /// What time it is for the runtime this thread is in; else, for the machine.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn current_time() -> Time {
        #[cfg(feature = "test-util")]
        return context::with(|inner| inner.map_or_else(Time::now, |inner| inner.driver.now()));
        #[cfg(not(feature = "test-util"))]
        Time::now()
    }

    /// Runs `f` with the driver of the current runtime, whose time can be paused.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[cfg(feature = "test-util")]
    #[track_caller]
    pub(crate) fn with_pausable<R>(f: impl FnOnce(&Driver) -> R) -> R {
        let (flavor, driver) = Handle::with_current(|inner| (inner.flavor, inner.driver.clone()));
        assert!(
            flavor == RuntimeFlavor::CurrentThread,
            "only the time of a current-thread runtime can be paused: use `Builder::new_current_thread`, or \
             `flavor = \"current_thread\"`"
        );
        assert!(driver.has_timers(), "this runtime has no timers: call `enable_time` or `enable_all` on its builder");
        f(&driver)
    }

    /// A timer of the current runtime, not yet armed; see `Driver::timer`.
    #[cfg(feature = "time")]
    #[track_caller]
    #[inline]
    pub(crate) fn current_timer(deadline: Time, wait: Option<u64>) -> crate::driver::Timer {
        let timer = Handle::with_current(|inner| inner.driver.timer(crate::scheduler::home(), deadline, wait));
        match timer {
            Some(timer) => timer,
            None => panic!("this runtime has no timers: call `enable_time` or `enable_all` on its builder"),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut handle = f.debug_struct("Handle");
        if let Some(name) = self.name() {
            handle.field("name", &name);
        }
        handle.field("flavor", &self.inner.flavor).finish_non_exhaustive()
    }
}

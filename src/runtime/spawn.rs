//! The ways to spawn onto the current runtime.

use super::{Handle, block_on, context};
use crate::scheduler::{LocalSet, local};
use crate::task::{JoinHandle, Meta};
use std::future::Future;
use std::io;
use std::panic::Location;

/// Spawns a task onto the current runtime. It begins at once, whether or not the handle is awaited.
///
/// The task runs until it is done, it is aborted, or the runtime shuts down. It may run on any worker, and move at its
/// await points.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let tasks: Vec<_> = (0..4).map(|i| rt::spawn(async move { i * i })).collect();
/// let mut sum = 0;
/// for task in tasks {
///     sum += task.await.unwrap();
/// }
/// assert_eq!(sum, 0 + 1 + 4 + 9);
/// # }
/// ```
///
/// # Panics
///
/// If this thread is in no runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let location = Location::caller();
    Handle::with_current(|inner| inner.scheduler.spawn(future, Meta::new(None, location)))
}

/// Spawns a task whose future need not be `Send` onto the [`LocalSet`] that this thread is in, or else onto its
/// [`LocalRuntime`](super::LocalRuntime). It runs on this thread.
///
/// A thread is in a set while it polls what drives it, in its tasks, and as long as it has a guard of [`LocalSet::enter`]. Of a set and a
/// runtime, the one counts that was entered last.
///
/// ```
/// use rt::task::spawn_local;
/// use std::rc::Rc;
///
/// #[rt::main(flavor = "local")]
/// async fn main() {
///     let shared = Rc::new("not Send");
///     let task = spawn_local({
///         let shared = shared.clone();
///         async move { shared.len() }
///     });
///     assert_eq!(task.await.unwrap(), 8);
/// }
/// ```
///
/// # Panics
///
/// If this thread is in no set, and in no local runtime that belongs to it. [`LocalSet::spawn_local`] works also outside.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_with(future, Meta::new(None, Location::caller()))
}

#[track_caller]
fn spawn_local_with<F>(future: F, meta: Meta) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let (future, meta) = match local::spawn(future, meta) {
        Ok(handle) => return handle,
        Err(given_back) => given_back,
    };
    // Looks first, so that the message of a panic names the caller.
    let found = context::with(|inner| inner.map(|inner| (inner.local.is_some(), inner.is_local_here())));
    match found {
        Some((true, true)) => Handle::with_current(|inner| inner.spawn_local(future, meta)),
        Some((true, false)) => panic!(
            "`spawn_local` was called inside a `LocalRuntime` that belongs to another thread: use `spawn` if the future is `Send`, or \
             send what it is made of to a task on that thread"
        ),
        _ => panic!(
            "`spawn_local` was called outside of a `LocalSet` or `LocalRuntime`: call it inside `LocalSet::run_until`, \
             `LocalRuntime::block_on` or a task of theirs, or use `LocalSet::spawn_local`"
        ),
    }
}

/// Runs a closure that blocks on a thread of the runtime's blocking pool, so that no worker waits for it.
///
/// Closures begin in the order in which they were spawned. As many as there are processors, and at least two, begin at once; a further one gets a thread
/// when those before it do not get on: after about 0.15 ms if they block, after 20 ms if they compute. So short closures share few threads, and
/// closures that wait for each other all begin, up to [`max_blocking_threads`](super::Builder::max_blocking_threads); more wait in a queue.
///
/// A closure that is [aborted](crate::task::JoinHandle::abort) before it has begun never runs; what it has captured is dropped, and its handle
/// says that it was cancelled, when its turn comes. One that has begun cannot be aborted; shutting the runtime down waits for it, and drops those that
/// have not begun.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let text = rt::task::spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await??;
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If this thread is in no runtime, or if the system refuses the pool's first thread.
#[track_caller]
pub fn spawn_blocking<F, R>(closure: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let location = Location::caller();
    Handle::with_current(|inner| inner.spawn_blocking(closure, Meta::new(None, location)))
}

/// Runs a closure that blocks here and now, and lets others do what this worker would have done meanwhile.
///
/// The worker's other tasks go to other workers at once, and if none is free, to a spare. The closure runs on this very thread, so it
/// may borrow, and thread-locals are what they were. The futures that share the task with it, in `join!` or `select!`, wait until it
/// returns. May be nested. Outside a runtime, in [`spawn_blocking`], and in a future of
/// [`block_on`](super::Runtime::block_on) on a multi-thread runtime, it only runs the closure.
///
/// Code that blocks without saying so is noticed all the same, some milliseconds later; see
/// [`stall_after`](super::Builder::stall_after).
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let path = String::from("Cargo.toml");
/// let text = rt::task::block_in_place(|| std::fs::read_to_string(&path))?;
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// On a thread that polls futures of a current-thread runtime, where nobody could take its place.
#[track_caller]
pub fn block_in_place<F, R>(closure: F) -> R
where
    F: FnOnce() -> R,
{
    block_on::in_place(closure)
}

/// Spawns tasks that have a name, by which reports mention them.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let task = rt::task::Builder::new().name("accept loop").spawn(async { "ready" })?;
/// assert_eq!(task.await.unwrap(), "ready");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskBuilder<'a> {
    name: Option<&'a str>,
}

impl<'a> TaskBuilder<'a> {
    /// A builder of tasks without a name.
    pub fn new() -> Self {
        TaskBuilder::default()
    }

    /// Names the tasks.
    #[must_use]
    pub fn name(self, name: &'a str) -> Self {
        TaskBuilder { name: Some(name) }
    }

    fn meta(&self, location: &'static Location<'static>) -> Meta {
        Meta::new(self.name, location)
    }

    /// Spawns a task; see [`rt::spawn`](crate::spawn).
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let meta = self.meta(Location::caller());
        Ok(Handle::with_current(|inner| inner.scheduler.spawn(future, meta)))
    }

    /// Spawns a task onto the runtime of `handle`.
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(handle.inner.scheduler.spawn(future, self.meta(Location::caller())))
    }

    /// Spawns a task whose future need not be `Send`; see [`spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no [`LocalSet`], and in no local runtime that belongs to it.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(spawn_local_with(future, self.meta(Location::caller())))
    }

    /// Spawns a task onto `set`; see [`LocalSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(set.spawn_with(future, self.meta(Location::caller())))
    }

    /// Runs a closure that blocks; see [`spawn_blocking`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or if the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, closure: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let meta = self.meta(Location::caller());
        Ok(Handle::with_current(|inner| inner.spawn_blocking(closure, meta)))
    }

    /// Runs a closure that blocks on the runtime of `handle`.
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, closure: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Ok(handle.inner.spawn_blocking(closure, self.meta(Location::caller())))
    }
}

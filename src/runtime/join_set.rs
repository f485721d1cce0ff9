//! How tasks come into a [`JoinSet`].

use super::Handle;
use super::spawn::{TaskBuilder, spawn, spawn_blocking, spawn_local};
use crate::task::{AbortHandle, JoinSet, LocalSet};
use std::fmt;
use std::future::Future;
use std::io;

impl<T: 'static> JoinSet<T> {
    /// A builder of a task with a name.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut set = rt::task::JoinSet::new();
    /// set.build_task().name("worker 1").spawn(async { "done" })?;
    /// assert_eq!(set.join_next().await.unwrap().unwrap(), "done");
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder { joinset: self, builder: TaskBuilder::new() }
    }

    /// Spawns a task onto the current runtime and adds it to the set; see [`rt::spawn`](crate::spawn).
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// let abort = set.spawn(std::future::pending::<()>());
    /// abort.abort();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(spawn(task))
    }

    /// Spawns a task onto the runtime of `handle` and adds it to the set.
    ///
    /// ```
    /// let runtime = rt::runtime::Runtime::new().unwrap();
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn_on(async { 7 }, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [7]);
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Runs a closure that blocks on the current runtime's pool for such, and adds it to the set; see
    /// [`spawn_blocking`].
    ///
    /// A closure that has begun cannot be aborted, neither by dropping the set.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let mut set = rt::task::JoinSet::new();
    /// for file in ["Cargo.toml", "README.md"] {
    ///     set.spawn_blocking(move || std::fs::metadata(file).unwrap().len());
    /// }
    /// let sizes = set.join_all().await;
    /// assert_eq!(sizes.len(), 2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or if the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(spawn_blocking(f))
    }

    /// Runs a closure that blocks on the pool of the runtime of `handle`, and adds it to the set.
    ///
    /// ```
    /// let runtime = rt::runtime::Runtime::new().unwrap();
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn_blocking_on(|| std::fs::metadata("Cargo.toml").unwrap().len(), runtime.handle());
    /// assert!(runtime.block_on(set.join_all())[0] > 0);
    /// ```
    ///
    /// # Panics
    ///
    /// If the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    /// Spawns a task that stays on this thread, and adds it to the set; see [`spawn_local`].
    ///
    /// ```
    /// # #[rt::main(flavor = "local")]
    /// # async fn main() {
    /// let shared = std::rc::Rc::new(20);
    /// let mut set = rt::task::JoinSet::new();
    /// for number in 1..=2 {
    ///     let shared = shared.clone();
    ///     set.spawn_local(async move { number + *shared });
    /// }
    /// assert_eq!(set.join_all().await.iter().sum::<i32>(), 43);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If this thread is in no [`LocalSet`], and in no local runtime that belongs to it.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(spawn_local(task))
    }

    /// Spawns a task onto `local_set` and adds it to this set; see [`LocalSet::spawn_local`].
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let local = rt::task::LocalSet::new();
    /// let mut set = rt::task::JoinSet::new();
    /// set.spawn_local_on(async { std::rc::Rc::new(7) }, &local);
    /// let seven = local.run_until(set.join_next()).await.unwrap().unwrap();
    /// assert_eq!(*seven, 7);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }
}

/// Spawns each future onto the current runtime.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let set: rt::task::JoinSet<_> = (0..10).map(|i| async move { i }).collect();
/// assert_eq!(set.len(), 10);
/// # }
/// ```
///
/// # Panics
///
/// If this thread is in no runtime and there is a future.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = JoinSet::new();
        set.extend(futures);
        set
    }
}

/// Spawns each future onto the current runtime.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let mut set = rt::task::JoinSet::new();
/// set.extend((0..10).map(|i| async move { i }));
/// assert_eq!(set.len(), 10);
/// # }
/// ```
///
/// # Panics
///
/// If this thread is in no runtime and there is a future.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        // A loop and not a closure, so that the tasks are spawned where this is called.
        for future in futures {
            self.spawn(future);
        }
    }
}

/// Spawns a task that has a name into a [`JoinSet`]. Made by [`JoinSet::build_task`].
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut set = rt::task::JoinSet::new();
/// for number in 0..3 {
///     set.build_task().name(&format!("worker {number}")).spawn(async move { number })?;
/// }
/// set.build_task().name("reader").spawn_blocking(|| 3)?;
/// assert_eq!(set.join_all().await.len(), 4);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it spawns a task"]
pub struct Builder<'a, T> {
    joinset: &'a mut JoinSet<T>,
    builder: TaskBuilder<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    /// Names the task.
    pub fn name(self, name: &'a str) -> Self {
        Builder { builder: self.builder.name(name), ..self }
    }

    /// Spawns the task onto the current runtime; see [`JoinSet::spawn`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.joinset.insert(self.builder.spawn(future)?))
    }

    /// Spawns the task onto the runtime of `handle`; see [`JoinSet::spawn_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.joinset.insert(self.builder.spawn_on(future, handle)?))
    }

    /// Runs a closure that blocks; see [`JoinSet::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or if the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.joinset.insert(self.builder.spawn_blocking(f)?))
    }

    /// Runs a closure that blocks on the runtime of `handle`; see [`JoinSet::spawn_blocking_on`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If the system refuses the pool's first thread.
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.joinset.insert(self.builder.spawn_blocking_on(f, handle)?))
    }

    /// Spawns the task on this thread; see [`JoinSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// If this thread is in no [`LocalSet`], and in no local runtime that belongs to it.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.joinset.insert(self.builder.spawn_local(future)?))
    }

    /// Spawns the task onto `local_set`; see [`JoinSet::spawn_local_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.joinset.insert(self.builder.spawn_local_on(future, local_set)?))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("join_set::Builder").field("joinset", &self.joinset).field("builder", &self.builder).finish()
    }
}

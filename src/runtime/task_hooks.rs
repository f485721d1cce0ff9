//! The builder's settings that are about single tasks: hooks, and what a panic does.

use super::{Builder, TaskMeta, UnhandledPanic};
use std::sync::Arc;

impl Builder {
    /// Called for each task that is spawned, on the spawning thread, before anybody polls it.
    ///
    /// Also for closures of [`spawn_blocking`](crate::task::spawn_blocking), which tokio's hook does not see. Not for tasks that are refused
    /// because the runtime has shut down. The hook may spawn tasks, for which it is called in turn. A panic in it is reported and ignored.
    /// A second call of this function replaces the hook. Without a hook it costs nothing that can be measured.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let alive = Arc::new(AtomicUsize::new(0));
    /// let (spawned, ended) = (alive.clone(), alive.clone());
    /// let runtime = rt::runtime::Builder::new_multi_thread()
    ///     .on_task_spawn(move |task| {
    ///         println!("task {} is spawned at {}", task.id(), task.spawned_at());
    ///         spawned.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .on_task_terminate(move |_| _ = ended.fetch_sub(1, Ordering::Relaxed))
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {})).unwrap();
    /// assert_eq!(alive.load(Ordering::Relaxed), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_spawn<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.on_spawn = Some(Arc::new(hook));
        self
    }

    /// Called just before a worker polls a task, or drops one that was aborted.
    ///
    /// Not for closures of [`spawn_blocking`](crate::task::spawn_blocking), which are not polled, nor for the future in
    /// [`block_on`](super::Runtime::block_on). The time that the hook takes counts as the task's. A panic in it is reported and
    /// ignored. Without hooks a poll costs nothing more, not even a branch.
    ///
    /// ```
    /// let runtime = rt::runtime::Builder::new_current_thread()
    ///     .on_before_task_poll(|task| println!("task {} begins", task.id()))
    ///     .on_after_task_poll(|task| println!("task {} is back", task.id()))
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {})).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_before_task_poll<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.before_poll = Some(Arc::new(hook));
        self
    }

    /// Called just after a worker has polled a task, also when the task has panicked or is done. Else as
    /// [`on_before_task_poll`](Self::on_before_task_poll).
    pub fn on_after_task_poll<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.after_poll = Some(Arc::new(hook));
        self
    }

    /// Called for each task that ends, however it does: its future has been dropped, and whoever joins it does not know yet.
    ///
    /// So who has joined a task knows that the hook has run. It is called on whatever thread ends the task, once for each task for which
    /// [`on_task_spawn`](Self::on_task_spawn) would have been, closures of [`spawn_blocking`](crate::task::spawn_blocking) included. It
    /// comes before the [`on_after_task_poll`](Self::on_after_task_poll) of the last poll. A panic in it is reported and ignored.
    pub fn on_task_terminate<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.on_terminate = Some(Arc::new(hook));
        self
    }

    /// What becomes of the runtime when a task panics. Default: [`UnhandledPanic::Ignore`], and the task's handle reports it.
    ///
    /// With [`UnhandledPanic::ShutdownRuntime`], the first task or closure of [`spawn_blocking`](crate::task::spawn_blocking) that panics
    /// shuts the runtime down, whether or not somebody holds its handle:
    ///
    /// - Further tasks are refused, and those that are there are cancelled, as by a shutdown. On a
    ///   multi-thread runtime the workers drop them as soon as they return from the polls that they are in; on a current-thread runtime, the thread that
    ///   drives it does before its `block_on` panics.
    /// - Each thread that is in `block_on` of this runtime, on its handle too, panics with a message that names the task; so does
    ///   each that calls it later. If its own future is ready before it notices, it returns normally. A thread that is inside
    ///   its future's poll notices when that returns.
    /// - The handle of the task that panicked still gives the panic to who joins it elsewhere.
    ///
    /// A panic while a future is dropped because the task was aborted is reported by its handle alone, and a panic of the future in
    /// `block_on` goes to the caller of `block_on`, as ever.
    ///
    /// ```should_panic
    /// use rt::runtime::{Builder, UnhandledPanic};
    ///
    /// let runtime = Builder::new_multi_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap();
    /// runtime.spawn(async { panic!("a bug") });
    /// // Would wait for ever.
    /// runtime.block_on(std::future::pending::<()>());
    /// ```
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.unhandled_panic = behavior;
        self
    }
}

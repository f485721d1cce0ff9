//! The builder's settings that are about metrics.

use crate::runtime::Builder;

impl Builder {
    /// Every poll is timed, and not only one now and then: what [`poll_times`](super::RuntimeSnapshot::poll_times) tells has all of them then. It costs
    /// two clock reads a poll, some 50 ns.
    ///
    /// ```
    /// let mut builder = rt::runtime::Builder::new_multi_thread();
    /// let runtime = builder.worker_threads(1).enable_metrics_poll_time_histogram().build()?;
    /// runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
    /// drop(runtime.spawn(async {}));
    /// println!("{}", runtime.metrics().snapshot().poll_times);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.time_all_polls = true;
        self
    }

    /// For each task it is added up for how long it was polled: [`TaskDump::busy`](crate::runtime::TaskDump::busy). Every poll is timed then, as with
    /// [`enable_metrics_poll_time_histogram`](Self::enable_metrics_poll_time_histogram); and a task costs another allocation.
    ///
    /// ```
    /// let runtime = rt::runtime::Builder::new_multi_thread().worker_threads(1).enable_task_busy_time().build()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// for task in runtime.handle().dump().tasks() {
    ///     println!("task {} was polled for {:?}", task.id(), task.busy().unwrap());
    /// }
    /// # task.abort();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable_task_busy_time(&mut self) -> &mut Self {
        self.time_tasks = true;
        self
    }

    /// For every poll it is noted how long the task was ready before, and not only now and then: what
    /// [`schedule_delays`](super::RuntimeSnapshot::schedule_delays) tells has all of them then. It costs two clock reads a poll, some 50 ns.
    pub fn enable_metrics_schedule_delay_histogram(&mut self) -> &mut Self {
        self.time_all_delays = true;
        self
    }
}

//! From what was set to a runtime: parts are made, put together, and started, in an order in which each finds what it needs.

use super::{Builder, MAX_SPARES, MAX_WORKERS};
use crate::blocking::{self, OnPanic, OnQuiet, Pool};
use crate::driver::{Batches, Driver};
use crate::primitives::owner::Thread;
use crate::primitives::{Mutex, random};
use crate::runtime::block_on::Core;
use crate::runtime::compat::Compat;
use crate::runtime::drain::Drain;
use crate::runtime::failure::{Failure, UnhandledPanic};
use crate::runtime::handle::{Handle, Inner, RuntimeFlavor};
use crate::runtime::threads::{Look, Starter, Threads};
use crate::runtime::{Kind, Runtime, dump, insight, recording};
use crate::scheduler::{Config, Events, Hook, Shared, Tuning, Worker};
use crate::task::TaskRef;
use std::io;
use std::sync::Arc;

impl Builder {
    pub(super) fn build_for(&mut self, local: Option<Thread>) -> io::Result<Runtime> {
        let workers = match self.flavor {
            RuntimeFlavor::CurrentThread => 1,
            RuntimeFlavor::MultiThread => self.worker_count()?,
        };
        if self.stalls.max_spares > MAX_SPARES {
            let spares = self.stalls.max_spares;
            return Err(invalid(format!("`max_spare_workers` asks for {spares}; at most {MAX_SPARES} are possible")));
        }
        let name = self.checked_name()?;
        let batches = Batches { looking: self.batches.looking.min(self.batches.waiting), ..self.batches };
        let driver = Driver::new(self.io.then_some(batches), self.time, workers + 1).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make the runtime's event poller: {error}"))
        })?;
        let driver = Arc::new(driver);
        let failure = (self.unhandled_panic == UnhandledPanic::ShutdownRuntime).then(Failure::new);
        let dumps = recording::Dumps::new(&self.recording);
        let on_panic = on_panic(failure.clone(), dumps.clone());
        let blocking = self.blocking_pool(&driver, on_panic.clone());
        self.pause(&driver)?;
        let events = driver.is_enabled().then(|| driver.clone() as Arc<dyn Events>);
        let config = Config {
            event_interval: self.event_interval,
            global_queue_interval: self.global_queue_interval,
            // First in, first out on one thread, as people expect there.
            lifo_slot: self.flavor == RuntimeFlavor::MultiThread,
            on_park: self.on_park.clone(),
            on_unpark: self.on_unpark.clone(),
            time_all_polls: self.time_all_polls || self.time_tasks,
            time_tasks: self.time_tasks,
            time_all_delays: self.time_all_delays,
            recorded: self.recording.capacity,
            hooks: self.hooks.clone(),
            on_panic,
            seed: random::seed(),
            tuning: (self.flavor == RuntimeFlavor::MultiThread).then(|| self.tuning(dumps.clone())),
        };
        let (scheduler, mut cores) = Shared::new(workers, events, config);
        let inner = Arc::new(Inner {
            scheduler,
            driver,
            blocking,
            threads: Threads::new(Look {
                name,
                stack_size: self.stack_size,
                on_start: self.on_start.clone(),
                on_stop: self.on_stop.clone(),
            }),
            compat: Compat::default(),
            drain: Drain::new(),
            insight: insight::Servers::default(),
            dumper: dump::on_signal::Dumper::default(),
            failure,
            name: self.runtime_name.clone(),
            flavor: self.flavor,
            local,
        });
        if let Some(failure) = &inner.failure {
            failure.begin(&inner);
        }
        if let Some(dumps) = &dumps {
            dumps.begin(&inner);
        }
        if self.recording.is_on {
            inner.scheduler.start_recording();
        }
        inner.blocking.begin(Box::new(Starter(Arc::downgrade(&inner))));
        // Before the threads, which look for it when they begin.
        let compat = self.compat.start(&inner)?;
        // Before the threads, the last of which ends it.
        self.dumps.start(&inner)?;
        let handle = Handle { inner };
        let kind = match self.flavor {
            RuntimeFlavor::CurrentThread => Kind::CurrentThread(Box::new(Core::new(cores.remove(0)))),
            RuntimeFlavor::MultiThread => Kind::MultiThread(start_workers(&handle, cores)?),
        };
        let runtime = Runtime::new_with(handle, kind, compat);
        self.insight.start(&runtime.handle().inner)?;
        Ok(runtime)
    }

    fn tuning(&self, dumps: Option<Arc<recording::Dumps>>) -> Tuning {
        let on_stalled = dumps.map(|dumps| Arc::new(move || dumps.stalled()) as Hook);
        Tuning { on_stalled, ..self.stalls.clone() }
    }

    #[cfg(not(feature = "test-util"))]
    fn blocking_pool(&self, _driver: &Driver, on_panic: Option<OnPanic>) -> Arc<Pool> {
        Pool::new(self.pool_config(None, on_panic))
    }

    #[cfg(not(feature = "test-util"))]
    fn pause(&self, _driver: &Driver) -> io::Result<()> {
        Ok(())
    }

    /// The pool, which holds paused time while it is at work.
    #[cfg(feature = "test-util")]
    fn blocking_pool(&self, driver: &Driver, on_panic: Option<OnPanic>) -> Arc<Pool> {
        let pausable = self.flavor == RuntimeFlavor::CurrentThread;
        let pool = Pool::new(self.pool_config(pausable.then(|| driver.interrupter()), on_panic));
        if pausable {
            let pool = pool.clone();
            driver.hold_time_while(Box::new(move || !pool.is_quiet()));
        }
        pool
    }

    #[cfg(feature = "test-util")]
    fn pause(&self, driver: &Driver) -> io::Result<()> {
        if !self.start_paused {
            return Ok(());
        }
        if self.flavor != RuntimeFlavor::CurrentThread {
            return Err(invalid(
                "`start_paused` needs a current-thread runtime: `Builder::new_current_thread`".to_owned(),
            ));
        }
        if !self.time {
            return Err(invalid("`start_paused` needs timers: call `enable_time` or `enable_all`".to_owned()));
        }
        driver.pause_time();
        Ok(())
    }

    fn pool_config(&self, on_quiet: Option<OnQuiet>, on_panic: Option<OnPanic>) -> blocking::Config {
        blocking::Config {
            max_threads: self.max_blocking,
            keep_alive: self.keep_alive,
            on_quiet,
            hooks: self.hooks.clone(),
            on_panic,
        }
    }

    fn worker_count(&self) -> io::Result<usize> {
        let (workers, origin) = match self.workers {
            Some(workers) => (workers, "`worker_threads`"),
            None => match from_environment("RT_WORKER_THREADS")? {
                Some(workers) => (workers, "RT_WORKER_THREADS"),
                None => match from_environment("TOKIO_WORKER_THREADS")? {
                    Some(workers) => (workers, "TOKIO_WORKER_THREADS"),
                    None => (num_cpus::get().clamp(1, MAX_WORKERS), "the number of CPUs"),
                },
            },
        };
        if workers > MAX_WORKERS {
            return Err(invalid(format!("{origin} asks for {workers} workers; at most {MAX_WORKERS} are possible")));
        }
        Ok(workers)
    }

    /// The function that names threads, after a look at what it gives. The name it gave is used first.
    fn checked_name(&self) -> io::Result<Arc<dyn Fn() -> String + Send + Sync>> {
        let first = (self.name)();
        if first.contains('\0') {
            return Err(invalid(format!("the thread name {first:?} contains a NUL, which no system can take")));
        }
        let first = Mutex::new(Some(first));
        let name = self.name.clone();
        Ok(Arc::new(move || {
            let kept = first.lock().take();
            kept.unwrap_or_else(|| name())
        }))
    }
}

/// What is done about a panic of a task or a closure, before its handle hears of it.
fn on_panic(failure: Option<Arc<Failure>>, dumps: Option<Arc<recording::Dumps>>) -> Option<OnPanic> {
    if failure.is_none() && dumps.is_none() {
        return None;
    }
    Some(Arc::new(move |task: &TaskRef| {
        if let Some(dumps) = &dumps {
            dumps.panicked();
        }
        if let Some(failure) = &failure {
            failure.fail(task);
        }
    }))
}

fn from_environment(variable: &str) -> io::Result<Option<usize>> {
    let Some(value) = std::env::var_os(variable) else {
        return Ok(None);
    };
    match value.to_str().and_then(|value| value.trim().parse().ok()) {
        Some(workers) if workers > 0 => Ok(Some(workers)),
        _ => Err(invalid(format!(
            "the environment variable {variable} is {value:?}; it must be a number of worker threads from 1 to {MAX_WORKERS}"
        ))),
    }
}

pub(super) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn start_workers(handle: &Handle, workers: Vec<Worker>) -> io::Result<Vec<crate::primitives::thread::JoinHandle<()>>> {
    let wanted = workers.len();
    let mut threads = Vec::with_capacity(wanted);
    let mut failure = None;
    for worker in workers {
        match handle.inner.start_worker(worker) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                failure = Some((error, format!("worker thread {} of {wanted}", threads.len() + 1)));
                break;
            }
        }
    }
    if failure.is_none()
        && let Err(error) = handle.inner.scheduler.begin_watch(Box::new(Starter(Arc::downgrade(&handle.inner))))
    {
        failure = Some((error, "the thread of the monitor".to_owned()));
    }
    let Some((error, what)) = failure else {
        return Ok(threads);
    };
    handle.inner.begin_shutdown();
    for thread in threads {
        // A worker does not panic.
        let _ = thread.join();
    }
    Err(io::Error::new(error.kind(), format!("the system refuses {what}: {error}")))
}

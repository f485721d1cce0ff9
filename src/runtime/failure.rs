//! What becomes of a runtime one of whose tasks panics.

use super::block_on::ThreadWaker;
use super::handle::Inner;
use crate::primitives::Mutex;
use crate::primitives::plain::{AtomicBool, Ordering};
use crate::task::TaskRef;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

/// What becomes of the runtime when a task panics; see
/// [`Builder::unhandled_panic`](super::Builder::unhandled_panic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// Nothing: the task's handle reports the panic.
    #[default]
    Ignore,
    /// The runtime shuts down: every task is dropped, and `block_on` panics.
    ShutdownRuntime,
}

/// Of a runtime that is to shut down when a task panics.
pub(super) struct Failure {
    /// Whether `state` has a report. So that `block_on` need not lock before each poll.
    has_failed: AtomicBool,
    state: Mutex<State>,
    runtime: OnceLock<Weak<Inner>>,
}

#[derive(Default)]
struct State {
    /// Which task it was.
    report: Option<String>,
    /// The threads that are in `block_on`.
    threads: Vec<Arc<ThreadWaker>>,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("has_failed", &self.has_failed).finish_non_exhaustive()
    }
}

impl Failure {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Failure { has_failed: AtomicBool::new(false), state: Mutex::default(), runtime: OnceLock::new() })
    }

    /// Says whose failure it is. Called once, before anything is spawned.
    pub(super) fn begin(&self, runtime: &Arc<Inner>) {
        let known = self.runtime.set(Arc::downgrade(runtime));
        debug_assert!(known.is_ok(), "it is said once");
    }

    /// A task has panicked, and is not complete yet. The first one shuts the runtime down.
    pub(super) fn fail(&self, task: &TaskRef) {
        let threads = {
            let mut state = self.state.lock();
            if state.report.is_some() {
                return;
            }
            state.report = Some(report(task));
            // Ordering: Release pairs with the Acquire in `has_failed`.
            self.has_failed.store(true, Ordering::Release);
            std::mem::take(&mut state.threads)
        };
        if let Some(inner) = self.runtime.get().and_then(Weak::upgrade) {
            inner.begin_shutdown();
        }
        for thread in threads {
            thread.unpark();
        }
    }

    #[inline]
    fn has_failed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `fail`. One that is missed unparks the thread.
        self.has_failed.load(Ordering::Acquire)
    }
}

#[cold]
fn report(task: &TaskRef) -> String {
    let name = task.meta().name().map_or(String::new(), |name| format!(" {name:?}"));
    format!(
        "task {}{name}, spawned at {}, has panicked, and the runtime was built to shut down then: \
         `UnhandledPanic::ShutdownRuntime`",
        task.id(),
        task.meta().location
    )
}

/// A thread in `block_on` of a runtime that may fail.
pub(super) struct Exposed<'a> {
    failure: Option<&'a Failure>,
    thread: &'a Arc<ThreadWaker>,
}

impl<'a> Exposed<'a> {
    pub(super) fn new(inner: &'a Inner, thread: &'a Arc<ThreadWaker>) -> Self {
        let failure = inner.failure.as_deref();
        if let Some(failure) = failure {
            // After a failure nobody would call it, but it does not wait either.
            failure.state.lock().threads.push(thread.clone());
        }
        Exposed { failure, thread }
    }

    /// Whether the runtime has failed.
    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some_and(Failure::has_failed)
    }

    /// Panics with the report.
    #[cold]
    #[track_caller]
    pub(super) fn panic(&self) -> ! {
        let report = self.failure.and_then(|failure| failure.state.lock().report.clone());
        panic!("{}", report.unwrap_or_default())
    }
}

impl Drop for Exposed<'_> {
    fn drop(&mut self) {
        if let Some(failure) = self.failure {
            failure.state.lock().threads.retain(|other| !Arc::ptr_eq(other, self.thread));
        }
    }
}

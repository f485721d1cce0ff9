//! Files that are written when something goes wrong: the first time in a recording.

use super::{Recording, Settings};
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::runtime::RuntimeFlavor;
use crate::runtime::handle::Inner;
use crate::scheduler::Blocking;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

/// See the module's page.
#[derive(Debug)]
pub(in crate::runtime) struct Dumps {
    on_panic: Option<Dump>,
    on_stall: Option<Dump>,
    runtime: OnceLock<Weak<Inner>>,
}

#[derive(Debug)]
struct Dump {
    path: PathBuf,
    /// The number of the recording of which it was written last.
    written: AtomicU64,
}

/// What the thread is called that writes for the monitor.
const THREAD: &str = "rt-recorder";

impl Dump {
    fn new(path: PathBuf) -> Self {
        Dump { path, written: AtomicU64::new(0) }
    }

    /// Whether it is to be written. It counts as written then.
    fn is_due(&self, inner: &Inner) -> bool {
        let recording = inner.scheduler.recorder().under_way();
        // Ordering: Relaxed; whoever comes first writes it.
        recording.is_some_and(|number| self.written.swap(number, Ordering::Relaxed) != number)
    }

    fn write(&self, inner: &Inner) {
        let recording = Recording { reel: inner.scheduler.reel() };
        if let Err(error) = recording.save(&self.path) {
            // There is nobody to tell that it cannot be told.
            let _ = writeln!(io::stderr().lock(), "rt: {error}");
        }
    }
}

impl Dumps {
    /// `None` if nothing is ever to be written.
    pub(in crate::runtime) fn new(settings: &Settings) -> Option<Arc<Self>> {
        let dump = |path: &Option<PathBuf>| path.clone().map(Dump::new);
        let (on_panic, on_stall) = (dump(&settings.on_panic), dump(&settings.on_stall));
        let is_wanted = on_panic.is_some() || on_stall.is_some();
        is_wanted.then(|| Arc::new(Dumps { on_panic, on_stall, runtime: OnceLock::new() }))
    }

    /// Says whose recordings they are. Called once, before anything is spawned.
    pub(in crate::runtime) fn begin(&self, runtime: &Arc<Inner>) {
        let known = self.runtime.set(Arc::downgrade(runtime));
        debug_assert!(known.is_ok(), "it is said once");
    }

    fn runtime(&self) -> Option<Arc<Inner>> {
        self.runtime.get()?.upgrade()
    }

    /// A task or a closure has panicked, on this thread. Nobody has heard of it yet.
    pub(in crate::runtime) fn panicked(&self) {
        if let (Some(dump), Some(inner)) = (&self.on_panic, self.runtime())
            && dump.is_due(&inner)
        {
            // What else waits for this worker goes to others, if there are any.
            let _blocking = (inner.flavor == RuntimeFlavor::MultiThread).then(Blocking::begin);
            dump.write(&inner);
        }
    }

    /// The monitor sees a poll that takes too long, and must not write itself.
    pub(in crate::runtime) fn stalled(self: &Arc<Self>) {
        if let (Some(dump), Some(inner)) = (&self.on_stall, self.runtime())
            && dump.is_due(&inner)
        {
            let (dumps, writer) = (self.clone(), inner.clone());
            let write = move || {
                if let Some(dump) = &dumps.on_stall {
                    dump.write(&writer);
                }
            };
            if let Err(error) = inner.start_helper(THREAD, write) {
                let _ = writeln!(io::stderr().lock(), "rt: no thread to write {}: {error}", dump.path.display());
            }
        }
    }
}

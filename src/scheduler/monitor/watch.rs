//! What the rest of the scheduler knows of the monitor: how to have it look, and what it has counted.

use super::Monitor;
use super::alarm::Alarm;
use super::report::{Sites, StallHook};
use super::stalled::Stalled;
use crate::primitives::plain::{AtomicBool, AtomicU64, Ordering};
use crate::primitives::{Mutex, clock};
use crate::scheduler::sleep::Sleep;
use crate::scheduler::{Hook, Shared, Threads};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How a pool is protected from polls that take too long.
#[derive(Clone)]
pub(crate) struct Tuning {
    /// Between two looks. `None`: the monitor only releases spares for workers that say that they block.
    pub(crate) after: Option<Duration>,
    pub(crate) max_spares: usize,
    /// Whether there are spares for workers that compute.
    pub(crate) spares_for_loops: bool,
    pub(crate) report_after: Option<Duration>,
    pub(crate) on_stall: Option<StallHook>,
    /// Called by the monitor itself, so that it must be quick, for each poll that takes longer than that.
    pub(crate) on_stalled: Option<Hook>,
    pub(crate) backtraces: bool,
}

/// Until the first look at a worker that woke up while nobody was at work, in parts of the usual. With it and the look that follows
/// `SOON`, a task behind a stuck worker waits no longer at the beginning of work than in its middle.
const FIRST: f64 = 0.6;
/// A worker that goes to sleep switches the alarm off that was set when it woke up, but not twice within this many times the usual. So a
/// program that does something now and then costs no look, and one that does all the time costs a look now and then, and not two system
/// calls each time.
const OFF_EVERY: f64 = 1.6;

/// What the scheduler knows of the monitor.
pub(in super::super) struct Watch {
    pub(in super::super) tuning: Tuning,
    pub(super) alarm: Alarm,
    /// The alarm was set by a worker that woke up, and nobody has set it since. Changed together with the alarm.
    is_set_by_worker: AtomicBool,
    /// Held while the alarm is changed: when a worker switched it off last.
    off: Mutex<Option<Instant>>,
    /// Where threads come from. Set before anything else is done.
    pub(super) threads: OnceLock<Box<dyn Threads>>,
    is_started: AtomicBool,
    pub(super) is_rung: AtomicBool,
    pub(super) is_over: AtomicBool,
    pub(in super::super) sites: Sites,
    pub(in super::super) stalled: Stalled,
    pub(in super::super) stalls: AtomicU64,
    pub(in super::super) rescued: AtomicU64,
}

impl Watch {
    pub(in super::super) fn new(tuning: Tuning) -> Self {
        Watch {
            tuning,
            alarm: Alarm::new(),
            is_set_by_worker: AtomicBool::new(false),
            off: Mutex::new(None),
            threads: OnceLock::new(),
            is_started: AtomicBool::new(false),
            is_rung: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            sites: Sites::default(),
            stalled: Stalled::default(),
            stalls: AtomicU64::new(0),
            rescued: AtomicU64::new(0),
        }
    }

    /// Starts the monitor, unless it is there only for workers that say that they block: then it comes with the first of them.
    pub(in super::super) fn begin(&self, shared: &Arc<Shared>, threads: Box<dyn Threads>) -> io::Result<()> {
        let was_empty = self.threads.set(threads).is_ok();
        debug_assert!(was_empty, "a scheduler begins once");
        if self.tuning.after.is_none() { Ok(()) } else { self.start(shared) }
    }

    fn start(&self, shared: &Arc<Shared>) -> io::Result<()> {
        // Ordering: Relaxed, here and below; whoever wins starts it.
        if self.is_started.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let threads = self.threads.get().ok_or_else(|| io::Error::other("the runtime is not built yet"))?;
        let monitor = Monitor::new(shared.clone());
        let started = threads.start_monitor(Box::new(move || monitor.run()));
        match started {
            Ok(()) => self.set_soon(),
            Err(_) => self.is_started.store(false, Ordering::Relaxed),
        }
        started
    }

    /// A worker has come back from a long poll, and the monitor sleeps: it is to look soon.
    pub(in super::super) fn set_soon(&self) {
        if let Some(after) = self.tuning.after {
            self.set(after.mul_f64(FIRST));
        }
    }

    /// A worker woke up, and the monitor sleeps: it is to look soon, unless everybody sleeps again by then.
    pub(in super::super) fn set_by_worker(&self) {
        if let Some(after) = self.tuning.after {
            self.change(Some(after.mul_f64(FIRST)), true);
        }
    }

    /// A worker is about to block: if everybody sleeps, the monitor need not look.
    pub(in super::super) fn set_off(&self, sleep: &Sleep) {
        // Ordering: Relaxed; as in `change`.
        if !self.is_set_by_worker.load(Ordering::Relaxed) || sleep.muster().at_work() != 0 {
            return;
        }
        let every = self.tuning.after.map_or(Duration::ZERO, |after| after.mul_f64(OFF_EVERY));
        let now = clock::now();
        let mut off = self.off.lock();
        let is_rare = off.is_none_or(|off| now.saturating_duration_since(off) >= every);
        // Whoever wakes up from here on takes that back, and then waits for the lock to set the alarm again.
        if is_rare && self.is_set_by_worker.load(Ordering::Relaxed) && sleep.try_end_watch() {
            self.alarm.clear();
            self.is_set_by_worker.store(false, Ordering::Relaxed);
            *off = Some(now);
        }
    }

    pub(super) fn set(&self, delay: impl Into<Option<Duration>>) {
        self.change(delay.into(), false);
    }

    fn change(&self, delay: Option<Duration>, by_worker: bool) {
        let _off = self.off.lock();
        match delay {
            Some(delay) => self.alarm.set(delay),
            None => self.alarm.clear(),
        }
        // Ordering: Relaxed; the lock orders changes, and who looks without it looks again with it.
        self.is_set_by_worker.store(by_worker, Ordering::Relaxed);
    }

    /// A worker says that it blocks, and somebody should take its place.
    #[cold]
    pub(in super::super) fn ring(&self, shared: &Arc<Shared>) {
        // Ordering: SeqCst on both sides; see `Monitor::run`.
        self.is_rung.store(true, Ordering::SeqCst);
        // Without the monitor its other tasks wait, as they do where there is none.
        let _ = self.start(shared);
        self.set(Duration::ZERO);
    }

    /// The last worker has ended.
    pub(in super::super) fn end(&self) {
        // Ordering: SeqCst; as for `is_rung`.
        self.is_over.store(true, Ordering::SeqCst);
        self.is_rung.store(true, Ordering::SeqCst);
        self.set(Duration::ZERO);
    }
}

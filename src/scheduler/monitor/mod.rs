#![doc = include_str!("README.md")]

mod alarm;
mod os_thread;
mod report;
mod spares;

pub(super) use os_thread::current as current_thread;
pub use report::{Stall, StallCause, StallSite};

use super::pulse::Beat;
use super::seats::Remote;
use super::sleep::{Muster, Sleep};
use super::worker::Worker;
use super::{Shared, Threads};
use crate::primitives::deque::settle;
use crate::primitives::plain::{AtomicBool, AtomicU64, Ordering};
use crate::primitives::{Mutex, backtrace, clock, spin_loop};
use alarm::Alarm;
use os_thread::Doing;
use report::{Reporter, Sites, StallHook, Trace};
use spares::Spares;
use std::io;
use std::panic::Location;
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
    pub(crate) backtraces: bool,
}

/// After a look that found something to do, and before a poll is called stuck. A fifth of the usual: shorter, and the looks of a pool whose
/// polls take a few milliseconds cost more than a tenth of a processor; longer, and whoever waits behind a stuck worker feels it.
const SOON: Duration = Duration::from_millis(1);
/// Until the first look at a worker that woke up while nobody was at work, in parts of the usual. With it and the look that follows
/// `SOON`, a task behind a stuck worker waits no longer at the beginning of work than in its middle.
const FIRST: f64 = 0.6;
/// A poll during which nothing happens for so many pauses of the processor, some 20 us, is looked at again `SOON`. More only burns time;
/// with fewer, a pool of short polls is looked at five times as often as it needs.
const PROBES: u32 = 512;
/// Tasks moved in one look: about half a millisecond.
const MOST_RESCUED: usize = 8192;
/// So many times later than it should be, a look tells nothing: the whole process was stopped.
const GAP: u32 = 10;

/// A worker that goes to sleep switches the alarm off that was set when it woke up, but not twice within this many times the usual. So a
/// program that does something now and then costs no look, and one that does all the time costs a look now and then, and not two system
/// calls each time.
const OFF_EVERY: f64 = 1.6;

/// What the scheduler knows of the monitor.
pub(super) struct Watch {
    pub(super) tuning: Tuning,
    alarm: Alarm,
    /// The alarm was set by a worker that woke up, and nobody has set it since. Changed together with the alarm.
    is_set_by_worker: AtomicBool,
    /// Held while the alarm is changed: when a worker switched it off last.
    off: Mutex<Option<Instant>>,
    /// Where threads come from. Set before anything else is done.
    threads: OnceLock<Box<dyn Threads>>,
    is_started: AtomicBool,
    is_rung: AtomicBool,
    is_over: AtomicBool,
    pub(super) sites: Sites,
    pub(super) stalls: AtomicU64,
    pub(super) rescued: AtomicU64,
}

impl Watch {
    pub(super) fn new(tuning: Tuning) -> Self {
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
            stalls: AtomicU64::new(0),
            rescued: AtomicU64::new(0),
        }
    }

    /// Starts the monitor, unless it is there only for workers that say that they block: then it comes with the first of them.
    pub(super) fn begin(&self, shared: &Arc<Shared>, threads: Box<dyn Threads>) -> io::Result<()> {
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
    pub(super) fn set_soon(&self) {
        if let Some(after) = self.tuning.after {
            self.set(after.mul_f64(FIRST));
        }
    }

    /// A worker woke up, and the monitor sleeps: it is to look soon, unless everybody sleeps again by then.
    pub(super) fn set_by_worker(&self) {
        if let Some(after) = self.tuning.after {
            let off = self.off.lock();
            self.alarm.set(after.mul_f64(FIRST));
            // Ordering: Relaxed; the lock orders changes, and who looks without it looks again with it.
            self.is_set_by_worker.store(true, Ordering::Relaxed);
            drop(off);
        }
    }

    /// A worker is about to block: if everybody sleeps, the monitor need not look.
    pub(super) fn set_off(&self, sleep: &Sleep) {
        // Ordering: Relaxed; as in `set_by_worker`.
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

    fn set(&self, delay: impl Into<Option<Duration>>) {
        let off = self.off.lock();
        match delay.into() {
            Some(delay) => self.alarm.set(delay),
            None => self.alarm.clear(),
        }
        // Ordering: Relaxed; as in `set_by_worker`.
        self.is_set_by_worker.store(false, Ordering::Relaxed);
        drop(off);
    }

    /// A worker says that it blocks, and somebody should take its place.
    #[cold]
    pub(super) fn ring(&self, shared: &Arc<Shared>) {
        // Ordering: SeqCst on both sides; see `Monitor::run`.
        self.is_rung.store(true, Ordering::SeqCst);
        // Without the monitor its other tasks wait, as they do where there is none.
        let _ = self.start(shared);
        self.set(Duration::ZERO);
    }

    /// The last worker has ended.
    pub(super) fn end(&self) {
        // Ordering: SeqCst; as for `is_rung`.
        self.is_over.store(true, Ordering::SeqCst);
        self.is_rung.store(true, Ordering::SeqCst);
        self.set(Duration::ZERO);
    }
}

/// The monitor's thread.
struct Monitor {
    shared: Arc<Shared>,
    reporter: Arc<Reporter>,
    spares: Spares,
    /// By worker: the poll that it was in at the last look.
    suspects: Vec<Option<Suspect>>,
    /// When this look should have been.
    expected: Instant,
    /// The last look asked for this one, because tasks waited behind a poll.
    looked_again: bool,
    /// Polls of all workers by the last look, and whether tasks waited then.
    progress: (u64, bool),
}

/// A poll that has been seen.
#[derive(Debug)]
struct Suspect {
    beat: Beat,
    since: Instant,
    /// When the system was last asked about it, and for how long it had had a processor by then.
    asked: Option<(Instant, Duration)>,
    /// Why it is stuck, if it is.
    cause: Option<StallCause>,
    /// Where its task was spawned, once it has been counted as a stall.
    counted: Option<&'static Location<'static>>,
    is_reported: bool,
}

/// What a look found.
#[derive(Default)]
struct Found {
    /// Some poll goes on since the last look.
    lasts: bool,
    /// Some poll is newly known to be stuck.
    is_new: bool,
    /// Tasks wait behind a poll that is new since the last look.
    waits_behind: Vec<usize>,
    blocked: usize,
    computing: usize,
    /// When there is something to count or to report.
    due: Option<Instant>,
}

/// When to look again.
enum Next {
    In(Duration),
    /// When a worker says so, or then.
    Rest(Option<Duration>),
}

impl Monitor {
    fn new(shared: Arc<Shared>) -> Self {
        let tuning = &watch(&shared).tuning;
        Monitor {
            reporter: Reporter::new(tuning.on_stall.clone()),
            spares: Spares::new(shared.workers(), tuning.max_spares, tuning.spares_for_loops),
            suspects: Vec::new(),
            expected: clock::now(),
            looked_again: false,
            progress: (0, false),
            shared,
        }
    }

    fn run(mut self) {
        let shared = self.shared.clone();
        let watch = watch(&shared);
        let usual = watch.tuning.after.unwrap_or(Duration::MAX);
        loop {
            // Ordering: SeqCst, with `ring` and `end`: they set the word and then the alarm, this sets the alarm and then reads the
            // word. So it sees the word, or their alarm is the later one.
            while watch.is_rung.swap(false, Ordering::SeqCst) {
                if watch.is_over.load(Ordering::SeqCst) {
                    return;
                }
                self.look_and_set(watch, usual);
            }
            watch.alarm.wait();
            self.look_and_set(watch, usual);
        }
    }

    fn look_and_set(&mut self, watch: &Watch, usual: Duration) {
        let now = clock::now();
        let next = match self.look(now) {
            Next::In(delay) => Some(delay),
            Next::Rest(delay) => {
                watch.set(delay);
                self.expected = now + delay.unwrap_or(Duration::from_secs(86400 * 365));
                // A worker that wakes up from now on sets the alarm.
                (!self.shared.sleep.try_end_watch()).then_some(usual)
            }
        };
        if let Some(delay) = next
            && delay < Duration::MAX
        {
            self.expected = now + delay;
            watch.set(delay);
        }
    }

    fn look(&mut self, now: Instant) -> Next {
        let shared = self.shared.clone();
        let Some(usual) = watch(&shared).tuning.after else {
            // Announced ones only.
            let blocked = shared.sleep.muster().stuck;
            shared.seats.iter().filter(|remote| remote.pulse().is_announced()).for_each(|remote| self.rescue(remote));
            let found = Found { blocked, ..Found::default() };
            return match self.relieve(now, &found) {
                Some(pause) => Next::In(pause),
                None => Next::Rest(None),
            };
        };
        if now.saturating_duration_since(self.expected) > usual * GAP {
            // Everything stood still, this thread too.
            self.suspects.iter_mut().for_each(|suspect| *suspect = None);
        }
        let nobody_watches = shared.events.as_ref().is_some_and(|events| events.turn(&mut || shared.call_somebody()));
        let found = self.look_at_workers(now, usual);
        let pause = self.relieve(now, &found);
        let goes_on = self.see_progress(&found, nobody_watches);
        if let Some(spare) = shared.sleep.superfluous() {
            shared.unpark(spare);
        }
        let muster = shared.sleep.muster();
        // Not twice in a row: on a machine whose processors are all busy the monitor itself keeps some worker from its own.
        self.looked_again = !self.looked_again && self.wait_behind(&found.waits_behind);
        if found.is_new || self.looked_again {
            return Next::In(SOON.min(usual));
        }
        if let Some(pause) = pause {
            return Next::In(pause.min(usual));
        }
        if muster.at_work() == 0 && muster.parked > 0 && !goes_on {
            return Next::Rest(found.due.map(|due| due.saturating_duration_since(now)));
        }
        Next::In(usual)
    }

    fn look_at_workers(&mut self, now: Instant, usual: Duration) -> Found {
        let mut found = Found::default();
        let shared = self.shared.clone();
        let muster = shared.sleep.muster();
        let nobody_is_free = muster.parked == 0 && muster.searching == 0 && !shared.injector.is_empty();
        for (index, remote) in shared.seats.iter().enumerate() {
            if self.suspects.len() == index {
                self.suspects.push(None);
            }
            let beat = remote.pulse().beat();
            if remote.pulse().is_announced() {
                self.end(index, now);
                self.rescue(remote);
                found.blocked += 1;
                continue;
            }
            let Some(beat) = beat else {
                self.end(index, now);
                continue;
            };
            if self.suspects[index].as_ref().is_some_and(|suspect| suspect.beat == beat) {
                found.lasts = true;
                self.look_at_suspect(index, remote, now, usual, &mut found);
            } else {
                self.end(index, now);
                self.suspects[index] = Some(Suspect::new(beat, now));
                if remote.has_tasks() || nobody_is_free {
                    found.waits_behind.push(index);
                }
            }
        }
        found
    }

    /// A poll that goes on since the last look, at least.
    fn look_at_suspect(
        &mut self,
        index: usize,
        remote: &Arc<Remote>,
        now: Instant,
        usual: Duration,
        found: &mut Found,
    ) {
        let mut suspect = self.suspects[index].take().expect("there is one");
        let elapsed = now.saturating_duration_since(suspect.since);
        if suspect.cause.is_none()
            && let Some(cause) = suspect.judge(remote, now, usual)
        {
            if !remote.pulse().convict(suspect.beat, &self.shared.sleep) {
                return;
            }
            suspect.cause = Some(cause);
            found.is_new = true;
        }
        // Also of one that is ready to run and does not: others may have a processor.
        self.rescue(remote);
        let report_after = watch(&self.shared).tuning.report_after;
        match suspect.cause {
            Some(StallCause::Blocked) => found.blocked += 1,
            // Short computations are left to the system.
            Some(StallCause::Computing) if elapsed >= usual => found.computing += 1,
            _ => {}
        }
        if suspect.cause.is_some() {
            if elapsed >= usual && suspect.counted.is_none() {
                self.count(&mut suspect);
            }
            if suspect.counted.is_none() {
                found.wait_until(suspect.since + usual);
            }
            if let Some(after) = report_after.filter(|_| !suspect.is_reported) {
                if elapsed >= after.max(usual) {
                    suspect.is_reported = true;
                    self.report(&mut suspect, remote, elapsed);
                } else {
                    found.wait_until(suspect.since + after.max(usual));
                }
            }
        }
        self.suspects[index] = Some(suspect);
    }

    /// Counts a stall, if its task is still the one that is polled.
    fn count(&self, suspect: &mut Suspect) {
        if let Some(task) = self.shared.registry.find(suspect.beat.task) {
            let location = task.meta().location;
            watch(&self.shared).sites.count(location);
            watch(&self.shared).stalls.fetch_add(1, Ordering::Relaxed);
            suspect.counted = Some(location);
        }
    }

    fn report(&self, suspect: &mut Suspect, remote: &Arc<Remote>, elapsed: Duration) {
        let Some(task) = self.shared.registry.find(suspect.beat.task) else { return };
        if !self.reporter.wants(task.meta().location) {
            return;
        }
        // It may have begun to compute since, or to block.
        let cause = match os_thread::doing(remote.thread()) {
            Doing::Waits => StallCause::Blocked,
            Doing::Runs(_) => StallCause::Computing,
        };
        suspect.cause = Some(cause);
        let (beat, traced) = (suspect.beat, remote.clone());
        let is_there = move || traced.pulse().beat() == Some(beat);
        // A poll that has ended meanwhile may have left its place to another task, and its thread be elsewhere.
        if is_there() {
            let trace = remote
                .traceable()
                .map(|thread| -> Trace { Box::new(move || backtrace::capture(thread).filter(|_| is_there())) });
            self.reporter.tell(Stall::new(&task, elapsed, cause), trace);
        }
    }

    /// The worker is in another poll than the one that was suspected.
    fn end(&mut self, index: usize, now: Instant) {
        if let Some(suspect) = self.suspects[index].take()
            && let Some(location) = suspect.counted
        {
            watch(&self.shared).sites.lasted(location, now.saturating_duration_since(suspect.since));
        }
    }

    /// Moves what waits behind a stuck worker to where everybody looks.
    fn rescue(&self, remote: &Remote) {
        let shared = &self.shared;
        let mut rescued = 0;
        let next = || remote.lifo_slot.steal().or_else(|| settle(|| remote.stealer.steal()));
        while rescued < MOST_RESCUED
            && remote.has_tasks()
            && let Some(token) = next()
        {
            shared.injector.push(token);
            rescued += 1;
        }
        if rescued > 0 {
            watch(shared).rescued.fetch_add(rescued as u64, Ordering::Relaxed);
            shared.notify();
        }
    }

    /// Releases spares if stuck workers are missed. Returns when to try again, if they may not come yet.
    fn relieve(&mut self, now: Instant, found: &Found) -> Option<Duration> {
        let shared = self.shared.clone();
        let muster = shared.sleep.muster();
        let workers = shared.workers();
        let is_missed = muster.parked == 0 && muster.searching == 0 && shared.has_visible_work();
        let wanted = match muster.able() {
            // Somebody has to be there when the next task, socket or timer comes.
            0 => {
                if is_missed {
                    workers
                } else {
                    1
                }
            }
            able if able < workers && is_missed => workers - able,
            _ => return None,
        };
        if shared.is_finished() {
            return None;
        }
        let out = muster.members.saturating_sub(workers);
        let (allowed, pause) = self.spares.allow(now, out, found.blocked, found.computing);
        for _ in 0..allowed.min(wanted) {
            match release(&shared) {
                Ok(()) => self.spares.came(now),
                Err(_) => {
                    self.spares.was_refused(now);
                    return Some(SOON);
                }
            }
        }
        pause
    }

    /// Wakes a worker if tasks wait and nobody comes for them, or if nobody waits for sockets and timers. Returns whether there were any
    /// polls since the last look.
    fn see_progress(&mut self, found: &Found, nobody_watches: bool) -> bool {
        let shared = &self.shared;
        let polls = shared.seats.iter().map(|remote| remote.pulse().polls()).sum();
        let waits = shared.has_visible_work();
        let before = std::mem::replace(&mut self.progress, (polls, waits));
        let nobody_will = found.lasts || shared.sleep.muster().at_work() == 0;
        if waits && before == (polls, true) || nobody_watches && nobody_will {
            // Whoever searches may be in a hook that blocks, or was not given a processor.
            shared.call_somebody();
        } else if waits {
            shared.notify();
        }
        before.0 != polls
    }

    /// Whether one of these workers stays in its poll for a while.
    fn wait_behind(&self, workers: &[usize]) -> bool {
        let is_there = |&index: &usize| {
            let suspected = self.suspects[index].as_ref().map(|suspect| suspect.beat);
            suspected.is_some() && self.shared.seats.get(index).pulse().beat() == suspected
        };
        for _ in 0..PROBES {
            if !workers.iter().any(is_there) {
                return false;
            }
            spin_loop();
        }
        true
    }
}

impl Suspect {
    fn new(beat: Beat, now: Instant) -> Self {
        Suspect { beat, since: now, asked: None, cause: None, counted: None, is_reported: false }
    }

    /// Why the poll goes on; `None` if it does only because its thread was not given a processor.
    ///
    /// The system is asked at once, because a worker that blocks is replaced at once, and then as often as the monitor looks usually.
    fn judge(&mut self, remote: &Remote, now: Instant, usual: Duration) -> Option<StallCause> {
        let elapsed = self.asked.map(|(asked, _)| now.saturating_duration_since(asked));
        if elapsed.is_some_and(|elapsed| elapsed < usual / 2) {
            return None;
        }
        let time = match os_thread::doing(remote.thread()) {
            Doing::Waits => return Some(StallCause::Blocked),
            Doing::Runs(None) => return Some(StallCause::Computing),
            Doing::Runs(Some(time)) => time,
        };
        let (_, before) = self.asked.replace((now, time))?;
        // The system brings its books up to date every few milliseconds.
        (time.saturating_sub(before) >= elapsed? / 8).then_some(StallCause::Computing)
    }
}

impl Found {
    fn wait_until(&mut self, then: Instant) {
        self.due = Some(self.due.map_or(then, |due| due.min(then)));
    }
}

fn watch(shared: &Shared) -> &Watch {
    shared.watch.as_ref().expect("only a scheduler that is watched has a monitor")
}

/// Sends a spare to work.
fn release(shared: &Arc<Shared>) -> io::Result<()> {
    let Some(seat) = shared.seats.take() else {
        return Err(io::Error::other("all spares are out"));
    };
    let threads = watch(shared).threads.get().expect("set before the monitor was started");
    shared.sleep.enlist();
    // The spare's worker goes with the closure, or stays here if there is no thread for it.
    let place = Arc::new(Mutex::new(Some(Worker::spare(shared.clone(), seat))));
    let taken = place.clone();
    let started = threads.start_worker(Box::new(move || {
        let worker = taken.lock().take();
        if let Some(worker) = worker {
            worker.relieve();
        }
    }));
    let refused = if started.is_err() { place.lock().take() } else { None };
    if let Some(worker) = refused {
        shared.sleep.strike();
        worker.stay();
    }
    started
}

/// Whether the pool would be missed: `muster` is of all members, and this one is about to block.
pub(super) fn is_relief_needed(shared: &Shared, muster: Muster) -> bool {
    let is_missed = muster.parked == 0 && muster.searching == 0 && shared.has_visible_work();
    muster.able() == 0 || muster.able() < shared.workers() && is_missed
}

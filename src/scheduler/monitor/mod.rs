#![doc = include_str!("README.md")]

mod alarm;
mod observers;
mod report;
mod spares;
mod stalled;
mod suspect;
mod watch;

pub(super) use crate::primitives::os_thread::current as current_thread;
pub use report::{Stall, StallCause, StallSite};
pub(crate) use watch::Tuning;
pub(super) use watch::Watch;

use super::seats::Remote;
use super::sleep::Muster;
use super::worker::Worker;
use super::{Events, Shared};
use crate::primitives::clock::Tick;
use crate::primitives::deque::settle;
use crate::primitives::os_thread::Doing;
use crate::primitives::plain::Ordering;
use crate::primitives::{Mutex, backtrace, clock, spin_loop};
use observers::Observers;
use report::{Reporter, Trace};
use spares::Spares;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use suspect::Suspect;

/// After a look that found something to do, and before a poll is called stuck. A fifth of the usual: shorter, and the looks of a pool whose
/// polls take a few milliseconds cost more than a tenth of a processor; longer, and whoever waits behind a stuck worker feels it.
const SOON: Duration = Duration::from_millis(1);
/// A poll during which nothing happens for so many pauses of the processor, some 20 us, is looked at again `SOON`. More only burns time;
/// with fewer, a pool of short polls is looked at five times as often as it needs.
const PROBES: u32 = 512;
/// Tasks moved in one look: about half a millisecond.
const MOST_RESCUED: usize = 8192;
/// So many times later than it should be, a look tells nothing: the whole process was stopped.
const GAP: u32 = 10;

/// The monitor's thread.
struct Monitor {
    shared: Arc<Shared>,
    reporter: Arc<Reporter>,
    spares: Spares,
    /// By worker: the poll that it was in at the last look.
    suspects: Vec<Option<Suspect>>,
    observers: Observers,
    /// When this look should have been.
    expected: Instant,
    /// The last look asked for this one, because tasks waited behind a poll.
    looked_again: bool,
    /// Polls of all workers by the last look, and whether tasks waited then.
    progress: (u64, bool),
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
            observers: Observers::default(),
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
        Tick::advance(now);
        let next = match self.look(now) {
            Next::In(delay) => Some(delay),
            Next::Rest(delay) => {
                watch.set(delay);
                self.expected = now + delay.unwrap_or(Duration::from_secs(86400 * 365));
                // A worker that wakes up from now on sets the alarm.
                let rests = self.shared.sleep.try_end_watch();
                if rests {
                    // For as long as nobody is at work, nobody is asked about. The threads may end meanwhile.
                    self.observers.clear();
                }
                (!rests).then_some(usual)
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
            shared
                .seats
                .iter()
                .filter(|remote| remote.pulse().is_announced())
                .for_each(|remote| self.rescue(remote, true));
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
        let turn = |events: &Arc<dyn Events>| events.turn(&mut || shared.call_somebody(), &mut |_, _| {});
        let nobody_watches = shared.events.as_ref().is_some_and(turn);
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
                self.rescue(remote, true);
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
                remote.see(beat.poll, Tick::now());
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
            && let Some(cause) = suspect.judge(|| self.observers.doing(index, remote.thread()), now, usual)
        {
            if !remote.pulse().convict(suspect.beat, &self.shared.sleep) {
                return;
            }
            suspect.cause = Some(cause);
            found.is_new = true;
        }
        self.rescue(remote, suspect.cause.is_some());
        if suspect.cause.is_some() {
            // At every look, because one cut may miss.
            remote.leash.cut_short();
        }
        let report_after = watch(&self.shared).tuning.report_after;
        match suspect.cause {
            Some(StallCause::Blocked) => found.blocked += 1,
            // Short computations are left to the system.
            Some(StallCause::Computing) if elapsed >= usual => found.computing += 1,
            _ => {}
        }
        if suspect.cause.is_some() {
            if elapsed >= usual && suspect.counted.is_none() {
                self.count(&mut suspect, index, remote, elapsed);
            }
            if suspect.counted.is_none() {
                found.wait_until(suspect.since + usual);
            }
            if let Some(after) = report_after.filter(|_| !suspect.is_reported) {
                if elapsed >= after.max(usual) {
                    suspect.is_reported = true;
                    self.tell_recorder(&suspect, index, elapsed);
                    self.report(index, &mut suspect, remote, elapsed);
                } else {
                    found.wait_until(suspect.since + after.max(usual));
                }
            }
        }
        self.suspects[index] = Some(suspect);
    }

    /// Counts a stall, if its task is still the one that is polled.
    fn count(&self, suspect: &mut Suspect, index: usize, remote: &Remote, elapsed: Duration) {
        if let Some(task) = self.shared.registry.find(suspect.beat.task) {
            let location = task.meta().location;
            watch(&self.shared).sites.count(location);
            watch(&self.shared).stalled.count(task.id());
            watch(&self.shared).stalls.fetch_add(1, Ordering::Relaxed);
            remote.stalls.add(1);
            self.shared.record_stall(task.id().as_u64(), task.meta(), index, elapsed);
            suspect.counted = Some(location);
        }
    }

    /// The stall is in what is written because of it.
    fn tell_recorder(&self, suspect: &Suspect, index: usize, elapsed: Duration) {
        if let Some(task) = self.shared.registry.find(suspect.beat.task) {
            self.shared.record_stall(task.id().as_u64(), task.meta(), index, elapsed);
        }
        if let Some(on_stalled) = &watch(&self.shared).tuning.on_stalled {
            on_stalled();
        }
    }

    fn report(&mut self, index: usize, suspect: &mut Suspect, remote: &Arc<Remote>, elapsed: Duration) {
        let Some(task) = self.shared.registry.find(suspect.beat.task) else { return };
        if !self.reporter.wants(task.meta().location) {
            return;
        }
        // It may have begun to compute since, or to block.
        let cause = match self.observers.doing(index, remote.thread()) {
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

    /// Sees to it that others come to what waits behind a worker.
    ///
    /// What is in the slot is moved to where everybody looks. What is in the deque can be stolen by whoever has nothing to do, so it is moved
    /// only if all others have, and never find out. Not if there are none, or if the worker may only have no processor: what was pushed
    /// from outside would have to wait for all of it.
    fn rescue(&self, remote: &Remote, is_stuck: bool) {
        let shared = &self.shared;
        let muster = shared.sleep.muster();
        let others_are_busy = muster.able() > 0 && muster.parked == 0 && muster.searching == 0;
        let from_deque = || if is_stuck && others_are_busy { settle(|| remote.stealer.steal()) } else { None };
        let mut rescued = 0;
        while rescued < MOST_RESCUED
            && let Some(token) = remote.lifo_slot.steal().or_else(from_deque)
        {
            shared.injector.push(token);
            rescued += 1;
        }
        if rescued > 0 {
            watch(shared).rescued.fetch_add(rescued as u64, Ordering::Relaxed);
        }
        if rescued > 0 || remote.has_tasks() {
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

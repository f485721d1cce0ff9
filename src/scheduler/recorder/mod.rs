//! The flight recorder: what workers did last, in rings that are written over.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Recorder`]: on and off, whose rings there are, reading them |
//! | `event` | what is recorded, and how it is packed |
//! | `ring` | a ring that one thread writes and anyone reads meanwhile; the protocol and its proof |
//! | `outside` | rings for threads that are no workers |
//!
//! What workers do to record is in `worker/recording.rs`.
//!
//! # On and off
//!
//! Workers do not look for it at a poll, a wake or a spawn. A worker that records has a bit set in its `Attention` and one in its `Detour`, at which
//! it looks anyway, and it looks whether the recorder was switched when it takes tasks from elsewhere, when it wakes up, and in its
//! maintenance turn, which is after 61 polls at the latest. So what comes to a worker from outside after the switch is recorded; of what was in its own queue, all but
//! the next 61 polls. Threads outside look at one word, where they looked at another before there was a recorder.
//!
//! The rings are made when the recorder is first switched on, and stay. What belongs to a recording is told by its time: a worker that has not
//! noticed yet that a recording has ended does no harm.

mod event;
mod outside;
mod ring;

pub(super) use event::Tape;
pub(crate) use event::{By, End, Event, Strip};
pub(crate) use ring::Place;

use super::{Id, Shared, current};
use crate::primitives::Mutex;
use crate::primitives::cycles::{Anchor, Rate};
use crate::primitives::plain::{AtomicBool, AtomicU64, Ordering};
use crate::task::{Meta, RunToken};
use outside::Outside;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Recorder {
    id: Id,
    is_on: AtomicBool,
    /// How many recordings there have been.
    recordings: AtomicU64,
    /// Something is to be done with what threads outside push: it is recorded, or stamped.
    heeds_outside: AtomicBool,
    stamps_outside: bool,
    /// Records in a ring.
    capacity: usize,
    outside: OnceLock<Outside>,
    session: Mutex<Option<Session>>,
}

/// From one switching on to the switching off after it.
#[derive(Debug)]
struct Session {
    begin: Anchor,
    /// When it was switched off, and who was there then.
    end: Option<(Anchor, Tasks)>,
}

/// What is known of tasks, by their numbers, besides what the rings have.
pub(crate) type Tasks = HashMap<u64, Known>;

/// Who a task is.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: Option<Box<str>>,
    pub(crate) place: Place,
}

/// What the rings had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reel {
    /// From its begin to its end, in nanoseconds, as the times of events.
    pub(crate) length: u64,
    /// Workers of the pool. Those above are spares.
    pub(crate) workers: usize,
    /// What each worker did, and when, by its number.
    pub(crate) by_worker: Vec<Strip>,
    /// What other threads did.
    pub(crate) outside: Vec<(u64, Event)>,
    /// Of these threads.
    pub(crate) threads: HashMap<u64, Box<str>>,
    /// Those that lived at the end.
    pub(crate) tasks: Tasks,
    /// Events that several threads outside would have recorded at the same moment.
    pub(crate) lost: u64,
}

/// Of 32 bytes each. With half as many, a busy server keeps less than a tenth of a second; with twice as many, a recorder on a machine of
/// 64 processors takes a quarter of a gigabyte.
pub(crate) const CAPACITY: usize = 1 << 16;
/// Less is no recording.
const LEAST: usize = 1 << 6;
/// 2 GiB for each worker.
const MOST: usize = 1 << 26;

impl Recorder {
    /// Off. `capacity` is in records for each worker.
    pub(super) fn new(id: Id, capacity: usize, stamps_outside: bool) -> Self {
        Recorder {
            id,
            is_on: AtomicBool::new(false),
            recordings: AtomicU64::new(0),
            heeds_outside: AtomicBool::new(stamps_outside),
            stamps_outside,
            capacity: capacity.clamp(LEAST, MOST).next_power_of_two(),
            outside: OnceLock::new(),
            session: Mutex::new(None),
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // Ordering: Relaxed, as all accesses of this and the next; rings are made under locks of their own.
        self.is_on.load(Ordering::Relaxed)
    }

    /// The number of the recording that is under way.
    pub(crate) fn under_way(&self) -> Option<u64> {
        self.is_on().then(|| self.recordings.load(Ordering::Relaxed))
    }

    /// Whether something is to be done with what a thread outside pushes.
    #[inline]
    pub(super) fn heeds_outside(&self) -> bool {
        self.heeds_outside.load(Ordering::Relaxed)
    }

    fn switch(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
        self.heeds_outside.store(on || self.stamps_outside, Ordering::Relaxed);
    }

    /// A ring for a worker.
    pub(super) fn tape(&self) -> Tape {
        Tape::new(self.capacity)
    }

    /// Lends a thread outside a ring, and tells it its number.
    fn outside(&self, f: impl Fn(&Tape, u64)) {
        if let Some(outside) = self.outside.get() {
            outside.with(self.id.as_u64(), f);
        }
    }
}

impl Shared {
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Begins a recording, unless one is under way.
    pub(crate) fn start_recording(&self) {
        let mut session = self.recorder.session.lock();
        if self.recorder.is_on() {
            return;
        }
        self.recorder.outside.get_or_init(|| Outside::new(self.recorder.capacity));
        for seat in self.seats.iter() {
            seat.tape.get_or_init(|| self.recorder.tape());
        }
        *session = Some(Session { begin: Anchor::now(), end: None });
        self.recorder.recordings.fetch_add(1, Ordering::Relaxed);
        self.recorder.switch(true);
        drop(session);
        self.heed_recorder();
    }

    /// Ends it. What was recorded is kept until the next one begins.
    pub(crate) fn stop_recording(&self) {
        // The registry is not looked at under the lock.
        let tasks = if self.recorder.is_on() { self.known_tasks() } else { return };
        let mut session = self.recorder.session.lock();
        if let Some(session) = session.as_mut().filter(|session| session.end.is_none()) {
            self.recorder.switch(false);
            session.end = Some((Anchor::now(), tasks));
        }
        drop(session);
        self.heed_recorder();
    }

    /// Polls the future of `block_on`, on a thread that may be the worker besides.
    pub(crate) fn record_main(&self, poll: impl FnOnce()) {
        current::with(self, |worker| match worker {
            Some(worker) => worker.record_main(poll),
            None => poll(),
        });
    }

    /// If this is a worker, it need not wait until it looks next.
    fn heed_recorder(&self) {
        current::with(self, |worker| worker.map(super::Worker::heed_recorder_in_poll));
    }

    /// What the recording that is under way, or was last, has so far.
    pub(crate) fn reel(&self) -> Reel {
        // Before the rings: whoever ends after this has its name there.
        let now_known = self.known_tasks();
        let (begin, end, tasks) = match &*self.recorder.session.lock() {
            None => return Reel::default(),
            Some(Session { begin, end: None }) => (*begin, Anchor::now(), now_known),
            Some(Session { begin, end: Some((end, tasks)) }) => (*begin, *end, tasks.clone()),
        };
        let rate = Rate::between(&begin, &end);
        let read = |tape| {
            let Strip { since, mut events } = event::read(tape, begin.cycles, end.cycles);
            events.iter_mut().for_each(|(time, _)| *time = rate.nanoseconds(*time));
            Strip { since: rate.nanoseconds(since), events }
        };
        let outside = self.recorder.outside.get();
        let tapes = outside.iter().flat_map(|outside| outside.tapes());
        let mut from_outside: Vec<_> = tapes.flat_map(|tape| read(tape).events).collect();
        from_outside.sort_by_key(|(time, _)| *time);
        Reel {
            length: rate.nanoseconds(end.cycles.saturating_sub(begin.cycles)),
            workers: self.workers,
            by_worker: self.seats.iter().map(|seat| seat.tape.get().map_or_else(Strip::default, read)).collect(),
            outside: from_outside,
            threads: outside.map_or_else(HashMap::new, Outside::names),
            tasks,
            lost: outside.map_or(0, Outside::lost),
        }
    }

    fn known_tasks(&self) -> Tasks {
        let mut tasks = Tasks::with_capacity(self.alive());
        self.registry.visit(|look, _| {
            let known = Known { name: look.meta.name().map(Box::from), place: look.meta.location };
            tasks.insert(look.id.as_u64(), known);
        });
        tasks
    }

    /// Records what this thread does, which is mostly no worker.
    #[cold]
    pub(super) fn record_rarely(&self, event: impl Fn(By) -> Event) {
        current::with(self, |worker| match worker {
            Some(worker) => worker.record(event(worker.waker())),
            None => self.recorder.outside(|tape, thread| event(By::Thread(thread)).write(tape)),
        });
    }

    /// A thread outside wakes or spawns a task.
    pub(super) fn record_push_from_outside(&self, token: &RunToken) {
        self.recorder.outside(|tape, thread| write_push(tape, token, By::Thread(thread)));
    }

    /// A task has panicked.
    pub(super) fn record_panic(&self, task: u64) {
        if self.recorder.is_on() {
            self.record_rarely(|_| Event::Panics { task });
        }
    }

    /// A worker has been in a poll for so long.
    pub(super) fn record_stall(&self, task: u64, meta: &Meta, worker: usize, elapsed: Duration) {
        if self.recorder.is_on() {
            let (worker, microseconds) = (worker as u64, elapsed.as_micros() as u64);
            self.record_rarely(|_| Event::Stalls { task, worker, microseconds, place: Some(meta.location) });
        }
    }
}

/// A task is queued: a new one, or one that is woken.
pub(super) fn write_push(tape: &Tape, token: &RunToken, by: By) {
    let task = token.id().as_u64();
    if token.is_new() {
        let place = Some(token.meta().location);
        Event::Spawn { task, by, place }.write(tape);
        if let Some(name) = token.meta().name() {
            event::write_name(tape, task, name);
        }
        return;
    }
    let word = token.waited_for();
    if word != 0 {
        Event::Waited { task, word }.write(tape);
    }
    Event::Wake { task, by }.write(tape);
}

/// A task that has a name has ended.
pub(super) fn write_name(tape: &Tape, task: u64, name: &str) {
    event::write_name(tape, task, name);
}

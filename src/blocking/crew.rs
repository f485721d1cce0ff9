//! The threads of a pool: how many there are, which of them sleep, and whom to call. Knows nothing of closures.
//!
//! # The word
//!
//! | bits | name | changed | meaning |
//! |---|---|---|---|
//! | 0 | `CLOSED` | once, under the roster's lock | the threads end, and whoever queues a closure drops it |
//! | 1 | `SEARCHING` | by anyone who does so or calls somebody to | a thread that has no closure looks at the queue, or is on its way there |
//! | 2 | `WATCHING` | under the roster's lock, or by the watcher | a thread that has no closure looks at the queue from time to time |
//! | 8-31 | idle | under the roster's lock | threads in the list of sleepers |
//! | 32-55 | threads | under the roster's lock | those that take closures: all but those at an errand |
//!
//! The threads that are left, `threads - idle` less the two bits, are *busy*: they run a closure, or have just run one and look for the
//! next. At most one thread searches and at most one watches, so that a burst of closures does not wake a herd.
//!
//! # The promise
//!
//! While a closure waits and fewer than the greatest number of threads are busy, one thread is on duty: it searches; or it
//! watches, if enough are busy already, and takes a closure itself as soon as the others do not get on with them (`growth`).
//! A searcher that takes a closure, and a watcher that does, first see to it that another is on duty, if more closures wait. So the head of the
//! queue moves within a bounded time, whatever the closures do, until all threads are busy with closures that do not end.
//!
//! # The handshake
//!
//! *Submitting*: (1) push the closure; (2) fence; (3) read the word: if nobody is on duty, [call](Crew::call) somebody.
//!
//! *Going to sleep*: (1) enter the list of sleepers and add to idle, giving up whatever duty one has; (2) fence; (3) look at the queue: if
//! there is a closure, leave the list again and take it, as if on duty. A watcher that sits down does the same, and so does a thread whose search begins.
//!
//! *Taking a closure on duty*: (1) give up the duty; (2) fence; (3) look at the queue: if more wait, do as in step 3 of submitting. So does a
//! thread that gave up its duty to go to sleep and takes a closure instead.
//!
//! How could a closure be forgotten? Its submitter read in step 3 that somebody was on duty, or that all were busy, and
//! these went to sleep, or took another closure for ever, without seeing it. Either was announced by a change of the word in
//! step 1, which came after the submitter's read. Of two fences one is first; the submitter read the old word, so its fence is not the
//! later one of the two, and the other thread's step 3 sees the push. The same holds for closing, which changes the word, fences and empties
//! the queue: a submitter sees that it is closed, and empties the queue itself, or its closure is seen.
//!
//! Whoever calls a sleeper takes it from the list under the lock, so that it is called once, and leaves the call at its seat. A
//! sleeper whose keep-alive time is over takes itself from the list under the same lock; if it is not there, a call is on its way.

use super::Errand;
use super::seat::{Call, Seat};
use crate::primitives::atomic::{AtomicU64, Ordering, fence, fence_behind_rmw};
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Condvar, Mutex};
use std::sync::Arc;
use std::time::Instant;

const CLOSED: u64 = 1 << 0;
const SEARCHING: u64 = 1 << 1;
const WATCHING: u64 = 1 << 2;
const IDLE: u64 = 1 << 8;
const THREADS: u64 = 1 << 32;
const MASK: u64 = (1 << 24) - 1;

/// What a thread without a closure does. It gives it up by [`Crew::release`], or when it goes to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Search,
    Watch,
}

impl Duty {
    fn bit(self) -> u64 {
        match self {
            Duty::Search => SEARCHING,
            Duty::Watch => WATCHING,
        }
    }
}

/// What whoever has pushed, or has given up a duty, has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Need {
    Nothing,
    /// [`call`](Crew::call) somebody.
    Somebody(Duty),
    /// Empty the queue, because the pool is closed.
    Empty,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Called {
    /// Somebody comes, or nobody needs to.
    Done,
    /// Start a thread that has this duty. It has been counted.
    Start(Duty),
    /// Empty the queue, because the pool is closed.
    Empty,
}

/// What became of going to sleep.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Slept {
    /// In the list, or called already: wait at the seat.
    Listed,
    /// There is a closure, or the pool is closed: do not wait. The thread has no duty.
    Again,
}

/// What a thread that waited in vain has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum TimedOut {
    /// It is in no list any more.
    Left,
    /// A call is on its way to its seat.
    Called,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Crew {
    word: CachePadded<AtomicU64>,
    roster: CachePadded<Mutex<Roster>>,
    /// The last thread has ended.
    ended: Condvar,
    /// So many may be busy before a further one has to show that it helps.
    eager: u64,
    max: u64,
}

#[derive(Debug, Default)]
struct Roster {
    /// The last to go to sleep at the end. It is called first, because its caches are the warmest, and the first to sleep ends first.
    sleepers: Vec<Arc<Seat>>,
    /// The watcher, while it waits.
    watcher: Option<Arc<Seat>>,
    /// All threads that take closures, and those of them that are at an errand.
    seats: Vec<Arc<Seat>>,
    /// Closures that were done by threads that have left.
    done_by_others: u64,
    /// The threads that have not ended: also those at an errand, and those that only have the user's hook to run.
    alive: usize,
}

/// The counts in a word.
struct Counts {
    threads: u64,
    idle: u64,
    watching: u64,
    searching: u64,
}

impl Counts {
    fn of(word: u64) -> Self {
        Counts {
            threads: (word / THREADS) & MASK,
            idle: (word / IDLE) & MASK,
            watching: u64::from(word & WATCHING != 0),
            searching: u64::from(word & SEARCHING != 0),
        }
    }

    fn busy(&self) -> u64 {
        self.threads.saturating_sub(self.idle + self.watching + self.searching)
    }
}

// Ordering: the read-modify-writes are AcqRel, which keeps the word's history in one chain. What the handshake promises
// comes from the fences.
impl Crew {
    pub(super) fn new(max: usize, eager: usize) -> Self {
        // More than the word can count, no system has.
        let max = (max as u64).min(MASK);
        Crew {
            word: CachePadded::new(AtomicU64::new(0)),
            roster: CachePadded::default(),
            ended: Condvar::new(),
            eager: (eager as u64).min(max),
            max,
        }
    }

    fn word(&self) -> u64 {
        // Ordering: Relaxed; where it matters a fence stands before, or the roster is locked.
        self.word.load(Ordering::Relaxed)
    }

    fn need(&self, word: u64) -> Need {
        if word & CLOSED != 0 {
            return Need::Empty;
        }
        if word & SEARCHING != 0 {
            return Need::Nothing;
        }
        let counts = Counts::of(word);
        if counts.busy() < self.eager {
            Need::Somebody(Duty::Search)
        } else if counts.watching > 0 || (counts.idle == 0 && counts.threads == self.max) {
            Need::Nothing
        } else {
            Need::Somebody(Duty::Watch)
        }
    }

    /// Steps 2 and 3 of submitting. The push ends with a read-modify-write.
    #[inline]
    pub(super) fn submitted(&self) -> Need {
        if planted::keeps(Step::SubmitterFences) {
            // Pairs with the fences of whoever goes to sleep, gives up a duty or closes the pool.
            fence_behind_rmw();
        }
        self.need(self.word())
    }

    /// Steps 2 and 3 of taking a closure on duty, after [`release`](Self::release).
    pub(super) fn taken(&self, sees_work: impl FnOnce() -> bool) -> Need {
        if !planted::keeps(Step::TakerLooksForMore) {
            return Need::Nothing;
        }
        // Pairs with the fence in `submitted`: that submitter saw this thread on duty, so its closure is seen here; or it saw it gone.
        fence(Ordering::SeqCst);
        if sees_work() { self.need(self.word()) } else { Need::Nothing }
    }

    /// Whether a closure that was just pushed may well be taken without a call: some thread is between two closures, or in a short one.
    pub(super) fn anyone_is_busy(&self) -> bool {
        Counts::of(self.word()).busy() > 0
    }

    /// Whether a call is still needed.
    pub(super) fn is_needed(&self) -> bool {
        self.need(self.word()) != Need::Nothing
    }

    /// Calls somebody to whatever duty is needed by now.
    #[cold]
    pub(super) fn call(&self) -> Called {
        let mut roster = self.roster.lock();
        let duty = match self.need(self.word()) {
            Need::Nothing => return Called::Done,
            Need::Empty => return Called::Empty,
            Need::Somebody(duty) => duty,
        };
        if self.word.fetch_or(duty.bit(), Ordering::AcqRel) & duty.bit() != 0 {
            // A thread that ran dry has taken it.
            return Called::Done;
        }
        if let Some(seat) = roster.sleepers.pop() {
            self.word.fetch_sub(IDLE, Ordering::AcqRel);
            drop(roster);
            seat.leave(Call::Duty(duty));
        } else if let Some(seat) = roster.watcher.take() {
            // There is no watcher if one was needed, so this is to search.
            self.word.fetch_sub(WATCHING, Ordering::AcqRel);
            drop(roster);
            seat.leave(Call::Duty(duty));
        } else if Counts::of(self.word()).threads < self.max {
            self.word.fetch_add(THREADS, Ordering::AcqRel);
            roster.alive += 1;
            return Called::Start(duty);
        } else {
            // All are busy now, or on their way to sleep, and look at the queue afterwards.
            self.word.fetch_and(!duty.bit(), Ordering::AcqRel);
        }
        Called::Done
    }

    /// Calls up to so many sleepers, beside whoever is on duty. They are busy from now on.
    pub(super) fn call_help(&self, wanted: usize) {
        let helpers = {
            let mut roster = self.roster.lock();
            let stay = roster.sleepers.len().saturating_sub(wanted);
            let helpers = roster.sleepers.split_off(stay);
            self.word.fetch_sub(helpers.len() as u64 * IDLE, Ordering::AcqRel);
            helpers
        };
        helpers.iter().for_each(|seat| seat.leave(Call::Help));
    }

    /// The system refuses the thread that was to have this duty. True: there is none, so that the queue has to be emptied.
    pub(super) fn not_started(&self, duty: Duty) -> bool {
        let _roster = self.roster.lock();
        let before = self.word.fetch_sub(THREADS + duty.bit(), Ordering::AcqRel);
        // Pairs with the fence in `submitted`: who relied on that thread has pushed already.
        fence(Ordering::SeqCst);
        Counts::of(before).threads == 1
    }

    /// A seat for a thread that takes closures.
    pub(super) fn take_seat(&self) -> Arc<Seat> {
        let seat = Seat::new();
        self.roster.lock().seats.push(seat.clone());
        seat
    }

    /// Gives up a duty, with a closure taken. [`taken`](Self::taken) has to follow.
    pub(super) fn release(&self, duty: Duty) {
        self.word.fetch_sub(duty.bit(), Ordering::AcqRel);
    }

    /// A busy thread that has found nothing wants to search. The look at the queue has to follow.
    pub(super) fn try_search(&self) -> bool {
        if self.word() & SEARCHING != 0 || self.word.fetch_or(SEARCHING, Ordering::AcqRel) & SEARCHING != 0 {
            return false;
        }
        // Pairs with the fence in `submitted`: that submitter saw this thread busy, so its closure is seen by the look that follows.
        fence(Ordering::SeqCst);
        true
    }

    /// Steps 1 to 3 of going to sleep.
    pub(super) fn sleep(&self, seat: &Arc<Seat>, duty: Option<Duty>, sees_work: impl FnOnce() -> bool) -> Slept {
        {
            let mut roster = self.roster.lock();
            roster.sleepers.push(seat.clone());
            // One change, so that nobody sees this thread in two places.
            self.word.fetch_add(IDLE.wrapping_sub(duty.map_or(0, Duty::bit)), Ordering::AcqRel);
        }
        if planted::keeps(Step::IdlerFences) {
            // Pairs with the fence in `submitted`.
            fence(Ordering::SeqCst);
        }
        let is_wanted = sees_work() || self.is_closed();
        if planted::keeps(Step::IdlerLooksAgain) && is_wanted && self.unlist(seat) {
            Slept::Again
        } else {
            Slept::Listed
        }
    }

    /// Takes a seat from the sleepers. False: it has been called.
    fn unlist(&self, seat: &Arc<Seat>) -> bool {
        let mut roster = self.roster.lock();
        let is_listed = roster.unlist(seat);
        if is_listed {
            self.word.fetch_sub(IDLE, Ordering::AcqRel);
        }
        is_listed
    }

    /// The keep-alive time of a sleeper is over. `Left`: it is no thread of the pool any more, and has to end.
    pub(super) fn retire(&self, seat: &Arc<Seat>) -> TimedOut {
        let mut roster = self.roster.lock();
        if !roster.unlist(seat) {
            return TimedOut::Called;
        }
        // One change: a thread that is not idle any more and not gone yet would be taken for a busy one, which looks at the queue.
        self.word.fetch_sub(IDLE + THREADS, Ordering::AcqRel);
        roster.forget(seat);
        TimedOut::Left
    }

    /// A thread ends, or is at an errand from which it will not come back.
    pub(super) fn leave(&self, seat: &Arc<Seat>, duty: Option<Duty>) {
        let mut roster = self.roster.lock();
        self.word.fetch_sub(THREADS + duty.map_or(0, Duty::bit), Ordering::AcqRel);
        roster.forget(seat);
    }

    /// The watcher waits, until it is called or the time for its next look has come. False: there is something to do.
    pub(super) fn sit_down(&self, seat: &Arc<Seat>) -> bool {
        let mut roster = self.roster.lock();
        let word = self.word();
        if word & CLOSED != 0 || (word & SEARCHING == 0 && Counts::of(word).busy() < self.eager) {
            return false;
        }
        roster.watcher = Some(seat.clone());
        true
    }

    /// The watcher's time has come.
    pub(super) fn stand_up(&self, seat: &Arc<Seat>) -> TimedOut {
        match self.roster.lock().watcher.take_if(|watcher| Arc::ptr_eq(watcher, seat)) {
            Some(_) => TimedOut::Left,
            None => TimedOut::Called,
        }
    }

    /// Whether a watcher may take a closure because few are busy.
    pub(super) fn is_short(&self) -> bool {
        Counts::of(self.word()).busy() < self.eager
    }

    /// How many threads are busy, and how many closures have been done.
    pub(super) fn tally(&self) -> (u64, u64) {
        let roster = self.roster.lock();
        let done = roster.seats.iter().map(|seat| seat.done()).sum::<u64>();
        (Counts::of(self.word()).busy(), roster.done_by_others + done)
    }

    /// The system's numbers of some threads that run a closure, others each time that `turn` is another.
    pub(super) fn some_busy(&self, turn: u64, wanted: usize) -> Vec<u32> {
        let roster = self.roster.lock();
        let count = roster.seats.len();
        let start = if count == 0 { 0 } else { turn as usize % count };
        let seats = (0..count).map(|place| &roster.seats[(start + place) % count]);
        seats.filter(|seat| seat.running() != 0).map(|seat| seat.thread()).take(wanted).collect()
    }

    /// The places in the registry of what runs.
    pub(super) fn running(&self) -> Vec<u64> {
        let roster = self.roster.lock();
        roster.seats.iter().map(|seat| seat.running()).filter(|&place| place != 0).collect()
    }

    /// Sends a sleeper on an errand. Returns the errand if nobody sleeps: it needs a thread of its own, which has been counted as alive.
    pub(super) fn lend(&self, errand: Errand) -> Option<Errand> {
        let mut roster = self.roster.lock();
        let Some(seat) = roster.sleepers.pop() else {
            roster.alive += 1;
            return Some(errand);
        };
        self.word.fetch_sub(IDLE + THREADS, Ordering::AcqRel);
        drop(roster);
        seat.leave(Call::Errand(errand));
        None
    }

    /// A thread that comes from an errand takes closures, unless there are enough that do.
    pub(super) fn join_in(&self) -> bool {
        let _roster = self.roster.lock();
        let word = self.word();
        let is_wanted = word & CLOSED == 0 && Counts::of(word).threads < self.max;
        if is_wanted {
            self.word.fetch_add(THREADS, Ordering::AcqRel);
        }
        is_wanted
    }

    /// A thread that comes from an errand is not wanted.
    pub(super) fn forget(&self, seat: &Arc<Seat>) {
        self.roster.lock().forget(seat);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word() & CLOSED != 0
    }

    /// Ends all threads. The queue has to be emptied afterwards.
    pub(super) fn close(&self) {
        let mut roster = self.roster.lock();
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
        let sleepers = std::mem::take(&mut roster.sleepers);
        self.word.fetch_sub(sleepers.len() as u64 * IDLE, Ordering::AcqRel);
        let watcher = roster.watcher.take();
        if watcher.is_some() {
            self.word.fetch_sub(WATCHING, Ordering::AcqRel);
        }
        drop(roster);
        sleepers.into_iter().chain(watcher).for_each(|seat| seat.leave(Call::Closed));
        // Pairs with the fence in `submitted`: that submitter sees that the pool is closed, or its closure is seen now.
        fence(Ordering::SeqCst);
    }

    /// A thread has ended, or there is none.
    pub(super) fn ended(&self) {
        let mut roster = self.roster.lock();
        roster.alive -= 1;
        if roster.alive == 0 {
            self.ended.notify_all();
        }
    }

    /// Waits until all threads have ended; false if they have not by `deadline`.
    pub(super) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut roster = self.roster.lock();
        while roster.alive > 0 {
            match deadline {
                None => self.ended.wait(&mut roster),
                Some(deadline) => {
                    if self.ended.wait_until(&mut roster, deadline).timed_out() {
                        return roster.alive == 0;
                    }
                }
            }
        }
        true
    }

    /// How many threads take closures.
    pub(super) fn threads(&self) -> usize {
        Counts::of(self.word()).threads as usize
    }

    /// How many of them have nothing to do.
    pub(super) fn idle(&self) -> usize {
        let counts = Counts::of(self.word());
        (counts.idle + counts.watching) as usize
    }
}

impl Roster {
    fn unlist(&mut self, seat: &Arc<Seat>) -> bool {
        let place = self.sleepers.iter().rposition(|sleeper| Arc::ptr_eq(sleeper, seat));
        place.map(|place| self.sleepers.remove(place)).is_some()
    }

    fn forget(&mut self, seat: &Arc<Seat>) {
        self.seats.retain(|other| !Arc::ptr_eq(other, seat));
        self.done_by_others += seat.done();
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    /// A pool with that many busy threads.
    fn busy(max: usize, eager: usize, threads: usize) -> (Crew, Vec<Arc<Seat>>) {
        let crew = Crew::new(max, eager);
        let seats = (0..threads).map(|_| busy_thread(&crew)).collect();
        (crew, seats)
    }

    fn busy_thread(crew: &Crew) -> Arc<Seat> {
        assert!(crew.join_in());
        crew.take_seat()
    }

    fn is_called(seat: &Seat, duty: Duty) -> bool {
        matches!(seat.take_call(), Some(Call::Duty(called)) if called == duty)
    }

    #[test]
    fn the_first_threads_are_started_to_search_and_the_next_to_watch() {
        let crew = Crew::new(8, 2);
        for _ in 0..2 {
            assert_eq!(crew.submitted(), Need::Somebody(Duty::Search));
            assert_eq!(crew.call(), Called::Start(Duty::Search));
            assert_eq!(crew.submitted(), Need::Nothing, "it is on its way");
            crew.release(Duty::Search);
        }
        assert_eq!(crew.submitted(), Need::Somebody(Duty::Watch));
        assert_eq!(crew.call(), Called::Start(Duty::Watch));
        assert_eq!(crew.submitted(), Need::Nothing, "one watches");
        assert_eq!(crew.threads(), 3);
    }

    #[test]
    fn when_all_are_busy_nobody_is_called() {
        let (crew, _seats) = busy(2, 1, 2);
        assert_eq!(crew.submitted(), Need::Nothing);
        assert_eq!(crew.call(), Called::Done);
    }

    #[test]
    fn the_last_to_go_to_sleep_is_called_first() {
        let (crew, seats) = busy(4, 4, 2);
        assert_eq!(crew.sleep(&seats[0], None, || false), Slept::Listed);
        assert_eq!(crew.sleep(&seats[1], None, || false), Slept::Listed);
        assert_eq!(crew.idle(), 2);
        assert_eq!(crew.call(), Called::Done);
        assert!(is_called(&seats[1], Duty::Search));
        assert_eq!(crew.idle(), 1);
    }

    #[test]
    fn a_watcher_that_waits_is_called_to_search_if_nobody_sleeps() {
        let (crew, seats) = busy(2, 1, 2);
        crew.word.fetch_or(WATCHING, Ordering::Relaxed);
        assert!(crew.sit_down(&seats[1]));
        assert_eq!(crew.call(), Called::Done, "one is busy and one watches");
        assert!(!is_called(&seats[1], Duty::Search));
        assert!(crew.try_search());
        crew.release(Duty::Search);
        // The busy one leaves.
        crew.leave(&seats[0], None);
        assert_eq!(crew.call(), Called::Done);
        assert!(is_called(&seats[1], Duty::Search));
        assert_eq!(crew.stand_up(&seats[1]), TimedOut::Called);
    }

    #[test]
    fn a_thread_retires_once_and_not_when_it_has_been_called() {
        let (crew, seats) = busy(4, 4, 2);
        assert_eq!(crew.sleep(&seats[0], None, || false), Slept::Listed);
        assert_eq!(crew.retire(&seats[0]), TimedOut::Left);
        assert_eq!(crew.threads(), 1);
        assert_eq!(crew.sleep(&seats[1], None, || false), Slept::Listed);
        assert_eq!(crew.call(), Called::Done);
        assert_eq!(crew.retire(&seats[1]), TimedOut::Called);
        assert_eq!(crew.threads(), 1);
    }

    #[test]
    fn a_thread_that_goes_to_sleep_with_work_in_sight_does_not() {
        let (crew, seats) = busy(4, 4, 1);
        assert!(crew.try_search());
        assert_eq!(crew.sleep(&seats[0], Some(Duty::Search), || true), Slept::Again);
        assert_eq!((crew.idle(), crew.threads()), (0, 1));
        assert!(crew.try_search(), "the duty was given up");
    }

    #[test]
    fn helpers_are_as_many_as_are_wanted_or_as_sleep() {
        let (crew, seats) = busy(4, 4, 3);
        for seat in &seats {
            assert_eq!(crew.sleep(seat, None, || false), Slept::Listed);
        }
        crew.call_help(2);
        let called = |seat: &Arc<Seat>| matches!(seat.take_call(), Some(Call::Help));
        assert_eq!(seats.iter().map(called).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(crew.idle(), 1);
        crew.call_help(8);
        assert!(called(&seats[0]));
        assert_eq!((crew.idle(), crew.threads()), (0, 3));
    }

    #[test]
    fn a_thread_at_an_errand_does_not_count() {
        let (crew, seats) = busy(1, 1, 1);
        assert_eq!(crew.sleep(&seats[0], None, || false), Slept::Listed);
        assert!(crew.lend(Errand(Box::new(|| {}))).is_none());
        assert_eq!(crew.threads(), 0);
        assert!(crew.join_in());
        assert!(!crew.join_in(), "one is the limit");
        assert!(crew.lend(Errand(Box::new(|| {}))).is_some(), "nobody sleeps");
    }

    #[test]
    fn closures_of_threads_that_have_left_are_counted() {
        let (crew, seats) = busy(4, 4, 2);
        seats.iter().for_each(|seat| seat.end());
        crew.leave(&seats[0], None);
        assert_eq!(crew.tally(), (1, 2));
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// A pool whose queue is a number: how many closures wait.
    struct Model {
        crew: Crew,
        seats: Vec<std::sync::Arc<Seat>>,
        waiting: AtomicUsize,
    }

    impl Model {
        /// All threads are busy.
        fn new(max: usize, eager: usize, threads: usize) -> Arc<Self> {
            let crew = Crew::new(max, eager);
            let seats = (0..threads).map(|_| {
                assert!(crew.join_in());
                crew.take_seat()
            });
            let seats = seats.collect();
            Arc::new(Model { crew, seats, waiting: AtomicUsize::new(0) })
        }

        fn sees_work(&self) -> bool {
            self.waiting.load(Ordering::Relaxed) > 0
        }

        fn serve(&self, need: Need) {
            match need {
                Need::Nothing => {}
                Need::Somebody(_) => match self.crew.call() {
                    Called::Done => {}
                    Called::Start(_) => unreachable!("all threads that may be there are"),
                    Called::Empty => self.empty(),
                },
                Need::Empty => self.empty(),
            }
        }

        fn submit(&self) {
            self.waiting.fetch_add(1, Ordering::Release);
            self.serve(self.crew.submitted());
        }

        fn empty(&self) {
            self.waiting.swap(0, Ordering::AcqRel);
        }

        fn is_called(&self, thread: usize) -> bool {
            self.seats[thread].take_call().is_some()
        }
    }

    fn submitting(model: &Arc<Model>) -> thread::JoinHandle<()> {
        let model = model.clone();
        thread::spawn(move || model.submit())
    }

    #[test]
    fn a_submitter_finds_the_sleeper_or_the_sleeper_finds_the_closure() {
        loom::model(|| {
            let model = Model::new(1, 1, 1);
            let submitter = submitting(&model);
            let slept = model.crew.sleep(&model.seats[0], None, || model.sees_work());
            submitter.join().unwrap();
            assert!(slept == Slept::Again || model.is_called(0), "a closure waits and the thread sleeps");
        });
    }

    #[test]
    fn a_searcher_that_goes_to_sleep_looks_once_more() {
        loom::model(|| {
            let model = Model::new(1, 1, 1);
            assert!(model.crew.try_search());
            let submitter = submitting(&model);
            let slept = model.crew.sleep(&model.seats[0], Some(Duty::Search), || model.sees_work());
            submitter.join().unwrap();
            assert!(slept == Slept::Again || model.is_called(0), "a closure waits and the thread sleeps");
        });
    }

    #[test]
    fn a_watcher_that_goes_to_sleep_looks_once_more() {
        loom::model(|| {
            // One is busy for ever, and the other watches.
            let model = Model::new(2, 1, 2);
            model.crew.word.fetch_or(WATCHING, Ordering::Relaxed);
            let submitter = submitting(&model);
            let slept = model.crew.sleep(&model.seats[1], Some(Duty::Watch), || model.sees_work());
            submitter.join().unwrap();
            assert!(slept == Slept::Again || model.is_called(1), "a closure waits and the thread sleeps");
        });
    }

    #[test]
    fn a_searcher_that_takes_a_closure_looks_for_more() {
        loom::model(|| {
            let model = Model::new(2, 2, 2);
            assert_eq!(model.crew.sleep(&model.seats[1], None, || false), Slept::Listed);
            assert!(model.crew.try_search());
            model.waiting.store(1, Ordering::Relaxed);
            let submitter = submitting(&model);
            // Takes one of two, and runs it for ever.
            model.waiting.fetch_sub(1, Ordering::AcqRel);
            model.crew.release(Duty::Search);
            model.serve(model.crew.taken(|| model.sees_work()));
            submitter.join().unwrap();
            assert!(model.is_called(1), "a closure waits, one thread is busy and one sleeps");
        });
    }

    #[test]
    fn a_searcher_that_takes_a_closure_instead_of_going_to_sleep_looks_for_more() {
        loom::model(|| {
            let model = Model::new(2, 2, 2);
            assert_eq!(model.crew.sleep(&model.seats[1], None, || false), Slept::Listed);
            assert!(model.crew.try_search());
            let submitter = thread::spawn({
                let model = model.clone();
                move || {
                    model.submit();
                    model.submit();
                }
            });
            if model.crew.sleep(&model.seats[0], Some(Duty::Search), || model.sees_work()) == Slept::Again {
                // Takes one, and runs it for ever.
                model.waiting.fetch_sub(1, Ordering::AcqRel);
                model.serve(model.crew.taken(|| model.sees_work()));
            }
            submitter.join().unwrap();
            let called = [0, 1].map(|thread| model.is_called(thread));
            let waiting = model.waiting.load(Ordering::Relaxed);
            assert!(called[0] || called[1], "{waiting} closures wait, and nobody comes");
        });
    }

    #[test]
    fn a_closure_that_meets_the_end_of_the_pool_is_dropped_by_one_of_the_two() {
        loom::model(|| {
            let model = Model::new(1, 1, 0);
            model.crew.word.fetch_or(SEARCHING, Ordering::Relaxed);
            let submitter = submitting(&model);
            model.crew.close();
            model.empty();
            submitter.join().unwrap();
            assert!(!model.sees_work(), "a closure is forgotten");
        });
    }

    const SLEEPER: &str = "blocking::crew::models::a_submitter_finds_the_sleeper_or_the_sleeper_finds_the_closure";

    #[test]
    fn the_sleep_model_notices_a_submitter_without_a_fence() {
        assert_caught(SLEEPER, Step::SubmitterFences);
    }

    #[test]
    fn the_sleep_model_notices_an_idler_without_a_fence() {
        assert_caught(SLEEPER, Step::IdlerFences);
    }

    #[test]
    fn the_sleep_model_notices_an_idler_that_does_not_look_again() {
        assert_caught(SLEEPER, Step::IdlerLooksAgain);
    }

    #[test]
    fn the_watch_model_notices_a_watcher_that_does_not_look_again() {
        assert_caught("blocking::crew::models::a_watcher_that_goes_to_sleep_looks_once_more", Step::IdlerLooksAgain);
    }

    #[test]
    fn the_taking_model_notices_a_searcher_that_does_not_look_for_more() {
        assert_caught(
            "blocking::crew::models::a_searcher_that_takes_a_closure_looks_for_more",
            Step::TakerLooksForMore,
        );
    }

    #[test]
    fn the_taking_model_notices_a_searcher_that_does_not_look_for_more_when_it_wanted_to_sleep() {
        let name = "blocking::crew::models::a_searcher_that_takes_a_closure_instead_of_going_to_sleep_looks_for_more";
        assert_caught(name, Step::TakerLooksForMore);
    }

    #[test]
    fn the_closing_model_notices_a_submitter_without_a_fence() {
        let name = "blocking::crew::models::a_closure_that_meets_the_end_of_the_pool_is_dropped_by_one_of_the_two";
        assert_caught(name, Step::SubmitterFences);
    }
}

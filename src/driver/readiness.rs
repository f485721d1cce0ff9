//! What a source is ready for, and who waits for it.
//!
//! # The word
//!
//! | bits | meaning |
//! |---|---|
//! | 0-7 | what the source is ready for, as far as the reactor has heard and nobody has found otherwise |
//! | 8-31 | generation: how many sources have been here before, as many bits of that as a token has room for |
//! | 32-63 | tick: how many events there were |
//!
//! Events are edges: the poller tells of each once. So readiness stays set until an operation returns `WouldBlock`, and it
//! is cleared then only if the tick is what it was before the operation: otherwise a new edge came in between.
//!
//! # No lost edge
//!
//! The reactor sets the bits, then takes the waiters' lock and takes out who waits for them. A task that finds its bits
//! clear takes the lock, leaves its waker, and reads the bits again before it gives the lock back. Whoever has the lock
//! second sees what the other did.
//!
//! # Used again
//!
//! A source that goes leaves its place to another, in the next generation. An event that was on its way to it carries the old
//! one, and changes nothing. If it came just before the change, its wakers may be those of the new source, which are woken for nothing; the bits
//! that it set have been cleared.

use super::interest::{Direction, Interest, Ready};
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};
use std::task::{Context, Poll, Waker};

/// Readiness as it was when somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Of what was asked for.
    pub(crate) ready: Ready,
    /// An event spoke of more than data.
    pub(crate) is_unusual: bool,
    tick: u64,
}

/// The readiness of one registered source; or a place for one. On a cache line of its own: its neighbours are other tasks'.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Readiness {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// The last to poll in each direction.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Few sources have any, and all should be small.
    others: Option<Box<Others>>,
}

/// Any number of waiters.
#[derive(Debug, Default)]
struct Others {
    list: Vec<Other>,
    /// The next key. None is used twice: a waiter that was woken still has its own when it comes again, or forgets.
    next: u64,
}

#[derive(Debug)]
struct Other {
    key: u64,
    interest: Interest,
    waker: Waker,
}

const READY_BITS: u64 = 0xff;
const GENERATION: u32 = 8;
/// Of a token's bits, for the generation; the others are for the place. 24 of 64, 12 of 32.
pub(super) const GENERATION_WIDTH: u32 = usize::BITS / 8 * 3;
const GENERATION_BITS: u64 = ((1 << GENERATION_WIDTH) - 1) << GENERATION;
const ONE_GENERATION: u64 = 1 << GENERATION;
const ONE_TICK: u64 = 1 << 32;

impl Readiness {
    pub(super) fn new() -> Self {
        Readiness { word: AtomicU64::new(0), waiters: Mutex::new(Waiters::default()) }
    }

    /// Of the source that is here now.
    pub(super) fn generation(&self) -> u32 {
        // Ordering: Relaxed; the caller has the place for itself, by a lock.
        ((self.word.load(Ordering::Relaxed) & GENERATION_BITS) >> GENERATION) as u32
    }

    /// What it is ready for now, if that is anything of what is asked for.
    pub(crate) fn seen(&self, interest: Interest) -> Option<Seen> {
        // Ordering: Acquire pairs with the AcqRel in `set`.
        let word = self.word.load(Ordering::Acquire);
        let all = Ready::from_bits((word & READY_BITS) as u8);
        let ready = all & interest.mask();
        let is_unusual = all.contains_any(Ready::UNUSUAL);
        (!ready.is_empty()).then_some(Seen { ready, is_unusual, tick: word / ONE_TICK })
    }

    /// Adds an event for the source of a generation, and moves the wakers that waited for it to `woken`.
    pub(super) fn set(&self, generation: u32, ready: Ready, woken: &mut Vec<Waker>) {
        // Ordering: AcqRel publishes the bits; the lock below decides the race with those who begin to wait.
        let set = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let is_current = (word & GENERATION_BITS) >> GENERATION == u64::from(generation);
            is_current.then(|| word.wrapping_add(ONE_TICK) | u64::from(ready.bits()))
        });
        if set.is_ok() {
            self.take_waiters(ready, woken);
        }
    }

    /// Adds what no event has told. Nobody waits, and there are no events before [`assume_nothing`](Self::assume_nothing).
    pub(super) fn assume(&self, ready: Ready) {
        // Ordering: AcqRel, as in `set`.
        self.word.fetch_or(u64::from(ready.bits()), Ordering::AcqRel);
    }

    /// From now on it is for events to tell.
    #[cfg(unix)]
    pub(super) fn assume_nothing(&self) {
        let assumed = u64::from((Ready::READABLE | Ready::WRITABLE).bits());
        // Ordering: AcqRel, as in `set`.
        self.word.fetch_and(!assumed, Ordering::AcqRel);
    }

    /// As `set`, for whatever source is here.
    pub(super) fn set_any(&self, ready: Ready, woken: &mut Vec<Waker>) {
        // Ordering: AcqRel, as in `set`.
        self.word.fetch_or(u64::from(ready.bits()), Ordering::AcqRel);
        self.take_waiters(ready, woken);
    }

    fn take_waiters(&self, ready: Ready, woken: &mut Vec<Waker>) {
        let mut waiters = self.waiters.lock();
        if ready.contains_any(Interest::READABLE.mask()) {
            woken.extend(waiters.reader.take());
        }
        if ready.contains_any(Interest::WRITABLE.mask()) {
            woken.extend(waiters.writer.take());
        }
        if let Some(others) = &mut waiters.others {
            let list = &mut others.list;
            woken.extend(
                list.extract_if(.., |other| ready.contains_any(other.interest.mask())).map(|other| other.waker),
            );
        }
    }

    /// An operation found that the source was not ready after all, or is not any more.
    pub(crate) fn clear(&self, seen: Seen, interest: Interest) {
        let unusual = if interest.is_readable() { Ready::UNUSUAL } else { Ready::EMPTY };
        self.clear_bits(seen, interest.mask() | unusual);
    }

    /// As [`clear`](Self::clear), bit by bit. What has closed stays closed.
    pub(crate) fn clear_bits(&self, seen: Seen, bits: Ready) {
        let gone = u64::from((bits - Ready::LASTING).bits());
        // Ordering: AcqRel on success keeps the word's history in one chain; a failure means a newer event, which stays.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let is_newest = word / ONE_TICK == seen.tick || !planted::keeps(Step::ClearCompares);
            is_newest.then_some(word & !gone)
        });
    }

    /// Readiness in one direction, for one waiter: the last to call.
    pub(crate) fn poll(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<Seen> {
        let interest = direction.interest();
        if let Some(seen) = self.seen(interest) {
            return Poll::Ready(seen);
        }
        // Cloned before the lock, and the old one dropped after it: both may be the user's code.
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        let place = match direction {
            Direction::Read => &mut waiters.reader,
            Direction::Write => &mut waiters.writer,
        };
        let old = place.replace(waker);
        let seen = self.seen_again(interest);
        drop(waiters);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// After leaving a waker.
    fn seen_again(&self, interest: Interest) -> Option<Seen> {
        if planted::keeps(Step::WaiterSeesAgain) { self.seen(interest) } else { None }
    }

    /// Readiness for any number of waiters: each keeps its key, and gives it to [`forget`](Self::forget) at the end.
    pub(crate) fn poll_shared(&self, interest: Interest, key: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Seen> {
        if let Some(seen) = self.seen(interest) {
            return Poll::Ready(seen);
        }
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        let others = waiters.others.get_or_insert_default();
        let place = key.and_then(|key| others.list.iter_mut().find(|other| other.key == key));
        let old = match place {
            Some(other) => Some(std::mem::replace(&mut other.waker, waker)),
            None => {
                let new = others.next;
                others.next += 1;
                *key = Some(new);
                others.list.push(Other { key: new, interest, waker });
                None
            }
        };
        let seen = self.seen_again(interest);
        drop(waiters);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// Ends a shared wait.
    pub(crate) fn forget(&self, key: u64) {
        let mut waiters = self.waiters.lock();
        let old = waiters.others.as_mut().and_then(|others| {
            let place = others.list.iter().position(|other| other.key == key)?;
            Some(others.list.remove(place))
        });
        drop(waiters);
        drop(old);
    }

    /// The source goes: nothing is heard of it any more, nobody waits for it, and another may come.
    pub(super) fn abandon(&self) {
        // Ordering: AcqRel, as in `set`. A new generation without any bits.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let generation = word.wrapping_add(ONE_GENERATION) & GENERATION_BITS;
            Some(word & !(GENERATION_BITS | READY_BITS) | generation)
        });
        let waiters = std::mem::take(&mut *self.waiters.lock());
        drop(waiters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn set(readiness: &Readiness, ready: Ready) -> usize {
        let mut woken = Vec::new();
        readiness.set(readiness.generation(), ready, &mut woken);
        woken.len()
    }

    #[test]
    fn an_event_wakes_those_who_wait_for_it_and_nobody_else() {
        let readiness = Readiness::new();
        assert!(readiness.poll(Direction::Read, &mut cx()).is_pending());
        assert!(readiness.poll(Direction::Write, &mut cx()).is_pending());
        let mut key = None;
        assert!(readiness.poll_shared(Interest::READABLE, &mut key, &mut cx()).is_pending());
        assert_eq!(set(&readiness, Ready::WRITABLE), 1);
        assert_eq!(set(&readiness, Ready::READABLE), 2);
        assert!(readiness.poll(Direction::Read, &mut cx()).is_ready());
    }

    #[test]
    fn a_newer_event_survives_the_clearing_of_an_older_one() {
        let readiness = Readiness::new();
        set(&readiness, Ready::READABLE);
        let Poll::Ready(seen) = readiness.poll(Direction::Read, &mut cx()) else { panic!("it is readable") };
        set(&readiness, Ready::READABLE);
        readiness.clear(seen, Interest::READABLE);
        let Poll::Ready(seen) = readiness.poll(Direction::Read, &mut cx()) else { panic!("the newer event was lost") };
        readiness.clear(seen, Interest::READABLE);
        assert!(readiness.poll(Direction::Read, &mut cx()).is_pending());
    }

    #[test]
    fn what_has_closed_stays_closed() {
        let readiness = Readiness::new();
        set(&readiness, Ready::READABLE | Ready::READ_CLOSED);
        let Poll::Ready(seen) = readiness.poll(Direction::Read, &mut cx()) else { panic!("it is readable") };
        readiness.clear(seen, Interest::READABLE);
        assert!(readiness.poll(Direction::Read, &mut cx()).is_ready());
    }

    #[test]
    fn a_waiter_that_forgot_is_not_woken() {
        let readiness = Readiness::new();
        let (mut first, mut second) = (None, None);
        assert!(readiness.poll_shared(Interest::READABLE, &mut first, &mut cx()).is_pending());
        assert!(readiness.poll_shared(Interest::READABLE, &mut second, &mut cx()).is_pending());
        assert_ne!(first, second);
        readiness.forget(first.expect("it waits"));
        assert_eq!(set(&readiness, Ready::READABLE), 1);
    }

    #[test]
    fn a_waiter_that_was_woken_takes_nobody_elses_place_when_it_forgets_or_comes_again() {
        let readiness = Readiness::new();
        let seen = |key: &mut Option<u64>| readiness.poll_shared(Interest::READABLE, key, &mut cx());
        let (mut first, mut second, mut third) = (None, None, None);
        assert!(seen(&mut first).is_pending() && seen(&mut second).is_pending());
        assert_eq!(set(&readiness, Ready::READABLE), 2);
        let Poll::Ready(now) = readiness.poll(Direction::Read, &mut cx()) else { panic!("it is readable") };
        readiness.clear(now, Interest::READABLE);
        assert!(seen(&mut third).is_pending());
        readiness.forget(first.expect("it has waited"));
        assert!(seen(&mut second).is_pending());
        assert_eq!(set(&readiness, Ready::READABLE), 2, "somebody waits and is not woken");
    }

    #[test]
    fn an_event_for_a_source_that_has_gone_changes_nothing() {
        let readiness = Readiness::new();
        let old = readiness.generation();
        set(&readiness, Ready::READABLE | Ready::READ_CLOSED);
        readiness.abandon();
        assert_ne!(readiness.generation(), old);
        assert!(readiness.poll(Direction::Read, &mut cx()).is_pending());
        let mut woken = Vec::new();
        readiness.set(old, Ready::READABLE, &mut woken);
        assert!(woken.is_empty() && readiness.poll(Direction::Read, &mut cx()).is_pending());
        readiness.set(readiness.generation(), Ready::READABLE, &mut woken);
        assert_eq!(woken.len(), 1);
    }

    #[test]
    fn a_place_for_a_source_is_one_cache_line() {
        assert_eq!(size_of::<Readiness>(), 64);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::atomic::AtomicBool;
    use crate::primitives::planted::assert_caught;
    use loom::thread;
    use std::sync::Arc;
    use std::task::Wake;

    #[derive(Debug)]
    struct Note(AtomicBool);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn event(readiness: &Readiness, generation: u32) {
        let mut woken = Vec::new();
        readiness.set(generation, Ready::READABLE, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    #[test]
    fn a_task_that_begins_to_wait_sees_the_event_or_is_woken() {
        loom::model(|| {
            let readiness = Arc::new(Readiness::new());
            let note = Arc::new(Note(AtomicBool::new(false)));
            let waiter = thread::spawn({
                let (readiness, waker) = (readiness.clone(), Waker::from(note.clone()));
                move || readiness.poll(Direction::Read, &mut Context::from_waker(&waker)).is_ready()
            });
            event(&readiness, 0);
            let saw = waiter.join().unwrap();
            assert!(saw || note.0.load(Ordering::Relaxed), "the edge is lost");
        });
    }

    #[test]
    fn a_shared_waiter_sees_the_event_or_is_woken() {
        loom::model(|| {
            let readiness = Arc::new(Readiness::new());
            let note = Arc::new(Note(AtomicBool::new(false)));
            let waiter = thread::spawn({
                let (readiness, waker) = (readiness.clone(), Waker::from(note.clone()));
                move || {
                    let mut key = None;
                    readiness.poll_shared(Interest::READABLE, &mut key, &mut Context::from_waker(&waker)).is_ready()
                }
            });
            event(&readiness, 0);
            let saw = waiter.join().unwrap();
            assert!(saw || note.0.load(Ordering::Relaxed), "the edge is lost");
        });
    }

    /// The kernel's buffer is a flag here: filled before the event is told, emptied by reading.
    #[test]
    fn what_arrives_while_a_reader_finds_nothing_is_not_cleared_away() {
        loom::model(|| {
            let readiness = Arc::new(Readiness::new());
            let buffer = Arc::new(AtomicBool::new(false));
            event(&readiness, 0);
            let reader = thread::spawn({
                let (readiness, buffer) = (readiness.clone(), buffer.clone());
                move || {
                    let seen = readiness.seen(Interest::READABLE).expect("there was an event");
                    let found = buffer.swap(false, Ordering::AcqRel);
                    if !found {
                        readiness.clear(seen, Interest::READABLE);
                    }
                    found
                }
            });
            buffer.store(true, Ordering::Release);
            event(&readiness, 0);
            let found = reader.join().unwrap();
            assert!(found || readiness.seen(Interest::READABLE).is_some(), "the edge is lost");
        });
    }

    #[test]
    fn a_late_event_of_the_source_before_does_not_make_the_next_one_ready() {
        loom::model(|| {
            let readiness = Arc::new(Readiness::new());
            let late = thread::spawn({
                let readiness = readiness.clone();
                move || event(&readiness, 0)
            });
            readiness.abandon();
            let ready_at_once = readiness.seen(Interest::READABLE).is_some();
            late.join().unwrap();
            assert!(!ready_at_once && readiness.seen(Interest::READABLE).is_none());
        });
    }

    #[test]
    fn a_waiter_that_does_not_look_again_is_caught() {
        assert_caught(
            "driver::readiness::models::a_task_that_begins_to_wait_sees_the_event_or_is_woken",
            Step::WaiterSeesAgain,
        );
        assert_caught("driver::readiness::models::a_shared_waiter_sees_the_event_or_is_woken", Step::WaiterSeesAgain);
    }

    #[test]
    fn a_reader_that_clears_a_newer_event_is_caught() {
        assert_caught(
            "driver::readiness::models::what_arrives_while_a_reader_finds_nothing_is_not_cleared_away",
            Step::ClearCompares,
        );
    }
}

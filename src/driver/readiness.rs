//! What a source is ready for, and who waits for it.
//!
//! # The word
//!
//! | bits | meaning |
//! |---|---|
//! | 0-7 | what the source is ready for, as far as the reactor has heard and nobody has found otherwise |
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

use super::interest::{Direction, Interest, Ready};
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicU64, Ordering};
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

/// The readiness of one registered source.
#[derive(Debug)]
pub(crate) struct Readiness {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// The last to poll in each direction.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Any number of others, each with a key of its own.
    others: Vec<(u64, Interest, Waker)>,
    next_key: u64,
}

const READY_BITS: u64 = 0xff;
const ONE_TICK: u64 = 1 << 32;

impl Readiness {
    pub(super) fn new() -> Self {
        Readiness { word: AtomicU64::new(0), waiters: Mutex::new(Waiters::default()) }
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

    /// Adds an event, and moves the wakers that waited for it to `woken`.
    pub(super) fn set(&self, ready: Ready, woken: &mut Vec<Waker>) {
        // Ordering: AcqRel publishes the bits; the lock below decides the race with those who begin to wait.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            Some(word.wrapping_add(ONE_TICK) | u64::from(ready.bits()))
        });
        let mut waiters = self.waiters.lock();
        if ready.contains_any(Interest::READABLE.mask()) {
            woken.extend(waiters.reader.take());
        }
        if ready.contains_any(Interest::WRITABLE.mask()) {
            woken.extend(waiters.writer.take());
        }
        let mut index = 0;
        while index < waiters.others.len() {
            if ready.contains_any(waiters.others[index].1.mask()) {
                woken.push(waiters.others.swap_remove(index).2);
            } else {
                index += 1;
            }
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
            (word / ONE_TICK == seen.tick).then_some(word & !gone)
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
        let seen = self.seen(interest);
        drop(waiters);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// Readiness for any number of waiters: each keeps its key, and gives it to [`forget`](Self::forget) at the end.
    pub(crate) fn poll_shared(&self, interest: Interest, key: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Seen> {
        if let Some(seen) = self.seen(interest) {
            return Poll::Ready(seen);
        }
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        let place = key.and_then(|key| waiters.others.iter_mut().find(|other| other.0 == key));
        let old = match place {
            Some(other) => Some(std::mem::replace(&mut other.2, waker)),
            None => {
                waiters.next_key += 1;
                *key = Some(waiters.next_key);
                let entry = (waiters.next_key, interest, waker);
                waiters.others.push(entry);
                None
            }
        };
        let seen = self.seen(interest);
        drop(waiters);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// Ends a shared wait.
    pub(crate) fn forget(&self, key: u64) {
        let mut waiters = self.waiters.lock();
        let place = waiters.others.iter().position(|other| other.0 == key);
        let old = place.map(|place| waiters.others.swap_remove(place));
        drop(waiters);
        drop(old);
    }

    /// Drops the wakers of a source that goes away.
    pub(super) fn abandon(&self) {
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
        readiness.set(ready, &mut woken);
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
        let mut key = None;
        assert!(readiness.poll_shared(Interest::READABLE, &mut key, &mut cx()).is_pending());
        readiness.forget(key.expect("it waits"));
        assert_eq!(set(&readiness, Ready::READABLE), 0);
    }
}

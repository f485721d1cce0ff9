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

use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicU64, Ordering};
use std::ops::{BitAnd, BitOr};
use std::task::{Context, Poll, Waker};

/// What a source is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready(u8);

/// What a waiter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest(u8);

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Ready {
    pub(crate) const READABLE: Ready = Ready(1 << 0);
    pub(crate) const WRITABLE: Ready = Ready(1 << 1);
    pub(crate) const READ_CLOSED: Ready = Ready(1 << 2);
    pub(crate) const WRITE_CLOSED: Ready = Ready(1 << 3);
    pub(crate) const ERROR: Ready = Ready(1 << 4);
    pub(crate) const PRIORITY: Ready = Ready(1 << 5);
    /// The reactor is gone.
    pub(crate) const SHUT_DOWN: Ready = Ready(1 << 6);
    pub(crate) const NONE: Ready = Ready(0);

    pub(crate) fn contains_any(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn of(event: &mio::event::Event) -> Self {
        let mut ready = Ready::NONE;
        for (is, bit) in [
            (event.is_readable(), Ready::READABLE),
            (event.is_writable(), Ready::WRITABLE),
            (event.is_read_closed(), Ready::READ_CLOSED),
            (event.is_write_closed(), Ready::WRITE_CLOSED),
            (event.is_error(), Ready::ERROR),
            (event.is_priority(), Ready::PRIORITY),
        ] {
            if is {
                ready = ready | bit;
            }
        }
        ready
    }
}

impl BitOr for Ready {
    type Output = Ready;
    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl BitAnd for Ready {
    type Output = Ready;
    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl Interest {
    pub(crate) const READABLE: Interest = Interest(1);
    pub(crate) const WRITABLE: Interest = Interest(2);

    /// The bits that end a wait for this.
    fn mask(self) -> Ready {
        let mut mask = Ready::SHUT_DOWN | Ready::ERROR;
        if self.0 & 1 != 0 {
            mask = mask | Ready::READABLE | Ready::READ_CLOSED | Ready::PRIORITY;
        }
        if self.0 & 2 != 0 {
            mask = mask | Ready::WRITABLE | Ready::WRITE_CLOSED;
        }
        mask
    }
}

impl Direction {
    pub(crate) fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}

/// Readiness as it was when somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) ready: Ready,
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

    fn seen(&self, interest: Interest) -> Option<Seen> {
        // Ordering: Acquire pairs with the AcqRel in `set`.
        let word = self.word.load(Ordering::Acquire);
        let ready = Ready((word & READY_BITS) as u8) & interest.mask();
        (ready != Ready::NONE).then_some(Seen { ready, tick: word / ONE_TICK })
    }

    /// Adds an event, and moves the wakers that waited for it to `woken`.
    pub(super) fn set(&self, ready: Ready, woken: &mut Vec<Waker>) {
        // Ordering: AcqRel publishes the bits; the lock below decides the race with those who begin to wait.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            Some(word.wrapping_add(ONE_TICK) | u64::from(ready.0))
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
        // What has closed stays closed.
        let closed = Ready::READ_CLOSED | Ready::WRITE_CLOSED | Ready::SHUT_DOWN;
        let gone = u64::from(interest.mask().0 & !closed.0);
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

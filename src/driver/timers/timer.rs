//! One timer, and who owns it while it is armed.
//!
//! # A timer that fires, against its owner
//!
//! An armed timer is the shard's, and touched under its lock; the `word` says whether it is. The shard gives it up by one last store, of
//! `FIRED`. The owner who reads that has it again, without the lock. The owner who reads a deadline locks the shard and reads again: now nothing
//! changes it any more. A deadline is *postponed* without the lock, by an exchange of the word, which either finds the timer armed still,
//! or fails; and firing is an exchange that fails if the timer was postponed just now.
//!
//! # How precise a timer is
//!
//! It never fires early. How much it is late on purpose says `rounding`.
//!
//! Whoever makes a timer that is to wait for some time has just read the clock. So arming it does without, and does not look whether that time has
//! passed meanwhile; if it has, the next turn fires it. Without the clock, arming and dropping a timer would cost half as much again.

use super::Shard;
use super::list::Entry;
use super::rounding::COARSE_WAIT;
use super::wheel::Wheel;
use super::word::{LAST, State};
use crate::primitives::clock::Time;
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, MutexGuard};
use crate::task::wake_contained;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// A timer of a driver, disarmed when dropped. Pinned, because an armed one is linked into a wheel.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(super) shard: Arc<CachePadded<Shard>>,
    pub(super) entry: Entry,
}

impl Timer {
    /// Whether the deadline has been reached; if not, `waker`, and no other, will be woken then. `deadline` counts only if this is the first
    /// call since the last [`reset`](Self::reset).
    ///
    /// # Panics
    ///
    /// If the driver has shut down, because nobody would ever wake it.
    #[track_caller]
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        match self.entry.word.state() {
            State::Idle(0) => self.into_ref().look_and_arm(deadline, waker),
            State::Idle(deadline) => self.into_ref().arm(deadline, waker),
            State::Armed(deadline) => self.into_ref().poll_armed(Time(deadline), waker),
            State::Fired => Poll::Ready(()),
            State::Closed => shut_down(),
        }
    }

    #[track_caller]
    #[inline(never)]
    fn look_and_arm(self: Pin<&Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        let now = self.shard.common.clock.now();
        if deadline <= now {
            return Poll::Ready(());
        }
        let deadline = deadline.0.min(LAST);
        self.arm(self.shard.common.fires(deadline, deadline.saturating_sub(now.0)), waker)
    }

    #[track_caller]
    #[inline(always)]
    fn arm(self: Pin<&Self>, deadline: u64, waker: &Waker) -> Poll<()> {
        // Cloned before the lock: it may be the user's code.
        let waker = waker.clone();
        let wheel = self.shard.wheel.lock();
        if deadline <= wheel.elapsed() {
            return self.arm_late(wheel, deadline, waker);
        }
        self.arm_in(wheel, deadline, waker)
    }

    /// `arm` if the deadline has been reached in the meantime, or if nobody serves the wheel any more.
    #[track_caller]
    #[cold]
    #[inline(never)]
    fn arm_late(self: Pin<&Self>, wheel: MutexGuard<'_, Wheel>, deadline: u64, waker: Waker) -> Poll<()> {
        if wheel.is_closed() {
            drop(wheel);
            shut_down();
        }
        self.arm_in(wheel, deadline, waker)
    }

    #[inline(always)]
    fn arm_in(self: Pin<&Self>, mut wheel: MutexGuard<'_, Wheel>, deadline: u64, waker: Waker) -> Poll<()> {
        // SAFETY: nobody but its owner arms the entry, and it is idle. It is pinned, and its drop takes it out of the wheel.
        unsafe { wheel.insert(&self.get_ref().entry, deadline, waker) };
        let is_earliest = self.shard.publish_earlier(deadline);
        drop(wheel);
        if is_earliest {
            self.shard.tell_waiter(deadline);
        }
        Poll::Pending
    }

    /// Sees to it that `waker` is the one to be woken, if the timer is armed still.
    #[track_caller]
    fn poll_armed(self: Pin<&Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        let (shard, entry) = (&self.shard, &self.entry);
        if deadline <= shard.common.clock.coarse() {
            // A task that polls again and again lets nobody fire it.
            drop(self.disarm());
            return Poll::Ready(());
        }
        let is_armed = |entry: &Entry| matches!(entry.word.state(), State::Armed(_));
        let mut wheel = shard.wheel.lock();
        // SAFETY: under the lock, an armed entry is in the wheel.
        if is_armed(entry) && unsafe { wheel.will_wake(entry, waker) } {
            return Poll::Pending;
        }
        drop(wheel);
        // Cloned before the lock, and the old one dropped after it: both may be the user's code.
        let waker = waker.clone();
        wheel = shard.wheel.lock();
        let unused = match is_armed(entry) {
            // SAFETY: as above.
            true => unsafe { wheel.replace_waker(entry, waker) },
            false => waker,
        };
        drop(wheel);
        drop(unused);
        match entry.word.state() {
            State::Closed => shut_down(),
            State::Fired => Poll::Ready(()),
            State::Armed(_) | State::Idle(_) => Poll::Pending,
        }
    }

    /// Another deadline. If the timer is armed, its waker is woken then; else it has to be polled first.
    pub(crate) fn reset(self: Pin<&mut Self>, deadline: Time) {
        match self.entry.word.state() {
            State::Idle(_) | State::Fired => self.entry.word.rest(),
            State::Armed(_) => self.into_ref().move_to(deadline),
            State::Closed => {}
        }
    }

    fn move_to(self: Pin<&Self>, deadline: Time) {
        let (shard, entry) = (&self.shard, &self.entry);
        let clock = &shard.common.clock;
        let wait = deadline.0.saturating_sub(clock.coarse().0);
        // A shorter one may be none.
        if wait < COARSE_WAIT && deadline <= clock.now() {
            // It completes when it is polled, to which its task is woken.
            return self.disarm().into_iter().for_each(wake_contained);
        }
        let deadline = shard.common.fires(deadline.0.min(LAST), wait);
        if entry.word.postpone(deadline) {
            return;
        }
        let mut wheel = shard.wheel.lock();
        match entry.word.state() {
            State::Armed(_) => {
                // SAFETY: under the lock, an armed entry is in the wheel.
                unsafe { wheel.move_to(entry, deadline) };
                let is_earliest = shard.publish_earlier(deadline);
                drop(wheel);
                if is_earliest {
                    shard.tell_waiter(deadline);
                }
            }
            State::Fired => entry.word.rest(),
            State::Idle(_) | State::Closed => {}
        }
    }

    /// Takes the timer out of its wheel, and returns its waker, which may be the user's code.
    pub(super) fn disarm(&self) -> Option<Waker> {
        // SAFETY: it is called with the wheel that the entry is in.
        self.if_armed(|wheel| unsafe { wheel.remove(&self.entry) })
    }

    // Never: most timers that are dropped in the place where they were made have not been armed.
    #[inline(never)]
    fn drop_armed(&self) {
        // `next` may stay too early: a look for nothing, rather than a search now.
        // SAFETY: it is called with the wheel that the entry is in.
        drop(self.if_armed(|wheel| unsafe { wheel.remove_for_good(&self.entry) }));
    }

    /// Calls `f` with the wheel, if the timer is in it still.
    #[inline(always)]
    fn if_armed<R>(&self, f: impl FnOnce(&mut Wheel) -> R) -> Option<R> {
        let mut wheel = self.shard.wheel.lock();
        // Under the lock, an armed entry is in the wheel.
        let is_armed = matches!(self.entry.word.state(), State::Armed(_)) || !planted::keeps(Step::OwnerLooksAgain);
        is_armed.then(|| f(&mut wheel))
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.entry.word.state(), State::Armed(_)) {
            self.drop_armed();
        }
    }
}

#[track_caller]
#[cold]
fn shut_down() -> ! {
    panic!("the runtime of this timer has shut down: nobody would ever wake its task");
}

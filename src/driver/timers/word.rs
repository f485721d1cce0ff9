//! The word of a timer: whether it is in a wheel, for which deadline, and what became of it.
//!
//! | value | meaning | leaves it by |
//! |---|---|---|
//! | `IDLE` and a deadline | in no wheel; only its owner knows it. If the deadline is not 0, it is for this that it is to be armed | `arm` |
//! | a deadline | in a wheel | `postpone`, `fire`, `rest`, `close` |
//! | `FIRED` | it was due, was taken out of the wheel, and its waker with it | `rest` |
//! | `CLOSED` | the same, but because nobody serves the wheel any more | |
//!
//! What happens to an armed timer happens under the lock of the wheel, but for `postpone`. `fire` and `close` are the last that the wheel does with a
//! timer: whoever sees `FIRED` or `CLOSED` has it for himself again.

use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};
use std::fmt;

/// The highest bit: whether a timer is armed is a matter of sign.
const IDLE: u64 = 1 << 63;
const FIRED: u64 = u64::MAX;
const CLOSED: u64 = u64::MAX - 1;

/// The last deadline there is, but for rounding it up.
pub(in crate::driver) const LAST: u64 = IDLE - (1 << 22);

/// See the module's page.
pub(super) struct Word(AtomicU64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle(u64),
    Armed(u64),
    Fired,
    Closed,
}

/// What became of an attempt to fire a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fire {
    /// It has fired, and is not the wheel's any more.
    Fired,
    /// It is due later, and still armed.
    Later(u64),
}

impl Word {
    /// Idle, with a deadline or 0.
    #[inline]
    pub(super) fn new(deadline: u64) -> Self {
        debug_assert!(deadline < CLOSED - IDLE);
        Word(AtomicU64::new(IDLE | deadline))
    }

    /// For the owner.
    #[inline]
    pub(super) fn state(&self) -> State {
        // Ordering: Acquire pairs with the Release in `fire` and `close`: the timer is its owner's again.
        match self.0.load(planted::ordering(Step::OwnerAcquires, Ordering::Acquire)) {
            word if word < IDLE => State::Armed(word),
            word if word < CLOSED => State::Idle(word ^ IDLE),
            FIRED => State::Fired,
            _ => State::Closed,
        }
    }

    /// The deadline of a timer that is in the caller's wheel. It may grow meanwhile.
    pub(super) fn deadline(&self) -> u64 {
        // Ordering: Relaxed; only the number counts.
        self.0.load(Ordering::Relaxed)
    }

    /// Under the lock: the timer comes into the wheel.
    #[inline]
    pub(super) fn arm(&self, deadline: u64) {
        debug_assert!(deadline < IDLE);
        // Ordering: Relaxed; the lock publishes it to the wheel's side.
        self.0.store(deadline, Ordering::Relaxed);
    }

    /// Without the lock: a later deadline, if the timer is armed for an earlier one. False: it is not.
    pub(super) fn postpone(&self, deadline: u64) -> bool {
        debug_assert!(deadline < IDLE);
        // Ordering: Relaxed; only the number counts. Whoever fires takes it, or fails and looks again.
        let postpone = |armed| (armed <= deadline).then_some(deadline);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, postpone).is_ok()
    }

    /// Under the lock: the timer fires if it is due at `now`.
    ///
    /// Everything else has to be done with it before.
    pub(super) fn fire(&self, now: u64) -> Fire {
        let mut deadline = self.deadline();
        loop {
            if deadline > now {
                return Fire::Later(deadline);
            }
            if !planted::keeps(Step::FireCompares) {
                self.0.store(FIRED, Ordering::Release);
                return Fire::Fired;
            }
            // Ordering: Release pairs with the Acquire in `state`.
            let release = planted::ordering(Step::FireReleases, Ordering::Release);
            match self.0.compare_exchange(deadline, FIRED, release, Ordering::Relaxed) {
                Ok(_) => return Fire::Fired,
                Err(postponed) => deadline = postponed,
            }
        }
    }

    /// Under the lock: the timer was taken out of the wheel, which nobody serves any more. As [`fire`](Self::fire).
    pub(super) fn close(&self) {
        // Ordering: Release pairs with the Acquire in `state`.
        self.0.store(CLOSED, Ordering::Release);
    }

    /// For the owner of a timer that is in no wheel; or under the lock, once it was taken out of the wheel: nothing is known of it.
    #[inline]
    pub(super) fn rest(&self) {
        // Ordering: Relaxed; nobody else knows the timer.
        self.0.store(IDLE, Ordering::Relaxed);
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

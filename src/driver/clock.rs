//! What time it is for one runtime: the machine's time, or one that stands still until somebody moves it.

#[cfg(feature = "test-util")]
use super::timers::LAST;
use crate::primitives::clock::Time;
#[cfg(feature = "test-util")]
use paused::Paused;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Clock {
    #[cfg(feature = "test-util")]
    paused: Paused,
}

impl Clock {
    /// The time now, for the price of a clock read.
    #[inline]
    pub(super) fn now(&self) -> Time {
        #[cfg(feature = "test-util")]
        if self.is_virtual() {
            return self.paused.now();
        }
        Time::now()
    }

    /// A time that has been, mostly not more than 10 ms ago.
    #[inline]
    pub(super) fn coarse(&self) -> Time {
        #[cfg(feature = "test-util")]
        if self.is_virtual() {
            return self.paused.now();
        }
        Time::coarse()
    }

    /// Whether this is not the machine's time: it stands still, or once did.
    #[inline]
    pub(super) fn is_virtual(&self) -> bool {
        #[cfg(feature = "test-util")]
        return self.paused.is_virtual();
        #[cfg(not(feature = "test-util"))]
        false
    }

    #[cfg(feature = "test-util")]
    pub(super) fn is_paused(&self) -> bool {
        self.is_virtual() && self.paused.is_paused()
    }

    /// Lets time stand still. False: it does already.
    #[cfg(feature = "test-util")]
    pub(super) fn pause(&self) -> bool {
        self.paused.pause()
    }

    /// Lets time go on. False: it does.
    #[cfg(feature = "test-util")]
    pub(super) fn resume(&self) -> bool {
        self.paused.resume()
    }

    /// Moves the time that stands still. False: it does not.
    #[cfg(feature = "test-util")]
    pub(super) fn advance(&self, by: std::time::Duration) -> bool {
        self.paused.move_to(|now| now.checked_add(by).unwrap_or(Time(LAST)))
    }

    /// Moves the time that stands still, but never back.
    #[cfg(feature = "test-util")]
    pub(super) fn advance_to(&self, time: Time) {
        self.paused.move_to(|now| now.max(time));
    }
}

#[cfg(feature = "test-util")]
mod paused {
    use crate::primitives::Mutex;
    use crate::primitives::clock::Time;
    use crate::primitives::plain::{AtomicBool, Ordering};

    #[derive(Debug, Default)]
    pub(super) struct Paused {
        /// Set for good with the first pause; before that nobody takes the lock.
        is_virtual: AtomicBool,
        state: Mutex<State>,
    }

    #[derive(Debug, Default)]
    enum State {
        /// By so much, modulo 2^64, the time is ahead of the machine's.
        Goes {
            ahead: u64,
        },
        Stands(Time),
        /// As `Goes`, by nothing.
        #[default]
        Real,
    }

    impl State {
        fn now(&self) -> Time {
            match self {
                State::Real => Time::now(),
                State::Goes { ahead } => Time(Time::now().0.wrapping_add(*ahead)),
                State::Stands(time) => *time,
            }
        }
    }

    impl Paused {
        #[inline]
        pub(super) fn is_virtual(&self) -> bool {
            // Ordering: Relaxed; the lock orders the rest, and who pauses while others ask the time cannot say which they get.
            self.is_virtual.load(Ordering::Relaxed)
        }

        pub(super) fn now(&self) -> Time {
            self.state.lock().now()
        }

        pub(super) fn is_paused(&self) -> bool {
            matches!(*self.state.lock(), State::Stands(_))
        }

        pub(super) fn pause(&self) -> bool {
            let mut state = self.state.lock();
            let goes = !matches!(*state, State::Stands(_));
            if goes {
                *state = State::Stands(state.now());
                self.is_virtual.store(true, Ordering::Relaxed);
            }
            goes
        }

        pub(super) fn resume(&self) -> bool {
            let mut state = self.state.lock();
            let State::Stands(time) = *state else {
                return false;
            };
            *state = State::Goes { ahead: time.0.wrapping_sub(Time::now().0) };
            true
        }

        pub(super) fn move_to(&self, time: impl FnOnce(Time) -> Time) -> bool {
            let mut state = self.state.lock();
            match &mut *state {
                State::Stands(now) => {
                    *now = time(*now);
                    true
                }
                State::Goes { .. } | State::Real => false,
            }
        }
    }
}

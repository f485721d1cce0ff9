//! A point in time.

use crate::primitives::clock::{Time, nanoseconds};
use crate::runtime::Handle;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A point in time, by the clock of the runtime that the thread is in, which is the machine's unless it was paused. Like [`std::time::Instant`], into which and from which it converts.
///
/// ```
/// use rt::time::{Duration, Instant};
///
/// let start = Instant::now();
/// assert!(start + Duration::from_secs(1) > start);
/// assert!(start.elapsed() < Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Time);

/// Farther than this nobody waits.
const FAR: u64 = 86400 * 365 * 30 * 1_000_000_000;

impl Instant {
    /// Now.
    #[inline]
    pub fn now() -> Instant {
        Instant(Handle::current_time())
    }

    /// From the standard library's. One that is over a century away is taken as the farthest there is.
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant(Time::from_std(std))
    }

    /// Into the standard library's.
    pub fn into_std(self) -> std::time::Instant {
        self.0.into_std()
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_since(earlier.0)
    }

    /// How long after `earlier` this is; `None` if it is not.
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        (*self >= earlier).then(|| self.duration_since(earlier))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }

    /// How long ago this was; zero if it is to come.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// `duration` later; `None` if that cannot be represented, which is some centuries from now.
    #[inline]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// `duration` earlier; `None` if that cannot be represented.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_sub(duration).map(Instant)
    }

    /// `duration` later, or farther than anybody waits.
    pub(super) fn later(self, duration: Duration) -> Instant {
        Instant(Time(self.0.0.saturating_add(nanoseconds(duration).unwrap_or(FAR))))
    }

    /// `duration` from now, or farther than anybody waits; and how many nanoseconds that is.
    #[inline]
    pub(super) fn in_time(duration: Duration) -> (Instant, u64) {
        let wait = nanoseconds(duration).unwrap_or(FAR);
        // The sum fits, because a clock that runs since some time of the machine has not run for a century.
        (Instant(Time(Handle::current_time().0 + wait)), wait)
    }

    #[inline]
    pub(super) fn time(self) -> Time {
        self.0
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    #[track_caller]
    fn add(self, duration: Duration) -> Instant {
        self.checked_add(duration).expect("overflow when adding a duration to an instant")
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    #[track_caller]
    fn sub(self, duration: Duration) -> Instant {
        self.checked_sub(duration).expect("overflow when subtracting a duration from an instant")
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.into_std().fmt(f)
    }
}

//! The one door to the machine's clock.
//!
//! Everything in the runtime that asks for the time asks here, so that a deterministic flavour can answer instead.
//!
//! There are two ways to say when something is. [`std::time::Instant`] is for what happens rarely. Timers count nanoseconds, a [`Time`],
//! which costs a third of the instructions.

use std::time::Instant;

/// The monotonic time now. Costs a clock read, about 24 ns on common hardware: never once per poll.
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) use tick::Tick;
#[cfg(feature = "time")]
pub(crate) use time::{Time, nanoseconds};

mod tick {
    use crate::primitives::plain::{AtomicU32, Ordering};
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    /// A point in time for statistics, 8.4 ms to a tick, that costs no clock read: whoever reads the clock anyway, or
    /// is about to sleep, says what time it is. While a runtime works that is every few milliseconds.
    ///
    /// After 417 days it begins again.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Tick(u32);

    /// Half as long, and the counter would begin again after 208 days; twice as long, and an age of 10 ms is no age.
    const NANOSECONDS: u32 = 23;

    static NOW: AtomicU32 = AtomicU32::new(0);

    fn start() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    impl Tick {
        /// Of the last [`advance`](Self::advance).
        #[inline(always)]
        pub(crate) fn now() -> Self {
            // Ordering: Relaxed; a number.
            Tick(NOW.load(Ordering::Relaxed))
        }

        /// It is `now`.
        pub(crate) fn advance(now: Instant) -> Self {
            let tick = (now.saturating_duration_since(start()).as_nanos() >> NANOSECONDS) as u32;
            // Ordering: Relaxed. Written only when it has changed, because everybody reads this line. A thread that is late may set
            // it back for a moment.
            if NOW.load(Ordering::Relaxed) != tick {
                NOW.store(tick, Ordering::Relaxed);
            }
            Tick(tick)
        }

        /// The time since `earlier`, which may be some milliseconds later.
        pub(crate) fn since(self, earlier: Self) -> Duration {
            let ticks = self.0.wrapping_sub(earlier.0);
            // What is half of a round away is not that old, but newer.
            if ticks > u32::MAX / 2 { Duration::ZERO } else { Duration::from_nanos(u64::from(ticks) << NANOSECONDS) }
        }

        pub(crate) fn from_raw(raw: u32) -> Self {
            Tick(raw)
        }

        #[inline(always)]
        pub(crate) fn as_raw(self) -> u32 {
            self.0
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ticks_tell_how_much_time_has_passed_about() {
            let start = Instant::now();
            let first = Tick::advance(start);
            let second = Tick::advance(start + Duration::from_secs(1));
            let since = second.since(first);
            assert!((Duration::from_millis(980)..=Duration::from_millis(1020)).contains(&since), "{since:?}");
            assert_eq!(first.since(second), Duration::ZERO);
            assert_eq!(Tick(5).since(Tick(u32::MAX - 4)), Duration::from_nanos(10 << NANOSECONDS));
        }
    }
}

#[cfg(feature = "time")]
mod time {
    use super::machine;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    /// A point in time by the clock of [`now`](super::now): nanoseconds since 73 years before that clock's zero, up to 511 years after it.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub(crate) struct Time(pub(crate) u64);

    /// The clock's zero, which std's instants may lie before.
    pub(super) const ZERO: u64 = 1 << 61;

    impl Time {
        /// As dear as any clock read.
        #[inline]
        pub(crate) fn now() -> Self {
            machine::now()
        }

        /// A time that has been, mostly not more than 10 ms ago. On Linux, a quarter of the price of a clock read.
        #[inline]
        pub(crate) fn coarse() -> Self {
            machine::coarse()
        }

        #[inline]
        pub(crate) fn checked_add(self, duration: Duration) -> Option<Self> {
            self.0.checked_add(nanoseconds(duration)?).map(Time)
        }

        #[inline]
        pub(crate) fn checked_sub(self, duration: Duration) -> Option<Self> {
            self.0.checked_sub(nanoseconds(duration)?).map(Time)
        }

        /// Zero if `earlier` is later.
        #[inline]
        pub(crate) fn saturating_since(self, earlier: Self) -> Duration {
            Duration::from_nanos(self.0.saturating_sub(earlier.0))
        }

        /// The nearest there is.
        pub(crate) fn from_std(instant: Instant) -> Self {
            let anchor = Anchor::get();
            match instant.checked_duration_since(anchor.instant) {
                Some(after) => anchor.time.checked_add(after).unwrap_or(Time(u64::MAX)),
                None => anchor.time.checked_sub(anchor.instant - instant).unwrap_or(Time(0)),
            }
        }

        /// The nearest that std knows; there are systems on which it knows nothing before their start.
        pub(crate) fn into_std(self) -> Instant {
            let anchor = Anchor::get();
            let instant = match self >= anchor.time {
                true => anchor.instant.checked_add(self.saturating_since(anchor.time)),
                false => anchor.instant.checked_sub(anchor.time.saturating_since(self)),
            };
            instant.unwrap_or(anchor.instant)
        }
    }

    /// `None` for more than 136 years.
    #[inline]
    pub(crate) fn nanoseconds(duration: Duration) -> Option<u64> {
        // One comparison, and no overflow.
        if duration.as_secs() >> 32 != 0 {
            return too_long();
        }
        Some(duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos()))
    }

    #[cold]
    #[inline(never)]
    fn too_long() -> Option<u64> {
        None
    }

    /// One point in time in both ways.
    struct Anchor {
        instant: Instant,
        time: Time,
    }

    impl Anchor {
        fn get() -> &'static Anchor {
            static ANCHOR: OnceLock<Anchor> = OnceLock::new();
            ANCHOR.get_or_init(|| {
                let before = Time::now();
                let instant = super::now();
                let after = Time::now();
                // std tells what an instant is made of only to people. If they are read wrongly, that shows; then this is a moment late, so
                // that nothing fires early.
                let said = machine::read_debug(&format!("{instant:?}")).filter(|said| (before..=after).contains(said));
                Anchor { instant, time: said.unwrap_or(after) }
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const HOUR: Duration = Duration::from_secs(3600);

        #[test]
        fn an_instant_of_the_standard_library_survives_the_way_there_and_back() {
            let now = Instant::now();
            for instant in [now, now + HOUR, now - HOUR, now + 1_000_000 * HOUR, now + Duration::from_nanos(1)] {
                assert_eq!(Time::from_std(instant).into_std(), instant);
            }
            let time = Time::now();
            assert_eq!(Time::from_std(time.into_std()), time);
        }

        #[test]
        fn both_clocks_are_one() {
            for _ in 0..1000 {
                let (first, second, third) = (Time::now(), Instant::now(), Time::now());
                assert!(first <= Time::from_std(second));
                assert!(Time::from_std(second) <= third);
            }
        }

        #[test]
        fn the_coarse_clock_is_never_ahead() {
            for _ in 0..1000 {
                assert!(Time::coarse() <= Time::now());
            }
        }

        #[test]
        fn what_is_too_far_is_the_nearest_there_is() {
            assert_eq!(Time(5).checked_sub(Duration::from_nanos(6)), None);
            assert_eq!(Time(5).checked_add(Duration::MAX), None);
            let far = Duration::from_secs(86400 * 365 * 600);
            if let Some(far) = Instant::now().checked_add(far) {
                assert_eq!(Time::from_std(far), Time(u64::MAX));
            }
        }
    }
}

/// On Linux, the clock under std's, asked without std's arithmetic.
#[cfg(all(feature = "time", target_os = "linux"))]
mod machine {
    use super::time::{Time, ZERO};
    use libc::{CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, clock_gettime, clockid_t};
    use std::mem::MaybeUninit;

    #[inline]
    pub(super) fn now() -> Time {
        read(CLOCK_MONOTONIC)
    }

    /// What the system noted at its last tick.
    #[inline]
    pub(super) fn coarse() -> Time {
        read(CLOCK_MONOTONIC_COARSE)
    }

    /// The C library's, and not rustix's, which looks for the kernel's clock page by itself, and dies of that under valgrind.
    #[inline]
    fn read(clock: clockid_t) -> Time {
        let mut time = MaybeUninit::uninit();
        // SAFETY: the pointer is to a place for the result.
        let error = unsafe { clock_gettime(clock, time.as_mut_ptr()) };
        if error != 0 {
            no_clock();
        }
        // SAFETY: the call has written it.
        let time = unsafe { time.assume_init() };
        // The monotonic clock is not negative, nor does it reach 511 years.
        #[allow(clippy::useless_conversion, reason = "it depends on the target")]
        Time(
            ZERO + (i64::from(time.tv_sec) as u64)
                .wrapping_mul(1_000_000_000)
                .wrapping_add(i64::from(time.tv_nsec) as u64),
        )
    }

    #[cold]
    fn no_clock() -> ! {
        panic!("this system has no monotonic clock");
    }

    /// What std prints of an instant.
    pub(super) fn read_debug(text: &str) -> Option<Time> {
        let number = |name: &str| -> Option<u64> {
            let (_, after) = text.split_once(name)?;
            let digits = after.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        };
        let nanoseconds = number("tv_sec:")?.checked_mul(1_000_000_000)?.checked_add(number("tv_nsec:")?)?;
        ZERO.checked_add(nanoseconds).map(Time)
    }
}

/// Elsewhere, std's clock, since it was first asked.
#[cfg(all(feature = "time", not(target_os = "linux")))]
mod machine {
    use super::time::{Time, ZERO};
    use std::sync::OnceLock;
    use std::time::Instant;

    pub(super) fn now() -> Time {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let now = super::now();
        let elapsed = now.saturating_duration_since(*FIRST.get_or_init(|| now));
        Time(ZERO).checked_add(elapsed).unwrap_or(Time(u64::MAX))
    }

    pub(super) fn coarse() -> Time {
        now()
    }

    pub(super) fn read_debug(_text: &str) -> Option<Time> {
        None
    }
}

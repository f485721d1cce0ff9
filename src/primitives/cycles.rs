//! The processor's counter: the cheapest way to say when something was, for what is recorded a million times a second.
//!
//! A clock read costs some 25 ns, half of it the arithmetic that makes nanoseconds of the counter. That is left to whoever reads a recording:
//! the counter is read beside the clock at its beginning and at its end, and what lies between is divided in proportion. It is taken for granted that
//! the counter runs at one rate, and is the same on all processors, as it is on those of the last fifteen years. If it is not,
//! times are wrong, and nothing else.
//!
//! | | counter |
//! |---|---|
//! | x86-64 | the time-stamp counter, which a processor reads in some 10 ns |
//! | aarch64, on Linux, Android and Apple's systems | the virtual timer's count |
//! | elsewhere | the clock's nanoseconds |

use std::time::Instant;

/// The counter now.
#[inline(always)]
pub(crate) fn now() -> u64 {
    counter::read()
}

/// One point in time by the counter and by the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub(crate) cycles: u64,
    time: Instant,
}

/// Attempts to read both at once. The best of them is taken: between the two reads of one the thread may lose its processor.
const ATTEMPTS: usize = 8;

impl Anchor {
    pub(crate) fn now() -> Self {
        let attempt = |_| {
            let (before, time, after) = (now(), super::clock::now(), now());
            let took = after.saturating_sub(before);
            (took, Anchor { cycles: before + took / 2, time })
        };
        let best = (0..ATTEMPTS).map(attempt).min_by_key(|(took, _)| *took);
        best.map(|(_, anchor)| anchor).expect("there is an attempt")
    }

    /// Nanoseconds by the clock from `self` to `later`.
    pub(crate) fn nanoseconds_to(&self, later: &Anchor) -> u64 {
        later.time.saturating_duration_since(self.time).as_nanos() as u64
    }
}

/// What a count is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Nanoseconds.
    one: f64,
}

impl Rate {
    pub(crate) fn between(begin: &Anchor, end: &Anchor) -> Self {
        let cycles = end.cycles.saturating_sub(begin.cycles);
        // Of no time at all, anything is right.
        Rate { one: if cycles == 0 { 1.0 } else { begin.nanoseconds_to(end) as f64 / cycles as f64 } }
    }

    /// So many cycles in nanoseconds.
    pub(crate) fn nanoseconds(&self, cycles: u64) -> u64 {
        (cycles as f64 * self.one) as u64
    }
}

#[cfg(target_arch = "x86_64")]
mod counter {
    #[inline(always)]
    pub(super) fn read() -> u64 {
        // SAFETY: every processor of this architecture has the instruction.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}

#[cfg(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod counter {
    #[inline(always)]
    pub(super) fn read() -> u64 {
        let count: u64;
        // SAFETY: these systems let programs read this register, which changes nothing.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
        count
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", any(target_os = "linux", target_os = "android", target_vendor = "apple"))
)))]
mod counter {
    use std::sync::OnceLock;
    use std::time::Instant;

    pub(super) fn read() -> u64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let now = crate::primitives::clock::now();
        now.saturating_duration_since(*FIRST.get_or_init(|| now)).as_nanos() as u64
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_lies_between_two_anchors_has_the_clocks_time() {
        let begin = Anchor::now();
        std::thread::sleep(Duration::from_millis(20));
        let (before, middle, after) = (Instant::now(), now(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let end = Anchor::now();
        let found = Rate::between(&begin, &end).nanoseconds(middle - begin.cycles);
        // For the anchors' own errors, and a machine that stops a thread between two reads.
        let slack = Duration::from_millis(2);
        let (before, after) = (before - begin.time, after - begin.time);
        let found = Duration::from_nanos(found);
        assert!(before.saturating_sub(slack) <= found && found <= after + slack, "{before:?} {found:?} {after:?}");
    }

    #[test]
    fn a_recording_of_no_time_has_a_rate() {
        let anchor = Anchor::now();
        assert_eq!(Rate::between(&anchor, &anchor).nanoseconds(0), 0);
    }
}

//! How late a timer is on purpose.
//!
//! A deadline is rounded up, so that timers which are due at nearly the same time are one wake-up: by less than a sixteenth of the wait and less
//! than 1.05 ms, but waits below a quarter of a millisecond by up to 16 us.

/// Digits, of nanoseconds, that become zero at least: 16 us, a fraction of what the system itself is late.
const FINEST: u32 = 14;
/// And at most: 1.05 ms. With twice as much, an animation would stutter; half as much costs a busy server twice as many wake-ups.
const COARSEST: u32 = 20;

/// From this wait on all deadlines are rounded alike.
pub(super) const COARSE_WAIT: u64 = 16 << COARSEST;

/// When a timer fires whose deadline is `wait` from now, or less. 0 for a wait of 0: the deadline may have been reached.
#[inline(always)]
pub(super) fn fires(deadline: u64, wait: u64) -> u64 {
    // As mostly, and then with constants.
    if wait >= COARSE_WAIT { to_digits(deadline, COARSEST) } else { fires_soon(deadline, wait) }
}

#[cold]
#[inline(never)]
fn fires_soon(deadline: u64, wait: u64) -> u64 {
    if wait == 0 {
        return 0;
    }
    to_digits(deadline, (wait / 16).checked_ilog2().unwrap_or(0).max(FINEST))
}

#[inline(always)]
fn to_digits(deadline: u64, digits: u32) -> u64 {
    let low = (1 << digits) - 1;
    (deadline + low) & !low
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use crate::driver::timers::word::LAST;

    #[test]
    fn a_deadline_is_rounded_up_by_less_than_a_sixteenth_of_the_wait_and_a_millisecond() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..100_000 {
            let now = random.u64(..1 << 50);
            let digits = random.u32(1..50);
            let wait = random.u64(1..1 << digits);
            let late = fires(now + wait, wait) - (now + wait);
            assert!(late < (wait / 16).clamp(1 << FINEST, 1 << COARSEST), "{late} after {wait}");
        }
    }

    #[test]
    fn the_last_deadline_there_is_can_be_rounded_up() {
        assert!(fires(LAST, LAST) >= LAST);
    }
}

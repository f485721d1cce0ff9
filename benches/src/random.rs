//! Numbers that look random, and are the same in every run and for every peer.

use std::ops::Range;
use std::time::Duration;

/// Knuth's linear congruential generator of MMIX. Its high bits, which are the better ones, are the ones that count here.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        // The first number of a small seed is hardly more than the seed.
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    /// Of a division by `end` this would be the remainder, which takes longer.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// To the microsecond.
    pub(crate) fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let microseconds = (range.end - range.start).as_micros() as u64;
        range.start + Duration::from_micros(self.below(microseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::time::Duration;

    #[test]
    fn numbers_are_spread_over_their_range() {
        let mut random = Random::new(1);
        let mut counts = [0; 10];
        (0..10_000).for_each(|_| counts[random.below(10) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn durations_keep_to_their_range() {
        let mut random = Random::new(1);
        let range = Duration::from_millis(1)..Duration::from_millis(50);
        assert!((0..1000).all(|_| range.contains(&random.duration(&range))));
    }
}

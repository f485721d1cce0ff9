//! When requests come that know nothing of each other.

use crate::random::Random;
use std::time::Duration;

/// Moments in nanoseconds from the start, whose gaps are exponentially distributed (a Poisson process). They are the same in each run
/// and for every peer.
#[derive(Debug)]
pub(super) struct Arrivals {
    random: Random,
    mean_gap: f64,
    next: f64,
    end: f64,
}

/// The gaps are as fine as one part in that many.
const STEPS: u64 = 1 << 52;

impl Arrivals {
    pub(super) fn new(per_second: f64, time: Duration) -> Self {
        Arrivals { random: Random::new(1), mean_gap: 1e9 / per_second, next: 0.0, end: time.as_nanos() as f64 }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // Not 0, of which there is no logarithm.
        let part = (self.random.below(STEPS) + 1) as f64 / STEPS as f64;
        self.next -= part.ln() * self.mean_gap;
        (self.next < self.end).then_some(self.next as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;
    use std::time::Duration;

    #[test]
    fn as_many_arrive_as_were_asked_for() {
        let arrivals: Vec<_> = Arrivals::new(10_000.0, Duration::from_secs(10)).collect();
        assert!((99_000..101_000).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted());
    }

    #[test]
    fn a_third_of_the_gaps_is_longer_than_the_mean() {
        let arrivals: Vec<_> = Arrivals::new(1e6, Duration::from_secs(1)).collect();
        let long = arrivals.windows(2).filter(|pair| pair[1] - pair[0] > 1000).count() as f64;
        assert!((0.36..0.38).contains(&(long / arrivals.len() as f64)), "1/e of them should be");
    }
}

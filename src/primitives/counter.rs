//! Statistics that cost their owner a load and a store.

use super::plain::{AtomicU64, Ordering};

/// A number that one thread at a time counts up, and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // Ordering: Relaxed; statistics. One writer, so no update is lost.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often times of each length were measured, in buckets that grow by a quarter of a power of two.
#[derive(Debug)]
pub(crate) struct Distribution([Counter; BUCKETS]);

/// Of the shortest bucket, in nanoseconds: 1 << UNIT.
const UNIT: u32 = 6;
/// Buckets of a power of two: 1 << PARTS. With half as many, a quantile is told to 50 % only; with twice as many, a worker's distribution takes 2 KiB.
const PARTS: u32 = 2;
/// The last begins after 60 s.
pub(crate) const BUCKETS: usize = 116;

impl Distribution {
    pub(crate) fn record(&self, nanoseconds: u64) {
        self.0[bucket(nanoseconds)].add(1);
    }

    pub(crate) fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|bucket| self.0[bucket].get())
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution([const { Counter(AtomicU64::new(0)) }; BUCKETS])
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let units = nanoseconds >> UNIT;
    let place = match units.checked_ilog2() {
        Some(power) if power >= PARTS => {
            let part = (units >> (power - PARTS)) & ((1 << PARTS) - 1);
            u64::from((power - PARTS + 1) << PARTS) + part
        }
        _ => units,
    };
    (place as usize).min(BUCKETS - 1)
}

/// Where a bucket begins, in nanoseconds.
pub(crate) fn bucket_begin(bucket: usize) -> u64 {
    let (power, part) = ((bucket >> PARTS) as u32, (bucket & ((1 << PARTS) - 1)) as u64);
    let units = if power == 0 { part } else { (1 << PARTS | part) << (power - 1) };
    units << UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_bucket_that_it_lies_in() {
        for nanoseconds in (0..100_000).chain((17..36).map(|power| 1 << power)).chain((17..36).map(|power| 3 << power))
        {
            let at = bucket(nanoseconds);
            assert!(bucket_begin(at) <= nanoseconds, "{nanoseconds} is before bucket {at}");
            assert!(at == BUCKETS - 1 || nanoseconds < bucket_begin(at + 1), "{nanoseconds} is after bucket {at}");
        }
    }

    #[test]
    fn buckets_grow_by_a_quarter_at_most() {
        for at in 8..BUCKETS - 1 {
            let (begin, end) = (bucket_begin(at), bucket_begin(at + 1));
            assert!(end > begin && (end - begin) * 4 <= begin, "{begin} to {end}");
        }
        assert!(bucket_begin(BUCKETS - 1) > 30_000_000_000);
    }

    #[test]
    fn the_longest_times_share_a_bucket() {
        let distribution = Distribution::default();
        distribution.record(u64::MAX);
        distribution.record(1 << 40);
        assert_eq!(distribution.counts()[BUCKETS - 1], 2);
    }
}

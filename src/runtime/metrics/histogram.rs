//! How long something took, and how often.

use crate::primitives::counter::{BUCKETS, bucket_begin};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// How often times of each length were measured. Buckets grow by a quarter, or less, so quantiles are as exact as that.
///
/// Printed with `{}`: how many there were, their quantiles and the longest.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

impl Histogram {
    pub(super) fn new(counts: [u64; BUCKETS]) -> Self {
        Histogram { counts: Box::new(counts) }
    }

    /// How many buckets each histogram has.
    pub const fn num_buckets() -> usize {
        BUCKETS
    }

    /// Which times a bucket counts. The last has no end: it is given as [`Duration::MAX`].
    ///
    /// # Panics
    ///
    /// If there is no bucket of that number.
    #[track_caller]
    pub fn bucket_range(bucket: usize) -> Range<Duration> {
        assert!(bucket < BUCKETS, "there is no bucket {bucket}: a histogram has {BUCKETS}");
        let begin = |bucket| Duration::from_nanos(bucket_begin(bucket));
        begin(bucket)..if bucket == BUCKETS - 1 { Duration::MAX } else { begin(bucket + 1) }
    }

    /// The count of a bucket.
    ///
    /// # Panics
    ///
    /// If there is no bucket of that number.
    #[track_caller]
    pub fn bucket_count(&self, bucket: usize) -> u64 {
        assert!(bucket < BUCKETS, "there is no bucket {bucket}: a histogram has {BUCKETS}");
        self.counts[bucket]
    }

    /// The buckets that are not empty: which times, and how often.
    pub fn buckets(&self) -> impl Iterator<Item = (Range<Duration>, u64)> + '_ {
        let counts = self.counts.iter().copied().enumerate();
        counts.filter(|&(_, count)| count > 0).map(|(bucket, count)| (Histogram::bucket_range(bucket), count))
    }

    /// How many times were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A time that so large a part of the times do not exceed: the end of a bucket. `None` if nothing was measured.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() {
    /// let snapshot = rt::runtime::Handle::current().metrics().snapshot();
    /// if let Some(p99) = snapshot.poll_times.quantile(0.99) {
    ///     println!("one poll in a hundred takes longer than {p99:?}");
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If `part` is not between 0 and 1.
    #[track_caller]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&part), "a quantile is between 0 and 1, and not {part}");
        let wanted = ((self.count() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|&count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Histogram::bucket_range(bucket).end)
    }

    /// The end of the last bucket that is not empty. `None` if nothing was measured.
    pub fn max(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(count, other)| *count += other);
    }

    pub(super) fn subtract(&mut self, earlier: &Histogram) {
        self.counts
            .iter_mut()
            .zip(earlier.counts.iter())
            .for_each(|(count, other)| *count = count.saturating_sub(*other));
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new([0; BUCKETS])
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(p50), Some(p99), Some(p999), Some(max)) =
            (self.quantile(0.5), self.quantile(0.99), self.quantile(0.999), self.max())
        else {
            return f.write_str("none");
        };
        write!(f, "{}: p50 < {p50:.1?}, p99 < {p99:.1?}, p99.9 < {p999:.1?}, all < {max:.1?}", self.count())
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[(usize, u64)]) -> Histogram {
        let mut all = [0; BUCKETS];
        counts.iter().for_each(|&(bucket, count)| all[bucket] = count);
        Histogram::new(all)
    }

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let times = histogram(&[(4, 98), (20, 1), (BUCKETS - 1, 1)]);
        assert_eq!(times.quantile(0.0), Some(Histogram::bucket_range(4).end));
        assert_eq!(times.quantile(0.98), Some(Histogram::bucket_range(4).end));
        assert_eq!(times.quantile(0.99), Some(Histogram::bucket_range(20).end));
        assert_eq!(times.max(), Some(Duration::MAX));
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(Histogram::default().to_string(), "none");
    }

    #[test]
    fn buckets_lie_side_by_side() {
        for bucket in 1..BUCKETS {
            assert_eq!(Histogram::bucket_range(bucket - 1).end, Histogram::bucket_range(bucket).start);
        }
        assert_eq!(Histogram::bucket_range(0).start, Duration::ZERO);
    }

    #[test]
    fn a_difference_has_what_came_since() {
        let mut later = histogram(&[(4, 10), (5, 1)]);
        later.subtract(&histogram(&[(4, 7)]));
        assert_eq!(later, histogram(&[(4, 3), (5, 1)]));
        later.add(&histogram(&[(5, 1)]));
        assert_eq!(later.buckets().map(|(_, count)| count).collect::<Vec<_>>(), [3, 2]);
    }
}

//! Counting and measuring, and numbers as people read them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many durations there were of each length, counted by any number of tasks at once.
///
/// A bucket is a sixteenth of a power of two wide, so what is read from it is at most 6 % too long.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    longest: AtomicU64,
}

/// Buckets to a power of two, as a power of two.
const FINENESS: u32 = 4;
const BUCKETS: usize = (64 - FINENESS as usize) << FINENESS;
/// 292 years, so that where the last bucket ends can still be said.
const LONGEST: u64 = u64::MAX >> 1;

/// Of a power of two, for the picture: buckets to a column. Four columns to a power of two are as many as fit a line.
const COLUMN: usize = 1 << (FINENESS - 2);

fn bucket_of(nanos: u64) -> usize {
    let Some(scale) = (nanos | 1).ilog2().checked_sub(FINENESS) else {
        return nanos as usize;
    };
    // The leading bit and the `FINENESS` bits after it; the leading one counts as one more scale.
    ((scale as usize) << FINENESS) + (nanos >> scale) as usize
}

/// The shortest duration of a bucket, in nanoseconds.
fn start_of(bucket: usize) -> u64 {
    match (bucket >> FINENESS).checked_sub(1) {
        None | Some(0) => bucket as u64,
        Some(scale) => {
            let leading = (bucket & ((1 << FINENESS) - 1)) | (1 << FINENESS);
            (leading as u64) << scale
        }
    }
}

/// What a [`Histogram`] says.
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
    pub(crate) spread: Spread,
}

/// The shape of a distribution, without its outermost hundredths.
pub(crate) struct Spread {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) counts: Vec<u64>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), longest: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(LONGEST);
        self.buckets[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn summary(&self) -> Summary {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let longest = self.longest.load(Ordering::Relaxed);
        let count = counts.iter().sum();
        let bucket_at = |share: f64| {
            let rank = (count as f64 * share).ceil() as u64;
            let mut seen = 0;
            let reached = |&bucket: &u64| {
                seen += bucket;
                seen >= rank
            };
            counts.iter().position(reached).unwrap_or(0)
        };
        let end_of = |bucket: usize| Duration::from_nanos(start_of(bucket + 1).min(longest));
        let (p50, p99) = (bucket_at(0.5), bucket_at(0.99));
        let first = bucket_at(0.01) / COLUMN * COLUMN;
        let last = (p99 / COLUMN + 1) * COLUMN;
        Summary {
            count,
            p50: end_of(p50),
            p99: end_of(p99),
            longest: Duration::from_nanos(longest),
            spread: Spread {
                from: Duration::from_nanos(start_of(first)),
                to: Duration::from_nanos(start_of(last)),
                counts: counts[first..last].chunks(COLUMN).map(|column| column.iter().sum()).collect(),
            },
        }
    }
}

/// A moment of a section's life.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) elapsed: Duration,
    /// What is shown now will stay.
    pub(crate) is_last: bool,
}

/// How fast a count grows: over the last second, and in the end over all the time.
#[derive(Default)]
pub(crate) struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

const WINDOW: Duration = Duration::from_secs(1);

impl Meter {
    /// Per second. `count` is what has been counted since the section began.
    pub(crate) fn rate(&mut self, moment: Moment, count: u64) -> f64 {
        let started = moment.now - moment.elapsed;
        if moment.is_last {
            return per_second(count, moment.elapsed);
        }
        while self.samples.get(1).is_some_and(|(at, _)| moment.now - *at >= WINDOW) {
            self.samples.pop_front();
        }
        let (since, before) = match self.samples.front() {
            Some(oldest) if moment.elapsed >= WINDOW => *oldest,
            _ => (started, 0),
        };
        self.samples.push_back((moment.now, count));
        per_second(count.saturating_sub(before), moment.now - since)
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, rounded.
pub(crate) fn rounded(rate: f64) -> String {
    grouped(rate.round() as u64)
}

/// Two or three digits and a unit: `950 ns`, `8.4 us`, `120 us`, `3.1 ms`.
pub(crate) fn span(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (amount, unit) = match nanos {
        ..1e3 => return format!("{nanos:.0} ns"),
        ..1e6 => (nanos / 1e3, "us"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    if amount < 9.95 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") }
}

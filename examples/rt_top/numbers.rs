//! Numbers for people, and what changed between two moments.

use crate::protocol::{Histogram, Metrics};
use std::collections::VecDeque;

/// Moments that are kept: what the little curves show.
const KEPT: usize = 60;
/// Between the moments of which histograms are.
pub(crate) const WINDOW_NS: u64 = 10_000_000_000;

/// The last numbers that were heard.
#[derive(Debug, Default)]
pub(crate) struct Moments(VecDeque<Metrics>);

impl Moments {
    pub(crate) fn push(&mut self, metrics: Metrics) {
        // Two pictures in one moment, because a key was pressed, are one.
        if self.0.len() > 1 && self.0.back().is_some_and(|last| metrics.elapsed_ns < last.elapsed_ns + 100_000_000) {
            self.0.pop_back();
        }
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
        self.0.push_back(metrics);
    }

    pub(crate) fn last(&self) -> Option<&Metrics> {
        self.0.back()
    }

    /// The one before.
    fn before(&self) -> Option<&Metrics> {
        self.0.iter().nth_back(1)
    }

    /// Per second, since the moment before. `None`: there was none.
    pub(crate) fn rate(&self, of: impl Fn(&Metrics) -> u64) -> Option<f64> {
        Some(rate(self.before()?, self.last()?, of))
    }

    /// The same, of each moment.
    pub(crate) fn rates(&self, of: impl Fn(&Metrics) -> u64) -> Vec<f64> {
        self.0.iter().zip(self.0.iter().skip(1)).map(|(before, after)| rate(before, after, &of)).collect()
    }

    /// What a histogram counted within the last ten seconds, or since the beginning if that is all there is; and of how many seconds it is.
    pub(crate) fn recent(&self, of: impl Fn(&Metrics) -> &Histogram) -> (Histogram, f64) {
        let Some(last) = self.last() else {
            return (Histogram::default(), 0.0);
        };
        let begin = self.0.iter().find(|moment| last.elapsed_ns - moment.elapsed_ns.min(last.elapsed_ns) <= WINDOW_NS);
        match begin.filter(|begin| begin.elapsed_ns < last.elapsed_ns) {
            Some(begin) => (of(last).since(of(begin)), seconds(last.elapsed_ns - begin.elapsed_ns)),
            None => (of(last).clone(), seconds(last.elapsed_ns)),
        }
    }
}

fn rate(before: &Metrics, after: &Metrics, of: impl Fn(&Metrics) -> u64) -> f64 {
    let seconds = seconds(after.elapsed_ns.saturating_sub(before.elapsed_ns)).max(1e-6);
    of(after).saturating_sub(of(before)) as f64 / seconds
}

pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// In five characters at most, up to a hundred billion.
pub(crate) fn short(number: f64) -> String {
    match number {
        n if n < 9.95 && n.fract().abs() > 0.05 => format!("{n:.1}"),
        n if n < 9_999.5 => format!("{n:.0}"),
        n if n < 99_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999_500.0 => format!("{:.0}k", n / 1e3),
        n if n < 99_950_000.0 => format!("{:.1}M", n / 1e6),
        n if n < 999_500_000.0 => format!("{:.0}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

/// With spaces between the thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// As many digits as mean something, in seven characters at most.
pub(crate) fn time(nanoseconds: u64) -> String {
    match nanoseconds as f64 {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 9.95e3 => format!("{:.1} us", n / 1e3),
        n if n < 999.5e3 => format!("{:.0} us", n / 1e3),
        n if n < 9.95e6 => format!("{:.1} ms", n / 1e6),
        n if n < 999.5e6 => format!("{:.0} ms", n / 1e6),
        n if n < 99.95e9 => format!("{:.1} s", n / 1e9),
        n if n < 600e9 => format!("{:.0} s", n / 1e9),
        n if n < 36_000e9 => format!("{:.1} min", n / 60e9),
        n if n < 360_000e9 => format!("{:.1} h", n / 3600e9),
        n => format!("{:.1} d", n / 86_400e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Bucket;

    fn moment(elapsed_ns: u64, spawned_tasks: u64) -> Metrics {
        let bucket = Bucket { from_ns: 64, to_ns: Some(128), count: spawned_tasks };
        let poll_times = Histogram { count: spawned_tasks, buckets: vec![bucket] };
        Metrics { elapsed_ns, spawned_tasks, poll_times, ..Metrics::default() }
    }

    #[test]
    fn a_rate_is_a_difference_in_a_time() {
        let mut moments = Moments::default();
        assert_eq!(moments.rate(|metrics| metrics.spawned_tasks), None);
        moments.push(moment(1_000_000_000, 100));
        moments.push(moment(3_000_000_000, 500));
        assert_eq!(moments.rate(|metrics| metrics.spawned_tasks), Some(200.0));
        // Another picture of the same moment takes its place.
        moments.push(moment(3_010_000_000, 510));
        assert_eq!(moments.rates(|metrics| metrics.spawned_tasks).len(), 1);
        (4..200).for_each(|second| moments.push(moment(second * 1_000_000_000, 500)));
        assert_eq!(moments.rates(|metrics| metrics.spawned_tasks).len(), KEPT);
    }

    #[test]
    fn a_histogram_is_of_the_last_ten_seconds() {
        let mut moments = Moments::default();
        moments.push(moment(1_000_000_000, 100));
        assert_eq!(moments.recent(|metrics| &metrics.poll_times).0.count, 100);
        (2..40).for_each(|second| moments.push(moment(second * 1_000_000_000, 100 + second)));
        let (recent, seconds) = moments.recent(|metrics| &metrics.poll_times);
        assert_eq!((recent.count, seconds), (10, 10.0));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.4, 7.0, 9.97, 1234.0, 12_345.0, 123_456.0, 1_234_567.0, 123_456_789.0, 5e9].map(short);
        assert_eq!(shown, ["0", "0.4", "7", "10", "1234", "12.3k", "123k", "1.2M", "123M", "5.0G"]);
        assert_eq!([7, 1234, 100_000].map(count), ["7", "1 234", "100 000"]);
        let shown =
            [17, 1_700, 17_000, 3_100_000, 250_000_000, 2_500_000_000, 90_000_000_000, 700_000_000_000].map(time);
        assert_eq!(shown, ["17 ns", "1.7 us", "17 us", "3.1 ms", "250 ms", "2.5 s", "90.0 s", "11.7 min"]);
    }
}

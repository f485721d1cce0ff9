//! How long requests took.

use hdrhistogram::Histogram;

/// In nanoseconds, to 0.1 %.
#[derive(Debug)]
pub(super) struct Latencies {
    of_requests: Histogram<u64>,
    of_sending: Histogram<u64>,
}

/// Longer ones count as this: a minute.
const LONGEST: u64 = 60_000_000_000;

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order");
        Latencies { of_requests: histogram(), of_sending: histogram() }
    }

    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.of_requests.saturating_record(nanoseconds);
    }

    /// By how much a request was sent too late that only this process has held up.
    pub(super) fn record_own_lateness(&mut self, nanoseconds: u64) {
        self.of_sending.saturating_record(nanoseconds);
    }

    pub(super) fn count(&self) -> u64 {
        self.of_requests.len()
    }

    /// In microseconds.
    pub(super) fn quantile(&self, quantile: f64) -> f64 {
        self.of_requests.value_at_quantile(quantile) as f64 / 1e3
    }

    /// In microseconds.
    pub(super) fn own_lateness(&self, quantile: f64) -> f64 {
        self.of_sending.value_at_quantile(quantile) as f64 / 1e3
    }
}

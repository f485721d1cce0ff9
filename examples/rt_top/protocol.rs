//! What a runtime tells, as `docs/insight-protocol.md` says. What is missing is zero or nothing, so that an older program can be looked at too.

use serde::Deserialize;
use std::time::Duration;

/// The protocol that this program knows.
pub(crate) const PROTOCOL: u32 = 1;

/// Which program it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) program: String,
    pub(crate) flavor: String,
    pub(crate) workers: usize,
    pub(crate) uptime_ns: u64,
    pub(crate) is_draining: bool,
    pub(crate) times_all_polls: bool,
    pub(crate) times_all_delays: bool,
    pub(crate) times_tasks: bool,
}

impl Hello {
    /// Without its folder.
    pub(crate) fn name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or_default()
    }
}

/// The numbers of a runtime.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metrics {
    pub(crate) elapsed_ns: u64,
    pub(crate) spawned_tasks: u64,
    pub(crate) remote_schedules: u64,
    pub(crate) stalls: u64,
    pub(crate) rescued_tasks: u64,
    pub(crate) reactor_events: u64,
    pub(crate) timers_fired: u64,
    pub(crate) alive_tasks: u64,
    pub(crate) global_queue_depth: u64,
    pub(crate) spare_workers: u64,
    pub(crate) blocking_threads: u64,
    pub(crate) idle_blocking_threads: u64,
    pub(crate) blocking_queue_depth: u64,
    pub(crate) is_recording: bool,
    pub(crate) poll_times: Histogram,
    pub(crate) schedule_delays: Histogram,
    pub(crate) workers: Vec<Worker>,
    pub(crate) spares: Worker,
    pub(crate) stall_sites: Vec<StallSite>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Worker {
    pub(crate) polls: u64,
    pub(crate) stolen_tasks: u64,
    pub(crate) stalls: u64,
    pub(crate) busy_ns: u64,
    pub(crate) queue_depth: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Histogram {
    pub(crate) count: u64,
    pub(crate) buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Bucket {
    pub(crate) from_ns: u64,
    /// The longest times have no end.
    pub(crate) to_ns: Option<u64>,
    pub(crate) count: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StallSite {
    pub(crate) location: String,
    pub(crate) count: u64,
    pub(crate) longest_ns: u64,
}

/// How many tasks there are, and what is listed of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listing {
    pub(crate) all: u64,
    pub(crate) running: u64,
    pub(crate) queued: u64,
    pub(crate) waiting: u64,
    pub(crate) matching: u64,
    pub(crate) tasks: Vec<Task>,
    /// How many places there are.
    pub(crate) places: u64,
    pub(crate) list: Vec<Place>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) worker: Option<usize>,
    pub(crate) running_ns: u64,
    #[serde(rename = "for")]
    pub(crate) waits_for: String,
    pub(crate) or_others: bool,
    pub(crate) remaining_ns: Option<u64>,
    pub(crate) location: String,
    pub(crate) age_ns: u64,
    pub(crate) polls: u64,
    pub(crate) last_poll_ns: Option<u64>,
    pub(crate) busy_ns: Option<u64>,
    pub(crate) stalls: u64,
}

/// The tasks of one place.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) location: String,
    pub(crate) name: Option<String>,
    pub(crate) tasks: u64,
    pub(crate) running: u64,
    pub(crate) queued: u64,
    pub(crate) waiting: u64,
    pub(crate) polls: u64,
    pub(crate) busy_ns: Option<u64>,
    pub(crate) oldest_ns: u64,
    pub(crate) stalls: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Dump {
    pub(crate) text: String,
    pub(crate) tasks: u64,
    pub(crate) is_cut: bool,
}

/// Of the flight recorder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Trace {
    pub(crate) is_on: bool,
    /// Where it was saved, if it was.
    pub(crate) path: Option<String>,
    pub(crate) events: u64,
    pub(crate) length_ns: u64,
}

impl Histogram {
    /// What came since an earlier one.
    pub(crate) fn since(&self, earlier: &Histogram) -> Histogram {
        let before = |bucket: &Bucket| {
            let same = earlier.buckets.iter().find(|other| other.from_ns == bucket.from_ns);
            same.map_or(0, |other| other.count)
        };
        let newer = |bucket: &Bucket| Bucket { count: bucket.count.saturating_sub(before(bucket)), ..*bucket };
        let buckets: Vec<_> = self.buckets.iter().map(newer).filter(|bucket| bucket.count > 0).collect();
        Histogram { count: buckets.iter().map(|bucket| bucket.count).sum(), buckets }
    }

    /// A time that so large a part of all do not exceed.
    pub(crate) fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = ((self.count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            seen += bucket.count;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(bucket.to_ns.unwrap_or(bucket.from_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(from_ns: u64, count: u64) -> Bucket {
        Bucket { from_ns, to_ns: Some(from_ns * 5 / 4), count }
    }

    #[test]
    fn a_difference_has_what_came_since() {
        let earlier = Histogram { count: 3, buckets: vec![bucket(100, 3)] };
        let later = Histogram { count: 7, buckets: vec![bucket(100, 3), bucket(1000, 4)] };
        let change = later.since(&earlier);
        assert_eq!((change.count, change.buckets), (4, vec![bucket(1000, 4)]));
    }

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let times = Histogram { count: 4, buckets: vec![bucket(100, 3), bucket(1000, 1)] };
        assert_eq!(times.quantile(0.5), Some(Duration::from_nanos(125)));
        assert_eq!(times.quantile(1.0), Some(Duration::from_nanos(1250)));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn what_is_missing_or_unknown_is_no_error() {
        let metrics: Metrics = serde_json::from_str(r#"{"protocol":1,"reply":"metrics","new":[1]}"#).unwrap();
        assert_eq!(metrics.spawned_tasks, 0);
        let task: Task = serde_json::from_str(r#"{"id":7,"for":"a timer"}"#).unwrap();
        assert_eq!((task.id, &*task.waits_for, task.busy_ns), (7, "a timer", None));
    }
}

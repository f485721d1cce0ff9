//! What each worker is doing, read from the runtime's metrics.

use crate::figures::{Meter, Moment, grouped, rounded};
use crate::screen::Row;
use rt::runtime::{Handle, RuntimeMetrics};

/// The workers since a section began.
pub(crate) struct Workers {
    metrics: RuntimeMetrics,
    before: Vec<Counts>,
    meters: Vec<Meter>,
}

#[derive(Clone, Copy)]
struct Counts {
    polls: u64,
    /// Times it took tasks from a peer.
    steals: u64,
    /// Tasks it took.
    stolen: u64,
}

/// A worker, or several together.
struct Activity {
    label: String,
    polls_per_second: f64,
    steals: u64,
    stolen: u64,
}

/// More rows than this would push the rest of a section off a small screen.
const SHOWN: usize = 8;

impl Workers {
    /// Of the runtime that this runs on.
    pub(crate) fn new() -> Self {
        let metrics = Handle::current().metrics();
        let before: Vec<Counts> = (0..metrics.num_workers()).map(|worker| counts(&metrics, worker)).collect();
        let meters = before.iter().map(|_| Meter::default()).collect();
        Workers { metrics, before, meters }
    }

    /// A bar for each worker, and how many tasks each has stolen, in one line.
    pub(crate) fn report(&mut self, moment: Moment) -> (Vec<Row>, String) {
        let mut activities = self.activities(moment);
        let busiest = activities.iter().map(|one| one.polls_per_second).fold(1.0, f64::max);
        let others = activities.split_off(activities.len().min(SHOWN));
        let mut rows: Vec<Row> = activities.iter().map(|one| one.row(one.polls_per_second / busiest)).collect();
        if !others.is_empty() {
            let all = together(&others);
            rows.push(all.row(all.polls_per_second / others.len() as f64 / busiest));
            activities.push(all);
        }
        let stolen: Vec<String> = activities.iter().map(|one| grouped(one.stolen)).collect();
        let note = if others.is_empty() { "" } else { "; the last by all others" };
        (rows, format!("stolen by worker: {}{note}", stolen.join(" ")))
    }

    fn activities(&mut self, moment: Moment) -> Vec<Activity> {
        let workers = self.before.iter().zip(&mut self.meters).enumerate();
        let activity = |(worker, (before, meter)): (usize, (&Counts, &mut Meter))| {
            let now = counts(&self.metrics, worker);
            Activity {
                label: format!("worker {worker}"),
                polls_per_second: meter.rate(moment, now.polls - before.polls),
                steals: now.steals - before.steals,
                stolen: now.stolen - before.stolen,
            }
        };
        workers.map(activity).collect()
    }
}

fn counts(metrics: &RuntimeMetrics, worker: usize) -> Counts {
    Counts {
        polls: metrics.worker_poll_count(worker),
        steals: metrics.worker_steal_operations(worker),
        stolen: metrics.worker_steal_count(worker),
    }
}

fn together(activities: &[Activity]) -> Activity {
    Activity {
        label: format!("{} more", activities.len()),
        polls_per_second: activities.iter().map(|one| one.polls_per_second).sum(),
        steals: activities.iter().map(|one| one.steals).sum(),
        stolen: activities.iter().map(|one| one.stolen).sum(),
    }
}

impl Activity {
    fn row(&self, share: f64) -> Row {
        Row::Bar {
            label: format!("{:<8}", self.label),
            share,
            value: format!(
                "{:>10} polls/s {:>8} steals {:>9} stolen",
                rounded(self.polls_per_second),
                grouped(self.steals),
                grouped(self.stolen)
            ),
        }
    }
}

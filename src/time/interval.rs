//! Deadlines at a fixed distance.

use super::{Instant, Sleep};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Ticks every `period`, the first time at once.
///
/// ```
/// use rt::time::{Duration, interval};
///
/// # #[rt::main]
/// # async fn main() {
/// let mut interval = interval(Duration::from_millis(2));
/// interval.tick().await; // at once
/// interval.tick().await; // 2 ms later
/// # }
/// ```
///
/// # Panics
///
/// If `period` is zero, or if this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// If `period` is zero, or if this thread is in no runtime, or in one without timers.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval must not be zero");
    Interval { sleep: Box::pin(Sleep::until_start(start)), period, missed: MissedTickBehavior::default() }
}

/// What an [`Interval`] does when it is polled so late that ticks were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Ticks at once for each missed tick, until it has caught up.
    #[default]
    Burst,
    /// Ticks at once, and every period from then on.
    Delay,
    /// Ticks at once, and then at the next multiple of the period since the start.
    Skip,
}

/// Ticks at a fixed distance. Made by [`interval`] and [`interval_at`].
#[derive(Debug)]
pub struct Interval {
    sleep: Pin<Box<Sleep>>,
    period: Duration,
    missed: MissedTickBehavior,
}

/// So late is not missed: a timer is rarely on time to the millisecond.
const GRACE: Duration = Duration::from_millis(5);

impl Interval {
    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, no tick has been used up.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.sleep.as_mut().poll(cx));
        let due = self.sleep.deadline();
        let now = Instant::now();
        let next = match self.missed {
            MissedTickBehavior::Delay if now > due.later(GRACE) => now.later(self.period),
            MissedTickBehavior::Skip if now > due.later(GRACE) => {
                let late = now.duration_since(due).as_nanos() % self.period.as_nanos();
                // Less than a period, and a period that is longer than 584 years has not been missed.
                now.later(self.period - Duration::from_nanos(u64::try_from(late).unwrap_or(0)))
            }
            _ => due.later(self.period),
        };
        self.sleep.as_mut().reset(next);
        Poll::Ready(due)
    }

    /// The next tick is one period from now.
    pub fn reset(&mut self) {
        self.reset_at(Instant::now().later(self.period));
    }

    /// The next tick is now.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick is `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().later(after));
    }

    /// The next tick is at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
    }

    /// What happens when ticks are missed.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens when ticks are missed. Default: [`MissedTickBehavior::Burst`].
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The distance between ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

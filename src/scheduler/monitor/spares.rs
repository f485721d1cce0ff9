//! How many spares may be out, and how fast they come.
//!
//! A spare replaces a worker that is stuck. For each that is *blocked* there may be one, because a blocked thread needs no processor.
//! Those that *compute* already use the processors, so that beyond one spare for each worker of the pool nobody gains: that much
//! lets the system share the processors out between the computations and everything else.
//!
//! A spare that gets stuck needs a spare in its turn, and so do all that take part in a convoy on one lock. The first of them come
//! at once, for tasks may wait for what only another task can do. But the more are out, the longer it takes until the next: what the
//! last [`STEP`] have not helped, a few more will hardly.

use std::time::{Duration, Instant};

/// After so many spares the time until the next doubles. Half of it makes a convoy of a few dozen tasks wait for seconds; twice as
/// much lets a hopeless one have hundreds of threads within a second. A pool with more workers has its own number.
const STEP: usize = 16;
/// Between the spares of the first step.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// See the module's page.
#[derive(Debug)]
pub(super) struct Spares {
    /// Workers of the pool.
    workers: usize,
    limit: usize,
    /// Whether there are spares for those that compute.
    for_loops: bool,
    last: Option<Instant>,
    /// The system refused the last one a thread.
    was_refused: bool,
}

impl Spares {
    pub(super) fn new(workers: usize, limit: usize, for_loops: bool) -> Self {
        Spares { workers, limit, for_loops, last: None, was_refused: false }
    }

    /// How many more may come now, in view of those that are out and those that are stuck; or, with 0, how long until the next may.
    pub(super) fn allow(
        &self,
        now: Instant,
        out: usize,
        blocked: usize,
        computing: usize,
    ) -> (usize, Option<Duration>) {
        let computing = if self.for_loops { computing.min(self.workers) } else { 0 };
        let more = (blocked + computing).min(self.limit).saturating_sub(out);
        if more == 0 {
            return (0, None);
        }
        let pause = self.pause(out);
        let since = self.last.map_or(pause, |last| now.saturating_duration_since(last));
        if since < pause { (0, Some(pause - since)) } else { (more.min(self.workers), None) }
    }

    fn pause(&self, out: usize) -> Duration {
        if self.was_refused {
            return LONGEST_PAUSE;
        }
        let steps = out / self.workers.max(STEP);
        if out < self.workers { Duration::ZERO } else { LONGEST_PAUSE.min(FIRST_PAUSE * (1 << steps.min(16))) }
    }

    pub(super) fn came(&mut self, now: Instant) {
        self.last = Some(now);
        self.was_refused = false;
    }

    pub(super) fn was_refused(&mut self, now: Instant) {
        self.last = Some(now);
        self.was_refused = true;
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn spares(workers: usize) -> (Spares, Instant) {
        (Spares::new(workers, 512, true), Instant::now())
    }

    #[test]
    fn as_many_come_at_once_as_the_pool_has_workers() {
        let (spares, now) = spares(4);
        assert_eq!(spares.allow(now, 0, 4, 0), (4, None));
        assert_eq!(spares.allow(now, 0, 1, 0), (1, None));
        assert_eq!(spares.allow(now, 4, 4, 0), (0, None));
    }

    #[test]
    fn the_more_are_out_the_longer_it_takes_until_the_next() {
        let (mut spares, now) = spares(2);
        spares.came(now);
        let mut pauses = Vec::new();
        for out in [1, 2, 16, 64, 500] {
            pauses.push(spares.allow(now, out, 600, 0).1.unwrap_or_default().as_millis());
        }
        assert_eq!(pauses, [0, 1, 2, 16, 250]);
        assert_eq!(spares.allow(now + LONGEST_PAUSE, 500, 600, 0), (2, None));
        assert_eq!(spares.allow(now + LONGEST_PAUSE, 512, 600, 0), (0, None));
    }

    #[test]
    fn those_that_compute_get_no_more_spares_than_the_pool_has_workers() {
        let (spares, now) = spares(2);
        assert_eq!(spares.allow(now, 0, 0, 10), (2, None));
        assert_eq!(spares.allow(now, 2, 0, 10), (0, None));
        let ignoring = Spares::new(2, 512, false);
        assert_eq!(ignoring.allow(now, 0, 0, 10), (0, None));
        assert_eq!(ignoring.allow(now, 0, 1, 10), (1, None));
    }

    #[test]
    fn a_system_that_refuses_a_thread_is_left_alone_for_a_while() {
        let (mut spares, now) = spares(2);
        spares.was_refused(now);
        assert_eq!(spares.allow(now, 0, 1, 0), (0, Some(LONGEST_PAUSE)));
        assert_eq!(spares.allow(now + LONGEST_PAUSE, 0, 1, 0), (1, None));
    }
}

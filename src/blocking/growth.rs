//! Whether one more thread helps.
//!
//! As many closures as there are processors begin at once. Those that wait behind them are looked after by a watcher, which has no
//! closure itself. At its looks it asks whether the threads get on:
//!
//! - At least as many closures have ended since the last look as there are busy threads: they are short, and the queue moves.
//!   No thread more; the next look is later.
//! - Fewer, because at least half of the busy threads compute: one more would only take a processor from another. None, unless there
//!   has been none for [`COMPUTING`], because a closure that seems to compute may in truth spin until another has begun. Only Linux tells.
//! - Fewer, because they block: the watcher takes a closure itself, and the next watcher another one at once, until some closure ends. In
//!   such a rush each watcher also wakes threads that are there, twice as many as the one before it.
//!
//! So a closure at the head of the queue waits for [`LONGEST`] if the others block, for [`COMPUTING`] if they compute, and then begins, as long
//! as fewer than the greatest number of threads are busy. What waits behind it has as many such times to wait as it has predecessors,
//! but mostly far fewer. Closures that wait for each other therefore all begin, up to that number.

use std::time::{Duration, Instant};

/// Until the first look. A thread that sleeps for so long is back after half as much again. Shorter, and closures of some ten
/// microseconds get threads that they do not need; longer, and those that block wait for longer before they begin.
const SHORTEST: Duration = Duration::from_micros(100);
/// Between looks at a queue that moves, of which one costs some 5 us. Longer makes a closure that blocks wait when those before it were short.
const LONGEST: Duration = Duration::from_millis(1);
/// Between threads that are added to threads that compute. Shorter, and a queue of computations soon has hundreds of threads; longer, and
/// closures that spin until others have begun wait.
pub(super) const COMPUTING: Duration = Duration::from_millis(20);

/// How long what the system has said of threads is good for. To ask costs some 50 us, to wake a thread 10: less, and 500 closures that
/// block begin later; more, and a rush goes on although what began in it computes.
const TRUSTED: Duration = Duration::from_micros(500);

/// Threads that one watcher adds in a rush. Half as many, and hundreds of closures that block begin twice as late; more are woken in vain when the
/// closures behind those that block are short.
const MOST: usize = 16;

/// See the module's page. One for each pool, used by the watcher.
#[derive(Debug)]
pub(super) struct Growth {
    /// Closures done by the last look.
    done: u64,
    since: Option<Instant>,
    interval: Duration,
    /// The last verdict was to grow because the others block. Then this is by how many.
    rush: usize,
    last: Option<Instant>,
    /// When the busy threads were last found to block.
    blocked: Option<Instant>,
}

/// What a watcher sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    /// Threads that run a closure.
    pub(super) busy: u64,
    /// Closures done since the pool began.
    pub(super) done: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take a closure, and wake so many that sleep to do so too.
    Grow { helpers: usize },
    /// Look again then.
    Wait(Instant),
}

impl Growth {
    pub(super) fn new() -> Self {
        Growth { done: 0, since: None, interval: SHORTEST, rush: 0, last: None, blocked: None }
    }

    /// A watcher begins. `compute` tells whether at least half of the busy threads do.
    pub(super) fn begin(&mut self, view: View, compute: impl FnOnce() -> bool) -> Verdict {
        if self.rush > 0 && self.done == view.done && !self.compute(view.now, compute) {
            self.last = Some(view.now);
            self.rush = MOST.min(2 * self.rush);
            return Verdict::Grow { helpers: self.rush - 1 };
        }
        self.rush = 0;
        self.interval = SHORTEST;
        self.wait(view)
    }

    /// Asks, unless it was a moment ago that they did not.
    fn compute(&mut self, now: Instant, compute: impl FnOnce() -> bool) -> bool {
        let is_known = self.blocked.is_some_and(|blocked| now.saturating_duration_since(blocked) < TRUSTED);
        if is_known {
            return false;
        }
        let computes = compute();
        self.blocked = (!computes).then_some(now);
        computes
    }

    /// The watcher looks again.
    pub(super) fn look(&mut self, view: View, compute: impl FnOnce() -> bool) -> Verdict {
        let due = self.since.unwrap_or(view.now) + self.interval;
        if view.now < due {
            return Verdict::Wait(due);
        }
        if view.done.saturating_sub(self.done) >= view.busy.max(1) {
            self.interval = LONGEST.min(self.interval * 2);
            return self.wait(view);
        }
        let is_recent = self.last.is_some_and(|last| view.now.saturating_duration_since(last) < COMPUTING);
        self.blocked = None;
        let computes = self.compute(view.now, compute);
        if computes && is_recent {
            self.interval = LONGEST;
            return self.wait(view);
        }
        self.rush = usize::from(!computes);
        self.done = view.done;
        self.last = Some(view.now);
        Verdict::Grow { helpers: 0 }
    }

    fn wait(&mut self, view: View) -> Verdict {
        self.done = view.done;
        self.since = Some(view.now);
        Verdict::Wait(view.now + self.interval)
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    struct Watched {
        growth: Growth,
        start: Instant,
    }

    impl Watched {
        fn new() -> Self {
            Watched { growth: Growth::new(), start: Instant::now() }
        }

        fn view(&self, after: Duration, busy: u64, done: u64) -> View {
            View { now: self.start + after, busy, done }
        }

        fn begin(&mut self, after: Duration, busy: u64, done: u64, compute: bool) -> Verdict {
            let view = self.view(after, busy, done);
            self.growth.begin(view, || compute)
        }

        fn look(&mut self, after: Duration, busy: u64, done: u64, compute: bool) -> Verdict {
            let view = self.view(after, busy, done);
            self.growth.look(view, || compute)
        }
    }

    #[test]
    fn a_queue_that_moves_gets_no_thread_and_is_looked_at_less_often() {
        let mut watched = Watched::new();
        let mut now = Duration::ZERO;
        assert_eq!(watched.begin(now, 2, 0, false), Verdict::Wait(watched.start + SHORTEST));
        let mut interval = SHORTEST;
        for look in 1..20 {
            now += interval;
            interval = LONGEST.min(2 * interval);
            assert_eq!(watched.look(now, 2, 2 * look, false), Verdict::Wait(watched.start + now + interval));
        }
        assert_eq!(interval, LONGEST);
    }

    #[test]
    fn closures_that_block_get_threads_one_after_the_other_until_one_ends() {
        let mut watched = Watched::new();
        assert!(matches!(watched.begin(Duration::ZERO, 2, 5, false), Verdict::Wait(_)));
        assert_eq!(watched.look(SHORTEST, 2, 6, false), Verdict::Grow { helpers: 0 });
        for helpers in [1, 3, 7, 15, 15] {
            assert_eq!(watched.begin(SHORTEST, 3, 6, false), Verdict::Grow { helpers });
        }
        assert_eq!(watched.begin(SHORTEST, 5, 7, false), Verdict::Wait(watched.start + 2 * SHORTEST));
        assert_eq!(
            watched.look(2 * SHORTEST, 5, 11, false),
            Verdict::Grow { helpers: 0 },
            "fewer than one for each thread"
        );
    }

    #[test]
    fn a_look_before_its_time_changes_nothing() {
        let mut watched = Watched::new();
        assert!(matches!(watched.begin(Duration::ZERO, 2, 0, false), Verdict::Wait(_)));
        assert_eq!(watched.look(SHORTEST / 2, 2, 0, false), Verdict::Wait(watched.start + SHORTEST));
    }

    #[test]
    fn closures_that_compute_get_a_thread_now_and_then() {
        let mut watched = Watched::new();
        assert!(matches!(watched.begin(Duration::ZERO, 2, 0, true), Verdict::Wait(_)));
        assert_eq!(watched.look(SHORTEST, 2, 0, true), Verdict::Grow { helpers: 0 }, "there has been none");
        let mut grown = 0;
        let mut now = SHORTEST;
        assert!(matches!(watched.begin(now, 3, 0, true), Verdict::Wait(_)), "no rush");
        while now < SHORTEST + 2 * COMPUTING {
            now += LONGEST;
            grown += u64::from(watched.look(now, 3 + grown, 0, true) == Verdict::Grow { helpers: 0 });
        }
        assert_eq!(grown, 2);
    }
}

//! Deadlines: a wheel for each worker, which anyone may turn.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Timers`], the shards; how they agree with the thread that waits |
//! | `timer` | [`Timer`], one timer; how its owner agrees with whoever fires it |
//! | `wheel` | timers by deadline |
//! | `list` | one timer's part in a wheel, and lists of them |
//! | `word` | one timer's state, and its transitions |
//! | `rounding` | how late a timer may be |
//! | `models` | the protocols under loom |
//! | `model` | the wheel beside a sorted map, for random tests and the fuzzer |
//!
//! Each worker arms timers in a shard of its own, so that no two workers share a line while they do. A shard is a wheel behind a lock that is
//! never held while user code runs, and publishes its earliest deadline in an atomic. So the thread that is about to wait learns how long it
//! may, and *anyone* can fire the timers of a shard that is overdue. A timer that is dropped leaves its wheel at once, wherever that is.
//!
//! # A new earliest deadline against the thread that waits
//!
//! Arming: insert under the shard's lock; if the deadline is earlier than the shard's `next`, publish it there, full fence, read
//! `waiting_until`: if that is later, interrupt the waiter. Waiting: publish `waiting_until`, full fence, read every shard's `next` again: if
//! one is earlier, begin anew. Of the two fences one is first, so the waiter knows of the deadline, or it is interrupted. A deadline that is not earlier
//! than `next` changes nothing: whoever waits does so no longer than until then.

mod list;
#[cfg(all(any(test, fuzzing), not(rt_loom)))]
pub(super) mod model;
#[cfg(all(test, rt_loom))]
mod models;
mod rounding;
mod timer;
mod wheel;
mod word;

use super::bell::Bell;
use super::clock::Clock;
use crate::primitives::atomic::{AtomicU64, Ordering, fence};
use crate::primitives::clock::Time;
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex};
use list::Entry;
use rounding::fires;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
pub(crate) use timer::Timer;
pub(crate) use wheel::TimerStatistics;
use wheel::{NEVER, Wheel};
#[cfg(feature = "test-util")]
pub(super) use word::LAST;

/// All timers of a runtime.
#[derive(Debug)]
pub(crate) struct Timers {
    common: Arc<Common>,
    shards: Box<[Arc<CachePadded<Shard>>]>,
}

/// What all shards share.
#[derive(Debug)]
struct Common {
    clock: Clock,
    bell: Arc<Bell>,
    /// When the waiting thread will look again; 0 while nobody waits, so that nothing is earlier.
    waiting_until: CachePadded<AtomicU64>,
}

#[derive(Debug)]
struct Shard {
    /// Never later than the wheel's. Written under the lock.
    next: AtomicU64,
    wheel: Mutex<Wheel>,
    common: Arc<Common>,
}

/// How many timers one turn touches. With a million due at once, the others of the thread that serves them wait for so many only; a tenth of a
/// millisecond, if none is in the cache.
const PER_TURN: usize = 512;
/// How many of them without letting the lock go, for which a worker that arms a timer may be waiting.
const PER_LOCK: usize = 256;

impl Timers {
    /// Timers for `shards` threads; for none, there are no timers. `bell` interrupts the thread that waits.
    pub(super) fn new(shards: usize, bell: &Arc<Bell>) -> Self {
        let waiting_until = CachePadded::new(AtomicU64::new(0));
        let clock = Clock::default();
        let now = clock.now().0;
        let common = Arc::new(Common { clock, bell: bell.clone(), waiting_until });
        let shard = |_| {
            let wheel = Mutex::new(Wheel::new(now));
            Arc::new(CachePadded::new(Shard { next: AtomicU64::new(NEVER), wheel, common: common.clone() }))
        };
        Timers { shards: (0..shards).map(shard).collect(), common }
    }

    #[cfg(feature = "test-util")]
    pub(super) fn clock(&self) -> &Clock {
        &self.common.clock
    }

    /// Whether there is something to do for [`fire`](Self::fire).
    #[cfg(feature = "test-util")]
    pub(super) fn is_due(&self) -> bool {
        self.earliest() <= self.common.clock.now().0
    }

    /// When the next timer fires, or many fire after that; not when one would have that is not there any more.
    #[cfg(feature = "test-util")]
    pub(super) fn exactly_next(&self) -> Option<Time> {
        for shard in &self.shards {
            let mut wheel = shard.wheel.lock();
            shard.publish(wheel.next());
        }
        Some(self.earliest()).filter(|next| *next != NEVER).map(Time)
    }

    pub(super) fn is_enabled(&self) -> bool {
        !self.shards.is_empty()
    }

    /// A timer that nobody knows of yet. `home` is the calling thread's shard, if it has one.
    ///
    /// `wait` is the time from now to the deadline, if the caller knows: see the module's page. `None`: there are no timers.
    #[inline(always)]
    pub(super) fn timer(&self, home: Option<usize>, deadline: Time, wait: Option<u64>) -> Option<Timer> {
        let shard = match home.and_then(|home| self.shards.get(home)) {
            Some(shard) => shard,
            None => self.foreign()?,
        };
        // In virtual time much may pass at any moment.
        let wait = wait.filter(|_| !self.common.clock.is_virtual());
        let fires = wait.map_or(0, |wait| fires(deadline.0, wait));
        Some(Timer { shard: shard.clone(), entry: Entry::new(fires) })
    }

    /// The shard of threads that have none.
    #[cold]
    #[inline(never)]
    fn foreign(&self) -> Option<&Arc<CachePadded<Shard>>> {
        self.shards.last()
    }

    fn earliest(&self) -> u64 {
        // Ordering: Relaxed; where it matters a fence stands before.
        self.shards.iter().map(|shard| shard.next.load(Ordering::Relaxed)).min().unwrap_or(NEVER)
    }

    /// Publishes how long the caller will wait, and returns it.
    pub(super) fn begin_wait(&self) -> Option<Duration> {
        loop {
            let until = self.earliest();
            // Ordering: Relaxed; the fence publishes it.
            self.common.waiting_until.store(until, Ordering::Relaxed);
            if planted::keeps(Step::WaiterFences) {
                // Pairs with the fence in `Shard::tell_waiter`.
                fence(Ordering::SeqCst);
            }
            if self.earliest() >= until {
                return (until != NEVER).then(|| Duration::from_nanos(until.saturating_sub(self.common.clock.now().0)));
            }
        }
    }

    pub(super) fn end_wait(&self) {
        // Ordering: Relaxed; a waker that still sees the deadline interrupts for nothing.
        self.common.waiting_until.store(0, Ordering::Relaxed);
    }

    /// Moves the wakers of timers that are due to `woken`; of all of them, unless there are very many.
    pub(super) fn fire(&self, woken: &mut Vec<Waker>) {
        // Without a look at the clock if nothing is armed.
        if self.earliest() == NEVER {
            return;
        }
        self.fire_at(self.common.clock.now().0, woken);
    }

    fn fire_at(&self, now: u64, woken: &mut Vec<Waker>) {
        let mut left = PER_TURN;
        for shard in &self.shards {
            // Ordering: Relaxed; what is missed now is found by the next turn.
            while left > 0 && shard.next.load(Ordering::Relaxed) <= now {
                let mut allowed = PER_LOCK.min(left);
                left -= allowed;
                let mut wheel = shard.wheel.lock();
                wheel.advance(now, &mut allowed, woken);
                left += allowed;
                shard.publish(wheel.next());
            }
        }
    }

    pub(super) fn statistics(&self) -> TimerStatistics {
        self.shards.iter().fold(TimerStatistics::default(), |sum, shard| {
            let TimerStatistics { armed, fired, cancelled } = shard.wheel.lock().statistics;
            TimerStatistics { armed: sum.armed + armed, fired: sum.fired + fired, cancelled: sum.cancelled + cancelled }
        })
    }

    /// Ends all timers, and moves their wakers to `woken`.
    pub(super) fn shut_down(&self, woken: &mut Vec<Waker>) {
        for shard in &self.shards {
            let mut wheel = shard.wheel.lock();
            wheel.close(woken);
            shard.publish(NEVER);
        }
    }
}

impl Common {
    /// When a timer fires whose deadline has not been reached. Virtual time is exact: nobody has to be spared a wake-up.
    fn fires(&self, deadline: u64, wait: u64) -> u64 {
        if self.clock.is_virtual() { deadline } else { fires(deadline, wait.max(1)) }
    }
}

impl Shard {
    /// Under the lock.
    fn publish(&self, next: u64) {
        // Ordering: Relaxed; whoever makes it earlier fences after it.
        self.next.store(next, Ordering::Relaxed);
    }

    /// Under the lock: a deadline has come in. True: [`tell_waiter`](Self::tell_waiter) after it.
    #[inline]
    fn publish_earlier(&self, deadline: u64) -> bool {
        // Ordering: Relaxed; it changes under the lock only.
        let is_earlier = deadline < self.next.load(Ordering::Relaxed);
        if is_earlier {
            self.publish(deadline);
        }
        is_earlier
    }

    fn tell_waiter(&self, deadline: u64) -> bool {
        if planted::keeps(Step::ArmerFences) {
            // Pairs with the fence in `begin_wait`.
            fence(Ordering::SeqCst);
        }
        // Ordering: Relaxed; see the fence.
        let waits_longer = deadline < self.common.waiting_until.load(Ordering::Relaxed);
        if waits_longer {
            self.common.bell.ring();
        }
        waits_longer
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn timers(shards: usize) -> Timers {
        let bell = Bell::new(
            #[cfg(feature = "net")]
            None,
        );
        Timers::new(shards, &Arc::new(bell))
    }

    /// Longer than any test.
    const LONG: u64 = 3600 * 1_000_000_000;

    fn timer(timers: &Timers, shard: usize) -> Timer {
        timers.timer(Some(shard), Time(0), None).unwrap()
    }

    fn after(start: Time, time: u64) -> Time {
        Time(start.0 + time)
    }

    fn fired(timers: &Timers, at: u64) -> usize {
        let mut woken = Vec::new();
        timers.fire_at(at, &mut woken);
        woken.into_iter().map(Waker::wake).count()
    }

    #[test]
    fn timers_fire_in_every_shard_once_their_deadline_is_reached() {
        let timers = timers(3);
        let start = Time::now();
        let mut armed: Vec<_> = (0..3).map(|shard| Box::pin(timer(&timers, shard))).collect();
        for (timer, hours) in armed.iter_mut().zip(1..) {
            assert!(timer.as_mut().poll(after(start, hours * LONG), Waker::noop()).is_pending());
        }
        let now = start.0;
        assert_eq!(fired(&timers, now + LONG - 1), 0);
        assert_eq!(fired(&timers, now + 2 * LONG + LONG / 2), 2);
        assert_eq!(fired(&timers, now + 2 * LONG + LONG / 2), 0);
        assert_eq!(fired(&timers, now + 4 * LONG), 1);
        assert!(armed.iter_mut().all(|timer| timer.as_mut().poll(start, Waker::noop()).is_ready()));
    }

    #[test]
    fn a_dropped_timer_does_not_fire() {
        let timers = timers(1);
        let mut dropped = Box::pin(timer(&timers, 0));
        assert!(dropped.as_mut().poll(after(Time::now(), LONG), Waker::noop()).is_pending());
        drop(dropped);
        assert_eq!(fired(&timers, LAST), 0);
    }

    #[test]
    fn polling_again_replaces_the_waker() {
        let timers = timers(1);
        let (first, second) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let mut timer = pin!(timer(&timers, 0));
        for waker in [&first, &second] {
            assert!(timer.as_mut().poll(after(Time::now(), LONG), &Waker::from(waker.clone())).is_pending());
        }
        assert_eq!(fired(&timers, LAST), 1);
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[test]
    fn only_an_earlier_deadline_interrupts_the_waiting_thread() {
        let timers = timers(2);
        let start = Time::now();
        let rung = || timers.common.bell.take_rung();
        let mut late = pin!(timer(&timers, 0));
        assert!(late.as_mut().poll(after(start, 5 * LONG), Waker::noop()).is_pending());
        assert!(!rung(), "nobody waits");
        assert!(timers.begin_wait().is_some_and(|limit| limit > Duration::from_nanos(4 * LONG)));
        let mut later = pin!(timer(&timers, 1));
        assert!(later.as_mut().poll(after(start, 6 * LONG), Waker::noop()).is_pending());
        assert!(!rung());
        let mut earlier = pin!(timer(&timers, 1));
        assert!(earlier.as_mut().poll(after(start, 4 * LONG), Waker::noop()).is_pending());
        assert!(rung());
        earlier.as_mut().reset(after(start, 3 * LONG));
        assert!(rung());
        timers.end_wait();
        earlier.as_mut().reset(after(start, 2 * LONG));
        assert!(!rung(), "nobody waits any more");
    }

    #[test]
    fn a_postponed_timer_fires_at_its_later_deadline_only() {
        let timers = timers(1);
        let start = Time::now();
        let mut timer = pin!(timer(&timers, 0));
        assert!(timer.as_mut().poll(after(start, LONG), Waker::noop()).is_pending());
        timer.as_mut().reset(after(start, 3 * LONG));
        let now = start.0;
        assert_eq!(fired(&timers, now + 2 * LONG), 0);
        assert_eq!(fired(&timers, now + 4 * LONG), 1);
    }

    #[test]
    fn with_a_million_due_at_once_a_turn_touches_a_bounded_number() {
        let timers = timers(1);
        let start = Time::now();
        let mut armed: Vec<_> = (0..3 * PER_TURN).map(|_| Box::pin(timer(&timers, 0))).collect();
        for timer in &mut armed {
            assert!(timer.as_mut().poll(after(start, LONG), Waker::noop()).is_pending());
        }
        let (mut turns, mut all) = (0, 0);
        while all < armed.len() {
            let some = fired(&timers, LAST);
            assert!(some <= PER_TURN);
            turns += 1;
            all += some;
            assert!(turns < 1000, "each turn gets on");
        }
    }

    #[test]
    fn shutting_down_wakes_all_and_makes_polling_again_a_panic() {
        let timers = timers(2);
        let mut timer = Box::pin(timer(&timers, 1));
        assert!(timer.as_mut().poll(after(Time::now(), LONG), Waker::noop()).is_pending());
        let mut woken = Vec::new();
        timers.shut_down(&mut woken);
        assert_eq!(woken.len(), 1);
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            timer.as_mut().poll(after(Time::now(), LONG), Waker::noop())
        }));
        assert!(polled.is_err());
        drop(timer);
    }
}

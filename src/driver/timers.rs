//! Deadlines, in shards.
//!
//! Each worker arms timers in a shard of its own, so that no two workers share a line while they do. A shard is a sorted
//! map behind a lock that is never held while user code runs, and publishes its earliest deadline in an atomic. So the
//! thread that is about to wait learns how long it may, and *anyone* can fire the timers of a shard that is overdue.
//!
//! # A new earliest deadline against the thread that waits
//!
//! Arming: insert under the shard's lock, publish the shard's `next`, full fence, read `waiting_until`: if that is later,
//! interrupt the waiter. Waiting: publish `waiting_until`, full fence, read every shard's `next` again: if one is earlier,
//! begin anew. Of the two fences one is first, so the waiter knows of the deadline, or it is interrupted.
//!
//! Time is counted in nanoseconds since the runtime was built: a `u64` of them lasts 584 years.

use crate::primitives::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex, clock};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

/// All timers of a runtime.
#[derive(Debug)]
pub(crate) struct Timers {
    epoch: Instant,
    shards: Box<[CachePadded<Shard>]>,
    /// When the waiting thread will look again; 0 while nobody waits, so that nothing is earlier.
    waiting_until: CachePadded<AtomicU64>,
    shut_down: AtomicBool,
}

#[derive(Debug)]
struct Shard {
    /// Never later than the earliest deadline in `armed`.
    next: AtomicU64,
    armed: Mutex<Armed>,
}

#[derive(Debug, Default)]
struct Armed {
    /// By deadline, then by order of arming.
    timers: BTreeMap<(u64, u64), Waker>,
    sequence: u64,
}

const NEVER: u64 = u64::MAX;

impl Timers {
    /// Timers for `shards` threads, if they are wanted.
    pub(super) fn enabled(wanted: bool, shards: usize) -> Option<Self> {
        wanted.then(|| Timers::new(shards))
    }

    fn new(shards: usize) -> Self {
        let shard = || CachePadded::new(Shard { next: AtomicU64::new(NEVER), armed: Mutex::new(Armed::default()) });
        Timers {
            epoch: clock::now(),
            shards: (0..shards.max(1)).map(|_| shard()).collect(),
            waiting_until: CachePadded::new(AtomicU64::new(0)),
            shut_down: AtomicBool::new(false),
        }
    }

    fn ticks(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER - 1).min(NEVER - 1)
    }

    fn earliest(&self) -> u64 {
        // Ordering: Relaxed; where it matters a fence stands before.
        self.shards.iter().map(|shard| shard.next.load(Ordering::Relaxed)).min().unwrap_or(NEVER)
    }

    /// Publishes how long the caller will wait, and returns it.
    pub(super) fn begin_wait(&self, now: Instant) -> Option<Duration> {
        loop {
            let until = self.earliest();
            // Ordering: Relaxed; the fence publishes it.
            self.waiting_until.store(until, Ordering::Relaxed);
            if planted::keeps(Step::WaiterFences) {
                // Pairs with the fence in `Entry::arm`.
                fence(Ordering::SeqCst);
            }
            if self.earliest() >= until {
                return (until != NEVER).then(|| Duration::from_nanos(until.saturating_sub(self.ticks(now))));
            }
        }
    }

    pub(super) fn end_wait(&self) {
        // Ordering: Relaxed; a waker that still sees the deadline interrupts for nothing.
        self.waiting_until.store(0, Ordering::Relaxed);
    }

    /// Moves the wakers of all timers that are due to `woken`.
    pub(super) fn fire(&self, now: Instant, woken: &mut Vec<Waker>) {
        let now = self.ticks(now);
        for shard in &self.shards {
            // Ordering: Relaxed; what is missed now is found by the next turn.
            if shard.next.load(Ordering::Relaxed) > now {
                continue;
            }
            let mut armed = shard.armed.lock();
            while let Some(timer) = armed.timers.first_entry() {
                if timer.key().0 > now {
                    break;
                }
                woken.push(timer.remove());
            }
            shard.publish(&armed);
        }
    }

    /// Whether nobody fires these timers any more.
    pub(super) fn is_shut_down(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `shut_down`. A timer armed before that is woken by it; one armed
        // after it, behind its shard's lock, sees it.
        self.shut_down.load(Ordering::Acquire)
    }

    pub(super) fn shut_down(&self, woken: &mut Vec<Waker>) {
        // Ordering: Release; the locks below publish it to every later `arm`.
        self.shut_down.store(true, Ordering::Release);
        for shard in &self.shards {
            let mut armed = shard.armed.lock();
            woken.extend(std::mem::take(&mut armed.timers).into_values());
            shard.publish(&armed);
        }
    }
}

impl Shard {
    fn publish(&self, armed: &Armed) {
        let next = armed.timers.first_key_value().map_or(NEVER, |((deadline, _), _)| *deadline);
        // Ordering: Relaxed; `Entry::arm` fences after it, all others only make it later.
        self.next.store(next, Ordering::Relaxed);
    }
}

/// One timer: a deadline, and its place in a shard while it is armed.
#[derive(Debug)]
pub(super) struct Entry {
    shard: usize,
    armed: Option<(u64, u64)>,
    deadline: u64,
}

impl Entry {
    /// A timer that nobody knows of yet. `shard` is the arming thread's own.
    pub(super) fn new(timers: &Timers, shard: usize, deadline: Instant) -> Self {
        Entry { shard: shard.min(timers.shards.len() - 1), armed: None, deadline: timers.ticks(deadline) }
    }

    /// Another deadline, for which the timer has to be armed again.
    pub(super) fn reset(&mut self, timers: &Timers, deadline: Instant) {
        self.disarm(timers);
        self.deadline = timers.ticks(deadline);
    }

    /// Arms the timer, or gives it another waker. True: the waiting thread must be interrupted.
    #[must_use]
    pub(super) fn arm(&mut self, timers: &Timers, waker: &Waker) -> bool {
        // Cloned before the lock, and the old one dropped after it: both may be the user's code.
        let waker = waker.clone();
        let shard = &timers.shards[self.shard];
        let mut armed = shard.armed.lock();
        if let Some(place) = self.armed.and_then(|key| armed.timers.get_mut(&key)) {
            let old = std::mem::replace(place, waker);
            drop(armed);
            drop(old);
            return false;
        }
        armed.sequence += 1;
        let key = (self.deadline, armed.sequence);
        armed.timers.insert(key, waker);
        self.armed = Some(key);
        shard.publish(&armed);
        drop(armed);
        if planted::keeps(Step::ArmerFences) {
            // Pairs with the fence in `begin_wait`.
            fence(Ordering::SeqCst);
        }
        // Ordering: Relaxed; see the fence.
        self.deadline < timers.waiting_until.load(Ordering::Relaxed)
    }

    /// Takes the timer out of its shard.
    pub(super) fn disarm(&mut self, timers: &Timers) {
        if let Some(key) = self.armed.take() {
            // `next` may stay too early: a turn for nothing, rather than a search now.
            let waker = timers.shards[self.shard].armed.lock().timers.remove(&key);
            drop(waker);
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn timer(timers: &Timers, shard: usize, millis: u64) -> Entry {
        Entry::new(timers, shard, timers.epoch + Duration::from_millis(millis))
    }

    fn fired(timers: &Timers, millis: u64) -> usize {
        let mut woken = Vec::new();
        timers.fire(timers.epoch + Duration::from_millis(millis), &mut woken);
        woken.len()
    }

    #[test]
    fn timers_fire_in_every_shard_once_their_deadline_is_reached() {
        let timers = Timers::new(3);
        let mut armed: Vec<_> = (0..3).map(|shard| timer(&timers, shard, 10 + shard as u64)).collect();
        for timer in &mut armed {
            let _ = timer.arm(&timers, Waker::noop());
        }
        assert_eq!(fired(&timers, 9), 0);
        assert_eq!(fired(&timers, 11), 2);
        assert_eq!(fired(&timers, 11), 0);
        assert_eq!(fired(&timers, 12), 1);
    }

    #[test]
    fn a_disarmed_timer_does_not_fire() {
        let timers = Timers::new(1);
        let mut disarmed = timer(&timers, 0, 5);
        let _ = disarmed.arm(&timers, Waker::noop());
        disarmed.disarm(&timers);
        assert_eq!(fired(&timers, 100), 0);
    }

    #[test]
    fn arming_again_replaces_the_waker() {
        let timers = Timers::new(1);
        let (first, second) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let mut timer = timer(&timers, 0, 5);
        let _ = timer.arm(&timers, &Waker::from(first.clone()));
        let _ = timer.arm(&timers, &Waker::from(second.clone()));
        let mut woken = Vec::new();
        timers.fire(timers.epoch + Duration::from_millis(5), &mut woken);
        woken.into_iter().for_each(Waker::wake);
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[test]
    fn only_an_earlier_deadline_interrupts_the_waiting_thread() {
        let timers = Timers::new(2);
        let mut late = timer(&timers, 0, 50);
        assert!(!late.arm(&timers, Waker::noop()), "nobody waits");
        assert_eq!(timers.begin_wait(timers.epoch), Some(Duration::from_millis(50)));
        let mut later = timer(&timers, 1, 60);
        assert!(!later.arm(&timers, Waker::noop()));
        let mut earlier = timer(&timers, 1, 40);
        assert!(earlier.arm(&timers, Waker::noop()));
        timers.end_wait();
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it() {
        loom::model(|| {
            let timers = Arc::new(Timers::new(2));
            let armer = thread::spawn({
                let timers = timers.clone();
                move || {
                    let mut entry = Entry::new(&timers, 1, timers.epoch + Duration::from_millis(5));
                    entry.arm(&timers, Waker::noop())
                }
            });
            let limit = timers.begin_wait(timers.epoch);
            let interrupts = armer.join().unwrap();
            assert!(limit.is_some() || interrupts, "the thread waits for ever and the timer is armed");
        });
    }

    #[test]
    fn the_timer_model_notices_an_armer_without_a_fence() {
        let name = "driver::timers::models::a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it";
        assert_caught(name, Step::ArmerFences);
    }

    #[test]
    fn the_timer_model_notices_a_waiter_without_a_fence() {
        let name = "driver::timers::models::a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it";
        assert_caught(name, Step::WaiterFences);
    }
}

//! Deadlines: a wheel for each worker, which anyone may turn.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Timers`], the shards; [`Timer`], one timer; how they agree with the thread that waits |
//! | `wheel` | timers by deadline |
//! | `list` | one timer's part in a wheel, and lists of them |
//! | `word` | one timer's state, and its transitions |
//! | `rounding` | how late a timer may be |
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
//!
//! # A timer that fires, against its owner
//!
//! An armed timer is the shard's, and touched under its lock; the `word` says whether it is. The shard gives it up by one last store, of
//! `FIRED`. The owner who reads that has it again, without the lock. The owner who reads a deadline locks the shard and reads again: now nothing
//! changes it any more. A deadline is *postponed* without the lock, by an exchange of the word, which either finds the timer armed still,
//! or fails; and firing is an exchange that fails if the timer was postponed just now.
//!
//! # How precise a timer is
//!
//! It never fires early. How much it is late on purpose says `rounding`.
//!
//! Whoever makes a timer that is to wait for some time has just read the clock. So arming it does without, and does not look whether that time has
//! passed meanwhile; if it has, the next turn fires it. Without the clock, arming and dropping a timer would cost half as much again.

mod list;
#[cfg(all(any(test, fuzzing), not(rt_loom)))]
pub(super) mod model;
mod rounding;
mod wheel;
mod word;

use super::bell::Bell;
use super::clock::Clock;
use crate::primitives::atomic::{AtomicU64, Ordering, fence};
use crate::primitives::clock::Time;
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex, MutexGuard};
use crate::task::wake_contained;
use list::Entry;
use rounding::{COARSE_WAIT, fires};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use wheel::{NEVER, Wheel};
pub(super) use word::LAST;
use word::State;

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

/// A timer of a driver, disarmed when dropped. Pinned, because an armed one is linked into a wheel.
#[derive(Debug)]
pub(crate) struct Timer {
    shard: Arc<CachePadded<Shard>>,
    entry: Entry,
}

impl Timer {
    /// Whether the deadline has been reached; if not, `waker`, and no other, will be woken then. `deadline` counts only if this is the first
    /// call since the last [`reset`](Self::reset).
    ///
    /// # Panics
    ///
    /// If the driver has shut down, because nobody would ever wake it.
    #[track_caller]
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        match self.entry.word.state() {
            State::Idle(0) => self.into_ref().look_and_arm(deadline, waker),
            State::Idle(deadline) => self.into_ref().arm(deadline, waker),
            State::Armed(deadline) => self.into_ref().poll_armed(Time(deadline), waker),
            State::Fired => Poll::Ready(()),
            State::Closed => shut_down(),
        }
    }

    #[track_caller]
    #[inline(never)]
    fn look_and_arm(self: Pin<&Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        let now = self.shard.common.clock.now();
        if deadline <= now {
            return Poll::Ready(());
        }
        let deadline = deadline.0.min(LAST);
        self.arm(self.shard.common.fires(deadline, deadline.saturating_sub(now.0)), waker)
    }

    #[track_caller]
    #[inline(always)]
    fn arm(self: Pin<&Self>, deadline: u64, waker: &Waker) -> Poll<()> {
        // Cloned before the lock: it may be the user's code.
        let waker = waker.clone();
        let wheel = self.shard.wheel.lock();
        if deadline <= wheel.elapsed() {
            return self.arm_late(wheel, deadline, waker);
        }
        self.arm_in(wheel, deadline, waker)
    }

    /// `arm` if the deadline has been reached in the meantime, or if nobody serves the wheel any more.
    #[track_caller]
    #[cold]
    #[inline(never)]
    fn arm_late(self: Pin<&Self>, wheel: MutexGuard<'_, Wheel>, deadline: u64, waker: Waker) -> Poll<()> {
        if wheel.is_closed() {
            drop(wheel);
            shut_down();
        }
        self.arm_in(wheel, deadline, waker)
    }

    #[inline(always)]
    fn arm_in(self: Pin<&Self>, mut wheel: MutexGuard<'_, Wheel>, deadline: u64, waker: Waker) -> Poll<()> {
        // SAFETY: nobody but its owner arms the entry, and it is idle. It is pinned, and its drop takes it out of the wheel.
        unsafe { wheel.insert(&self.get_ref().entry, deadline, waker) };
        let is_earliest = self.shard.publish_earlier(deadline);
        drop(wheel);
        if is_earliest {
            self.shard.tell_waiter(deadline);
        }
        Poll::Pending
    }

    /// Sees to it that `waker` is the one to be woken, if the timer is armed still.
    #[track_caller]
    fn poll_armed(self: Pin<&Self>, deadline: Time, waker: &Waker) -> Poll<()> {
        let (shard, entry) = (&self.shard, &self.entry);
        if deadline <= shard.common.clock.coarse() {
            // A task that polls again and again lets nobody fire it.
            drop(self.disarm());
            return Poll::Ready(());
        }
        let is_armed = |entry: &Entry| matches!(entry.word.state(), State::Armed(_));
        let mut wheel = shard.wheel.lock();
        // SAFETY: under the lock, an armed entry is in the wheel.
        if is_armed(entry) && unsafe { wheel.will_wake(entry, waker) } {
            return Poll::Pending;
        }
        drop(wheel);
        // Cloned before the lock, and the old one dropped after it: both may be the user's code.
        let waker = waker.clone();
        wheel = shard.wheel.lock();
        let unused = match is_armed(entry) {
            // SAFETY: as above.
            true => unsafe { wheel.replace_waker(entry, waker) },
            false => waker,
        };
        drop(wheel);
        drop(unused);
        match entry.word.state() {
            State::Closed => shut_down(),
            State::Fired => Poll::Ready(()),
            State::Armed(_) | State::Idle(_) => Poll::Pending,
        }
    }

    /// Another deadline. If the timer is armed, its waker is woken then; else it has to be polled first.
    pub(crate) fn reset(self: Pin<&mut Self>, deadline: Time) {
        match self.entry.word.state() {
            State::Idle(_) | State::Fired => self.entry.word.rest(),
            State::Armed(_) => self.into_ref().move_to(deadline),
            State::Closed => {}
        }
    }

    fn move_to(self: Pin<&Self>, deadline: Time) {
        let (shard, entry) = (&self.shard, &self.entry);
        let clock = &shard.common.clock;
        let wait = deadline.0.saturating_sub(clock.coarse().0);
        // A shorter one may be none.
        if wait < COARSE_WAIT && deadline <= clock.now() {
            // It completes when it is polled, to which its task is woken.
            return self.disarm().into_iter().for_each(wake_contained);
        }
        let deadline = shard.common.fires(deadline.0.min(LAST), wait);
        if entry.word.postpone(deadline) {
            return;
        }
        let mut wheel = shard.wheel.lock();
        match entry.word.state() {
            State::Armed(_) => {
                // SAFETY: under the lock, an armed entry is in the wheel.
                unsafe { wheel.move_to(entry, deadline) };
                let is_earliest = shard.publish_earlier(deadline);
                drop(wheel);
                if is_earliest {
                    shard.tell_waiter(deadline);
                }
            }
            State::Fired => entry.word.rest(),
            State::Idle(_) | State::Closed => {}
        }
    }

    /// Takes the timer out of its wheel, and returns its waker, which may be the user's code.
    fn disarm(&self) -> Option<Waker> {
        // SAFETY: it is called with the wheel that the entry is in.
        self.if_armed(|wheel| unsafe { wheel.remove(&self.entry) })
    }

    // Never: most timers that are dropped in the place where they were made have not been armed.
    #[inline(never)]
    fn drop_armed(&self) {
        // `next` may stay too early: a look for nothing, rather than a search now.
        // SAFETY: it is called with the wheel that the entry is in.
        drop(self.if_armed(|wheel| unsafe { wheel.remove_for_good(&self.entry) }));
    }

    /// Calls `f` with the wheel, if the timer is in it still.
    #[inline(always)]
    fn if_armed<R>(&self, f: impl FnOnce(&mut Wheel) -> R) -> Option<R> {
        let mut wheel = self.shard.wheel.lock();
        // Under the lock, an armed entry is in the wheel.
        let is_armed = matches!(self.entry.word.state(), State::Armed(_)) || !planted::keeps(Step::OwnerLooksAgain);
        is_armed.then(|| f(&mut wheel))
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.entry.word.state(), State::Armed(_)) {
            self.drop_armed();
        }
    }
}

#[track_caller]
#[cold]
fn shut_down() -> ! {
    panic!("the runtime of this timer has shut down: nobody would ever wake its task");
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

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::atomic::AtomicBool;
    use crate::primitives::planted::assert_caught;
    use loom::thread;
    use std::task::Wake;

    /// For the state of a waker, which is no part of the protocol.
    struct Note(AtomicBool);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn timers(shards: usize) -> Arc<Timers> {
        let bell = Bell::new(
            #[cfg(feature = "net")]
            None,
        );
        Arc::new(Timers::new(shards, &Arc::new(bell)))
    }

    const LONG: u64 = 3600 * 1_000_000_000;

    fn timer(timers: &Timers, shard: usize) -> Timer {
        timers.timer(Some(shard), Time(0), None).unwrap()
    }

    fn after(start: Time, time: u64) -> Time {
        Time(start.0 + time)
    }

    fn fire(timers: &Timers, at: u64) -> bool {
        let mut woken = Vec::new();
        timers.fire_at(at, &mut woken);
        woken.into_iter().map(Waker::wake).count() > 0
    }

    #[test]
    fn a_new_earliest_timer_is_known_to_the_waiting_thread_or_interrupts_it() {
        loom::model(|| {
            let timers = timers(2);
            let armer = thread::spawn({
                let timers = timers.clone();
                move || {
                    let mut timer = Box::pin(timer(&timers, 1));
                    let deadline = after(Time::now(), LONG).0;
                    // SAFETY: the timer is boxed, and its drop disarms it.
                    unsafe { timer.shard.wheel.lock().insert(&timer.entry, deadline, Waker::noop().clone()) };
                    let interrupts = timer.shard.publish_earlier(deadline) && timer.shard.tell_waiter(deadline);
                    timer.as_mut().reset(after(Time::now(), 2 * LONG));
                    (interrupts, timer)
                }
            });
            let limit = timers.begin_wait();
            let (interrupts, _timer) = armer.join().unwrap();
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

    // In the following, the owner is the second thread. loom looks for races with the last access to an atomic only, and the wheel reads a
    // word before it exchanges it.

    #[test]
    fn a_timer_that_is_dropped_while_it_fires_is_taken_out_once() {
        loom::model(|| {
            let timers = timers(1);
            let mut timer = Box::pin(timer(&timers, 0));
            let note = Arc::new(Note(AtomicBool::new(false)));
            assert!(timer.as_mut().poll(after(Time::now(), LONG), &Waker::from(note.clone())).is_pending());
            let owner = thread::spawn(move || {
                // As in its drop, but for the look at the outcome.
                if matches!(timer.entry.word.state(), State::Armed(_)) {
                    drop(timer.disarm());
                }
                timer.entry.word.state()
            });
            let has_fired = fire(&timers, LAST);
            let state = owner.join().unwrap();
            assert_eq!(state == State::Fired, has_fired, "a timer that has fired is not taken out again");
            assert_eq!(Arc::strong_count(&note), 1, "the waker is dropped once");
            assert_eq!(timers.shards[0].wheel.lock().next(), NEVER, "nothing is left in the wheel");
        });
    }

    #[test]
    fn the_firing_model_notices_an_owner_that_does_not_look_again() {
        let name = "driver::timers::models::a_timer_that_is_dropped_while_it_fires_is_taken_out_once";
        assert_caught(name, Step::OwnerLooksAgain);
    }

    #[test]
    fn a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it() {
        loom::model(|| {
            let timers = timers(1);
            let mut timer = Box::pin(timer(&timers, 0));
            assert!(timer.as_mut().poll(after(Time::now(), LONG), Waker::noop()).is_pending());
            let owner = thread::spawn(move || {
                if timer.entry.word.state() == State::Fired {
                    // Without the lock, as when it is armed again or its memory is used for something else.
                    // SAFETY: it has fired, so it is the owner's.
                    unsafe { timer.entry.put_waker(Waker::noop().clone()) };
                }
            });
            fire(&timers, LAST);
            owner.join().unwrap();
        });
    }

    #[test]
    fn the_firing_model_notices_a_wheel_that_does_not_release() {
        let name = "driver::timers::models::a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it";
        assert_caught(name, Step::FireReleases);
    }

    #[test]
    fn the_firing_model_notices_an_owner_that_does_not_acquire() {
        let name = "driver::timers::models::a_timer_that_has_fired_is_its_owners_again_with_all_that_was_written_to_it";
        assert_caught(name, Step::OwnerAcquires);
    }

    #[test]
    fn a_timer_is_either_postponed_or_fires() {
        loom::model(|| {
            let timers = timers(1);
            let start = Time::now();
            let mut timer = Box::pin(timer(&timers, 0));
            assert!(timer.as_mut().poll(after(start, LONG), Waker::noop()).is_pending());
            let between = after(start, 2 * LONG).0;
            let later = after(start, 3 * LONG).0;
            let owner = thread::spawn(move || (timer.entry.word.postpone(later), timer));
            let has_fired = fire(&timers, between);
            let (is_postponed, timer) = owner.join().unwrap();
            assert_ne!(is_postponed, has_fired);
            assert_eq!(timer.entry.word.state() == State::Fired, has_fired);
            assert_eq!(fire(&timers, LAST), is_postponed, "who postpones a timer finds it armed");
        });
    }

    #[test]
    fn the_postponing_model_notices_a_wheel_that_does_not_compare() {
        assert_caught("driver::timers::models::a_timer_is_either_postponed_or_fires", Step::FireCompares);
    }

    #[test]
    fn a_timer_that_is_reset_to_an_earlier_time_while_it_fires_is_armed_still_or_has_fired() {
        loom::model(|| {
            let timers = timers(1);
            let start = Time::now();
            let mut timer = Box::pin(timer(&timers, 0));
            assert!(timer.as_mut().poll(after(start, 2 * LONG), Waker::noop()).is_pending());
            let owner = thread::spawn(move || {
                timer.as_mut().reset(after(start, LONG));
                timer
            });
            let has_fired = fire(&timers, LAST);
            let timer = owner.join().unwrap();
            match timer.entry.word.state() {
                // It fired first; the owner polls it again.
                State::Idle(_) => assert!(has_fired, "it was armed, and is lost"),
                State::Armed(_) => assert!(!has_fired && fire(&timers, LAST), "it cannot fire"),
                State::Fired => assert!(has_fired),
                State::Closed => unreachable!(),
            }
        });
    }

    #[test]
    fn a_timer_that_is_polled_with_another_waker_while_it_fires_wakes_the_last_or_is_ready() {
        loom::model(|| {
            let timers = timers(1);
            let deadline = after(Time::now(), LONG);
            let note = || Arc::new(Note(AtomicBool::new(false)));
            let (first, second) = (note(), note());
            let is_woken = |note: &Note| note.0.load(Ordering::Relaxed);
            let mut timer = Box::pin(timer(&timers, 0));
            assert!(timer.as_mut().poll(deadline, &Waker::from(first.clone())).is_pending());
            let owner = thread::spawn({
                let waker = Waker::from(second.clone());
                move || (timer.as_mut().poll(deadline, &waker).is_ready(), timer)
            });
            let has_fired = fire(&timers, LAST);
            let (is_ready, timer) = owner.join().unwrap();
            match is_ready {
                true => assert!(has_fired && is_woken(&first)),
                false => assert!((has_fired || fire(&timers, LAST)) && is_woken(&second), "nobody polls it again"),
            }
            drop(timer);
            assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1), "each waker is dropped once");
        });
    }

    #[test]
    fn shutting_down_wakes_a_timer_or_makes_arming_it_a_panic() {
        loom::model(|| {
            let timers = timers(1);
            let timer = Box::pin(timer(&timers, 0));
            let owner = thread::spawn(move || {
                let mut wheel = timer.shard.wheel.lock();
                let is_armed = !wheel.is_closed();
                if is_armed {
                    // SAFETY: the timer is boxed, and its drop disarms it.
                    unsafe { wheel.insert(&timer.entry, 1, Waker::noop().clone()) };
                }
                drop(wheel);
                (is_armed, timer)
            });
            let mut woken = Vec::new();
            timers.shut_down(&mut woken);
            let (is_armed, timer) = owner.join().unwrap();
            assert_eq!(woken.len() == 1, is_armed);
            assert_eq!(timer.entry.word.state() == State::Closed, is_armed);
        });
    }
}

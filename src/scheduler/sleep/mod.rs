#![doc = include_str!("README.md")]

mod crew;
mod parker;
mod vigil;

pub(crate) use crew::Muster;
pub(crate) use parker::{Parker, Unpark};

use crate::primitives::atomic::{Ordering, fence, fence_behind_rmw};
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex};
use crew::Crew;
use vigil::Vigil;

/// Who sleeps, who searches, and whom to wake.
#[derive(Debug)]
pub(crate) struct Sleep {
    crew: CachePadded<Crew>,
    /// Indices of the parked workers, the last to park at the end.
    sleepers: Mutex<Vec<Sleeper>>,
    /// Read by whoever wakes up, written when there is nothing to watch.
    vigil: CachePadded<Vigil>,
    /// Workers of the pool, without spares: so many are to be able to work. Their indices come first.
    workers: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sleeper {
    worker: usize,
    watches_events: bool,
}

/// What became of a worker that leaves its place among the sleepers.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Retracted {
    /// It left by itself.
    Freely,
    /// A pusher had taken it: it counts as searching.
    Notified,
}

impl Sleep {
    pub(crate) fn new(workers: usize) -> Self {
        Sleep {
            crew: CachePadded::new(Crew::new(workers)),
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            vigil: CachePadded::new(Vigil::new()),
            workers,
        }
    }

    /// Steps 2 and 3 of pushing: returns a worker to unpark. It counts as searching from now on. `is_work_left` is asked only
    /// when there is somebody to wake.
    #[inline]
    pub(crate) fn notify(&self, is_work_left: impl FnOnce() -> bool) -> Option<usize> {
        if planted::keeps(Step::PusherFences) {
            // Pairs with the fence in `announce`: that worker sees our push, or we see it parked.
            fence(Ordering::SeqCst);
        }
        self.notify_cheaply(is_work_left)
    }

    /// Steps 2 and 3 of pushing, for a thread that has done a read-modify-write since it pushed: a worker took its next task.
    #[inline]
    pub(crate) fn notify_behind_rmw(&self, is_work_left: impl FnOnce() -> bool) -> Option<usize> {
        if planted::keeps(Step::PusherFences) {
            // Pairs with the fence in `announce`, as in `notify`.
            fence_behind_rmw();
        }
        self.notify_cheaply(is_work_left)
    }

    /// Step 3 of pushing without the fence before it: may miss a worker that is just going to sleep.
    #[inline]
    pub(crate) fn notify_cheaply(&self, is_work_left: impl FnOnce() -> bool) -> Option<usize> {
        if self.crew.wants_notification() && is_work_left() { self.take_sleeper() } else { None }
    }

    /// Wakes a worker even though another searches. For the monitor, when that one has made no progress.
    pub(crate) fn notify_anyway(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        self.choose(&mut sleepers)
    }

    #[cold]
    fn take_sleeper(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        if !self.crew.wants_notification() {
            return None;
        }
        self.choose(&mut sleepers)
    }

    fn choose(&self, sleepers: &mut Vec<Sleeper>) -> Option<usize> {
        let last = sleepers.len().checked_sub(1)?;
        // Leave the events watched as long as there is somebody else.
        let chosen = if sleepers[last].watches_events && last > 0 { last - 1 } else { last };
        let sleeper = sleepers.remove(chosen);
        self.crew.parked_to_searching();
        Some(sleeper.worker)
    }

    /// Running to searching, unless enough search already.
    #[inline]
    pub(crate) fn try_search(&self) -> bool {
        self.crew.try_search(self.workers)
    }

    /// Searching to running, with work found. True: it was the last searcher, and has to look for more and `notify`.
    #[inline]
    #[must_use]
    pub(crate) fn end_search(&self) -> bool {
        let last = self.crew.end_search();
        if last {
            // Pairs with the fence in `notify`: that pusher saw us searching and woke nobody, so we see its push; or it
            // saw us gone.
            fence(Ordering::SeqCst);
        }
        last && planted::keeps(Step::LastSearcherLooks)
    }

    /// Steps 1 to 3 of going to sleep. True: go on to block. False: `sees_work` found something, and the worker is
    /// searching.
    pub(crate) fn prepare(&self, worker: usize, was_searching: bool, sees_work: impl FnOnce() -> bool) -> bool {
        self.announce(worker, was_searching);
        if planted::keeps(Step::ParkerLooksAgain) && sees_work() {
            // Taken by a pusher or not, it searches now.
            let _ = self.retract(worker, true);
            return false;
        }
        true
    }

    /// Steps 1 and 2.
    fn announce(&self, worker: usize, was_searching: bool) {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push(Sleeper { worker, watches_events: false });
            self.crew.announce(was_searching);
        }
        if planted::keeps(Step::ParkerFences) {
            // Pairs with the fence in `notify`.
            fence(Ordering::SeqCst);
        }
    }

    /// Tells whom to leave alone while there is a choice: `worker`, which is parked, waits in the reactor.
    pub(crate) fn watches_events(&self, worker: usize) {
        let mut sleepers = self.sleepers.lock();
        if let Some(sleeper) = sleepers.iter_mut().find(|sleeper| sleeper.worker == worker) {
            sleeper.watches_events = true;
        }
    }

    /// Parked to searching, or to running.
    pub(crate) fn retract(&self, worker: usize, to_search: bool) -> Retracted {
        let mut sleepers = self.sleepers.lock();
        match sleepers.iter().rposition(|sleeper| sleeper.worker == worker) {
            Some(place) => {
                sleepers.remove(place);
                if to_search {
                    self.crew.parked_to_searching();
                } else {
                    self.crew.parked_to_running();
                }
                Retracted::Freely
            }
            None => Retracted::Notified,
        }
    }

    /// Whether some worker neither sleeps nor searches, nor is known to be stuck.
    pub(crate) fn anyone_runs(&self) -> bool {
        let muster = self.crew.muster();
        muster.at_work() > muster.searching
    }

    /// The counts, about.
    pub(crate) fn muster(&self) -> Muster {
        self.crew.muster()
    }

    /// A spare comes in, and searches.
    pub(crate) fn enlist(&self) {
        self.crew.enlist();
    }

    /// A spare that was to come does not. It has to end its search.
    pub(crate) fn strike(&self) {
        self.crew.strike();
    }

    /// Whether a spare may leave: the pool is as strong as it should be without it. It is no member any more then.
    #[inline]
    pub(crate) fn retire(&self) -> bool {
        self.crew.retire(self.workers)
    }

    /// Whether more are able to work than the pool has workers.
    pub(crate) fn is_overmanned(&self) -> bool {
        self.crew.muster().able() > self.workers
    }

    /// A member is about to be found stuck.
    pub(crate) fn begin_stuck(&self) {
        self.crew.begin_stuck();
    }

    /// A member is stuck no more. Somebody has to look for a [`superfluous`](Self::superfluous) spare.
    pub(crate) fn end_stuck(&self) {
        self.crew.end_stuck();
    }

    /// A spare to unpark, because it sleeps and the pool is as strong as it should be without it. It counts as searching from now
    /// on. Spares that are awake see for themselves.
    pub(crate) fn superfluous(&self) -> Option<usize> {
        if !self.is_overmanned() || self.crew.muster().parked == 0 {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        let spare = sleepers.iter().position(|sleeper| sleeper.worker >= self.workers)?;
        self.crew.parked_to_searching();
        Some(sleepers.remove(spare).worker)
    }

    /// The monitor has nothing to watch, because everybody who is not stuck sleeps. False: somebody does not.
    pub(crate) fn try_end_watch(&self) -> bool {
        self.vigil.try_sleep(&self.crew)
    }

    /// This worker is awake, or stuck no more. True: the monitor sleeps, and the caller has to set its alarm.
    #[inline]
    pub(crate) fn needs_watch(&self) -> bool {
        self.vigil.rouse()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_woken_while_somebody_searches() {
        let sleep = Sleep::new(4);
        sleep.announce(0, false);
        sleep.announce(1, false);
        assert!(sleep.try_search());
        assert_eq!(sleep.notify(|| true), None);
        assert!(sleep.end_search());
        assert_eq!(sleep.notify(|| true), Some(1));
        assert_eq!(sleep.notify(|| true), None, "the woken one searches");
    }

    #[test]
    fn at_most_half_of_the_workers_search() {
        let sleep = Sleep::new(4);
        assert!(sleep.try_search());
        assert!(sleep.try_search());
        assert!(!sleep.try_search());
    }

    #[test]
    fn the_watcher_of_events_is_woken_last() {
        let sleep = Sleep::new(4);
        sleep.announce(2, false);
        sleep.announce(3, false);
        sleep.watches_events(3);
        assert_eq!(sleep.notify(|| true), Some(2));
        assert!(sleep.end_search());
        assert_eq!(sleep.notify(|| true), Some(3));
    }

    #[test]
    fn a_worker_that_was_taken_learns_so_when_it_retracts() {
        let sleep = Sleep::new(2);
        sleep.announce(0, false);
        assert_eq!(sleep.notify(|| true), Some(0));
        assert_eq!(sleep.retract(0, false), Retracted::Notified);
        assert!(sleep.end_search());
        sleep.announce(1, false);
        assert_eq!(sleep.retract(1, false), Retracted::Freely);
        assert_eq!(sleep.muster().parked, 0);
    }

    #[test]
    fn a_spare_stays_as_long_as_a_worker_is_stuck() {
        let sleep = Sleep::new(2);
        sleep.begin_stuck();
        sleep.enlist();
        assert_eq!(sleep.muster().able(), 2);
        assert!(!sleep.retire());
        sleep.end_stuck();
        assert_eq!(sleep.superfluous(), None, "the spare is awake, and sees for itself");
        assert!(sleep.retire());
        assert!(!sleep.retire(), "one too many, not two");
    }

    #[test]
    fn a_spare_that_sleeps_is_woken_when_it_is_needed_no_more() {
        let sleep = Sleep::new(2);
        sleep.begin_stuck();
        sleep.enlist();
        sleep.announce(2, true);
        sleep.announce(1, false);
        assert_eq!(sleep.superfluous(), None, "a worker is stuck");
        sleep.end_stuck();
        assert_eq!(sleep.superfluous(), Some(2));
        assert!(sleep.retire());
        assert!(sleep.end_search());
        assert_eq!(sleep.muster(), Muster { parked: 1, members: 2, stuck: 0, searching: 0 });
    }

    #[test]
    fn a_searcher_that_makes_no_progress_does_not_keep_the_monitor_from_waking_another() {
        let sleep = Sleep::new(2);
        sleep.announce(1, false);
        assert!(sleep.try_search());
        assert_eq!(sleep.notify(|| true), None);
        assert_eq!(sleep.notify_anyway(), Some(1));
        assert_eq!(sleep.notify_anyway(), None);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// Workers whose queues are a number: how many tasks are visible.
    struct Model {
        sleep: Sleep,
        parkers: Vec<Parker>,
        visible: AtomicUsize,
    }

    impl Model {
        fn new(workers: usize) -> Arc<Self> {
            let parkers = (0..workers).map(|_| Parker::new()).collect();
            Arc::new(Model { sleep: Sleep::new(workers), parkers, visible: AtomicUsize::new(0) })
        }

        fn push(&self) {
            self.visible.fetch_add(1, Ordering::Release);
            self.notify();
        }

        fn notify(&self) {
            if let Some(worker) = self.sleep.notify(|| true) {
                let _ = self.parkers[worker].unpark();
            }
        }

        fn take(&self) -> bool {
            self.visible.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1)).is_ok()
        }

        /// Goes to sleep as a worker does; false if it must not.
        fn park(&self, worker: usize, was_searching: bool) -> bool {
            self.sleep.prepare(worker, was_searching, || self.visible.load(Ordering::Relaxed) > 0)
        }

        /// Whether a parked worker would return from blocking now.
        fn would_wake(&self, worker: usize) -> bool {
            self.parkers[worker].is_notified()
        }
    }

    #[test]
    fn a_push_finds_the_sleeper_or_the_sleeper_finds_the_push() {
        loom::model(|| {
            let model = Model::new(1);
            let pusher = thread::spawn({
                let model = model.clone();
                move || model.push()
            });
            let asleep = model.park(0, false);
            pusher.join().unwrap();
            assert!(!asleep || model.would_wake(0), "a task waits and its worker sleeps");
        });
    }

    #[test]
    fn the_last_searcher_takes_over_the_duty_to_wake() {
        loom::model(|| {
            let model = Model::new(4);
            model.sleep.announce(1, false);
            assert!(model.sleep.try_search());
            model.visible.store(1, Ordering::Relaxed);
            // A pusher that may find worker 0 searching, and then wakes nobody.
            let pusher = thread::spawn({
                let model = model.clone();
                move || model.push()
            });
            // Worker 0 finds one task and runs it, for ever.
            assert!(model.take());
            if model.sleep.end_search() && model.visible.load(Ordering::Relaxed) > 0 {
                model.notify();
            }
            pusher.join().unwrap();
            assert!(model.would_wake(1), "a task waits, worker 0 is busy and worker 1 sleeps");
        });
    }

    #[test]
    fn a_searcher_that_gives_up_looks_once_more() {
        loom::model(|| {
            let model = Model::new(2);
            assert!(model.sleep.try_search());
            let pusher = thread::spawn({
                let model = model.clone();
                move || model.push()
            });
            let asleep = !model.take() && model.park(0, true);
            pusher.join().unwrap();
            let served = model.visible.load(Ordering::Relaxed) == 0;
            assert!(!asleep || served || model.would_wake(0), "a task waits and its worker sleeps");
        });
    }

    #[test]
    fn a_spare_that_goes_to_sleep_is_found_by_the_worker_that_comes_back_or_sees_it() {
        loom::model(|| {
            let model = Model::new(1);
            // Worker 0 is stuck, and spare 1 in its place.
            model.sleep.begin_stuck();
            model.sleep.enlist();
            let worker = thread::spawn({
                let model = model.clone();
                move || {
                    model.sleep.end_stuck();
                    model.sleep.superfluous()
                }
            });
            let asleep = model.sleep.prepare(1, true, || model.sleep.is_overmanned());
            let called = worker.join().unwrap();
            assert!(!asleep || called == Some(1), "a spare that is not needed sleeps");
        });
    }

    #[test]
    fn the_spare_model_notices_a_spare_that_does_not_look_again() {
        let name =
            "scheduler::sleep::models::a_spare_that_goes_to_sleep_is_found_by_the_worker_that_comes_back_or_sees_it";
        assert_caught(name, Step::ParkerLooksAgain);
    }

    #[test]
    fn the_parking_model_notices_a_pusher_without_a_fence() {
        let name = "scheduler::sleep::models::a_push_finds_the_sleeper_or_the_sleeper_finds_the_push";
        assert_caught(name, Step::PusherFences);
    }

    #[test]
    fn the_parking_model_notices_a_parker_without_a_fence() {
        let name = "scheduler::sleep::models::a_push_finds_the_sleeper_or_the_sleeper_finds_the_push";
        assert_caught(name, Step::ParkerFences);
    }

    #[test]
    fn the_parking_model_notices_a_parker_that_does_not_look_again() {
        let name = "scheduler::sleep::models::a_push_finds_the_sleeper_or_the_sleeper_finds_the_push";
        assert_caught(name, Step::ParkerLooksAgain);
    }

    #[test]
    fn the_search_model_notices_a_last_searcher_that_just_leaves() {
        let name = "scheduler::sleep::models::the_last_searcher_takes_over_the_duty_to_wake";
        assert_caught(name, Step::LastSearcherLooks);
    }
}

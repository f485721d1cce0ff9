//! Who belongs to a scope: the protocol between its parent, its children, whoever spawns, and whoever cancels.
//!
//! # Phases
//!
//! | phase | a spawn is | reached by |
//! |---|---|---|
//! | `Open` | admitted | – |
//! | `Cancelled` | admitted | cancelling a scope that gives its children a grace |
//! | `Aborted` | refused | cancelling one that does not; the end of the grace |
//! | `Closed` | refused | the parent's look, when its body and all children have ended; the end of the parent itself |
//!
//! A phase is never left for an earlier one. From `Cancelled` on, the signal is set.
//!
//! # A child
//!
//! 1. *Admit*: a place is reserved and counted, before there is a task. From here on the scope does not end without it.
//! 2. The task is spawned. It can run, and end, at once.
//! 3. *Settle*: the spawner leaves the task's handle at the place, for whoever aborts. Two things can have happened since step 1:
//!    the child has left (the place is given up, and the handle with it); the scope has been aborted (the spawner aborts).
//! 4. *Leave*: the child's future has been dropped, and its value is with its handle. The place is given up, and the count goes down.
//!    The last child wakes the parent, if its body has ended.
//!
//! All steps are under one lock, and each is short. Handles are aborted and wakers woken after it was given back: either may run
//! code of the user's.
//!
//! # Why it does not end too early, or never
//!
//! *Too early*: the parent ends in the phase `Closed`, which it enters under the lock when the count is zero. The count goes down only in
//! step 4, and up only in step 1, which `Closed` refuses. *Never*: the parent leaves its waker under the lock under which it looks
//! at the count, so whoever takes the last child out afterwards finds the waker. *Not cancelled*: whoever aborts takes all handles that have
//! settled; of the others, each spawner finds the phase in step 3.

use crate::primitives::Mutex;
use crate::primitives::planted::{self, Step};
use crate::primitives::slab::Slab;
use crate::task::signal::Signal;
use crate::task::{AbortHandle, wake_contained};
use std::task::Waker;

/// What a scope can abort.
pub(super) trait Abort {
    /// Makes the child end, at its next await point. It may have ended.
    fn abort(&self);
}

impl Abort for AbortHandle {
    fn abort(&self) {
        AbortHandle::abort(self);
    }
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Members<A> {
    list: Mutex<List<A>>,
    cancelled: Signal,
    has_grace: bool,
}

#[derive(Debug)]
struct List<A> {
    phase: Phase,
    children: Slab<Child<A>>,
    /// Those that have not left.
    live: usize,
    /// Something went wrong that ends the body too.
    has_failed: bool,
    /// The body has ended: the parent waits for the last child.
    is_joining: bool,
    parent: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Cancelled,
    Aborted,
    Closed,
}

#[derive(Debug)]
enum Child<A> {
    /// Between steps 1 and 3.
    Admitted,
    /// It left between steps 1 and 3.
    Left,
    Settled(A),
    /// Somebody has its handle, and aborts it.
    Told,
}

/// What the parent finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Seen {
    /// The body and all children have ended, and no child comes any more.
    Ended,
    /// Children may go on, or the body.
    Running,
    /// Children have been told to end, and are aborted when their grace is over.
    Cancelled,
    /// Children have been aborted. If the scope has failed, the body has to end too.
    Aborted { has_failed: bool },
}

impl<A: Abort> Members<A> {
    pub(super) fn new(has_grace: bool) -> Self {
        let list = List {
            phase: Phase::Open,
            children: Slab::new(),
            live: 0,
            has_failed: false,
            is_joining: false,
            parent: None,
        };
        Members { list: Mutex::new(list), cancelled: Signal::new(), has_grace }
    }

    /// Set once children shall end.
    pub(super) fn cancelled(&self) -> &Signal {
        &self.cancelled
    }

    /// How many children have not ended.
    pub(super) fn len(&self) -> usize {
        self.list.lock().live
    }

    /// Step 1. `None`: the scope takes no more children.
    pub(super) fn admit(&self) -> Option<usize> {
        let mut list = self.list.lock();
        if list.phase >= Phase::Aborted {
            return None;
        }
        list.live += 1;
        Some(list.children.insert(Child::Admitted))
    }

    /// Step 3.
    pub(super) fn settle(&self, child: usize, handle: A) {
        let mut list = self.list.lock();
        let must_end = list.phase >= Phase::Aborted;
        let Some(entry) = list.children.get_mut(child) else {
            unreachable!("a place is given up by whoever of the spawner and the child comes last");
        };
        match entry {
            Child::Left if planted::keeps(Step::SpawnerSeesTheEnd) => {
                list.children.remove(child);
            }
            _ if must_end => {
                *entry = Child::Told;
                drop(list);
                if planted::keeps(Step::SpawnerSeesTheCancelling) {
                    handle.abort();
                }
            }
            _ => *entry = Child::Settled(handle),
        }
    }

    /// For step 3 when there is no task after all. The child has left.
    pub(super) fn give_up(&self, child: usize) {
        let mut list = self.list.lock();
        if let Some(Child::Left) = list.children.get_mut(child) {
            list.children.remove(child);
        }
    }

    /// Step 4.
    pub(super) fn leave(&self, child: usize) {
        let mut list = self.list.lock();
        list.live -= 1;
        let handle = match list.children.get_mut(child) {
            Some(entry @ Child::Admitted) => {
                *entry = Child::Left;
                None
            }
            _ => list.children.remove(child),
        };
        let parent = if list.live == 0 && list.is_joining { list.parent.take() } else { None };
        drop(list);
        drop(handle);
        if let Some(parent) = parent {
            wake_contained(parent);
        }
    }

    /// Tells the children to end: those that have a grace go on until it is over. `has_failed`: the body has to end too.
    pub(super) fn cancel(&self, has_failed: bool) {
        let mut list = self.list.lock();
        list.has_failed |= has_failed;
        let mut handles = Vec::new();
        if list.phase == Phase::Open {
            list.phase = if self.has_grace { Phase::Cancelled } else { Phase::Aborted };
            if list.phase == Phase::Aborted {
                handles = list.take_handles();
            }
        }
        // To end its body, or to measure the grace.
        let parent = if has_failed || list.phase == Phase::Cancelled { list.parent.take() } else { None };
        drop(list);
        self.cancelled.set();
        abort(handles);
        if let Some(parent) = parent {
            wake_contained(parent);
        }
    }

    /// Aborts the children. For the parent, when their grace is over.
    pub(super) fn end_grace(&self) {
        self.advance(Phase::Aborted);
    }

    /// Aborts the children, and takes no more. For the parent, when it ends before they do.
    pub(super) fn abandon(&self) {
        self.advance(Phase::Closed);
    }

    fn advance(&self, phase: Phase) {
        let mut list = self.list.lock();
        list.phase = list.phase.max(phase);
        let handles = list.take_handles();
        let parent = if phase == Phase::Closed { list.parent.take() } else { None };
        drop(list);
        drop(parent);
        self.cancelled.set();
        abort(handles);
    }

    /// The parent's look: it is woken when it would see something else. `is_joining`: its body has ended.
    pub(super) fn watch(&self, waker: &Waker, is_joining: bool) -> Seen {
        let mut fresh = None;
        let mut first = None;
        loop {
            let mut list = self.list.lock();
            list.is_joining = is_joining;
            let mut seen = list.look();
            if !planted::keeps(Step::ParentLooksUnderTheLock) {
                seen = *first.get_or_insert(seen);
            }
            if seen == Seen::Ended {
                list.phase = Phase::Closed;
                let left = list.parent.take();
                drop(list);
                drop((left, fresh));
                self.cancelled.set();
                return seen;
            }
            if list.parent.as_ref().is_some_and(|parent| parent.will_wake(waker)) {
                return seen;
            }
            if let Some(fresh) = fresh.take() {
                let left = list.parent.replace(fresh);
                drop(list);
                drop(left);
                return seen;
            }
            drop(list);
            // Cloning a waker may run code of the user's, which finds no lock held.
            fresh = Some(waker.clone());
        }
    }
}

impl<A> List<A> {
    fn look(&self) -> Seen {
        match self.phase {
            _ if self.is_joining && self.live == 0 => Seen::Ended,
            Phase::Open => Seen::Running,
            Phase::Cancelled => Seen::Cancelled,
            Phase::Aborted | Phase::Closed => Seen::Aborted { has_failed: self.has_failed },
        }
    }

    /// The handles of all who have settled, for whoever aborts them.
    fn take_handles(&mut self) -> Vec<A> {
        let take = |child: &mut Child<A>| match child {
            Child::Settled(_) => match std::mem::replace(child, Child::Told) {
                Child::Settled(handle) => Some(handle),
                _ => None,
            },
            _ => None,
        };
        self.children.iter_mut().filter_map(take).collect()
    }
}

fn abort<A: Abort>(handles: Vec<A>) {
    for handle in handles {
        handle.abort();
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    impl Abort for Rc<Cell<u32>> {
        fn abort(&self) {
            self.set(self.get() + 1);
        }
    }

    fn members(has_grace: bool) -> Members<Rc<Cell<u32>>> {
        Members::new(has_grace)
    }

    /// How many of a list's places are taken.
    fn places<A>(members: &Members<A>) -> usize {
        members.list.lock().children.iter_mut().count()
    }

    #[test]
    fn a_child_is_aborted_once() {
        let members = members(false);
        let handle = Rc::new(Cell::new(0));
        let child = members.admit().unwrap();
        members.settle(child, handle.clone());
        members.cancel(false);
        members.cancel(true);
        members.abandon();
        assert_eq!(handle.get(), 1);
        members.leave(child);
        assert_eq!((members.len(), places(&members)), (0, 0));
    }

    #[test]
    fn a_child_that_settles_after_the_cancelling_is_aborted_then() {
        let members = members(false);
        let handle = Rc::new(Cell::new(0));
        let child = members.admit().unwrap();
        members.cancel(false);
        assert_eq!(members.admit(), None);
        members.settle(child, handle.clone());
        assert_eq!(handle.get(), 1);
        members.leave(child);
        assert_eq!((members.len(), places(&members)), (0, 0));
    }

    #[test]
    fn a_child_that_leaves_before_it_settles_gives_up_its_place() {
        let members = members(false);
        let child = members.admit().unwrap();
        members.leave(child);
        assert_eq!((members.len(), places(&members)), (0, 1));
        members.settle(child, Rc::default());
        assert_eq!(places(&members), 0);
        let child = members.admit().unwrap();
        members.leave(child);
        members.give_up(child);
        assert_eq!(places(&members), 0);
    }

    #[test]
    fn children_with_a_grace_are_aborted_when_it_is_over() {
        let members = members(true);
        let handle = Rc::new(Cell::new(0));
        let child = members.admit().unwrap();
        members.settle(child, handle.clone());
        members.cancel(false);
        assert_eq!(members.watch(Waker::noop(), true), Seen::Cancelled);
        let helper = members.admit().expect("a child in its grace may need help");
        members.settle(helper, handle.clone());
        assert_eq!(handle.get(), 0);
        members.end_grace();
        assert_eq!(handle.get(), 2);
        assert_eq!(members.watch(Waker::noop(), true), Seen::Aborted { has_failed: false });
        members.leave(child);
        members.leave(helper);
        assert_eq!(members.watch(Waker::noop(), true), Seen::Ended);
        assert_eq!(members.admit(), None);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts its wakes, or how often it was aborted. Not loom's atomics: only read after the threads were joined.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Abort for std::sync::Arc<Count> {
        fn abort(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    type Model = Arc<Members<std::sync::Arc<Count>>>;

    fn model() -> Model {
        Arc::new(Members::new(false))
    }

    #[test]
    fn the_parent_sees_the_last_child_leave_or_is_woken() {
        loom::model(|| {
            let members = model();
            let leaving = [(); 2].map(|()| {
                let child = members.admit().unwrap();
                members.settle(child, std::sync::Arc::default());
                let members = members.clone();
                thread::spawn(move || members.leave(child))
            });
            let count = std::sync::Arc::new(Count::default());
            let waker = Waker::from(count.clone());
            let seen = members.watch(&waker, true);
            for thread in leaving {
                thread.join().unwrap();
            }
            assert!(seen == Seen::Ended || count.get() == 1, "nobody told the parent");
            assert_eq!(members.watch(&waker, true), Seen::Ended);
        });
    }

    #[test]
    fn a_child_is_refused_or_aborted_or_waited_for() {
        loom::model(|| {
            let members = model();
            let spawner = thread::spawn({
                let members = members.clone();
                move || {
                    let handle = std::sync::Arc::new(Count::default());
                    let child = members.admit()?;
                    members.settle(child, handle.clone());
                    Some((child, handle))
                }
            });
            members.cancel(false);
            match spawner.join().unwrap() {
                None => {}
                Some((child, handle)) => {
                    assert_eq!(handle.get(), 1, "a child was not aborted, or twice");
                    assert_ne!(members.watch(Waker::noop(), true), Seen::Ended, "a child is not waited for");
                    members.leave(child);
                }
            }
            assert_eq!(members.watch(Waker::noop(), true), Seen::Ended);
        });
    }

    #[test]
    fn a_child_that_ends_while_it_is_spawned_leaves_nothing_behind() {
        loom::model(|| {
            let members = model();
            let child = members.admit().unwrap();
            let running = thread::spawn({
                let members = members.clone();
                move || members.leave(child)
            });
            members.settle(child, std::sync::Arc::default());
            running.join().unwrap();
            assert_eq!(members.list.lock().children.iter_mut().count(), 0, "a place is lost");
        });
    }

    #[test]
    fn the_scope_model_notices_a_parent_that_looks_without_the_lock() {
        assert_caught(
            "task::scope::members::models::the_parent_sees_the_last_child_leave_or_is_woken",
            Step::ParentLooksUnderTheLock,
        );
    }

    #[test]
    fn the_scope_model_notices_a_spawner_that_does_not_see_the_cancelling() {
        assert_caught(
            "task::scope::members::models::a_child_is_refused_or_aborted_or_waited_for",
            Step::SpawnerSeesTheCancelling,
        );
    }

    #[test]
    fn the_scope_model_notices_a_spawner_that_does_not_see_the_end() {
        assert_caught(
            "task::scope::members::models::a_child_that_ends_while_it_is_spawned_leaves_nothing_behind",
            Step::SpawnerSeesTheEnd,
        );
    }
}

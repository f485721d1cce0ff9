//! How other threads reach a set, and how it learns of that; the protocol is on the [module's page](super).

use crate::primitives::planted::{self, Step};
use crate::primitives::{Condvar, Mutex, MutexGuard};
use crate::task::wake_contained;
use std::collections::VecDeque;
use std::fmt;
use std::task::Waker;

/// The queue for what other threads wake, and the wakers of those who poll the set.
pub(super) struct Remote<T> {
    state: Mutex<State<T>>,
    /// Something was queued while the set ends.
    came: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    pollers: Vec<Poller>,
    /// The owner waits, or is about to.
    ends: bool,
}

/// One future that drives the set. There can be several on the owner's thread, each with another waker.
struct Poller {
    is_there: bool,
    /// `None` once it has been called.
    waker: Option<Waker>,
}

/// A poller's place in the list.
#[derive(Debug)]
pub(super) struct Place(usize);

/// Those who poll a set, to be called. Nothing of the set is used while that happens.
#[must_use = "somebody waits for this call"]
#[derive(Default)]
pub(super) struct Wakers {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Wakers {
    pub(super) fn wake(self) {
        self.first.into_iter().chain(self.rest).for_each(wake_contained);
    }
}

impl<T> Remote<T> {
    pub(super) fn new() -> Self {
        let state = State { queue: VecDeque::new(), pollers: Vec::new(), ends: false };
        Remote { state: Mutex::new(state), came: Condvar::new() }
    }

    /// Steps 1 and 2, for a thread that is not the owner.
    pub(super) fn push(&self, value: T) -> Wakers {
        let mut state = self.state.lock();
        state.queue.push_back(value);
        if state.ends {
            self.came.notify_one();
        }
        state.take_wakers()
    }

    /// Step 2 alone, for the owner, who has a queue of its own.
    pub(super) fn call(&self) -> Wakers {
        self.state.lock().take_wakers()
    }

    /// Steps 3 and 4: leaves `waker`, and calls `take` with what others have queued, for it to be taken.
    pub(super) fn enter(&self, place: &mut Option<Place>, waker: &Waker, take: impl FnOnce(&mut VecDeque<T>)) {
        if !planted::keeps(Step::PollerLeavesItsWaker) {
            take(&mut self.state.lock().queue);
            drop(self.with_waker(place, waker));
            return;
        }
        take(&mut self.with_waker(place, waker).queue);
    }

    /// The state, with `waker` at the place of this poller, who gets one if it has none.
    fn with_waker(&self, place: &mut Option<Place>, waker: &Waker) -> MutexGuard<'_, State<T>> {
        let state = self.state.lock();
        let left = place.as_ref().and_then(|place| state.pollers[place.0].waker.as_ref());
        if left.is_some_and(|left| left.will_wake(waker)) {
            return state;
        }
        drop(state);
        // A waker's clone and drop are code of the user's.
        let waker = waker.clone();
        let mut state = self.state.lock();
        let place = place.get_or_insert_with(|| state.new_place());
        let Some(before) = state.pollers[place.0].waker.replace(waker) else {
            return state;
        };
        drop(state);
        drop(before);
        self.state.lock()
    }

    /// Ends a poller.
    pub(super) fn leave(&self, place: Place) {
        let mut state = self.state.lock();
        let poller = &mut state.pollers[place.0];
        poller.is_there = false;
        let waker = poller.waker.take();
        drop(state);
        drop(waker);
    }

    /// Waits until another thread has queued something, and calls `take` with it.
    pub(super) fn wait(&self, take: impl FnOnce(&mut VecDeque<T>)) {
        let mut state = self.state.lock();
        state.ends = true;
        while state.queue.is_empty() {
            self.came.wait(&mut state);
        }
        take(&mut state.queue);
    }
}

impl<T> State<T> {
    fn new_place(&mut self) -> Place {
        let free = self.pollers.iter().position(|poller| !poller.is_there);
        let place = free.unwrap_or_else(|| {
            self.pollers.push(Poller { is_there: false, waker: None });
            self.pollers.len() - 1
        });
        self.pollers[place].is_there = true;
        Place(place)
    }

    fn take_wakers(&mut self) -> Wakers {
        let mut wakers = self.pollers.iter_mut().filter_map(|poller| poller.waker.take());
        let first = wakers.next();
        Wakers { first, rest: wakers.collect() }
    }
}

impl<T> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

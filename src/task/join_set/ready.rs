//! Which members of a set have ended, and who waits for the next one.

use crate::primitives::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Ready {
    state: Mutex<ReadyState>,
}

#[derive(Debug, Default)]
struct ReadyState {
    /// Members that have ended, first come first.
    keys: VecDeque<usize>,
    /// Of whoever waits for the set. Only while `keys` is empty.
    waiting: Option<Waker>,
}

impl Ready {
    /// A member has ended. Whoever is returned is to be woken.
    #[must_use]
    pub(super) fn push(&self, key: usize) -> Option<Waker> {
        let mut state = self.state.lock();
        state.keys.push_back(key);
        state.waiting.take()
    }

    pub(super) fn pop(&self) -> Option<usize> {
        self.state.lock().keys.pop_front()
    }

    /// Has `waker` woken by the next member that ends. False: one has.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        {
            let state = self.state.lock();
            if !state.keys.is_empty() {
                return false;
            }
            if state.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
                return true;
            }
        }
        // Cloned and dropped without the lock, because both may be code of the user's.
        let mut waiting = Some(waker.clone());
        let mut state = self.state.lock();
        let is_empty = state.keys.is_empty();
        if is_empty {
            std::mem::swap(&mut state.waiting, &mut waiting);
        }
        drop(state);
        is_empty
    }

    /// Nobody waits for the set any more.
    pub(super) fn forget_waiting(&self) {
        let waiting = self.state.lock().waiting.take();
        drop(waiting);
    }
}

/// Wakes whoever waits for a set when a member of it has ended.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: usize,
    pub(super) ready: Arc<Ready>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    // Called by the runner of the member, which contains a panic of the other waker.
    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(waiting) = self.ready.push(self.key) {
            waiting.wake();
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken_by_the_first_and_by_no_other() {
        let ready = Ready::default();
        assert!(ready.wait(Waker::noop()));
        assert!(ready.push(7).is_some());
        assert!(ready.push(8).is_none());
        assert!(!ready.wait(Waker::noop()));
        assert_eq!((ready.pop(), ready.pop(), ready.pop()), (Some(7), Some(8), None));
        assert!(ready.wait(Waker::noop()));
        ready.forget_waiting();
        assert!(ready.push(9).is_none());
    }
}

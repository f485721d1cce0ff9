//! What a thread finds out, for a future that awaits it.
//!
//! Some questions take a while to answer, and must be answered also where nobody runs tasks or timers: all workers are stuck, or the
//! runtime has no timers. A thread is made for such a question. It is told when nobody wants the answer any more.

use crate::primitives::{Condvar, Mutex};
use crate::task::wake_contained;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The thread's end.
pub(super) struct Answer<T>(Arc<Shared<T>>);

/// The other end. Dropped, nobody wants the answer any more.
pub(super) struct Wanted<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    unwanted: Condvar,
}

struct State<T> {
    answer: Option<T>,
    waker: Option<Waker>,
    is_unwanted: bool,
}

impl<T> Answer<T> {
    pub(super) fn new() -> (Answer<T>, Wanted<T>) {
        let state = Mutex::new(State { answer: None, waker: None, is_unwanted: false });
        let shared = Arc::new(Shared { state, unwanted: Condvar::new() });
        (Answer(shared.clone()), Wanted(shared))
    }

    /// Waits until then. Returns earlier, and true, if nobody wants the answer any more.
    pub(super) fn is_unwanted_until(&self, then: Instant) -> bool {
        let mut state = self.0.state.lock();
        while !state.is_unwanted {
            if self.0.unwanted.wait_until(&mut state, then).timed_out() {
                break;
            }
        }
        state.is_unwanted
    }

    pub(super) fn give(self, answer: T) {
        let mut state = self.0.state.lock();
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake_contained(waker);
        }
    }
}

impl<T> Wanted<T> {
    /// Waits for the answer, and calls `waits` whenever a poll ends without.
    pub(super) async fn wait(self, waits: impl Fn()) -> T {
        poll_fn(|cx| match self.poll(cx) {
            Some(answer) => Poll::Ready(answer),
            None => {
                waits();
                Poll::Pending
            }
        })
        .await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Option<T> {
        // Cloned and dropped without the lock, because both may be code of the user's.
        let fresh = cx.waker().clone();
        let mut state = self.0.state.lock();
        if state.answer.is_some() {
            return state.answer.take();
        }
        let left = state.waker.replace(fresh);
        drop(state);
        drop(left);
        None
    }
}

impl<T> Drop for Wanted<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_unwanted = true;
        let waker = state.waker.take();
        drop(state);
        drop(waker);
        self.0.unwanted.notify_all();
    }
}

//! Something that happens once, and that any number of tasks can wait for.
//!
//! # Setting against waiting
//!
//! Whoever waits leaves its waker under the lock, and looks under the same lock whether the signal has been set. Whoever sets it
//! does so under the lock, and takes all wakers that are there. So a waker is either taken, or its owner has seen the signal.
//! Nothing is left behind once the signal is set.

use super::wake_contained;
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::planted::{self, Step};
use crate::primitives::slab::Slab;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Signal {
    is_set: AtomicBool,
    waiting: Mutex<Slab<Waker>>,
}

impl Signal {
    pub(crate) fn new() -> Self {
        Signal { is_set: AtomicBool::new(false), waiting: Mutex::new(Slab::new()) }
    }

    pub(crate) fn is_set(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `set`: who sees the signal sees what was done before it.
        self.is_set.load(Ordering::Acquire)
    }

    /// Sets the signal, and wakes whoever waits for it. Nothing happens the second time.
    pub(crate) fn set(&self) {
        if self.is_set() {
            return;
        }
        let wakers = {
            let mut waiting = self.waiting.lock();
            // Ordering: Release; see `is_set`.
            self.is_set.store(true, Ordering::Release);
            waiting.take()
        };
        wakers.for_each(wake_contained);
    }

    /// `Ready` if the signal is set; else `waker` is woken when it is.
    ///
    /// `place` says where this waiter's waker is. It starts as `None`, and is given to [`leave`](Self::leave) at the end.
    pub(crate) fn poll(&self, place: &mut Option<usize>, waker: &Waker) -> Poll<()> {
        if self.is_set() {
            return Poll::Ready(());
        }
        // Cloning a waker may run code of the user's, which finds no lock held.
        let fresh = waker.clone();
        let mut waiting = self.waiting.lock();
        if self.is_set() && planted::keeps(Step::SignalIsSeenUnderTheLock) {
            return Poll::Ready(());
        }
        let left = match place.and_then(|place| waiting.get_mut(place)) {
            Some(waker) => Some(std::mem::replace(waker, fresh)),
            None => {
                *place = Some(waiting.insert(fresh));
                None
            }
        };
        drop(waiting);
        drop(left);
        Poll::Pending
    }

    /// A waiter goes.
    pub(crate) fn leave(&self, place: Option<usize>) {
        if let Some(place) = place {
            let waker = self.waiting.lock().remove(place);
            drop(waker);
        }
    }

    /// Waits until the signal is set.
    pub(crate) fn wait(&self) -> Wait<'_> {
        Wait { signal: self, place: None }
    }
}

/// The future of [`Signal::wait`].
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    signal: &'a Signal,
    place: Option<usize>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let signal = self.signal;
        signal.poll(&mut self.place, cx.waker())
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.signal.leave(self.place);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::AtomicUsize;

    /// Counts its wakes. Not loom's atomics: only read after the threads were joined.
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_waits_sees_the_signal_or_is_woken() {
        loom::model(|| {
            let signal = Arc::new(Signal::new());
            let setter = thread::spawn({
                let signal = signal.clone();
                move || signal.set()
            });
            let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
            let waker = Waker::from(count.clone());
            let mut place = None;
            let seen = signal.poll(&mut place, &waker).is_ready();
            setter.join().unwrap();
            let wakes = count.0.load(std::sync::atomic::Ordering::SeqCst);
            assert!(seen || wakes == 1, "the signal was missed");
            assert!(signal.poll(&mut place, &waker).is_ready());
            signal.leave(place);
            drop(waker);
            assert_eq!(std::sync::Arc::strong_count(&count), 1, "a waker was left behind");
        });
    }

    #[test]
    fn the_signal_model_notices_a_waiter_that_does_not_look_again() {
        assert_caught(
            "task::signal::models::whoever_waits_sees_the_signal_or_is_woken",
            Step::SignalIsSeenUnderTheLock,
        );
    }
}

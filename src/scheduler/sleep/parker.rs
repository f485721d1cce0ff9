//! Where one thread blocks until another unparks it.
//!
//! | state | the thread | an unpark |
//! |---|---|---|
//! | `EMPTY` | is awake | leaves `NOTIFIED` for its next park |
//! | `PARKED` | blocks on the condition variable | leaves `NOTIFIED` and signals |
//! | `WATCHING` | blocks in the reactor | leaves `NOTIFIED`; the caller must interrupt the reactor |
//! | `NOTIFIED` | is awake, and will not block next time | leaves it so |
//!
//! Only the owner leaves `EMPTY` for `PARKED` or `WATCHING`, and only the owner returns to `EMPTY`.

use crate::primitives::atomic::{AtomicU8, Ordering};
use crate::primitives::planted::{self, Step};
use crate::primitives::{Condvar, Mutex};

const EMPTY: u8 = 0;
const PARKED: u8 = 1;
const WATCHING: u8 = 2;
const NOTIFIED: u8 = 3;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU8,
    lock: Mutex<()>,
    unparked: Condvar,
}

/// What the caller of [`Parker::unpark`] has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Unpark {
    /// Nothing.
    Done,
    /// Interrupt the reactor.
    Interrupt,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Parker { state: AtomicU8::new(EMPTY), lock: Mutex::new(()), unparked: Condvar::new() }
    }

    /// Blocks until unparked. Returns at once if that has happened since the last park.
    pub(crate) fn park(&self) {
        if self.consume() {
            return;
        }
        let mut guard = self.lock.lock();
        // Ordering: Acquire on failure pairs with the Release in `unpark`.
        if self.state.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.consume();
            return;
        }
        while !self.consume() {
            self.unparked.wait(&mut guard);
        }
    }

    /// Consumes a notification, if there is one.
    pub(crate) fn consume(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `unpark`: what the unparking thread did before is visible.
        self.state.compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// About to block in the reactor. False: unparked already, do not block.
    pub(crate) fn begin_watch(&self) -> bool {
        // Ordering: as in `park`.
        if self.state.compare_exchange(EMPTY, WATCHING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.consume();
            return false;
        }
        true
    }

    /// Back from the reactor.
    pub(crate) fn end_watch(&self) {
        // Ordering: Acquire pairs with the Release in `unpark`.
        self.state.swap(EMPTY, Ordering::AcqRel);
    }

    /// Makes the thread return from its park, or from its next one.
    pub(crate) fn unpark(&self) -> Unpark {
        if !planted::keeps(Step::NotificationIsSticky) && self.state.load(Ordering::Acquire) == EMPTY {
            return Unpark::Done;
        }
        // Ordering: Release pairs with the Acquire in `consume` and `end_watch`.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => {
                // The thread is between its exchange and its wait, under the lock, or waits: this lock lets it get there.
                drop(self.lock.lock());
                self.unparked.notify_one();
                Unpark::Done
            }
            WATCHING => Unpark::Interrupt,
            _ => Unpark::Done,
        }
    }

    #[cfg(all(test, rt_loom))]
    pub(super) fn is_notified(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn an_unpark_before_during_or_after_ends_the_park() {
        loom::model(|| {
            let parker = Arc::new(Parker::new());
            let unparker = thread::spawn({
                let parker = parker.clone();
                move || {
                    let _ = parker.unpark();
                }
            });
            // loom reports a deadlock if this never ends.
            parker.park();
            unparker.join().unwrap();
        });
    }

    #[test]
    fn an_unpark_interrupts_the_reactor_or_prevents_the_wait() {
        loom::model(|| {
            let parker = Arc::new(Parker::new());
            let unparker = thread::spawn({
                let parker = parker.clone();
                move || parker.unpark()
            });
            let blocks = parker.begin_watch();
            let unpark = unparker.join().unwrap();
            assert!(!blocks || unpark == Unpark::Interrupt, "the reactor waits and nobody interrupts it");
        });
    }

    #[test]
    fn the_parker_model_notices_an_early_unpark_that_is_forgotten() {
        assert_caught(
            "scheduler::sleep::parker::models::an_unpark_before_during_or_after_ends_the_park",
            Step::NotificationIsSticky,
        );
    }
}

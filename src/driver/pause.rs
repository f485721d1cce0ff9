//! Time that stands still, and moves by itself when nothing else can happen.
//!
//! A thread that would wait in a driver whose clock is paused does not wait for a deadline: nothing but this thread could run, and it has
//! nothing to run. It takes the events that are there; if there are none, it moves the clock to the earliest deadline and fires the timers. It does
//! so not while closures are with the blocking pool, because these do something that takes real time.
//!
//! The closures are looked at *before* the events. One that ends wakes its task first, and is counted out then; so if it is not seen there, the
//! interruption by its wake is seen among the events.

use super::{Driver, Found, Waiter};
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// What keeps paused time from moving by itself.
#[derive(Default)]
pub(super) struct Hold(OnceLock<Box<dyn Fn() -> bool + Send + Sync>>);

impl Hold {
    fn holds(&self) -> bool {
        self.0.get().is_some_and(|holds| holds())
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

impl Driver {
    /// Says what keeps paused time from moving by itself: true, it does now. Called once, when the runtime is built. Whenever that changes, somebody
    /// calls [`interrupt`](Driver::interrupt).
    pub(crate) fn hold_time_while(&self, holds: Box<dyn Fn() -> bool + Send + Sync>) {
        let known = self.hold.0.set(holds);
        debug_assert!(known.is_ok(), "it is said once");
    }

    /// What [`interrupt`](Driver::interrupt) does, to be kept.
    pub(crate) fn interrupter(&self) -> Box<dyn Fn() + Send + Sync> {
        let bell = self.bell.clone();
        Box::new(move || bell.ring())
    }

    /// Lets time stand still. False: it does already.
    pub(crate) fn pause_time(&self) -> bool {
        self.timers.clock().pause()
    }

    /// Lets time go on. False: it does.
    pub(crate) fn resume_time(&self) -> bool {
        let resumed = self.timers.clock().resume();
        // Whoever waits does so for an event, and has to look at deadlines again.
        self.interrupt();
        resumed
    }

    /// Moves the time that stands still, and wakes whose deadline has been reached. False: it does not stand still.
    pub(crate) fn advance_time(&self, by: Duration) -> bool {
        let advanced = self.timers.clock().advance(by);
        // A turn touches a bounded number of timers.
        while self.timers.is_due() {
            let mut woken = Vec::new();
            self.timers.fire(&mut woken);
            self.wake(Found { woken, sources: 0 }, &mut |_, _| {});
        }
        advanced
    }

    /// Waits until something has happened, or lets it happen.
    pub(super) fn wait_in_paused_time(&self, waiter: &mut Waiter) {
        loop {
            let is_held = self.hold.holds();
            let is_interrupted = self.poll(waiter, (!is_held).then_some(Duration::ZERO));
            if is_held || is_interrupted || !waiter.woken.is_empty() {
                return;
            }
            match self.timers.exactly_next() {
                Some(deadline) => {
                    self.timers.clock().advance_to(deadline);
                    self.timers.fire(&mut waiter.woken);
                    if !waiter.woken.is_empty() {
                        return;
                    }
                }
                None => {
                    let limit = self.timers.begin_wait();
                    if limit.is_none() {
                        // For an event, or for a timer that another thread arms.
                        self.poll(waiter, None);
                        return;
                    }
                }
            }
        }
    }
}

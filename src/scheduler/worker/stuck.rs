//! A worker that is stuck, and the spare in its place.
//!
//! The whole is told in the README of `../monitor/`.

use super::{Main, Worker};
use crate::scheduler::pulse::Announced;
use crate::scheduler::seats::Seat;
use crate::scheduler::{Shared, current, monitor};
use crate::task::RunToken;
use std::marker::PhantomData;
use std::sync::Arc;

/// A spare leaves as soon as the pool is strong enough without it.
struct Relief<'a>(&'a Shared);

impl Main for Relief<'_> {
    #[inline]
    fn poll(&mut self) -> bool {
        self.0.sleep.retire()
    }

    // The look of a spare that goes to sleep, when the stuck one may have come back since it last saw that it is needed.
    fn is_woken(&self) -> bool {
        self.0.sleep.is_overmanned()
    }
}

impl Worker {
    /// A spare, which has been counted as a member that searches.
    pub(in super::super) fn spare(shared: Arc<Shared>, seat: Seat) -> Self {
        let worker = Worker::new(shared, seat);
        worker.attention.set_searches(true);
        worker
    }

    /// The life of a spare.
    pub(in super::super) fn relieve(self) {
        self.run(&mut Relief(&self.shared));
        self.vacate();
    }

    /// A spare for which there is no thread.
    pub(in super::super) fn stay(self) {
        self.leave();
        self.vacate();
    }

    fn vacate(self) {
        self.shared.seats.give_back(Seat { index: self.index, queue: self.queue });
    }

    /// This worker is stuck: others are to find what it wakes, and at once.
    #[cold]
    pub(super) fn push_to_others(&self, token: RunToken) {
        self.has_scheduled_elsewhere();
        self.shared.push_to_injector(token);
        self.shared.notify();
    }

    /// The poll that took too long has ended, or this worker blocks no more.
    #[cold]
    pub(super) fn is_back(&self) {
        if !self.pulse().acquit() {
            return;
        }
        self.shared.sleep.end_stuck();
        if let Some(spare) = self.shared.sleep.superfluous() {
            self.shared.unpark(spare);
        }
        if self.shared.sleep.needs_watch()
            && let Some(watch) = &self.shared.watch
        {
            watch.set_soon();
        }
    }

    /// Says that the code that runs now blocks this worker. False: it has been said before.
    pub(super) fn begin_blocking(&self) -> bool {
        match self.pulse().announce(&self.shared.sleep) {
            Announced::Before => return false,
            Announced::Free | Announced::Stuck => {}
        }
        self.send_home();
        if let Some(token) = self.own.lifo_slot.take() {
            self.shared.injector.push(token);
        }
        if self.shared.has_visible_work() {
            self.shared.notify();
        }
        if let Some(watch) = &self.shared.watch
            && monitor::is_relief_needed(&self.shared, self.shared.sleep.muster())
        {
            watch.ring(&self.shared);
        }
        true
    }
}

/// Code that blocks its worker runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Blocking {
    is_outermost: bool,
    /// It belongs to this thread.
    thread: PhantomData<*mut ()>,
}

impl Blocking {
    /// Says that the code that runs now blocks this thread, if it is a worker.
    pub(crate) fn begin() -> Self {
        let is_outermost = current::with_any(|worker| worker.is_some_and(Worker::begin_blocking));
        Blocking { is_outermost, thread: PhantomData }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if self.is_outermost {
            current::with_any(|worker| worker.map(Worker::is_back));
        }
    }
}

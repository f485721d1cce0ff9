//! A thread of the pool as others see it, and where it waits until it is called.

use super::Errand;
use super::crew::Duty;
use crate::primitives::plain::{AtomicU64 as Counter, Ordering as PlainOrdering};
use crate::primitives::{CachePadded, Condvar, Mutex, os_thread};
use std::sync::Arc;
use std::time::Instant;

/// What a sleeping thread is called for.
#[derive(Debug)]
pub(super) enum Call {
    /// A duty, which it has already.
    Duty(Duty),
    /// It counts no more as a thread that takes closures.
    Errand(Errand),
    /// To take a closure, beside somebody on duty.
    Help,
    /// To see that the pool is closed.
    Closed,
}

/// What others know of a thread, and where it waits.
#[derive(Debug)]
pub(super) struct Seat {
    call: Mutex<Option<Call>>,
    called: Condvar,
    /// Written by the thread alone.
    own: CachePadded<Own>,
}

#[derive(Debug)]
struct Own {
    /// The place in the registry of the closure that runs; 0 for none.
    running: Counter,
    /// Closures done.
    done: Counter,
    /// The system's number of the thread.
    thread: u32,
}

impl Seat {
    pub(super) fn new() -> Arc<Self> {
        let own = Own { running: Counter::new(0), done: Counter::new(0), thread: os_thread::current() };
        Arc::new(Seat { call: Mutex::new(None), called: Condvar::new(), own: CachePadded::new(own) })
    }

    /// The thread begins a closure.
    pub(super) fn begin(&self, place: u64) {
        self.own.running.store(place, PlainOrdering::Relaxed);
    }

    /// The closure is done.
    pub(super) fn end(&self) {
        self.own.running.store(0, PlainOrdering::Relaxed);
        self.own.done.store(self.done() + 1, PlainOrdering::Relaxed);
    }

    /// Closures done.
    pub(super) fn done(&self) -> u64 {
        self.own.done.load(PlainOrdering::Relaxed)
    }

    /// Calls the thread.
    pub(super) fn leave(&self, call: Call) {
        let before = self.call.lock().replace(call);
        debug_assert!(before.is_none(), "a thread is called once before it comes");
        self.called.notify_one();
    }

    /// Waits for a call, at the latest until `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Call> {
        let mut call = self.call.lock();
        loop {
            if call.is_some() {
                return call.take();
            }
            match deadline {
                None => self.called.wait(&mut call),
                Some(deadline) => {
                    if self.called.wait_until(&mut call, deadline).timed_out() {
                        return call.take();
                    }
                }
            }
        }
    }

    /// The place in the registry of the closure that runs; 0 for none.
    pub(super) fn running(&self) -> u64 {
        self.own.running.load(PlainOrdering::Relaxed)
    }

    /// The system's number of the thread; 0 where it tells none.
    pub(super) fn thread(&self) -> u32 {
        self.own.thread
    }

    /// What the thread has been called for, and has not come for yet.
    #[cfg(test)]
    pub(super) fn take_call(&self) -> Option<Call> {
        self.call.lock().take()
    }
}

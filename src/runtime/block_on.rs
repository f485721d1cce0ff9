//! `block_on`: a thread that polls one future of its own.
//!
//! On a multi-thread runtime the thread polls nothing else, so that no task can keep it from its future. On a
//! current-thread runtime it also is the worker, unless another thread is; then it waits for its future or for its turn.

use super::Handle;
use super::context::{self, AsyncGuard, EnterGuard};
use super::current_id::try_id;
use super::failure::Exposed;
use super::handle::Inner;
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::scheduler::{self, Blocking, Main, NoMain, Parker, Patience, Shared, Worker};
use crate::task::{Whose, budget, poll_scope, trim_memory, wait};
use crate::trace::BlockOn;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// Enters the runtime and marks the thread as polling futures. Others take its place if it is a worker.
///
/// # Panics
///
/// If it polls futures of a current-thread runtime already.
#[track_caller]
pub(super) fn begin(handle: &Handle) -> (AsyncGuard, EnterGuard<'_>, Blocking) {
    if context::must_not_block() {
        panic!(
            "`block_on` was called on a thread that is polling futures of a current-thread runtime, which would make everything \
             else on it wait: use `.await`, or `spawn_blocking` for code that must block"
        );
    }
    (context::begin_async(&handle.inner), handle.enter(), Blocking::begin())
}

/// See [`rt::task::block_in_place`](crate::task::block_in_place).
#[track_caller]
pub(super) fn in_place<R>(closure: impl FnOnce() -> R) -> R {
    if context::must_not_block() {
        panic!(
            "`block_in_place` was called on a thread that is polling futures of a current-thread runtime, where nobody can take \
             its place: use `spawn_blocking`, or a multi-thread runtime"
        );
    }
    let _blocking = Blocking::begin();
    let _scope = poll_scope();
    budget::lift();
    closure()
}

/// Wakes a thread in `block_on`.
pub(super) struct ThreadWaker {
    woken: AtomicBool,
    parker: Parker,
    /// Set on a current-thread runtime: the thread may be its worker, and be parked as that.
    scheduler: Option<Arc<Shared>>,
}

impl ThreadWaker {
    fn new(scheduler: Option<Arc<Shared>>) -> Arc<Self> {
        Arc::new(ThreadWaker { woken: AtomicBool::new(true), parker: Parker::new(), scheduler })
    }

    fn take_woken(&self) -> bool {
        // Ordering: Acquire on the swap pairs with the Release in `wake_by_ref`. The load is a cheaper way to find
        // nothing; a wake that it misses unparks the thread.
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::AcqRel)
    }

    pub(super) fn unpark(&self) {
        // Not in the reactor: this parker is for the thread alone.
        let _ = self.parker.unpark();
        if let Some(scheduler) = &self.scheduler {
            scheduler.unpark(0);
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Ordering: Release publishes what the waker did; AcqRel keeps the chain when two wake.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.unpark();
        }
    }
}

/// A task that was handed to a sleeping worker is back after two wake-ups of a thread, and a thread that parks meanwhile adds a
/// third. One that looks for as long as that takes meets the answer awake, and then the worker is still awake for the next
/// task. Less, and the first answer comes too late; more only burns the processor of those that wait for long.
const LONGEST_LOOK: Duration = Duration::from_micros(16);

/// Polls `future` until it is done, and nothing else.
///
/// # Panics
///
/// If the runtime [fails](super::failure).
#[track_caller]
pub(super) fn on_this_thread<F: Future>(inner: &Inner, future: F) -> F::Output {
    let mut future = pin!(future);
    let thread = ThreadWaker::new(None);
    let exposed = Exposed::new(inner, &thread);
    let told = BlockOn::new(Waker::from(thread.clone()), size_of::<F>());
    let _scope = poll_scope();
    let chances = inner.scheduler.guest_chances();
    let _lent = chances.lend();
    let patience = Patience::new(LONGEST_LOOK);
    loop {
        if exposed.has_failed() {
            exposed.panic();
        }
        if thread.take_woken() {
            budget::refill();
            scheduler::set_answers(true);
            let polled = told.poll(|cx| future.as_mut().poll(cx));
            scheduler::set_answers(false);
            if let Poll::Ready(output) = polled {
                return output;
            }
            continue;
        }
        // Ordering: Relaxed; `take_woken` acquires.
        if !patience.look(|| thread.woken.load(Ordering::Relaxed)) {
            trim_memory();
            thread.parker.park();
        }
    }
}

/// The worker of a current-thread runtime: with the thread that drives it, or here.
pub(super) struct Core {
    slot: Mutex<Slot>,
}

struct Slot {
    worker: Option<Worker>,
    /// Threads that would drive it, if only they had it.
    waiting: Vec<Arc<ThreadWaker>>,
}

impl Core {
    pub(super) fn new(worker: Worker) -> Self {
        Core { slot: Mutex::new(Slot { worker: Some(worker), waiting: Vec::new() }) }
    }

    fn take(&self, thread: &Arc<ThreadWaker>) -> Option<Borrowed<'_>> {
        let mut slot = self.slot.lock();
        slot.waiting.retain(|waiting| !Arc::ptr_eq(waiting, thread));
        let worker = slot.worker.take();
        if worker.is_none() {
            slot.waiting.push(thread.clone());
        }
        worker.map(|worker| Borrowed { core: self, worker: Some(worker) })
    }

    fn forget(&self, thread: &Arc<ThreadWaker>) {
        self.slot.lock().waiting.retain(|waiting| !Arc::ptr_eq(waiting, thread));
    }

    /// For shutdown, when no thread can be driving any more.
    pub(super) fn take_for_good(&self) -> Option<Worker> {
        self.slot.lock().worker.take()
    }
}

/// Gives the worker back when dropped, and wakes those who wait for it.
struct Borrowed<'a> {
    core: &'a Core,
    worker: Option<Worker>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut slot = self.core.slot.lock();
            slot.worker = self.worker.take();
            std::mem::take(&mut slot.waiting)
        };
        for thread in waiting {
            thread.unpark();
        }
    }
}

/// The future of a thread in `block_on` on a current-thread runtime.
struct MainFuture<'a, F: Future> {
    scheduler: &'a Shared,
    exposed: &'a Exposed<'a>,
    future: Pin<&'a mut F>,
    thread: Arc<ThreadWaker>,
    told: BlockOn,
    output: Option<F::Output>,
    has_yielded: bool,
    /// Whose code called `block_on`: the future is part of that.
    caller: Whose,
}

impl<F: Future> Main for MainFuture<'_, F> {
    fn poll(&mut self) -> bool {
        if self.exposed.has_failed() {
            return true;
        }
        self.has_yielded = false;
        if self.thread.take_woken() {
            let _whose = self.caller.begin();
            budget::refill();
            let future = self.future.as_mut();
            let told = &mut self.told;
            self.scheduler.record_main(|| {
                if let Poll::Ready(output) = told.poll(|cx| future.poll(cx)) {
                    self.output = Some(output);
                }
            });
            // It is no task, and the next poll is another's.
            wait::forget();
            self.has_yielded = self.is_woken();
        }
        self.output.is_some()
    }

    fn is_woken(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `wake_by_ref`.
        self.thread.woken.load(Ordering::Acquire)
    }

    fn has_yielded(&self) -> bool {
        self.has_yielded
    }
}

/// Polls `future` until it is done, and drives the runtime meanwhile whenever no other thread does.
///
/// # Panics
///
/// If the runtime [fails](super::failure).
#[track_caller]
pub(super) fn as_worker<F: Future>(core: &Core, inner: &Inner, future: F) -> F::Output {
    let future = pin!(future);
    let thread = ThreadWaker::new(Some(inner.scheduler.clone()));
    let exposed = Exposed::new(inner, &thread);
    let told = BlockOn::new(Waker::from(thread.clone()), size_of::<F>());
    let caller = Whose::from(try_id());
    let scheduler = &*inner.scheduler;
    let mut main = MainFuture {
        scheduler,
        exposed: &exposed,
        future,
        thread: thread.clone(),
        told,
        output: None,
        has_yielded: false,
        caller,
    };
    let _scope = poll_scope();
    loop {
        if let Some(borrowed) = core.take(&thread) {
            if let Some(worker) = &borrowed.worker {
                worker.run(&mut main);
                if exposed.has_failed() && main.output.is_none() {
                    // Drops the tasks, which have been cancelled.
                    worker.run(&mut NoMain);
                }
            }
        } else if !main.poll() && !main.is_woken() {
            thread.parker.park();
        }
        if let Some(output) = main.output.take() {
            core.forget(&thread);
            return output;
        }
        if exposed.has_failed() {
            core.forget(&thread);
            exposed.panic();
        }
    }
}

//! What a task waits for, told by a poll: the traces of a dump that asks for them.
//!
//! A task that waits for something of somebody else's, a channel or a lock, has left a waker there, and nobody can tell where. So whoever
//! wants to know has it polled once more, by an ordinary run, with a waker that takes down where in the program it is cloned or
//! woken. What a future leaves behind is a clone, and that is the task's own waker: nothing is lost, and nothing stays.
//!
//! # Asking
//!
//! | | whoever asks | | the run |
//! |---|---|---|---|
//! | 1 | puts itself on the list | 4 | finds the mark, and clears it |
//! | 2 | marks the task | 5 | takes from the list who is there |
//! | 3 | wakes the task | 6 | polls the future, and answers |
//!
//! Could somebody ask, and no run answer? If 1 is before 5, this run answers. Else 2 is behind 4, so the mark is there for the next run, and
//! 3 sees to it that there is one. What matters is that 4 is not behind 5. Nobody answers for a task that ends otherwise: whoever asks
//! looks whether it has.

use super::Id;
use super::header::TaskRef;
use super::state::{Seen, State};
use crate::primitives::planted::{self, Step};
use crate::primitives::{Condvar, Mutex};
use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::time::Instant;

/// What the functions here have beneath them is known by this.
pub(crate) const FILE: &str = file!();

/// Backtraces of one poll. A future that joins many others leaves a waker with each; more tell little, and each costs some 20 us or more, and some KiB.
const MOST: usize = 32;

/// What a poll has told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Where the waker was cloned or woken, in that order.
    pub(crate) backtraces: Vec<Arc<Backtrace>>,
    /// How often it was beyond that.
    pub(crate) left_out: usize,
}

/// Where somebody who asks gets the answers: the ids of tasks, and what their polls have told.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    answers: Mutex<Vec<(u64, Trace)>>,
    came: Condvar,
}

impl Inbox {
    /// Takes what has come. Waits for it until then, if there is nothing.
    pub(crate) fn take(&self, until: Instant) -> Vec<(u64, Trace)> {
        let mut answers = self.answers.lock();
        while answers.is_empty() {
            if self.came.wait_until(&mut answers, until).timed_out() {
                break;
            }
        }
        std::mem::take(&mut *answers)
    }

    fn put(&self, task: u64, trace: Trace) {
        self.answers.lock().push((task, trace));
        self.came.notify_one();
    }
}

/// Who wants to know of which task, by its id.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<u64, Vec<Arc<Inbox>>>>);

impl Requests {
    /// Those of this process: ids are unique in it.
    fn all() -> &'static Requests {
        static ALL: OnceLock<Requests> = OnceLock::new();
        ALL.get_or_init(Requests::default)
    }

    /// Steps 1 and 2. The caller wakes the task.
    fn ask(&self, task: u64, state: &State, inbox: &Arc<Inbox>) {
        self.0.lock().entry(task).or_default().push(inbox.clone());
        state.trace();
    }

    /// Steps 4 and 5.
    fn begin(&self, task: u64, state: &State) -> (Seen, Vec<Arc<Inbox>>) {
        let take = || self.0.lock().remove(&task).unwrap_or_default();
        if !planted::keeps(Step::MarkIsClearedFirst) {
            let asking = take();
            return (state.begin_trace(), asking);
        }
        let seen = state.begin_trace();
        (seen, take())
    }

    /// Takes back what was asked, and has not been answered.
    fn forget(&self, task: u64, inbox: &Arc<Inbox>) {
        let mut requests = self.0.lock();
        if let Some(inboxes) = requests.get_mut(&task) {
            inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
            if inboxes.is_empty() {
                requests.remove(&task);
            }
        }
    }
}

impl TaskRef {
    /// Has the task polled by an ordinary run, which tells `inbox` what it waits for. The task may end before, or by that run; then nobody tells.
    pub(crate) fn ask(&self, inbox: &Arc<Inbox>) {
        Requests::all().ask(self.id().as_u64(), self.state(), inbox);
        self.wake();
    }

    /// Takes that back.
    pub(crate) fn forget(&self, inbox: &Arc<Inbox>) {
        Requests::all().forget(self.id().as_u64(), inbox);
    }
}

/// A run that is traced.
pub(super) struct Tracer {
    /// The task's own waker.
    waker: Waker,
    trace: Mutex<Trace>,
    asking: Mutex<Vec<Arc<Inbox>>>,
}

impl Tracer {
    pub(super) fn new(waker: Waker) -> Self {
        Tracer { waker, trace: Mutex::default(), asking: Mutex::default() }
    }

    /// The run begins: steps 4 and 5. False: nobody wants to know any more.
    pub(super) fn begin(&self, task: Id, state: &State) -> (Seen, bool) {
        let (seen, asking) = Requests::all().begin(task.as_u64(), state);
        let is_wanted = !asking.is_empty();
        *self.asking.lock() = asking;
        (seen, is_wanted)
    }

    /// The run is over: answers, unless the task has ended.
    pub(super) fn end(&self, task: &TaskRef) {
        if task.is_complete() {
            return;
        }
        let trace = std::mem::take(&mut *self.trace.lock());
        for inbox in self.asking.lock().drain(..) {
            inbox.put(task.id().as_u64(), trace.clone());
        }
    }

    /// The waker for the poll. Not dropped; see `VTABLE`.
    ///
    /// # Safety
    ///
    /// The tracer stays where it is for as long as the waker is used.
    pub(super) unsafe fn waker(&self) -> ManuallyDrop<Waker> {
        // SAFETY: the functions of the table keep a waker's contract: see there. By the caller's promise the tracer is there.
        ManuallyDrop::new(unsafe { Waker::new((&raw const *self).cast(), &VTABLE) })
    }

    fn take_down(&self) {
        let mut trace = self.trace.lock();
        if trace.backtraces.len() == MOST {
            trace.left_out += 1;
            return;
        }
        drop(trace);
        // Not under the lock: it takes its time.
        let backtrace = Arc::new(Backtrace::force_capture());
        self.trace.lock().backtraces.push(backtrace);
    }
}

/// Of a waker that a poll borrows: its data is a [`Tracer`] that is there while it polls. A clone is the task's own waker, so nobody but that
/// poll ever has this one. It may be used from any thread, because the tracer is `Sync`.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, |_| {});

/// # Safety
///
/// `data` points to a tracer that is there.
#[inline(never)]
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    let tracer = unsafe { &*data.cast::<Tracer>() };
    tracer.take_down();
    // It is given out, not dropped.
    let waker = ManuallyDrop::new(tracer.waker.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

/// # Safety
///
/// `data` points to a tracer that is there.
#[inline(never)]
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise.
    let tracer = unsafe { &*data.cast::<Tracer>() };
    tracer.take_down();
    tracer.waker.wake_by_ref();
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use crate::task::state::{Pending, Start, Wake};
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    const TASK: u64 = 7;

    /// A task that waits, its queue as a count, and how many requests its runs have taken.
    struct Model {
        state: State,
        requests: Requests,
        queued: AtomicUsize,
        answered: AtomicUsize,
    }

    impl Model {
        fn idle() -> loom::sync::Arc<Self> {
            let state = State::new();
            let Start::Poll(seen) = state.start() else { unreachable!("it has just been made") };
            assert_eq!(state.pending(seen), Pending::Idle);
            let (queued, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
            loom::sync::Arc::new(Model { state, requests: Requests::default(), queued, answered })
        }

        fn wake(&self) {
            if self.state.wake() == Wake::Queue {
                self.queued.fetch_add(1, Ordering::Release);
            }
        }

        fn ask(&self, inbox: &Arc<Inbox>) {
            self.requests.ask(TASK, &self.state, inbox);
            self.wake();
        }

        fn run_one(&self) -> bool {
            if self.queued.compare_exchange(1, 0, Ordering::Acquire, Ordering::Relaxed).is_err() {
                return false;
            }
            let seen = match self.state.start() {
                Start::Poll(seen) => seen,
                Start::Cancel => unreachable!("nobody cancels it"),
                Start::Trace => {
                    let (seen, asking) = self.requests.begin(TASK, &self.state);
                    self.answered.fetch_add(asking.len(), Ordering::Relaxed);
                    seen
                }
            };
            if self.state.pending(seen) == Pending::Again {
                self.queued.fetch_add(1, Ordering::Release);
            }
            true
        }
    }

    #[test]
    fn every_request_is_answered_by_some_run() {
        loom::model(|| {
            let model = Model::idle();
            let inbox = Arc::new(Inbox::default());
            let asking = thread::spawn({
                let (model, inbox) = (model.clone(), inbox.clone());
                move || model.ask(&inbox)
            });
            model.ask(&inbox);
            model.run_one();
            asking.join().unwrap();
            while model.run_one() {}
            assert_eq!(model.answered.load(Ordering::Relaxed), 2, "somebody asked in vain");
        });
    }

    #[test]
    fn the_trace_model_notices_a_mark_that_is_cleared_last() {
        assert_caught("task::trace::models::every_request_is_answered_by_some_run", Step::MarkIsClearedFirst);
    }
}

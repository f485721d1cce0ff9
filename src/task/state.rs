//! The state word of a task: who may poll it, and who may touch its output.
//!
//! # Bits
//!
//! | bits | name | set by | meaning |
//! |---|---|---|---|
//! | 0 | `COMPLETE` | the runner, once | the future is dropped; the output is written |
//! | 1 | `CANCELLED` | anyone, once | the next run drops the future instead of polling it |
//! | 2 | `HANDLE_DROPPED` | the join handle, once | nobody will ask for the output |
//! | 3 | `JOIN_WAKER` | the join handle, set and cleared | the join slot holds a waker and belongs to the runner |
//! | 4 | `RETIRED` | the runner or the registry, once, not before `COMPLETE` | neither will touch the cell again |
//! | 5 | `TRACED` | whoever wants a trace, and cleared by the runner | the next run asks who wants to know what its poll waits for |
//! | 8-63 | wake count | wakers add, the runner subtracts | not 0: the *run token* exists |
//!
//! # The run token
//!
//! Whoever raises the wake count from 0 owns the run token: the right, and the duty, to put the task on one queue.
//! Whoever takes the task from that queue owns it next. **Only the holder of the token touches the future.** So the
//! task is in at most one queue and polled by at most one thread.
//!
//! | count | complete | the task is |
//! |---|---|---|
//! | 0 | no | idle: some waker, timer or socket will wake it |
//! | > 0 | no | queued, or being polled |
//! | any | yes | finished: wakes add to the count and mean nothing |
//!
//! 1. *Wake*: add one to the count. It was 0 and the task is not complete: queue it. Else somebody holds the token, and
//!    either has not begun its poll (which will see everything this waker did), or will find the count changed.
//! 2. *Run*: read the word. No read-modify-write is needed, because nobody else can take the token.
//! 3. *Pending*: subtract what was read in step 2. Zero is left: the token is gone, the task must not be touched again,
//!    for the next waker may have queued it already. More is left: it was woken during the poll, the runner still has
//!    the token, and queues it again.
//! 4. *Complete*: write the output, set `COMPLETE`. The word before tells who the output belongs to.
//!
//! # Traces
//!
//! Whoever wants to know what a task waits for puts a request on a list, sets `TRACED`, and wakes the task ([`trace`](super::trace)). The next
//! run clears the bit, and takes what is on the list after that: a request that comes too late for that run has set the bit again, behind the
//! clearing, and its wake sees to another run. An ordinary poll tests the bit together with `CANCELLED`, and so pays nothing for it.
//!
//! # The end of the cell
//!
//! A cell begins with one counted reference, the *base reference*, that the registry and the join handle have together, so
//! that neither a spawn nor a join has to count. The one that goes last, `RETIRED` or `HANDLE_DROPPED`, gives it up. A task
//! that completes on the worker that spawned it leaves the registry first, so that `COMPLETE` and `RETIRED` are one step;
//! but a runner that has to fetch the join waker from the cell retires it only afterwards. A handle that finds `RETIRED` has
//! the cell to itself and need not say that it goes.
//!
//! A wake is never skipped because a look at the word shows the token taken: the read-modify-write is what makes the
//! waker's data visible to the poll that is about to start. 56 bits do not overflow: at 100 million wakes a second
//! that takes 22 years without the task being polled.
//!
//! # Orderings
//!
//! A wake is `Release`: what the waker wrote is visible to the poll, whose read (step 2) is `Acquire` and sees this
//! wake's value or a later one of the same chain of read-modify-writes. Step 3 is `Release`: what this poll wrote is
//! visible to the next, on whatever thread. Steps that decide about the output are `AcqRel` on both sides.

use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};

const COMPLETE: u64 = 1 << 0;
const CANCELLED: u64 = 1 << 1;
const HANDLE_DROPPED: u64 = 1 << 2;
const JOIN_WAKER: u64 = 1 << 3;
const RETIRED: u64 = 1 << 4;
const TRACED: u64 = 1 << 5;
const ONE_WAKE: u64 = 1 << 8;
const WAKES: u64 = !(ONE_WAKE - 1);

/// See the module's page.
#[derive(Debug)]
pub(super) struct State(AtomicU64);

/// How far a task is, for whoever only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits to be woken.
    Idle,
    /// It has been woken, and is in a queue or in a poll.
    Woken,
}

/// What a waker has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Wake {
    /// The caller has won the run token and must queue the task.
    Queue,
    /// Somebody has the token, or the task is complete.
    Nothing,
}

/// What the holder of the run token has to do next.
#[derive(Debug)]
#[must_use]
pub(super) enum Start {
    /// Poll the future, and hand the count back to [`State::pending`].
    Poll(Seen),
    /// Drop the future.
    Cancel,
    /// Poll the future, after [`State::begin_trace`], and tell whoever wants to know what it waits for.
    Trace,
}

/// The wake count that a poll has taken into account.
#[derive(Debug)]
pub(super) struct Seen(u64);

/// What the runner has to do after a poll that returned `Pending`.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Pending {
    /// The token is gone: do not touch the task again.
    Idle,
    /// Woken during the poll: queue it again.
    Again,
}

/// What the runner has to do after it wrote the output.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Completed {
    /// Take the waker from the join slot, retire the task, and wake the waker. The task is not retired yet.
    WakeJoiner,
    /// The handle is gone: the output is the runner's to drop, and the cell too if it was retired in the same step.
    DropOutput,
    /// The output is the handle's, and the cell too if it was retired in the same step.
    Nothing,
}

/// Who has the cell after it was retired.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Retired {
    /// The handle is gone: the base reference is the caller's to give up.
    Free,
    /// The handle will give it up.
    Held,
}

/// What a join handle finds.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Join {
    /// The output is there and the caller's to take.
    Ready,
    /// Not yet; the join slot is as the called transition says.
    Pending,
}

/// What is left for a join handle that goes.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum HandleDropped {
    /// Nothing changed: drop the output first, which is the caller's, and say so.
    OutputFirst,
    /// The base reference is the caller's to give up.
    Free,
    /// The runner or the registry will give it up. Do not touch the task again.
    Held,
}

impl State {
    /// A task that has just been spawned: the spawner holds its run token.
    pub(super) fn new() -> Self {
        State(AtomicU64::new(ONE_WAKE))
    }

    /// Step 1.
    #[inline]
    pub(super) fn wake(&self) -> Wake {
        if !planted::keeps(Step::WakeIsCounted) && self.0.load(Ordering::Acquire) & WAKES != 0 {
            return Wake::Nothing;
        }
        // Ordering: Release pairs with the Acquire in `start`; see the module's page.
        let before = self.0.fetch_add(ONE_WAKE, planted::ordering(Step::WakePublishes, Ordering::Release));
        if before & (WAKES | COMPLETE) == 0 { Wake::Queue } else { Wake::Nothing }
    }

    /// Marks the task for cancellation. The caller wakes it afterwards, so that some run finds the mark.
    pub(super) fn cancel(&self) {
        // Ordering: the wake that follows publishes it; Release all the same, so that the mark never trails a wake.
        self.0.fetch_or(CANCELLED, Ordering::Release);
    }

    /// Has the next run traced. The caller wakes the task afterwards, so that there is one.
    pub(super) fn trace(&self) {
        // Ordering: the wake that follows publishes it, as in `cancel`. AcqRel pairs with `begin_trace`: a run that begins behind this sees it.
        self.0.fetch_or(TRACED, Ordering::AcqRel);
    }

    /// Step 2 again, of a run that is traced. What is asked for from here on makes for another run.
    pub(super) fn begin_trace(&self) -> Seen {
        // Ordering: Acquire as in `start`, because this may see more wakes; Release keeps the look at the requests behind it, together with
        // their lock.
        Seen(self.0.fetch_and(!TRACED, Ordering::AcqRel) & WAKES)
    }

    /// Step 2; the caller holds the run token.
    #[inline]
    pub(super) fn start(&self) -> Start {
        // Ordering: Acquire pairs with the Release of every wake counted here and of the last `pending`.
        let word = self.0.load(planted::ordering(Step::PollAcquires, Ordering::Acquire));
        if word & (CANCELLED | TRACED) == 0 {
            Start::Poll(Seen(word & WAKES))
        } else if word & CANCELLED != 0 {
            Start::Cancel
        } else {
            Start::Trace
        }
    }

    /// Step 3; gives up the run token unless the task was woken meanwhile.
    #[inline]
    pub(super) fn pending(&self, seen: Seen) -> Pending {
        // Ordering: Release pairs with the Acquire in the next `start`. No Acquire: this run does not poll again.
        let before = self.0.fetch_sub(seen.0, Ordering::Release);
        if before & WAKES == seen.0 { Pending::Idle } else { Pending::Again }
    }

    /// Step 4; the output is in its place. With `retire`, the registry has let go of the task already, and it is retired in
    /// the same step unless there is a joiner to wake.
    #[inline]
    pub(super) fn complete(&self, retire: bool) -> Completed {
        // Ordering: Relaxed; the exchange decides.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let retired = if retire && word & JOIN_WAKER == 0 { RETIRED } else { 0 };
            // Ordering: Release publishes the output, and the runner's last access to the cell, to `join`,
            // `announce_join_waker` and `drop_handle`; Acquire sees the waker that `announce_join_waker` published, and
            // orders the drop of output and cell after `drop_handle`.
            match self.0.compare_exchange_weak(
                word,
                word | COMPLETE | retired,
                planted::ordering(Step::CompletePublishes, Ordering::AcqRel),
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        debug_assert_eq!(word & COMPLETE, 0, "a task completes once");
        if word & HANDLE_DROPPED != 0 {
            Completed::DropOutput
        } else if word & JOIN_WAKER != 0 {
            Completed::WakeJoiner
        } else {
            Completed::Nothing
        }
    }

    /// The runner and the registry have done with a complete task.
    #[inline]
    pub(super) fn retire(&self) -> Retired {
        // Ordering: AcqRel pairs with `drop_handle`: exactly one of the two finds the other's bit, and whoever frees the
        // cell does so after the other's last access.
        // An addition sets a bit that is clear, and is one instruction where its result is used.
        let before = self.0.fetch_add(RETIRED, planted::ordering(Step::RetirePublishes, Ordering::AcqRel));
        debug_assert_eq!(before & RETIRED, 0, "a task is retired once");
        if before & HANDLE_DROPPED != 0 { Retired::Free } else { Retired::Held }
    }

    /// `None`: it has ended.
    pub(super) fn look(&self) -> Option<Progress> {
        // Ordering: Relaxed; what is seen may be over.
        let word = self.0.load(Ordering::Relaxed);
        let progress = if word & WAKES == 0 { Progress::Idle } else { Progress::Woken };
        (word & COMPLETE == 0).then_some(progress)
    }

    /// Whether the output is there.
    pub(super) fn is_complete(&self) -> bool {
        // Ordering: Acquire pairs with `complete`, so that who sees it complete sees what the task did.
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Called by the join handle: is the output there?
    #[inline]
    pub(super) fn join(&self) -> Join {
        // Ordering: Acquire pairs with `complete`, so that the output is visible.
        if self.0.load(Ordering::Acquire) & COMPLETE != 0 { Join::Ready } else { Join::Pending }
    }

    /// Called by the join handle after it filled the join slot. `Pending`: the slot is the runner's now.
    /// `Ready`: the task had completed before; the slot is still the caller's.
    #[inline]
    pub(super) fn announce_join_waker(&self) -> Join {
        // Ordering: Release publishes the waker to `complete`; Acquire sees the output if it came first.
        // The bit is clear, so that an addition sets it; see `retire`.
        let before = self.0.fetch_add(JOIN_WAKER, planted::ordering(Step::JoinWakerPublishes, Ordering::AcqRel));
        debug_assert_eq!(before & JOIN_WAKER, 0, "the handle announces a waker once");
        if before & COMPLETE != 0 { Join::Ready } else { Join::Pending }
    }

    /// Called by the join handle to have the join slot back. `Pending`: it is the caller's. `Ready`: the runner has
    /// the slot, and the output is there.
    pub(super) fn reclaim_join_waker(&self) -> Join {
        if !planted::keeps(Step::JoinWakerIsReclaimed) {
            return self.join();
        }
        // Ordering: AcqRel pairs with `complete`: exactly one of the two finds the other's bit.
        let before = self.0.fetch_and(!JOIN_WAKER, Ordering::AcqRel);
        if before & COMPLETE != 0 { Join::Ready } else { Join::Pending }
    }

    /// Called by the join handle when it goes, after it had the join slot back. `output_gone`: it has taken or dropped the
    /// output.
    #[inline]
    pub(super) fn drop_handle(&self, output_gone: bool) -> HandleDropped {
        // Ordering: Acquire, here and below, pairs with `complete`, for the output, and with `retire`, for the cell.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            // Whoever has said that it goes has the cell no longer, so the output must be gone before.
            if word & COMPLETE != 0 && !output_gone && planted::keeps(Step::OutputGoesFirst) {
                return HandleDropped::OutputFirst;
            }
            if word & RETIRED != 0 {
                return HandleDropped::Free;
            }
            // Ordering: Release pairs with `complete` and `retire`: who frees the cell does so after our last access.
            match self.0.compare_exchange_weak(word, word | HANDLE_DROPPED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return HandleDropped::Held,
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn idle() -> State {
        let state = State::new();
        run(&state, Pending::Idle);
        state
    }

    fn run(state: &State, expected: Pending) {
        let Start::Poll(seen) = state.start() else { panic!("it is not cancelled") };
        assert_eq!(state.pending(seen), expected);
    }

    #[test]
    fn a_new_task_has_its_token_with_the_spawner() {
        assert_eq!(State::new().wake(), Wake::Nothing);
    }

    #[test]
    fn only_the_first_of_two_wakes_wins_the_token() {
        let state = idle();
        assert_eq!(state.wake(), Wake::Queue);
        assert_eq!(state.wake(), Wake::Nothing);
        run(&state, Pending::Idle);
        assert_eq!(state.wake(), Wake::Queue);
    }

    #[test]
    fn a_wake_during_a_poll_keeps_the_token_with_the_runner() {
        let state = State::new();
        let Start::Poll(seen) = state.start() else { panic!("it is not cancelled") };
        assert_eq!(state.wake(), Wake::Nothing);
        assert_eq!(state.pending(seen), Pending::Again);
        run(&state, Pending::Idle);
    }

    #[test]
    fn a_wake_after_completion_means_nothing() {
        let state = State::new();
        assert_eq!(state.complete(false), Completed::Nothing);
        assert_eq!(state.wake(), Wake::Nothing);
        assert!(state.is_complete());
    }

    #[test]
    fn cancelling_an_idle_task_makes_its_next_run_drop_the_future() {
        let state = idle();
        state.cancel();
        assert_eq!(state.wake(), Wake::Queue);
        assert!(matches!(state.start(), Start::Cancel));
    }

    #[test]
    fn a_trace_is_of_one_run_and_cancelling_comes_first() {
        let state = idle();
        state.trace();
        assert_eq!(state.wake(), Wake::Queue);
        assert!(matches!(state.start(), Start::Trace));
        let seen = state.begin_trace();
        // Asked for once more.
        state.trace();
        assert_eq!(state.wake(), Wake::Nothing);
        assert_eq!(state.pending(seen), Pending::Again);
        assert!(matches!(state.start(), Start::Trace));
        assert_eq!(state.pending(state.begin_trace()), Pending::Idle);
        state.trace();
        state.cancel();
        assert_eq!(state.wake(), Wake::Queue);
        assert!(matches!(state.start(), Start::Cancel));
    }

    #[test]
    fn completion_finds_the_join_waker_only_while_it_is_announced() {
        let state = State::new();
        assert_eq!(state.announce_join_waker(), Join::Pending);
        assert_eq!(state.reclaim_join_waker(), Join::Pending);
        assert_eq!(state.announce_join_waker(), Join::Pending);
        assert_eq!(state.complete(true), Completed::WakeJoiner);
        assert_eq!(state.retire(), Retired::Held);
        assert_eq!(state.reclaim_join_waker(), Join::Ready);
    }

    #[test]
    fn exactly_one_of_completion_and_handle_drop_gets_the_output() {
        let state = State::new();
        assert_eq!(state.drop_handle(false), HandleDropped::Held);
        assert_eq!(state.complete(true), Completed::DropOutput);

        let state = State::new();
        assert_eq!(state.complete(true), Completed::Nothing);
        assert_eq!(state.drop_handle(false), HandleDropped::OutputFirst);
        assert_eq!(state.drop_handle(true), HandleDropped::Free);
    }

    #[test]
    fn the_later_of_registry_and_handle_gives_up_the_cell() {
        let state = State::new();
        assert_eq!(state.complete(false), Completed::Nothing);
        assert_eq!(state.retire(), Retired::Held);
        assert_eq!(state.drop_handle(true), HandleDropped::Free);

        let state = State::new();
        assert_eq!(state.complete(false), Completed::Nothing);
        assert_eq!(state.drop_handle(true), HandleDropped::Held);
        assert_eq!(state.retire(), Retired::Free);
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::cell::UnsafeCell;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// A task whose future is ready once both flags are set; its queue is a count.
    struct Model {
        state: State,
        queued: AtomicUsize,
        first: AtomicUsize,
        second: AtomicUsize,
        done: UnsafeCell<bool>,
    }

    impl Model {
        fn idle() -> Arc<Self> {
            let state = State::new();
            let Start::Poll(seen) = state.start() else { unreachable!() };
            assert_eq!(state.pending(seen), Pending::Idle);
            Arc::new(Model {
                state,
                queued: AtomicUsize::new(0),
                first: AtomicUsize::new(0),
                second: AtomicUsize::new(0),
                done: UnsafeCell::new(false),
            })
        }

        fn wake(&self) {
            if self.state.wake() == Wake::Queue {
                self.queued.fetch_add(1, Ordering::Release);
            }
        }

        fn run_one(&self) -> bool {
            if self.queued.compare_exchange(1, 0, Ordering::Acquire, Ordering::Relaxed).is_err() {
                return false;
            }
            let Start::Poll(seen) = self.state.start() else { unreachable!() };
            let ready = self.first.load(Ordering::Relaxed) + self.second.load(Ordering::Relaxed) == 2;
            // loom itself reports two polls at once here.
            // SAFETY: the token of this task is ours.
            self.done.with_mut(|done| unsafe { *done |= ready });
            if self.state.pending(seen) == Pending::Again {
                self.queued.fetch_add(1, Ordering::Release);
            }
            true
        }
    }

    #[test]
    fn no_wake_is_lost_and_no_two_threads_poll_at_once() {
        loom::model(|| {
            let model = Model::idle();
            let other = model.clone();
            let waker = thread::spawn(move || {
                other.first.store(1, Ordering::Relaxed);
                other.wake();
                other.run_one();
            });
            model.second.store(1, Ordering::Relaxed);
            model.wake();
            model.run_one();
            waker.join().unwrap();
            while model.run_one() {}
            // SAFETY: the other thread has been joined.
            assert!(model.done.with_mut(|done| unsafe { *done }), "a wake was lost");
        });
    }

    #[test]
    fn the_wake_model_notices_a_wake_that_does_not_publish() {
        let name = "task::state::models::no_wake_is_lost_and_no_two_threads_poll_at_once";
        assert_caught(name, Step::WakePublishes);
    }

    #[test]
    fn the_wake_model_notices_a_wake_that_is_not_counted() {
        let name = "task::state::models::no_wake_is_lost_and_no_two_threads_poll_at_once";
        assert_caught(name, Step::WakeIsCounted);
    }

    #[test]
    fn the_wake_model_notices_a_poll_that_does_not_acquire() {
        let name = "task::state::models::no_wake_is_lost_and_no_two_threads_poll_at_once";
        assert_caught(name, Step::PollAcquires);
    }
}

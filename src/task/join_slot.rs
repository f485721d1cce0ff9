//! Where a task keeps the waker of whoever awaits it, and the place of its output.
//!
//! The slot has no lock. `JOIN_WAKER` in the [state word](super::state) says whose it is: clear, the join handle's; set,
//! the runner's. The handle fills the slot and then announces it; to replace the waker it first takes the slot back. The
//! runner takes the waker when it completes the task and finds the bit set. If completion comes first the handle learns
//! so from the same read-modify-write, keeps the slot, and finds the output there.

use super::state::{Completed, Join, Retired, State};
use crate::primitives::cell::UnsafeCell;
use crate::primitives::planted::{self, Step};
use std::task::{Context, Poll, Waker};

/// See the module's page.
#[derive(Debug)]
pub(super) struct JoinSlot(UnsafeCell<Option<Waker>>);

impl JoinSlot {
    pub(super) fn new() -> Self {
        JoinSlot(UnsafeCell::new(None))
    }

    /// Asks for the end of the task: `Ready` if its output can be taken, else `waker` will be woken.
    ///
    /// # Safety
    ///
    /// The caller is the task's join handle; `announced` is its own note of whether the slot is filled and announced. While it
    /// is false, the slot is empty.
    #[inline]
    pub(super) unsafe fn poll(&self, state: &State, announced: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        if state.join() == Join::Ready {
            return Poll::Ready(());
        }
        let waker = if *announced {
            if state.reclaim_join_waker() == Join::Ready {
                return Poll::Ready(());
            }
            *announced = false;
            // SAFETY: the bit is clear, so the slot is the handle's, and the handle is the caller.
            match self.0.with_mut(|slot| unsafe { (*slot).take() }) {
                Some(before) if before.will_wake(cx.waker()) => before,
                _ => cx.waker().clone(),
            }
        } else {
            cx.waker().clone()
        };
        // SAFETY: the bit is clear, so the slot is the handle's, and it is empty.
        self.0.with_mut(|slot| unsafe { slot.write(Some(waker)) });
        match state.announce_join_waker() {
            Join::Pending => {
                *announced = true;
                Poll::Pending
            }
            Join::Ready => {
                // SAFETY: completion came first and found the bit clear: the slot is still the handle's.
                drop(self.0.with_mut(|slot| unsafe { (*slot).take() }));
                Poll::Ready(())
            }
        }
    }

    /// Empties the slot, which is filled, when the join handle goes.
    ///
    /// # Safety
    ///
    /// The caller is the task's join handle, and the last [`poll`](JoinSlot::poll) announced a waker.
    pub(super) unsafe fn release(&self, state: &State) {
        if state.reclaim_join_waker() == Join::Pending {
            // SAFETY: the bit is clear, so the slot is the handle's.
            drop(self.0.with_mut(|slot| unsafe { (*slot).take() }));
        }
    }

    /// Marks the task complete, and says what is left to do for the runner. `retire`: the registry has let go of the task,
    /// so that it can be retired too.
    ///
    /// # Safety
    ///
    /// The caller holds the run token and has written the output.
    #[inline]
    pub(super) unsafe fn complete(&self, state: &State, retire: bool) -> AfterComplete {
        match state.complete(retire) {
            Completed::Nothing => AfterComplete { joiner: None, output: false, cell: false },
            Completed::DropOutput => AfterComplete { joiner: None, output: true, cell: retire },
            Completed::WakeJoiner => {
                if !planted::keeps(Step::WakerIsTakenBeforeRetiring) {
                    let _ = state.retire();
                }
                // SAFETY: the bit was set at completion, so the slot is the runner's for good, and the cell is there
                // until the task is retired.
                let joiner = self.0.with_mut(|slot| unsafe { (*slot).take() });
                AfterComplete { joiner, output: false, cell: retire && state.retire() == Retired::Free }
            }
        }
    }
}

/// What the runner has to do after completion, in this order.
#[must_use]
pub(super) struct AfterComplete {
    /// The output is the runner's to drop.
    pub(super) output: bool,
    /// The base reference of the cell is the runner's to give up.
    pub(super) cell: bool,
    /// To be woken.
    pub(super) joiner: Option<Waker>,
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use crate::task::state::HandleDropped;
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Model {
        state: State,
        slot: JoinSlot,
        output: UnsafeCell<Option<u32>>,
        /// Touched by whoever frees the cell; loom reports anybody who touches a part of it at the same time.
        freed: UnsafeCell<u32>,
    }

    /// Counts its wakes. Not loom's atomics: only read after the threads were joined.
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counting() -> (std::sync::Arc<Count>, Waker) {
        let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
        (count.clone(), Waker::from(count))
    }

    impl Model {
        fn new() -> Arc<Self> {
            let (output, freed) = (UnsafeCell::new(None), UnsafeCell::new(0));
            Arc::new(Model { state: State::new(), slot: JoinSlot::new(), output, freed })
        }

        /// Plays the runner; with `retire`, on the worker that spawned the task, else the registry comes later.
        fn complete(&self, retire: bool) {
            // SAFETY: the output is the runner's until the task is complete.
            self.output.with_mut(|output| unsafe { *output = Some(7) });
            // SAFETY: this thread plays the holder of the run token.
            let after = unsafe { self.slot.complete(&self.state, retire) };
            if after.output {
                // SAFETY: the handle is gone, the output is the runner's.
                self.output.with_mut(|output| unsafe { *output = None });
            }
            if after.cell || (!retire && self.state.retire() == Retired::Free) {
                self.free();
            }
            if let Some(joiner) = after.joiner {
                joiner.wake();
            }
        }

        /// Plays the handle's poll.
        fn poll(&self, announced: &mut bool, waker: &Waker) -> bool {
            // SAFETY: this thread plays the handle.
            unsafe { self.slot.poll(&self.state, announced, &mut Context::from_waker(waker)) }.is_ready()
        }

        fn take_output(&self) -> Option<u32> {
            // SAFETY: this thread plays the handle, to which the task is complete.
            self.output.with_mut(|output| unsafe { (*output).take() })
        }

        /// Plays the handle's end.
        fn drop_handle(&self, announced: bool, taken: bool) {
            if announced && !taken {
                // SAFETY: this thread plays the handle.
                unsafe { self.slot.release(&self.state) };
            }
            let mut end = self.state.drop_handle(taken);
            if end == HandleDropped::OutputFirst {
                assert_eq!(self.take_output(), Some(7));
                end = self.state.drop_handle(true);
            }
            if end == HandleDropped::Free {
                self.free();
            }
        }

        fn free(&self) {
            self.slot.0.with_mut(|_| ());
            // SAFETY: the base reference is this thread's, or so the model shows.
            self.freed.with_mut(|freed| unsafe { *freed += 1 });
            // SAFETY: the same.
            assert_eq!(self.output.with_mut(|output| unsafe { *output }), None, "nobody dropped the output");
        }

        fn check_end(&self) {
            // SAFETY: the other thread has been joined.
            assert_eq!(self.freed.with_mut(|freed| unsafe { *freed }), 1, "the cell was not freed once");
        }
    }

    fn joining(retire: bool) {
        let model = Model::new();
        let runner = thread::spawn({
            let model = model.clone();
            move || model.complete(retire)
        });
        let (first, first_waker) = counting();
        let (second, second_waker) = counting();
        let mut announced = false;
        let ready = model.poll(&mut announced, &first_waker) || model.poll(&mut announced, &second_waker);
        if ready {
            assert_eq!(model.take_output(), Some(7));
            model.drop_handle(announced, true);
            runner.join().unwrap();
        } else {
            runner.join().unwrap();
            assert!(model.poll(&mut announced, &second_waker));
            assert_eq!(model.take_output(), Some(7));
            model.drop_handle(announced, true);
        }
        let (first, second) = (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst));
        assert!(ready || second == 1, "the joiner's last waker was not woken");
        assert!(first + second <= 1, "woken twice");
        model.check_end();
    }

    #[test]
    fn a_joiner_is_woken_or_finds_the_output() {
        loom::model(|| joining(true));
    }

    #[test]
    fn a_joiner_is_woken_or_finds_the_output_of_a_task_retired_later() {
        loom::model(|| joining(false));
    }

    fn leaving(retire: bool) {
        let model = Model::new();
        let runner = thread::spawn({
            let model = model.clone();
            move || model.complete(retire)
        });
        let (_count, waker) = counting();
        let mut announced = false;
        model.poll(&mut announced, &waker);
        model.drop_handle(announced, false);
        runner.join().unwrap();
        model.check_end();
    }

    #[test]
    fn output_and_cell_are_dropped_by_one_side() {
        loom::model(|| leaving(true));
    }

    #[test]
    fn output_and_cell_are_dropped_by_one_side_of_a_task_retired_later() {
        loom::model(|| leaving(false));
    }

    const JOINING: &str = "task::join_slot::models::a_joiner_is_woken_or_finds_the_output";
    const JOINING_LATER: &str =
        "task::join_slot::models::a_joiner_is_woken_or_finds_the_output_of_a_task_retired_later";
    const LEAVING: &str = "task::join_slot::models::output_and_cell_are_dropped_by_one_side";

    #[test]
    fn the_join_model_notices_an_output_that_is_not_published() {
        assert_caught(JOINING, Step::CompletePublishes);
    }

    #[test]
    fn the_join_model_notices_a_waker_that_is_not_published() {
        assert_caught(JOINING, Step::JoinWakerPublishes);
    }

    #[test]
    fn the_join_model_notices_a_waker_replaced_without_taking_the_slot_back() {
        assert_caught(JOINING, Step::JoinWakerIsReclaimed);
    }

    #[test]
    fn the_join_model_notices_a_waker_that_is_taken_from_a_retired_cell() {
        assert_caught(JOINING, Step::WakerIsTakenBeforeRetiring);
    }

    #[test]
    fn the_join_model_notices_a_cell_that_is_let_go_without_a_word_to_the_other_side() {
        assert_caught(JOINING_LATER, Step::RetirePublishes);
    }

    #[test]
    fn the_leaving_model_notices_a_handle_that_goes_before_the_output() {
        assert_caught(LEAVING, Step::OutputGoesFirst);
    }
}

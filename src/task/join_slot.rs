//! Where a task keeps the waker of whoever awaits it, and the place of its output.
//!
//! The slot has no lock. `JOIN_WAKER` in the [state word](super::state) says whose it is: clear, the join handle's; set,
//! the runner's. The handle fills the slot and then announces it; to replace the waker it first takes the slot back. The
//! runner takes the waker when it completes the task and finds the bit set. If completion comes first the handle learns
//! so from the same read-modify-write, keeps the slot, and finds the output there.

use super::state::{Completed, Join, State};
use crate::primitives::cell::UnsafeCell;
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
    /// The caller is the task's join handle; `announced` is its own note of whether the slot is filled.
    pub(super) unsafe fn poll(&self, state: &State, announced: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        if state.join() == Join::Ready {
            return Poll::Ready(());
        }
        if *announced && state.reclaim_join_waker() == Join::Ready {
            return Poll::Ready(());
        }
        *announced = false;
        self.0.with_mut(|slot| {
            // SAFETY: the bit is clear, so the slot is the handle's, and the handle is the caller.
            let slot = unsafe { &mut *slot };
            match slot {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *slot = Some(cx.waker().clone()),
            }
        });
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

    /// Empties the slot when the join handle goes.
    ///
    /// # Safety
    ///
    /// As for [`JoinSlot::poll`].
    pub(super) unsafe fn release(&self, state: &State, announced: bool) {
        if !announced || state.reclaim_join_waker() == Join::Pending {
            // SAFETY: the bit is clear, so the slot is the handle's.
            drop(self.0.with_mut(|slot| unsafe { (*slot).take() }));
        }
    }

    /// Marks the task complete, and says what is left to do for the runner.
    ///
    /// # Safety
    ///
    /// The caller holds the run token and has written the output.
    pub(super) unsafe fn complete(&self, state: &State) -> AfterComplete {
        match state.complete() {
            Completed::Nothing => AfterComplete::Nothing,
            Completed::DropOutput => AfterComplete::DropOutput,
            // SAFETY: the bit was set at completion, so the slot is the runner's for good.
            Completed::WakeJoiner => match self.0.with_mut(|slot| unsafe { (*slot).take() }) {
                Some(waker) => AfterComplete::Wake(waker),
                None => AfterComplete::Nothing,
            },
        }
    }
}

/// What the runner has to do after completion.
#[must_use]
pub(super) enum AfterComplete {
    Wake(Waker),
    DropOutput,
    Nothing,
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::{Step, assert_caught};
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Model {
        state: State,
        slot: JoinSlot,
        output: UnsafeCell<Option<u32>>,
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

    fn complete(model: &Model) {
        // SAFETY: this thread plays the runner.
        model.output.with_mut(|output| unsafe { *output = Some(7) });
        // SAFETY: the same.
        match unsafe { model.slot.complete(&model.state) } {
            AfterComplete::Wake(waker) => waker.wake(),
            // SAFETY: the handle is gone, the output is the runner's.
            AfterComplete::DropOutput => model.output.with_mut(|output| unsafe { *output = None }),
            AfterComplete::Nothing => {}
        }
    }

    fn model() -> Arc<Model> {
        Arc::new(Model { state: State::new(), slot: JoinSlot::new(), output: UnsafeCell::new(None) })
    }

    #[test]
    fn a_joiner_is_woken_or_finds_the_output() {
        loom::model(|| {
            let model = model();
            let runner = thread::spawn({
                let model = model.clone();
                move || complete(&model)
            });
            let (first, first_waker) = counting();
            let (second, second_waker) = counting();
            let mut announced = false;
            let mut ready = false;
            for waker in [&first_waker, &second_waker] {
                // SAFETY: this thread plays the handle.
                ready = unsafe { model.slot.poll(&model.state, &mut announced, &mut Context::from_waker(waker)) }
                    .is_ready();
                if ready {
                    break;
                }
            }
            if ready {
                // SAFETY: the output is the handle's.
                assert_eq!(model.output.with_mut(|output| unsafe { (*output).take() }), Some(7));
            }
            runner.join().unwrap();
            let (first, second) = (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst));
            assert!(ready || second == 1, "the joiner's last waker was not woken");
            assert!(first + second <= 1, "woken twice");
        });
    }

    #[test]
    fn the_output_is_dropped_by_one_side() {
        loom::model(|| {
            let model = model();
            let runner = thread::spawn({
                let model = model.clone();
                move || complete(&model)
            });
            let (_count, waker) = counting();
            let mut announced = false;
            // SAFETY: this thread plays the handle.
            let polled = unsafe { model.slot.poll(&model.state, &mut announced, &mut Context::from_waker(&waker)) };
            // SAFETY: the same.
            unsafe { model.slot.release(&model.state, announced) };
            if polled.is_ready() || model.state.drop_handle() == Join::Ready {
                // SAFETY: the output is the handle's.
                let output = model.output.with_mut(|output| unsafe { (*output).take() });
                assert_eq!(output, Some(7));
            }
            runner.join().unwrap();
            // SAFETY: the runner has ended.
            assert_eq!(model.output.with_mut(|output| unsafe { *output }), None, "nobody dropped the output");
        });
    }

    #[test]
    fn the_join_model_notices_an_output_that_is_not_published() {
        let name = "task::join_slot::models::a_joiner_is_woken_or_finds_the_output";
        assert_caught(name, Step::CompletePublishes);
    }

    #[test]
    fn the_join_model_notices_a_waker_that_is_not_published() {
        let name = "task::join_slot::models::a_joiner_is_woken_or_finds_the_output";
        assert_caught(name, Step::JoinWakerPublishes);
    }

    #[test]
    fn the_join_model_notices_a_waker_replaced_without_taking_the_slot_back() {
        let name = "task::join_slot::models::a_joiner_is_woken_or_finds_the_output";
        assert_caught(name, Step::JoinWakerIsReclaimed);
    }
}

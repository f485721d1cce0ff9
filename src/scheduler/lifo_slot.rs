//! One task that a worker will run next, ahead of its deque.
//!
//! A task woken by the running one most likely continues what that one did, with its data still in the cache. Pushing
//! into an empty slot wakes nobody: sending half of a conversation to another core costs more than it gains.
//!
//! **Only the owner turns null into a task; thieves turn a task into null.** So the owner's plain store into a slot that
//! it saw empty can overwrite nothing. A thief uses a compare-and-swap, so that one that comes too late writes nothing.
//! The pointer is not followed before it is won, so a slot that went through null and back is no danger.

use crate::primitives::atomic::{AtomicPtr, Ordering};
use crate::primitives::planted::{self, Step};
use crate::task::RunToken;
use std::ptr::null_mut;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LifoSlot(AtomicPtr<()>);

impl LifoSlot {
    pub(super) fn new() -> Self {
        LifoSlot(AtomicPtr::new(null_mut()))
    }

    /// Puts `token` in, and returns what was there. Called by the owner only.
    #[inline]
    pub(super) fn replace(&self, token: RunToken) -> Option<RunToken> {
        // SAFETY: what `put` returns was put in by this function.
        unsafe { self.put(token.into_raw()) }.map(|raw| unsafe { RunToken::from_raw(raw) })
    }

    /// Takes the task out. Called by the owner only.
    #[inline]
    pub(super) fn take(&self) -> Option<RunToken> {
        // SAFETY: what `pop` returns was put in by `replace`, and is out now.
        self.pop().map(|raw| unsafe { RunToken::from_raw(raw) })
    }

    /// Whether there is nothing in it. Called by the owner only.
    pub(super) fn is_empty(&self) -> bool {
        // Ordering: Relaxed; as in `put`.
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Whether there is nothing in it, as others see it.
    pub(super) fn is_vacant(&self) -> bool {
        // Ordering: Relaxed; a look that comes too early is repeated.
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes the task out of another worker's slot.
    pub(super) fn steal(&self) -> Option<RunToken> {
        // SAFETY: what `grab` returns was put in by `replace`, and is out now.
        self.grab().map(|raw| unsafe { RunToken::from_raw(raw) })
    }

    #[inline]
    unsafe fn put(&self, raw: *mut ()) -> Option<*mut ()> {
        // Ordering: Relaxed; only the owner puts a task in, so null means empty until the owner says otherwise.
        if self.0.load(Ordering::Relaxed).is_null() {
            // Ordering: Release publishes the task to the Acquire in `grab`.
            self.0.store(raw, Ordering::Release);
            return None;
        }
        // Ordering: Release as above; no Acquire, what comes out is the owner's own, or null from a thief.
        let old = self.0.swap(raw, Ordering::Release);
        (!old.is_null()).then_some(old)
    }

    #[inline]
    fn pop(&self) -> Option<*mut ()> {
        // Ordering: Relaxed; as in `put`.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Ordering: Relaxed; what comes out is the owner's own, or null from a thief.
        let raw = self.0.swap(null_mut(), Ordering::Relaxed);
        (!raw.is_null()).then_some(raw)
    }

    fn grab(&self) -> Option<*mut ()> {
        // Ordering: Relaxed; the exchange decides.
        let raw = self.0.load(Ordering::Relaxed);
        if raw.is_null() {
            return None;
        }
        if !planted::keeps(Step::ThiefCompares) {
            self.0.store(null_mut(), Ordering::Release);
            return Some(raw);
        }
        // Ordering: Acquire pairs with the Release in `put`.
        self.0.compare_exchange(raw, null_mut(), Ordering::Acquire, Ordering::Relaxed).ok()
    }
}

impl Drop for LifoSlot {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn every_task_comes_out_of_the_slot_once() {
        loom::model(|| {
            // Numbers stand for tasks: the slot never follows its pointer.
            let task = |number: usize| std::ptr::without_provenance_mut::<()>(number);
            let slot = Arc::new(LifoSlot::new());
            let thief = thread::spawn({
                let slot = slot.clone();
                move || slot.grab().map(|raw| raw.addr())
            });
            let mut out = Vec::new();
            // SAFETY: nothing makes a token of these numbers.
            out.extend(unsafe { slot.put(task(1)) });
            // SAFETY: the same.
            out.extend(unsafe { slot.put(task(2)) });
            out.extend(slot.pop());
            let mut out: Vec<usize> = out.into_iter().map(|raw| raw.addr()).collect();
            out.extend(thief.join().unwrap());
            out.sort_unstable();
            assert_eq!(out, [1, 2]);
        });
    }

    #[test]
    fn the_slot_model_notices_a_thief_that_does_not_compare() {
        assert_caught("scheduler::lifo_slot::models::every_task_comes_out_of_the_slot_once", Step::ThiefCompares);
    }
}

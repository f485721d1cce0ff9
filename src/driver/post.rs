//! The post of whoever waits for events: one thread at a time has it, for a long wait or for a short turn.
//!
//! Nobody blocks for the post. A thread that wants to wait and finds another *waiting* goes to sleep elsewhere: events are watched. But
//! if it finds another making a *turn*, then nobody watches when that is over. So it leaves a note first and tries once more, and whoever
//! ends a turn looks for such a note, and sees to it that somebody comes.
//!
//! *Wanting to wait*: note; full fence; try again. *Ending a turn*: give the post back; full fence; look for a note. Of two such fences one
//! is first, so the post is found free, or the note is found.

use crate::primitives::atomic::{AtomicBool, Ordering, fence};
use crate::primitives::planted::{self, Step};
use crate::primitives::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};

/// See the module's page.
#[derive(Debug)]
pub(super) struct Post<T> {
    is_taken: AtomicBool,
    /// Locked by the holder only, and so never waited for. Not the lock decides who that is, because models know no attempt to
    /// lock that fails.
    tools: Mutex<T>,
    /// The holder waits.
    waits: AtomicBool,
    /// Somebody wanted to wait during a turn.
    note: AtomicBool,
}

/// The post is the caller's until it ends its turn or its wait, or panics.
pub(super) struct Holding<'a, T> {
    post: &'a Post<T>,
    /// `Some` until this is dropped.
    tools: Option<MutexGuard<'a, T>>,
}

impl<T> Post<T> {
    pub(super) fn new(tools: T) -> Self {
        let word = || AtomicBool::new(false);
        Post { is_taken: word(), tools: Mutex::new(tools), waits: word(), note: word() }
    }

    fn take(&self) -> Option<Holding<'_, T>> {
        // Ordering: Relaxed; whoever finds it taken does not take its line from the others too.
        if self.is_taken.load(Ordering::Relaxed) {
            return None;
        }
        // Ordering: Acquire pairs with the Release in the drop of `Holding`.
        let taken = self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.ok().map(|_| Holding { post: self, tools: Some(self.tools.lock()) })
    }

    /// The post for a turn.
    pub(super) fn try_turn(&self) -> Option<Holding<'_, T>> {
        self.take()
    }

    /// True: somebody wanted to wait meanwhile, and is to be called.
    #[must_use]
    pub(super) fn end_turn(&self, turn: Holding<'_, T>) -> bool {
        drop(turn);
        if planted::keeps(Step::TurnFences) {
            // Pairs with the fence in `try_wait`.
            fence(Ordering::SeqCst);
        }
        // Ordering: Relaxed; see the fence. Whoever takes the note is the one to call somebody.
        self.note.load(Ordering::Relaxed) && self.note.swap(false, Ordering::Relaxed)
    }

    /// The post for a wait. `None`: another waits, or will see the note that this leaves.
    pub(super) fn try_wait(&self) -> Option<Holding<'_, T>> {
        let wait = match self.take() {
            Some(wait) => wait,
            // Ordering: Relaxed; a wait that is just ending is followed by what its thread does, as if this came later.
            None if self.waits.load(Ordering::Relaxed) => return None,
            None => {
                // Ordering: Relaxed; the fence publishes it.
                self.note.store(true, Ordering::Relaxed);
                if planted::keeps(Step::WatcherFences) {
                    // Pairs with the fence in `end_turn`.
                    fence(Ordering::SeqCst);
                }
                self.take()?
            }
        };
        // Ordering: Relaxed; hints, as above and below.
        self.waits.store(true, Ordering::Relaxed);
        if self.note.load(Ordering::Relaxed) {
            // Somebody has come.
            self.note.store(false, Ordering::Relaxed);
        }
        Some(wait)
    }

    pub(super) fn end_wait(&self, wait: Holding<'_, T>) {
        // Ordering: Relaxed; as in `try_wait`.
        self.waits.store(false, Ordering::Relaxed);
        drop(wait);
    }
}

impl<T> Deref for Holding<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.tools.as_ref().expect("it is being dropped")
    }
}

impl<T> DerefMut for Holding<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.tools.as_mut().expect("it is being dropped")
    }
}

impl<T> Drop for Holding<'_, T> {
    fn drop(&mut self) {
        self.tools = None;
        // Ordering: Release pairs with the Acquire in `take`.
        self.post.is_taken.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::Post;

    #[test]
    fn nobody_is_called_after_a_turn_that_nobody_minded() {
        let post = Post::new(());
        let turn = post.try_turn().unwrap();
        assert!(!post.end_turn(turn));
    }

    #[test]
    fn whoever_wanted_to_wait_during_a_turn_is_called_once() {
        let post = Post::new(());
        let turn = post.try_turn().unwrap();
        assert!(post.try_wait().is_none());
        assert!(post.end_turn(turn));
        let turn = post.try_turn().unwrap();
        assert!(!post.end_turn(turn));
    }

    #[test]
    fn whoever_finds_another_waiting_leaves_no_note() {
        let post = Post::new(());
        let wait = post.try_wait().unwrap();
        assert!(post.try_wait().is_none());
        assert!(post.try_turn().is_none());
        post.end_wait(wait);
        let turn = post.try_turn().unwrap();
        assert!(!post.end_turn(turn));
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn events_are_watched_after_a_turn_if_anybody_wants_to() {
        loom::model(|| {
            let post = Arc::new(Post::new(()));
            let turning = thread::spawn({
                let post = post.clone();
                move || post.try_turn().is_some_and(|turn| post.end_turn(turn))
            });
            // It would wait for as long as this lives.
            let wait = post.try_wait();
            let is_called = turning.join().unwrap();
            assert!(wait.is_some() || is_called, "nobody watches, and nobody is called");
        });
    }

    #[test]
    fn the_post_model_notices_a_turn_without_a_fence() {
        assert_caught("driver::post::models::events_are_watched_after_a_turn_if_anybody_wants_to", Step::TurnFences);
    }

    #[test]
    fn the_post_model_notices_a_watcher_without_a_fence() {
        assert_caught("driver::post::models::events_are_watched_after_a_turn_if_anybody_wants_to", Step::WatcherFences);
    }
}

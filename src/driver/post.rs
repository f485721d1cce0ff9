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

/// See the module's page.
#[derive(Debug)]
pub(super) struct Post<T> {
    holder: Mutex<T>,
    /// The holder waits.
    waits: AtomicBool,
    /// Somebody wanted to wait during a turn.
    note: AtomicBool,
}

impl<T> Post<T> {
    pub(super) fn new(tools: T) -> Self {
        Post { holder: Mutex::new(tools), waits: AtomicBool::new(false), note: AtomicBool::new(false) }
    }

    /// The post for a turn.
    pub(super) fn try_turn(&self) -> Option<MutexGuard<'_, T>> {
        self.holder.try_lock()
    }

    /// True: somebody wanted to wait meanwhile, and is to be called.
    #[must_use]
    pub(super) fn end_turn(&self, turn: MutexGuard<'_, T>) -> bool {
        drop(turn);
        if planted::keeps(Step::TurnFences) {
            // Pairs with the fence in `try_wait`.
            fence(Ordering::SeqCst);
        }
        // Ordering: Relaxed; see the fence. Whoever takes the note is the one to call somebody.
        self.note.load(Ordering::Relaxed) && self.note.swap(false, Ordering::Relaxed)
    }

    /// The post for a wait. `None`: another waits, or will see the note that this leaves.
    pub(super) fn try_wait(&self) -> Option<MutexGuard<'_, T>> {
        let wait = match self.holder.try_lock() {
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
                self.holder.try_lock()?
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

    pub(super) fn end_wait(&self, wait: MutexGuard<'_, T>) {
        // Ordering: Relaxed; as in `try_wait`.
        self.waits.store(false, Ordering::Relaxed);
        drop(wait);
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

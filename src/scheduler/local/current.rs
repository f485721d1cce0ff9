//! Which set `spawn_local` finds on this thread.

use super::Set;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::null;
use std::sync::Arc;

thread_local! {
    /// From `Arc::into_raw`, with the count. Without a destructor, so that those of other thread-locals find it.
    static CURRENT: Cell<*const Set> = const { Cell::new(null()) };
}

/// Restores what was there before when dropped. It belongs to this thread, as the pointer in it sees to.
///
/// Each guard owns the count of what it restores, so that guards may be dropped in any order.
pub(crate) struct Entered {
    before: *const Set,
}

/// Makes `set` the one that `spawn_local` finds on this thread, until the guard is dropped.
pub(super) fn enter(set: &Arc<Set>) -> Entered {
    Entered { before: CURRENT.replace(Arc::into_raw(set.clone())) }
}

/// Lets `spawn_local` find no set on this thread, until the guard is dropped.
pub(crate) fn hide() -> Entered {
    Entered { before: CURRENT.replace(null()) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let current = CURRENT.replace(self.before);
        if !current.is_null() {
            // SAFETY: it came from `Arc::into_raw` in `enter`, and the thread-local gives its count up here.
            drop(unsafe { Arc::from_raw(current) });
        }
    }
}

/// Runs `f` with the set that this thread is in.
///
/// `f` does not use the set any more when it calls code of the user's, which may end its guard.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(Option<&Arc<Set>>) -> R) -> R {
    let pointer = CURRENT.get();
    if pointer.is_null() {
        return f(None);
    }
    // SAFETY: the pointer came from `Arc::into_raw`, and the thread-local keeps its count until a guard takes it, which only
    // code of the user's can cause. `ManuallyDrop`: the count stays with the thread-local.
    let set = ManuallyDrop::new(unsafe { Arc::from_raw(pointer) });
    f(Some(&set))
}

//! Which set `spawn_local` finds on this thread.
//!
//! What the thread is in is a list, the latest first. Each node lies with whoever put it there, on this thread, and leaves
//! the list before it goes, from wherever it is by then: users may drop guards in any order.

use super::Set;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::null;
use std::sync::Arc;

thread_local! {
    // Without a destructor, so that those of other thread-locals find it.
    static LATEST: Cell<*const Node> = const { Cell::new(null()) };
}

struct Node {
    /// From `Arc::as_ptr`, and kept alive by whoever has the node. Null: `spawn_local` finds no set here.
    set: *const Set,
    before: Cell<*const Node>,
}

impl Node {
    fn new(set: Option<&Arc<Set>>) -> Self {
        Node { set: set.map_or(null(), Arc::as_ptr), before: Cell::new(null()) }
    }

    /// # Safety
    ///
    /// The node stays where it is until it has left again, on this thread.
    unsafe fn link(&self) {
        self.before.set(LATEST.replace(self));
    }

    /// Leaves the list, in which it is.
    fn leave(&self) {
        let mut latest = LATEST.get();
        if std::ptr::eq(latest, self) {
            return LATEST.set(self.before.get());
        }
        // SAFETY: a node in the list is where it was linked until it has left, by `link`; it is this thread's.
        while let Some(later) = unsafe { latest.as_ref() } {
            latest = later.before.get();
            if std::ptr::eq(latest, self) {
                return later.before.set(self.before.get());
            }
        }
    }
}

/// Runs `f` where `spawn_local` finds `set`.
pub(super) fn inside<R>(set: &Arc<Set>, f: impl FnOnce() -> R) -> R {
    /// Also if `f` panics.
    struct Leave<'a>(&'a Node);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }

    let node = Node::new(Some(set));
    // SAFETY: it is borrowed by what makes it leave, at the end of this function.
    unsafe { node.link() };
    let _leave = Leave(&node);
    f()
}

/// Keeps the thread in a set, or outside of all, until it is dropped. It belongs to this thread, as the pointer in it sees to.
pub(crate) struct Entered {
    /// From `Box::into_raw`.
    node: *mut Node,
    _set: Option<Arc<Set>>,
}

impl Entered {
    fn new(set: Option<Arc<Set>>) -> Self {
        let node = Box::into_raw(Box::new(Node::new(set.as_ref())));
        // SAFETY: the box was made just now.
        let linked = unsafe { &*node };
        // SAFETY: the box is there until `drop`, where the node leaves first.
        unsafe { linked.link() };
        Entered { node, _set: set }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw`, and is freed only here.
        let node = unsafe { Box::from_raw(self.node) };
        node.leave();
    }
}

/// Lets `spawn_local` find `set` on this thread, until the guard is dropped.
pub(super) fn enter(set: &Arc<Set>) -> Entered {
    Entered::new(Some(set.clone()))
}

/// Lets `spawn_local` find no set on this thread, until the guard is dropped.
pub(crate) fn hide() -> Entered {
    Entered::new(None)
}

/// Runs `f` with the set that this thread is in.
///
/// `f` does not use the set any more when it calls code of the user's, which may drop the guard that keeps it.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(Option<&Arc<Set>>) -> R) -> R {
    // SAFETY: a node in the list is where it was linked until it has left.
    let set = unsafe { LATEST.get().as_ref() }.map_or(null(), |node| node.set);
    if set.is_null() {
        return f(None);
    }
    // SAFETY: the pointer is from an `Arc` that is there while its node is in the list, which it does not leave but by code of the
    // user's. `ManuallyDrop`: this is not a count of its own.
    let set = ManuallyDrop::new(unsafe { Arc::from_raw(set) });
    f(Some(&set))
}

//! Which runtime this thread is in.
//!
//! Two marks of a thread. *Entered*: `spawn`, sockets and timers find this runtime. *Async*: the thread is polling futures,
//! for a runtime of some kind; in a current-thread runtime it must not block. Neither has a destructor, so both can be read from those of other thread-locals.

use super::RuntimeFlavor;
use super::compat::Entered;
use super::handle::Inner;
use crate::scheduler::local;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::null;
use std::sync::Arc;

thread_local! {
    /// Kept alive by the counted reference in the `EnterGuard` that set it.
    static CURRENT: Cell<*const Inner> = const { Cell::new(null()) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static ASYNC: Cell<Option<Async>> = const { Cell::new(None) };
    /// Set for the life of a thread that a runtime started.
    static MEMBER_OF: Cell<*const Inner> = const { Cell::new(null()) };
}

/// Whose futures a thread is polling.
#[derive(Clone, Copy)]
struct Async {
    flavor: RuntimeFlavor,
    /// Only to be compared.
    runtime: *const Inner,
}

/// Runs `f` with the runtime this thread is in.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(Option<&Arc<Inner>>) -> R) -> R {
    let pointer = CURRENT.get();
    if pointer.is_null() {
        return f(None);
    }
    // SAFETY: the pointer is from `Arc::into_raw`, and the guard that set it keeps its reference until it resets it.
    // `ManuallyDrop`: that reference stays the guard's.
    let inner = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(pointer) });
    f(Some(&inner))
}

/// Keeps a thread inside a runtime; see [`Handle::enter`](super::Handle::enter).
///
/// # Panics
///
/// When guards are dropped in another order than the reverse of their making.
#[must_use = "the thread leaves the runtime as soon as the guard is dropped"]
pub struct EnterGuard<'a> {
    entered: *const Inner,
    before: *const Inner,
    depth: usize,
    handle: PhantomData<(&'a super::Handle, *mut ())>,
    compat: Entered<'a>,
    /// A `LocalRuntime` on its own thread hides the local set that the thread was in.
    hidden: Option<local::Entered>,
}

// SAFETY: a shared guard gives access to nothing of what is in it.
unsafe impl Sync for EnterGuard<'_> {}

pub(super) fn enter(inner: &Arc<Inner>) -> EnterGuard<'_> {
    let mut guard = enter_alone(inner.clone());
    guard.compat = inner.compat.enter();
    guard.hidden = inner.is_local_here().then(local::hide);
    guard
}

/// Enters our runtime, but not tokio's beside it.
pub(super) fn enter_alone<'a>(inner: Arc<Inner>) -> EnterGuard<'a> {
    let entered = Arc::into_raw(inner);
    let depth = DEPTH.get() + 1;
    DEPTH.set(depth);
    EnterGuard {
        entered,
        before: CURRENT.replace(entered),
        depth,
        handle: PhantomData,
        compat: Entered::default(),
        hidden: None,
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        if DEPTH.get() != self.depth {
            // This guard's reference is leaked, because a later guard will make its runtime the current one again.
            if !std::thread::panicking() {
                panic!("`EnterGuard`s must be dropped in the reverse order of their making");
            }
            return;
        }
        DEPTH.set(self.depth - 1);
        CURRENT.set(self.before);
        // SAFETY: the pointer is from the `into_raw` in `enter`, and no thread-local has it any more.
        drop(unsafe { Arc::from_raw(self.entered) });
    }
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

/// Whether this thread is polling futures.
pub(super) fn is_async() -> bool {
    ASYNC.get().is_some()
}

/// Whether others wait until this thread returns from a poll, and nobody can take its place.
pub(super) fn must_not_block() -> bool {
    ASYNC.get().is_some_and(|polling| polling.flavor == RuntimeFlavor::CurrentThread)
}

/// Marks this thread as one that `inner` started.
pub(super) fn join(inner: &Arc<Inner>) {
    MEMBER_OF.set(Arc::as_ptr(inner));
}

/// Takes the mark off, before the address can be another runtime's.
pub(super) fn part() {
    MEMBER_OF.set(null());
}

/// Whether waiting for the threads of `inner` would be waiting for this one too.
pub(super) fn is_member(inner: &Arc<Inner>) -> bool {
    std::ptr::eq(MEMBER_OF.get(), Arc::as_ptr(inner))
}

/// Whether this thread runs code for the runtime at that address: it is one of its threads, or in its `block_on`.
pub(super) fn is_inside(runtime: *const Inner) -> bool {
    MEMBER_OF.get() == runtime || ASYNC.get().is_some_and(|polling| polling.runtime == runtime)
}

/// Marks this thread as polling futures of a runtime until the guard is dropped.
pub(super) fn begin_async(inner: &Arc<Inner>) -> AsyncGuard {
    let polling = Async { flavor: inner.flavor, runtime: Arc::as_ptr(inner) };
    AsyncGuard { before: ASYNC.replace(Some(polling)) }
}

pub(super) struct AsyncGuard {
    before: Option<Async>,
}

impl Drop for AsyncGuard {
    fn drop(&mut self) {
        ASYNC.set(self.before);
    }
}

//! The future in `block_on`: no task, but what most programs wait in, so a subscriber is told of it as of one.
//!
//! Its waker is its thread's, which knows nothing of spans. So a future that is followed is polled with a waker around that one, which tells what is
//! done with it.

use super::Open;
use super::task::{Kind, Waking, is_wanted, open_task, tell_waking};
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

/// A call of `block_on`, whose future has so many bytes.
pub(crate) struct BlockOn {
    waker: Waker,
    told: Option<Arc<Around>>,
}

/// A waker that tells.
struct Around {
    waker: Waker,
    span: Open,
}

impl BlockOn {
    /// `waker` wakes the thread.
    #[track_caller]
    #[inline]
    pub(crate) fn new(waker: Waker, bytes: usize) -> Self {
        let told = if is_wanted(Kind::BlockOn) { Around::open(&waker, bytes, Location::caller()) } else { None };
        BlockOn { waker, told }
    }

    /// Polls the future with the context that it is handed.
    #[inline]
    pub(crate) fn poll<R>(&self, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let Some(around) = &self.told else {
            return poll(&mut Context::from_waker(&self.waker));
        };
        around.span.enter();
        let _inside = Inside(&around.span);
        poll(&mut Context::from_waker(&Around::borrowed(around)))
    }
}

/// Leaves the span when it is dropped.
struct Inside<'a>(&'a Open);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.exit();
    }
}

impl Drop for BlockOn {
    #[inline]
    fn drop(&mut self) {
        if let Some(around) = &self.told {
            around.span.close();
        }
    }
}

impl Around {
    #[cold]
    fn open(waker: &Waker, bytes: usize, location: &Location<'_>) -> Option<Arc<Self>> {
        let span = open_task(Kind::BlockOn, bytes, None, None, location)?;
        Some(Arc::new(Around { waker: waker.clone(), span: Open::new(Some(span)) }))
    }

    /// A waker that is not counted. What is returned must not outlive `self`, which the context it is made for sees to.
    fn borrowed(self: &Arc<Self>) -> ManuallyDrop<Waker> {
        let data = Arc::as_ptr(self).cast();
        // SAFETY: the functions of the vtable are safe to call from any thread, because `Around` is `Send` and `Sync`, as long as there is a
        // reference behind each waker. This one's is `self`'s; it is never dropped, and no longer used than the borrow of it.
        ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &WAKER)) })
    }

    fn tell(&self, waking: Waking) {
        if let Some(span) = self.span.get() {
            tell_waking(span, waking);
        }
    }
}

/// What it points to is an [`Around`] in an `Arc`.
static WAKER: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The reference that a waker is.
///
/// # Safety
///
/// `data` is of a waker with [`WAKER`], and if it is given up, so is what is returned.
unsafe fn reference(data: *const ()) -> ManuallyDrop<Arc<Around>> {
    // SAFETY: the pointer came from `Arc::as_ptr`, of an `Arc` that there is a reference to for each waker.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Around>()) })
}

/// # Safety
///
/// As for the functions of any [`RawWakerVTable`]; `data` as for [`reference`].
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise. The waker's own reference stays.
    let around = unsafe { reference(data) };
    around.tell(Waking::Clone);
    // The new waker's.
    std::mem::forget(Arc::clone(&around));
    RawWaker::new(data, &WAKER)
}

/// # Safety
///
/// As for [`clone`].
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise. The waker is given up, and so is this, below.
    let around = ManuallyDrop::into_inner(unsafe { reference(data) });
    around.tell(Waking::Wake);
    around.waker.wake_by_ref();
}

/// # Safety
///
/// As for [`clone`].
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise. The waker's own reference stays.
    let around = unsafe { reference(data) };
    around.tell(Waking::WakeByRef);
    around.waker.wake_by_ref();
}

/// # Safety
///
/// As for [`clone`].
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller's promise. The waker is given up, and so is this, below.
    let around = ManuallyDrop::into_inner(unsafe { reference(data) });
    around.tell(Waking::Drop);
}

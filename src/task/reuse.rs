//! The memory of tasks that have ended, kept for the tasks that are spawned next.
//!
//! A cell is an `Arc`, and an allocator needs hundreds of instructions for one as soon as a program spawns more tasks at a time
//! than the allocator keeps ready. So each thread keeps the cells that it frees, up to [`KEPT`] bytes, in one list for each
//! size, and makes the next tasks of that size in them. What is over the limit, very large, or aligned to more than
//! [`ALIGN`] goes through the allocator as ever. A thread that is about to sleep [gives back](trim) half of what it had no
//! use for since it last did so.
//!
//! A kept cell is an `Arc` whose only reference is the list, with nothing in it but a link. [`Arc::from_raw`] allows an
//! `Arc<T>` to be made of an `Arc<U>`'s pointer when both have the same size and alignment, which is what the lists sort by.
//! Only a reference that is the last one is kept; if a waker outlives its task, the waker's drop frees the cell.

use crate::primitives::clock;
use crate::primitives::plain::{Ordering, fence};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the allocator aligns to, and the step between two sizes.
const ALIGN: usize = 16;
/// Futures larger than about this are rare, and doing something with one costs more than allocating it.
const LARGEST: usize = 1024;
const SIZES: usize = LARGEST / ALIGN + 1;
/// Enough for the cells of more than ten thousand small tasks at a time; of a larger burst, the rest goes through the
/// allocator.
const KEPT: usize = 2 << 20;
/// What [`trim`] leaves: the cells of a thousand small tasks.
const FLOOR: usize = 128 << 10;
/// How often at most. Less, and cells go between two bursts; more, and memory stays for longer after the last.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// What lies in a kept cell.
struct Kept {
    next: *mut Kept,
    /// Gives the cell to the allocator.
    free: unsafe fn(*mut Kept),
}

/// The cells that one thread keeps.
struct Cells {
    by_size: [Cell<*mut Kept>; SIZES],
    /// How many bytes are kept.
    kept: Cell<usize>,
    /// The least that were kept since the last trim.
    least: Cell<usize>,
    trimmed: Cell<Option<Instant>>,
}

thread_local! {
    static CELLS: Cells = const { Cells::new() };
}

/// Whether cells of this type are kept. None are in a build that looks for uses of freed memory: keeping would hide them.
const fn is_kept<T>() -> bool {
    align_of::<T>() == ALIGN && size_of::<T>() >= size_of::<Kept>() && size_of::<T>() <= LARGEST && !cfg!(rt_no_reuse)
}

/// A cell with nothing in it. What is returned is the only reference, as [`Arc::into_raw`] returns it, as soon as a `T` has been written there.
#[inline]
pub(super) fn allocate<T>() -> NonNull<T> {
    let kept = if is_kept::<T>() { CELLS.try_with(|cells| cells.take(size_of::<T>())).ok().flatten() } else { None };
    let pointer = match kept {
        // By `keep`, this was an `Arc` of the same size and alignment, whose only reference was the list's.
        Some(cell) => cell.as_ptr().cast::<T>(),
        None => Arc::into_raw(Arc::<T>::new_uninit()).cast_mut().cast::<T>(),
    };
    // SAFETY: `Arc::into_raw` never returns null, and neither is what a list holds.
    unsafe { NonNull::new_unchecked(pointer) }
}

/// Gives up a reference. If it was the last, what is in the cell is dropped, and the cell kept or freed.
///
/// `drop_rest` may leave out what it knows to need no drop.
///
/// # Safety
///
/// `pointer` came from [`allocate`] with this type, a value was written there, and a counted reference is the caller's to give up.
#[inline]
pub(super) unsafe fn from_raw<T>(pointer: NonNull<T>, drop_rest: impl FnOnce(*mut T)) {
    // SAFETY: the pointer came from `Arc::into_raw`, here or before it was kept, and the count is the caller's.
    let reference = unsafe { Arc::from_raw(pointer.as_ptr()) };
    // A count of one is this reference, and nobody is left to raise it.
    if !is_kept::<T>() || Arc::strong_count(&reference) != 1 {
        return;
    }
    // Pairs with the Release with which `Arc` lowered the count: what others did with the cell is over.
    fence(Ordering::Acquire);
    let pointer = Arc::into_raw(reference).cast_mut();
    drop_rest(pointer);
    // This is the only reference, and from here on the cell is as good as an `Arc<MaybeUninit<T>>`.
    let cell = pointer.cast::<Kept>();
    let is_kept = CELLS.try_with(|cells| cells.keep(cell, size_of::<T>(), free::<T>)).unwrap_or(false);
    if !is_kept {
        // SAFETY: the only reference to such a cell.
        unsafe { free::<T>(cell) };
    }
}

/// # Safety
///
/// `cell` is the only reference to a cell of this type with nothing of it inside.
unsafe fn free<T>(cell: *mut Kept) {
    // SAFETY: an `Arc<T>` may be turned into one of the same size and alignment, and a `MaybeUninit` may hold anything.
    drop(unsafe { Arc::from_raw(cell.cast_const().cast::<MaybeUninit<T>>()) });
}

/// Gives back some of what this thread keeps without need. Called when it is about to sleep.
pub(crate) fn trim() {
    // A thread that is past its destructors keeps nothing.
    let _ = CELLS.try_with(|cells| {
        if cells.kept.get() > FLOOR {
            cells.trim(clock::now());
        }
    });
}

impl Cells {
    const fn new() -> Self {
        let by_size = [const { Cell::new(null_mut()) }; SIZES];
        Cells { by_size, kept: Cell::new(0), least: Cell::new(0), trimmed: Cell::new(None) }
    }

    #[inline]
    fn take(&self, size: usize) -> Option<NonNull<Kept>> {
        let list = &self.by_size[size / ALIGN];
        let cell = NonNull::new(list.get())?;
        // SAFETY: what is in a list was written by `keep`, and is this thread's.
        list.set(unsafe { cell.as_ref() }.next);
        let kept = self.kept.get() - size;
        self.kept.set(kept);
        if kept < self.least.get() {
            self.least.set(kept);
        }
        Some(cell)
    }

    #[inline]
    fn keep(&self, cell: *mut Kept, size: usize, free: unsafe fn(*mut Kept)) -> bool {
        let kept = self.kept.get() + size;
        if kept > KEPT {
            return false;
        }
        self.kept.set(kept);
        let list = &self.by_size[size / ALIGN];
        // SAFETY: the cell is this thread's, with nothing in it, and is large enough and aligned for a link.
        unsafe { cell.write(Kept { next: list.get(), free }) };
        list.set(cell);
        true
    }
}

impl Cells {
    #[cold]
    fn trim(&self, now: Instant) {
        if self.trimmed.get().is_some_and(|last| now.saturating_duration_since(last) < TRIM_INTERVAL) {
            return;
        }
        self.trimmed.set(Some(now));
        self.shrink_to(FLOOR.max(self.kept.get() - self.least.get() / 2));
        self.least.set(self.kept.get());
    }

    /// Frees cells, the largest first, until no more bytes are kept.
    fn shrink_to(&self, bytes: usize) {
        for (size, list) in self.by_size.iter().enumerate().rev() {
            while self.kept.get() > bytes
                && let Some(cell) = NonNull::new(list.get())
            {
                // SAFETY: as in `take`.
                let Kept { next, free } = unsafe { cell.read() };
                list.set(next);
                self.kept.set(self.kept.get() - size * ALIGN);
                // SAFETY: the list's was the only reference.
                unsafe { free(cell.as_ptr()) };
            }
        }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(all(test, not(rt_loom), not(rt_no_reuse)))]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Sized<const N: usize>([u8; N]);

    fn drop_nothing<T>(_: *mut T) {}

    fn into_raw<T>(value: T) -> NonNull<T> {
        let cell = allocate();
        // SAFETY: the cell has room for it.
        unsafe { cell.write(value) };
        cell
    }

    #[test]
    fn a_cell_is_used_again_for_another_type_of_the_same_size() {
        let first = into_raw(Sized([1; 96]));
        // SAFETY: the only reference.
        unsafe { from_raw(first, drop_nothing) };
        let second = into_raw(Sized::<90>([2; 90]));
        assert_eq!(first.addr(), second.addr());
        // SAFETY: the reference is there until the next line.
        assert_eq!(unsafe { second.as_ref() }.0, [2; 90]);
        // SAFETY: the only reference.
        unsafe { from_raw(second, drop_nothing) };
    }

    #[test]
    fn a_cell_that_somebody_still_refers_to_is_not_used_again() {
        let first = into_raw(Sized([3; 64]));
        // SAFETY: there is a reference.
        unsafe { Arc::increment_strong_count(first.as_ptr()) };
        // SAFETY: one of two references.
        unsafe { from_raw(first, drop_nothing) };
        let second = into_raw(Sized([4; 64]));
        assert_ne!(first.addr(), second.addr());
        // SAFETY: the other reference.
        assert_eq!(unsafe { Arc::from_raw(first.as_ptr()) }.0, [3; 64]);
        // SAFETY: the only reference.
        unsafe { from_raw(second, drop_nothing) };
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let cells: Vec<_> = (0..2 * KEPT / LARGEST).map(|_| into_raw(Sized([0; LARGEST]))).collect();
        for cell in cells {
            // SAFETY: the only reference.
            unsafe { from_raw(cell, drop_nothing) };
        }
        CELLS.with(|cells| assert_eq!(cells.kept.get(), KEPT));
    }

    #[test]
    fn what_a_thread_has_no_use_for_is_given_back_by_and_by() {
        let burst = || {
            let cells: Vec<_> = (0..KEPT / LARGEST).map(|_| into_raw(Sized([0; LARGEST]))).collect();
            // SAFETY: the only references.
            cells.into_iter().for_each(|cell| unsafe { from_raw(cell, drop_nothing) });
        };
        CELLS.with(|cells| {
            let start = Instant::now();
            burst();
            cells.trim(start);
            assert_eq!(cells.kept.get(), KEPT, "all of it was in use");
            cells.trim(start + TRIM_INTERVAL / 2);
            assert_eq!(cells.kept.get(), KEPT, "too early");
            cells.trim(start + TRIM_INTERVAL);
            assert_eq!(cells.kept.get(), KEPT / 2);
            burst();
            cells.trim(start + 2 * TRIM_INTERVAL);
            assert_eq!(cells.kept.get(), KEPT, "all of it was in use again");
            (3..20).for_each(|turn| cells.trim(start + turn * TRIM_INTERVAL));
            assert_eq!(cells.kept.get(), FLOOR);
        });
    }
}

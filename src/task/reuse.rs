//! The memory of tasks that have ended, kept for the tasks that are spawned next.
//!
//! A cell is an `Arc`, and an allocator needs hundreds of instructions for one as soon as a program spawns more tasks at a time
//! than the allocator keeps ready. So each thread keeps the cells that it frees, up to [`KEPT`] bytes, in one list for each
//! size, and makes the next tasks of that size in them. What is over the limit, very large, or aligned to more than
//! [`ALIGN`] goes through the allocator as ever.
//!
//! A kept cell is an `Arc` whose only reference is the list, with nothing in it but a link. [`Arc::from_raw`] allows an
//! `Arc<T>` to be made of an `Arc<U>`'s pointer when both have the same size and alignment, which is what the lists sort by.
//! Only a reference that is the last one is kept; if a waker outlives its task, the waker's drop frees the cell.

use crate::primitives::plain::{Ordering, fence};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// What the allocator aligns to, and the step between two sizes.
const ALIGN: usize = 16;
/// Futures larger than about this are rare, and doing something with one costs more than allocating it.
const LARGEST: usize = 1024;
const SIZES: usize = LARGEST / ALIGN + 1;
/// Enough for the cells of a thousand small tasks, which is what programs spawn at a time that spawn many; for a larger
/// burst the rest goes through the allocator. Twice as much would be kept by each thread for good after a rare burst.
const KEPT: usize = 128 * 1024;

/// What lies in a kept cell.
struct Kept {
    next: *mut Kept,
    /// Gives the cell to the allocator.
    free: unsafe fn(*mut Kept),
}

/// The cells that one thread keeps.
struct Cells {
    by_size: [Cell<*mut Kept>; SIZES],
    /// How much more may be kept.
    room: Cell<usize>,
}

thread_local! {
    static CELLS: Cells = const { Cells { by_size: [const { Cell::new(null_mut()) }; SIZES], room: Cell::new(KEPT) } };
}

/// Whether cells of this type are kept. None are in a build that looks for uses of freed memory: keeping would hide them.
const fn is_kept<T>() -> bool {
    align_of::<T>() == ALIGN && size_of::<T>() >= size_of::<Kept>() && size_of::<T>() <= LARGEST && !cfg!(rt_no_reuse)
}

/// Moves `value` into a cell, and returns the only reference to it as `Arc::into_raw` does.
#[inline]
pub(super) fn into_raw<T>(value: T) -> NonNull<T> {
    let kept = if is_kept::<T>() { CELLS.try_with(|cells| cells.take(size_of::<T>())).ok().flatten() } else { None };
    let pointer = match kept {
        Some(cell) => {
            let pointer = cell.as_ptr().cast::<T>();
            // SAFETY: by `keep`, this was an `Arc` of the same size and alignment, whose only reference was the list's.
            unsafe { pointer.write(value) };
            pointer
        }
        None => Arc::into_raw(Arc::new(value)).cast_mut(),
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
/// `pointer` came from [`into_raw`] with this type, and a counted reference is the caller's to give up.
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

impl Cells {
    #[inline]
    fn take(&self, size: usize) -> Option<NonNull<Kept>> {
        let list = &self.by_size[size / ALIGN];
        let cell = NonNull::new(list.get())?;
        // SAFETY: what is in a list was written by `keep`, and is this thread's.
        list.set(unsafe { cell.as_ref() }.next);
        self.room.set(self.room.get() + size);
        Some(cell)
    }

    #[inline]
    fn keep(&self, cell: *mut Kept, size: usize, free: unsafe fn(*mut Kept)) -> bool {
        let Some(room) = self.room.get().checked_sub(size) else {
            return false;
        };
        self.room.set(room);
        let list = &self.by_size[size / ALIGN];
        // SAFETY: the cell is this thread's, with nothing in it, and is large enough and aligned for a link.
        unsafe { cell.write(Kept { next: list.get(), free }) };
        list.set(cell);
        true
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        for list in &self.by_size {
            let mut next = list.get();
            while let Some(cell) = NonNull::new(next) {
                // SAFETY: as in `take`.
                let free = unsafe { cell.as_ref() }.free;
                // SAFETY: the same.
                next = unsafe { cell.as_ref() }.next;
                // SAFETY: the list's is the only reference, and the list ends here.
                unsafe { free(cell.as_ptr()) };
            }
        }
    }
}

#[cfg(all(test, not(rt_loom), not(rt_no_reuse)))]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Sized<const N: usize>([u8; N]);

    fn drop_nothing<T>(_: *mut T) {}

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
        CELLS.with(|cells| assert!(cells.room.get() < LARGEST));
    }
}

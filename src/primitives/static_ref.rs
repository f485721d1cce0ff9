//! A reference to what lives as long as the program, in an atomic: what it holds can be replaced while it is read.

use super::atomic::{AtomicPtr, Ordering};
use std::ptr::{from_ref, null_mut};

/// A `&'static T`, or none.
#[derive(Debug)]
pub(crate) struct AtomicStatic<T: 'static>(AtomicPtr<T>);

impl<T: Sync> AtomicStatic<T> {
    pub(crate) fn none() -> Self {
        AtomicStatic(AtomicPtr::new(null_mut()))
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: Option<&'static T>) {
        let pointer = value.map_or(null_mut(), |value| from_ref(value).cast_mut());
        // Ordering: Relaxed; whoever needs more orders it. What is pointed to was there before, and stays as it is.
        self.0.store(pointer, Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> Option<&'static T> {
        // Ordering: Relaxed; as above.
        let pointer = self.0.load(Ordering::Relaxed);
        // SAFETY: only `none` and `store` write it: it is null, or was a `&'static T`, which any thread may use.
        unsafe { pointer.as_ref() }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_last_is_found() {
        static VALUE: u8 = 7;
        let place = AtomicStatic::none();
        assert_eq!(place.load(), None);
        place.store(Some(&VALUE));
        assert_eq!(place.load(), Some(&7));
        place.store(None);
        assert_eq!(place.load(), None);
    }
}

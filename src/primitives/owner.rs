//! What belongs to one thread, inside something that many threads share.

use std::fmt;

#[cfg(rt_loom)]
pub(crate) use loom::thread::ThreadId as Thread;
#[cfg(not(rt_loom))]
pub(crate) use numbers::Thread;

/// The thread that calls.
#[inline]
pub(crate) fn this_thread() -> Thread {
    #[cfg(rt_loom)]
    return loom::thread::current().id();
    #[cfg(not(rt_loom))]
    numbers::this_thread()
}

#[cfg(not(rt_loom))]
mod numbers {
    use crate::primitives::plain::{AtomicU64, Ordering};
    use std::cell::Cell;

    /// Identifies a thread among all that this process ever has. Unlike std's, it can be asked for by the destructors of
    /// thread-locals, and costs no counted reference.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Thread(u64);

    #[inline]
    pub(super) fn this_thread() -> Thread {
        thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(0) };
        }
        let number = NUMBER.get();
        if number != 0 {
            return Thread(number);
        }
        NUMBER.set(draw());
        Thread(NUMBER.get())
    }

    #[cold]
    fn draw() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Ordering: Relaxed, only uniqueness matters.
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

/// Shows its value to the thread that made it, and to no other.
pub(crate) struct Owned<T> {
    owner: Thread,
    value: T,
}

// SAFETY: through a shared reference only the owner reaches the value. That what is dropped with it may be dropped anywhere is
// for `Send` to say, which is derived.
unsafe impl<T> Sync for Owned<T> {}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Owned { owner: this_thread(), value }
    }

    /// The value, if this is the thread that made it.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        (self.owner == this_thread()).then_some(&self.value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&self.get()).finish()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;

    #[test]
    fn only_the_owner_sees_the_value() {
        let owned = Arc::new(Owned::new(Cell::new(1)));
        let shared = owned.clone();
        let other = std::thread::spawn(move || {
            assert!(shared.get().is_none());
            assert_eq!(format!("{shared:?}"), "Owned(None)");
        });
        other.join().unwrap();
        owned.get().unwrap().set(2);
        assert_eq!(owned.get().unwrap().get(), 2);
    }

    #[test]
    fn no_two_threads_have_one_number() {
        let first = this_thread();
        assert_eq!(first, this_thread());
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(this_thread).join().unwrap()).collect();
        for (index, other) in others.iter().enumerate() {
            assert!(*other != first && !others[..index].contains(other));
        }
    }
}

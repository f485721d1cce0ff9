//! The queues of runnable tasks, crossbeam's.
//!
//! FIFO flavour on purpose: its pop is one read-modify-write and a batch steal is one compare-and-swap, where the LIFO
//! flavour's batch steal takes a fence and a compare-and-swap for each item.

#[cfg(rt_count)]
pub(crate) use super::counted::{Injector, Stealer, Worker};
pub(crate) use crossbeam_deque::Steal;
#[cfg(not(rt_count))]
pub(crate) use crossbeam_deque::{Injector, Stealer, Worker};

/// Repeats `attempt` while it lost a race, and returns what it took, if anything.
#[inline]
pub(crate) fn settle<T>(mut attempt: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match attempt() {
            Steal::Success(taken) => return Some(taken),
            Steal::Empty => return None,
            Steal::Retry => super::spin_loop(),
        }
    }
}

//! Floor 0: the only place that names the standard library's, parking_lot's and crossbeam's atomics, locks, deques and
//! threads, so that a model checker can take their place.
//!
//! Two sets of atomics live here. [`atomic`] is what the protocols are made of: under the private cfg `rt_loom` these
//! become loom's, and the production modules themselves run in the models. [`plain`] is for statistics and identifiers,
//! which no protocol depends on and which may stand in statics. Under the private cfg `rt_count` both, the locks and the
//! deques count which cache lines change their writer.

#[cfg_attr(
    not(all(
        feature = "stall-backtrace",
        target_os = "linux",
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        // A signal handler can neither wait for a model nor enter what it does into a table under a lock.
        not(any(rt_loom, rt_count))
    )),
    path = "no_backtrace.rs"
)]
pub(crate) mod backtrace;
pub(crate) mod cell;
pub(crate) mod clock;
pub(crate) mod contain;
#[cfg(rt_count)]
pub(crate) mod counted;
pub(crate) mod counter;
pub(crate) mod deque;
pub(crate) mod os_thread;
pub(crate) mod owner;
mod patience;
pub(crate) mod planted;
#[cfg(feature = "time")]
mod prefetch;
pub(crate) mod random;
#[cfg(all(unix, feature = "signal"))]
pub(crate) mod signals;
pub(crate) mod slab;
mod sync;

pub(crate) use sync::{Condvar, Mutex, MutexGuard, spin_loop};

/// The atomics of the protocols; loom's in a model.
pub(crate) mod atomic {
    #[cfg(rt_count)]
    pub(crate) use super::counted::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64};
    #[cfg(rt_loom)]
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering, fence};
    #[cfg(not(any(rt_loom, rt_count)))]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64};
    #[cfg(not(rt_loom))]
    pub(crate) use std::sync::atomic::{Ordering, fence};

    /// A full fence, for a place where this thread has done some read-modify-write since the store that is to be ordered.
    ///
    /// On x86 every read-modify-write is a full fence of the processor, whatever its ordering, so that only the compiler has
    /// to be kept from moving accesses; a second fence would cost as much as a wake. Elsewhere it is an ordinary fence, and
    /// so it is in the models, which check the protocols with it.
    #[inline(always)]
    pub(crate) fn fence_behind_rmw() {
        #[cfg(all(any(target_arch = "x86_64", target_arch = "x86"), not(rt_loom)))]
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        #[cfg(not(all(any(target_arch = "x86_64", target_arch = "x86"), not(rt_loom))))]
        fence(Ordering::SeqCst);
    }
}

/// Atomics that no protocol depends on: counters, identifiers.
pub(crate) mod plain {
    #[cfg(rt_count)]
    pub(crate) use super::counted::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    #[cfg(not(rt_count))]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    // Not counted: it is only used for what is a thread's own.
    pub(crate) use std::sync::atomic::AtomicU8;
    pub(crate) use std::sync::atomic::{Ordering, fence};
}

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use patience::Patience;
#[cfg(feature = "time")]
pub(crate) use prefetch::prefetch;
pub(crate) use std::thread;

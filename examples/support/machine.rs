//! What the process takes from the machine: for examples that see to it that they give it back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

/// The system's allocator, which counts what is alive: a resident size would tell of fragments and caches too.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static ALIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: all is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller has promised what this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller has promised what this asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What there is now.
pub(crate) struct Now {
    /// Allocated.
    pub(crate) bytes: i64,
    /// 0 where the system does not tell, as the next.
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

pub(crate) fn now() -> Now {
    Now {
        bytes: ALIVE.load(Ordering::Relaxed),
        threads: fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
        descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
    }
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobytes = self.bytes / 1024;
        write!(f, "{kilobytes} KiB, {} threads, {} descriptors", self.threads, self.descriptors)
    }
}

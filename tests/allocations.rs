//! What a task costs the allocator.

use rt::runtime::Builder;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;

/// Counts the calling thread's allocations.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; the count is a thread-local without a destructor, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the callee's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const TASKS: usize = 500;

/// Spawns and joins tasks on the only worker of a runtime, and returns how many allocations that worker made for them.
fn allocations<F>(builder: &mut Builder, future: fn() -> F) -> usize
where
    F: Future<Output = u64> + Send + 'static,
{
    let runtime = builder.build().unwrap();
    let counted = runtime.spawn(async move {
        // The first ones grow what is kept.
        for _ in 0..TASKS {
            rt::spawn(future()).await.unwrap();
        }
        let before = ALLOCATIONS.get();
        for _ in 0..TASKS {
            rt::spawn(future()).await.unwrap();
        }
        ALLOCATIONS.get() - before
    });
    runtime.block_on(counted).unwrap()
}

async fn small() -> u64 {
    7
}

/// Holds 4 KiB across an await.
async fn large() -> u64 {
    let held = black_box([1u64; 512]);
    rt::task::yield_now().await;
    held.iter().sum()
}

#[test]
fn a_task_is_one_allocation_whatever_its_size() {
    for builder in [Builder::new_current_thread, || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1);
        builder
    }] {
        assert_eq!(allocations(&mut builder(), small), TASKS);
        assert_eq!(allocations(&mut builder(), large), TASKS);
    }
}

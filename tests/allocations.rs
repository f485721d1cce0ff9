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
    /// Bytes that it has and has not given back.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; the count is a thread-local without a destructor, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        HELD.set(HELD.get() + layout.size() as isize);
        // SAFETY: the caller's promises are the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's promises are the callee's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Fewer than a worker's queue holds without growing.
const TASKS: usize = 60;

/// Spawns tasks and then joins them, and returns how many allocations this worker made for them.
async fn allocations<F>(future: fn() -> F) -> usize
where
    F: Future<Output = u64> + Send + 'static,
{
    let mut tasks = Vec::with_capacity(TASKS);
    let before = ALLOCATIONS.get();
    tasks.extend((0..TASKS).map(|_| rt::spawn(future())));
    for task in tasks {
        task.await.unwrap();
    }
    ALLOCATIONS.get() - before
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

fn on_one_worker<F>(future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    // A spare in its place would be a thread with other counts.
    let runtime = Builder::new_multi_thread().worker_threads(1).stall_after(None).build().unwrap();
    runtime.block_on(async { rt::spawn(future).await.unwrap() });
}

fn on_a_current_thread<F>(future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let run = move || Builder::new_current_thread().build().unwrap().block_on(future);
    // Its worker is this thread, and has kept nothing yet.
    std::thread::spawn(run).join().unwrap();
}

async fn a_task_is_one_allocation() {
    // What a runtime keeps for good grows; large tasks leave nothing else behind.
    allocations(large).await;
    assert_eq!(allocations(large).await, TASKS);
    assert_eq!(allocations(small).await, TASKS);
}

#[cfg(not(rt_no_reuse))]
async fn small_tasks_are_made_where_others_ended() {
    allocations(small).await;
    assert_eq!(allocations(small).await, 0);
}

#[test]
fn a_task_is_one_allocation_whatever_its_size() {
    on_one_worker(a_task_is_one_allocation());
    on_a_current_thread(a_task_is_one_allocation());
}

/// Not in a build that looks for uses of freed memory: `rt_no_reuse` is for those.
#[cfg(not(rt_no_reuse))]
#[test]
fn a_small_task_is_made_in_the_memory_of_one_that_has_ended() {
    on_one_worker(small_tasks_are_made_where_others_ended());
    on_a_current_thread(small_tasks_are_made_where_others_ended());
}

async fn a_child_is_one_allocation_more() {
    rt::task::scope(async |scope| {
        let mut most = 0;
        for _ in 0..2 {
            let mut children = Vec::with_capacity(TASKS);
            let before = ALLOCATIONS.get();
            children.extend((0..TASKS).map(|_| scope.spawn(large())));
            for child in children {
                child.await.unwrap();
            }
            most = ALLOCATIONS.get() - before;
        }
        // The second time, when the lists of the runtime and of the scope have grown.
        assert_eq!(most, 2 * TASKS);
    })
    .await;
}

#[test]
fn a_child_of_a_scope_is_one_allocation_more_than_a_task() {
    on_one_worker(a_child_is_one_allocation_more());
    on_a_current_thread(a_child_is_one_allocation_more());
}

async fn a_scope_holds_nothing_of_children_that_have_ended() {
    rt::task::scope(async |scope| {
        let mut held = 0;
        for wave in 0..100 {
            for _ in 0..1_000 {
                scope.spawn(small());
            }
            while !scope.is_empty() {
                rt::task::yield_now().await;
            }
            if wave == 10 {
                held = HELD.get();
            }
        }
        let more = HELD.get() - held;
        assert!(more < 16 * 1024, "the scope has grown by {more} bytes");
    })
    .await;
}

#[test]
fn a_scope_does_not_grow_with_children_that_have_ended() {
    on_one_worker(a_scope_holds_nothing_of_children_that_have_ended());
    on_a_current_thread(a_scope_holds_nothing_of_children_that_have_ended());
}

//! Atomics, locks and deques that count how often a cache line changes its writer. Built under the private cfg `rt_count`.
//!
//! What a design costs on a machine with many cores can be counted on one with few: an access to a line that another
//! core wrote last has to fetch it from there, on every such machine. So each access here is entered into a table of lines,
//! and a thread's access to a line whose last writer was *another* thread is counted as foreign, by the place in the
//! source that made it. A read is foreign once, until the line is written again.
//!
//! Threads stand for cores. What is not seen: accesses that are not through this module, which are the future and its output
//! (on lines of the task), the count of an `Arc` (on the first line of the task, beside the state word), and the inside of
//! crossbeam's deques. For those, the accesses of their algorithm are entered as crossbeam documents it: a push writes the
//! line of the queue's ends and that of its slot, a pop and a steal write the line of the ends and read the slot's, and a look reads
//! the line of the ends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU32 as Serial, AtomicUsize as Counter, Ordering};
use std::sync::{LazyLock, Mutex as Lock, PoisonError};

const LINE: usize = 64;
const SHARDS: usize = 64;

/// A line as the table knows it.
#[derive(Clone, Copy, Default)]
struct Line {
    /// The thread that wrote it last; 0 for none.
    writer: u32,
    /// How often it was written.
    writes: u64,
}

static LINES: LazyLock<[Lock<HashMap<usize, Line>>; SHARDS]> =
    LazyLock::new(|| std::array::from_fn(|_| Lock::default()));

/// Foreign accesses at one place in the source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Foreign {
    /// Writes to a line that another thread wrote last.
    pub writes: u64,
    /// First reads of what another thread wrote last.
    pub reads: u64,
}

struct Here {
    thread: u32,
    /// How often each line had been written when this thread last saw it.
    seen: HashMap<usize, u64>,
    foreign: HashMap<&'static Location<'static>, Foreign>,
}

thread_local! {
    static HERE: RefCell<Here> = {
        static NEXT: Serial = Serial::new(1);
        let thread = NEXT.fetch_add(1, Ordering::Relaxed);
        RefCell::new(Here { thread, seen: HashMap::new(), foreign: HashMap::new() })
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn enter(address: usize, access: Access, place: &'static Location<'static>) {
    let line = address / LINE;
    // A thread that is past its destructors counts no more.
    let _ = HERE.try_with(|here| {
        let mut here = here.borrow_mut();
        let mut lines = LINES[line % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let known = lines.entry(line).or_default();
        let is_foreign = known.writer != 0 && known.writer != here.thread;
        let is_news = here.seen.get(&line) != Some(&known.writes);
        if access == Access::Write {
            *known = Line { writer: here.thread, writes: known.writes + 1 };
        }
        let known = *known;
        drop(lines);
        here.seen.insert(line, known.writes);
        if is_foreign && (is_news || access == Access::Write) {
            let foreign = here.foreign.entry(place).or_default();
            match access {
                Access::Write => foreign.writes += 1,
                Access::Read => foreign.reads += 1,
            }
        }
    });
}

#[track_caller]
fn reads<T>(at: *const T) {
    enter(at.addr(), Access::Read, Location::caller());
}

#[track_caller]
fn writes<T>(at: *const T) {
    enter(at.addr(), Access::Write, Location::caller());
}

/// This thread's foreign accesses since it last asked, by the place in the source.
pub fn take_foreign() -> Vec<(String, Foreign)> {
    let taken = HERE.with_borrow_mut(|here| std::mem::take(&mut here.foreign));
    taken.into_iter().map(|(place, foreign)| (format!("{}:{}", place.file(), place.line()), foreign)).collect()
}

macro_rules! operations {
    ($value:ty: $($operation:ident)*) => {
        $(
            #[track_caller]
            pub(crate) fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                writes(self);
                self.0.$operation(value, ordering)
            }
        )*
    };
}

macro_rules! exchanges {
    ($value:ty: $($operation:ident)*) => {
        $(
            #[track_caller]
            pub(crate) fn $operation(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                writes(self);
                self.0.$operation(current, new, success, failure)
            }
        )*
    };
}

macro_rules! counted {
    ($name:ident $(<$type:ident>)?, $value:ty $(, $integer:ident)*) => {
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name $(<$type>)? (std::sync::atomic::$name $(<$type>)?);

        // The runtime does not use all of them on all types.
        #[allow(dead_code)]
        impl $(<$type>)? $name $(<$type>)? {
            pub(crate) const fn new(value: $value) -> Self {
                $name(std::sync::atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                reads(self);
                self.0.load(ordering)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                writes(self);
                self.0.store(value, ordering);
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                writes(self);
                self.0.fetch_update(set, fetch, update)
            }

            operations!($value: swap $($integer)*);
            exchanges!($value: compare_exchange compare_exchange_weak);
        }
    };
}

counted!(AtomicBool, bool);
counted!(AtomicPtr<T>, *mut T);
counted!(AtomicU8, u8, fetch_add, fetch_sub, fetch_or, fetch_and);
counted!(AtomicU32, u32, fetch_add, fetch_sub, fetch_or, fetch_and);
counted!(AtomicU64, u64, fetch_add, fetch_sub, fetch_or, fetch_and);
counted!(AtomicUsize, usize, fetch_add, fetch_sub, fetch_or, fetch_and);

/// parking_lot's, with the lock's word counted when it is taken.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex(parking_lot::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
        writes(self);
        self.0.lock()
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<parking_lot::MutexGuard<'_, T>> {
        let guard = self.0.try_lock();
        if guard.is_some() {
            writes(self)
        } else {
            reads(self)
        }
        guard
    }
}

/// The lines of one queue: its ends, and its slots.
#[derive(Debug)]
struct Queue {
    /// Where tasks come out. A deque has both ends on this line; an injector has the other on a line of its own.
    front: crossbeam_utils::CachePadded<Counter>,
    back: crossbeam_utils::CachePadded<Counter>,
    slots: crossbeam_utils::CachePadded<[u64; SLOTS]>,
}

const SLOTS: usize = 64;

impl Queue {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Queue {
            front: crossbeam_utils::CachePadded::new(Counter::new(0)),
            back: crossbeam_utils::CachePadded::new(Counter::new(0)),
            slots: crossbeam_utils::CachePadded::new([0; SLOTS]),
        })
    }

    fn slot(&self, index: usize) -> *const u64 {
        &raw const self.slots[index % SLOTS]
    }

    #[track_caller]
    fn took(&self, tasks: usize) {
        writes(&*self.front);
        let first = self.front.fetch_add(tasks, Ordering::Relaxed);
        (first..first + tasks).for_each(|index| reads(self.slot(index)));
    }
}

#[derive(Debug)]
pub(crate) struct Worker<T> {
    deque: crossbeam_deque::Worker<T>,
    queue: std::sync::Arc<Queue>,
}

#[derive(Debug)]
pub(crate) struct Stealer<T> {
    deque: crossbeam_deque::Stealer<T>,
    queue: std::sync::Arc<Queue>,
}

impl<T> Worker<T> {
    pub(crate) fn new_fifo() -> Self {
        Worker { deque: crossbeam_deque::Worker::new_fifo(), queue: Queue::new() }
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer { deque: self.deque.stealer(), queue: self.queue.clone() }
    }

    #[track_caller]
    pub(crate) fn push(&self, task: T) {
        writes(self.queue.slot(self.queue.back.fetch_add(1, Ordering::Relaxed)));
        writes(&*self.queue.front);
        self.deque.push(task);
    }

    #[track_caller]
    pub(crate) fn pop(&self) -> Option<T> {
        reads(&*self.queue.front);
        let task = self.deque.pop();
        if task.is_some() {
            self.queue.took(1);
        }
        task
    }

    #[track_caller]
    pub(crate) fn is_empty(&self) -> bool {
        reads(&*self.queue.front);
        self.deque.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.deque.len()
    }
}

impl<T> Stealer<T> {
    #[track_caller]
    pub(crate) fn is_empty(&self) -> bool {
        reads(&*self.queue.front);
        self.deque.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.deque.len()
    }

    #[track_caller]
    pub(crate) fn steal(&self) -> crossbeam_deque::Steal<T> {
        let stolen = self.deque.steal();
        if stolen.is_success() {
            self.queue.took(1);
        }
        stolen
    }

    #[track_caller]
    pub(crate) fn steal_batch_with_limit_and_pop(&self, to: &Worker<T>, limit: usize) -> crossbeam_deque::Steal<T> {
        let before = to.deque.len();
        let stolen = self.deque.steal_batch_with_limit_and_pop(&to.deque, limit);
        note_batch(&self.queue, to, before, stolen.is_success());
        stolen
    }
}

#[derive(Debug)]
pub(crate) struct Injector<T> {
    deque: crossbeam_deque::Injector<T>,
    queue: std::sync::Arc<Queue>,
}

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        Injector { deque: crossbeam_deque::Injector::new(), queue: Queue::new() }
    }

    #[track_caller]
    pub(crate) fn push(&self, task: T) {
        writes(&*self.queue.back);
        writes(self.queue.slot(self.queue.back.fetch_add(1, Ordering::Relaxed)));
        self.deque.push(task);
    }

    #[track_caller]
    pub(crate) fn is_empty(&self) -> bool {
        reads(&*self.queue.front);
        reads(&*self.queue.back);
        self.deque.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.deque.len()
    }

    #[track_caller]
    pub(crate) fn steal_batch_and_pop(&self, to: &Worker<T>) -> crossbeam_deque::Steal<T> {
        let before = to.deque.len();
        let stolen = self.deque.steal_batch_and_pop(&to.deque);
        note_batch(&self.queue, to, before, stolen.is_success());
        stolen
    }

    #[track_caller]
    pub(crate) fn steal(&self) -> crossbeam_deque::Steal<T> {
        let stolen = self.deque.steal();
        if stolen.is_success() {
            self.queue.took(1);
        }
        stolen
    }
}

#[track_caller]
fn note_batch<T>(from: &Queue, to: &Worker<T>, before: usize, is_success: bool) {
    if is_success {
        // Thieves may have been at `to` meanwhile.
        let moved = to.deque.len().saturating_sub(before);
        from.took(1 + moved);
        (0..moved).for_each(|_| writes(to.queue.slot(to.queue.back.fetch_add(1, Ordering::Relaxed))));
        writes(&*to.queue.front);
    }
}

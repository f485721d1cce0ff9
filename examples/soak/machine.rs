//! What the process takes from the machine, which must be the same after each round.

use crate::books::Stage;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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
    bytes: i64,
    /// 0 where the system does not tell, as the next.
    threads: usize,
    descriptors: usize,
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

/// What was left after the first rounds, and after the last.
pub(crate) struct Machine {
    base: Now,
    last: Now,
    rounds: usize,
}

/// Rounds after which everything that grows to its size once has done so.
const WARM: usize = 3;
/// Tables and caches may grow a little, when more happens at a time than ever before.
const ROOM: i64 = 256 * 1024;
/// For threads to notice that there is nothing to do, and to leave.
const PATIENCE: Duration = Duration::from_secs(60);

impl Machine {
    pub(crate) fn new() -> Self {
        Machine { base: now(), last: now(), rounds: 0 }
    }

    /// Waits until nothing is left of a round.
    ///
    /// # Errors
    ///
    /// What is left.
    pub(crate) fn settle(&mut self, stage: &Stage) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let wrong = self.look(stage);
            match wrong {
                None => break,
                Some(wrong) if began.elapsed() > PATIENCE => return Err(wrong),
                Some(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        self.rounds += 1;
        if self.rounds <= WARM {
            self.base.bytes = self.base.bytes.max(self.last.bytes);
        }
        Ok(())
    }

    fn look(&mut self, stage: &Stage) -> Option<String> {
        if let Err(unbalanced) = stage.books.check() {
            return Some(unbalanced);
        }
        let tasks = stage.handle.metrics().num_alive_tasks();
        if tasks > 0 {
            return Some(format!("{tasks} tasks are left\n{:#}", stage.handle.dump()));
        }
        self.last = now();
        let Now { bytes, threads, descriptors } = &self.last;
        let most = self.base.bytes + self.base.bytes / 10 + ROOM;
        if *threads > self.base.threads {
            return Some(format!("{threads} threads instead of {}", self.base.threads));
        }
        if *descriptors > self.base.descriptors {
            return Some(format!("{descriptors} descriptors instead of {}", self.base.descriptors));
        }
        (self.rounds >= WARM && *bytes > most).then(|| format!("{bytes} bytes instead of {most} at most"))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} left (at first {})", self.last, self.base)
    }
}

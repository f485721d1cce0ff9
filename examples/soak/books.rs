//! What has to balance.

use crate::rest::Rest;
use crate::watchdog::Slot;
use rt::runtime::Handle;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all actors share.
pub(crate) struct Stage {
    pub(crate) handle: Handle,
    pub(crate) books: &'static Books,
    /// One for each actor.
    pub(crate) slots: Box<[Slot]>,
    /// The actors are to end.
    pub(crate) is_over: AtomicBool,
    /// What the last round left, to be shown.
    pub(crate) rest: Mutex<String>,
}

impl Stage {
    pub(crate) fn new(handle: Handle, actors: usize) -> Self {
        Stage {
            handle,
            // Outlives every task, also those of runtimes that are gone.
            books: Box::leak(Box::default()),
            slots: (0..actors).map(|_| Slot::default()).collect(),
            is_over: AtomicBool::new(false),
            rest: Mutex::new(String::from("(the first round)")),
        }
    }

    pub(crate) fn rounds_end(&self, rounds: u64, rest: &Rest) {
        *self.rest.lock().unwrap() = format!("after {rounds} rounds: {rest}");
    }
}

/// Counts that must be equal in the end.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) futures: Balance,
    pub(crate) joins: Balance,
    pub(crate) bytes: Balance,
    pub(crate) wakes: Balance,
    pub(crate) closures: Balance,
    pub(crate) runtimes: Balance,
}

/// So many went out, and so many came back.
#[derive(Default)]
pub(crate) struct Balance {
    out: AtomicU64,
    back: AtomicU64,
}

impl Balance {
    pub(crate) fn out(&self, count: u64) {
        self.out.fetch_add(count, Ordering::SeqCst);
    }

    pub(crate) fn back(&self, count: u64) {
        self.back.fetch_add(count, Ordering::SeqCst);
    }

    /// It came back in time to be counted, or does so when the mark is dropped.
    pub(crate) fn mark(&'static self) -> Mark {
        self.out(1);
        Mark { balance: self, state: AtomicU64::new(Mark::ALIVE) }
    }
}

impl Books {
    fn entries(&self) -> [(&'static str, &Balance); 6] {
        [
            ("futures dropped", &self.futures),
            ("joins answered", &self.joins),
            ("bytes echoed", &self.bytes),
            ("wakes by other threads arrived", &self.wakes),
            ("closures ended", &self.closures),
            ("runtimes gone", &self.runtimes),
        ]
    }

    /// # Errors
    ///
    /// What does not balance.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, balance) in self.entries() {
            // In this order, so that what comes and goes meanwhile cannot look like too much that is back.
            let (back, out) = (balance.back.load(Ordering::SeqCst), balance.out.load(Ordering::SeqCst));
            if out != back {
                return Err(format!("{name}: {back} of {out}"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, balance)) in self.entries().into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{} {name}", balance.back.load(Ordering::SeqCst))?;
        }
        Ok(())
    }
}

/// Counts its own end, and aborts the program if it ends twice.
pub(crate) struct Mark {
    balance: &'static Balance,
    state: AtomicU64,
}

impl Mark {
    const ALIVE: u64 = 0x616c_6976_6521_2121;
    const GONE: u64 = 0x676f_6e65_2121_2121;
}

impl Drop for Mark {
    fn drop(&mut self) {
        // An atomic, so that the word is written although nobody should read it.
        if self.state.swap(Mark::GONE, Ordering::Relaxed) != Mark::ALIVE {
            eprintln!("soak: something was dropped twice");
            std::process::abort();
        }
        self.balance.back(1);
    }
}

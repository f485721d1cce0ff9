//! The backtrace of another thread, taken without its help: it may be stuck in the user's code and never come back.
//!
//! | file | subject |
//! |---|---|
//! | this | which threads can be asked, and the asking |
//! | `exchange` | how a trace gets from the thread to whoever asked: the protocol |
//! | `signal` | interrupting a thread, and what it does then |
//! | `symbols` | from addresses to text |
//!
//! A thread that may be asked [registers](register_this_thread) when it begins and notes where its stack lies.
//! [`capture`] sends it a signal. The handler runs on that thread, on top of whatever it was doing, follows the frame
//! pointers, and leaves the addresses in a static. Looking up their names allocates and takes locks, and is left to whoever
//! asked.
//!
//! # What the trace is worth
//!
//! The first address is where the thread was; it is always right. The others come from the chain of frame pointers, and
//! are as good as that chain: Rust's standard library keeps one, a program only if it is built with
//! `-C force-frame-pointers=yes` (on aarch64 the compiler keeps it anyhow, in functions that call others). The C
//! library mostly does not. Code without it uses the register for something else, so that the trace ends there, or goes on
//! past callers that are not in it, or ends with an address that nobody called. It names no wrong *thread*, and reads
//! nothing but the thread's own stack. The caller is missing also where the thread was about to set up a frame or has just
//! taken it down.
//!
//! # What it does to the thread
//!
//! It loses some microseconds. A system call that it is blocked in goes on afterwards where Linux can restart it, and else
//! (a sleep, a `poll`, an `epoll_wait`) ends with `EINTR`, as for any signal: std expects that, and so must
//! other code that waits in such a call.

mod exchange;
mod signal;
mod symbols;

pub(crate) use symbols::symbolise;

use super::plain::{AtomicU64, AtomicUsize, Ordering};
use super::{Mutex, clock, spin_loop, thread};
use exchange::{Ask, Exchange};
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

/// How long a thread has to answer. Half of it loses threads that wait for a core on a busy machine; double of it keeps the
/// one who asks, and has others to look after, for longer than a time slice.
const PATIENCE: Duration = Duration::from_millis(5);

/// Looks before the first nap: a thread that runs on another core answers within some microseconds. Fewer, and each capture
/// takes a nap; many more only burn the core that the thread may need in order to answer.
const LOOKS: usize = 1000;

/// Between two looks. Shorter is not possible with the usual timer slack of 50 us; longer only delays the answer.
const NAP: Duration = Duration::from_micros(50);

static EXCHANGE: Exchange = Exchange::new();

/// Held by whoever asks, for the whole of it. The thread that is asked never takes it.
static ASKING: Mutex<()> = Mutex::new(());

thread_local! {
    /// Constant at first and without a destructor, so that the handler may read it at any time.
    static HERE: Here = const {
        Here { registration: AtomicU64::new(0), stack_start: AtomicUsize::new(0), stack_end: AtomicUsize::new(0) }
    };
}

/// What a thread knows of itself. Only that thread, and the handler on top of it, reads and writes this.
struct Here {
    /// 0: not registered. Else its own, so that a handle is not taken for that of a later thread with the same number.
    registration: AtomicU64,
    stack_start: AtomicUsize,
    stack_end: AtomicUsize,
}

/// A thread that has registered. It may have ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsThread {
    /// The system's number of it.
    number: libc::pid_t,
    registration: u64,
}

/// Keeps the thread that made it registered.
#[derive(Debug)]
#[must_use = "the thread can be asked only until this is dropped"]
pub(crate) struct Registered {
    thread: OsThread,
    /// Dropped on the thread that made it.
    here: PhantomData<*mut ()>,
}

impl Registered {
    /// What to ask this thread by.
    pub(crate) fn thread(&self) -> OsThread {
        self.thread
    }
}

/// Lets this thread be asked for its backtrace. Called once, when the thread begins; called again, the newest counts.
pub(crate) fn register_this_thread() -> Registered {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Ordering: Relaxed; only that no two are the same.
    let registration = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    let stack = own_stack();
    HERE.with(|here| {
        // Ordering: Relaxed; published by the registration.
        here.stack_start.store(stack.start, Ordering::Relaxed);
        // Ordering: as above.
        here.stack_end.store(stack.end, Ordering::Relaxed);
        // Ordering: Release pairs with the Acquire in `registration_here`, which the handler calls on this same thread.
        here.registration.store(registration, Ordering::Release);
    });
    // SAFETY: takes nothing and cannot fail.
    let number = unsafe { libc::gettid() };
    Registered { thread: OsThread { number, registration }, here: PhantomData }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Ordering: Relaxed; the stack's bounds stay, and stay right for as long as the thread lives.
        HERE.with(|here| here.registration.store(0, Ordering::Relaxed));
    }
}

/// The registration of this thread, 0 for none, and its stack. May be called from a signal handler.
fn registration_here() -> (u64, Range<usize>) {
    HERE.with(|here| {
        // Ordering: Acquire pairs with the Release in `register_this_thread`.
        let registration = here.registration.load(Ordering::Acquire);
        // Ordering: Relaxed, here and below; see above.
        let start = here.stack_start.load(Ordering::Relaxed);
        let end = here.stack_end.load(Ordering::Relaxed);
        (registration, start..end)
    })
}

/// Where this thread's stack lies; empty if the system does not say, and then a trace has one address.
fn own_stack() -> Range<usize> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: takes nothing and cannot fail.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: the thread is alive, for it is this one; the pointer is valid for writes.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return 0..0;
    }
    let mut start = std::ptr::null_mut();
    let mut size = 0;
    // SAFETY: `pthread_getattr_np` initialised the attributes; the other two pointers are valid for writes.
    let failed = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) } != 0;
    // SAFETY: initialised, and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if failed { 0..0 } else { start.addr()..start.addr().saturating_add(size) }
}

/// Where `thread` is now, its callers behind it; see the module's page. None if it has ended, has not answered within 5 ms,
/// or blocks the signal, and if the program has a use of its own for the signal.
pub(crate) fn capture(thread: OsThread) -> Option<Vec<usize>> {
    let _asking = ASKING.lock();
    if !signal::claim() {
        return None;
    }
    match EXCHANGE.ask(thread.registration) {
        Ask::Signal => {}
        Ask::Busy => return None,
    }
    if !signal::send(thread.number) {
        EXCHANGE.withdraw();
        return None;
    }
    for _ in 0..LOOKS {
        if let Some(trace) = EXCHANGE.answer() {
            return Some(trace);
        }
        spin_loop();
    }
    let deadline = clock::now() + PATIENCE;
    while clock::now() < deadline {
        if let Some(trace) = EXCHANGE.answer() {
            return Some(trace);
        }
        thread::sleep(NAP);
    }
    EXCHANGE.withdraw()
}

#[cfg(test)]
mod tests;

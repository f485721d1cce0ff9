//! What the contract tests share: waiting for a condition, counting drops, runtimes, and a watch over hangs.

// Each test binary compiles this module for itself and uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod child;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rt::runtime::{Builder, Runtime};

/// The deadline of whatever is expected to happen soon. Long, because a test machine may be busy with other things;
/// it costs nothing when the test passes.
pub const SOON: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, and panics if it does not within `deadline`.
#[track_caller]
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < deadline, "the condition did not come true within {deadline:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `closure` on a thread of its own and returns what it returns. Panics if it panics, and if it has not returned
/// within `duration`: a test that hangs becomes a test that fails.
#[track_caller]
pub fn within<T: Send + 'static>(duration: Duration, closure: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || {
            let _ = sender.send(closure());
        })
        .expect("start the thread of a test");
    match receiver.recv_timeout(duration) {
        Ok(value) => {
            thread.join().expect("the thread-local destructors of a test");
            value
        }
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs: it has not returned within {duration:?}"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => unreachable!("a thread that returned has sent its value"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// A multi-thread runtime of `workers` workers with everything enabled.
pub fn multi(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("build a multi-thread runtime")
}

/// The same without the monitor: a worker that is stuck in a poll stays so, and what waits behind it waits.
pub fn unwatched(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).stall_after(None).enable_all().build().expect("build a multi-thread runtime")
}

/// A current-thread runtime with everything enabled.
pub fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("build a current-thread runtime")
}

/// Counts how often the guards it has handed out were dropped.
#[derive(Clone, Debug, Default)]
pub struct DropCounter {
    guards: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
}

impl DropCounter {
    /// A counter that stands at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A guard that adds one to this counter when it is dropped. Move it into the future or the output to watch.
    pub fn guard(&self) -> DropGuard {
        self.guards.fetch_add(1, Ordering::SeqCst);
        DropGuard { drops: Arc::clone(&self.drops) }
    }

    /// How many guards were handed out so far.
    pub fn guards(&self) -> usize {
        self.guards.load(Ordering::SeqCst)
    }

    /// How many guards were dropped so far.
    pub fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }
}

/// See [`DropCounter::guard`].
#[derive(Debug)]
pub struct DropGuard {
    drops: Arc<AtomicUsize>,
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs `closure`, which must panic with a text, and returns that text.
#[track_caller]
pub fn panic_message<T>(closure: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(closure)) {
        Ok(_) => panic!("a panic was expected"),
        Err(payload) => text_of(&*payload),
    }
}

/// The text that a panic carries.
#[track_caller]
pub fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).expect("the panic carries a text")
}

/// Keeps threads waiting until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    inner: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks this thread until the gate is open, or for so long that the test has failed anyway.
    pub fn pass(&self) {
        let (state, opened) = &*self.inner;
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        let (mut state, _) = opened.wait_timeout_while(state, 3 * SOON, |state| !state.open).unwrap();
        state.waiting -= 1;
    }

    /// Lets everyone through, from now on.
    pub fn open(&self) {
        self.inner.0.lock().unwrap().open = true;
        self.inner.1.notify_all();
    }

    /// How many threads block here.
    pub fn waiting(&self) -> usize {
        self.inner.0.lock().unwrap().waiting
    }

    /// Waits until `threads` threads block here.
    #[track_caller]
    pub fn await_waiting(&self, threads: usize) {
        eventually(SOON, || self.waiting() == threads);
    }
}

/// Opens its gate when it is dropped, so that a failing test does not wait for the threads that it has stuck.
#[derive(Debug)]
pub struct OpenOnDrop(pub Gate);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A number that tasks count up together.
pub fn counter() -> Arc<AtomicUsize> {
    Arc::default()
}

/// What it has come to.
pub fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

/// Lets other tasks run until `condition` holds.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < SOON, "the condition did not come true");
        rt::task::yield_now().await;
    }
}

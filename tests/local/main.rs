//! Futures that are not `Send`: local sets, local runtimes, `spawn_local`.

mod driving;
mod ends;
mod out_of_place;
mod runtimes;
#[path = "../support/mod.rs"]
mod support;
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_util::future::{join, join_all, select};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor, UnhandledPanic, draining};
use rt::sync::{Notify, oneshot};
use rt::task::{AbortHandle, JoinHandle, LocalSet, spawn_local, yield_now};
use rt::time::{Instant, sleep};
use support::{DropCounter, DropGuard, Gate, SOON, current, eventually, multi, panic_message, text_of, within};

/// Runs `test` wherever local tasks can be.
#[track_caller]
fn everywhere(test: impl AsyncFn() + Send + 'static) {
    within(SOON, move || {
        for runtime in [current(), multi(2)] {
            LocalSet::new().block_on(&runtime, test());
            runtime.block_on(async { LocalSet::new().run_until(test()).await });
        }
        let runtime = local_runtime();
        runtime.block_on(test());
        // A set inside of a local runtime, and one inside of a task of a set.
        runtime.block_on(async { LocalSet::new().run_until(test()).await });
        let outer = LocalSet::new();
        let inner = Rc::new(LocalSet::new());
        runtime.block_on(outer.run_until(async {
            let inner = inner.clone();
            spawn_local(async move { inner.run_until(yield_now()).await }).await.unwrap();
        }));
        runtime.block_on(outer.run_until(inner.run_until(test())));
    });
}

/// Runs `test` on a runtime of each kind that is shared among threads.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(test));
}

fn local_runtime() -> LocalRuntime {
    LocalRuntime::new().expect("build a local runtime")
}

/// Hands out values that may only be dropped on the thread that asked for them.
#[derive(Clone, Default)]
struct Residents {
    drops: DropCounter,
    strays: Arc<AtomicUsize>,
}

struct Resident {
    home: ThreadId,
    strays: Arc<AtomicUsize>,
    _drop: DropGuard,
    not_send: PhantomData<*mut ()>,
}

impl Residents {
    fn one(&self) -> Resident {
        let (home, strays) = (thread::current().id(), self.strays.clone());
        Resident { home, strays, _drop: self.drops.guard(), not_send: PhantomData }
    }

    /// How many are gone, all of which must have been at home.
    #[track_caller]
    fn gone(&self) -> usize {
        assert_eq!(self.strays.load(Ordering::SeqCst), 0, "dropped on a foreign thread");
        self.drops.drops()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        if self.home != thread::current().id() {
            self.strays.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A waker that a task leaves for others to take.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Waker>>>);

impl Left {
    /// Leaves the waker of the task and is never done.
    async fn wait(&self) {
        poll_fn(|cx| {
            *self.0.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }

    fn waker(&self) -> Waker {
        self.0.lock().unwrap().clone().expect("the task has been polled")
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Gives its thread's runtime time to run what is ready: between two polls of a future of `block_on`, at least one task is polled.
async fn rest() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Panics when it is dropped.
struct Bomb {
    _local: Rc<()>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

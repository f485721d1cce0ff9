//! Models of the registry: tasks that come home, spawns and wakes that meet a shutdown. Tasks and locks are those of production.

use super::{Registry, Returns};
use crate::primitives::Mutex;
use crate::primitives::planted::{Step, assert_caught};
use crate::task::{Ending, Meta, RunToken, Schedule, TaskRef};
use loom::thread;
use std::future::poll_fn;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

/// A scheduler without workers: whoever likes runs what is queued. Nobody is at home but who says so.
struct House {
    registry: Registry,
    queue: Mutex<Vec<RunToken>>,
    /// Futures that were dropped. Not loom's: read when all threads have been joined.
    drops: AtomicUsize,
}

struct Drops(Arc<House>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

impl House {
    fn new() -> Arc<Self> {
        Arc::new(House { registry: Registry::new(1), queue: Mutex::new(Vec::new()), drops: AtomicUsize::new(0) })
    }

    /// A task without a handle, which is not in the registry yet.
    fn make(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) -> RunToken {
        let guard = Drops(self.clone());
        let future = async move {
            let _guard = guard;
            future.await;
        };
        let this = NonNull::from(&**self);
        // SAFETY: the models end with an empty registry, and hold the house until then.
        let (token, handle) = unsafe { crate::task::new(future, Meta::new(None, Location::caller()), this) };
        drop(handle);
        token
    }

    fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let token = self.make(future);
        if self.registry.insert(0, &token) {
            self.queue.lock().push(token);
        } else {
            token.cancel();
        }
    }

    /// False: nothing was queued.
    fn run_one(&self) -> bool {
        let Some(token) = self.queue.lock().pop() else { return false };
        if let Some(again) = token.run() {
            self.queue.lock().push(again);
        }
        true
    }

    fn close(&self) {
        self.registry.close().iter().for_each(TaskRef::abort);
    }

    /// What is left when all threads have been joined.
    fn ends_empty(&self, futures: usize) {
        while self.run_one() {}
        assert!(self.registry.is_empty(), "a task has got lost on its way home");
        assert_eq!(self.drops.load(Ordering::SeqCst), futures, "a future was not dropped, or twice");
    }
}

impl Schedule for House {
    unsafe fn schedule(this: NonNull<Self>, token: RunToken) {
        // SAFETY: the models hold the house until its registry is empty.
        unsafe { this.as_ref() }.queue.lock().push(token);
    }

    fn let_go(&self, task: &Ending) -> bool {
        self.registry.let_go(None, task)
    }

    fn panicked(&self, _task: &TaskRef) {}

    fn give_back(&self, task: Ending) {
        let mut returns = Returns::default();
        self.registry.give_back(&mut returns, task);
        self.registry.flush(&mut returns);
    }
}

#[test]
fn tasks_that_another_thread_completes_come_home() {
    loom::model(|| {
        let house = House::new();
        (0..2).for_each(|_| house.spawn(async {}));
        // Without the look that saves a swap for nothing: loom would not try what it can see of a word that the other thread reads before it writes.
        let owner = house.clone();
        let owner = thread::spawn(move || {
            let shard = &owner.registry.shards[0];
            shard.take_returned(&mut shard.live.lock());
        });
        let other = house.clone();
        let runner = thread::spawn(move || while other.run_one() {});
        owner.join().unwrap();
        runner.join().unwrap();
        house.ends_empty(2);
    });
}

#[test]
fn tasks_that_two_threads_complete_come_home() {
    loom::model(|| {
        let house = House::new();
        (0..2).for_each(|_| house.spawn(async {}));
        let other = house.clone();
        let runner = thread::spawn(move || assert!(other.run_one()));
        assert!(house.run_one());
        runner.join().unwrap();
        house.ends_empty(2);
    });
}

#[test]
fn a_spawn_that_meets_a_shutdown_is_refused_or_aborted() {
    loom::model(|| {
        let house = House::new();
        let other = house.clone();
        let spawning = thread::spawn(move || other.spawn(std::future::pending()));
        house.close();
        while house.run_one() {}
        spawning.join().unwrap();
        house.ends_empty(1);
    });
}

#[test]
fn a_wake_that_meets_a_shutdown_finds_the_task_or_its_end() {
    loom::model(|| {
        let house = House::new();
        let waker: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
        let inside = waker.clone();
        house.spawn(poll_fn(move |cx| {
            *inside.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }));
        assert!(house.run_one());
        let waker = waker.lock().unwrap().take().expect("it was polled");
        let other = house.clone();
        let waking = thread::spawn(move || {
            waker.wake();
            other.run_one();
        });
        house.close();
        house.run_one();
        waking.join().unwrap();
        house.ends_empty(1);
    });
}

#[test]
fn the_return_model_notices_a_list_that_is_not_published() {
    let name = "task::registry::models::tasks_that_another_thread_completes_come_home";
    assert_caught(name, Step::ReturnPublishes);
}

#[test]
fn the_return_model_notices_an_owner_that_does_not_acquire() {
    let name = "task::registry::models::tasks_that_another_thread_completes_come_home";
    assert_caught(name, Step::CollectorAcquires);
}

#[test]
fn the_closing_model_notices_a_spawn_that_does_not_look_at_the_gate() {
    let name = "task::registry::models::a_spawn_that_meets_a_shutdown_is_refused_or_aborted";
    assert_caught(name, Step::SpawnSeesTheGate);
}

#[test]
fn the_closing_model_notices_an_abort_that_is_not_counted() {
    let name = "task::registry::models::a_wake_that_meets_a_shutdown_finds_the_task_or_its_end";
    assert_caught(name, Step::WakeIsCounted);
}

//! Models of a set and another thread; tasks, registry and locks are those of production.

use super::LocalSet;
use crate::primitives::Mutex;
use crate::primitives::planted::{Step, assert_caught};
use crate::scheduler::Parker;
use loom::thread;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Raised by one thread, waited for by a task of another.
#[derive(Default)]
struct Flag(Mutex<(bool, Option<Waker>)>);

impl Flag {
    fn raise(&self) {
        let waker = {
            let mut state = self.0.lock();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A thread that polls one future.
struct Thread(Parker);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        let _ = self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let thread = Arc::new(Thread(Parker::new()));
    let waker = Waker::from(thread.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        // loom reports a deadlock if a wake is lost.
        thread.0.park();
    }
}

/// Two tasks, each woken by another thread, or both by one.
fn woken(threads: usize, preemptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let flags = [(); 2].map(|()| Arc::new(Flag::default()));
        let set = LocalSet::new();
        for flag in flags.clone() {
            set.spawn_local(async move { flag.wait().await });
        }
        let others: Vec<_> = flags
            .chunks(2 / threads)
            .map(|flags| {
                let flags = flags.to_vec();
                thread::spawn(move || flags.iter().for_each(|flag| flag.raise()))
            })
            .collect();
        block_on(set);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_set_that_rests_learns_of_two_wakes_by_another_thread() {
    woken(1, None);
}

#[test]
fn a_set_that_rests_learns_of_wakes_by_two_threads() {
    // All of it takes minutes.
    woken(2, Some(3));
}

#[test]
fn a_set_that_ends_while_another_thread_wakes_drops_its_futures() {
    /// Not loom's: only read by the thread that writes it.
    struct Drops(Arc<AtomicUsize>);

    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    loom::model(|| {
        let flag = Arc::new(Flag::default());
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = LocalSet::new();
        let (inside, guard) = (flag.clone(), Drops(drops.clone()));
        set.spawn_local(async move {
            let _guard = guard;
            inside.wait().await;
        });
        let _ = pin!(&mut set).poll(&mut Context::from_waker(Waker::noop()));
        let other = thread::spawn(move || flag.raise());
        drop(set);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "the set has ended without its future");
        other.join().unwrap();
    });
}

#[test]
fn the_rest_model_notices_a_poller_that_looks_before_it_leaves_its_waker() {
    let name = "scheduler::local::models::a_set_that_rests_learns_of_two_wakes_by_another_thread";
    assert_caught(name, Step::PollerLeavesItsWaker);
}

#[test]
fn the_end_model_notices_a_set_that_does_not_wait_for_a_wake_under_way() {
    let name = "scheduler::local::models::a_set_that_ends_while_another_thread_wakes_drops_its_futures";
    assert_caught(name, Step::EndWaits);
}

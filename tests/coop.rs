//! The budget of a poll, and who a task is.

mod support;

use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::{Duration, Instant};

use rt::net::UdpSocket;
use rt::runtime::Runtime;
use rt::sync::mpsc;
use rt::task::coop::{
    RestoreOnPending, consume_budget, cooperative, has_budget_remaining, poll_proceed, unconstrained,
};
use rt::task::{Id, JoinHandle, JoinSet, id, spawn_blocking, try_id, yield_now};
use support::{SOON, current, eventually, multi, panic_message, unwatched, within};

/// Steps in one poll; what `rt::task::coop` says.
const BUDGET: usize = 128;

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(2)].iter().for_each(test));
}

/// Runs `future` as a task, and returns how often it was polled.
fn polls_of(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) -> usize {
    let mut future = Box::pin(future);
    let mut polls = 0;
    let task = runtime.spawn(poll_fn(move |cx| {
        polls += 1;
        future.as_mut().poll(cx).map(|()| polls)
    }));
    runtime.block_on(task).unwrap()
}

/// How many steps are left in this poll. They are taken.
fn drain(cx: &mut Context<'_>) -> usize {
    let mut steps = 0;
    while let Poll::Ready(step) = poll_proceed(cx) {
        step.made_progress();
        steps += 1;
    }
    steps
}

/// Runs `test` in a task, in one poll.
fn in_a_poll(test: impl FnMut(&mut Context<'_>) + Send + 'static) {
    within(SOON, || {
        let mut test = test;
        let runtime = unwatched(1);
        let task = runtime.spawn(poll_fn(move |cx| {
            test(cx);
            Poll::Ready(())
        }));
        runtime.block_on(task).unwrap();
    });
}

/// Whatever is ready at once draws on the budget.
async fn ready_joins(count: usize) {
    let mut tasks: Vec<JoinHandle<()>> = (0..count).map(|_| rt::spawn(async {})).collect();
    while !tasks.iter().all(JoinHandle::is_finished) {
        yield_now().await;
    }
    yield_now().await;
    for task in &mut tasks {
        task.await.unwrap();
    }
}

#[test]
fn consume_budget_yields_when_nothing_is_left() {
    on_each_flavor(|runtime| {
        let polls = polls_of(runtime, async {
            for _ in 0..10 * BUDGET {
                consume_budget().await;
            }
        });
        assert!((10..=11).contains(&polls), "it was polled {polls} times");
    });
}

#[test]
fn a_poll_begins_with_the_whole_budget() {
    in_a_poll(|cx| {
        assert!(has_budget_remaining());
        assert_eq!(drain(cx), BUDGET);
        assert!(!has_budget_remaining());
    });
}

#[test]
fn a_task_without_budget_is_woken_when_it_asks() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    in_a_poll(|cx| {
        drain(cx);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        assert!(poll_proceed(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_step_without_progress_is_given_back() {
    in_a_poll(|cx| {
        for _ in 0..1000 {
            let Poll::Ready(step) = poll_proceed(cx) else { panic!("there is a budget") };
            drop(step);
        }
        let steps: Vec<RestoreOnPending> = (0..3)
            .filter_map(|_| match poll_proceed(cx) {
                Poll::Ready(step) => Some(step),
                Poll::Pending => None,
            })
            .collect();
        steps[1].made_progress();
        // The last first, as scopes end.
        steps.into_iter().rev().for_each(drop);
        assert!(drain(cx) >= BUDGET - 2);
    });
    in_a_poll(|cx| {
        let Poll::Ready(outer) = poll_proceed(cx) else { panic!("there is a budget") };
        let Poll::Ready(inner) = poll_proceed(cx) else { panic!("there is a budget") };
        inner.made_progress();
        drop((inner, outer));
        // What was drawn beneath stays drawn.
        assert!(drain(cx) < BUDGET);
    });
}

#[test]
fn the_last_step_is_held_by_one_only() {
    in_a_poll(|cx| {
        for _ in 0..BUDGET - 1 {
            let Poll::Ready(step) = poll_proceed(cx) else { panic!("there is a budget") };
            step.made_progress();
        }
        let Poll::Ready(last) = poll_proceed(cx) else { panic!("there is a step") };
        assert!(!has_budget_remaining());
        assert!(poll_proceed(cx).is_pending());
        drop(last);
        assert!(has_budget_remaining());
        assert_eq!(drain(cx), 1);
    });
}

#[test]
fn outside_a_task_nothing_is_limited() {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10 * BUDGET {
        assert!(has_budget_remaining());
        let Poll::Ready(step) = poll_proceed(&mut cx) else { panic!("there is no limit") };
        step.made_progress();
        assert!(pin!(consume_budget()).poll(&mut cx).is_ready());
        assert!(pin!(cooperative(ready(()))).poll(&mut cx).is_ready());
    }
}

#[test]
fn a_closure_that_blocks_has_no_limit() {
    on_each_flavor(|runtime| {
        let closure = runtime.spawn_blocking(|| {
            let mut cx = Context::from_waker(Waker::noop());
            (0..10 * BUDGET).all(|_| poll_proceed(&mut cx).map(|step| step.made_progress()).is_ready())
        });
        assert!(runtime.block_on(closure).unwrap());
    });
}

#[test]
fn the_future_of_block_on_has_a_budget() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let steps = poll_fn(|cx| Poll::Ready(drain(cx))).await;
            assert!(steps <= BUDGET, "{steps} steps in one poll");
        });
        // It was that future's own.
        assert_eq!(drain_outside(), None);
    });
}

/// `None`: without a limit.
fn drain_outside() -> Option<usize> {
    let mut cx = Context::from_waker(Waker::noop());
    (0..10 * BUDGET).find(|_| poll_proceed(&mut cx).map(|step| step.made_progress()).is_pending())
}

#[test]
fn an_unconstrained_future_is_never_made_to_wait_and_counts_for_nothing() {
    on_each_flavor(|runtime| {
        let polls = polls_of(
            runtime,
            unconstrained(async {
                for _ in 0..10 * BUDGET {
                    consume_budget().await;
                }
            }),
        );
        assert_eq!(polls, 1);
    });
    in_a_poll(|cx| {
        let mut loops = pin!(unconstrained(async {
            for _ in 0..10 * BUDGET {
                assert!(has_budget_remaining());
                consume_budget().await;
            }
        }));
        assert!(loops.as_mut().poll(cx).is_ready());
        assert_eq!(drain(cx), BUDGET);
        // Also where nothing is left.
        assert!(pin!(unconstrained(consume_budget())).poll(cx).is_ready());
        assert!(!has_budget_remaining());
    });
}

#[test]
fn a_panic_in_an_unconstrained_future_gives_the_budget_back() {
    in_a_poll(|cx| {
        let future = unconstrained(async { panic!("boom") });
        assert_eq!(panic_message(|| pin!(future).poll(cx)), "boom");
        assert_eq!(drain(cx), BUDGET);
    });
}

#[test]
fn a_cooperative_future_draws_when_it_is_done_and_only_then() {
    in_a_poll(|cx| {
        for _ in 0..1000 {
            assert!(pin!(cooperative(pending::<()>())).poll(cx).is_pending());
        }
        let mut ready_ones = 0;
        while pin!(cooperative(ready(()))).poll(cx).is_ready() {
            ready_ones += 1;
        }
        assert_eq!(ready_ones, BUDGET);
    });
}

#[test]
fn a_channel_that_is_always_full_lets_others_run_if_it_is_cooperative() {
    on_each_flavor(|runtime| {
        let filled = || {
            let (sender, receiver) = mpsc::unbounded_channel();
            (0..10 * BUDGET).for_each(|number| sender.send(number).unwrap());
            receiver
        };
        let mut receiver = filled();
        let polls = polls_of(runtime, async move { while cooperative(receiver.recv()).await.is_some() {} });
        assert!(polls >= 10, "it was polled {polls} times");
        let mut receiver = filled();
        let polls = polls_of(runtime, async move { while receiver.recv().await.is_some() {} });
        assert_eq!(polls, 1);
    });
}

#[test]
fn tokios_names_are_there_at_the_top_too() {
    on_each_flavor(|runtime| {
        let task = runtime.spawn(rt::task::unconstrained(async {
            rt::task::consume_budget().await;
            7
        }));
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

// A poll that goes on for long.

/// How many steps `future` takes in its first poll, on a pool that is watched. Each takes a while.
fn steps_in_a_long_poll<F>(future: impl FnOnce(Arc<AtomicUsize>) -> F + Send + 'static) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    within(2 * SOON, || {
        // One worker without spares: the task is not to be interrupted in any other way.
        let runtime = multi(2);
        let steps = Arc::new(AtomicUsize::new(0));
        let mut future = Box::pin(future(steps.clone()));
        let task = runtime.spawn(poll_fn(move |cx| {
            let before = steps.load(Ordering::SeqCst);
            match future.as_mut().poll(cx) {
                // It waits for something before it begins.
                Poll::Pending if steps.load(Ordering::SeqCst) == before => Poll::Pending,
                _ => Poll::Ready(steps.load(Ordering::SeqCst)),
            }
        }));
        runtime.block_on(task).unwrap()
    })
}

fn spin(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A step: 127 of them are over half a second, of which the monitor needs some milliseconds.
const STEP: Duration = Duration::from_millis(5);

#[test]
fn a_poll_that_computes_between_its_joins_is_ended_by_the_next_join() {
    let steps = steps_in_a_long_poll(|steps| async move {
        let mut tasks: Vec<JoinHandle<()>> = (0..BUDGET).map(|_| rt::spawn(async {})).collect();
        while !tasks.iter().all(JoinHandle::is_finished) {
            yield_now().await;
        }
        yield_now().await;
        for task in &mut tasks {
            task.await.unwrap();
            steps.fetch_add(1, Ordering::SeqCst);
            spin(STEP);
        }
    });
    assert!(steps < BUDGET / 2, "{steps} steps in one poll");
}

#[test]
fn a_poll_that_blocks_between_its_steps_is_ended_by_the_next_one() {
    let steps = steps_in_a_long_poll(|steps| async move {
        for _ in 0..BUDGET {
            consume_budget().await;
            steps.fetch_add(1, Ordering::SeqCst);
            thread::sleep(STEP);
        }
    });
    assert!(steps < BUDGET / 2, "{steps} steps in one poll");
}

#[test]
fn a_poll_that_computes_between_its_reads_is_ended_by_the_next_read() {
    let steps = steps_in_a_long_poll(|steps| async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(socket.local_addr().unwrap()).await.unwrap();
        for _ in 0..BUDGET {
            // Sends are ready at once, always.
            socket.send(b"step").await.unwrap();
            steps.fetch_add(1, Ordering::SeqCst);
            spin(STEP);
        }
    });
    assert!(steps < BUDGET / 2, "{steps} steps in one poll");
}

#[test]
fn a_long_poll_that_is_unconstrained_goes_on() {
    let steps = steps_in_a_long_poll(|steps| {
        unconstrained(async move {
            for _ in 0..20 {
                consume_budget().await;
                steps.fetch_add(1, Ordering::SeqCst);
                spin(STEP);
            }
        })
    });
    assert_eq!(steps, 20);
}

#[test]
fn the_poll_after_a_long_one_has_the_whole_budget() {
    within(SOON, || {
        let runtime = multi(2);
        let task = runtime.spawn(async {
            for _ in 0..5 {
                loop {
                    spin(STEP);
                    if !has_budget_remaining() {
                        break;
                    }
                }
                yield_now().await;
                // Unless a look comes in this very moment.
                let steps = poll_fn(|cx| Poll::Ready(drain(cx))).await;
                if steps == BUDGET {
                    return true;
                }
            }
            false
        });
        assert!(runtime.block_on(task).unwrap());
    });
}

// Who a task is.

/// Asks when it is dropped.
struct AsksInDrop(Arc<Mutex<Vec<Option<Id>>>>);

impl Drop for AsksInDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(try_id());
    }
}

#[test]
fn a_task_knows_its_id_in_every_poll() {
    on_each_flavor(|runtime| {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                runtime.spawn(async {
                    let mine = id();
                    for _ in 0..10 {
                        yield_now().await;
                        assert_eq!((id(), try_id()), (mine, Some(mine)));
                    }
                    mine
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                let expected = task.id();
                assert_eq!(task.await.unwrap(), expected);
            }
        });
    });
}

#[test]
fn outside_a_task_there_is_no_id() {
    assert_eq!(try_id(), None);
    assert!(panic_message(id).contains("outside a task"));
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            assert_eq!(try_id(), None);
            // Also when this thread has just polled tasks.
            for _ in 0..10 {
                rt::spawn(async { id() }).await.unwrap();
                yield_now().await;
                assert_eq!(try_id(), None);
            }
        });
        let _entered = runtime.enter();
        assert_eq!(try_id(), None);
    });
}

#[test]
fn a_closure_that_blocks_knows_its_id() {
    on_each_flavor(|runtime| {
        for _ in 0..3 {
            let closure = runtime.spawn_blocking(|| {
                let mine = id();
                // A task of another runtime on the same thread is another task, and the future of its `block_on` none.
                let inner = current();
                inner.block_on(async {
                    assert_eq!(id(), mine);
                    let task = rt::spawn(async { id() });
                    let its = task.id();
                    assert_eq!(task.await.unwrap(), its);
                    assert_ne!(its, mine);
                    assert_eq!(id(), mine);
                });
                multi(1).block_on(async { assert_eq!(id(), mine) });
                assert_eq!(id(), mine);
                mine
            });
            let expected = closure.id();
            assert_eq!(runtime.block_on(closure).unwrap(), expected);
        }
    });
}

#[test]
fn a_block_on_inside_a_task_is_part_of_it() {
    within(SOON, || {
        let (runtime, other) = (multi(2), current());
        let task = runtime.spawn(async move {
            let mine = id();
            rt::task::block_in_place(|| assert_eq!(id(), mine));
            rt::runtime::Handle::current().block_on(async { assert_eq!(id(), mine) });
            rt::task::block_in_place(|| {
                other.block_on(async {
                    assert_eq!(id(), mine);
                    let task = rt::spawn(async { id() });
                    let its = task.id();
                    assert_eq!(task.await.unwrap(), its);
                    assert_eq!(id(), mine);
                });
            });
            assert_eq!(id(), mine);
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn a_future_that_is_dropped_knows_whose_it_was() {
    on_each_flavor(|runtime| {
        let asked = Arc::<Mutex<Vec<Option<Id>>>>::default();
        let asks = || AsksInDrop(asked.clone());

        // Cancelled before its first poll or after it, done, and panicked.
        let mut expected = Vec::new();
        let inside = asks();
        let waits = runtime.spawn(async move {
            let _inside = inside;
            pending::<()>().await;
        });
        expected.push(Some(waits.id()));
        runtime.block_on(async {
            yield_now().await;
            waits.abort();
            waits.await.unwrap_err();
        });
        let mut inside = Some(asks());
        let done = runtime.spawn(poll_fn(move |_| {
            let _ = &mut inside;
            Poll::Ready(())
        }));
        expected.push(Some(done.id()));
        runtime.block_on(done).unwrap();
        let inside = asks();
        let panicked = runtime.spawn(async move {
            let _inside = inside;
            panic!("boom");
        });
        expected.push(Some(panicked.id()));
        runtime.block_on(panicked).unwrap_err();
        assert_eq!(*asked.lock().unwrap(), expected);
    });
}

#[test]
fn an_output_that_nobody_took_knows_whose_it_was() {
    on_each_flavor(|runtime| {
        let asked = Arc::<Mutex<Vec<Option<Id>>>>::default();
        let output = AsksInDrop(asked.clone());
        // Dropped with the handle, on this thread.
        let task = runtime.spawn(async move { output });
        let first = task.id();
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        drop(task);
        // Dropped by the worker.
        let output = AsksInDrop(asked.clone());
        let task = runtime.spawn(async move {
            yield_now().await;
            output
        });
        let second = task.id();
        drop(task);
        runtime.block_on(async {
            while asked.lock().unwrap().len() < 2 {
                yield_now().await;
            }
        });
        assert_eq!(*asked.lock().unwrap(), [Some(first), Some(second)]);
        assert_eq!(try_id(), None);
    });
}

#[test]
fn a_future_that_is_refused_or_left_at_shutdown_knows_whose_it_was() {
    within(SOON, || {
        for runtime in [current(), multi(2)] {
            let asked = Arc::<Mutex<Vec<Option<Id>>>>::default();
            let inside = AsksInDrop(asked.clone());
            let handle = runtime.handle().clone();
            let left = runtime.spawn(async move {
                let _inside = inside;
                pending::<()>().await;
            });
            drop(runtime);
            assert_eq!(*asked.lock().unwrap(), [Some(left.id())]);
            // In the middle of another task, too.
            let other = multi(1);
            let inside = AsksInDrop(asked.clone());
            let task = other.spawn(async move {
                let mine = id();
                let refused = handle.spawn(async move {
                    let _inside = inside;
                });
                assert_eq!(id(), mine);
                refused.id()
            });
            let refused = other.block_on(task).unwrap();
            assert_eq!(asked.lock().unwrap().last(), Some(&Some(refused)));
        }
    });
}

#[test]
fn a_waker_that_a_timer_wakes_is_in_no_task() {
    struct Asks(Mutex<Vec<Option<Id>>>);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(try_id());
        }
    }
    on_each_flavor(|runtime| {
        let asks = Arc::new(Asks(Mutex::default()));
        let waker = Waker::from(asks.clone());
        let sleep = {
            let _entered = runtime.enter();
            let mut sleep = Box::pin(rt::time::sleep(Duration::from_millis(20)));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            sleep
        };
        // A task keeps the worker at its polls meanwhile, and is what it polled last.
        let busy = runtime.spawn(async {
            loop {
                yield_now().await;
            }
        });
        runtime.block_on(async {
            while asks.0.lock().unwrap().is_empty() {
                yield_now().await;
            }
        });
        busy.abort();
        drop(sleep);
        assert_eq!(*asks.0.lock().unwrap(), [None]);
    });
}

#[test]
fn hooks_are_in_no_task() {
    within(SOON, || {
        let asked = Arc::<Mutex<Vec<Option<Id>>>>::default();
        let asks = || {
            let asked = asked.clone();
            move || asked.lock().unwrap().push(try_id())
        };
        let runtime = rt::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(asks())
            .on_thread_stop(asks())
            .on_thread_park(asks())
            .on_thread_unpark(asks())
            .build()
            .unwrap();
        for _ in 0..10 {
            runtime.block_on(runtime.spawn(async { id() })).unwrap();
            runtime.block_on(runtime.spawn_blocking(id)).unwrap();
        }
        eventually(SOON, || asked.lock().unwrap().len() > 4);
        drop(runtime);
        assert!(asked.lock().unwrap().iter().all(Option::is_none));
    });
}

#[test]
fn ids_can_be_compared_sorted_and_printed() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set: JoinSet<Id> = (0..10).map(|_| async { id() }).collect();
            let mut ids = std::collections::BTreeSet::new();
            while let Some(result) = set.join_next_with_id().await {
                let (known, told) = result.unwrap();
                assert_eq!(known, told);
                assert_eq!(format!("{told}"), format!("{told:?}").trim_start_matches("Id(").trim_end_matches(')'));
                ids.insert(told);
            }
            assert_eq!(ids.len(), 10);
            let closure = spawn_blocking(id);
            assert!(ids.insert(closure.await.unwrap()));
        });
    });
}

#[test]
fn joins_of_ended_tasks_draw_on_the_budget() {
    on_each_flavor(|runtime| {
        let polls = polls_of(runtime, async {
            let mut step = pin!(ready_joins(4 * BUDGET));
            poll_fn(|cx| {
                ready!(step.as_mut().poll(cx));
                Poll::Ready(())
            })
            .await;
        });
        assert!(polls >= 5, "it was polled {polls} times");
    });
}

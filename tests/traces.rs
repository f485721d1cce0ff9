//! Dumps that poll the tasks that wait: what they tell, and that such a poll is like any other.

#[path = "support/mod.rs"]
mod support;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use rt::runtime::{Builder, Dump, Handle, LocalRuntime, Runtime, TaskDump, TaskState};
use rt::sync::oneshot;
use rt::task::{Id, JoinError, JoinHandle, LocalSet, spawn_local};
use rt::time::sleep;
use support::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, unwatched, within};

#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(2 * SOON, move || [current(), multi(2)].iter().for_each(|runtime: &Runtime| runtime.block_on(test())));
}

fn of(dump: &Dump, id: Id) -> &TaskDump {
    dump.tasks().iter().find(|task| task.id() == id).expect("the task is in the dump")
}

async fn traced() -> Dump {
    Handle::current().dump_traced(SOON).await
}

/// Waits until a task does.
async fn waits(id: Id) {
    let start = Instant::now();
    while !matches!(of(&Handle::current().dump(), id).state(), TaskState::Waiting { .. }) {
        assert!(start.elapsed() < SOON);
        rt::task::yield_now().await;
    }
}

async fn waits_for_a_channel(receiver: oneshot::Receiver<()>) -> Result<(), oneshot::error::RecvError> {
    receiver.await
}

#[test]
fn a_task_that_waits_for_a_channel_is_told_of_with_the_place_where_it_does() {
    on_each_flavor(async || {
        let (sender, receiver) = oneshot::channel();
        let task = rt::spawn(waits_for_a_channel(receiver));
        waits(task.id()).await;
        let dump = traced().await;
        let told = of(&dump, task.id());
        let trace = told.trace().expect("it waited");
        assert!(trace.is_waiting() && !trace.has_ended() && !trace.is_missing());
        assert_eq!(trace.backtraces().count(), 1);
        // It is told how things were before.
        assert_eq!(told.polls(), 1);
        let text = format!("{dump:#}");
        assert!(text.contains("waits here:") && text.contains("waits_for_a_channel"), "{text}");
        let frames = trace.to_string();
        let first = frames.lines().find(|line| line.contains("   0: ")).unwrap_or_default();
        assert!(first.contains("tokio::sync::oneshot"), "the first is who waits: {frames}");
        assert!(!frames.contains("run_traced") && !frames.contains("force_capture"), "{frames}");
        assert!(!frames.contains("rt::scheduler"), "{frames}");
        sender.send(()).unwrap();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn each_branch_is_told_of_and_of_very_many_only_some() {
    on_each_flavor(async || {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
        let three = rt::spawn(join_all(receivers));
        let many = rt::spawn(poll_fn(|cx: &mut Context<'_>| -> Poll<()> {
            (0..100).for_each(|_| drop(cx.waker().clone()));
            Poll::Pending
        }));
        let none = rt::spawn(std::future::pending::<()>());
        for id in [three.id(), many.id(), none.id()] {
            waits(id).await;
        }
        let dump = traced().await;
        assert_eq!(of(&dump, three.id()).trace().unwrap().backtraces().count(), 3);
        let trace = of(&dump, many.id()).trace().unwrap();
        assert_eq!(trace.backtraces().count(), 32);
        assert!(trace.to_string().ends_with("and in 68 more places"), "{trace}");
        let trace = of(&dump, none.id()).trace().unwrap();
        assert!(trace.is_waiting() && trace.backtraces().count() == 0);
        assert!(trace.to_string().contains("no waker"), "{trace}");
        drop(senders);
        three.await.unwrap();
        many.abort();
        none.abort();
    });
}

#[test]
fn the_runtimes_own_waits_are_told_of_with_their_places_too() {
    on_each_flavor(async || {
        let sleeping = rt::spawn(sleep(Duration::from_secs(3600)));
        let other = sleeping.id();
        let joining = rt::spawn(async { drop(sleeping.await) });
        waits(joining.id()).await;
        waits(other).await;
        let dump = traced().await;
        for (id, name) in [(joining.id(), "JoinHandle"), (other, "rt::time::sleep::Sleep")] {
            let trace = of(&dump, id).trace().unwrap().to_string();
            assert!(trace.contains(name), "{trace}");
        }
        joining.abort();
    });
}

/// Raised from anywhere, and keeps the first waker that it was given.
#[derive(Default)]
struct Flag {
    is_raised: AtomicBool,
    polls: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.is_raised.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().take();
        waker.expect("somebody waits").wake();
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.polls.fetch_add(1, Ordering::SeqCst);
            let mut waker = self.waker.lock().unwrap();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            if self.is_raised.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[test]
fn what_a_traced_poll_leaves_behind_is_the_tasks_own_waker() {
    on_each_flavor(async || {
        let flag = Arc::new(Flag::default());
        let task = rt::spawn({
            let flag = flag.clone();
            async move { flag.wait().await }
        });
        waits(task.id()).await;
        let before = flag.waker.lock().unwrap().clone().unwrap();
        for polls in 2..4 {
            let dump = traced().await;
            assert_eq!(of(&dump, task.id()).trace().unwrap().backtraces().count(), 1, "it asks for another waker");
            assert_eq!(flag.polls.load(Ordering::SeqCst), polls);
            assert!(flag.waker.lock().unwrap().as_ref().unwrap().will_wake(&before));
        }
        drop(before);
        flag.raise();
        task.await.unwrap();
    });
}

#[test]
fn no_wake_is_lost_however_it_meets_a_traced_poll() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let is_over = Arc::new(AtomicBool::new(false));
        let dumping = std::thread::spawn({
            let (handle, is_over) = (runtime.handle().clone(), is_over.clone());
            move || {
                let mut told = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let dump = handle.block_on(handle.dump_traced(SOON));
                    assert!(dump.tasks().iter().all(|task| task.trace().is_none_or(|trace| !trace.is_missing())));
                    told += dump.tasks().iter().filter(|task| task.trace().is_some()).count();
                }
                told
            }
        });
        let rounds = runtime.spawn(async {
            let pairs = (0..8).map(|_| {
                let (sender, mut receiver) = rt::sync::mpsc::channel(1);
                rt::spawn(async move {
                    for number in 0..500 {
                        sender.send(number).await.unwrap();
                        if number % 50 == 0 {
                            sleep(Duration::from_millis(1)).await;
                        }
                    }
                });
                rt::spawn(async move {
                    let mut sum = 0;
                    while let Some(number) = receiver.recv().await {
                        sum += number;
                    }
                    sum
                })
            });
            join_all(pairs.collect::<Vec<_>>()).await
        });
        for sum in runtime.block_on(rounds).unwrap() {
            assert_eq!(sum.unwrap(), 499 * 500 / 2);
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(dumping.join().unwrap() > 0, "nobody was traced");
    });
}

#[test]
fn a_task_that_happens_to_be_ready_ends_by_that_poll() {
    on_each_flavor(async || {
        let is_ready = Arc::new(AtomicBool::new(false));
        let task = rt::spawn({
            let is_ready = is_ready.clone();
            // Nobody wakes it.
            poll_fn(move |_| if is_ready.load(Ordering::SeqCst) { Poll::Ready(7) } else { Poll::Pending })
        });
        waits(task.id()).await;
        is_ready.store(true, Ordering::SeqCst);
        let dump = traced().await;
        let trace = of(&dump, task.id()).trace().unwrap();
        assert!(trace.has_ended() && trace.to_string().contains("has ended"), "{trace}");
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_panic_of_that_poll_is_the_tasks_and_no_one_elses() {
    on_each_flavor(async || {
        let panics = Arc::new(AtomicBool::new(false));
        let drops = DropCounter::new();
        let task = rt::spawn({
            let (panics, guard) = (panics.clone(), drops.guard());
            poll_fn(move |_| {
                let _guard = &guard;
                assert!(!panics.load(Ordering::SeqCst), "as it was told");
                Poll::<()>::Pending
            })
        });
        let other = rt::spawn(std::future::pending::<()>());
        waits(task.id()).await;
        waits(other.id()).await;
        panics.store(true, Ordering::SeqCst);
        let dump = traced().await;
        assert!(of(&dump, task.id()).trace().unwrap().has_ended());
        assert!(of(&dump, other.id()).trace().unwrap().is_waiting());
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(drops.drops(), 1);
        other.abort();
    });
}

#[test]
fn a_task_that_is_aborted_meanwhile_is_dropped_and_the_dump_comes_to_its_end() {
    within(2 * SOON, || {
        // Nobody runs tasks while it is asked.
        let runtime = current();
        let drops = DropCounter::new();
        let task = runtime.spawn({
            let guard = drops.guard();
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        });
        runtime.block_on(waits(task.id()));
        let dumping = std::thread::spawn({
            let handle = runtime.handle().clone();
            move || handle.block_on(handle.dump_traced(SOON))
        });
        // It has been asked when it is queued.
        eventually(SOON, || of(&runtime.handle().dump(), task.id()).state() == TaskState::Queued);
        task.abort();
        let id = task.id();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert!(of(&dumping.join().unwrap(), id).trace().unwrap().has_ended());
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn those_who_are_behind_stuck_workers_are_said_not_to_be_reached() {
    within(2 * SOON, || {
        let runtime = unwatched(1);
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let waiting: Vec<_> = (0..200).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
        let handle = runtime.handle().clone();
        let all_wait = || handle.dump().tasks().iter().all(|task| matches!(task.state(), TaskState::Waiting { .. }));
        eventually(SOON, all_wait);
        let stuck = runtime.spawn({
            let gate = gate.clone();
            async move { gate.pass() }
        });
        gate.await_waiting(1);
        let start = Instant::now();
        let dump = handle.block_on(handle.dump_traced(Duration::from_millis(50)));
        assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < SOON);
        assert!(of(&dump, stuck.id()).trace().is_none(), "it runs");
        assert!(waiting.iter().all(|task| of(&dump, task.id()).trace().unwrap().is_missing()));
        let text = format!("{dump:#}");
        assert!(text.contains("could not be polled for this dump in time"), "{text}");
        // Nothing is left of it, once those that were asked in vain have been polled all the same.
        gate.open();
        runtime.block_on(stuck).unwrap();
        eventually(SOON, all_wait);
        let dump = handle.block_on(handle.dump_traced(SOON));
        assert!(waiting.iter().all(|task| of(&dump, task.id()).trace().unwrap().is_waiting()));
    });
}

#[test]
fn a_current_thread_runtime_that_nobody_drives_answers_later_or_not_at_all() {
    within(2 * SOON, || {
        let runtime = current();
        let task = runtime.spawn(std::future::pending::<()>());
        runtime.block_on(waits(task.id()));
        let handle = runtime.handle().clone();
        let dump = handle.block_on(handle.dump_traced(Duration::from_millis(20)));
        assert!(of(&dump, task.id()).trace().unwrap().is_missing());
        let zero = handle.block_on(handle.dump_traced(Duration::ZERO));
        assert!(of(&zero, task.id()).trace().is_none_or(|trace| trace.is_missing()));
        // What has been asked in vain does no harm, and is not answered twice.
        let dump = runtime.block_on(handle.dump_traced(Duration::MAX));
        assert!(of(&dump, task.id()).trace().is_none_or(|trace| trace.is_waiting()));
    });
}

#[test]
fn two_dumps_at_a_time_are_both_answered() {
    on_each_flavor(async || {
        let tasks: Vec<_> = (0..100).map(|_| rt::spawn(std::future::pending::<()>())).collect();
        for task in &tasks {
            waits(task.id()).await;
        }
        // The second finds some queued, because the first has asked them.
        let (one, other) = join(traced(), traced()).await;
        let told = |dump: &Dump| {
            let mut told = 0;
            for task in &tasks {
                match of(dump, task.id()).trace() {
                    Some(trace) => {
                        assert!(trace.is_waiting());
                        told += 1;
                    }
                    None => assert!(!matches!(of(dump, task.id()).state(), TaskState::Waiting { .. })),
                }
            }
            told
        };
        assert_eq!(told(&one), 100);
        told(&other);
        tasks.iter().for_each(JoinHandle::abort);
    });
}

#[test]
fn a_dump_that_is_dropped_asks_nobody_any_more() {
    within(2 * SOON, || {
        let runtime = current();
        let tasks: Vec<_> = (0..200).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
        let last = tasks.last().unwrap().id();
        runtime.block_on(waits(last));
        let handle = runtime.handle().clone();
        let mut cx = Context::from_waker(Waker::noop());
        let mut dumping = Box::pin(handle.dump_traced(Duration::MAX));
        assert!(dumping.as_mut().poll(&mut cx).is_pending());
        drop(dumping);
        let dump = runtime.block_on(handle.dump_traced(SOON));
        for task in dump.tasks() {
            assert!(task.trace().is_none_or(|trace| trace.is_waiting()), "{task:?}");
        }
    });
}

#[test]
fn hooks_see_a_traced_poll_as_any_other() {
    within(SOON, || {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            let (before, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (begun, ended) = (before.clone(), after.clone());
            let runtime = builder
                .worker_threads(1)
                .enable_all()
                .on_before_task_poll(move |_| _ = begun.fetch_add(1, Ordering::SeqCst))
                .on_after_task_poll(move |_| _ = ended.fetch_add(1, Ordering::SeqCst))
                .build()
                .unwrap();
            let task = runtime.spawn(std::future::pending::<()>());
            runtime.block_on(async {
                waits(task.id()).await;
                traced().await;
            });
            // The answer comes before the hook.
            eventually(SOON, || (before.load(Ordering::SeqCst), after.load(Ordering::SeqCst)) == (2, 2));
        }
    });
}

#[test]
fn a_traced_poll_has_a_budget_and_one_that_yields_is_told_to_do_so() {
    on_each_flavor(async || {
        let goes_on = Arc::new(AtomicBool::new(false));
        let polls = Arc::new(AtomicUsize::new(0));
        let task = rt::spawn({
            let (goes_on, polls) = (goes_on.clone(), polls.clone());
            async move {
                let waiting = poll_fn(|_| if goes_on.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending });
                waiting.await;
                let mut endless = pin!(async {
                    for _ in 0..1000 {
                        rt::task::coop::consume_budget().await;
                    }
                });
                poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::SeqCst);
                    endless.as_mut().poll(cx)
                })
                .await;
            }
        });
        waits(task.id()).await;
        goes_on.store(true, Ordering::SeqCst);
        let dump = traced().await;
        let trace = of(&dump, task.id()).trace().unwrap();
        // Unless it has come to its end since.
        if trace.is_waiting() {
            assert_eq!(trace.backtraces().count(), 1);
            assert!(trace.to_string().contains("budget"), "{trace}");
        }
        task.await.unwrap();
        assert!(polls.load(Ordering::SeqCst) > 7, "128 steps in each poll");
    });
}

#[test]
fn a_nested_runtime_in_a_traced_poll_traces_its_own() {
    within(2 * SOON, || {
        let outer = multi(2);
        let inner = Arc::new(Mutex::new(Some(current())));
        let goes_on = Arc::new(AtomicBool::new(false));
        let task = outer.spawn({
            let (inner, goes_on) = (inner.clone(), goes_on.clone());
            poll_fn(move |cx| {
                if goes_on.swap(false, Ordering::SeqCst) {
                    let runtime = inner.lock().unwrap().take().unwrap();
                    let traces = runtime.block_on(async {
                        let task = rt::spawn(std::future::pending::<()>());
                        waits(task.id()).await;
                        let dump = traced().await;
                        of(&dump, task.id()).trace().unwrap().is_waiting()
                    });
                    assert!(traces);
                }
                drop(cx.waker().clone());
                Poll::<()>::Pending
            })
        });
        outer.block_on(waits(task.id()));
        goes_on.store(true, Ordering::SeqCst);
        let dump = outer.block_on(traced());
        assert_eq!(of(&dump, task.id()).trace().unwrap().backtraces().count(), 1);
        assert!(inner.lock().unwrap().is_none(), "it was polled");
    });
}

#[test]
fn tasks_that_stay_on_their_thread_are_traced_where_they_are() {
    within(2 * SOON, || {
        let runtime = LocalRuntime::new().unwrap();
        runtime.block_on(async {
            let here = Rc::new(Cell::new(0));
            let task = spawn_local({
                let here = here.clone();
                poll_fn(move |cx| {
                    here.set(here.get() + 1);
                    drop(cx.waker().clone());
                    Poll::<()>::Pending
                })
            });
            waits(task.id()).await;
            let dump = traced().await;
            assert_eq!(of(&dump, task.id()).trace().unwrap().backtraces().count(), 1);
            assert_eq!(here.get(), 2);
        });
        let runtime = multi(1);
        let set = LocalSet::new();
        set.block_on(&runtime, async {
            let (sender, receiver) = oneshot::channel::<()>();
            let task = spawn_local(async move { Rc::new(receiver.await) });
            waits(task.id()).await;
            let dump = traced().await;
            let trace = of(&dump, task.id()).trace().unwrap();
            assert!(trace.to_string().contains("oneshot"), "{trace}");
            sender.send(()).unwrap();
            assert!(task.await.unwrap().is_ok());
        });
    });
}

#[test]
fn a_thousand_tasks_are_traced_beside_others_that_go_on() {
    on_each_flavor(async || {
        let tasks: Vec<JoinHandle<()>> = (0..1000)
            .map(|_| {
                rt::spawn(poll_fn(|cx| {
                    drop(cx.waker().clone());
                    Poll::Pending
                }))
            })
            .collect();
        for task in &tasks {
            waits(task.id()).await;
        }
        let dump = traced().await;
        let traces = tasks.iter().filter_map(|task| of(&dump, task.id()).trace());
        assert_eq!(traces.filter(|trace| trace.backtraces().count() == 1).count(), 1000);
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            assert!(task.await.as_ref().is_err_and(JoinError::is_cancelled));
        }
    });
}

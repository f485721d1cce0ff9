//! Sets of tasks: adding, joining in any way, aborting, and what is left behind.

mod support;

use std::cell::Cell;
use std::collections::HashSet;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};
use rt::runtime::{Builder, Handle, Runtime, Stall};
use rt::sync::{Notify, oneshot};
use rt::task::{AbortHandle, JoinSet, join_set, yield_now};
use support::{
    DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, panic_message, text_of, unwatched, within,
};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(4)].iter().for_each(test));
}

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the members of a set gave, sorted.
async fn outputs<T: Ord + 'static>(set: &mut JoinSet<T>) -> Vec<T> {
    let mut outputs = Vec::new();
    while let Some(output) = set.join_next().await {
        outputs.push(output.unwrap());
    }
    outputs.sort();
    outputs
}

#[test]
fn each_member_is_joined_once() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            assert!(set.is_empty());
            for number in 0..100 {
                set.spawn(async move {
                    if number % 3 == 0 {
                        yield_now().await;
                    }
                    number
                });
            }
            assert_eq!(set.len(), 100);
            assert_eq!(outputs(&mut set).await, (0..100).collect::<Vec<_>>());
            assert!(set.is_empty());
            assert!(set.join_next().await.is_none());
            // It can be used again.
            set.spawn(ready(7));
            assert_eq!(outputs(&mut set).await, [7]);
        });
    });
}

#[test]
fn members_come_in_the_order_in_which_they_end() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let mut ends: Vec<_> = (0..50)
                .map(|number| {
                    let (end, ended) = oneshot::channel::<()>();
                    set.spawn(async move {
                        ended.await.unwrap();
                        number
                    });
                    end
                })
                .collect();
            // Backwards, and some before anybody waits.
            let mut expected = Vec::new();
            let mut given = Vec::new();
            while let Some(end) = ends.pop() {
                let member = ends.len();
                expected.push(member);
                end.send(()).unwrap();
                if member >= 25 {
                    given.push(set.join_next().await.unwrap().unwrap());
                } else {
                    // All others wait, so one more is ready soon.
                    let ready = expected.len();
                    while given.len() < ready {
                        match set.try_join_next() {
                            Some(output) => given.push(output.unwrap()),
                            None => yield_now().await,
                        }
                    }
                }
            }
            assert_eq!(given, expected);
        });
    });
}

#[test]
fn members_that_end_before_anybody_waits_come_in_that_order_too() {
    within(SOON, || {
        // One thread runs them all, so that whatever runs after a member has ended runs after its end was announced.
        for runtime in [current(), unwatched(1)] {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                let mut members: Vec<_> = (0..8)
                    .map(|number| {
                        let (end, ended) = oneshot::channel::<()>();
                        let abort = set.spawn(async move {
                            ended.await.unwrap();
                            number
                        });
                        (end, abort)
                    })
                    .collect();
                while let Some((end, abort)) = members.pop() {
                    end.send(()).unwrap();
                    while !abort.is_finished() {
                        yield_now().await;
                    }
                    rt::spawn(async {}).await.unwrap();
                }
                assert_eq!(set.join_all().await, [7, 6, 5, 4, 3, 2, 1, 0]);
            });
        }
    });
}

#[test]
fn ids_come_with_outputs_and_in_errors() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let fine = set.spawn(async { 1 }).id();
            let panicked = set.spawn(async { panic!("boom") }).id();
            let aborted = set.spawn(pending());
            aborted.abort();
            let (mut seen, mut count) = (HashSet::new(), 0);
            while let Some(result) = set.join_next_with_id().await {
                match result {
                    Ok((id, output)) => {
                        assert_eq!((id, output), (fine, 1));
                        seen.insert(id);
                    }
                    Err(error) => {
                        assert_eq!(error.id(), if error.is_panic() { panicked } else { aborted.id() });
                        seen.insert(error.id());
                    }
                }
                count += 1;
            }
            assert_eq!((seen.len(), count), (3, 3));

            let id = set.spawn(async { 2 }).id();
            let taken = loop {
                match set.try_join_next_with_id() {
                    Some(taken) => break taken.unwrap(),
                    None => yield_now().await,
                }
            };
            assert_eq!(taken, (id, 2));
            assert!(set.try_join_next_with_id().is_none());
        });
    });
}

#[test]
fn try_join_next_takes_what_has_ended_and_does_not_wait() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            assert!(set.try_join_next().is_none());
            set.spawn(pending());
            let done = set.spawn(async { 7 });
            assert_eq!(set.len(), 2);
            while !done.is_finished() {
                yield_now().await;
            }
            let mut taken = None;
            while taken.is_none() {
                taken = set.try_join_next();
                yield_now().await;
            }
            assert_eq!(taken.unwrap().unwrap(), 7);
            assert!(set.try_join_next().is_none());
            assert_eq!(set.len(), 1);
        });
    });
}

#[test]
fn try_join_next_is_not_held_up_by_the_budget() {
    within(SOON, || {
        let runtime = multi(2);
        let joined = runtime.block_on(async {
            rt::spawn(async {
                let mut set: JoinSet<u32> = (0..1000).map(ready).collect();
                let ended = set.len();
                while Handle::current().metrics().num_alive_tasks() > 1 {
                    yield_now().await;
                }
                // One poll, in which nothing is awaited.
                let mut joined = 0;
                while joined < ended {
                    joined += usize::from(set.try_join_next().is_some());
                }
                joined
            })
            .await
        });
        assert_eq!(joined.unwrap(), 1000);
    });
}

#[test]
fn join_next_draws_on_the_budget_so_that_others_run() {
    within(SOON, || {
        // One thread: the other task runs only if this one lets it.
        current().block_on(async {
            let task = rt::spawn(async {
                let mut set: JoinSet<usize> = (0..1000).map(ready).collect();
                while Handle::current().metrics().num_alive_tasks() > 1 {
                    yield_now().await;
                }
                let others = Arc::new(AtomicUsize::new(0));
                let other = rt::spawn({
                    let others = others.clone();
                    async move {
                        loop {
                            others.fetch_add(1, Ordering::SeqCst);
                            yield_now().await;
                        }
                    }
                });
                while let Some(result) = set.join_next().await {
                    result.unwrap();
                }
                other.abort();
                others.load(Ordering::SeqCst)
            });
            let others = task.await.unwrap();
            assert!(others >= 1000 / 128, "the other task had {others} turns");
        });
    });
}

#[test]
fn an_empty_set_draws_no_budget() {
    within(SOON, || {
        current().block_on(async {
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let mut inner = Box::pin(async {
                let mut set = JoinSet::<()>::new();
                for _ in 0..1000 {
                    assert!(set.join_next().await.is_none());
                }
            });
            rt::spawn(poll_fn(move |cx| {
                counted.fetch_add(1, Ordering::SeqCst);
                inner.as_mut().poll(cx)
            }))
            .await
            .unwrap();
            assert_eq!(polls.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn a_join_that_lost_a_select_has_taken_nothing() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set: JoinSet<_> = (0..200)
                .map(|number| async move {
                    yield_now().await;
                    number
                })
                .collect();
            let mut given = Vec::new();
            while !set.is_empty() {
                match select(pin!(set.join_next()), pin!(yield_now())).await {
                    Either::Left((output, _)) => given.push(output.unwrap().unwrap()),
                    Either::Right(_) => {}
                }
            }
            given.sort();
            assert_eq!(given, (0..200).collect::<Vec<_>>());
        });
    });
}

#[test]
fn the_last_waker_is_woken_once_and_the_others_are_let_go() {
    within(SOON, || {
        let runtime = multi(1);
        let mut set = JoinSet::new();
        let (end, ended) = oneshot::channel::<()>();
        set.spawn_on(async { ended.await.unwrap() }, runtime.handle());
        let ((first, first_waker), (second, second_waker)) = (Count::waker(), Count::waker());
        assert!(set.poll_join_next(&mut Context::from_waker(&first_waker)).is_pending());
        assert!(set.poll_join_next(&mut Context::from_waker(&second_waker)).is_pending());
        assert!(set.poll_join_next(&mut Context::from_waker(&second_waker)).is_pending());
        drop(first_waker);
        assert_eq!(Arc::strong_count(&first), 1, "a waker that was replaced is kept");
        end.send(()).unwrap();
        eventually(SOON, || second.wakes() == 1);
        assert!(set.poll_join_next(&mut Context::from_waker(&second_waker)).is_ready());
        assert_eq!(
            set.poll_join_next(&mut Context::from_waker(&second_waker)).map(|end| end.is_none()),
            Poll::Ready(true)
        );
        drop(second_waker);
        assert_eq!((first.wakes(), second.wakes(), Arc::strong_count(&second)), (0, 1, 1));
    });
}

#[test]
fn a_member_that_is_added_after_a_poll_wakes_who_waits() {
    within(SOON, || {
        let runtime = multi(1);
        let mut set = JoinSet::new();
        set.spawn_on(pending(), runtime.handle());
        for number in 0..200 {
            let (count, waker) = Count::waker();
            assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
            // It may end before it is in the set.
            set.spawn_on(async move { number }, runtime.handle());
            eventually(SOON, || count.wakes() == 1);
            let Poll::Ready(Some(output)) = set.poll_join_next(&mut Context::from_waker(&waker)) else {
                panic!("the member has ended")
            };
            assert_eq!(output.unwrap(), number);
        }
        assert_eq!(set.len(), 1);
    });
}

#[test]
fn a_set_that_is_dropped_aborts_its_members_and_forgets_its_waker() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let mut set = JoinSet::new();
        let aborts: Vec<AbortHandle> = (0..10)
            .map(|_| {
                let guard = drops.guard();
                let member = async move {
                    let _guard = guard;
                    pending::<()>().await;
                };
                set.spawn_on(member, runtime.handle())
            })
            .collect();
        let (count, waker) = Count::waker();
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        drop((set, waker));
        assert_eq!((Arc::strong_count(&count), count.wakes()), (1, 0));
        runtime.block_on(async {
            while !aborts.iter().all(AbortHandle::is_finished) {
                yield_now().await;
            }
        });
        assert_eq!(drops.drops(), 10);
    });
}

#[test]
fn outputs_that_nobody_took_are_dropped_with_the_set_once_though_some_panic() {
    struct PanicsInDrop(#[allow(dead_code)] support::DropGuard);
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("boom in an output");
        }
    }
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let mut set = JoinSet::new();
        let ends: Vec<AbortHandle> = (0..10)
            .map(|_| {
                let guard = PanicsInDrop(drops.guard());
                set.spawn_on(async move { guard }, runtime.handle())
            })
            .collect();
        runtime.block_on(async {
            while !ends.iter().all(AbortHandle::is_finished) {
                yield_now().await;
            }
        });
        assert_eq!(drops.drops(), 0);
        drop(set);
        assert_eq!(drops.drops(), 10);
    });
}

#[test]
fn aborted_members_stay_until_they_are_joined() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..100 {
                set.spawn(pending::<()>());
            }
            set.abort_all();
            assert_eq!(set.len(), 100);
            let mut cancelled = 0;
            while let Some(result) = set.join_next().await {
                cancelled += usize::from(result.unwrap_err().is_cancelled());
            }
            assert_eq!(cancelled, 100);
            set.abort_all();
        });
    });
}

#[test]
fn shutdown_waits_until_every_future_has_been_dropped() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for number in 0..100 {
                let guard = drops.guard();
                set.spawn(async move {
                    let _guard = guard;
                    assert_ne!(number, 50, "a member may panic");
                    pending::<()>().await;
                });
            }
            yield_now().await;
            set.shutdown().await;
            assert_eq!((set.len(), drops.drops()), (0, 100));
            set.shutdown().await;
        });
    });
}

#[test]
fn detached_members_go_on_and_do_not_disturb_those_that_come_later() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (gate, done) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
            let mut set = JoinSet::new();
            for _ in 0..20 {
                let (gate, done) = (gate.clone(), done.clone());
                set.spawn(async move {
                    gate.notified().await;
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
            // Also some that have ended.
            for _ in 0..20 {
                set.spawn(async {});
            }
            yield_now().await;
            set.detach_all();
            assert!(set.is_empty());
            for _ in 0..20 {
                set.spawn(pending());
            }
            while done.load(Ordering::SeqCst) < 20 {
                gate.notify_waiters();
                yield_now().await;
            }
            for _ in 0..10 {
                assert!(set.try_join_next().is_none());
                yield_now().await;
            }
            assert_eq!(set.len(), 20);
        });
    });
}

#[test]
fn join_all_gives_all_outputs() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            assert_eq!(JoinSet::<()>::new().join_all().await, []);
            let set: JoinSet<_> = (0..100).map(ready).collect();
            let mut outputs = set.join_all().await;
            outputs.sort();
            assert_eq!(outputs, (0..100).collect::<Vec<_>>());
        });
    });
}

#[test]
fn join_all_panics_as_its_member_did_and_aborts_the_rest() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let joined = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                set.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                set.spawn(async { panic!("boom in a member") });
                set.join_all().await
            })
        }));
        assert_eq!(text_of(&*joined.unwrap_err()), "boom in a member");
        runtime.block_on(async {
            while drops.drops() == 0 {
                yield_now().await;
            }
        });

        let message = panic_message(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                set.spawn(pending::<()>()).abort();
                set.join_all().await
            })
        });
        assert!(message.contains("cancelled") && message.contains("join_all"), "{message}");
    });
}

#[test]
fn closures_that_block_are_members_like_any_other() {
    on_each_flavor(|runtime| {
        let mut set = JoinSet::new();
        set.spawn_blocking_on(|| 1, runtime.handle());
        runtime.block_on(async {
            set.spawn_blocking(|| 2);
            set.spawn(async { 3 });
            assert_eq!(outputs(&mut set).await, [1, 2, 3]);
            set.spawn_blocking(|| panic!("boom in a closure"));
            let error = set.join_next().await.unwrap().unwrap_err();
            assert!(error.to_string().contains("boom in a closure"));
        });
    });
}

#[test]
fn members_may_be_of_several_runtimes() {
    within(SOON, || {
        let (one, other) = (multi(2), current());
        let mut set = JoinSet::new();
        set.spawn_on(async { 1 }, one.handle());
        set.spawn_on(async { 2 }, other.handle());
        assert_eq!(one.block_on(set.join_next()).unwrap().unwrap(), 1);
        assert_eq!(other.block_on(set.join_next()).unwrap().unwrap(), 2);
    });
}

#[test]
fn outside_a_runtime_a_spawn_panics_and_leaves_the_set_as_it_was() {
    let mut set = JoinSet::new();
    let message = panic_message(|| set.spawn(async {}));
    assert!(message.contains("no rt runtime"), "{message}");
    let message = panic_message(|| set.spawn_blocking(|| ()));
    assert!(message.contains("no rt runtime"), "{message}");
    let message = panic_message(|| set.build_task().spawn(async {}));
    assert!(message.contains("no rt runtime"), "{message}");
    let message = panic_message(|| [ready(())].into_iter().collect::<JoinSet<_>>());
    assert!(message.contains("no rt runtime"), "{message}");
    assert!(set.is_empty());
}

#[test]
fn members_of_a_runtime_that_has_shut_down_are_cancelled() {
    within(SOON, || {
        for runtime in [current(), multi(2)] {
            let handle = runtime.handle().clone();
            let mut set = JoinSet::new();
            set.spawn_on(pending::<u32>(), &handle);
            drop(runtime);
            set.spawn_on(async { 1 }, &handle);
            set.spawn_blocking_on(|| 2, &handle);
            let other = current();
            for _ in 0..3 {
                assert!(other.block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
            }
            assert!(other.block_on(set.join_next()).is_none());
        }
    });
}

#[test]
fn a_set_in_a_task_of_a_runtime_that_shuts_down_is_dropped_with_it() {
    within(SOON, || {
        for runtime in [current(), multi(2)] {
            let drops = DropCounter::new();
            let outer = drops.clone();
            drop(runtime.spawn(async move {
                let mut set = JoinSet::new();
                for _ in 0..10 {
                    let guard = outer.guard();
                    set.spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    });
                }
                set.join_next().await;
            }));
            runtime.block_on(async {
                while drops.guards() < 10 {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert_eq!(drops.drops(), 10);
        }
    });
}

#[test]
fn a_waker_that_panics_loses_no_member() {
    struct Panics(AtomicBool);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            panic!("boom in a waker");
        }
    }
    within(SOON, || {
        let runtime = multi(2);
        let mut set = JoinSet::new();
        let (end, ended) = oneshot::channel::<()>();
        set.spawn_on(async { ended.await.unwrap() }, runtime.handle());
        let panics = Arc::new(Panics(AtomicBool::new(false)));
        let waker = Waker::from(panics.clone());
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        end.send(()).unwrap();
        eventually(SOON, || panics.0.load(Ordering::SeqCst));
        assert!(runtime.block_on(set.join_next()).unwrap().is_ok());

        // Also when the member ends before it is in the set: this thread is not to feel it.
        for _ in 0..100 {
            set.spawn_on(pending(), runtime.handle());
            assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
            set.spawn_on(async {}, runtime.handle());
            assert!(runtime.block_on(set.join_next()).unwrap().is_ok());
        }
        assert!(runtime.block_on(async { rt::spawn(ready(true)).await.unwrap() }));
    });
}

#[test]
fn a_hundred_thousand_members_are_no_trouble() {
    on_each_flavor(|runtime| {
        const MEMBERS: usize = 100_000;
        runtime.block_on(async {
            let gate = Arc::new(Notify::new());
            let mut set = JoinSet::new();
            for number in 0..MEMBERS {
                // Half of them wait, so that those that end are looked for among many.
                let gate = (number % 2 == 0).then(|| gate.clone());
                set.spawn(async move {
                    if let Some(gate) = gate {
                        gate.notified().await;
                    }
                    number
                });
            }
            let mut sum = 0;
            for _ in 0..MEMBERS / 2 {
                sum += set.join_next().await.unwrap().unwrap();
            }
            assert_eq!(set.len(), MEMBERS / 2);
            while !set.is_empty() {
                gate.notify_waiters();
                while let Some(output) = set.try_join_next() {
                    sum += output.unwrap();
                }
                yield_now().await;
            }
            assert_eq!(sum, MEMBERS * (MEMBERS - 1) / 2);
        });
    });
}

#[test]
fn a_set_that_is_used_for_long_keeps_nothing_of_its_members() {
    within(SOON, || {
        let runtime = multi(2);
        let drops = DropCounter::new();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..10_000 {
                let guard = drops.guard();
                set.spawn(async move { guard });
                if set.len() == 10 {
                    set.join_next().await.unwrap().unwrap();
                }
            }
            assert_eq!((set.len(), drops.guards() - drops.drops()), (9, 9));
        });
        // Those that were left are dropped by whoever runs them.
        eventually(SOON, || drops.drops() == 10_000);
        eventually(SOON, || runtime.metrics().num_alive_tasks() == 0);
    });
}

#[test]
fn members_that_end_on_all_workers_at_once_are_all_there() {
    within(SOON, || {
        let runtime = multi(4);
        for round in 0..200 {
            let gate = Arc::new(AtomicBool::new(false));
            let mut set = JoinSet::new();
            for number in 0..16 {
                let gate = gate.clone();
                let member = async move {
                    while !gate.load(Ordering::Acquire) {
                        yield_now().await;
                    }
                    number
                };
                set.spawn_on(member, runtime.handle());
            }
            gate.store(true, Ordering::Release);
            let given = runtime.block_on(outputs(&mut set));
            assert_eq!(given, (0..16).collect::<Vec<_>>(), "round {round}");
        }
    });
}

#[test]
fn a_set_goes_from_thread_to_thread_while_its_members_end() {
    within(SOON, || {
        let runtime = multi(2);
        let (sender, receiver) = mpsc::channel::<JoinSet<usize>>();
        let handle = runtime.handle().clone();
        let joiner = std::thread::spawn(move || {
            receiver.into_iter().map(|set| handle.block_on(set.join_all()).len()).sum::<usize>()
        });
        for size in 0..100 {
            let mut set = JoinSet::new();
            (0..size).for_each(|number| drop(set.spawn_on(async move { number }, runtime.handle())));
            sender.send(set).unwrap();
        }
        drop(sender);
        assert_eq!(joiner.join().unwrap(), 99 * 100 / 2);
    });
}

/// Where tasks that stall were spawned, and what they are called.
fn stalls(spawn: impl FnOnce(&mut JoinSet<()>, Gate)) -> (u32, Option<String>) {
    let told = Arc::new(Mutex::new(None));
    let hook = told.clone();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).report_stalls_after(Some(Duration::from_millis(5))).on_stall(move |stall: &Stall| {
        let location: &Location<'_> = stall.spawned_at();
        *hook.lock().unwrap() = Some((location.line(), stall.task_name().map(str::to_owned)));
    });
    let runtime = builder.build().unwrap();
    let gate = Gate::new();
    let _open = OpenOnDrop(gate.clone());
    let mut set = JoinSet::new();
    let _guard = runtime.enter();
    spawn(&mut set, gate);
    eventually(SOON, || told.lock().unwrap().is_some());
    told.lock().unwrap().take().unwrap()
}

#[test]
fn a_member_was_spawned_where_the_set_was_told_to() {
    within(SOON, || {
        let (line, name) = stalls(|set, gate| drop(set.spawn(async move { gate.pass() })));
        assert_eq!((line, name), (line!() - 1, None));
        let (line, name) = stalls(|set, gate| drop(set.spawn_on(async move { gate.pass() }, &Handle::current())));
        assert_eq!((line, name), (line!() - 1, None));
        let (line, name) = stalls(|set, gate| drop(set.build_task().name("member").spawn(async move { gate.pass() })));
        assert_eq!((line, name.as_deref()), (line!() - 1, Some("member")));
        let (line, name) = stalls(|set, gate| set.extend([async move { gate.pass() }]));
        assert_eq!((line, name), (line!() - 1, None));
    });
}

#[test]
fn named_members_are_spawned_in_all_ways() {
    on_each_flavor(|runtime| {
        let mut set = JoinSet::new();
        let builder: join_set::Builder<'_, u32> = set.build_task();
        assert!(format!("{builder:?}").starts_with("join_set::Builder"));
        builder.name("on").spawn_on(async { 1 }, runtime.handle()).unwrap();
        set.build_task().name("blocking on").spawn_blocking_on(|| 2, runtime.handle()).unwrap();
        runtime.block_on(async {
            set.build_task().name("here").spawn(async { 3 }).unwrap();
            set.build_task().name("blocking here").spawn_blocking(|| 4).unwrap();
            assert_eq!(outputs(&mut set).await, [1, 2, 3, 4]);
        });
    });
}

#[test]
fn sets_have_the_traits_that_they_promise() {
    fn assert_auto<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>(_: &T) {}
    fn assert_send<T: Send>(_: T) {}
    let mut set = JoinSet::<Cell<u32>>::default();
    assert_auto(&set);
    assert_send(set.join_next());
    assert_send(set.shutdown());
    assert_send(set.join_all());
    assert_eq!(format!("{:?}", JoinSet::<()>::new()), "JoinSet { len: 0 }");
    let mut future: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(JoinSet::<()>::new().join_all());
    assert_eq!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Vec::new()));
}

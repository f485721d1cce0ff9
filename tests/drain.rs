//! Shutdown with grace: what a drain refuses, waits for, aborts and reports.

mod support;

use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use rt::runtime::{Builder, Drained, Handle, Runtime, draining, is_draining};
use rt::sync::oneshot;
use rt::task::{scope, spawn_blocking, yield_now};
use rt::time::sleep;
use support::child::{Child, is_child_of};
use support::{
    DropCounter, Gate, OpenOnDrop, SOON, count, counter, current, eventually, multi, panic_message, text_of, until,
    within,
};

const LONG: Duration = Duration::from_secs(3600);

/// Runs `test` with a runtime of each flavour, and with one worker and two.
#[track_caller]
fn each(test: impl Fn(Runtime) + Clone + Send + 'static) {
    for make in [current, || multi(1), || multi(2)] {
        let test = test.clone();
        within(4 * SOON, move || test(make()));
    }
}

/// Waits for the drain, and then takes some turns to say goodbye.
async fn finish(finished: Arc<AtomicUsize>) {
    draining().await;
    for _ in 0..10 {
        yield_now().await;
    }
    finished.fetch_add(1, Ordering::SeqCst);
}

async fn hold<G>(guard: G) {
    let _guard = guard;
    pending().await
}

#[track_caller]
fn assert_clean(drained: &Drained, finished: u64) {
    assert!(drained.is_clean(), "{drained}");
    assert_eq!(drained.finished(), finished);
}

/// Begins a drain that is not waited for.
fn begin_drain(runtime: &Runtime) {
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let mut drain = pin!(handle.drain(LONG));
        let _ = poll_fn(|cx| Poll::Ready(drain.as_mut().poll(cx).is_ready())).await;
    });
}

// Finishing.

#[test]
fn an_idle_runtime_is_drained_at_once() {
    each(|runtime| {
        let drained = runtime.drain(LONG);
        assert_clean(&drained, 0);
        assert_eq!(drained.to_string(), "drained: 0 tasks finished");
    });
}

#[test]
fn tasks_learn_of_the_drain_and_finish() {
    each(|runtime| {
        let finished = counter();
        for _ in 0..100 {
            drop(runtime.spawn(finish(finished.clone())));
        }
        let drained = runtime.drain(LONG);
        assert_clean(&drained, 100);
        assert_eq!(count(&finished), 100);
    });
}

#[test]
fn tasks_that_do_not_ask_finish_too() {
    each(|runtime| {
        let task = runtime.spawn(async {
            for _ in 0..1000 {
                yield_now().await;
            }
            sleep(Duration::from_millis(20)).await;
            7
        });
        // On a crowded machine it may have finished before.
        assert!(runtime.drain(LONG).is_clean());
        assert_eq!(current().block_on(task).unwrap(), 7);
    });
}

#[test]
fn running_tasks_may_spawn_to_finish_what_they_do() {
    each(|runtime| {
        let task = runtime.spawn(async {
            draining().await;
            let child = rt::spawn(async { rt::spawn(ready(20)).await.unwrap() + 1 });
            let closure = spawn_blocking(|| Handle::current().block_on(rt::spawn(ready(21))).unwrap());
            child.await.unwrap() + closure.await.unwrap()
        });
        // On a current-thread runtime nobody runs what the closure spawns but the drain.
        let drained = runtime.drain(LONG);
        assert_clean(&drained, 5);
        assert_eq!(current().block_on(task).unwrap(), 42);
    });
}

#[test]
fn scopes_finish_with_their_children() {
    each(|runtime| {
        let task = runtime.spawn(scope(async |scope| {
            draining().await;
            scope.spawn(async { 7 }).await.unwrap()
        }));
        assert_clean(&runtime.drain(LONG), 2);
        assert_eq!(current().block_on(task).unwrap(), 7);
    });
}

#[test]
fn closures_that_block_are_waited_for() {
    each(|runtime| {
        let ended = counter();
        for _ in 0..10 {
            let ended = ended.clone();
            drop(runtime.spawn_blocking(move || {
                thread::sleep(Duration::from_millis(5));
                ended.fetch_add(1, Ordering::SeqCst);
            }));
        }
        // On a crowded machine some may have ended before.
        assert!(runtime.drain(LONG).is_clean());
        assert_eq!(count(&ended), 10);
    });
}

#[test]
fn a_task_that_panics_has_finished() {
    each(|runtime| {
        let task = runtime.spawn(async {
            draining().await;
            panic!("at the end")
        });
        assert_clean(&runtime.drain(LONG), 1);
        let error = current().block_on(task).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "at the end");
    });
}

#[test]
fn tasks_of_a_busy_worker_are_not_taken_for_alive() {
    // Those that end elsewhere lie with the worker that ended them for a while.
    within(4 * SOON, || {
        let runtime = multi(2);
        for _ in 0..20 {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..1000).map(|_| rt::spawn(yield_now())).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
        for _ in 0..1000 {
            drop(runtime.spawn(async {
                draining().await;
                yield_now().await;
            }));
        }
        assert_clean(&runtime.drain(LONG), 1000);
    });
}

// Refusing.

#[test]
fn what_is_spawned_from_outside_is_refused_from_the_beginning() {
    each(|runtime| {
        let finish = Arc::new(rt::sync::Notify::new());
        let wait = finish.clone();
        let task = runtime.spawn(async move { wait.notified().await });
        begin_drain(&runtime);
        let drops = DropCounter::new();
        let refused = runtime.spawn(hold(drops.guard()));
        assert!(refused.is_finished());
        assert_eq!(drops.drops(), 1);
        let guard = drops.guard();
        let refused_closure = runtime.handle().spawn_blocking(move || drop(guard));
        assert_eq!(drops.drops(), 2);
        {
            // It has entered the runtime, but does not run for it.
            let _entered = runtime.enter();
            assert!(current().block_on(rt::spawn(async {})).unwrap_err().is_cancelled());
        }
        // A task of another runtime is outside as well.
        let (other, handle) = (multi(1), runtime.handle().clone());
        let theirs = other.spawn(async move {
            let by_handle = handle.spawn(async {}).await.is_err();
            let _entered = handle.enter();
            by_handle && rt::spawn(async {}).is_finished()
        });
        assert!(other.block_on(theirs).unwrap());
        // `block_on` is inside.
        assert_eq!(runtime.block_on(async { rt::spawn(ready(7)).await.unwrap() }), 7);
        assert_eq!(runtime.block_on(async { spawn_blocking(|| 7).await.unwrap() }), 7);
        finish.notify_one();
        assert!(runtime.drain(LONG).is_clean());
        assert!(current().block_on(refused).unwrap_err().is_cancelled());
        assert!(current().block_on(refused_closure).unwrap_err().is_cancelled());
        assert!(task.is_finished());
    });
}

#[test]
fn after_a_drain_nobody_can_spawn() {
    each(|runtime| {
        runtime.block_on(async {
            assert_clean(&Handle::current().drain(LONG).await, 0);
            assert!(rt::spawn(async {}).await.unwrap_err().is_cancelled());
            assert!(spawn_blocking(|| ()).await.unwrap_err().is_cancelled());
            // What needs no task goes on.
            sleep(Duration::from_millis(1)).await;
        });
    });
}

#[test]
fn spawning_against_the_beginning_of_a_drain_loses_nobody() {
    for make in [|| multi(1), || multi(2)] {
        within(4 * SOON, move || {
            for _ in 0..20 {
                let runtime = make();
                let drops = DropCounter::new();
                let (handle, counted) = (runtime.handle().clone(), drops.clone());
                let (begun, has_begun) = mpsc::channel();
                let spawner = thread::spawn(move || {
                    let mut tasks = Vec::new();
                    while tasks.len() < 100_000 {
                        let guard = counted.guard();
                        tasks.push(handle.spawn(async move { drop(guard) }));
                        if tasks.len() == 10 {
                            begun.send(()).unwrap();
                        }
                        if tasks.last().is_some_and(rt::task::JoinHandle::is_finished) && handle.is_draining() {
                            break;
                        }
                    }
                    tasks
                });
                has_begun.recv().unwrap();
                let drained = runtime.drain(LONG);
                let tasks = spawner.join().unwrap();
                assert!(drained.is_clean(), "{drained}");
                assert!(tasks.iter().all(rt::task::JoinHandle::is_finished));
                assert_eq!(drops.drops(), drops.guards());
            }
        });
    }
}

// The deadline.

#[test]
fn at_the_deadline_those_left_are_aborted_and_named() {
    each(|runtime| {
        let drops = DropCounter::new();
        let handle = runtime.handle().clone();
        let named = rt::task::Builder::new().name("the one that stays").spawn_on(hold(drops.guard()), &handle).unwrap();
        let line = line!() + 1;
        let plain = runtime.spawn(hold(drops.guard()));
        let finished = counter();
        drop(runtime.spawn(finish(finished.clone())));
        let ids = [named.id(), plain.id()];
        let drained = runtime.drain(Duration::from_millis(500));
        assert_eq!((drained.finished(), drained.aborted().len(), drained.stuck().len()), (1, 2, 0));
        assert_eq!((count(&finished), drops.drops()), (1, 2));
        let find = |id| drained.aborted().iter().find(|task| task.task_id() == id).unwrap();
        let [named, plain] = ids.map(find);
        assert_eq!((named.task_name(), plain.task_name()), (Some("the one that stays"), None));
        assert_eq!((plain.spawned_at().file(), plain.spawned_at().line()), (file!(), line));
        assert!(!plain.is_blocking());
        let text = drained.to_string();
        assert!(text.starts_with("drained: 1 task finished, 2 had to be aborted, 0 would not stop\n"), "{text}");
        let id = ids[0];
        assert!(text.contains(&format!("  task {id} \"the one that stays\", spawned at tests/drain.rs:")), "{text}");
    });
}

#[test]
fn a_deadline_of_nothing_aborts_at_once() {
    each(|runtime| {
        let drops = DropCounter::new();
        let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(hold(drops.guard()))).collect();
        let drained = runtime.drain(Duration::ZERO);
        assert_eq!((drained.aborted().len(), drained.stuck().len(), drops.drops()), (10, 0, 10));
        for task in tasks {
            assert!(current().block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_poll_that_does_not_return_is_reported_as_stuck() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let inside = gate.clone();
        let stuck = runtime.spawn(async move { inside.pass() });
        let drops = DropCounter::new();
        drop(runtime.spawn(hold(drops.guard())));
        gate.await_waiting(1);
        let drained = runtime.drain(Duration::from_millis(20));
        assert_eq!((drained.finished(), drained.aborted().len(), drained.stuck().len()), (0, 1, 1));
        assert_eq!((drained.stuck()[0].task_id(), drops.drops()), (stuck.id(), 1));
        assert!(drained.to_string().ends_with(", would not stop"), "{drained}");
        gate.open();
        eventually(SOON, || stuck.is_finished());
    });
}

#[test]
fn a_closure_that_does_not_return_is_reported_as_stuck_and_one_that_has_not_begun_is_aborted() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        within(4 * SOON, move || {
            let runtime = builder.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
            let gate = Gate::new();
            let _open = OpenOnDrop(gate.clone());
            let inside = gate.clone();
            let stuck = runtime.spawn_blocking(move || inside.pass());
            gate.await_waiting(1);
            let drops = DropCounter::new();
            let guard = drops.guard();
            let waiting = runtime.spawn_blocking(move || drop(guard));
            let drained = runtime.drain(Duration::from_millis(20));
            assert_eq!((drained.aborted().len(), drained.stuck().len(), drops.drops()), (1, 1, 1));
            assert_eq!(drained.aborted()[0].task_id(), waiting.id());
            assert_eq!(drained.stuck()[0].task_id(), stuck.id());
            assert!(drained.stuck()[0].is_blocking());
            assert!(drained.to_string().contains(&format!("\n  closure {}, spawned at ", stuck.id())), "{drained}");
        });
    }
}

#[test]
fn a_poll_that_ends_soon_after_the_deadline_was_aborted() {
    within(4 * SOON, || {
        let runtime = multi(1);
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let inside = gate.clone();
        let task = runtime.spawn(async move {
            inside.pass();
            yield_now().await;
            unreachable!("it has been aborted meanwhile");
        });
        gate.await_waiting(1);
        let handle = runtime.handle().clone();
        thread::spawn(move || {
            eventually(SOON, || handle.is_draining());
            // The deadline is zero, and the abort some looks away; the wait for its end is far longer.
            thread::sleep(Duration::from_millis(100));
            gate.open();
        });
        let drained = runtime.drain(Duration::ZERO);
        assert_eq!((drained.aborted().len(), drained.stuck().len()), (1, 0), "{drained}");
        assert!(current().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_panics_when_it_is_aborted_has_ended() {
    struct PanicOnDrop;
    impl Drop for PanicOnDrop {
        fn drop(&mut self) {
            panic!("in the drop");
        }
    }
    each(|runtime| {
        let task = runtime.spawn(hold(PanicOnDrop));
        runtime.block_on(yield_now());
        let drained = runtime.drain(Duration::ZERO);
        assert_eq!((drained.aborted().len(), drained.stuck().len()), (1, 0));
        assert!(current().block_on(task).unwrap_err().is_panic());
    });
}

#[test]
fn scopes_that_are_aborted_take_their_children_with_them() {
    each(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let begun = counter();
        let started = begun.clone();
        drop(runtime.spawn(scope(async move |scope| {
            scope.spawn(hold(guard));
            started.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
        })));
        runtime.block_on(until(|| count(&begun) == 1));
        let drained = runtime.drain(Duration::ZERO);
        assert_eq!((drained.aborted().len(), drops.drops()), (2, 1), "{drained}");
    });
}

// From inside.

#[test]
fn a_task_that_drains_its_runtime_is_not_counted_and_goes_on() {
    each(|runtime| {
        let finished = counter();
        let others = finished.clone();
        let drainer = runtime.spawn(async move {
            for _ in 0..10 {
                rt::spawn(finish(others.clone()));
            }
            rt::spawn(pending::<()>());
            let drained = Handle::current().drain(Duration::from_millis(500)).await;
            yield_now().await;
            drained
        });
        let drained = runtime.block_on(drainer).unwrap();
        assert_eq!((drained.finished(), drained.aborted().len(), drained.stuck().len()), (10, 1, 0), "{drained}");
        assert_eq!(count(&finished), 10);
    });
}

#[test]
fn the_future_of_block_on_drains_and_does_not_pass_for_the_task_that_ran_before() {
    each(|runtime| {
        let drops = DropCounter::new();
        for _ in 0..10 {
            drop(runtime.spawn(hold(drops.guard())));
        }
        let drained = runtime.block_on(async {
            for _ in 0..20 {
                yield_now().await;
            }
            Handle::current().drain(Duration::ZERO).await
        });
        assert_eq!((drained.aborted().len(), drops.drops()), (10, 10), "{drained}");
    });
}

#[test]
fn a_closure_can_drain_its_runtime() {
    each(|runtime| {
        let finished = counter();
        let task = runtime.spawn(finish(finished.clone()));
        let handle = runtime.handle().clone();
        let closure = runtime.spawn_blocking(move || handle.block_on(handle.drain(LONG)));
        let drained = runtime.block_on(closure).unwrap();
        assert_clean(&drained, 1);
        assert!(task.is_finished());
    });
}

#[test]
fn a_runtime_can_be_drained_by_its_own_task() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let handle = runtime.handle().clone();
        let (give, take) = oneshot::channel::<Runtime>();
        let (tell, told) = mpsc::channel();
        let finished = counter();
        let others = finished.clone();
        handle.spawn(async move {
            let runtime = take.await.unwrap();
            rt::spawn(finish(others));
            tell.send(runtime.drain(LONG)).unwrap();
        });
        give.send(runtime).unwrap();
        assert_clean(&told.recv_timeout(SOON).unwrap(), 1);
    });
}

#[test]
fn a_runtime_cannot_be_drained_where_that_would_block_everything() {
    within(SOON, || {
        let (inner, outer) = (multi(1), current());
        let message = panic_message(|| outer.block_on(async { inner.drain(LONG) }));
        assert!(message.contains("current-thread runtime"), "{message}");
    });
}

#[test]
fn a_runtime_can_be_drained_from_another() {
    each(|runtime| {
        let finished = counter();
        let task = runtime.spawn(finish(finished.clone()));
        let handle = runtime.handle().clone();
        let other = multi(1);
        let drain = other.spawn(async move { handle.drain(LONG).await });
        runtime.block_on(task).unwrap();
        assert_clean(&other.block_on(drain).unwrap(), 1);
    });
}

// Several, and late ones.

#[test]
fn drains_of_several_tasks_do_not_wait_for_each_other() {
    each(|runtime| {
        let finished = counter();
        let others = finished.clone();
        let both = runtime.block_on(async move {
            rt::spawn(finish(others));
            let drain = || rt::spawn(async { Handle::current().drain(LONG).await });
            let (first, second) = (drain(), drain());
            join(first, second).await
        });
        let (first, second) = (both.0.unwrap(), both.1.unwrap());
        assert!(first.is_clean() && second.is_clean(), "{first}\n{second}");
        assert_eq!(count(&finished), 1);
    });
}

#[test]
fn of_several_drains_the_first_deadline_counts() {
    each(|runtime| {
        let drops = DropCounter::new();
        drop(runtime.spawn(hold(drops.guard())));
        let handle = runtime.handle().clone();
        let (first, second) = runtime.block_on(async {
            yield_now().await;
            join(handle.drain(LONG), handle.drain(Duration::from_millis(20))).await
        });
        for drained in [first, second] {
            assert_eq!((drained.finished(), drained.aborted().len()), (0, 1), "{drained}");
        }
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_second_drain_finds_nothing_left() {
    each(|runtime| {
        drop(runtime.spawn(pending::<()>()));
        let handle = runtime.handle().clone();
        let first = runtime.block_on(handle.drain(Duration::ZERO));
        assert_eq!(first.aborted().len(), 1);
        assert_clean(&runtime.block_on(handle.drain(LONG)), 0);
        assert_clean(&runtime.drain(LONG), 0);
    });
}

#[test]
fn a_second_drain_waits_for_those_that_would_not_stop() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let inside = gate.clone();
        let stuck = runtime.spawn(async move { inside.pass() });
        gate.await_waiting(1);
        let handle = runtime.handle().clone();
        for _ in 0..2 {
            let drained = runtime.block_on(handle.drain(Duration::ZERO));
            assert_eq!((drained.aborted().len(), drained.stuck().len()), (0, 1), "{drained}");
        }
        gate.open();
        let drained = runtime.drain(LONG);
        // It may have ended before this drain began.
        assert!(drained.is_clean() && drained.finished() <= 1, "{drained}");
        assert!(stuck.is_finished());
    });
}

#[test]
fn a_drain_that_is_given_up_aborts_nobody_and_another_takes_over() {
    each(|runtime| {
        let drops = DropCounter::new();
        drop(runtime.spawn(hold(drops.guard())));
        let finished = counter();
        drop(runtime.spawn(finish(finished.clone())));
        runtime.block_on(async {
            let drain = Handle::current().drain(Duration::from_secs(1));
            match select(pin!(drain), pin!(until(|| count(&finished) == 1))).await {
                Either::Left(_) => panic!("somebody is left"),
                Either::Right(_) => {}
            }
            assert!(is_draining());
            // Longer than the deadline of the one that was given up.
            sleep(Duration::from_millis(1200)).await;
            assert_eq!(drops.drops(), 0);
        });
        assert!(runtime.spawn(async {}).is_finished());
        let drained = runtime.drain(Duration::from_millis(1));
        assert_eq!((drained.aborted().len(), drops.drops()), (1, 1));
    });
}

#[test]
fn a_runtime_that_has_shut_down_is_drained_at_once() {
    each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime.spawn(pending::<()>()));
        drop(runtime);
        assert!(handle.is_draining());
        assert_clean(&current().block_on(handle.drain(LONG)), 0);
    });
}

#[test]
fn a_drain_that_nobody_awaits_has_not_begun() {
    each(|runtime| {
        drop(runtime.handle().drain(Duration::ZERO));
        assert!(!runtime.handle().is_draining());
        assert_eq!(runtime.block_on(runtime.spawn(ready(7))).unwrap(), 7);
    });
}

// Learning of it.

#[test]
fn a_shutdown_is_heard_of_as_a_drain_is() {
    each(|runtime| {
        let handle = runtime.handle().clone();
        let mut told = pin!(handle.draining());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(told.as_mut().poll(&mut cx).is_pending());
        assert!(!handle.is_draining());
        assert_eq!(format!("{:?}", handle.draining()), "Draining { is_draining: false }");
        drop(runtime);
        assert!(told.poll(&mut cx).is_ready());
        assert!(handle.is_draining());
    });
}

#[test]
fn waiting_for_a_drain_again_and_again_leaves_nothing_behind() {
    each(|runtime| {
        let turns = counter();
        let taken = turns.clone();
        let task = runtime.spawn(async move {
            while let Either::Right(_) = select(pin!(draining()), pin!(yield_now())).await {
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        runtime.block_on(until(|| count(&turns) > 1000));
        assert_clean(&runtime.drain(LONG), 1);
        assert!(task.is_finished());
    });
}

#[test]
fn outside_a_runtime_there_is_nothing_to_wait_for() {
    let message = panic_message(draining);
    assert!(message.contains("there is no rt runtime on this thread"), "{message}");
    let message = panic_message(is_draining);
    assert!(message.contains("there is no rt runtime on this thread"), "{message}");
}

#[test]
fn a_runtime_without_timers_and_sockets_can_be_drained() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        within(SOON, move || {
            let runtime = builder.worker_threads(1).build().unwrap();
            drop(runtime.spawn(pending::<()>()));
            let drained = runtime.drain(Duration::from_millis(5));
            assert_eq!(drained.aborted().len(), 1);
        });
    }
}

#[test]
fn a_drain_for_which_the_system_refuses_a_thread_does_without() {
    let test = "a_drain_for_which_the_system_refuses_a_thread_does_without";
    if !is_child_of(test) {
        // No address space is that large. It is the stack of threads that do not ask for another.
        let stack = (1_u64 << 50).to_string();
        Child::start(test, |command| {
            command.env("RUST_MIN_STACK", stack);
        })
        .succeeds();
        return;
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err(), "the test tests nothing");
    let multi = Builder::new_multi_thread().worker_threads(1).thread_stack_size(1 << 21).stall_after(None).build();
    for runtime in [Builder::new_current_thread().build(), multi] {
        let runtime = runtime.unwrap();
        let finished = counter();
        drop(runtime.spawn(finish(finished.clone())));
        drop(runtime.spawn(pending::<()>()));
        let drained = runtime.drain(Duration::from_millis(500));
        assert_eq!((drained.finished(), drained.aborted().len(), count(&finished)), (1, 1, 1), "{drained}");
    }
}

#[test]
fn a_hundred_thousand_tasks_are_aborted_in_no_time() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let drops = DropCounter::new();
        for _ in 0..100_000 {
            drop(runtime.spawn(hold(drops.guard())));
        }
        let drained = runtime.drain(Duration::ZERO);
        assert_eq!(drained.aborted().len() + drained.stuck().len(), 100_000);
        eventually(SOON, || drops.drops() == 100_000);
    });
}

#[test]
fn paused_time_does_not_hold_up_a_drain() {
    within(SOON, || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let task = runtime.spawn(async {
            draining().await;
            sleep(LONG).await;
        });
        // It moves on by itself, as nothing else happens.
        assert_clean(&runtime.drain(SOON), 1);
        assert!(task.is_finished());
    });
}

#[test]
fn what_a_drain_is_made_of_can_be_sent() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    within(SOON, || {
        let runtime = current();
        drop(assert_send(runtime.handle().drain(LONG)));
        drop(assert_send(runtime.handle().draining()));
        let drained = assert_send(runtime.drain(LONG));
        assert!(format!("{drained:?}").starts_with("Drained"));
    });
}

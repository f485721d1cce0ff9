//! What a dump tells of tasks that wait for others, for drains and scopes, and of tasks that stay on their thread.

#[path = "support/mod.rs"]
mod support;

use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rt::runtime::{Dump, Handle, LocalRuntime, Runtime, TaskDump, TaskKind, TaskState, WaitReason, draining};
use rt::task::{Id, JoinSet, LocalSet, ScopeBuilder, scope, spawn_local};
use rt::time::{sleep, timeout};
use support::{Gate, OpenOnDrop, SOON, current, eventually, multi, within};

const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(2 * SOON, move || [current(), multi(2)].iter().for_each(|runtime: &Runtime| runtime.block_on(test())));
}

fn of(dump: &Dump, id: Id) -> Option<&TaskDump> {
    dump.tasks().iter().find(|task| task.id() == id)
}

/// The reason for which a task waits, as soon as it does.
async fn reason(id: Id) -> (WaitReason, bool) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < SOON, "it does not wait");
        if let TaskState::Waiting { reason, or_others, .. } =
            of(&Handle::current().dump(), id).expect("it has not ended").state()
        {
            return (reason, or_others);
        }
        rt::task::yield_now().await;
    }
}

#[test]
fn whoever_waits_for_a_set_waits_for_the_tasks_that_are_left() {
    on_each_flavor(async || {
        let task = rt::spawn(async {
            let mut set = JoinSet::new();
            set.spawn(async {});
            set.spawn(pending());
            set.spawn(pending());
            set.join_next().await.unwrap().unwrap();
            let _ = timeout(LONG, set.join_next()).await;
        });
        let start = Instant::now();
        let (reason, or_others) = loop {
            // At first it may wait for three.
            match reason(task.id()).await {
                (WaitReason::Tasks { remaining: 3, .. }, false) => rt::task::yield_now().await,
                other => break other,
            }
            assert!(start.elapsed() < SOON);
        };
        assert!(matches!(reason, WaitReason::Tasks { remaining: 2, .. }) && or_others, "{reason:?}");
        let text = Handle::current().dump().to_string();
        assert!(text.contains("waits for the end of 2 tasks, or for something else"), "{text}");
        task.abort();
    });
}

#[test]
fn a_scope_waits_for_its_children_when_its_body_has_ended() {
    on_each_flavor(async || {
        let task = rt::spawn(scope(async |scope| {
            scope.spawn(sleep(LONG));
            scope.spawn(sleep(LONG));
            scope.spawn(sleep(LONG)).abort();
            sleep(Duration::from_millis(1)).await;
        }));
        let start = Instant::now();
        // At first its body waits for a timer.
        while !matches!(reason(task.id()).await, (WaitReason::Tasks { remaining: 2, .. }, false)) {
            assert!(start.elapsed() < SOON);
            rt::task::yield_now().await;
        }
        task.abort();
    });
}

#[test]
fn a_child_waits_for_the_cancelling_and_the_parent_for_the_grace() {
    on_each_flavor(async || {
        let (told, tells) = rt::sync::oneshot::channel();
        let (cancel, cancels) = rt::sync::oneshot::channel::<()>();
        let task = rt::spawn(ScopeBuilder::new().grace(LONG).scope(async move |scope| {
            let child = scope.clone();
            let waiting = scope.spawn(async move { child.cancelled().await });
            scope.spawn(pending::<()>());
            told.send(waiting.id()).unwrap();
            cancels.await.unwrap();
            scope.cancel();
        }));
        assert_eq!(reason(tells.await.unwrap()).await, (WaitReason::Cancelled, false));
        cancel.send(()).unwrap();
        let start = Instant::now();
        while !matches!(reason(task.id()).await, (WaitReason::Tasks { remaining: 1, .. }, true)) {
            assert!(start.elapsed() < SOON);
            rt::task::yield_now().await;
        }
        task.abort();
    });
}

#[test]
fn drains_are_waited_for_from_both_ends() {
    on_each_flavor(async || {
        let (release, wait) = rt::sync::oneshot::channel::<()>();
        let early = rt::spawn(async {
            draining().await;
            let _ = wait.await;
        });
        assert_eq!(reason(early.id()).await, (WaitReason::Draining, false));
        let drain = rt::spawn(Handle::current().drain(LONG));
        let start = Instant::now();
        while reason(drain.id()).await != (WaitReason::Drained, false) {
            assert!(start.elapsed() < SOON);
            rt::task::yield_now().await;
        }
        let text = Handle::current().dump().to_string();
        assert!(text.contains("waits for the end of a drain"), "{text}");
        release.send(()).unwrap();
        assert!(drain.await.unwrap().is_clean());
    });
}

#[test]
fn tasks_of_a_local_runtime_are_told_of_to_everybody() {
    within(2 * SOON, || {
        let runtime = LocalRuntime::new().unwrap();
        let here = Rc::new(());
        let task = runtime.spawn_local(async move {
            sleep(LONG).await;
            drop(here);
        });
        let handle = runtime.handle().clone();
        runtime.block_on(async { assert!(matches!(reason(task.id()).await.0, WaitReason::Timer { .. })) });
        let id = task.id();
        let dump = std::thread::spawn(move || handle.dump()).join().unwrap();
        assert_eq!(of(&dump, id).unwrap().kind(), TaskKind::Async);
    });
}

#[test]
fn tasks_of_a_set_are_told_of_by_the_set_and_by_the_runtime_that_drives_it() {
    on_each_flavor(async || {
        let set = LocalSet::new();
        let here = Rc::new(());
        let task = set.spawn_local(async move {
            sleep(LONG).await;
            drop(here);
        });
        let (id, handle) = (task.id(), Handle::current());
        assert_eq!(of(&set.dump(), id).unwrap().state(), TaskState::Queued);
        assert!(of(&handle.dump(), id).is_none(), "nobody has driven it");
        set.run_until(async {
            let start = Instant::now();
            while !matches!(of(&set.dump(), id).unwrap().state(), TaskState::Waiting { .. }) {
                assert!(start.elapsed() < SOON);
                rt::task::yield_now().await;
            }
        })
        .await;
        let dumps = [set.dump(), handle.dump(), std::thread::spawn(move || handle.dump()).join().unwrap()];
        for dump in &dumps {
            let told = of(dump, id).unwrap();
            assert_eq!((told.kind(), told.location().file()), (TaskKind::Local, file!()));
            let state = told.state();
            assert!(
                matches!(state, TaskState::Waiting { reason: WaitReason::Timer { .. }, or_others: false, .. }),
                "{state:?}"
            );
            let text = format!("{dump:#}");
            assert!(text.contains("(local) spawned at"), "{text}");
        }
        task.abort();
        set.await;
        assert!(of(&Handle::current().dump(), id).is_none());
    });
}

#[test]
fn a_task_of_a_set_that_blocks_its_thread_runs_for_whoever_looks() {
    within(2 * SOON, || {
        let runtime = multi(1);
        let handle = runtime.handle().clone();
        let gate = Gate::new();
        let open = OpenOnDrop(gate.clone());
        let (told, tells) = std::sync::mpsc::channel();
        let driving = std::thread::spawn(move || {
            let set = LocalSet::new();
            let task = set.spawn_local(async move { gate.pass() });
            let queued = set.spawn_local(async {});
            told.send((task.id(), queued.id())).unwrap();
            set.block_on(&runtime, async { (task.await.unwrap(), queued.await.unwrap()) });
            drop(set);
            runtime
        });
        let (task, queued) = tells.recv().unwrap();
        eventually(SOON, || {
            let dump = handle.dump();
            let state = |id| of(&dump, id).map(TaskDump::state);
            matches!(state(task), Some(TaskState::Running { worker: None, .. }))
                && state(queued) == Some(TaskState::Queued)
        });
        drop(open);
        let runtime = driving.join().unwrap();
        assert!(runtime.handle().dump().tasks().is_empty());
    });
}

#[test]
fn whoever_awaits_a_set_waits_for_its_tasks() {
    within(2 * SOON, || {
        current().block_on(async {
            let set = LocalSet::new();
            let inner = set.spawn_local(async {
                let inner = LocalSet::new();
                inner.spawn_local(sleep(LONG));
                inner.spawn_local(sleep(LONG));
                inner.await;
            });
            set.run_until(async {
                let (reason, or_others) = reason_of(&set, inner.id()).await;
                assert!(matches!(reason, WaitReason::Tasks { remaining: 2, .. }) && !or_others, "{reason:?}");
                assert!(Handle::current().dump().tasks().len() >= 3);
            })
            .await;
        });
    });
}

async fn reason_of(set: &LocalSet, id: Id) -> (WaitReason, bool) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < SOON, "it does not wait");
        if let TaskState::Waiting { reason, or_others, .. } = of(&set.dump(), id).unwrap().state() {
            return (reason, or_others);
        }
        rt::task::yield_now().await;
    }
}

#[test]
fn sets_come_and_go_while_others_look() {
    within(4 * SOON, || {
        let runtime = multi(2);
        let handle = runtime.handle().clone();
        let looking = std::thread::spawn(move || {
            let start = Instant::now();
            let mut seen = 0;
            while start.elapsed() < Duration::from_millis(300) || seen == 0 {
                seen += handle.dump().tasks().iter().filter(|task| task.kind() == TaskKind::Local).count();
                assert!(start.elapsed() < SOON);
            }
        });
        let driving: Vec<_> = (0..2)
            .map(|_| {
                let handle = runtime.handle().clone();
                std::thread::spawn(move || {
                    let mut rounds = 0;
                    while rounds < 200 {
                        let set = LocalSet::new();
                        handle.block_on(set.run_until(async {
                            let tasks: Vec<_> = (0..20).map(|_| spawn_local(rt::task::yield_now())).collect();
                            spawn_local(pending::<()>());
                            for task in tasks {
                                task.await.unwrap();
                            }
                        }));
                        rounds += 1;
                    }
                })
            })
            .collect();
        let mut more = 0;
        while !looking.is_finished() {
            let set = LocalSet::new();
            set.block_on(&runtime, async {
                spawn_local(pending::<()>());
                sleep(Duration::from_millis(1)).await;
            });
            more += 1;
        }
        assert!(more > 0);
        looking.join().unwrap();
        driving.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

//! The hooks that a program has in the lives of its tasks.

mod support;

use rt::runtime::{Builder, Handle, Runtime, TaskMeta};
use rt::task::{self, Id, JoinHandle, yield_now};
use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Gate, SOON, eventually, within};

/// What a hook is told of a task.
type Note = (Id, u32, Option<String>, String);

/// What has been seen of each task, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<HashMap<Id, Vec<&'static str>>>>);

impl Diary {
    fn hook(&self, event: &'static str) -> impl Fn(&TaskMeta<'_>) + Send + Sync + 'static {
        let diary = self.clone();
        move |task| diary.0.lock().unwrap().entry(task.id()).or_default().push(event)
    }

    fn of(&self, id: Id) -> Vec<&'static str> {
        self.0.lock().unwrap().get(&id).cloned().unwrap_or_default()
    }

    fn keep_in(&self, builder: &mut Builder) {
        builder
            .on_task_spawn(self.hook("spawn"))
            .on_before_task_poll(self.hook("before"))
            .on_after_task_poll(self.hook("after"))
            .on_task_terminate(self.hook("terminate"));
    }
}

/// Runs `test` on a runtime of each kind whose tasks are written down.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime, &Diary) + Send + 'static) {
    within(4 * SOON, move || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let diary = Diary::default();
            diary.keep_in(builder.worker_threads(2).enable_all());
            test(&builder.build().expect("build a runtime"), &diary);
        }
    });
}

/// The last hook is called when the joiner may be on its way already.
#[track_caller]
fn eventually_is(diary: &Diary, id: Id, expected: &[&str]) {
    eventually(SOON, || diary.of(id).len() >= expected.len());
    assert_eq!(diary.of(id), expected);
}

#[test]
fn each_poll_of_a_task_is_between_two_hooks_and_its_life_too() {
    on_each_flavor(|runtime, diary| {
        let outer = runtime.spawn(async {
            yield_now().await;
            task::spawn(yield_now()).id()
        });
        let id = outer.id();
        for id in [id, runtime.block_on(outer).unwrap()] {
            // The inner one needs somebody who drives it.
            runtime.block_on(async {
                while diary.of(id).last() != Some(&"after") || diary.of(id).len() < 6 {
                    yield_now().await;
                }
            });
            eventually_is(diary, id, &["spawn", "before", "after", "before", "terminate", "after"]);
        }
    });
}

#[test]
fn who_has_joined_a_task_knows_that_its_end_has_been_told() {
    within(4 * SOON, || {
        let ended = Arc::new(AtomicUsize::new(0));
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            ended.store(0, Ordering::SeqCst);
            let counts = Arc::clone(&ended);
            let hook = move |_: &TaskMeta<'_>| _ = counts.fetch_add(1, Ordering::SeqCst);
            let runtime = builder.on_task_terminate(hook).build().expect("build a runtime");
            for joined in 1..=500 {
                let handle: JoinHandle<()> =
                    if joined % 2 == 0 { runtime.spawn(async {}) } else { runtime.spawn_blocking(|| {}) };
                runtime.block_on(handle).unwrap();
                assert_eq!(ended.load(Ordering::SeqCst), joined);
            }
        }
    });
}

#[test]
fn a_hook_is_told_id_place_and_name() {
    within(SOON, || {
        let seen: Arc<Mutex<Vec<Note>>> = Arc::default();
        let notes = Arc::clone(&seen);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .on_task_spawn(move |task| {
                let note = (task.id(), task.spawned_at().line(), task.name().map(str::to_owned), format!("{task:?}"));
                notes.lock().unwrap().push(note);
            })
            .build()
            .expect("build a runtime");
        let line = line!() + 1;
        let plain = runtime.spawn(async {});
        let named = task::Builder::new().name("hashing").spawn_on(async {}, runtime.handle()).unwrap();
        let closure = task::Builder::new().name("reading").spawn_blocking_on(|| {}, runtime.handle()).unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!((seen[0].0, seen[0].1, seen[0].2.as_deref()), (plain.id(), line, None));
        assert_eq!((seen[1].0, seen[1].1, seen[1].2.as_deref()), (named.id(), line + 1, Some("hashing")));
        assert_eq!((seen[2].0, seen[2].1, seen[2].2.as_deref()), (closure.id(), line + 2, Some("reading")));
        assert!(seen[1].3.starts_with("TaskMeta") && seen[1].3.contains("hashing"), "{}", seen[1].3);
    });
}

#[test]
fn a_closure_that_blocks_is_told_of_when_it_is_spawned_and_when_it_ends_but_is_not_polled() {
    on_each_flavor(|runtime, diary| {
        let closure = runtime.spawn_blocking(|| {});
        let id = closure.id();
        runtime.block_on(closure).unwrap();
        assert_eq!(diary.of(id), ["spawn", "terminate"]);
    });
}

#[test]
fn a_task_that_is_aborted_and_one_that_panics_end_too() {
    on_each_flavor(|runtime, diary| {
        let aborted = runtime.spawn(pending::<()>());
        let panicking: JoinHandle<()> = runtime.spawn(async { panic!("the task has failed") });
        let ids = [aborted.id(), panicking.id()];
        runtime.block_on(async {
            yield_now().await;
            aborted.abort();
            assert!(aborted.await.unwrap_err().is_cancelled());
            assert!(panicking.await.unwrap_err().is_panic());
        });
        eventually_is(diary, ids[1], &["spawn", "before", "terminate", "after"]);
        // Whether it was polled before it was aborted is open.
        eventually(SOON, || diary.of(ids[0]).last() == Some(&"after"));
        let life = diary.of(ids[0]);
        assert_eq!(life[0], "spawn");
        assert_eq!(life.iter().filter(|&&event| event == "terminate").count(), 1, "{life:?}");
    });
}

#[test]
fn tasks_that_are_left_end_with_the_runtime_and_those_that_are_refused_were_never_there() {
    within(4 * SOON, || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let diary = Diary::default();
            builder.on_task_spawn(diary.hook("spawn")).on_task_terminate(diary.hook("terminate"));
            let runtime = builder.build().expect("build a runtime");
            let handle = runtime.handle().clone();
            let left = runtime.spawn(pending::<()>());
            drop(runtime);
            assert_eq!(diary.of(left.id()), ["spawn", "terminate"]);
            let (refused, closure) = (handle.spawn(async {}), handle.spawn_blocking(|| {}));
            assert!(refused.is_finished() && closure.is_finished());
            assert!(diary.of(refused.id()).is_empty() && diary.of(closure.id()).is_empty());
        }
    });
}

#[test]
fn a_hook_that_panics_harms_no_task() {
    within(4 * SOON, || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            builder
                .on_task_spawn(|_| panic!("spawn"))
                .on_before_task_poll(|_| panic!("before"))
                .on_after_task_poll(|_| panic!("after"))
                .on_task_terminate(|_| panic!("terminate"));
            let runtime = builder.worker_threads(2).enable_all().build().expect("build a runtime");
            let sum = runtime.spawn(async {
                yield_now().await;
                task::spawn(async { 1 }).await.unwrap() + task::spawn_blocking(|| 2).await.unwrap()
            });
            assert_eq!(runtime.block_on(sum).unwrap(), 3);
        }
    });
}

#[test]
fn a_hook_may_spawn_tasks() {
    within(4 * SOON, || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let spawned = Arc::new(AtomicUsize::new(0));
            let left = Arc::clone(&spawned);
            let ends = |counter: &Arc<AtomicUsize>| {
                let counter = Arc::clone(counter);
                move |_: &TaskMeta<'_>| {
                    if counter.fetch_add(1, Ordering::SeqCst) < 10 {
                        drop(Handle::current().spawn(async {}));
                    }
                }
            };
            builder.worker_threads(2).on_task_terminate(ends(&spawned));
            let runtime = builder.build().expect("build a runtime");
            runtime.spawn(async {});
            runtime.block_on(async {
                while left.load(Ordering::SeqCst) < 11 {
                    yield_now().await;
                }
            });
        }
    });
}

#[test]
fn a_task_that_moves_between_workers_and_spares_is_told_of_all_the_same() {
    within(4 * SOON, || {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = |counter: &Arc<AtomicUsize>| {
            let counter = Arc::clone(counter);
            move |_: &TaskMeta<'_>| _ = counter.fetch_add(1, Ordering::SeqCst)
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_before_task_poll(count(&begun))
            .on_after_task_poll(count(&ended))
            .build()
            .expect("build a runtime");
        let gate = Gate::new();
        let passes = gate.clone();
        // The only worker is stuck, and a spare runs what follows.
        let stuck = runtime.spawn(async move { passes.pass() });
        gate.await_waiting(1);
        let behind = runtime.spawn(async { rt::time::sleep(Duration::from_millis(1)).await });
        runtime.block_on(behind).unwrap();
        eventually(SOON, || ended.load(Ordering::SeqCst) == 2);
        assert_eq!(begun.load(Ordering::SeqCst), 3);
        gate.open();
        runtime.block_on(stuck).unwrap();
        eventually(SOON, || ended.load(Ordering::SeqCst) == 3);
    });
}

#[test]
fn the_last_hook_that_is_given_is_the_one_that_is_called() {
    within(SOON, || {
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&calls);
        let runtime = Builder::new_current_thread()
            .on_task_spawn(|_| unreachable!("it was replaced"))
            .on_task_spawn(move |_| _ = counts.fetch_add(1, Ordering::SeqCst))
            .build()
            .expect("build a runtime");
        runtime.spawn(async {});
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

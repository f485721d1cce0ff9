//! Local runtimes.

use super::*;

#[test]
fn a_local_runtime_runs_both_kinds_of_tasks_in_the_order_of_their_wakes() {
    within(SOON, || {
        let runtime = local_runtime();
        let (sender, receiver) = mpsc::channel();
        for n in 0..20 {
            let sender = sender.clone();
            let task = async move { sender.send(n).unwrap() };
            if n % 2 == 0 {
                runtime.spawn(task);
            } else {
                let local = Rc::new(());
                runtime.spawn_local(async move {
                    let _local = local;
                    task.await;
                });
            }
        }
        runtime.block_on(rest());
        while runtime.metrics().num_alive_tasks() > 0 {
            runtime.block_on(yield_now());
        }
        assert!(receiver.try_iter().eq(0..20));
        assert_eq!(runtime.metrics().spawned_tasks_count(), 20);
        assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    });
}

#[test]
fn a_handle_spawns_onto_a_local_runtime_from_another_thread() {
    within(SOON, || {
        let runtime = local_runtime();
        let here = thread::current().id();
        let handle = runtime.handle().clone();
        let other = thread::spawn(move || {
            let task = handle.spawn(async { thread::current().id() });
            handle.block_on(task).unwrap()
        });
        runtime.block_on(async {
            while !other.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(other.join().unwrap(), here);
    });
}

#[test]
fn entering_a_local_runtime_lets_spawn_local_find_it() {
    within(SOON, || {
        let runtime = local_runtime();
        let tasks = {
            let _guard = runtime.enter();
            let first = spawn_local(async { Rc::new(1) });
            let handle = Handle::current();
            let _again = handle.enter();
            [first, spawn_local(async { Rc::new(2) })]
        };
        let outputs = runtime.block_on(join_all(tasks));
        assert!(outputs.into_iter().map(|output| *output.unwrap()).eq([1, 2]));
        assert!(catch_unwind(|| spawn_local(async {})).is_err());
    });
}

#[test]
fn of_a_set_and_a_local_runtime_the_one_that_was_entered_last_counts() {
    within(SOON, || {
        let runtime = local_runtime();
        let set = LocalSet::new();
        let in_set = Cell::new(None);
        runtime.block_on(set.run_until(async { in_set.set(Some(spawn_local(pending::<()>()))) }));
        let in_set = in_set.take().unwrap();
        let in_runtime = {
            let _set = set.enter();
            let _runtime = runtime.enter();
            spawn_local(pending::<()>())
        };
        // A runtime of another kind does not hide the set.
        let other = multi(1);
        let also_in_set = {
            let _set = set.enter();
            let _other = other.enter();
            spawn_local(pending::<()>())
        };
        drop(set);
        assert!(in_set.is_finished() && also_in_set.is_finished());
        assert!(!in_runtime.is_finished());
        drop(runtime);
        assert!(in_runtime.is_finished());
    });
}

#[test]
fn a_local_runtime_works_inside_of_a_local_task_of_another_runtime() {
    within(SOON, || {
        let outer = multi(1);
        let set = LocalSet::new();
        let output = set.block_on(&outer, async {
            let task = spawn_local(async {
                let runtime = local_runtime();
                runtime.block_on(async { *spawn_local(async { Rc::new(6) }).await.unwrap() })
            });
            task.await.unwrap() + *spawn_local(async { Rc::new(7) }).await.unwrap()
        });
        assert_eq!(output, 13);
    });
}

#[test]
fn a_set_that_is_driven_again_below_its_own_task_learns_of_wakes() {
    within(SOON, || {
        let outer = multi(1);
        let set = Rc::new(LocalSet::new());
        let below = set.clone();
        let output = set.block_on(&outer, async move {
            let task = spawn_local(async move {
                let (sender, receiver) = oneshot::channel();
                let waits = spawn_local(async move { receiver.await.unwrap() });
                let runtime = local_runtime();
                // Wakes a task of the set outside of the set's turn, while a turn of it is on the stack.
                runtime.spawn_local(async move {
                    rest().await;
                    sender.send(4).unwrap();
                });
                runtime.block_on(below.run_until(waits)).unwrap()
            });
            task.await.unwrap()
        });
        assert_eq!(output, 4);
    });
}

#[test]
fn dropping_a_local_runtime_drops_every_future_once_and_on_its_thread() {
    within(SOON, || {
        let residents = Residents::default();
        let runtime = local_runtime();
        let left = Left::default();
        let (sender, receiver) = oneshot::channel::<()>();
        let (waiting, resident) = (left.clone(), residents.one());
        let mut tasks = vec![runtime.spawn_local(async move {
            let _resident = resident;
            waiting.wait().await;
        })];
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
            drop(receiver.await);
        }));
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
            sleep(Duration::from_secs(3600)).await;
        }));
        runtime.block_on(rest());
        let resident = residents.one();
        tasks.push(runtime.spawn_local(async move {
            let _resident = resident;
        }));
        let waker = left.waker();
        let handle = runtime.handle().clone();
        drop(runtime);
        assert_eq!(residents.gone(), 4);
        for mut task in tasks {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("it has ended") };
            assert!(result.unwrap_err().is_cancelled());
        }
        assert!(sender.send(()).is_err());
        thread::spawn(move || waker.wake()).join().unwrap();
        // What is spawned afterwards is dropped at once.
        let _guard = handle.enter();
        let resident = residents.one();
        let task = spawn_local(async move {
            let _resident = resident;
        });
        assert!(task.is_finished());
        assert_eq!(residents.gone(), 5);
    });
}

#[test]
fn a_local_runtime_that_is_shut_down_does_not_wait_longer_than_it_is_told() {
    within(SOON, || {
        for is_background in [false, true] {
            let residents = Residents::default();
            let gate = Gate::new();
            let _open = support::OpenOnDrop(gate.clone());
            let runtime = local_runtime();
            let inside = gate.clone();
            let blocking = runtime.spawn_blocking(move || inside.pass());
            let resident = residents.one();
            runtime.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            runtime.block_on(rest());
            gate.await_waiting(1);
            if is_background {
                runtime.shutdown_background();
            } else {
                runtime.shutdown_timeout(Duration::from_millis(1));
            }
            assert_eq!(residents.gone(), 1);
            assert!(!blocking.is_finished());
            gate.open();
            eventually(SOON, || blocking.is_finished());
        }
    });
}

#[test]
fn a_local_runtime_is_drained() {
    within(SOON, || {
        let residents = Residents::default();
        let runtime = local_runtime();
        let (polite, stubborn) = (residents.one(), residents.one());
        runtime.spawn_local(async move {
            let _polite = polite;
            draining().await;
            // Who is inside may spawn until it is over.
            spawn_local(yield_now()).await.unwrap();
        });
        runtime.spawn_local(async move {
            let _stubborn = stubborn;
            pending::<()>().await;
        });
        let drained = runtime.drain(Duration::from_millis(500));
        assert_eq!((drained.finished(), drained.aborted().len()), (2, 1));
        assert_eq!(residents.gone(), 2);
    });
}

#[test]
fn a_panic_of_a_local_task_shuts_a_runtime_down_that_is_to() {
    within(SOON, || {
        let residents = Residents::default();
        let mut builder = Builder::new_current_thread();
        builder.enable_all().unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        let resident = residents.one();
        runtime.spawn_local(async move {
            let _resident = resident;
            pending::<()>().await;
        });
        let message = panic_message(|| {
            runtime.block_on(async {
                let _task = spawn_local(async { panic!("a bug") });
                pending::<()>().await;
            })
        });
        assert!(message.contains("panicked"), "{message}");
        assert_eq!(residents.gone(), 1);
        // A set of its own is nobody else's business.
        let runtime = Builder::new_current_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap();
        let error = LocalSet::new().block_on(&runtime, async { spawn_local(async { panic!("a bug") }).await });
        assert!(error.unwrap_err().is_panic());
    });
}

#[test]
fn hooks_see_the_tasks_of_a_local_runtime_on_its_thread() {
    within(SOON, || {
        let here = thread::current().id();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = |step: usize| {
            let seen = seen.clone();
            move || {
                assert_eq!(thread::current().id(), here);
                seen.fetch_add(step, Ordering::SeqCst);
            }
        };
        let (spawned, ended) = (count(1), count(100));
        let mut builder = Builder::new_current_thread();
        builder.on_task_spawn(move |_| spawned()).on_task_terminate(move |_| ended());
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async { spawn_local(async {}).await }).unwrap();
        drop(runtime.spawn_local(pending::<()>()));
        drop(runtime);
        assert_eq!(seen.load(Ordering::SeqCst), 202);
    });
}

#[test]
fn a_local_runtime_is_dropped_inside_async_code() {
    within(SOON, || {
        let residents = Residents::default();
        current().block_on(async {
            let runtime = local_runtime();
            let resident = residents.one();
            runtime.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            drop(runtime);
            assert_eq!(residents.gone(), 1);
        });
    });
}

#[test]
fn a_local_runtime_is_dropped_while_other_threads_wake_and_abort_its_tasks() {
    within(SOON, || {
        for _ in 0..50 {
            let residents = Residents::default();
            let runtime = local_runtime();
            let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
            let tasks: Vec<_> = lefts
                .iter()
                .map(|left| {
                    let (left, resident) = (left.clone(), residents.one());
                    runtime.spawn_local(async move {
                        let _resident = resident;
                        left.wait().await;
                    })
                })
                .collect();
            runtime.block_on(rest());
            let stop = Arc::new(AtomicBool::new(false));
            let wakers: Vec<_> = lefts.iter().map(Left::waker).collect();
            let abort = tasks[0].abort_handle();
            let stopped = stop.clone();
            let other = thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    wakers.iter().for_each(Waker::wake_by_ref);
                    abort.abort();
                }
            });
            runtime.block_on(rest());
            drop(runtime);
            assert_eq!(residents.gone(), 4);
            stop.store(true, Ordering::SeqCst);
            other.join().unwrap();
        }
    });
}

#[test]
fn a_panic_in_block_on_leaves_a_local_runtime_usable() {
    within(SOON, || {
        let runtime = local_runtime();
        let task = runtime.spawn_local(async { Rc::new(5) });
        let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("of the future") })));
        assert_eq!(text_of(&*panic.unwrap_err()), "of the future");
        assert_eq!(*runtime.block_on(task).unwrap(), 5);
    });
}

#[test]
fn block_on_inside_of_a_local_runtime_panics() {
    within(SOON, || {
        let runtime = local_runtime();
        let message = runtime.block_on(async { panic_message(|| runtime.block_on(async {})) });
        assert!(message.contains("use `.await`"), "{message}");
    });
}

#[test]
fn the_time_of_a_local_runtime_can_be_paused() {
    within(SOON, || {
        let options = LocalOptions::default();
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(options).unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            spawn_local(sleep(Duration::from_secs(3600))).await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3600));
            let set = LocalSet::new();
            set.run_until(async { spawn_local(sleep(Duration::from_secs(60))).await }).await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3660));
        });
    });
}

#[test]
fn local_runtimes_print() {
    let runtime = local_runtime();
    assert!(format!("{runtime:?}").starts_with("LocalRuntime"));
    assert!(format!("{:?}", LocalOptions::default()).starts_with("LocalOptions"));
}

#[rt::main(flavor = "local")]
async fn a_body() -> Rc<u32> {
    spawn_local(async { Rc::new(42) }).await.unwrap()
}

#[test]
fn main_runs_on_a_local_runtime() {
    assert_eq!(*a_body(), 42);
}

#[rt::test(flavor = "local")]
async fn a_test_runs_on_a_local_runtime() {
    assert_eq!(*spawn_local(async { Rc::new(42) }).await.unwrap(), 42);
}

#[rt::test(flavor = "local", start_paused = true)]
async fn a_test_on_a_local_runtime_may_begin_with_time_paused() {
    let start = Instant::now();
    spawn_local(sleep(Duration::from_secs(1))).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

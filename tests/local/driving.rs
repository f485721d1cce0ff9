//! Local sets: who drives them, how they are woken, and which one `spawn_local` finds.

use super::*;

#[test]
fn a_set_that_is_awaited_is_done_when_all_its_tasks_are() {
    on_each_flavor(|runtime| {
        runtime.block_on(LocalSet::new());
        let count = Rc::new(Cell::new(0));
        let set = LocalSet::default();
        for n in 0..20 {
            let count = count.clone();
            set.spawn_local(async move {
                sleep(Duration::from_millis(n % 3)).await;
                let nested = count.clone();
                // Nobody awaits this one, or its handle.
                spawn_local(async move {
                    yield_now().await;
                    nested.set(nested.get() + 1);
                });
                count.set(count.get() + 1);
            });
        }
        runtime.block_on(set);
        assert_eq!((count.get(), Rc::strong_count(&count)), (40, 1));
    });
}

#[test]
fn a_set_can_be_awaited_by_reference_and_used_again() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = LocalSet::new();
            for n in 0..3 {
                let task = set.spawn_local(async move {
                    yield_now().await;
                    n
                });
                (&mut set).await;
                assert!(task.is_finished());
                assert_eq!(task.await.unwrap(), n);
            }
            // Dropped half way, the set is as it was.
            let task = set.spawn_local(sleep(Duration::from_millis(1)));
            assert!(rt::time::timeout(Duration::ZERO, &mut set).await.is_err());
            set.run_until(task).await.unwrap();
        });
    });
}

#[test]
fn what_run_until_leaves_goes_on_in_the_next_one() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let steps = Rc::new(Cell::new(0));
        let (inside, next) = (steps.clone(), Rc::new(Notify::new()));
        let notified = next.clone();
        let task = set.spawn_local(async move {
            for _ in 0..3 {
                inside.set(inside.get() + 1);
                notified.notified().await;
            }
        });
        for step in 1..=3 {
            set.block_on(runtime, yield_now());
            assert_eq!(steps.get(), step);
            assert!(!task.is_finished());
            next.notify_one();
        }
        set.block_on(runtime, task).unwrap();
    });
}

#[test]
fn a_task_spawned_on_a_set_that_rests_wakes_it() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (sender, receiver) = oneshot::channel();
            let driver = set.run_until(receiver);
            let outside = async {
                // The driver has found nothing to do by then.
                sleep(Duration::from_millis(1)).await;
                set.spawn_local(async { sender.send(5).unwrap() });
            };
            assert_eq!(join(driver, outside).await.0.unwrap(), 5);
        });
    });
}

#[test]
fn a_wake_outside_of_its_turn_wakes_a_set_that_rests() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (first, second) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let (one, two) = (first.clone(), second.clone());
            let task = set.spawn_local(async move {
                one.notified().await;
                two.notified().await;
            });
            let outside = async {
                for notify in [first, second] {
                    sleep(Duration::from_millis(1)).await;
                    notify.notify_one();
                }
            };
            join(set.run_until(task), outside).await.0.unwrap();
        });
    });
}

#[test]
fn several_futures_drive_one_set() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let set = LocalSet::new();
            let (sender, receiver) = oneshot::channel();
            // The first is done while the second still waits for a task that only a driver runs.
            let quick = set.run_until(async {
                yield_now().await;
                spawn_local(async move {
                    yield_now().await;
                    sender.send(1).unwrap();
                });
            });
            assert_eq!(join(quick, set.run_until(receiver)).await.1.unwrap(), 1);
        });
    });
}

#[test]
fn a_driver_that_goes_leaves_the_set_to_the_others() {
    within(SOON, || {
        let runtime = local_runtime();
        for _ in 0..20 {
            let set = Rc::new(LocalSet::new());
            let (sender, receiver) = oneshot::channel();
            let (first, second) = (set.clone(), set.clone());
            let (go, gone) = oneshot::channel::<()>();
            // Tasks of their own, so that each driver has a waker of its own.
            let patient = runtime.spawn_local(async move { first.run_until(receiver).await.unwrap() });
            let hasty = runtime.spawn_local(async move {
                second
                    .run_until(async {
                        gone.await.unwrap();
                        // Queued when this driver, which alone has been woken, is already done.
                        spawn_local(async move { sender.send("run by the other").unwrap() });
                    })
                    .await;
            });
            runtime.block_on(async {
                rest().await;
                go.send(()).unwrap();
                assert_eq!(patient.await.unwrap(), "run by the other");
                hasty.await.unwrap();
            });
        }
    });
}

#[test]
fn a_driver_that_is_dropped_leaves_the_set_to_the_others() {
    within(SOON, || {
        let runtime = local_runtime();
        let set = Rc::new(LocalSet::new());
        let (sender, receiver) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let inner = set.clone();
        let patient = runtime.spawn_local(async move { inner.run_until(receiver).await.unwrap() });
        runtime.block_on(async {
            rest().await;
            let task = set.spawn_local(async move {
                gone.await.unwrap();
                sender.send(3).unwrap();
            });
            {
                let mut driver = pin!(set.run_until(pending::<()>()));
                assert!(poll_once(&mut driver).is_pending());
                go.send(()).unwrap();
            }
            assert_eq!(patient.await.unwrap(), 3);
            assert!(task.is_finished());
        });
    });
}

#[test]
fn a_set_can_be_driven_by_hand() {
    within(SOON, || {
        let mut set = LocalSet::new();
        let task = set.spawn_local(async { Rc::new(8) });
        assert!(poll_once(&mut set).is_ready());
        let mut task = task;
        let Poll::Ready(Ok(output)) = poll_once(&mut task) else { panic!("it has ended") };
        assert_eq!(*output, 8);
    });
}

#[test]
fn a_turn_is_bounded() {
    within(SOON, || {
        let mut set = LocalSet::new();
        let polls = Rc::new(Cell::new(0));
        let inside = polls.clone();
        set.spawn_local(async move {
            loop {
                inside.set(inside.get() + 1);
                yield_now().await;
            }
        });
        for turn in 1..=3 {
            assert!(poll_once(&mut set).is_pending());
            assert!((turn..=turn * 100).contains(&polls.get()), "{} polls in {turn} turns", polls.get());
        }
        drop(set);
        assert_eq!(Rc::strong_count(&polls), 1);
    });
}

#[test]
fn a_guard_lets_spawn_local_find_the_set() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = {
            let _guard = set.enter();
            spawn_local(async { Rc::new(1) })
        };
        assert_eq!(*set.block_on(runtime, task).unwrap(), 1);
        assert!(catch_unwind(|| spawn_local(async {})).is_err());
    });
}

#[test]
fn guards_may_be_dropped_in_any_order_and_outlive_their_sets() {
    within(SOON, || {
        let residents = Residents::default();
        let (first, second) = (LocalSet::new(), LocalSet::new());
        let guards = [&first, &second, &first, &second].map(LocalSet::enter);
        let [one, two, three, four] = guards;
        drop(three);
        let in_second = spawn_local(pending::<()>());
        drop(one);
        drop(four);
        let also_in_second = spawn_local(pending::<()>());
        drop(two);
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in a set");
        drop(first);
        assert!(!in_second.is_finished() && !also_in_second.is_finished());
        drop(second);
        assert!(in_second.is_finished() && also_in_second.is_finished());
        let last = LocalSet::new();
        let guard = last.enter();
        drop(last);
        let resident = residents.one();
        let mut task = spawn_local(async move {
            let _resident = resident;
        });
        assert_eq!(residents.gone(), 1);
        let Poll::Ready(result) = poll_once(&mut task) else { panic!("it was refused at once") };
        assert!(result.unwrap_err().is_cancelled());
        drop(guard);
    });
}

#[test]
fn a_guard_may_outlive_the_turn_in_which_it_was_made() {
    within(SOON, || {
        let (driven, entered) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let kept = Rc::new(RefCell::new(None));
        let (inside, set) = (kept.clone(), entered.clone());
        driven.block_on(&current(), async move {
            let keep = async move { *inside.borrow_mut() = Some(set.enter()) };
            spawn_local(keep).await.unwrap();
        });
        drop(driven);
        let task = spawn_local(pending::<()>());
        kept.borrow_mut().take();
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in a set");
        assert!(!task.is_finished());
        drop(entered);
        assert!(task.is_finished());
    });
}

#[test]
fn a_panic_of_the_future_of_run_until_leaves_the_set_usable() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = set.spawn_local(async { Rc::new(2) });
        let message = panic_message(|| set.block_on(runtime, async { panic!("of the future") }));
        assert_eq!(message, "of the future");
        assert!(catch_unwind(|| spawn_local(async {})).is_err(), "the thread is still in the set");
        assert_eq!(*set.block_on(runtime, task).unwrap(), 2);
    });
}

#[test]
fn a_set_inside_of_a_task_of_another_set_is_the_one_that_counts() {
    on_each_flavor(|runtime| {
        let (outer, inner) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let spawned = Rc::new(Cell::new(None));
        let (driven, inside) = (inner.clone(), spawned.clone());
        let task = async move { driven.run_until(async move { inside.set(Some(spawn_local(pending::<()>()))) }).await };
        outer.block_on(runtime, async { spawn_local(task).await.unwrap() });
        let task = spawned.take().unwrap();
        drop(outer);
        assert!(!task.is_finished());
        drop(inner);
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn sets_and_guards_print_and_have_ids() {
    let (first, second) = (LocalSet::new(), LocalSet::new());
    assert_ne!(first.id(), second.id());
    assert!(format!("{first:?}").starts_with("LocalSet"));
    assert!(format!("{:?}", first.enter()).starts_with("LocalEnterGuard"));
    let runtime = current();
    assert_ne!(runtime.handle().id(), first.id());
    assert_eq!(runtime.handle().id(), runtime.handle().clone().id());
    assert!(first.id().to_string().parse::<u64>().is_ok());
    fn is_unpin<T: Unpin>(_: &T) {}
    is_unpin(&first);
}

#[test]
fn builders_spawn_on_a_set() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = rt::task::Builder::new().name("stays").spawn_local_on(async { Rc::new(9) }, &set).unwrap();
        assert_eq!(*set.block_on(runtime, task).unwrap(), 9);
    });
}

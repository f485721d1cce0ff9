//! The end of a local set.

use super::*;

#[test]
fn dropping_a_set_drops_every_future_once_and_on_its_thread() {
    on_each_flavor(|runtime| {
        let residents = Residents::default();
        let set = LocalSet::new();
        let spawn = |future: Pin<Box<dyn Future<Output = ()>>>| {
            let resident = residents.one();
            set.spawn_local(async move {
                let _resident = resident;
                future.await;
            })
        };
        let left = Left::default();
        let (sender, receiver) = oneshot::channel::<()>();
        let (waiting, elsewhere) = (left.clone(), left.clone());
        let mut tasks = vec![
            spawn(Box::pin(async move { drop(receiver.await) })),
            spawn(Box::pin(async { sleep(Duration::from_secs(3600)).await })),
            spawn(Box::pin(async move { waiting.wait().await })),
            spawn(Box::pin(async {
                loop {
                    yield_now().await;
                }
            })),
            spawn(Box::pin(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                drop(listener.accept().await);
            })),
        ];
        set.block_on(runtime, async { sleep(Duration::from_millis(1)).await });
        assert_eq!(residents.gone(), 0);
        // One that was never polled.
        tasks.push(spawn(Box::pin(pending())));
        let waker = thread::spawn(move || elsewhere.waker()).join().unwrap();
        drop(set);
        assert_eq!(residents.gone(), 6);
        for task in tasks {
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
        assert!(sender.send(()).is_err());
        // Wakers that outlive the set do nothing, anywhere.
        waker.wake_by_ref();
        thread::spawn(move || waker.wake()).join().unwrap();
        left.waker().wake();
    });
}

#[test]
fn outputs_that_nobody_took_outlive_the_set() {
    within(SOON, || {
        let residents = Residents::default();
        let resident = residents.one();
        let mut set = LocalSet::new();
        let mut task = set.spawn_local(async move { resident });
        assert!(poll_once(&mut set).is_ready());
        drop(set);
        assert_eq!(residents.gone(), 0);
        assert!(poll_once(&mut task).is_ready());
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_set_is_dropped_in_the_middle_of_run_until() {
    on_each_flavor(|runtime| {
        let residents = Residents::default();
        runtime.block_on(async {
            let driven = {
                let residents = residents.clone();
                async move {
                    let set = LocalSet::new();
                    let resident = residents.one();
                    set.spawn_local(async move {
                        let _resident = resident;
                        pending::<()>().await;
                    });
                    let own = residents.one();
                    set.run_until(async move {
                        let _own = own;
                        pending::<()>().await;
                    })
                    .await;
                }
            };
            drop(select(Box::pin(driven), Box::pin(sleep(Duration::from_millis(1)))).await);
        });
        assert_eq!(residents.gone(), 2);
    });
}

#[test]
fn panics_in_drops_do_not_keep_a_set_from_dropping_the_rest() {
    within(SOON, || {
        let local = Rc::new(());
        let mut set = LocalSet::new();
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let bomb = Bomb { _local: local.clone() };
                set.spawn_local(async move {
                    let _bomb = bomb;
                    pending::<()>().await;
                })
            })
            .collect();
        assert!(poll_once(&mut set).is_pending());
        drop(set);
        assert_eq!(Rc::strong_count(&local), 1);
        for mut task in tasks {
            let Poll::Ready(result) = poll_once(&mut task) else { panic!("it has ended") };
            assert!(result.unwrap_err().is_panic());
        }
    });
}

/// Calls its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn what_a_future_spawns_while_the_set_is_dropped_is_cancelled_at_once() {
    within(SOON, || {
        let outcome = Rc::new(Cell::new(None));
        let set = LocalSet::new();
        let inside = outcome.clone();
        set.spawn_local(async move {
            let _last = OnDrop(move || {
                let mut task = spawn_local(async {});
                let Poll::Ready(result) = poll_once(&mut task) else { panic!("it was refused at once") };
                inside.set(Some(result.unwrap_err().is_cancelled()));
            });
            pending::<()>().await;
        });
        set.block_on(&current(), yield_now());
        drop(set);
        assert_eq!(outcome.get(), Some(true));
    });
}

#[test]
fn futures_wake_each_other_while_the_set_is_dropped() {
    within(SOON, || {
        let set = LocalSet::new();
        let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
        let residents = Residents::default();
        for _ in 0..2 {
            for left in &lefts {
                let (own, others, resident) = (left.clone(), lefts.clone(), residents.one());
                set.spawn_local(async move {
                    let _resident = resident;
                    let _last = OnDrop(move || others.iter().for_each(|other| other.waker().wake()));
                    own.wait().await;
                });
            }
        }
        set.block_on(&current(), yield_now());
        drop(set);
        assert_eq!(residents.gone(), 8);
    });
}

#[test]
fn sets_are_dropped_while_other_threads_wake_and_abort_their_tasks() {
    within(SOON, || {
        for round in 0..200 {
            let residents = Residents::default();
            let mut set = LocalSet::new();
            let lefts: Vec<_> = (0..4).map(|_| Left::default()).collect();
            let tasks: Vec<_> = lefts
                .iter()
                .map(|left| {
                    let (left, resident) = (left.clone(), residents.one());
                    set.spawn_local(async move {
                        let _resident = resident;
                        left.wait().await;
                    })
                })
                .collect();
            assert!(poll_once(&mut set).is_pending());
            let stop = Arc::new(AtomicBool::new(false));
            let wakers: Vec<_> = lefts.iter().map(Left::waker).collect();
            let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
            let stopped = stop.clone();
            let other = thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    wakers.iter().for_each(Waker::wake_by_ref);
                }
                aborts.iter().for_each(AbortHandle::abort);
            });
            for _ in 0..round % 5 {
                assert!(poll_once(&mut set).is_pending());
            }
            drop(set);
            assert_eq!(residents.gone(), 4);
            assert!(tasks.iter().all(JoinHandle::is_finished));
            stop.store(true, Ordering::SeqCst);
            other.join().unwrap();
        }
    });
}

#[test]
fn a_set_in_a_thread_local_ends_with_its_thread() {
    within(SOON, || {
        thread_local! {
            static SET: LocalSet = LocalSet::new();
        }
        let drops = DropCounter::new();
        let guard = drops.guard();
        thread::spawn(move || {
            SET.with(|set| {
                set.spawn_local(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                set.block_on(&current(), yield_now());
            });
        })
        .join()
        .unwrap();
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_set_that_outlives_its_thread_rests_for_ever_and_its_wakers_do_no_harm() {
    // Where a search for leaks finds it.
    static FORGOTTEN: AtomicPtr<LocalSet> = AtomicPtr::new(null_mut());
    within(SOON, || {
        let left = Left::default();
        let waiting = left.clone();
        thread::spawn(move || {
            let mut set = LocalSet::new();
            set.spawn_local(async move { waiting.wait().await });
            assert!(poll_once(&mut set).is_pending());
            FORGOTTEN.store(Box::into_raw(Box::new(set)), Ordering::SeqCst);
        })
        .join()
        .unwrap();
        let waker = left.waker();
        waker.wake_by_ref();
        thread::spawn(move || waker.wake()).join().unwrap();
    });
}

#[test]
fn a_task_that_holds_the_set_lets_it_go_when_it_ends() {
    within(SOON, || {
        let residents = Residents::default();
        let set = Rc::new(LocalSet::new());
        let (inside, resident) = (set.clone(), residents.one());
        let task = set.spawn_local(async move {
            inside.spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
        });
        set.block_on(&current(), task).unwrap();
        drop(set);
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_future_that_is_dropped_with_its_set_knows_whose_it_is() {
    within(SOON, || {
        let seen = Rc::new(Cell::new(None));
        let inside = seen.clone();
        let mut set = LocalSet::new();
        let task = set.spawn_local(async move {
            let _last = OnDrop(move || inside.set(rt::task::try_id()));
            pending::<()>().await;
        });
        assert!(poll_once(&mut set).is_pending());
        drop(set);
        assert_eq!(seen.get(), Some(task.id()));
    });
}

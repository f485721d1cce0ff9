//! What local tasks can do, wherever they are.

use super::*;

#[test]
fn a_local_task_keeps_what_is_not_send_across_its_awaits() {
    everywhere(async || {
        let shared = Rc::new(Cell::new(0));
        let tasks = (1..=10).map(|n| {
            let shared = shared.clone();
            spawn_local(async move {
                for _ in 0..n {
                    yield_now().await;
                    shared.set(shared.get() + 1);
                }
                shared
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            assert!(Rc::ptr_eq(&task.await.unwrap(), &shared));
        }
        assert_eq!((shared.get(), Rc::strong_count(&shared)), (55, 1));
    });
}

#[test]
fn a_local_task_and_what_it_spawns_run_on_the_thread_that_spawned_it() {
    everywhere(async || {
        let here = thread::current().id();
        let task = spawn_local(async move {
            yield_now().await;
            let nested = spawn_local(async move {
                yield_now().await;
                (thread::current().id(), spawn_local(async { thread::current().id() }).await.unwrap())
            });
            (thread::current().id(), nested.await.unwrap())
        });
        assert_eq!(task.await.unwrap(), (here, (here, here)));
    });
}

#[test]
fn local_tasks_begin_in_the_order_in_which_they_were_spawned() {
    everywhere(async || {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let order = order.clone();
                spawn_local(async move { order.borrow_mut().push(n) })
            })
            .collect();
        join_all(tasks).await.into_iter().for_each(Result::unwrap);
        assert!(order.borrow().iter().copied().eq(0..100));
    });
}

#[test]
fn a_wake_from_another_thread_reaches_a_local_task() {
    everywhere(async || {
        for _ in 0..50 {
            let (sender, receiver) = oneshot::channel();
            let local = Rc::new(1);
            let task = spawn_local(async move { *local + receiver.await.unwrap() });
            let other = thread::spawn(move || sender.send(41).unwrap());
            assert_eq!(task.await.unwrap(), 42);
            other.join().unwrap();
        }
    });
}

#[test]
fn many_threads_wake_many_local_tasks() {
    everywhere(async || {
        const TASKS: usize = 50;
        let wakes: Vec<_> = (0..TASKS).map(|_| Arc::new(Notify::new())).collect();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let wakes = wakes.clone();
                thread::spawn(move || {
                    for _ in 0..10 {
                        wakes.iter().for_each(|wake| wake.notify_one());
                        thread::yield_now();
                    }
                })
            })
            .collect();
        let count = Rc::new(Cell::new(0));
        let tasks = wakes.iter().map(|wake| {
            let (wake, count) = (wake.clone(), count.clone());
            spawn_local(async move {
                wake.notified().await;
                count.set(count.get() + 1);
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
        assert_eq!(count.get(), TASKS);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn an_abort_from_another_thread_drops_the_future_on_its_own() {
    everywhere(async || {
        for is_polled in [false, true] {
            let residents = Residents::default();
            let resident = residents.one();
            let task = spawn_local(async move {
                let _resident = resident;
                pending::<()>().await;
            });
            if is_polled {
                rest().await;
            }
            let abort: AbortHandle = task.abort_handle();
            thread::spawn(move || abort.abort()).join().unwrap();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(residents.gone(), 1);
        }
    });
}

#[test]
fn a_handle_is_aborted_at_home_too() {
    everywhere(async || {
        let residents = Residents::default();
        let resident = residents.one();
        let task = spawn_local(async move {
            let _resident = resident;
            pending::<()>().await;
        });
        rest().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn an_output_that_nobody_asks_for_is_dropped_on_its_thread() {
    everywhere(async || {
        let residents = Residents::default();
        let early = residents.one();
        // The handle goes first.
        drop(spawn_local(async move { early }));
        let late = residents.one();
        let task = spawn_local(async move { late });
        rest().await;
        assert!(task.is_finished());
        assert_eq!(residents.gone(), 1);
        // The task has ended first.
        drop(task);
        assert_eq!(residents.gone(), 2);
        // An abort handle elsewhere outlives both.
        let third = residents.one();
        let task = spawn_local(async move { third });
        let abort = task.abort_handle();
        drop(task.await.unwrap());
        thread::spawn(move || drop(abort)).join().unwrap();
        assert_eq!(residents.gone(), 3);
    });
}

#[test]
fn a_join_handle_whose_output_is_send_is_awaited_on_another_thread() {
    everywhere(async || {
        let residents = Residents::default();
        let resident = residents.one();
        let (go, gone) = oneshot::channel();
        let task = spawn_local(async move {
            let _resident = resident;
            gone.await.unwrap();
            String::from("from a thread that it never left")
        });
        let handle = Handle::current();
        let other = thread::spawn(move || {
            go.send(()).unwrap();
            handle.block_on(task).unwrap()
        });
        while !other.is_finished() {
            yield_now().await;
        }
        assert_eq!(other.join().unwrap(), "from a thread that it never left");
        assert_eq!(residents.gone(), 1);
    });
}

#[test]
fn a_join_handle_is_dropped_on_another_thread_at_any_time() {
    everywhere(async || {
        for _ in 0..100 {
            let residents = Residents::default();
            let resident = residents.one();
            let drops = DropCounter::new();
            let output = drops.guard();
            let task = spawn_local(async move {
                let _resident = resident;
                yield_now().await;
                output
            });
            let other = thread::spawn(move || drop(task));
            while drops.drops() == 0 {
                yield_now().await;
            }
            other.join().unwrap();
            assert_eq!((residents.gone(), drops.drops()), (1, 1));
        }
    });
}

#[test]
fn a_panic_of_a_local_task_is_its_result_and_nobody_elses() {
    everywhere(async || {
        let local = Rc::new(());
        let inside = local.clone();
        let task = spawn_local(async move {
            let _inside = inside;
            yield_now().await;
            panic!("boom");
        });
        let other = spawn_local(ready(7));
        let error = task.await.unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "boom");
        assert_eq!(other.await.unwrap(), 7);
        assert_eq!(Rc::strong_count(&local), 1);
    });
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_local_future_is_its_result() {
    everywhere(async || {
        let local = Rc::new(());
        let bomb = Bomb { _local: local.clone() };
        let task = spawn_local(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
        rest().await;
        task.abort();
        let error = task.await.unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "dropped");
        assert_eq!(Rc::strong_count(&local), 1);
    });
}

#[test]
fn a_panic_in_the_drop_of_an_output_that_nobody_takes_is_contained() {
    everywhere(async || {
        let local = Rc::new(());
        let (first, second) = (Bomb { _local: local.clone() }, Bomb { _local: local.clone() });
        drop(spawn_local(async move { first }));
        let task = spawn_local(async move { second });
        rest().await;
        drop(task);
        assert_eq!(Rc::strong_count(&local), 1);
        assert_eq!(spawn_local(ready(1)).await.unwrap(), 1);
    });
}

#[test]
fn a_task_that_may_move_is_spawned_from_a_local_one() {
    everywhere(async || {
        let local = Rc::new(20);
        let task = spawn_local(async move {
            let moving = rt::spawn(async { 22 });
            *local + moving.await.unwrap()
        });
        assert_eq!(task.await.unwrap(), 42);
        let blocking = spawn_local(async { rt::task::spawn_blocking(|| 7).await.unwrap() });
        assert_eq!(blocking.await.unwrap(), 7);
    });
}

#[test]
fn timers_and_sockets_work_in_local_tasks() {
    everywhere(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Rc::new(Cell::new(0));
        let count = served.clone();
        let server = spawn_local(async move {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let count = count.clone();
                spawn_local(async move {
                    let mut text = [0; 4];
                    stream.read_exact(&mut text).await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                    stream.write_all(&text).await.unwrap();
                    count.set(count.get() + 1);
                });
            }
        });
        let clients = (0..3).map(|_| {
            spawn_local(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"echo").await.unwrap();
                let mut text = [0; 4];
                stream.read_exact(&mut text).await.unwrap();
                text
            })
        });
        for client in clients.collect::<Vec<_>>() {
            assert_eq!(&client.await.unwrap(), b"echo");
        }
        server.await.unwrap();
        while served.get() < 3 {
            yield_now().await;
        }
    });
}

#[test]
fn ten_thousand_local_tasks_end_each_with_its_own_output() {
    everywhere(async || {
        let offset = Rc::new(1);
        let tasks: Vec<_> = (0..10_000)
            .map(|n| {
                let offset = offset.clone();
                spawn_local(async move {
                    yield_now().await;
                    n + *offset
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n + 1);
        }
        assert_eq!(Rc::strong_count(&offset), 1);
    });
}

#[test]
fn a_task_that_is_always_ready_holds_up_neither_the_future_nor_tasks_nor_timers() {
    everywhere(async || {
        let stop = Rc::new(Cell::new(false));
        let busy: Vec<_> = (0..200)
            .map(|_| {
                let stop = stop.clone();
                spawn_local(async move {
                    while !stop.get() {
                        yield_now().await;
                    }
                })
            })
            .collect();
        rest().await;
        rt::spawn(async { yield_now().await }).await.unwrap();
        spawn_local(async { yield_now().await }).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        let (sender, receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(()).unwrap());
        receiver.await.unwrap();
        other.join().unwrap();
        stop.set(true);
        join_all(busy).await.into_iter().for_each(Result::unwrap);
    });
}

#[test]
fn a_local_task_that_finds_everything_ready_lets_others_run_when_its_budget_is_used_up() {
    everywhere(async || {
        let ready: Vec<_> = (0..1000).map(|_| spawn_local(async {})).collect();
        while !ready.iter().all(JoinHandle::is_finished) {
            yield_now().await;
        }
        let polls = Rc::new(Cell::new(0));
        let (stop, counter) = (Rc::new(Cell::new(false)), polls.clone());
        let stopped = stop.clone();
        let greedy = spawn_local(async move {
            for task in ready {
                task.await.unwrap();
            }
            stopped.set(true);
        });
        let other = spawn_local(async move {
            while !stop.get() {
                counter.set(counter.get() + 1);
                yield_now().await;
            }
        });
        greedy.await.unwrap();
        other.await.unwrap();
        assert!((5..100).contains(&polls.get()), "it was polled {} times beside 1000 joins", polls.get());
    });
}

#[test]
fn builders_name_local_tasks() {
    everywhere(async || {
        let local = Rc::new(3);
        let task = rt::task::Builder::new().name("stays").spawn_local(async move { *local }).unwrap();
        assert_eq!(task.await.unwrap(), 3);
    });
}

#[test]
fn a_join_set_takes_tasks_that_stay_on_their_thread() {
    within(SOON, || {
        let runtime = current();
        let local = LocalSet::new();
        let value = local.block_on(&runtime, async {
            let mut set = rt::task::JoinSet::new();
            let (one, two) = (Rc::new(1), Rc::new(2));
            set.spawn_local(async move { one });
            let id = set.build_task().name("two").spawn_local(async move { two }).unwrap().id();
            set.spawn_local(std::future::pending()).abort();
            let mut sum = 0;
            while let Some(done) = set.join_next_with_id().await {
                match done {
                    Ok((done, value)) => {
                        assert_eq!(done == id, *value == 2);
                        sum += *value;
                    }
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
            sum
        });
        assert_eq!(value, 3);
    });
}

#[test]
fn the_id_of_a_local_task_is_its_own() {
    within(SOON, || {
        let runtime = multi(1);
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let task = rt::task::spawn_local(async { rt::task::try_id() });
            let id = task.id();
            assert_eq!(task.await.unwrap(), Some(id));
            assert_eq!(rt::task::try_id(), None);
        });
    });
}

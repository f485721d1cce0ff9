//! What a dump tells of tasks: each state, each reason to wait, and that taking it disturbs nobody.

#[path = "support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use rt::io::{AsyncReadExt, Interest};
use rt::net::UnixStream;
use rt::runtime::{Dump, Handle, Runtime, TaskDump, TaskKind, TaskState, WaitReason};
use rt::sync::oneshot;
use rt::task::{Builder, Id, JoinHandle};
use rt::time::{sleep, timeout};
use support::{SOON, current, eventually, multi, unwatched, within};

const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(|runtime: &Runtime| runtime.block_on(test())));
}

fn of(dump: &Dump, id: Id) -> Option<&TaskDump> {
    dump.tasks().iter().find(|task| task.id() == id)
}

/// The reason for which a task waits, as soon as it does.
async fn reason(id: Id) -> (WaitReason, bool) {
    let waits = async {
        loop {
            let dump = Handle::current().dump();
            match of(&dump, id).expect("the task has not ended").state() {
                TaskState::Waiting { reason, or_others, .. } => return (reason, or_others),
                _ => rt::task::yield_now().await,
            }
        }
    };
    timeout(SOON, waits).await.expect("the task waits for something soon")
}

#[test]
fn a_task_is_told_of_with_its_id_its_name_and_where_it_was_spawned() {
    on_each_flavor(async || {
        let named = Builder::new().name("a name").spawn(std::future::pending::<()>()).unwrap();
        let (line, plain) = (line!(), rt::spawn(std::future::pending::<()>()));
        let dump = Handle::current().dump();
        let (named_dump, plain_dump) = (of(&dump, named.id()).unwrap(), of(&dump, plain.id()).unwrap());
        assert_eq!((named_dump.name(), plain_dump.name()), (Some("a name"), None));
        assert_eq!((plain_dump.location().file(), plain_dump.location().line()), (file!(), line));
        assert_eq!(plain_dump.kind(), TaskKind::Async);
        named.abort();
        plain.abort();
    });
}

#[test]
fn a_task_that_has_ended_is_not_told_of() {
    on_each_flavor(async || {
        let mut task = rt::spawn(async {});
        (&mut task).await.unwrap();
        let held = rt::spawn(async {});
        let id = held.id();
        let ended = async {
            while of(&Handle::current().dump(), id).is_some() {
                rt::task::yield_now().await;
            }
        };
        timeout(SOON, ended).await.unwrap();
        assert!(held.is_finished());
        assert!(of(&Handle::current().dump(), task.id()).is_none());
    });
}

#[test]
fn a_sleeping_task_waits_for_its_timer() {
    on_each_flavor(async || {
        let task = rt::spawn(sleep(LONG));
        let (WaitReason::Timer { remaining, .. }, false) = reason(task.id()).await else { panic!("it sleeps") };
        assert!(remaining <= LONG && remaining > LONG - SOON, "{remaining:?}");
        task.abort();
    });
}

#[test]
fn a_reading_task_waits_for_its_descriptor_also_under_a_timeout() {
    on_each_flavor(async || {
        let (mut one, other) = UnixStream::pair().unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&one);
        let reading = rt::spawn(async move {
            let _ = timeout(LONG, one.read(&mut [0])).await;
            let _ = one.read(&mut [0]).await;
        });
        let (WaitReason::Descriptor { number, interest, .. }, true) = reason(reading.id()).await else {
            panic!("it reads, for an hour at most")
        };
        assert_eq!((number, interest), (descriptor as u32, Interest::READABLE));
        drop(other);
        reading.await.unwrap();
    });
}

#[test]
fn a_shared_wait_is_for_what_was_asked() {
    on_each_flavor(async || {
        let (one, _other) = UnixStream::pair().unwrap();
        one.writable().await.unwrap();
        while one.try_write(&[0; 65536]).is_ok() {}
        let waiting = rt::spawn(async move { one.writable().await });
        let (WaitReason::Descriptor { interest, .. }, false) = reason(waiting.id()).await else {
            panic!("it waits for room")
        };
        assert_eq!(interest, Interest::WRITABLE);
        waiting.abort();
    });
}

#[test]
fn a_joining_task_waits_for_the_other() {
    on_each_flavor(async || {
        let sleeping = rt::spawn(sleep(LONG));
        let id = sleeping.id();
        let joining = rt::spawn(async move { sleeping.await.unwrap_err().is_cancelled() });
        let (WaitReason::Task { id: waited_for, .. }, false) = reason(joining.id()).await else { panic!("it joins") };
        assert_eq!(waited_for, id);
        joining.abort();
    });
}

#[test]
fn what_the_runtime_does_not_know_is_unknown_also_after_it_knew_something() {
    on_each_flavor(async || {
        let (sender, receiver) = oneshot::channel::<()>();
        let task = rt::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            receiver.await
        });
        let unknown = async {
            while reason(task.id()).await != (WaitReason::Unknown, false) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, unknown).await.unwrap();
        drop(sender);
        assert!(task.await.unwrap().is_err());
    });
}

#[test]
fn a_note_of_one_task_is_not_taken_for_that_of_the_next() {
    within(SOON, || {
        // One thread, so that the polls come one after the other.
        current().block_on(async {
            // It notes a timer and a join, and ends all the same.
            let noting = rt::spawn(async {
                assert!(futures_util::poll!(Box::pin(sleep(LONG))).is_pending());
                assert!(futures_util::poll!(rt::spawn(async {})).is_pending());
            });
            noting.await.unwrap();
            let panicking = rt::spawn(async {
                let mut wait = Box::pin(sleep(LONG));
                std::future::poll_fn(move |cx| -> std::task::Poll<()> {
                    assert!(wait.as_mut().poll(cx).is_pending());
                    panic!("after a note")
                })
                .await;
            });
            let unknown = rt::spawn(std::future::pending::<()>());
            let id = unknown.id();
            assert!(panicking.await.unwrap_err().is_panic());
            assert_eq!(reason(id).await, (WaitReason::Unknown, false));
            unknown.abort();
        });
    });
}

#[test]
fn polls_are_counted_and_ages_told() {
    on_each_flavor(async || {
        let task = rt::spawn(async {
            for _ in 0..10 {
                rt::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        });
        reason(task.id()).await;
        // A coarse clock: it goes on while the runtime works.
        let grown = async {
            loop {
                let dump = Handle::current().dump();
                let dumped = of(&dump, task.id()).unwrap();
                assert_eq!(dumped.polls(), 11);
                assert!(dumped.last_poll().unwrap() <= dumped.age() + Duration::from_millis(20));
                if dumped.last_poll().unwrap() >= Duration::from_millis(30) {
                    return dumped.age();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let age = timeout(SOON, grown).await.unwrap();
        assert!(age >= Duration::from_millis(30) && age < SOON);
        task.abort();
    });
}

#[test]
fn the_time_that_a_task_is_polled_is_added_up_if_that_is_wanted() {
    within(SOON, || {
        for mut builder in [rt::runtime::Builder::new_multi_thread(), rt::runtime::Builder::new_current_thread()] {
            let runtime = builder.worker_threads(1).enable_all().enable_task_busy_time().build().unwrap();
            runtime.block_on(async {
                let idle = rt::spawn(std::future::pending::<()>());
                let busy = rt::spawn(async {
                    for _ in 0..3 {
                        std::thread::sleep(Duration::from_millis(20));
                        rt::task::yield_now().await;
                    }
                    std::future::pending::<()>().await;
                });
                // It may wait before its last poll has been added.
                let busy_time = async {
                    loop {
                        reason(busy.id()).await;
                        let time = of(&Handle::current().dump(), busy.id()).unwrap().busy().unwrap();
                        if time >= Duration::from_millis(60) {
                            break;
                        }
                        rt::task::yield_now().await;
                    }
                };
                busy_time.await;
                reason(idle.id()).await;
                let dump = Handle::current().dump();
                assert!(of(&dump, idle.id()).unwrap().busy().unwrap() < Duration::from_millis(20));
                assert!(format!("{dump:#}").contains("busy for"), "{dump:#}");
                idle.abort();
                busy.abort();
            });
        }
        let runtime = current();
        let task = runtime.spawn(std::future::pending::<()>());
        assert_eq!(of(&runtime.handle().dump(), task.id()).unwrap().busy(), None);
    });
}

#[test]
fn a_task_spawned_after_a_long_rest_is_young() {
    within(SOON, || {
        let runtime = multi(2);
        runtime.block_on(async {});
        // Nothing tells the time meanwhile.
        std::thread::sleep(Duration::from_millis(300));
        let task = runtime.spawn(std::future::pending::<()>());
        let age = of(&runtime.handle().dump(), task.id()).unwrap().age();
        assert!(age < Duration::from_millis(150), "{age:?}");
    });
}

#[test]
fn a_task_that_blocks_its_worker_runs_and_what_waits_behind_it_is_queued() {
    within(SOON, || {
        let runtime = unwatched(1);
        let (release, wait) = channel::<()>();
        let (started, is_started) = channel();
        let blocking = runtime.spawn(async move {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        is_started.recv().unwrap();
        let queued = runtime.spawn(async {});
        let dump = runtime.handle().dump();
        let state = of(&dump, blocking.id()).unwrap().state();
        assert!(matches!(state, TaskState::Running { worker: Some(0), .. }), "{state:?}");
        assert_eq!(of(&dump, queued.id()).unwrap().state(), TaskState::Queued);
        assert_eq!(of(&dump, queued.id()).unwrap().last_poll(), None);
        drop(release);
        runtime.block_on(async {
            blocking.await.unwrap();
            queued.await.unwrap();
        });
    });
}

#[test]
fn a_dump_tells_for_how_long_a_poll_lasts() {
    within(SOON, || {
        let runtime = multi(2);
        let (release, wait) = channel::<()>();
        let blocking = runtime.spawn(async move {
            let _ = wait.recv();
        });
        eventually(SOON, || {
            let dump = runtime.handle().dump();
            let state = of(&dump, blocking.id()).unwrap().state();
            matches!(state, TaskState::Running { at_least, .. } if at_least >= Duration::from_millis(50))
        });
        drop(release);
        runtime.block_on(blocking).unwrap();
    });
}

#[test]
fn a_closure_runs_or_is_queued() {
    within(SOON, || {
        let runtime =
            rt::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
        let (release, wait) = channel::<()>();
        let (started, is_started) = channel();
        let running = runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        is_started.recv().unwrap();
        let queued = runtime.spawn_blocking(|| ());
        let dump = runtime.handle().dump();
        let of = |task: &JoinHandle<()>| of(&dump, task.id()).map(|task| (task.kind(), task.state())).unwrap();
        assert!(matches!(of(&running), (TaskKind::Blocking, TaskState::Running { worker: None, .. })));
        assert_eq!(of(&queued), (TaskKind::Blocking, TaskState::Queued));
        drop(release);
        runtime.block_on(async { (running.await.unwrap(), queued.await.unwrap()) });
    });
}

#[test]
fn tasks_that_wait_for_each_other_are_a_circle_and_those_with_a_way_out_are_not() {
    on_each_flavor(async || {
        let (to_first, first_gets) = oneshot::channel::<JoinHandle<()>>();
        let (to_second, second_gets) = oneshot::channel::<JoinHandle<()>>();
        let first = rt::spawn(async move {
            let _ = first_gets.await.unwrap().await;
        });
        let second = rt::spawn(async move {
            let _ = second_gets.await.unwrap().await;
        });
        let (to_third, third_gets) = oneshot::channel::<JoinHandle<()>>();
        let third = rt::spawn(async move {
            let _ = timeout(LONG, third_gets.await.unwrap()).await;
        });
        let ids = [first.id(), second.id()];
        let aborts = [first.abort_handle(), second.abort_handle(), third.abort_handle()];
        // The third waits for itself, but not only.
        assert!(to_third.send(third).is_ok() && to_first.send(second).is_ok() && to_second.send(first).is_ok());
        let circle = async {
            loop {
                let cycles = Handle::current().dump().join_cycles();
                if let [cycle] = &cycles[..] {
                    return cycle.clone();
                }
                assert!(cycles.is_empty());
                sleep(Duration::from_millis(1)).await;
            }
        };
        let mut circle = timeout(SOON, circle).await.unwrap();
        if circle[0] != ids[0] {
            circle.reverse();
        }
        assert_eq!(circle, ids);
        let text = Handle::current().dump().to_string();
        assert!(text.contains("deadlock: task"), "{text}");
        aborts.iter().for_each(|abort| abort.abort());
    });
}

#[test]
fn a_hundred_thousand_queued_tasks_are_told_of_while_all_workers_are_stuck() {
    const TASKS: usize = 100_000;
    within(2 * SOON, || {
        let runtime = unwatched(2);
        let barrier = Arc::new(Barrier::new(3));
        let stuck: Vec<_> = (0..2)
            .map(|_| {
                let barrier = barrier.clone();
                runtime.spawn(async move {
                    barrier.wait();
                    barrier.wait();
                })
            })
            .collect();
        barrier.wait();
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..TASKS {
            let ended = ended.clone();
            runtime.spawn(async move {
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let dump = runtime.handle().dump();
        let count = |is: fn(TaskState) -> bool| dump.tasks().iter().filter(|task| is(task.state())).count();
        assert_eq!(count(|state| state == TaskState::Queued), TASKS);
        assert_eq!(count(|state| matches!(state, TaskState::Running { .. })), 2);
        let text = dump.to_string();
        assert!(text.contains("100002 tasks: 2 running, 100000 queued, 0 waiting"), "{text}");
        assert!(text.lines().count() < 6, "tasks of a kind share a line: {text}");
        barrier.wait();
        runtime.block_on(async {
            for task in stuck {
                task.await.unwrap();
            }
        });
        eventually(SOON, || ended.load(Ordering::Relaxed) == TASKS);
    });
}

#[test]
fn dumps_are_taken_while_tasks_come_and_go() {
    within(2 * SOON, || {
        let runtime = multi(2);
        let handle = runtime.handle().clone();
        let dumping = std::thread::spawn(move || {
            let start = Instant::now();
            let mut seen = 0;
            while start.elapsed() < Duration::from_millis(300) || seen == 0 {
                let dump = handle.dump();
                seen = seen.max(dump.tasks().len());
                assert!(!format!("{dump}{dump:#}").is_empty());
            }
        });
        runtime.block_on(async {
            while !dumping.is_finished() {
                let tasks: Vec<_> = (0..500).map(|_| rt::spawn(rt::task::yield_now())).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            }
        });
        dumping.join().unwrap();
    });
}

#[test]
fn a_runtime_that_has_shut_down_has_no_tasks() {
    within(SOON, || {
        let runtime = multi(1);
        let handle = runtime.handle().clone();
        runtime.spawn(std::future::pending::<()>());
        drop(runtime);
        assert!(handle.dump().tasks().is_empty());
        assert_eq!(handle.dump().to_string(), "0 tasks: 0 running, 0 queued, 0 waiting");
    });
}

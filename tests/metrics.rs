//! What a runtime counts, and that differences of snapshots tell what happened between them.

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::UnixStream;
use rt::runtime::{Builder, Histogram, Runtime, RuntimeSnapshot};
use rt::time::{sleep, timeout};
use support::{SOON, current, eventually, multi, unwatched, within};

const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn on_each_flavor(test: impl AsyncFn(&Runtime) + Send + Sync + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(|runtime| runtime.block_on(test(runtime))));
}

fn total<T: std::iter::Sum>(snapshot: &RuntimeSnapshot, of: impl Fn(&rt::runtime::WorkerSnapshot) -> T) -> T {
    snapshot.workers.iter().chain([&snapshot.spares]).map(of).sum()
}

/// What `work` changed.
async fn change(runtime: &Runtime, work: impl Future<Output = ()>) -> RuntimeSnapshot {
    let before = runtime.metrics().snapshot();
    work.await;
    runtime.metrics().snapshot().since(&before)
}

#[test]
fn spawns_and_polls_are_counted() {
    on_each_flavor(async |runtime| {
        let change = change(runtime, async {
            for _ in 0..50 {
                rt::spawn(rt::task::yield_now()).await.unwrap();
            }
        })
        .await;
        assert_eq!(change.spawned_tasks, 50);
        assert_eq!(total(&change, |worker| worker.polls), 100);
        assert_eq!(change.alive_tasks, 0);
        assert!(change.elapsed > Duration::ZERO);
    });
}

#[test]
fn timers_are_counted_when_they_are_armed_fire_or_are_dropped() {
    on_each_flavor(async |runtime| {
        let change = change(runtime, async {
            for _ in 0..10 {
                sleep(Duration::from_millis(1)).await;
            }
            for _ in 0..5 {
                timeout(LONG, rt::task::yield_now()).await.unwrap();
            }
            // Never polled.
            drop(sleep(LONG));
        })
        .await;
        assert_eq!((change.timers_armed, change.timers_fired, change.timers_cancelled), (15, 10, 5));
    });
}

#[test]
fn sources_and_their_events_are_counted() {
    on_each_flavor(async |runtime| {
        let change = change(runtime, async {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let reading = rt::spawn(async move { one.read(&mut [0; 8]).await });
            rt::task::yield_now().await;
            other.write_all(b"x").await.unwrap();
            assert_eq!(reading.await.unwrap().unwrap(), 1);
        })
        .await;
        assert_eq!((change.registered_sources, change.deregistered_sources), (2, 2));
        assert!(change.reactor_events >= 1 && change.reactor_turns >= 1, "{change}");
    });
}

#[test]
fn a_worker_is_busy_while_it_computes_and_not_while_it_sleeps() {
    within(SOON, || {
        let runtime = multi(1);
        let metrics = runtime.metrics();
        let before = metrics.snapshot();
        let task = runtime.spawn(async {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(50) {
                std::hint::spin_loop();
            }
        });
        runtime.block_on(task).unwrap();
        assert!(metrics.snapshot().since(&before).workers[0].busy >= Duration::from_millis(50));
        // It goes to sleep, and time passes.
        eventually(SOON, || {
            let before = metrics.worker_total_busy_duration(0);
            std::thread::sleep(Duration::from_millis(20));
            metrics.worker_total_busy_duration(0) == before
        });
    });
}

#[test]
fn a_poll_that_goes_on_counts_as_busy_already() {
    within(SOON, || {
        let runtime = unwatched(1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let task = runtime.spawn(async move {
            let _ = wait.recv();
        });
        let metrics = runtime.metrics();
        eventually(SOON, || metrics.worker_total_busy_duration(0) >= Duration::from_millis(50));
        drop(release);
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn every_poll_is_timed_if_that_is_wanted() {
    within(SOON, || {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            let runtime = builder.worker_threads(1).enable_metrics_poll_time_histogram().build().unwrap();
            let metrics = runtime.metrics();
            assert!(metrics.poll_time_histogram_enabled());
            runtime.block_on(async {
                for _ in 0..20 {
                    rt::spawn(async {}).await.unwrap();
                }
                rt::spawn(async { std::thread::sleep(Duration::from_millis(20)) }).await.unwrap();
            });
            // The last may be counted after it was joined.
            eventually(SOON, || metrics.snapshot().poll_times.count() == 21);
            let times = metrics.snapshot().poll_times;
            assert!(times.max().unwrap() >= Duration::from_millis(20), "{times}");
            assert!(times.quantile(0.5).unwrap() < Duration::from_millis(20), "{times}");
            let buckets = 0..metrics.poll_time_histogram_num_buckets();
            let counted: u64 = buckets.map(|bucket| metrics.poll_time_histogram_bucket_count(0, bucket)).sum();
            assert_eq!(counted, 21);
        }
    });
}

#[test]
fn one_poll_in_many_is_timed_by_default() {
    on_each_flavor(async |runtime| {
        assert!(!runtime.metrics().poll_time_histogram_enabled());
        let change = change(runtime, async {
            rt::spawn(async {
                for _ in 0..10_000 {
                    rt::task::yield_now().await;
                }
            })
            .await
            .unwrap();
        })
        .await;
        let timed = change.poll_times.count();
        assert!((10..1000).contains(&timed), "{timed} of 10 000 polls were timed");
    });
}

#[test]
fn every_delay_is_noted_if_that_is_wanted() {
    within(SOON, || {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            builder.worker_threads(1).enable_metrics_schedule_delay_histogram().enable_all();
            // Nobody rescues what waits behind a long poll.
            let runtime = builder.stall_after(None).build().unwrap();
            let metrics = runtime.metrics();
            assert!(metrics.schedule_delay_histogram_enabled());
            let before = metrics.snapshot();
            runtime.block_on(async {
                rt::spawn(async {
                    // Ready at once, by itself, by another task, and by a timer.
                    rt::task::yield_now().await;
                    rt::spawn(async {}).await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                    let waits = rt::spawn(async {});
                    // It is ready for all of this poll.
                    std::thread::sleep(Duration::from_millis(20));
                    waits.await.unwrap();
                })
                .await
                .unwrap();
            });
            let change = metrics.snapshot().since(&before);
            let polls = total(&change, |worker| worker.polls);
            assert_eq!(change.schedule_delays.count(), polls, "{change}");
            assert!(change.schedule_delays.max().unwrap() >= Duration::from_millis(20), "{change}");
        }
    });
}

#[test]
fn some_delays_are_noted_by_default_wherever_tasks_are_woken() {
    on_each_flavor(async |runtime| {
        assert!(!runtime.metrics().schedule_delay_histogram_enabled());
        let by_events = change(runtime, async {
            rt::spawn(async {
                for _ in 0..200 {
                    sleep(Duration::from_micros(10)).await;
                }
            })
            .await
            .unwrap();
        })
        .await;
        let noted = by_events.schedule_delays.count();
        assert!((1..=200).contains(&noted), "{noted}");
        let on_workers = change(runtime, async {
            rt::spawn(async {
                for _ in 0..10_000 {
                    rt::spawn(async {}).await.unwrap();
                }
            })
            .await
            .unwrap();
        })
        .await;
        let noted = on_workers.schedule_delays.count();
        assert!((5..5000).contains(&noted), "{noted}");
    });
}

#[test]
fn delays_from_outside_are_noted_too() {
    within(SOON, || {
        let runtime = multi(2);
        let metrics = runtime.metrics();
        for _ in 0..1000 {
            let task = runtime.spawn(async {});
            runtime.block_on(task).unwrap();
        }
        let noted = metrics.snapshot().schedule_delays.count();
        assert!((5..=1000).contains(&noted), "{noted}");
    });
}

#[test]
fn polls_that_use_up_their_budget_are_counted() {
    on_each_flavor(async |runtime| {
        let before = runtime.metrics().budget_forced_yield_count();
        let change = change(runtime, async {
            rt::spawn(async {
                for _ in 0..128 * 100 {
                    rt::task::consume_budget().await;
                }
            })
            .await
            .unwrap();
        })
        .await;
        let yields = total(&change, |worker| worker.budget_yields);
        assert!((30..=100).contains(&yields), "{yields}");
        assert!(runtime.metrics().budget_forced_yield_count() >= before + yields);
    });
}

#[test]
fn a_stall_is_counted_for_its_worker() {
    within(SOON, || {
        let runtime = multi(1);
        let metrics = runtime.metrics();
        let task = runtime.spawn(async { std::thread::sleep(Duration::from_millis(100)) });
        eventually(SOON, || metrics.stalls_count() == 1);
        assert_eq!(metrics.worker_stalls_count(0), 1);
        assert_eq!(metrics.snapshot().workers[0].stalls, 1);
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn a_snapshot_is_a_table_with_a_line_for_each_worker() {
    within(SOON, || {
        let runtime = multi(2);
        runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
        let snapshot = runtime.metrics().snapshot();
        let text = snapshot.to_string();
        assert!(text.starts_with("tasks: 0 alive, 1 spawned"), "{text}");
        assert_eq!(text.lines().count(), 9, "{text}");
        assert!(runtime.metrics().to_string().contains("timers: 0 armed"));
        assert_eq!(snapshot.since(&snapshot).spawned_tasks, 0);
        assert_eq!(snapshot.since(&snapshot).elapsed, Duration::ZERO);
        assert_eq!(snapshot.since(&snapshot).poll_times, Histogram::default());
        assert_eq!(RuntimeSnapshot::default().since(&snapshot).spawned_tasks, 0, "the wrong way round is no panic");
    });
}

#[test]
#[should_panic(expected = "there is no worker 7: this runtime has 1")]
fn a_worker_that_is_not_there_is_an_error() {
    let _ = current().metrics().worker_total_busy_duration(7);
}

#[test]
#[should_panic(expected = "there is no bucket 1000")]
fn a_bucket_that_is_not_there_is_an_error() {
    let _ = current().metrics().poll_time_histogram_bucket_range(1000);
}

#[test]
fn metrics_outlive_their_runtime() {
    within(SOON, || {
        let runtime = multi(1);
        runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
        let metrics = runtime.metrics();
        drop(runtime);
        assert_eq!(metrics.snapshot().spawned_tasks, 1);
        assert_eq!(metrics.snapshot().workers.len(), 1);
        let busy = metrics.worker_total_busy_duration(0);
        assert_eq!(metrics.worker_total_busy_duration(0), busy);
    });
}

#[test]
fn closures_and_panics_are_counted() {
    on_each_flavor(async |runtime| {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let change = change(runtime, async {
            let panicking = runtime.spawn_blocking(|| panic!("of a closure"));
            assert!(panicking.await.unwrap_err().is_panic());
            for _ in 0..3 {
                runtime.spawn_blocking(|| ()).await.unwrap();
            }
            runtime.spawn_blocking(move || _ = wait.recv());
            assert!(rt::spawn(async { panic!("of a task") }).await.unwrap_err().is_panic());
            // A closure is counted just after its end is known.
            while runtime.metrics().finished_blocking_count() < 4 {
                rt::task::yield_now().await;
            }
        })
        .await;
        assert_eq!((change.spawned_blocking, change.finished_blocking, change.panicked_blocking), (5, 4, 1));
        assert_eq!(change.panicked_tasks, 1);
        let text = change.to_string();
        assert!(text.contains("5 spawned, 4 finished, 1 panicked") && text.contains("1 panicked; global"), "{text}");
        drop(release);
    });
}

#[test]
fn a_worker_that_wakes_tasks_of_another_runtime_counts_them() {
    within(SOON, || {
        let (here, there) = (unwatched(1), unwatched(1));
        let handle = there.handle().clone();
        let task = here.spawn(async move {
            for _ in 0..10 {
                handle.spawn(async {});
            }
            drop(rt::spawn(async {}));
        });
        here.block_on(task).unwrap();
        let own = &here.metrics().snapshot().workers[0];
        assert_eq!((own.remote_schedules, own.local_schedules), (10, 1));
        assert_eq!(here.metrics().worker_remote_schedule_count(0), 10);
        assert_eq!(there.metrics().remote_schedule_count(), 10);
        assert_eq!(there.metrics().worker_remote_schedule_count(0), 0);
    });
}

#[test]
fn what_a_stuck_worker_leaves_to_others_is_counted() {
    within(SOON, || {
        let runtime = multi(1);
        let task = runtime.spawn(async {
            rt::task::block_in_place(|| drop(rt::spawn(async {})));
        });
        runtime.block_on(task).unwrap();
        let snapshot = runtime.metrics().snapshot();
        assert_eq!(total(&snapshot, |worker| worker.remote_schedules), 1, "{snapshot}");
    });
}

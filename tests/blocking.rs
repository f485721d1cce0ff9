//! Closures that block: that all of them run, on how many threads, and what becomes of those that are aborted.

mod support;

use rt::runtime::{Builder, Runtime};
use rt::task::{JoinHandle, spawn_blocking};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, within};

/// Runs `test` on a runtime of each kind, with so many threads for closures at most.
#[track_caller]
fn on_each_flavor(threads: usize, test: impl Fn(&Runtime) + Send + 'static) {
    within(4 * SOON, move || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let built = builder.worker_threads(2).max_blocking_threads(threads).enable_all().build();
            test(&built.expect("build a runtime"));
        }
    });
}

/// Keeps all threads that closures can have busy until the gate is opened.
fn occupy(runtime: &Runtime, threads: usize) -> (Gate, OpenOnDrop) {
    let gate = Gate::new();
    for _ in 0..threads {
        let passes = gate.clone();
        runtime.spawn_blocking(move || passes.pass());
    }
    gate.await_waiting(threads);
    (gate.clone(), OpenOnDrop(gate))
}

// All of them run.

#[test]
fn a_hundred_thousand_closures_all_run_on_few_threads() {
    on_each_flavor(512, |runtime| {
        const CLOSURES: usize = 100_000;
        let ran = Arc::new(AtomicUsize::new(0));
        let closures: Vec<_> = (0..CLOSURES)
            .map(|number| {
                let ran = Arc::clone(&ran);
                runtime.spawn_blocking(move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    number
                })
            })
            .collect();
        runtime.block_on(async {
            for (number, closure) in closures.into_iter().enumerate() {
                assert_eq!(closure.await.unwrap(), number);
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), CLOSURES);
        let threads = runtime.metrics().num_blocking_threads();
        // Some, and one now and then while another program has the processors.
        assert!(threads < 128, "{threads} threads for closures that are short");
    });
}

#[test]
fn sixteen_threads_that_submit_at_once_get_all_their_closures_run() {
    on_each_flavor(512, |runtime| {
        let (start, ran) = (Barrier::new(16), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..200 {
                        let closures: Vec<JoinHandle<usize>> =
                            (0..16).map(|number| runtime.spawn_blocking(move || number)).collect();
                        for (number, closure) in closures.into_iter().enumerate() {
                            assert_eq!(runtime.handle().block_on(closure).unwrap(), number);
                            ran.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), 16 * 200 * 16);
    });
}

#[test]
fn closures_that_come_one_by_one_are_never_left_waiting() {
    on_each_flavor(2, |runtime| {
        runtime.block_on(async {
            for round in 0..20_000 {
                assert_eq!(spawn_blocking(move || round).await.unwrap(), round);
                if round % 1000 == 0 {
                    // Long enough for the threads to go to sleep.
                    rt::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    });
}

#[test]
fn bursts_of_closures_that_block_are_never_left_waiting() {
    on_each_flavor(512, |runtime| {
        for round in 0..100 {
            let meet = Arc::new(Barrier::new(8));
            let closures: Vec<_> = (0..8)
                .map(|_| {
                    let meet = Arc::clone(&meet);
                    runtime.spawn_blocking(move || _ = meet.wait())
                })
                .collect();
            closures.into_iter().for_each(|closure| runtime.block_on(closure).unwrap());
            if round % 10 == 0 {
                thread::sleep(Duration::from_micros(100));
            }
        }
    });
}

#[test]
fn closures_run_in_the_order_in_which_they_were_spawned_where_there_is_one_thread() {
    on_each_flavor(1, |runtime| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let closures: Vec<_> = (0..1000)
            .map(|number| {
                let order = Arc::clone(&order);
                runtime.spawn_blocking(move || order.lock().unwrap().push(number))
            })
            .collect();
        closures.into_iter().for_each(|closure| runtime.block_on(closure).unwrap());
        assert!(order.lock().unwrap().iter().copied().eq(0..1000));
        assert_eq!(runtime.metrics().num_blocking_threads(), 1);
    });
}

// On how many threads.

#[test]
fn closures_that_wait_for_each_other_all_begin_up_to_the_limit() {
    for threads in [1, 2, 3, 8, 64] {
        on_each_flavor(threads, move |runtime| {
            for _ in 0..3 {
                let meet = Arc::new(Barrier::new(threads));
                let closures: Vec<_> = (0..threads)
                    .map(|_| {
                        let meet = Arc::clone(&meet);
                        runtime.spawn_blocking(move || _ = meet.wait())
                    })
                    .collect();
                closures.into_iter().for_each(|closure| runtime.block_on(closure).unwrap());
            }
            assert_eq!(runtime.metrics().num_blocking_threads(), threads);
        });
    }
}

#[test]
fn a_closure_that_waits_for_one_behind_many_others_gets_it() {
    on_each_flavor(2, |runtime| {
        let (done, is_done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (awaited, ran) = (Arc::clone(&done), Arc::clone(&is_done));
        let waits = runtime.spawn_blocking(move || eventually(SOON, || awaited.load(Ordering::SeqCst)));
        for _ in 0..10_000 {
            let ran = Arc::clone(&ran);
            runtime.spawn_blocking(move || ran.fetch_add(1, Ordering::SeqCst));
        }
        runtime.spawn_blocking(move || done.store(true, Ordering::SeqCst));
        runtime.block_on(waits).unwrap();
        assert_eq!(is_done.load(Ordering::SeqCst), 10_000);
    });
}

#[test]
fn closures_that_spin_until_others_have_begun_are_joined_by_them() {
    on_each_flavor(6, |runtime| {
        let begun = Arc::new(AtomicUsize::new(0));
        let closures: Vec<_> = (0..6)
            .map(|_| {
                let begun = Arc::clone(&begun);
                // They compute, as far as the system can tell.
                runtime.spawn_blocking(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    while begun.load(Ordering::SeqCst) < 6 {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        closures.into_iter().for_each(|closure| runtime.block_on(closure).unwrap());
    });
}

#[test]
fn no_more_closures_run_at_once_than_there_may_be_threads() {
    on_each_flavor(3, |runtime| {
        let (gate, _open) = occupy(runtime, 3);
        let metrics = runtime.metrics();
        let fourth = runtime.spawn_blocking(|| {});
        assert_eq!(metrics.blocking_queue_depth(), 1);
        assert!(!fourth.is_finished());
        assert_eq!((metrics.num_blocking_threads(), metrics.num_idle_blocking_threads()), (3, 0));
        gate.open();
        runtime.block_on(fourth).unwrap();
        eventually(SOON, || metrics.num_idle_blocking_threads() == 3);
        assert_eq!(metrics.num_blocking_threads(), 3);
    });
}

#[test]
fn closures_that_do_not_meet_share_a_thread() {
    on_each_flavor(512, |runtime| {
        let threads: HashSet<_> = runtime.block_on(async {
            let mut threads = HashSet::new();
            for _ in 0..1000 {
                threads.insert(spawn_blocking(|| thread::current().id()).await.unwrap());
            }
            threads
        });
        assert!(threads.len() <= 32, "{} threads for one closure at a time", threads.len());
    });
}

#[test]
fn threads_that_have_nothing_to_do_end_after_their_keep_alive_time_and_others_come_for_what_follows() {
    within(4 * SOON, || {
        let keep_alive = Duration::from_millis(5);
        let built = Builder::new_current_thread().thread_keep_alive(keep_alive).enable_all().build();
        let runtime = built.expect("build a runtime");
        for _ in 0..5 {
            let (gate, _open) = occupy(&runtime, 4);
            gate.open();
            eventually(SOON, || runtime.metrics().num_blocking_threads() == 0);
            assert_eq!(runtime.metrics().num_idle_blocking_threads(), 0);
        }
    });
}

#[test]
fn a_closure_can_spawn_closures_and_wait_for_them() {
    fn tree(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let handle = rt::runtime::Handle::current();
        let branches = [0, 1].map(|_| spawn_blocking(move || tree(depth - 1)));
        branches.into_iter().map(|branch| handle.block_on(branch).unwrap()).sum()
    }
    on_each_flavor(64, |runtime| {
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| tree(4))).unwrap(), 16);
    });
}

// Aborted.

#[test]
fn an_aborted_closure_that_has_not_begun_never_runs_and_is_dropped_when_its_turn_comes() {
    on_each_flavor(1, |runtime| {
        let (gate, _open) = occupy(runtime, 1);
        let (counter, ran) = (DropCounter::new(), Arc::new(AtomicUsize::new(0)));
        let closures: Vec<_> = (0..100)
            .map(|_| {
                let (guard, ran) = (counter.guard(), Arc::clone(&ran));
                runtime.spawn_blocking(move || {
                    let _guard = guard;
                    ran.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let last = runtime.spawn_blocking(|| "last");
        closures.iter().for_each(JoinHandle::abort);
        gate.open();
        for closure in closures {
            assert!(runtime.block_on(closure).unwrap_err().is_cancelled());
        }
        assert_eq!(counter.drops(), 100);
        assert_eq!(runtime.block_on(last).unwrap(), "last");
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_closure_whose_abort_meets_its_beginning_runs_or_is_dropped_and_its_handle_says_which() {
    on_each_flavor(4, |runtime| {
        for _ in 0..2000 {
            let (counter, ran) = (DropCounter::new(), Arc::new(AtomicBool::new(false)));
            let (guard, runs) = (counter.guard(), Arc::clone(&ran));
            let closure = runtime.spawn_blocking(move || {
                let _guard = guard;
                runs.store(true, Ordering::SeqCst);
            });
            closure.abort();
            let result = runtime.block_on(closure);
            assert_eq!(result.is_ok(), ran.load(Ordering::SeqCst));
            assert!(result.is_ok() || result.unwrap_err().is_cancelled());
            assert_eq!(counter.drops(), 1);
        }
    });
}

#[test]
fn a_closure_that_panics_costs_no_thread() {
    on_each_flavor(1, |runtime| {
        let id = || runtime.block_on(runtime.spawn_blocking(|| thread::current().id())).unwrap();
        let before = id();
        let panicking: JoinHandle<()> = runtime.spawn_blocking(|| panic!("the closure has failed"));
        assert!(runtime.block_on(panicking).unwrap_err().is_panic());
        assert_eq!(id(), before);
    });
}

#[test]
fn a_shutdown_that_meets_submitters_forgets_no_closure() {
    for runtime in [current, || multi(2)] {
        within(4 * SOON, move || {
            for _ in 0..50 {
                let (runtime, counter) = (runtime(), DropCounter::new());
                let start = Arc::new(Barrier::new(5));
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        let (start, counter, handle) = (Arc::clone(&start), counter.clone(), runtime.handle().clone());
                        thread::spawn(move || {
                            start.wait();
                            let spawn = |_| {
                                let guard = counter.guard();
                                handle.spawn_blocking(move || drop(guard))
                            };
                            (0..100).map(spawn).collect::<Vec<_>>()
                        })
                    })
                    .collect();
                start.wait();
                drop(runtime);
                let closures = threads.into_iter().flat_map(|thread| thread.join().expect("a submitter"));
                for closure in closures {
                    eventually(SOON, || closure.is_finished());
                }
                assert_eq!(counter.drops(), 400);
            }
        });
    }
}

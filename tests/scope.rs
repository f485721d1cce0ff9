//! Structured concurrency: what a scope waits for, what cancels it, and what it gives.

mod support;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use rt::runtime::{Builder, Handle, Runtime};
use rt::sync::{Notify, oneshot};
use rt::task::{Failure, Scope, ScopeBuilder, ScopedJoinHandle, TryScope, scope, supervise, try_scope, yield_now};
use rt::time::{sleep, timeout};
use support::{
    DropCounter, Gate, OpenOnDrop, SOON, count, counter, current, eventually, multi, panic_message, text_of, until,
    within,
};

const LONG: Duration = Duration::from_secs(3600);

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(4 * SOON, move || [current(), multi(1), multi(2)].iter().for_each(test));
}

/// As `on_each_flavor`, for a test that is a future.
#[track_caller]
fn each<F: Future<Output = ()>>(test: impl Fn() -> F + Send + 'static) {
    on_each_flavor(move |runtime| runtime.block_on(test()));
}

/// Never ends by itself, and holds a guard.
async fn hold<T, G>(guard: G) -> T {
    let _guard = guard;
    pending().await
}

/// Blocks its thread for a moment when it is dropped, and then counts.
struct SlowDrop(Arc<AtomicUsize>);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(20));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct PanicOnDrop(&'static str);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any(self.0);
        }
    }
}

/// Awaits `future`, and gives the text of the panic that it must end with.
async fn panic_of<T>(future: impl Future<Output = T>) -> String {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(_) => panic!("a panic was expected"),
        Err(payload) => text_of(&*payload),
    }
}

// What a scope waits for.

#[test]
fn a_scope_gives_what_its_body_returns() {
    each(|| async {
        assert_eq!(scope(async |_| 7).await, 7);
        assert_eq!(try_scope(async |_| Ok::<_, ()>(7)).await, Ok(7));
        assert_eq!(supervise(async |_: TryScope<()>| 7).await.0, 7);
    });
}

#[test]
fn a_scope_waits_for_children_that_nobody_joins() {
    each(|| async {
        let ended = counter();
        scope(async |scope| {
            for _ in 0..100 {
                let ended = ended.clone();
                scope.spawn(async move {
                    yield_now().await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        })
        .await;
        assert_eq!(count(&ended), 100);
    });
}

#[test]
fn a_body_may_borrow_and_a_plain_closure_will_do() {
    each(|| async {
        let mut names = vec![String::from("borrowed")];
        scope(async |scope| names.push(scope.spawn(async { String::from("given back") }).await.unwrap())).await;
        assert_eq!(names, ["borrowed", "given back"]);
        let body = |scope: Scope| {
            let child = scope.spawn(async { 3 });
            async move { child.await.unwrap() + names.len() }
        };
        assert_eq!(scope(body).await, 5);
    });
}

#[test]
fn values_come_back_through_handles() {
    each(|| async {
        let values = scope(async |scope| {
            let children: Vec<_> = (0..10).map(|value| scope.spawn(async move { vec![value] })).collect();
            let mut values = Vec::new();
            for child in children {
                values.extend(child.await.unwrap());
            }
            values
        });
        assert_eq!(values.await, Vec::from_iter(0..10));
    });
}

#[test]
fn a_handle_can_be_awaited_after_its_scope() {
    each(|| async {
        let child = scope(async |scope| scope.spawn(async { "kept" })).await;
        assert!(child.is_finished());
        assert_eq!(child.await.unwrap(), "kept");
    });
}

#[test]
fn a_scope_waits_for_children_of_children_and_for_siblings_that_they_spawn() {
    each(|| async {
        let ended = counter();
        fn family(scope: &Scope, depth: usize, ended: &Arc<AtomicUsize>) {
            for _ in 0..3 {
                let (siblings, ended) = (scope.clone(), ended.clone());
                scope.spawn(async move {
                    yield_now().await;
                    if depth > 0 {
                        family(&siblings, depth - 1, &ended);
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        scope(async |scope| family(&scope, 3, &ended)).await;
        assert_eq!(count(&ended), 3 + 9 + 27 + 81);
    });
}

#[test]
fn ten_thousand_children_end_before_their_scope() {
    each(|| async {
        let drops = DropCounter::new();
        let sum = counter();
        scope(async |scope| {
            for n in 0..10_000 {
                let (guard, sum) = (drops.guard(), sum.clone());
                scope.spawn(async move {
                    let _guard = guard;
                    yield_now().await;
                    sum.fetch_add(n, Ordering::SeqCst);
                });
            }
        })
        .await;
        assert_eq!((drops.drops(), count(&sum)), (10_000, 10_000 * 9_999 / 2));
    });
}

#[test]
fn a_scope_does_not_grow_with_children_that_have_ended() {
    each(|| async {
        let most = Arc::new(AtomicUsize::new(0));
        scope(async |scope| {
            for _ in 0..1_000 {
                let children: Vec<_> = (0..100).map(|_| scope.spawn(async {})).collect();
                most.fetch_max(scope.len(), Ordering::SeqCst);
                for child in children {
                    child.await.unwrap();
                }
            }
            assert!(scope.is_empty());
        })
        .await;
        assert!(count(&most) <= 100);
    });
}

#[test]
fn a_value_that_nobody_wants_is_dropped_before_the_scope_ends() {
    each(|| async {
        for _ in 0..3 {
            let drops = counter();
            scope(async |scope| {
                let drops = drops.clone();
                scope.spawn(async move { SlowDrop(drops) });
            })
            .await;
            assert_eq!(count(&drops), 1);
        }
    });
}

#[test]
fn a_panic_of_a_value_that_nobody_wants_is_contained() {
    each(|| async {
        scope(async |scope| {
            scope.spawn(async {
                yield_now().await;
                PanicOnDrop("unwanted")
            });
            let child = scope.spawn(async { PanicOnDrop("unwanted") });
            until(|| child.is_finished()).await;
            drop(child);
        })
        .await;
    });
}

#[test]
fn a_closure_that_blocks_is_waited_for() {
    each(|| async {
        let ended = Arc::new(AtomicBool::new(false));
        let sum = scope(async |scope| {
            let (first, ended) = (scope.spawn_blocking(|| 40), ended.clone());
            scope.spawn_blocking(move || {
                std::thread::sleep(Duration::from_millis(20));
                ended.store(true, Ordering::SeqCst);
            });
            first.await.unwrap() + 2
        })
        .await;
        assert_eq!((sum, ended.load(Ordering::SeqCst)), (42, true));
    });
}

#[test]
fn a_closure_that_has_begun_is_waited_for_by_a_cancelled_scope() {
    each(|| async {
        let ended = counter();
        let result: Result<(), _> = try_scope(async |scope| {
            let (begun, has_begun) = oneshot::channel();
            let guard = SlowDrop(ended.clone());
            scope.spawn_blocking(move || {
                let _guard = guard;
                begun.send(()).unwrap();
                Ok(())
            });
            has_begun.await.unwrap();
            Err("the body")
        })
        .await;
        assert_eq!((result, count(&ended)), (Err("the body"), 1));
    });
}

#[test]
fn a_closure_that_has_not_begun_is_dropped_by_the_cancelling() {
    within(SOON, || {
        let runtime = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let inside = gate.clone();
        let occupying = runtime.spawn_blocking(move || inside.pass());
        gate.await_waiting(1);
        let drops = DropCounter::new();
        runtime.block_on(async {
            scope(async |scope| {
                let guard = drops.guard();
                scope.spawn_blocking(move || drop(guard));
                scope.cancel();
                gate.open();
            })
            .await;
            assert_eq!(drops.drops(), 1);
            occupying.await.unwrap();
        });
    });
}

// Errors.

#[test]
fn the_error_of_a_child_cancels_siblings_and_body_and_is_what_the_scope_returns() {
    each(|| async {
        let drops = DropCounter::new();
        let result: Result<(), _> = try_scope(async |scope| {
            let _in_body = drops.guard();
            for _ in 0..10 {
                scope.spawn(hold::<Result<(), _>, _>(drops.guard()));
            }
            scope.spawn(async {
                yield_now().await;
                Err::<(), _>("out of paper")
            });
            pending().await
        })
        .await;
        assert_eq!((result, drops.drops()), (Err("out of paper"), 11));
    });
}

#[test]
fn the_error_of_the_body_cancels_the_children() {
    each(|| async {
        let drops = DropCounter::new();
        let result: Result<(), _> = try_scope(async |scope| {
            for _ in 0..10 {
                scope.spawn(hold::<Result<(), _>, _>(drops.guard()));
            }
            Err("the body")?;
            unreachable!()
        })
        .await;
        assert_eq!((result, drops.drops()), (Err("the body"), 10));
    });
}

#[test]
fn an_error_after_the_body_has_ended_is_what_the_scope_returns() {
    each(|| async {
        let drops = DropCounter::new();
        let output = drops.guard();
        let result = try_scope(async |scope| {
            scope.spawn(async {
                sleep(Duration::from_millis(5)).await;
                Err::<(), _>("late")
            });
            Ok(output)
        })
        .await;
        assert_eq!((result.map(drop), drops.drops()), (Err("late"), 1));
    });
}

#[test]
fn one_of_several_errors_wins_and_the_others_are_dropped() {
    each(|| async {
        let errors = DropCounter::new();
        let result: Result<(), _> = try_scope(async |scope| {
            for _ in 0..100 {
                let error = errors.guard();
                scope.spawn(async move {
                    yield_now().await;
                    Err::<(), _>(error)
                });
            }
            pending().await
        })
        .await;
        let winner = result.unwrap_err();
        assert_eq!(errors.drops(), 99);
        drop(winner);
        assert_eq!(errors.drops(), 100);
    });
}

#[test]
fn whoever_awaits_a_child_that_fails_does_not_win_over_it() {
    each(|| async {
        for _ in 0..100 {
            let result: Result<(), _> = try_scope(async |scope| {
                let failing = scope.spawn(async {
                    yield_now().await;
                    Err::<(), _>("the cause")
                });
                // If it comes so far, it panics.
                failing.await.unwrap();
                Ok(())
            })
            .await;
            assert_eq!(result, Err("the cause"));
        }
    });
}

#[test]
fn errors_are_converted_by_the_question_mark() {
    #[derive(Debug)]
    struct Wrapped(#[allow(dead_code)] std::num::ParseIntError);
    impl From<std::num::ParseIntError> for Wrapped {
        fn from(error: std::num::ParseIntError) -> Self {
            Wrapped(error)
        }
    }
    each(|| async {
        let result: Result<i32, Wrapped> = try_scope(async |scope| {
            let number = scope.spawn(async { Ok("12".parse::<i32>()?) });
            let number = number.await.unwrap();
            Ok(number + "30".parse::<i32>()?)
        })
        .await;
        assert_eq!(result.unwrap(), 42);
    });
}

#[test]
fn a_blocking_child_can_fail_too() {
    each(|| async {
        let result: Result<(), _> = try_scope(async |scope| {
            scope.spawn_blocking(|| Err::<(), _>("no such file"));
            pending().await
        })
        .await;
        assert_eq!(result, Err("no such file"));
        let panicked = scope(async |scope| drop(scope.spawn_blocking(|| panic!("in a closure"))));
        assert_eq!(panic_of(panicked).await, "in a closure");
    });
}

// Panics.

#[test]
fn the_panic_of_a_child_is_raised_in_the_parent_when_all_have_ended() {
    each(|| async {
        let drops = DropCounter::new();
        let slow = counter();
        let panicked = scope(async |scope| {
            let _in_body = drops.guard();
            scope.spawn(hold::<(), _>(drops.guard()));
            scope.spawn(hold::<(), _>(SlowDrop(slow.clone())));
            scope.spawn(async { panic!("a child panics") });
            pending::<()>().await;
        });
        assert_eq!(panic_of(panicked).await, "a child panics");
        assert_eq!((drops.drops(), count(&slow)), (2, 1));
    });
}

#[test]
fn what_a_child_panics_with_is_kept() {
    each(|| async {
        let panicked = AssertUnwindSafe(scope(async |scope| drop(scope.spawn(async { panic_any(vec![1, 2, 3]) }))));
        let payload = panicked.catch_unwind().await.unwrap_err();
        assert_eq!(*payload.downcast::<Vec<i32>>().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn the_panic_of_the_body_cancels_the_children_and_waits_for_them() {
    each(|| async {
        let drops = DropCounter::new();
        let slow = counter();
        let panicked = scope(async |scope| {
            scope.spawn(hold::<(), _>(drops.guard()));
            scope.spawn(hold::<(), _>(SlowDrop(slow.clone())));
            yield_now().await;
            panic!("the body panics");
        });
        assert_eq!(panic_of(panicked).await, "the body panics");
        assert_eq!((drops.drops(), count(&slow)), (1, 1));
        // Before there even is a future of it.
        let panicked = scope(|scope: Scope| -> std::future::Ready<()> {
            scope.spawn(hold::<(), _>(drops.guard()));
            panic!("the call panics");
        });
        assert_eq!(panic_of(panicked).await, "the call panics");
        assert_eq!(drops.drops(), 2);
    });
}

#[test]
fn a_panic_in_the_drop_of_an_aborted_child_is_raised_in_the_parent() {
    each(|| async {
        let panicked = scope(async |scope| {
            scope.spawn(hold::<(), _>(PanicOnDrop("dropped")));
            yield_now().await;
            scope.cancel();
        });
        assert_eq!(panic_of(panicked).await, "dropped");
        let panicked = scope(async |scope| {
            scope.spawn(async {
                let _guard = PanicOnDrop("dropped at the end");
            });
        });
        assert_eq!(panic_of(panicked).await, "dropped at the end");
    });
}

#[test]
fn what_fails_first_wins_over_panics_of_the_tidying_up() {
    each(|| async {
        let result: Result<(), _> = try_scope(async |scope| {
            let _in_body = PanicOnDrop("in the body");
            scope.spawn(hold::<Result<(), &str>, _>(PanicOnDrop("in a child")));
            scope.spawn(async {
                yield_now().await;
                Err::<(), _>("the cause")
            });
            pending().await
        })
        .await;
        assert_eq!(result, Err("the cause"));
    });
}

#[test]
fn a_parent_task_reports_the_panic_of_its_scope() {
    on_each_flavor(|runtime| {
        let parent = runtime.spawn(scope(async |scope| drop(scope.spawn(async { panic!("deep down") }))));
        let error = runtime.block_on(parent).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "deep down");
    });
}

// Aborting one child.

#[test]
fn aborting_one_child_leaves_the_others() {
    each(|| async {
        let drops = DropCounter::new();
        let sum = scope(async |scope| {
            let aborted = scope.spawn(hold::<i32, _>(drops.guard()));
            let other = scope.spawn(async { 7 });
            aborted.abort();
            let error = aborted.await.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            let handle = scope.spawn(hold::<(), _>(drops.guard())).abort_handle();
            handle.abort();
            assert!(!scope.is_cancelled());
            other.await.unwrap()
        })
        .await;
        assert_eq!((sum, drops.drops()), (7, 2));
    });
}

// Cancelling.

#[test]
fn cancel_ends_the_children_and_leaves_the_body() {
    each(|| async {
        let drops = DropCounter::new();
        let output = scope(async |scope| {
            let children: Vec<_> = (0..10).map(|_| scope.spawn(hold::<(), _>(drops.guard()))).collect();
            assert!(!scope.is_cancelled());
            scope.cancel();
            scope.cancel();
            assert!(scope.is_cancelled());
            for child in children {
                assert!(child.await.unwrap_err().is_cancelled());
            }
            yield_now().await;
            "the body's"
        })
        .await;
        assert_eq!((output, drops.drops()), ("the body's", 10));
    });
}

#[test]
fn a_child_can_cancel_its_scope() {
    each(|| async {
        let drops = DropCounter::new();
        scope(async |scope| {
            scope.spawn(hold::<(), _>(drops.guard()));
            let own = scope.clone();
            scope.spawn(async move { own.cancel() });
        })
        .await;
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_child_that_is_spawned_in_a_cancelled_scope_never_begins() {
    each(|| async {
        let begun = counter();
        let drops = DropCounter::new();
        let leaked = scope(async |scope| {
            scope.cancel();
            let (guard, begun) = (drops.guard(), begun.clone());
            let refused = scope.spawn(async move {
                let _guard = guard;
                begun.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(drops.drops(), 1);
            assert!(refused.await.unwrap_err().is_cancelled());
            assert!(scope.spawn_blocking(|| ()).await.unwrap_err().is_cancelled());
            scope
        })
        .await;
        assert_eq!((leaked.len(), count(&begun)), (0, 0));
    });
}

#[test]
fn a_handle_that_outlives_its_scope_refuses() {
    each(|| async {
        let leaked = scope(async |scope| scope).await;
        let child = leaked.spawn(async {});
        assert!(child.is_finished());
        assert!(child.await.unwrap_err().is_cancelled());
        assert!(leaked.is_cancelled());
        leaked.cancelled().await;
        leaked.cancel();
    });
}

#[test]
fn a_scope_that_is_cancelled_waits_for_a_child_in_the_middle_of_a_poll() {
    within(SOON, || {
        let runtime = multi(2);
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let (inside, cancelled) = (gate.clone(), Arc::new(AtomicBool::new(false)));
        let has_cancelled = cancelled.clone();
        let parent = runtime.spawn(scope(async move |scope| {
            let child = inside.clone();
            scope.spawn(async move {
                child.pass();
                pending::<()>().await;
            });
            until(|| inside.waiting() == 1).await;
            scope.cancel();
            has_cancelled.store(true, Ordering::SeqCst);
        }));
        eventually(SOON, || cancelled.load(Ordering::SeqCst));
        for _ in 0..100 {
            assert!(!parent.is_finished());
            std::thread::yield_now();
        }
        gate.open();
        runtime.block_on(parent).unwrap();
    });
}

#[test]
fn a_scope_that_is_cancelled_waits_for_the_drop_of_its_children() {
    each(|| async {
        let drops = counter();
        scope(async |scope| {
            for _ in 0..3 {
                scope.spawn(hold::<(), _>(SlowDrop(drops.clone())));
            }
            yield_now().await;
            scope.cancel();
        })
        .await;
        assert_eq!(count(&drops), 3);
    });
}

#[test]
fn children_can_wait_for_the_cancelling_and_leave_nothing_behind() {
    each(|| async {
        let told = counter();
        ScopeBuilder::new()
            .grace(LONG)
            .scope(async |scope| {
                for _ in 0..10 {
                    let (own, told) = (scope.clone(), told.clone());
                    scope.spawn(async move {
                        // One that waits again and again.
                        for _ in 0..10 {
                            let _ = select(pin!(own.cancelled()), pin!(yield_now())).await;
                        }
                        own.cancelled().await;
                        assert!(own.is_cancelled());
                        told.fetch_add(1, Ordering::SeqCst);
                    });
                }
                yield_now().await;
                scope.cancel();
            })
            .await;
        assert_eq!(count(&told), 10);
    });
}

#[test]
fn after_their_grace_children_are_aborted() {
    each(|| async {
        let drops = DropCounter::new();
        let polite = counter();
        ScopeBuilder::new()
            .grace(Duration::from_millis(500))
            .scope(async |scope| {
                let (own, done) = (scope.clone(), polite.clone());
                scope.spawn(async move {
                    own.cancelled().await;
                    // Help is to be had.
                    own.spawn(async {}).await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                });
                scope.spawn(hold::<(), _>(drops.guard()));
                scope.cancel();
            })
            .await;
        assert_eq!((count(&polite), drops.drops()), (1, 1));
    });
}

#[test]
fn a_failure_gives_the_others_their_grace_too() {
    each(|| async {
        let saved = counter();
        let result: Result<(), _> = ScopeBuilder::new()
            .grace(LONG)
            .try_scope(async |scope| {
                let (own, done) = (scope.clone(), saved.clone());
                scope.spawn(async move {
                    own.cancelled().await;
                    yield_now().await;
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                });
                scope.spawn(async { Err::<(), _>("the cause") });
                scope.cancelled().await;
                saved.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
            .await;
        assert_eq!((result, count(&saved)), (Err("the cause"), 2));
    });
}

#[test]
fn a_grace_of_nothing_is_none_and_one_for_ever_is_allowed() {
    each(|| async {
        let builder = ScopeBuilder::new().grace(Duration::ZERO);
        let drops = DropCounter::new();
        builder
            .scope(async |scope| {
                scope.spawn(hold::<(), _>(drops.guard()));
                scope.cancel();
            })
            .await;
        assert_eq!(drops.drops(), 1);
        let builder = ScopeBuilder::new().grace(Duration::MAX);
        builder
            .scope(async |scope| {
                let own = scope.clone();
                scope.spawn(async move { own.cancelled().await });
                scope.cancel();
            })
            .await;
    });
}

// The end of the parent.

#[test]
fn aborting_the_parent_aborts_children_and_grandchildren() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let begun = counter();
        let (guards, started) = ([(); 3].map(|()| drops.guard()), begun.clone());
        let parent = runtime.spawn(scope(async move |outer| {
            let [first, second, third] = guards;
            outer.spawn(scope(async move |inner| {
                inner.spawn(async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    hold::<(), _>(first).await;
                });
                hold::<(), _>(second).await;
            }));
            hold::<(), _>(third).await;
        }));
        runtime.block_on(until(|| count(&begun) == 1));
        parent.abort();
        assert!(runtime.block_on(parent).unwrap_err().is_cancelled());
        runtime.block_on(until(|| drops.drops() == 3));
    });
}

#[test]
fn a_timeout_around_a_scope_aborts_its_children() {
    each(|| async {
        let drops = DropCounter::new();
        let limited = timeout(
            Duration::from_millis(5),
            scope(async |scope| {
                scope.spawn(hold::<(), _>(drops.guard()));
                pending::<()>().await;
            }),
        );
        assert!(limited.await.is_err());
        until(|| drops.drops() == 1).await;
    });
}

#[test]
fn a_scope_that_loses_a_select_aborts_its_children() {
    each(|| async {
        let drops = DropCounter::new();
        let body = async |scope: Scope| {
            scope.spawn(hold::<(), _>(drops.guard()));
            pending::<()>().await;
        };
        match select(pin!(scope(body)), pin!(yield_now())).await {
            Either::Left(_) => panic!("the body never ends"),
            Either::Right(_) => {}
        }
        until(|| drops.drops() == 1).await;
    });
}

#[test]
fn a_scope_that_is_dropped_before_it_was_polled_has_done_nothing() {
    each(|| async {
        let called = Cell::new(false);
        drop(scope(async |_| called.set(true)));
        assert!(!called.get());
    });
}

#[test]
fn the_children_of_a_scope_that_nobody_polls_or_drops_go_on() {
    each(|| async {
        let ended = counter();
        let finish = Arc::new(Notify::new());
        let (done, told) = (ended.clone(), finish.clone());
        let mut forgotten = Box::pin(scope(async move |scope| {
            scope.spawn(async move {
                told.notified().await;
                done.fetch_add(1, Ordering::SeqCst);
            });
            pending::<()>().await;
        }));
        poll_fn(|cx| {
            assert!(forgotten.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // As if it had been forgotten, but for those who look for leaks.
        finish.notify_one();
        until(|| count(&ended) == 1).await;
        drop(forgotten);
    });
}

#[test]
fn a_runtime_that_shuts_down_ends_the_scopes_in_its_tasks() {
    for make in [current, || multi(2)] {
        within(SOON, move || {
            let runtime = make();
            let drops = DropCounter::new();
            let guards = [drops.guard(), drops.guard()];
            let begun = counter();
            let started = begun.clone();
            let parent = runtime.spawn(scope(async move |scope| {
                let [first, second] = guards;
                scope.spawn(async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    hold::<(), _>(first).await;
                });
                hold::<(), _>(second).await;
            }));
            runtime.block_on(until(|| count(&begun) == 1));
            drop(runtime);
            assert_eq!(drops.drops(), 2);
            assert!(parent.is_finished());
        });
    }
}

#[test]
fn children_of_a_runtime_that_has_shut_down_are_cancelled_and_their_scope_ends() {
    within(SOON, || {
        let (other, waiting) = (multi(1), current());
        let (give, take) = oneshot::channel::<Scope>();
        let mut parent = Box::pin(scope(async move |scope| {
            let child = scope.spawn(pending::<()>());
            give.send(scope).unwrap();
            child.await.unwrap_err().is_cancelled()
        }));
        // Its children run on the runtime where it was polled first.
        other.block_on(async {
            assert!(poll_fn(|cx| Poll::Ready(parent.as_mut().poll(cx).is_pending())).await);
        });
        drop(other);
        assert!(waiting.block_on(parent));
        let refused = waiting.block_on(async { take.await.unwrap().spawn(async {}).await });
        assert!(refused.unwrap_err().is_cancelled());
    });
}

// Where a scope can be used.

#[test]
fn a_scope_outside_a_runtime_says_what_is_missing() {
    let mut future = pin!(scope(async |_| ()));
    let message = panic_message(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    assert!(message.contains("there is no rt runtime on this thread"), "{message}");
}

#[test]
fn a_grace_without_timers_says_so_before_the_body_begins() {
    within(SOON, || {
        let runtime = Builder::new_current_thread().build().unwrap();
        let message = panic_message(|| {
            runtime.block_on(ScopeBuilder::new().grace(LONG).scope(async |_| unreachable!("it does not begin")))
        });
        assert!(message.contains("this runtime has no timers"), "{message}");
    });
}

#[test]
fn a_closure_for_which_the_system_refuses_a_thread_is_a_panic_and_its_scope_ends() {
    within(SOON, || {
        // No address space is that large.
        let runtime = Builder::new_current_thread().thread_stack_size(1 << 50).build().unwrap();
        let drops = DropCounter::new();
        let message = panic_message(|| {
            runtime.block_on(scope(async |scope| {
                let guard = drops.guard();
                scope.spawn(hold::<(), _>(drops.guard()));
                scope.spawn_blocking(move || drop(guard));
            }))
        });
        assert!(message.starts_with("the system refuses a thread for a blocking closure"), "{message}");
        assert_eq!(drops.drops(), 2);
    });
}

#[test]
fn a_scope_can_be_used_from_any_thread() {
    on_each_flavor(|runtime| {
        let (give, take) = mpsc::channel::<Scope>();
        let outside = std::thread::spawn(move || {
            let scope = take.recv().unwrap();
            (0..100).map(|value| scope.spawn(async move { value })).collect::<Vec<ScopedJoinHandle<i32>>>()
        });
        let sum = runtime.block_on(scope(async |scope| {
            give.send(scope).unwrap();
            let children = rt::task::spawn_blocking(|| outside.join().unwrap()).await.unwrap();
            let mut sum = 0;
            for child in children {
                sum += child.await.unwrap();
            }
            sum
        }));
        assert_eq!(sum, 4950);
    });
}

#[test]
fn what_a_scope_is_made_of_can_be_sent() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    fn assert_sync<T: Sync>() {}
    fn assert_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    assert_sync::<Scope>();
    assert_sync::<TryScope<Cell<u32>>>();
    assert_sync::<ScopedJoinHandle<Cell<u32>>>();
    assert_unwind_safe::<Scope>();
    assert_unwind_safe::<TryScope<Cell<u32>>>();
    assert_unwind_safe::<ScopedJoinHandle<Cell<u32>>>();
    let values = [1, 2, 3];
    drop(assert_send(scope(async |scope| {
        let sum = scope.spawn(async { 1 }).await.unwrap();
        scope.cancelled().await;
        sum + values.len()
    })));
    drop(assert_send(try_scope(async |scope| {
        scope.spawn(ready(Ok::<_, Cell<u32>>(1))).await.map_err(|_| Cell::new(0))
    })));
    drop(assert_send(supervise(async |_: TryScope<Cell<u32>>| ())));
}

#[test]
fn everything_prints() {
    each(|| async {
        try_scope(async |scope| {
            let child = scope.spawn(pending::<Result<(), ()>>());
            assert_eq!(format!("{scope:?}"), "Scope { children: 1, is_cancelled: false }");
            assert_eq!(format!("{child:?}"), format!("ScopedJoinHandle {{ id: {:?} }}", child.id()));
            assert!(format!("{:?}", scope.cancelled()).starts_with("Cancelled"));
            scope.cancel();
            Ok::<_, ()>(())
        })
        .await
        .unwrap();
        assert!(format!("{:?}", ScopeBuilder::new().grace(LONG)).contains("3600s"));
    });
}

// Supervisors.

#[test]
fn a_supervisor_collects_failures_and_leaves_the_others_alone() {
    each(|| async {
        let (sum, mut failures) = supervise(async |scope| {
            let children: Vec<_> = (0..10)
                .map(|value| {
                    scope.spawn(async move {
                        match value {
                            3 => Err("three"),
                            7 => panic!("seven"),
                            _ => Ok(value),
                        }
                    })
                })
                .collect();
            let mut sum = 0;
            for child in children {
                match child.await {
                    Ok(value) => sum += value,
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
            assert!(!scope.is_cancelled());
            sum
        })
        .await;
        assert_eq!(sum, 35);
        failures.sort_by_key(Failure::is_panic);
        let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["three", "a child of a scope panicked with message \"seven\""]);
        let texts: Vec<_> = failures.iter().map(|failure| format!("{failure:?}")).collect();
        assert_eq!(texts, ["Error(\"three\")", "Panic(\"seven\", ...)"]);
        assert_eq!(failures.into_iter().map(Failure::into_error).collect::<Vec<_>>(), [Some("three"), None]);
    });
}

#[test]
fn a_supervisor_gives_out_failures_while_it_runs() {
    each(|| async {
        let ((), rest) = supervise(async |scope: TryScope<u32>| {
            let _ = scope.spawn(async { Err::<(), _>(1) }).await;
            let taken: Vec<_> = scope.take_failures().into_iter().map(Failure::into_error).collect();
            assert_eq!(taken, [Some(1)]);
            let _ = scope.spawn(async { Err::<(), _>(2) }).await;
        })
        .await;
        assert_eq!(rest.into_iter().map(Failure::into_error).collect::<Vec<_>>(), [Some(2)]);
    });
}

#[test]
fn the_panic_of_a_supervisors_body_cancels_the_children() {
    each(|| async {
        let drops = DropCounter::new();
        let panicked = supervise(async |scope: TryScope<()>| {
            scope.spawn(hold::<Result<(), ()>, _>(drops.guard()));
            panic!("the supervisor panics");
        });
        assert_eq!(panic_of(panicked).await, "the supervisor panics");
        assert_eq!(drops.drops(), 1);
    });
}

// Many at once.

#[test]
fn cancelling_against_spawning_loses_nobody() {
    each(|| async {
        for round in 0..200 {
            let drops = DropCounter::new();
            scope(async |scope| {
                for spawner in 0..4 {
                    let (own, drops) = (scope.clone(), drops.clone());
                    scope.spawn(async move {
                        for _ in 0..10 {
                            own.spawn(hold::<(), _>(drops.guard()));
                            if spawner == round % 4 {
                                yield_now().await;
                            }
                        }
                        own.cancel();
                    });
                }
            })
            .await;
            assert_eq!(drops.drops(), drops.guards());
        }
    });
}

#[test]
fn errors_panics_and_aborts_at_once_end_in_one_of_them() {
    each(|| async {
        for _ in 0..50 {
            let drops = DropCounter::new();
            let run = AssertUnwindSafe(try_scope(async |scope| {
                let mut handles = Vec::new();
                for n in 0..30 {
                    let guard = drops.guard();
                    handles.push(scope.spawn(async move {
                        let _guard = guard;
                        yield_now().await;
                        match n % 3 {
                            0 => Err(n),
                            1 => panic_any(n),
                            _ => pending().await,
                        }
                    }));
                }
                handles.iter().for_each(ScopedJoinHandle::<()>::abort);
                Ok(())
            }));
            match run.catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => assert_eq!(error % 3, 0),
                Err(payload) => assert_eq!(*payload.downcast::<i32>().unwrap() % 3, 1),
            }
            assert_eq!(drops.drops(), 30);
        }
    });
}

/// A waker that cannot be cloned, as user code may well give.
#[test]
fn a_waker_that_panics_does_not_harm_the_scope() {
    use std::task::{RawWaker, RawWakerVTable};
    static CLONES_PANIC: RawWakerVTable = RawWakerVTable::new(|_| panic!("no clones"), |_| {}, |_| {}, |_| {});
    on_each_flavor(|runtime| {
        let _entered = runtime.enter();
        let drops = DropCounter::new();
        let guard = drops.guard();
        let mut future = Box::pin(scope(async move |scope| {
            scope.spawn(hold::<(), _>(guard));
            pending::<()>().await;
        }));
        // SAFETY: the functions do nothing with the pointer.
        let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &CLONES_PANIC)) };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        assert_eq!(text_of(&*polled.unwrap_err()), "no clones");
        drop(future);
        runtime.block_on(until(|| drops.drops() == 1));
    });
}

#[test]
fn a_child_that_runs_on_a_dropped_scope_can_still_ask() {
    each(|| async {
        let (told, heard) = oneshot::channel();
        let mut parent = Box::pin(scope(async move |scope| {
            let own = scope.clone();
            rt::spawn(async move {
                own.cancelled().await;
                told.send(own.len()).unwrap();
            });
            pending::<()>().await;
        }));
        assert!(poll_fn(|cx| Poll::Ready(parent.as_mut().poll(cx).is_pending())).await);
        drop(parent);
        assert_eq!(heard.await, Ok(0));
    });
}

/// The futures of children are dropped where they lie.
#[test]
fn a_child_is_pinned() {
    struct Pinned(usize, std::marker::PhantomPinned);
    impl Future for Pinned {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            let here = &raw const *self as usize;
            // SAFETY: nothing is moved.
            unsafe { self.as_mut().get_unchecked_mut() }.0 = here;
            Poll::Pending
        }
    }
    impl Drop for Pinned {
        fn drop(&mut self) {
            assert!(self.0 == 0 || self.0 == &raw const *self as usize, "it has moved");
        }
    }
    each(|| async {
        scope(async |scope| {
            scope.spawn(Pinned(0, std::marker::PhantomPinned));
            yield_now().await;
            scope.cancel();
        })
        .await;
        let handle = Handle::current();
        assert!(!handle.is_draining());
    });
}

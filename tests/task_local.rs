//! Task-locals: scopes, what they do on panics and drops, and the macro that declares them.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use rt::task::futures::TaskLocalFuture;
use rt::task::{AccessError, LocalKey, yield_now};
use support::{DropCounter, DropGuard, SOON, current, multi, panic_message, within};

rt::task_local! {
    static NUMBER: u32;
    /// With an attribute, and a visibility.
    #[allow(dead_code)]
    pub(crate) static TEXT: &'static str;
    static LOG: RefCell<Vec<u32>>;
    static GUARD: DropGuard
}

rt::task_local!(static ALONE: Option<Vec<u8>>);
rt::task_local! {}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_value_moves_with_its_future_from_worker_to_worker() {
    within(SOON, || {
        for runtime in [current(), multi(4)] {
            let tasks: Vec<_> = (0..64)
                .map(|number| {
                    runtime.spawn(NUMBER.scope(number, async move {
                        for _ in 0..100 {
                            assert_eq!(NUMBER.get(), number);
                            yield_now().await;
                        }
                        NUMBER.get()
                    }))
                })
                .collect();
            runtime.block_on(async {
                for (number, task) in (0..).zip(tasks) {
                    assert_eq!(task.await.unwrap(), number);
                }
                assert!(NUMBER.try_get().is_err());
            });
        }
    });
}

#[test]
fn a_task_that_is_spawned_in_a_scope_is_not_in_it() {
    within(SOON, || {
        multi(2).block_on(NUMBER.scope(1, async {
            assert!(rt::spawn(async { NUMBER.try_get() }).await.unwrap().is_err());
        }));
    });
}

#[test]
fn an_inner_scope_hides_the_value_of_an_outer_one_and_gives_it_back() {
    within(SOON, || {
        current().block_on(NUMBER.scope(1, async {
            let inner = NUMBER.scope(2, async {
                assert_eq!(NUMBER.get(), 2);
                yield_now().await;
                assert_eq!(NUMBER.sync_scope(3, || NUMBER.get()), 3);
                assert_eq!(NUMBER.get(), 2);
            });
            let mut inner = pin!(inner);
            poll_fn(|cx| {
                let polled = inner.as_mut().poll(cx);
                // Between the inner one's polls too.
                assert_eq!(NUMBER.get(), 1);
                polled
            })
            .await;
            assert_eq!(NUMBER.get(), 1);
        }));
    });
}

#[test]
fn keys_are_apart() {
    let nested =
        NUMBER.scope(1, TEXT.scope("one", ALONE.scope(None, async { (NUMBER.get(), TEXT.get(), ALONE.get()) })));
    assert_eq!(poll(pin!(nested)), Poll::Ready((1, "one", None)));
}

#[test]
fn outside_its_scopes_a_key_has_no_value() {
    assert!(NUMBER.try_with(|_| unreachable!("there is no value")).is_err());
    let message = panic_message(|| NUMBER.get());
    assert!(message.contains("outside its scopes"), "{message}");
    let message = panic_message(|| NUMBER.with(|_| ()));
    assert!(message.contains("outside its scopes"), "{message}");
    let error: AccessError = NUMBER.try_get().unwrap_err();
    assert_eq!(error, NUMBER.try_with(|_| ()).unwrap_err());
    assert_eq!(format!("{error:?}"), "AccessError(())");
    assert!((&error as &dyn std::error::Error).to_string().contains("outside its scopes"));
}

#[test]
fn a_value_need_not_be_clone_and_can_be_changed_behind_a_cell() {
    let future = LOG.scope(RefCell::default(), async {
        for number in 0..3 {
            LOG.with(|log| log.borrow_mut().push(number));
            yield_now().await;
        }
    });
    let mut future = pin!(future);
    while poll(future.as_mut()).is_pending() {}
    assert_eq!(future.take_value().unwrap().into_inner(), [0, 1, 2]);
}

#[test]
fn a_value_can_be_taken_between_polls_and_is_then_gone() {
    let mut future =
        pin!(NUMBER.scope(1, poll_fn(|_| if NUMBER.try_get().is_ok() { Poll::Pending } else { Poll::Ready(()) })));
    assert!(poll(future.as_mut()).is_pending());
    assert_eq!(format!("{:?}", &*future), "TaskLocalFuture { value: 1, .. }");
    assert_eq!(future.as_mut().take_value(), Some(1));
    assert_eq!(future.as_mut().take_value(), None);
    assert_eq!(format!("{:?}", &*future), "TaskLocalFuture { value: <missing>, .. }");
    assert!(poll(future.as_mut()).is_ready());
    assert_eq!(format!("{NUMBER:?}"), "LocalKey { .. }");
}

#[test]
fn a_panic_in_a_poll_gives_the_outer_value_back_and_keeps_the_inner_one() {
    NUMBER.sync_scope(1, || {
        let mut future = pin!(NUMBER.scope(2, async { panic!("boom") }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
        assert_eq!(NUMBER.get(), 1);
        assert_eq!(future.take_value(), Some(2));
    });
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn a_panic_in_a_closure_gives_the_outer_value_back() {
    NUMBER.sync_scope(1, || {
        assert_eq!(panic_message(|| NUMBER.sync_scope(2, || panic!("boom"))), "boom");
        assert_eq!(panic_message(|| NUMBER.with(|_| panic!("boom"))), "boom");
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_future_is_dropped_inside_its_scope() {
    let seen = Cell::new(None);
    let watch = || OnDrop(|| seen.set(NUMBER.try_get().ok()));

    // Before its first poll.
    let inside = watch();
    drop(NUMBER.scope(1, async move {
        let _inside = inside;
        pending::<()>().await;
    }));
    assert_eq!(seen.take(), Some(1));

    // Halfway, with another value outside.
    NUMBER.sync_scope(0, || {
        let inside = watch();
        let mut future = Box::pin(NUMBER.scope(2, async move {
            let _inside = inside;
            pending::<()>().await;
        }));
        assert!(poll(future.as_mut()).is_pending());
        drop(future);
        assert_eq!((seen.take(), NUMBER.get()), (Some(2), 0));
    });

    // At its end, though the whole stays.
    let mut inside = Some(watch());
    let mut future = Box::pin(NUMBER.scope(
        3,
        poll_fn(move |_| {
            let _ = &mut inside;
            Poll::Ready(())
        }),
    ));
    assert!(poll(future.as_mut()).is_ready());
    assert_eq!(seen.take(), Some(3));
    drop(future);
    assert_eq!(seen.take(), None);
}

#[test]
fn a_task_that_is_aborted_drops_its_future_inside_its_scope() {
    within(SOON, || {
        for runtime in [current(), multi(2)] {
            let seen = Arc::new(AtomicUsize::new(0));
            let inside = OnDrop({
                let seen = seen.clone();
                move || seen.store(NUMBER.get() as usize, Ordering::SeqCst)
            });
            let task = runtime.spawn(NUMBER.scope(7, async move {
                let _inside = inside;
                pending::<()>().await;
            }));
            runtime.block_on(async {
                yield_now().await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            });
            assert_eq!(seen.load(Ordering::SeqCst), 7);
        }
    });
}

#[test]
fn a_panic_in_the_drop_of_a_future_gives_the_outer_value_back() {
    NUMBER.sync_scope(1, || {
        let inside = OnDrop(|| panic!("boom"));
        let future = NUMBER.scope(2, async move {
            let _inside = inside;
        });
        assert_eq!(panic_message(|| drop(future)), "boom");
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_value_is_dropped_once_and_after_its_future() {
    let drops = DropCounter::new();
    let at_drop = Cell::new(None);
    let inside = OnDrop(|| at_drop.set(Some(drops.drops())));
    let mut future = Box::pin(GUARD.scope(drops.guard(), async move {
        let _inside = inside;
        pending::<()>().await;
    }));
    assert!(poll(future.as_mut()).is_pending());
    drop(future);
    assert_eq!((at_drop.get(), drops.drops()), (Some(0), 1));

    GUARD.sync_scope(drops.guard(), || assert_eq!(drops.drops(), 1));
    assert_eq!(drops.drops(), 2);
    assert!(catch_unwind(AssertUnwindSafe(|| GUARD.sync_scope(drops.guard(), || panic!("boom")))).is_err());
    assert_eq!((drops.drops(), drops.guards()), (3, 3));
}

#[test]
fn a_value_whose_drop_asks_for_its_key_finds_what_is_outside() {
    struct Asks {
        number: usize,
        seen: Arc<AtomicUsize>,
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            self.seen.store(ASKS.try_with(|outer| outer.number).unwrap_or(usize::MAX), Ordering::SeqCst);
        }
    }
    rt::task_local!(static ASKS: Asks);

    let seen = Arc::new(AtomicUsize::new(0));
    let asks = |number| Asks { number, seen: seen.clone() };
    ASKS.sync_scope(asks(1), || {
        ASKS.sync_scope(asks(2), || ());
        assert_eq!(seen.swap(0, Ordering::SeqCst), 1);
        drop(ASKS.scope(asks(3), async {}));
        assert_eq!(seen.swap(0, Ordering::SeqCst), 1);
    });
    assert_eq!(seen.load(Ordering::SeqCst), usize::MAX);
}

#[test]
fn a_scope_inside_with_of_the_same_key_panics_and_says_why() {
    NUMBER.sync_scope(1, || {
        NUMBER.with(|outer| {
            let message = panic_message(|| NUMBER.sync_scope(2, || ()));
            assert!(message.contains("inside `with`"), "{message}");
            let mut future = pin!(NUMBER.scope(3, async { NUMBER.get() }));
            let message = panic_message(|| poll(future.as_mut()));
            assert!(message.contains("inside `with`"), "{message}");
            assert_eq!((*outer, NUMBER.get()), (1, 1));
            // Reading nests, and so do scopes of other keys.
            TEXT.sync_scope("two", || assert_eq!(NUMBER.with(|inner| inner + outer), 2));
        });
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_future_that_is_dropped_inside_with_of_its_key_finds_the_outer_value() {
    let seen = Cell::new(None);
    NUMBER.sync_scope(1, || {
        let inside = OnDrop(|| seen.set(NUMBER.try_get().ok()));
        let future = NUMBER.scope(2, async move {
            let _inside = inside;
        });
        NUMBER.with(|_| drop(future));
    });
    assert_eq!(seen.get(), Some(1));
}

#[test]
fn a_future_that_is_polled_after_its_end_panics_and_says_why() {
    let mut future = pin!(NUMBER.scope(1, async {}));
    assert!(poll(future.as_mut()).is_ready());
    let message = panic_message(|| poll(future.as_mut()));
    assert!(message.contains("polled again"), "{message}");
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn a_key_can_be_asked_while_its_thread_ends() {
    within(SOON, || {
        struct AtTheEnd;
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                // Its storage may or may not be gone by now.
                assert!(GUARD.try_with(|_| ()).is_err());
            }
        }
        thread_local!(static AT_THE_END: AtTheEnd = const { AtTheEnd });
        AT_THE_END.with(|_| ());
        let drops = DropCounter::new();
        GUARD.sync_scope(drops.guard(), || ());
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_scope_is_send_if_value_and_future_are() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_key<T: Send + Sync>(_: &LocalKey<T>) {}
    let future: TaskLocalFuture<u32, _> = NUMBER.scope(1, async {});
    assert_send(&future);
    assert_key(&NUMBER);
}

mod in_a_module {
    //! Whose names are others'.
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

    pub(super) const __KEY: usize = 3;
    pub(super) const KEY: usize = 3;
    struct None;
    struct Some;
    struct Option;
    struct RefCell;
    mod std {}
    mod core {}

    rt::task_local! {
        pub(super) static ARRAY: [u8; KEY];
        pub(super) static OTHER: [u8; __KEY];
    }
}

#[test]
fn the_macro_does_not_mind_what_names_mean_where_it_is_used() {
    assert_eq!(in_a_module::ARRAY.sync_scope([7; in_a_module::KEY], || in_a_module::ARRAY.get()), [7; 3]);
    assert_eq!(in_a_module::OTHER.sync_scope([7; in_a_module::__KEY], || in_a_module::OTHER.get()), [7; 3]);
}

//! `join!`, `try_join!` and `pin!`: what they wait for, in which order, and what is dropped when.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{self, Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Polls a future by hand.
struct Polled<F>(Pin<Box<F>>);

impl<F: Future> Polled<F> {
    fn new(future: F) -> Self {
        Polled(Box::pin(future))
    }

    fn poll(&mut self) -> Poll<F::Output> {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

/// What can be done at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match Polled::new(future).poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it should be ready at once"),
    }
}

fn number(number: u32) -> future::Ready<u32> {
    future::ready(number)
}

fn good(number: u32) -> future::Ready<Result<u32, String>> {
    future::ready(Ok(number))
}

fn bad(text: &str) -> future::Ready<Result<u32, String>> {
    future::ready(Err(text.to_owned()))
}

/// Is pending so many times.
async fn after(polls: u32, output: u32) -> u32 {
    for _ in 0..polls {
        let mut is_second = false;
        poll_fn(|_| match std::mem::replace(&mut is_second, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
    output
}

/// Notes its name when it is dropped.
struct Dropped<'a>(&'a str, &'a RefCell<Vec<String>>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0.to_owned());
    }
}

struct Later;

impl IntoFuture for Later {
    type Output = Result<u32, String>;
    type IntoFuture = future::Ready<Result<u32, String>>;

    fn into_future(self) -> Self::IntoFuture {
        good(8)
    }
}

#[test]
fn the_outputs_are_a_tuple_whatever_the_commas() {
    now(async {
        assert_eq!(rt::join!(number(1)), (1,));
        assert_eq!(rt::join!(number(1),), (1,));
        assert_eq!(rt::join!(number(1), async { "two" }), (1, "two"));
        assert_eq!(rt::join!(biased; number(1), async { "two" },), (1, "two"));
        assert_eq!(rt::join! { number(1), number(2), number(3) }, (1, 2, 3));
        assert_eq!(rt::join!(Later), (Ok(8),));
        assert_eq!(rt::try_join!(good(1)), Ok((1,)));
        assert_eq!(rt::try_join!(good(1),), Ok((1,)));
        assert_eq!(rt::try_join!(good(1), async { Ok("two") }), Ok((1, "two")));
        assert_eq!(rt::try_join!(biased; good(1), async { Ok("two") },), Ok((1, "two")));
        assert_eq!(rt::try_join!(Later), Ok((8,)));
    });
}

#[test]
fn nothing_is_joined_at_once() {
    now(async {
        assert_eq!(rt::join!(), ());
        assert_eq!(rt::join!(biased;), ());
        assert_eq!(rt::try_join!() as Result<(), String>, Ok(()));
        assert_eq!(rt::try_join!(biased;) as Result<(), String>, Ok(()));
    });
}

#[test]
fn a_hundred_futures_can_be_joined() {
    macro_rules! hundred {
        ($join:path) => {{
            use $join as join;
            ten!(join 1 2 3 4 5 6 7 8 9 10)
        }};
    }
    macro_rules! ten {
        ($join:ident $($n:literal)+) => {
            $join!($(good($n), good(1), good(1), good(1), good(1), good(1), good(1), good(1), good(1), good(1)),+)
        };
    }
    let joined = now(async { hundred!(rt::try_join) });
    let (.., last) = joined.unwrap();
    assert_eq!(last, 1);
    let joined = now(async { hundred!(rt::join) });
    assert_eq!(joined.0, Ok(1));
}

#[test]
fn the_last_to_be_done_is_waited_for() {
    let mut join = Polled::new(async { rt::join!(after(1, 10), after(3, 20), after(0, 30)) });
    for _ in 0..3 {
        assert!(join.poll().is_pending());
    }
    assert_eq!(join.poll(), Poll::Ready((10, 20, 30)));
}

#[test]
fn the_first_error_ends_a_try_join_at_once() {
    let joined = now(async { rt::try_join!(async { future::pending::<Result<(), _>>().await }, bad("boom"), good(1)) });
    assert_eq!(joined.unwrap_err(), "boom");
}

#[test]
fn an_error_that_another_branch_names_is_everybodys() {
    let joined: Result<(u32, u32), String> = now(async { rt::try_join!(async { Ok(1) }, async { Ok(2) }) });
    assert_eq!(joined, Ok((1, 2)));
    let joined = now(async { rt::try_join!(async { Ok(1) }, bad("boom")) });
    assert_eq!(joined, Err("boom".to_owned()));
}

#[test]
fn a_question_mark_may_follow_a_try_join() {
    async fn sum() -> Result<u32, Box<dyn std::error::Error>> {
        let (one, two) = rt::try_join!(async { "1".parse::<u32>() }, async { "two".parse::<u32>() })?;
        Ok(one + two)
    }
    assert!(now(sum()).unwrap_err().is::<std::num::ParseIntError>());
}

fn polled_in_order(biased: bool, rounds: usize) -> Vec<u32> {
    let polled = RefCell::new(Vec::new());
    let note = |name: u32| {
        let polled = &polled;
        poll_fn(move |_| -> Poll<()> {
            polled.borrow_mut().push(name);
            Poll::Pending
        })
    };
    let mut join: Pin<Box<dyn Future<Output = ((), (), ())> + '_>> = match biased {
        true => Box::pin(async { rt::join!(biased; note(1), note(2), note(3)) }),
        false => Box::pin(async { rt::join!(note(1), note(2), note(3)) }),
    };
    for _ in 0..rounds {
        assert!(join.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(join);
    polled.into_inner()
}

#[test]
fn at_each_poll_the_next_future_is_the_first() {
    assert_eq!(polled_in_order(false, 4), [1, 2, 3, 2, 3, 1, 3, 1, 2, 1, 2, 3]);
}

#[test]
fn biased_polls_from_the_first_to_the_last_every_time() {
    assert_eq!(polled_in_order(true, 3), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
}

#[test]
fn a_future_that_is_done_is_dropped_at_once_and_not_polled_again() {
    let dropped = RefCell::new(Vec::new());
    let polls = Cell::new(0);
    let held = Dropped("future", &dropped);
    let counted = poll_fn(|_| {
        let _held = &held;
        polls.set(polls.get() + 1);
        Poll::Ready(Dropped("output", &dropped))
    });
    let mut join = Polled::new(async { rt::join!(counted, after(2, 0)) });
    assert!(join.poll().is_pending());
    assert!(join.poll().is_pending());
    assert_eq!(polls.get(), 1);
    drop(join);
    assert_eq!(*dropped.borrow(), ["output"]);

    dropped.borrow_mut().clear();
    let hold = async |name: &'static str| {
        let _held = Dropped(name, &dropped);
    };
    let mut join = Polled::new(async { rt::join!(hold("first"), after(1, 0), hold("third")) });
    assert!(join.poll().is_pending());
    assert_eq!(*dropped.borrow(), ["first", "third"]);
}

#[test]
fn dropping_it_drops_the_futures_in_order() {
    let dropped = RefCell::new(Vec::new());
    let hold = async |name: &'static str| {
        let _held = Dropped(name, &dropped);
        future::pending::<()>().await
    };
    let mut join = Polled::new(async { rt::join!(hold("first"), hold("second")) });
    assert!(join.poll().is_pending());
    drop(join);
    assert_eq!(*dropped.borrow(), ["first", "second"]);
}

#[test]
fn an_error_drops_what_failed_and_then_the_others() {
    let dropped = RefCell::new(Vec::new());
    let hold = async |name: &'static str, error: Option<&str>| {
        let _held = Dropped(name, &dropped);
        match error {
            Some(error) => Err::<(), _>(error.to_owned()),
            None => future::pending().await,
        }
    };
    let error = now(async { rt::try_join!(hold("first", None), hold("second", Some("boom")), hold("third", None)) });
    assert_eq!(error.unwrap_err(), "boom");
    // The third was not polled, and holds nothing.
    assert_eq!(dropped.into_inner(), ["second", "first"]);
}

#[test]
fn futures_may_borrow_and_need_not_be_send() {
    let mut numbers = vec![1, 2];
    let shared = Rc::new(3);
    let (one, three) = now(async { rt::join!(async { numbers.remove(0) }, async { *shared }) });
    assert_eq!((one, three, numbers), (1, 3, vec![2]));
}

#[test]
fn the_names_that_the_macro_uses_are_not_in_the_way() {
    const COUNT: u32 = 2;
    let (future, futures, turns, lap, index) = (1, 2, 3, 4, 5);
    let joined = now(async { rt::join!(number(COUNT + future), number(futures + turns + lap + index)) });
    assert_eq!(joined, (3, 14));
}

#[test]
fn a_macro_may_expand_to_a_join() {
    macro_rules! sum {
        ($($name:ident = $value:expr),+) => {{
            let ($($name,)+) = rt::join!($($value),+);
            0 $(+ $name)+
        }};
    }
    assert_eq!(now(async { sum!(a = number(1), b = number(2)) }), 3);
}

#[test]
fn a_future_that_never_ends_can_be_joined() {
    #![deny(unreachable_code)]
    let mut join = Polled::new(async {
        let (_one, never) = rt::join!(number(1), future::pending::<Infallible>());
        never
    });
    assert!(join.poll().is_pending());
    let error = now(async { rt::try_join!(good(1), async { Err::<Infallible, _>("boom".to_owned()) }) });
    assert!(error.is_err());
    let Ok(both) = now(async { rt::try_join!(async { Ok::<_, Infallible>(1) }, async { Ok(2) }) });
    assert_eq!(both, (1, 2));
}

#[test]
fn the_futures_are_stored_once() {
    let large = async || {
        let bytes = [0_u8; 1024];
        rt::task::yield_now().await;
        std::hint::black_box(bytes).len()
    };
    let size = size_of_val(&large());
    let join = async { rt::join!(large(), large()) };
    assert!(size_of_val(&join) < 2 * size + 64, "{}", size_of_val(&join));
    drop(join);
}

#[rt::test(flavor = "local")]
async fn one_that_uses_up_the_budget_does_not_starve_the_others() {
    let greedy = async {
        for _ in 0..1000 {
            rt::task::coop::consume_budget().await;
        }
    };
    let steps = rt::task::spawn_local(async move {
        let steps = Cell::new(0);
        let modest = async {
            for _ in 0..3 {
                rt::task::coop::consume_budget().await;
                steps.set(steps.get() + 1);
                rt::task::yield_now().await;
            }
        };
        let greedy = async {
            greedy.await;
            steps.get()
        };
        rt::join!(greedy, modest).0
    });
    // It was first at every second poll.
    assert_eq!(steps.await.unwrap(), 3);
}

#[test]
fn a_pinned_name_can_be_polled_by_reference() {
    now(async {
        let one = async { 1 };
        let two = async { 2 };
        rt::pin!(one, two);
        assert_eq!(one.as_mut().await, 1);
        assert_eq!((&mut two).await, 2);

        rt::pin! {
            let three = async { 3 };
            let four = async { 4 };
        }
        assert_eq!(three.await + four.await, 7);
        rt::pin!();
    });
}

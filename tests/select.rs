//! `select!`: what it waits for, in which order, and what its handlers may do.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{self, Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future by hand.
struct Polled<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Polled<F> {
    fn new(future: F) -> Self {
        Polled { future: Box::pin(future), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn take_wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::Relaxed)
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

/// Notes its name when it is dropped.
struct Dropped<'a>(&'a str, &'a RefCell<Vec<String>>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0.to_owned());
    }
}

// ===== Syntax =====

#[test]
fn a_branch_may_end_with_a_comma_or_without_one_or_be_a_block() {
    now(async {
        assert_eq!(rt::select! { x = number(1) => x, }, 1);
        assert_eq!(rt::select! { x = number(1) => x }, 1);
        assert_eq!(rt::select! { x = number(1) => { x } }, 1);
        assert_eq!(rt::select! { x = number(1) => { x }, }, 1);
        assert_eq!(rt::select! { biased; x = number(1) => { x } y = number(2) => y }, 1);
        assert_eq!(rt::select! { biased; x = number(1) => { x }, y = number(2) => { y }, else => 3 }, 1);
        assert_eq!(
            rt::select! { biased; x = number(1), if false => { x } y = number(2), if true => { y } else => { 3 } },
            2
        );
        assert_eq!(rt::select! { biased; x = number(1), if false => x, y = number(2), if true => y, else => 3, }, 2);
        assert_eq!(rt::select!(x = number(1) => x), 1);
        assert_eq!(rt::select![x = number(1) => x], 1);
    });
}

#[test]
fn an_else_may_stand_alone() {
    now(async {
        assert_eq!(rt::select! { else => 1 }, 1);
        assert_eq!(rt::select! { else => { 1 }, }, 1);
        assert_eq!(rt::select! { biased; else => 1, }, 1);
    });
}

#[test]
fn handlers_may_be_any_expression() {
    now(async {
        let text = rt::select! {
            biased;
            x = number(1), if false => match x { 1 => "one", _ => "other" },
            x = number(2), if false => if x == 2 { "two" } else { "other" },
            x = number(3), if false => Some(x).map_or("none", |x| if x == 3 { "three" } else { "other" }),
            x = number(4) => ["other", "four"][usize::from(str::repeat::<>("four", x as usize).len() == 16)],
        };
        assert_eq!(text, "four");
    });
}

#[test]
fn patterns_may_be_of_any_kind() {
    #[derive(Debug)]
    struct Point {
        x: u32,
        y: u32,
    }
    macro_rules! some_mut {
        ($name:ident) => {
            Some(mut $name)
        };
    }
    now(async {
        assert_eq!(rt::select! { Point { x, y: 2 } = async { Point { x: 1, y: 2 } } => x, else => 0 }, 1);
        assert_eq!(rt::select! { Point { y, .. } = async { Point { x: 1, y: 2 } } => y, }, 2);
        assert_eq!(rt::select! { 1 | 2 = number(2) => "small", _ = number(7) => "never", }.len(), 5);
        assert_eq!(rt::select! { low @ 0..=9 = number(4) => low, else => 0 }, 4);
        assert_eq!(rt::select! { Some(ref text) = async { Some("one".to_owned()) } => text.len(), else => 0 }, 3);
        assert_eq!(rt::select! { &number = async { &3 } => number }, 3);
        assert_eq!(rt::select! { [first, .., last] = async { [1, 2, 3] } => first + last }, 4);
        assert_eq!(rt::select! { (1, x) | (x, 1) = async { (5, 1) } => x, else => 0 }, 5);
        assert_eq!(rt::select! { Ok(x) | Err(x) = async { Err::<u32, u32>(6) } => x }, 6);
        let changed = rt::select! {
            Some(mut text) = async { Some("one".to_owned()) } => {
                text.push('!');
                text
            }
            else => String::new(),
        };
        assert_eq!(changed, "one!");
        let changed = rt::select! {
            Some(ref mut text) = async { Some("one".to_owned()) } => {
                text.push('?');
                text.clone()
            }
            else => String::new(),
        };
        assert_eq!(changed, "one?");
        let changed = rt::select! {
            some_mut!(text) = async { Some("one".to_owned()) } => {
                text.push('.');
                text
            }
            else => String::new(),
        };
        assert_eq!(changed, "one.");
    });
}

#[test]
fn what_can_be_awaited_can_be_selected() {
    struct Later;
    impl IntoFuture for Later {
        type Output = u32;
        type IntoFuture = future::Ready<u32>;
        fn into_future(self) -> future::Ready<u32> {
            number(8)
        }
    }
    assert_eq!(
        now(async {
            rt::select! { x = Later => x }
        }),
        8
    );
}

#[test]
fn a_select_may_stand_in_another() {
    let sum = now(async {
        rt::select! {
            x = async { rt::select! { y = number(1) => y + 1 } } => rt::select! {
                y = number(x) => rt::select! { z = number(4) => x + y + z },
            },
        }
    });
    assert_eq!(sum, 8);
}

#[test]
fn a_macro_may_expand_to_a_select() {
    macro_rules! first_of {
        ($($future:expr),+) => { rt::select! { biased; $(x = $future => x,)+ } };
    }
    macro_rules! on {
        ($pattern:pat = $future:expr => $handler:block) => {
            rt::select! { $pattern = $future => $handler else => 0 }
        };
    }
    assert_eq!(now(async { first_of!(future::pending(), number(2), number(3)) }), 2);
    assert_eq!(now(async { on!(Some(x) = async { Some(4) } => { x }) }), 4);
}

#[test]
fn the_names_that_the_macro_uses_are_not_in_the_way() {
    // Each would be another one, if names of the macro were those of the user.
    let (future, futures, enabled, round, value, selected, cx) = (1, 2, 3, 4, 5, 6, 7);
    let sum = now(async {
        rt::select! {
            x = number(future + futures), if enabled == 3 => x + round + value + selected + cx,
        }
    });
    assert_eq!(sum, 25);
}

#[test]
fn sixty_four_branches_are_possible() {
    macro_rules! all {
        ($($number:literal)+) => { rt::select! { biased; $(x = number($number), if $number == 63 => x,)+ } };
    }
    let last = now(async {
        all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41
             42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    });
    assert_eq!(last, 63);
}

// ===== Which branch =====

#[test]
fn a_branch_that_is_not_ready_is_waited_for() {
    let (sender, receiver) = rt::sync::oneshot::channel();
    let mut select = Polled::new(async {
        rt::select! {
            () = future::pending() => unreachable!(),
            value = receiver => value.unwrap(),
        }
    });
    assert!(select.poll().is_pending());
    sender.send(3).unwrap();
    assert_eq!(select.take_wakes(), 1);
    assert_eq!(select.poll(), Poll::Ready(3));
}

#[test]
fn only_the_branch_that_wins_is_run() {
    let runs = Cell::new(0);
    let count = async || runs.set(runs.get() + 1);
    now(async {
        rt::select! {
            () = count() => (),
            () = count() => (),
            () = count() => (),
        }
    });
    assert_eq!(runs.get(), 1);
}

#[test]
fn a_value_that_does_not_match_takes_its_branch_out_and_is_dropped() {
    let dropped = RefCell::new(Vec::new());
    let polls = Cell::new(0);
    let (sender, receiver) = rt::sync::oneshot::channel();
    let mut select = Polled::new(async {
        rt::select! {
            (Some(()), _value) = poll_fn(|_| {
                polls.set(polls.get() + 1);
                Poll::Ready((None, Dropped("value", &dropped)))
            }) => unreachable!(),
            value = receiver => value.unwrap(),
        }
    });
    assert!(select.poll().is_pending());
    assert!(select.poll().is_pending());
    assert_eq!(polls.get(), 1, "a future that is done is not polled again");
    assert_eq!(*dropped.borrow(), ["value"]);
    sender.send(1).unwrap();
    assert_eq!(select.poll(), Poll::Ready(1));
}

#[test]
fn if_all_branches_are_out_the_else_runs() {
    now(async {
        assert_eq!(rt::select! { Some(x) = async { None } => x, else => 1 }, 1);
        assert_eq!(rt::select! { x = number(7), if false => x, else => 2 }, 2);
        assert_eq!(rt::select! { Some(x) = async { None } => x, x = number(7), if false => x, else => 3 }, 3);
    });
}

#[test]
#[should_panic(expected = "all branches of `select!` are out, and it has no `else`")]
fn if_all_branches_are_out_and_there_is_no_else_it_panics() {
    now(async {
        rt::select! { Some(()) = async { None } => () }
    });
}

#[test]
fn the_else_is_not_run_while_a_branch_is_pending() {
    let mut select = Polled::new(async {
        rt::select! {
            Some(()) = async { None } => 1,
            () = future::pending() => 2,
            else => 3,
        }
    });
    assert!(select.poll().is_pending());
    assert!(select.poll().is_pending());
}

#[test]
fn the_future_of_a_branch_whose_condition_does_not_hold_is_made_but_not_polled() {
    let made = Cell::new(false);
    let make = || {
        made.set(true);
        poll_fn(|_| -> Poll<()> { panic!("it was polled") })
    };
    let x = now(async {
        rt::select! {
            () = make(), if false => 1,
            x = number(2) => x,
        }
    });
    assert_eq!(x, 2);
    assert!(made.get());
}

#[test]
fn conditions_are_evaluated_first_and_in_order_and_then_the_futures() {
    let steps = RefCell::new(Vec::new());
    let note = |step: &'static str| steps.borrow_mut().push(step);
    now(async {
        rt::select! {
            () = { note("first future"); async { note("first poll") } }, if { note("first condition"); true } => note("handler"),
            () = { note("second future"); future::pending() }, if { note("second condition"); true } => (),
        }
    });
    assert_eq!(
        steps.into_inner(),
        ["first condition", "second condition", "first future", "second future", "first poll", "handler"]
    );
}

#[test]
fn biased_polls_from_the_first_to_the_last_every_time() {
    for _ in 0..100 {
        let polled = RefCell::new(Vec::new());
        let note = |name: u32| {
            let polled = &polled;
            poll_fn(move |_| -> Poll<()> {
                polled.borrow_mut().push(name);
                Poll::Pending
            })
        };
        let mut select = Polled::new(async {
            rt::select! {
                biased;
                () = note(1) => (),
                () = note(2) => (),
                () = note(3) => (),
            }
        });
        assert!(select.poll().is_pending());
        assert!(select.poll().is_pending());
        drop(select);
        assert_eq!(polled.into_inner(), [1, 2, 3, 1, 2, 3]);
    }
}

#[test]
fn else_every_branch_is_polled_once_from_any_on() {
    let mut firsts = [0; 3];
    for _ in 0..600 {
        let polled = RefCell::new(Vec::new());
        let note = |name: usize| {
            let polled = &polled;
            poll_fn(move |_| -> Poll<()> {
                polled.borrow_mut().push(name);
                Poll::Pending
            })
        };
        let mut select = Polled::new(async {
            rt::select! {
                () = note(0) => (),
                () = note(1) => (),
                () = note(2) => (),
            }
        });
        assert!(select.poll().is_pending());
        drop(select);
        let polled = polled.into_inner();
        let first = polled[0];
        assert_eq!(polled, [first, (first + 1) % 3, (first + 2) % 3]);
        firsts[first] += 1;
    }
    // Each is some 200; less than 100 will not be seen in the life of this machine.
    assert!(firsts.iter().all(|&first| first > 100), "{firsts:?}");
}

#[test]
fn no_branch_that_is_always_ready_is_starved_by_others_that_are() {
    let mut wins = [0; 4];
    now(async {
        for _ in 0..400 {
            let winner = rt::select! {
                () = async {} => 0,
                () = async {} => 1,
                () = async {} => 2,
                () = async {} => 3,
            };
            wins[winner] += 1;
        }
    });
    assert!(wins.iter().all(|&wins| wins > 40), "{wins:?}");
}

// ===== Borrows, lifetimes, drops =====

#[test]
fn a_handler_may_use_what_the_futures_had_borrowed() {
    async fn change(number: &mut u32) {
        *number += 1;
    }
    let mut value = 1;
    now(async {
        rt::select! {
            biased;
            () = change(&mut value), if false => (),
            () = async {} => value += 5,
            else => value += 50,
        }
    });
    assert_eq!(value, 6);
}

#[test]
fn a_future_may_be_borrowed_and_selected_again_in_a_loop() {
    let (sender, mut receiver) = rt::sync::oneshot::channel();
    let mut sender = Some(sender);
    let rounds = now(async {
        let mut rounds = 0;
        loop {
            rt::select! {
                biased;
                value = &mut receiver => break rounds + value.unwrap(),
                () = async {} => {
                    rounds += 1;
                    if rounds == 10 {
                        sender.take().unwrap().send(100).unwrap();
                    }
                }
            }
        }
    });
    assert_eq!(rounds, 110);
}

#[test]
fn a_handler_may_await_return_break_and_use_the_question_mark() {
    async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
        let mut sum = 0;
        for word in text.split(' ') {
            rt::select! {
                word = future::ready(word) => match word {
                    "skip" => continue,
                    "stop" => break,
                    "zero" => return Ok(0),
                    "wait" => rt::task::yield_now().await,
                    _ => sum += word.parse::<u32>()?,
                }
            }
        }
        Ok(sum)
    }
    rt::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        assert_eq!(parse("1 skip 2 wait 3 stop 4").await, Ok(6));
        assert_eq!(parse("1 zero 2").await, Ok(0));
        assert!(parse("1 two").await.is_err());
    });
}

#[test]
fn a_value_that_an_expression_borrows_lives_as_long_as_the_future() {
    assert_eq!(
        now(async {
            rt::select! { x = &mut number(1) => x }
        }),
        1
    );
    assert_eq!(
        now(async {
            rt::select! { (x, ..) = &mut future::ready((1, 2)), if true => x }
        }),
        1
    );
}

#[test]
fn futures_are_dropped_in_order_before_the_handler_and_the_value_behind_it() {
    let steps = RefCell::new(Vec::new());
    let hold = async |name: &'static str, is_ready: bool| {
        let _held = Dropped(name, &steps);
        if !is_ready {
            future::pending().await
        }
        Dropped("value", &steps)
    };
    now(async {
        rt::select! {
            biased;
            _ = hold("first", false) => (),
            _ = hold("second", true) => steps.borrow_mut().push("handler".to_owned()),
            _ = hold("third", false) => (),
        }
    });
    // The third was not polled, and holds nothing.
    assert_eq!(steps.into_inner(), ["second", "first", "handler", "value"]);
}

#[test]
fn dropping_it_drops_the_futures_in_order() {
    let steps = RefCell::new(Vec::new());
    let hold = async |name: &'static str| {
        let _held = Dropped(name, &steps);
        future::pending::<()>().await
    };
    let mut select = Polled::new(async {
        rt::select! {
            () = hold("first") => (),
            () = hold("second") => (),
            () = hold("third") => (),
        }
    });
    assert!(select.poll().is_pending());
    drop(select);
    assert_eq!(*steps.borrow(), ["first", "second", "third"]);
}

#[test]
fn the_futures_are_stored_once() {
    let large = async || {
        let bytes = [0_u8; 1024];
        rt::task::yield_now().await;
        std::hint::black_box(bytes).len()
    };
    let select = async {
        rt::select! {
            length = large() => length,
            length = large() => length,
        }
    };
    let size = size_of_val(&select);
    assert!(size < 2 * size_of_val(&large()) + 64, "{size}");
    drop(select);
}

#[test]
fn a_select_of_send_futures_is_send_and_one_of_others_need_not_be() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let (_sender, receiver) = rt::sync::oneshot::channel::<u32>();
    drop(assert_send(async move {
        rt::select! {
            value = receiver => value.is_ok(),
            () = rt::task::yield_now() => false,
        }
    }));
    assert_eq!(
        now(async {
            rt::select! { number = async { Rc::new(1) } => *number }
        }),
        1
    );
}

#[test]
fn a_future_that_never_ends_needs_no_handler_that_is_reached() {
    #![deny(unreachable_code, unused_variables)]
    async fn never() -> ! {
        future::pending().await
    }
    async fn nothing() -> Infallible {
        future::pending().await
    }
    let one = now(async {
        rt::select! {
            _ = never() => 0,
            _ = nothing() => 0,
            one = number(1) => one,
        }
    });
    assert_eq!(one, 1);
}

#[test]
fn a_panic_in_a_branch_drops_the_others() {
    let steps = RefCell::new(Vec::new());
    let hold = async |name: &'static str| {
        let _held = Dropped(name, &steps);
        future::pending::<()>().await
    };
    let mut select = Polled::new(async {
        rt::select! {
            biased;
            () = hold("first") => (),
            () = async { panic!("boom") } => (),
        }
    });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| select.poll())).is_err());
    assert_eq!(*steps.borrow(), ["first"]);
}

// ===== The budget =====

#[rt::test(flavor = "local")]
async fn a_select_whose_task_has_used_up_its_budget_yields_before_it_polls_a_branch() {
    let polls = rt::task::spawn_local(async {
        let polled = Cell::new(0);
        let mut future = pin!(async {
            loop {
                rt::select! {
                    biased;
                    () = rt::task::coop::consume_budget() => (),
                    () = async {} => unreachable!("the first is ready as long as there is some"),
                }
                polled.set(polled.get() + 1);
            }
        });
        poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        polled.get()
    });
    assert_eq!(polls.await.unwrap(), 128);
}

#[rt::test]
async fn a_loop_of_selects_that_are_always_ready_lets_other_tasks_run() {
    let (stop, mut stopped) = rt::sync::oneshot::channel();
    let selecting = rt::spawn(async move {
        let mut rounds = 0_u64;
        loop {
            rt::select! {
                biased;
                _ = &mut stopped => return rounds,
                () = rt::task::coop::consume_budget() => rounds += 1,
            }
        }
    });
    rt::task::yield_now().await;
    stop.send(()).unwrap();
    selecting.await.unwrap();
}

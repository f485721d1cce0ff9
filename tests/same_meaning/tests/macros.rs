//! `select!`, `join!` and `try_join!`: who is polled when, and what lives how long.

use rt_same_meaning::{Noted, Seen, same};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Polls once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that notes its polls and is ready at one of them.
fn polled<'a>(name: &'static str, ready_at: u32, seen: &'a Seen) -> impl Future<Output = u32> + 'a {
    let polls = Cell::new(0);
    poll_fn(move |_| {
        polls.set(polls.get() + 1);
        seen.note(format!("{name} is polled"));
        if polls.get() == ready_at { Poll::Ready(polls.get()) } else { Poll::Pending }
    })
}

same! {
    fn branches_are_polled_in_order() {
        let seen = Seen::new();
        {
            let mut select = Box::pin(async {
                runtime::select! {
                    biased;
                    7 = polled("first", 2, &seen) => 1,
                    polls = polled("second", 4, &seen), if { seen.note("condition"); true } => polls,
                    _ = polled("third", 1, &seen), if false => 3,
                    else => 4,
                }
            });
            for _ in 0..4 {
                seen.debug(poll(select.as_mut()));
            }
        }
        seen
    }

    fn futures_are_joined_in_turn() {
        let seen = Seen::new();
        {
            let mut join = Box::pin(async {
                runtime::join!(polled("first", 4, &seen), polled("second", 1, &seen), polled("third", 3, &seen))
            });
            for _ in 0..4 {
                seen.debug(poll(join.as_mut()));
            }
            let mut join = Box::pin(async {
                runtime::join!(biased; polled("first", 2, &seen), polled("second", 3, &seen))
            });
            for _ in 0..3 {
                seen.debug(poll(join.as_mut()));
            }
        }
        seen
    }

    fn errors_end_a_join() {
        let seen = Seen::new();
        {
            let fails = async |name, polls| Err::<u32, _>(polled(name, polls, &seen).await);
            let succeeds = async |name, polls| Ok::<_, u32>(polled(name, polls, &seen).await);
            let mut join = Box::pin(async {
                runtime::try_join!(succeeds("first", 1), fails("second", 3), fails("third", 3), succeeds("fourth", 4))
            });
            for _ in 0..3 {
                seen.debug(poll(join.as_mut()));
            }
        }
        seen
    }

    fn temporaries_live_until_all_futures_are_made() {
        let seen = Seen::new();
        {
            let make = |noted: &Noted<'_>| {
                seen.note(format!("made with {}", noted.0));
                std::future::ready(1)
            };
            let mut select = Box::pin(async {
                runtime::select! {
                    biased;
                    one = make(&Noted("first", &seen)) => one,
                    one = make(&Noted("second", &seen)) => one,
                }
            });
            seen.debug(poll(select.as_mut()));
            let mut join = Box::pin(async {
                runtime::join!(make(&Noted("third", &seen)), make(&Noted("fourth", &seen)))
            });
            seen.debug(poll(join.as_mut()));
        }
        seen
    }

    fn values_that_do_not_match_are_dropped_at_once() {
        let seen = Seen::new();
        {
            let mut select = Box::pin(async {
                runtime::select! {
                    biased;
                    (Some(()), _) = async { (None, Noted("value", &seen)) } => (),
                    _ = polled("second", 2, &seen) => seen.note("handler"),
                }
            });
            seen.debug(poll(select.as_mut()));
            seen.debug(poll(select.as_mut()));
        }
        seen
    }

    fn all_that_is_left_is_dropped_with_it() {
        let seen = Seen::new();
        {
            let hold = async |name| {
                let _noted = Noted(name, &seen);
                std::future::pending::<()>().await
            };
            let mut select = Box::pin(async {
                runtime::select! {
                    biased;
                    _ = hold("first") => (),
                    _ = hold("second") => (),
                }
            });
            seen.debug(poll(select.as_mut()));
            drop(select);
            let mut join = Box::pin(async { runtime::join!(hold("third"), async { Noted("done", &seen) }, hold("fourth")) });
            seen.debug(poll(join.as_mut()).is_pending());
            drop(join);
        }
        seen
    }
}

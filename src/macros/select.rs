//! `select!`.

use crate::primitives::random;
use crate::task::budget;
use std::task::{Context, Poll};

/// `Pending` if the budget of this poll is used up; the task has been woken then.
///
/// Futures that draw on the budget would all be pending. Those that do not would win every time, and keep the task from yielding.
#[inline]
pub fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    budget::poll_proceed(cx).map(drop)
}

/// In which rounds the branches are polled, each as a bit: from one that is drawn to the last, then from the first to that one.
///
/// None is in both. The second round is empty if the first branch was drawn.
#[inline]
pub fn from_any(enabled: u64, branches: u32) -> [u64; 2] {
    let first = if branches == 1 { 0 } else { random::below(branches) };
    let round = enabled & (u64::MAX << first);
    [round, enabled ^ round]
}

/// As [`from_any`], from the first to the last.
#[inline]
pub fn in_order(enabled: u64, _branches: u32) -> [u64; 2] {
    [enabled, 0]
}

/// Waits for several futures at once, on the task that it is in, and runs the handler of the first that is done with a value that is wanted. The
/// others are dropped.
///
/// ```
/// use rt::sync::mpsc;
/// use rt::time::{Duration, sleep};
///
/// # #[rt::main]
/// # async fn main() {
/// let (sender, mut receiver) = mpsc::channel(1);
/// sender.send("hello").await.unwrap();
/// let heard = rt::select! {
///     Some(message) = receiver.recv() => message,
///     () = sleep(Duration::from_secs(1)) => "nothing in a second",
///     else => "nobody is there to send",
/// };
/// assert_eq!(heard, "hello");
/// # }
/// ```
///
/// # Syntax
///
/// ```text
/// select! {
///     biased;                                         // may be left out
///     <pattern> = <future> => <handler>,              // 1 to 64 branches
///     <pattern> = <future>, if <condition> => <handler>,
///     else => <expression>,                           // may be left out
/// }
/// ```
///
/// The comma behind a handler that is a block `{ .. }`, or the last, may be left out. Handlers and the `else` are ordinary code of the function around them:
/// `.await`, `?`, `return`, `break` and `continue` mean there what they would mean in its place. All give the same type, which is that of the whole.
///
/// What happens, in this order:
///
/// 1. The conditions are evaluated. A branch whose condition does not hold is out; its future is made, but not polled.
/// 2. The futures are made, from the first to the last, of anything that can be awaited.
/// 3. They are polled whenever the task is woken. When one is done, its value is held against the pattern. If it does not match, it is dropped, and the
///    branch is out.
/// 4. If it matches, all futures are dropped, from the first to the last, and the handler runs. So handlers may use what the futures had borrowed.
/// 5. If all branches are out, the `else` runs.
///
/// # Who is first
///
/// Each time, polling begins at a branch that is drawn by chance, goes on to the last and from the first to that one, so that no branch that is always ready
/// keeps the others from being heard. With `biased;` it begins at the first: cheaper by some nanoseconds, and the order can be relied on. But then a branch that
/// is always ready starves those below it; what must be heard, as a shutdown, goes to the top.
///
/// A task whose budget is used up (see [`task::coop`](crate::task::coop)) yields before any branch is polled.
///
/// # Panics
///
/// If all branches are out and there is no `else`.
///
/// # Cancel safety
///
/// The futures of branches that did not win are dropped in the middle of what they do. In a loop that is harmless if a future that is dropped and made
/// anew goes on as if nothing had happened. It is for these:
///
/// - `recv` of [`mpsc`](crate::sync::mpsc::Receiver::recv) and [`broadcast`](crate::sync::broadcast::Receiver::recv),
///   [`changed`](crate::sync::watch::Receiver::changed) of `watch`, `&mut` of a `oneshot`'s receiver;
/// - `accept` of listeners, `readable`, `writable`, `ready`, `recv` and `recv_from` of sockets, and of any stream `read`, `read_buf`, `write` and `write_buf`;
/// - `tick` of an [`Interval`](crate::time::Interval), `&mut` of a [`Sleep`](crate::time::Sleep) or a [`JoinHandle`](crate::task::JoinHandle), `join_next` of
///   a [`JoinSet`](crate::task::JoinSet).
///
/// What has read or written a part by then loses it: `read_exact`, `read_to_end`, `read_to_string`, `read_line`, `write_all`. And locks, semaphores and `notified` lose
/// their place in the queue. Such a future is made once, before the loop, and `&mut future` is selected:
///
/// ```
/// use rt::io::AsyncReadExt;
/// use rt::time::{Duration, interval};
///
/// # #[rt::main]
/// # async fn main() {
/// let mut stream = &b"eight bytes"[..];
/// let mut header = [0; 8];
/// let mut beat = interval(Duration::from_millis(20));
/// {
///     let read = stream.read_exact(&mut header);
///     rt::pin!(read);
///     loop {
///         rt::select! {
///             outcome = &mut read => {
///                 outcome.unwrap();
///                 break;
///             }
///             _ = beat.tick() => println!("still waiting"),
///         }
///     }
/// }
/// assert_eq!(&header, b"eight by");
/// # }
/// ```
///
/// A future that is done must not be polled again. A condition keeps it out:
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let first = async { 1 };
/// let second = async { 2 };
/// rt::pin!(first, second);
/// let (mut one, mut two) = (None, None);
/// while one.is_none() || two.is_none() {
///     rt::select! {
///         value = &mut first, if one.is_none() => one = Some(value),
///         value = &mut second, if two.is_none() => two = Some(value),
///     }
/// }
/// assert_eq!((one, two), (Some(1), Some(2)));
/// # }
/// ```
///
/// Do not ask the future itself in the condition, `sleep.is_elapsed()` for example: it may become true between the condition and the poll, and the handler
/// would never run.
#[macro_export]
macro_rules! select {
    () => {
        ::core::compile_error!("`select!` has no branch: write `pattern = future => handler`")
    };
    ($(biased;)? else => $else:expr $(,)?) => { $else };
    (biased; $($branches:tt)+) => { $crate::__select!(@begin in_order $($branches)+) };
    ($($branches:tt)+) => { $crate::__select!(@begin from_any $($branches)+) };
}

/// Takes the branches one by one, with `future` as the name of its future, which is another name at each step, and with the first of the names and
/// bits that are left.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@begin $rounds:ident $($branches:tt)+) => {
        $crate::__select!(@take $rounds [
            (T0 0_u32) (T1 1_u32) (T2 2_u32) (T3 3_u32) (T4 4_u32) (T5 5_u32) (T6 6_u32) (T7 7_u32)
            (T8 8_u32) (T9 9_u32) (T10 10_u32) (T11 11_u32) (T12 12_u32) (T13 13_u32) (T14 14_u32) (T15 15_u32)
            (T16 16_u32) (T17 17_u32) (T18 18_u32) (T19 19_u32) (T20 20_u32) (T21 21_u32) (T22 22_u32) (T23 23_u32)
            (T24 24_u32) (T25 25_u32) (T26 26_u32) (T27 27_u32) (T28 28_u32) (T29 29_u32) (T30 30_u32) (T31 31_u32)
            (T32 32_u32) (T33 33_u32) (T34 34_u32) (T35 35_u32) (T36 36_u32) (T37 37_u32) (T38 38_u32) (T39 39_u32)
            (T40 40_u32) (T41 41_u32) (T42 42_u32) (T43 43_u32) (T44 44_u32) (T45 45_u32) (T46 46_u32) (T47 47_u32)
            (T48 48_u32) (T49 49_u32) (T50 50_u32) (T51 51_u32) (T52 52_u32) (T53 53_u32) (T54 54_u32) (T55 55_u32)
            (T56 56_u32) (T57 57_u32) (T58 58_u32) (T59 59_u32) (T60 60_u32) (T61 61_u32) (T62 62_u32) (T63 63_u32)
        ] {} $($branches)+)
    };

    // ===== All are taken =====

    (@take $rounds:ident $free:tt {$($branch:tt)+} $(else => $else:expr $(,)?)?) => {
        $crate::__select!(@expand $rounds {$($branch)+} $($else)?)
    };

    // It is not the last, or not complete. As a pattern it would be read in vain.
    (@take $rounds:ident $free:tt $branches:tt else $($rest:tt)*) => {
        $crate::macros::explain_select! { else $($rest)* }
    };

    // ===== One more =====

    (@take $rounds:ident [($($mine:tt)+) $($free:tt)*] {$($branch:tt)*} $pattern:pat = $value:expr $(, if $condition:expr)? => $handler:block, $($rest:tt)*) => {
        $crate::__select!(@take $rounds [$($free)*]
            {$($branch)* ($($mine)+ future, $pattern, $value, [$($condition)?], $handler)} $($rest)*)
    };
    (@take $rounds:ident [($($mine:tt)+) $($free:tt)*] {$($branch:tt)*} $pattern:pat = $value:expr $(, if $condition:expr)? => $handler:block $($rest:tt)*) => {
        $crate::__select!(@take $rounds [$($free)*]
            {$($branch)* ($($mine)+ future, $pattern, $value, [$($condition)?], $handler)} $($rest)*)
    };
    (@take $rounds:ident [($($mine:tt)+) $($free:tt)*] {$($branch:tt)*} $pattern:pat = $value:expr $(, if $condition:expr)? => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@take $rounds [$($free)*]
            {$($branch)* ($($mine)+ future, $pattern, $value, [$($condition)?], $handler)} $($($rest)*)?)
    };

    // ===== Something is wrong =====

    (@take $rounds:ident [] $branches:tt $($rest:tt)*) => {
        ::core::compile_error!("`select!` takes at most 64 branches: let some of them be one future, by a `select!` of their own")
    };
    (@take $rounds:ident $free:tt $branches:tt $($rest:tt)+) => {
        $crate::macros::explain_select! { $($rest)+ }
    };

    // ===== What it becomes =====

    (@expand $rounds:ident {$($branch:tt)+}) => {
        $crate::__select!(@expand $rounds {$($branch)+}
            ::core::panic!("all branches of `select!` are out, and it has no `else`"))
    };
    (@expand $rounds:ident {$( ($name:ident $bit:literal $future:ident, $pattern:pat, $value:expr, [$($condition:expr)?], $handler:expr) )+} $else:expr) => {{
        // An item, which the code of the user sees: nobody else has one of this name.
        enum __RtSelected<$($name),+> {
            $($name($name),)+
            None,
        }

        let mut enabled = 0_u64 $(| (1 << $bit))+;
        $($(
            if !$condition {
                enabled &= !(1 << $bit);
            }
        )?)+

        // A scope of its own: the handler finds nothing borrowed any more.
        let mut selected = {
            // In one `let` and by name, so that what an expression has borrowed from lives as long as the futures do.
            let ($($future,)+) = ($($value,)+);
            let mut futures = ($($crate::macros::IntoFuture::into_future($future),)+);
            // What the closure has is a reference, so that moving it does not move them.
            let futures = &mut futures;
            $crate::macros::poll_fn(move |cx| {
                if $crate::macros::poll_budget(cx).is_pending() {
                    return $crate::macros::Poll::Pending;
                }
                let ($($future,)+) = &mut *futures;
                // What there is to say about a pattern is said of the match below.
                #[allow(unreachable_code, unreachable_patterns, unused_mut, unused_variables)]
                for round in $crate::macros::$rounds(enabled, [$($bit),+].len() as u32) {
                    $(
                        if round & (1 << $bit) != 0 {
                            // SAFETY: the futures lie in a local variable, which is not moved before it is dropped, and whose name nobody else can write.
                            let future = unsafe { $crate::macros::Pin::new_unchecked(&mut *$future) };
                            if let $crate::macros::Poll::Ready(mut value) = $crate::macros::Future::poll(future, cx) {
                                enabled &= !(1 << $bit);
                                // The guard never lets the arm have the value. So the pattern is tried as it was written, by value, and nothing is moved.
                                let mut is_wanted = false;
                                match value {
                                    $pattern if { is_wanted = true; false } => ::core::unreachable!(),
                                    _ => (),
                                }
                                if is_wanted {
                                    return $crate::macros::Poll::Ready(__RtSelected::$name(value));
                                }
                            }
                        }
                    )+
                }
                match enabled {
                    0 => $crate::macros::Poll::Ready(__RtSelected::None),
                    _ => $crate::macros::Poll::Pending,
                }
            })
            .await
        };

        match selected {
            $(__RtSelected::$name($pattern) => $handler,)+
            __RtSelected::None => $else,
            _ => ::core::unreachable!("the pattern has matched before"),
        }
    }};
}

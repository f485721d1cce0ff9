//! `join!` and `try_join!`.

use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Waits until all of several futures are done, on the task that it is in, and gives their outputs as a tuple.
///
/// ```
/// use rt::time::{Duration, sleep};
///
/// async fn fetch(number: u32) -> u32 {
///     sleep(Duration::from_millis(5)).await;
///     number
/// }
///
/// # #[rt::main]
/// # async fn main() {
/// let (one, two, three) = rt::join!(fetch(1), fetch(2), fetch(3));
/// assert_eq!(one + two + three, 6);
/// # }
/// ```
///
/// Anything that can be awaited will do. The expressions are evaluated from the first to the last. A future that is done is dropped at once, and its output kept
/// until all are. An error is an output as any other: [`try_join!`](crate::try_join) stops at the first.
///
/// The futures take turns on one thread. What should run in parallel is spawned, and the handles are joined.
///
/// # Who is first
///
/// At each poll the next of them is polled first, so that one which uses up the task's budget (see [`task::coop`](crate::task::coop)) does not starve the others. With
/// `biased;` it is always the first, and the order can be relied on:
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let said = std::cell::RefCell::new(String::new());
/// rt::join!(
///     biased;
///     async { said.borrow_mut().push('a') },
///     async { said.borrow_mut().push('b') },
/// );
/// assert_eq!(said.into_inner(), "ab");
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropped before it is done, it drops all futures, and the outputs that are there already.
#[macro_export]
macro_rules! join {
    ($(biased;)?) => { async {}.await };
    (biased; $($value:expr),+ $(,)?) => { $crate::__join!(@all InOrder $($value),+) };
    ($($value:expr),+ $(,)?) => { $crate::__join!(@all InTurn $($value),+) };
}

/// Waits until all of several futures are done with `Ok`, and gives what is in these as a tuple in an `Ok`; or until one is done with an error, which it gives at once.
///
/// ```
/// use rt::time::{Duration, sleep};
///
/// async fn parse(text: &str) -> Result<u16, std::num::ParseIntError> {
///     sleep(Duration::from_millis(5)).await;
///     text.parse()
/// }
///
/// # #[rt::main]
/// # async fn main() {
/// assert_eq!(rt::try_join!(parse("80"), parse("443")), Ok((80, 443)));
/// assert!(rt::try_join!(parse("80"), parse("https"), std::future::pending::<Result<(), _>>()).is_err());
/// # }
/// ```
///
/// The type of the error is the same for all. Those that are not done when one fails are dropped in the middle of what they do. All else is as with
/// [`join!`](crate::join), `biased;` too.
///
/// Handles of tasks give a `Result` in a `Result`, and an error that the task returned is an `Ok` of its handle. To stop at that, make one of both:
///
/// ```
/// # type Error = Box<dyn std::error::Error + Send + Sync>;
/// async fn flatten<T>(task: rt::task::JoinHandle<Result<T, Error>>) -> Result<T, Error> {
///     task.await?
/// }
///
/// # #[rt::main]
/// # async fn main() {
/// let one = rt::spawn(async { Ok(1) });
/// let two = rt::spawn(async { Err::<u32, Error>("no two".into()) });
/// let joined: Result<(u32, u32), Error> = rt::try_join!(flatten(one), flatten(two));
/// assert_eq!(joined.unwrap_err().to_string(), "no two");
/// # }
/// ```
///
/// Their tasks go on all the same. In a [`task::try_scope`](crate::task::try_scope) they are cancelled.
///
/// # Cancel safety
///
/// Dropped before it is done, it drops all futures, and the outputs that are there already.
#[macro_export]
macro_rules! try_join {
    ($(biased;)?) => { async { $crate::macros::Result::Ok(()) }.await };
    (biased; $($value:expr),+ $(,)?) => { $crate::__join!(@name InOrder {} $($value,)+) };
    ($($value:expr),+ $(,)?) => { $crate::__join!(@name InTurn {} $($value,)+) };
}

/// Gives each future the name `future`, which is another name at each step, and then becomes what is awaited.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    // Futures of which none can fail.
    (@all $turns:ident $($value:expr),+) => {{
        let $crate::macros::Ok(outputs) = $crate::__join!(@name $turns {} $($crate::macros::Always::new($value),)+);
        outputs
    }};
    (@name $turns:ident {$($named:tt)*} $value:expr, $($rest:tt)*) => {
        $crate::__join!(@name $turns {$($named)* (future $value)} $($rest)*)
    };
    (@name $turns:ident {$(($future:ident $value:expr))+}) => {{
        let mut futures = ($($crate::macros::Slot::new($value),)+);
        // What the closure has is a reference, so that moving it does not move them.
        let futures = &mut futures;
        let mut turns = $crate::macros::$turns::new(0_u32 $(+ $crate::__join!(@one $future))+);
        $crate::macros::poll_fn(move |cx| {
            let ($($future,)+) = &mut *futures;
            let mut all_done = true;
            let mut lap = turns.begin();
            loop {
                let mut index = 0_u32;
                $(
                    if lap.has(index) {
                        // SAFETY: the futures lie in a local variable, which is not moved before it is dropped, and whose name nobody else can write.
                        let future = unsafe { $crate::macros::Pin::new_unchecked(&mut *$future) };
                        match future.poll(cx) {
                            $crate::macros::Poll::Ready($crate::macros::Ok(())) => (),
                            $crate::macros::Poll::Ready($crate::macros::Err(error)) => {
                                return $crate::macros::Poll::Ready($crate::macros::Err(error));
                            }
                            $crate::macros::Poll::Pending => all_done = false,
                        }
                    }
                    index += 1;
                )+
                if !lap.goes_on() {
                    break;
                }
            }
            if !all_done {
                return $crate::macros::Poll::Pending;
            }
            $crate::macros::Poll::Ready($crate::macros::Ok(($(
                // SAFETY: as above.
                unsafe { $crate::macros::Pin::new_unchecked(&mut *$future) }.take(),
            )+)))
        })
        .await
    }};
    (@one $future:ident) => { 1_u32 };
}

pin_project! {
    /// A future, and then what was in its `Ok`.
    #[project = SlotProjection]
    #[project_replace = SlotOwned]
    #[derive(Debug)]
    pub enum Slot<F, T> {
        Running { #[pin] future: F },
        Done { output: T },
        /// Given away, or there was an error.
        Empty,
    }
}

impl<F, T> Slot<F, T> {
    #[inline]
    pub fn new<E>(future: impl IntoFuture<IntoFuture = F, Output = Result<T, E>>) -> Self {
        Slot::Running { future: future.into_future() }
    }

    /// Polls the future if it is not done.
    #[inline]
    pub fn poll<E>(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let SlotProjection::Running { future } = self.as_mut().project() else { return Poll::Ready(Ok(())) };
        match ready!(future.poll(cx)) {
            Ok(output) => {
                self.set(Slot::Done { output });
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.set(Slot::Empty);
                Poll::Ready(Err(error))
            }
        }
    }

    /// The output of a future that is done.
    #[inline]
    pub fn take(mut self: Pin<&mut Self>) -> T {
        // Nothing that is pinned is moved: a `Done` holds no future.
        match self.as_mut().project_replace(Slot::Empty) {
            SlotOwned::Done { output } => output,
            _ => unreachable!("all are done"),
        }
    }
}

pin_project! {
    /// A future that cannot fail, as one that could.
    #[derive(Debug)]
    pub struct Always<F> {
        #[pin]
        future: F,
    }
}

impl<F> Always<F> {
    #[inline]
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Always { future: future.into_future() }
    }
}

impl<F: Future> Future for Always<F> {
    type Output = Result<F::Output, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(Ok)
    }
}

/// Which of several futures are polled now: those from `from` on and before `to`.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    from: u32,
    to: u32,
}

impl Lap {
    #[inline(always)]
    pub fn has(self, index: u32) -> bool {
        self.from <= index && index < self.to
    }

    /// Whether there are futures before those of this lap: they are the next.
    #[inline(always)]
    pub fn goes_on(&mut self) -> bool {
        *self = Lap { from: 0, to: self.from };
        self.to > 0
    }
}

/// At each poll another future is the first: the one behind the last time's.
#[derive(Debug)]
pub struct InTurn {
    first: u32,
    count: u32,
}

impl InTurn {
    #[inline(always)]
    pub fn new(count: u32) -> Self {
        InTurn { first: 0, count }
    }

    #[inline(always)]
    pub fn begin(&mut self) -> Lap {
        let lap = Lap { from: self.first, to: self.count };
        self.first = if self.first + 1 == self.count { 0 } else { self.first + 1 };
        lap
    }
}

/// At each poll the first future is the first.
#[derive(Debug)]
pub struct InOrder {
    count: u32,
}

impl InOrder {
    #[inline(always)]
    pub fn new(count: u32) -> Self {
        InOrder { count }
    }

    #[inline(always)]
    pub fn begin(&mut self) -> Lap {
        Lap { from: 0, to: self.count }
    }
}

//! Tasks that let others run: the budget of a poll.
//!
//! A socket that always has data would let its task loop without ever waiting, and the other tasks of its worker would wait for as long.
//! So each poll of a task has a budget, 128 steps. Sockets, timers, join handles and [`JoinSet`](super::JoinSet) draw one unit for each step of
//! progress, and with nothing left they return `Pending` and wake the task at once: it goes to the end of its worker's queue.
//!
//! Steps say little about time. A poll that goes on for some milliseconds is noticed from outside, and its budget is cut short: it ends
//! at its next step, whatever was left. (Not on a current-thread runtime, and not after `Builder::stall_after(None)`.)
//!
//! What computes for long without any such step can take some: [`consume_budget`]. What is ready by itself, as a channel is, can be made to:
//! [`cooperative`]. And a part that must not be interrupted can be taken out: [`unconstrained`].
//!
//! ```
//! use rt::task::coop;
//!
//! # #[rt::main]
//! # async fn main() {
//! async fn sum(numbers: &[u64]) -> u64 {
//!     let mut sum = 0;
//!     for part in numbers.chunks(10_000) {
//!         sum += part.iter().sum::<u64>();
//!         // Others may run here, now and then.
//!         coop::consume_budget().await;
//!     }
//!     sum
//! }
//!
//! let numbers: Vec<u64> = (0..1_000_000).collect();
//! let task = rt::spawn(async move { sum(&numbers).await });
//! assert_eq!(task.await.unwrap(), 499_999_500_000);
//! # }
//! ```

use super::budget;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Takes one step of the budget, and lets other tasks run if none is left.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(async {
///     for step in 0..1000 {
///         std::hint::black_box(step);
///         rt::task::coop::consume_budget().await;
///     }
/// });
/// task.await.unwrap();
/// # }
/// ```
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
pub async fn consume_budget() {
    poll_fn(budget::poll_proceed).await.made();
}

/// Whether the poll that runs now has some of its budget left. Always so outside a task, and in [`unconstrained`].
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
///
/// # #[rt::main]
/// # async fn main() {
/// /// What can be had of `numbers` in one poll.
/// async fn sum_some(numbers: &mut impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     poll_fn(|cx| {
///         while rt::task::coop::has_budget_remaining() {
///             let Poll::Ready(step) = rt::task::coop::poll_proceed(cx) else { break };
///             let Some(number) = numbers.next() else { break };
///             step.made_progress();
///             sum += number;
///         }
///         Poll::Ready(sum)
///     })
///     .await
/// }
/// assert!(sum_some(&mut (1..)).await > 0);
/// # }
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    budget::has_remaining()
}

/// Asks for one step, in a future that makes progress by itself.
///
/// `Pending` if nothing is left: the task has been woken, and the future is to return `Pending` too. Else one unit is drawn, and given
/// back when [`RestoreOnPending`] is dropped, unless it is told that there was progress.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
/// use rt::task::coop;
///
/// /// A number that is always there.
/// struct Next<'a>(&'a mut u32);
///
/// impl Future for Next<'_> {
///     type Output = u32;
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
///         let step = ready!(coop::poll_proceed(cx));
///         *self.0 += 1;
///         step.made_progress();
///         Poll::Ready(*self.0)
///     }
/// }
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(async {
///     let mut number = 0;
///     // Does not keep its worker from other tasks.
///     while Next(&mut number).await < 10_000 {}
/// });
/// task.await.unwrap();
/// # }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let progress = ready!(budget::poll_proceed(cx));
    Poll::Ready(RestoreOnPending { advance: progress.advance(), is_progress: Cell::new(false) })
}

/// One unit of the budget, which is given back when this is dropped, unless there was progress; see [`poll_proceed`].
///
/// What was drawn beneath, by a future that was polled meanwhile, stays drawn.
#[derive(Debug)]
#[must_use = "dropped at once, it gives its unit back"]
pub struct RestoreOnPending {
    advance: budget::Advance,
    is_progress: Cell<bool>,
}

impl RestoreOnPending {
    /// Says that there was progress: the unit is spent.
    pub fn made_progress(&self) {
        self.is_progress.set(true);
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if !self.is_progress.get() {
            self.advance.give_back();
        }
    }
}

/// Makes a future draw one unit of the budget when it is done, and wait for its turn when nothing is left. For what is often ready at
/// once and does not know of the budget: a channel, a stream from memory.
///
/// ```
/// use rt::sync::mpsc;
/// use rt::task::coop::cooperative;
///
/// # #[rt::main]
/// # async fn main() {
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// let task = rt::spawn(async move {
///     let mut sum = 0;
///     // A sender that is fast does not keep this worker from other tasks.
///     while let Some(number) = cooperative(receiver.recv()).await {
///         sum += number;
///     }
///     sum
/// });
/// (0..1000).for_each(|number: u32| sender.send(number).unwrap());
/// drop(sender);
/// assert_eq!(task.await.unwrap(), 499_500);
/// # }
/// ```
///
/// # Cancel safety
///
/// That of the future.
#[inline]
pub fn cooperative<F: Future>(fut: F) -> Coop<F> {
    Coop { fut }
}

pin_project! {
    /// See [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F: Future> {
        #[pin]
        fut: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let step = ready!(poll_proceed(cx));
        let output = self.project().fut.poll(cx);
        if output.is_ready() {
            step.made_progress();
        }
        output
    }
}

/// Takes a future out of the budget: nothing in it is made to wait for other tasks, and nothing that it does is counted.
///
/// The other tasks of its worker may have to wait for long. They do not wait for ever where the monitor is on, as it is by default on a pool:
/// it moves them.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let tasks: Vec<_> = (0..1000).map(|i| rt::spawn(async move { i })).collect();
/// let sum = rt::task::unconstrained(async move {
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum.await, 499_500);
/// # }
/// ```
///
/// # Cancel safety
///
/// That of the future.
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

pin_project! {
    /// See [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = budget::scope();
        budget::lift();
        self.project().inner.poll(cx)
    }
}

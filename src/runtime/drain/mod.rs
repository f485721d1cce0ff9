//! Draining: a shutdown that first lets the work be finished.
//!
//! # What is refused
//!
//! *Inside* is code that the runtime runs: its tasks, its blocking closures, the futures in its `block_on`. All else is outside.
//!
//! 1. When a drain begins, what is spawned from outside is refused. The registry's shards for threads that are no workers are *guarded*: only there
//!    is anybody asked where he is, so that a spawn on a worker pays nothing.
//! 2. When everything has ended, or the deadline has come, the registries are *shut*: now nobody can spawn. A look that finds nothing left is
//!    repeated after that, because something may have been spawned in between.
//!
//! Nothing is opened again.
//!
//! # Who waits
//!
//! A thread, made for the drain, that looks every millisecond whether something is left. It needs nothing of what is being drained: neither
//! timers, which the runtime may not have, nor a worker that is not stuck. And it costs spawning and ending nothing, as counting tasks would, or
//! waking somebody at the end of one.
//!
//! # Who is not counted
//!
//! Whoever drains the runtime from inside it, because it would wait for itself: the task or closure in which the drain began, as long as that goes on. All
//! drains of one runtime share that list, and the list of who was aborted.

mod attempt;
mod report;

pub use report::{Drained, DrainedTask};

use super::answer::Answer;
use super::handle::Inner;
use super::{Handle, Runtime, Wait};
use crate::primitives::{Mutex, clock, thread};
use crate::task::signal::Signal;
use crate::task::wait::{Event, note_event};
use crate::task::{TaskRef, yield_now};
use attempt::{Attempt, END, Stage};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How often the waiting thread looks. Half of it wakes it twice as often; twice as much makes every drain end so much later.
const LOOK: Duration = Duration::from_millis(1);

/// What the waiting thread is called.
const THREAD: &str = "rt-drain";

/// What the drains of one runtime have in common.
pub(super) struct Drain {
    /// Set when the first begins, or the runtime shuts down.
    begun: Signal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Drains that have not returned.
    active: usize,
    /// The tasks and closures in which they are.
    drainers: Vec<u64>,
    /// Those that they have aborted, and whether they are closures. Kept as long as any is active.
    aborted: Vec<(TaskRef, bool)>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Drain { begun: Signal::new(), state: Mutex::new(State::default()) }
    }

    /// Whether the runtime takes no more work from outside.
    #[cfg(feature = "net")]
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_set()
    }

    /// Tells whoever waits that the runtime takes no more work.
    pub(super) fn tell(&self) {
        self.begun.set();
    }
}

/// The life of the waiting thread.
fn find(answer: Answer<Drained>, attempt: Arc<Attempt>) {
    let mut stage = Stage::Open;
    let drained = loop {
        if let Some(drained) = attempt.look(&mut stage) {
            break drained;
        }
        if answer.is_unwanted_until(clock::now() + LOOK) {
            return;
        }
    };
    // Before anybody hears of it, so that whoever does is counted again.
    drop(attempt);
    answer.give(drained);
}

/// See [`Handle::drain`].
async fn drain(inner: &Arc<Inner>, deadline: Duration) -> Drained {
    let attempt = Attempt::begin(inner, deadline);
    let (answer, wanted) = Answer::new();
    let finding = thread::Builder::new().name(THREAD.to_owned()).spawn({
        let attempt = attempt.clone();
        move || find(answer, attempt)
    });
    if finding.is_err() {
        // Then this looks, as often as it comes to its turn.
        let mut stage = Stage::Open;
        loop {
            if let Some(drained) = attempt.look(&mut stage) {
                return drained;
            }
            yield_now().await;
        }
    }
    // The thread alone keeps it.
    drop(attempt);
    wanted.wait(|| note_event(Event::Drained)).await
}

impl Runtime {
    /// Lets the runtime's work be finished, and shuts it down.
    ///
    /// 1. What is spawned from outside is refused from now on, as after a shutdown: its handle says that it was cancelled. Code that the runtime runs
    ///    (tasks, blocking closures, futures in its `block_on`) may still spawn, to finish what it does. [`draining`] tells it that it should.
    /// 2. Tasks and blocking closures that are there go on until they end. On a current-thread runtime this call runs them.
    /// 3. At the deadline, whoever is left is aborted, and nobody can spawn any more. Those that do not end within another second are inside a poll, or a
    ///    closure that blocks. They are left to themselves, as by [`shutdown_timeout`](Self::shutdown_timeout), and named in the result.
    ///
    /// With a deadline of zero everybody is aborted at once, but for what ends before that is noticed. The deadline is one of the
    /// machine's clock, also where time is paused.
    ///
    /// Called by a task or a closure of the runtime itself, it does not count that; the task is then cut off at its next await point.
    ///
    /// ```
    /// use rt::runtime::{Runtime, draining};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// runtime.spawn(async {
    ///     draining().await;
    ///     // Says goodbye.
    /// });
    /// runtime.spawn(std::future::pending::<()>());
    /// let drained = runtime.drain(Duration::from_millis(500));
    /// assert_eq!((drained.finished(), drained.aborted().len()), (1, 1));
    /// println!("{drained}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`block_on`](Self::block_on): on a thread that is polling futures of a current-thread runtime. [`Handle::drain`] is for there.
    #[track_caller]
    pub fn drain(mut self, deadline: Duration) -> Drained {
        let drained = self.block_on(self.handle.drain(deadline));
        let must_not_wait = !drained.stuck().is_empty() || self.must_not_wait();
        self.shut_down(if must_not_wait { Wait::No } else { Wait::Until(clock::now().checked_add(END)) });
        drained
    }
}

impl Handle {
    /// Lets the runtime's work be finished: as [`Runtime::drain`], but from inside, and without shutting the runtime down.
    ///
    /// The task, or the closure, that awaits this is not counted, and goes on. So does the future in `block_on`, which is no task. But once the runtime has
    /// been drained, nobody can spawn onto it any more. Best awaited in `main`, or by a task that nobody waits for.
    ///
    /// Any number of drains may go on at the same time, and one may follow another: each returns when nobody is left, and the first deadline aborts for
    /// all. Each counts and lists what happened since it began; those that would not stop are listed by each. After a
    /// shutdown there is nothing to be drained, and this returns at once. On a current-thread runtime, tasks run only while a thread is in
    /// [`Runtime::block_on`].
    ///
    /// ```
    /// use rt::runtime::Handle;
    /// use std::time::Duration;
    ///
    /// # #[rt::main]
    /// # async fn main() {
    /// rt::spawn(async { /* the last request */ });
    /// let drained = Handle::current().drain(Duration::from_secs(10)).await;
    /// assert!(drained.is_clean(), "{drained}");
    /// assert!(rt::spawn(async {}).await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// It begins when it is first polled. Dropped after that, it aborts nobody, but the runtime refuses what is spawned from outside, and [`draining`] holds.
    /// Another drain takes it from there.
    pub fn drain(&self, deadline: Duration) -> impl Future<Output = Drained> + Send + use<> {
        let inner = self.inner.clone();
        async move { drain(&inner, deadline).await }
    }

    /// Waits until the runtime drains, or shuts down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn draining(&self) -> Draining {
        Draining { inner: self.inner.clone(), place: None }
    }

    /// Whether the runtime drains, has been drained, or shuts down.
    pub fn is_draining(&self) -> bool {
        self.inner.drain.begun.is_set()
    }
}

/// Waits until the current runtime drains, or shuts down: it is time to finish.
///
/// ```
/// use futures_util::future::{Either, select};
/// use rt::runtime::{Runtime, draining};
/// use rt::time::{Duration, sleep};
/// use std::pin::pin;
///
/// let runtime = Runtime::new()?;
/// let worker = runtime.spawn(async {
///     let mut steps = 0;
///     loop {
///         let step = sleep(Duration::from_millis(1));
///         match select(pin!(draining()), pin!(step)).await {
///             Either::Left(_) => break steps,
///             Either::Right(_) => steps += 1,
///         }
///     }
/// });
/// let drained = runtime.drain(Duration::from_secs(10));
/// assert!(drained.is_clean());
/// assert!(worker.is_finished());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
///
/// # Panics
///
/// If this thread is in no runtime.
#[track_caller]
pub fn draining() -> Draining {
    Handle::current().draining()
}

/// Whether the current runtime drains, has been drained, or shuts down.
///
/// # Panics
///
/// If this thread is in no runtime.
#[track_caller]
pub fn is_draining() -> bool {
    Handle::with_current(|inner| inner.drain.begun.is_set())
}

/// The future of [`draining`] and [`Handle::draining`].
#[must_use = "it does nothing until it is awaited"]
pub struct Draining {
    inner: Arc<Inner>,
    place: Option<usize>,
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let begun = this.inner.drain.begun.poll(&mut this.place, cx.waker());
        if begun.is_pending() {
            note_event(Event::Draining);
        }
        begun
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        self.inner.drain.begun.leave(self.place);
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").field("is_draining", &self.inner.drain.begun.is_set()).finish()
    }
}

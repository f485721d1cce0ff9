//! How much a task may do in one poll before it must let others run.
//!
//! A socket that always has data, or a join that is always done, would let its task loop without ever returning
//! `Pending`. So each poll starts with a budget, the runtime's own leaf futures draw one unit for each step of progress,
//! and with nothing left they return `Pending` and wake the task at once: it goes to the back of the queue.
//!
//! The budget counts steps, not time. Whoever sees from outside that a poll goes on for too long [cuts it short](Leash): the
//! next step of that poll finds nothing left.

use crate::primitives::Mutex;
use crate::primitives::plain::{AtomicU8, Ordering};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Steps of progress in one poll. Half of it yields twice as often for little gain in latency; much more, and one busy
/// connection holds a worker for milliseconds.
const PER_POLL: u8 = 128;

/// Outside a task nothing is limited.
const UNLIMITED: u8 = u8::MAX;

thread_local! {
    // An atomic only for whoever cuts it short: this thread loads and stores, as it would in a `Cell`. Without a destructor.
    static LEFT: AtomicU8 = const { AtomicU8::new(UNLIMITED) };
    static YIELDS: Cell<u32> = const { Cell::new(0) };
}

#[inline(always)]
fn left() -> u8 {
    // Ordering: Relaxed, here and below; the number says nothing of other memory.
    LEFT.with(|left| left.load(Ordering::Relaxed))
}

/// If it is cut short between the load that led to `units` and this store, then it is so once more at the next look.
#[inline(always)]
fn set_left(units: u8) {
    LEFT.with(|left| left.store(units, Ordering::Relaxed));
}

/// Called by a worker before each poll of a task.
#[inline]
pub(crate) fn refill() {
    set_left(PER_POLL);
}

/// Lifts the limit until the end of the poll.
pub(crate) fn lift() {
    set_left(UNLIMITED);
}

/// Called by a thread that begins to poll futures: what it does until the guard is dropped leaves the budget of whatever
/// called it alone.
pub(crate) fn scope() -> Scope {
    Scope { before: left() }
}

/// Restores the budget when dropped.
pub(crate) struct Scope {
    before: u8,
}

impl Drop for Scope {
    fn drop(&mut self) {
        set_left(self.before);
    }
}

/// Whether something is left of the budget of this poll.
#[inline]
pub(crate) fn has_remaining() -> bool {
    left() > 0
}

/// Draws one unit if there is one, without asking first.
#[cfg(feature = "time")]
#[inline]
pub(crate) fn draw() {
    Progress(()).made();
}

/// `Pending` if the budget of this poll is used up; the task has been woken then.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<Progress> {
    if left() == 0 { used_up(cx) } else { Poll::Ready(Progress(())) }
}

#[cold]
fn used_up(cx: &mut Context<'_>) -> Poll<Progress> {
    YIELDS.set(YIELDS.get().wrapping_add(1));
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// How often this thread has found a budget used up since it was last asked.
pub(crate) fn take_yields() -> u32 {
    YIELDS.replace(0)
}

/// The right to one step of progress.
#[must_use = "say whether progress was made"]
pub(crate) struct Progress(());

impl Progress {
    /// Draws one unit.
    #[inline]
    pub(crate) fn made(self) {
        let left = left();
        // One of a limited number that is not used up, without a branch.
        let is_limited = left.wrapping_sub(1) < PER_POLL;
        set_left(left - u8::from(is_limited));
    }

    /// Draws one unit, which can be given back.
    pub(super) fn advance(self) -> Advance {
        let before = left();
        self.made();
        Advance { before, after: left(), thread: PhantomData }
    }
}

/// A unit that was drawn before it was known whether there will be progress.
#[derive(Debug)]
pub(super) struct Advance {
    before: u8,
    after: u8,
    /// It belongs to this thread.
    thread: PhantomData<*mut ()>,
}

impl Advance {
    /// Gives the unit back, unless somebody has drawn, lifted, refilled or cut short since: then that counts.
    pub(super) fn give_back(&self) {
        if left() == self.after {
            set_left(self.before);
        }
    }
}

/// By which others cut the polls of a thread short.
#[derive(Debug, Default)]
pub(crate) struct Leash(Mutex<Option<Place>>);

/// Where the budget of the thread is that is on the leash.
#[derive(Debug)]
struct Place(NonNull<AtomicU8>);

// SAFETY: an atomic may be reached from any thread.
unsafe impl Send for Place {}

impl Leash {
    /// The poll that the thread is in is to end at its next step, unless it has no limit or is in none.
    ///
    /// A poll that draws a unit at this very moment may miss it, and one that has just begun may be hit in its place. So this is
    /// called again for a poll that still goes on, and the other only yields once for nothing.
    pub(crate) fn cut_short(&self) {
        let place = self.0.lock();
        let Some(Place(left)) = &*place else { return };
        // SAFETY: the place is that of a thread in `on_leash`, which cannot leave it while the lock is held.
        let left = unsafe { left.as_ref() };
        // Ordering: Relaxed; as above.
        let units = left.load(Ordering::Relaxed);
        if units != UNLIMITED {
            // An exchange, so that a limit that is being lifted stays lifted.
            let _ = left.compare_exchange(units, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Runs `code`. What it polls on this thread can be cut short by `leash` meanwhile, if there is one.
#[inline]
pub(crate) fn on_leash<R>(leash: Option<&Leash>, code: impl FnOnce() -> R) -> R {
    let _attached = leash.map(|leash| {
        *leash.0.lock() = Some(Place(LEFT.with(|left| NonNull::from(left))));
        Attached(leash)
    });
    code()
}

/// Takes the thread off the leash when dropped. It never leaves `on_leash`.
struct Attached<'a>(&'a Leash);

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::task::Waker;

    fn proceed() -> Poll<Progress> {
        poll_proceed(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_unit_given_back_is_there_again_unless_something_else_happened_to_the_budget() {
        let _scope = scope();
        refill();
        let Poll::Ready(progress) = proceed() else { panic!("there is a budget") };
        let advance = progress.advance();
        assert_eq!(left(), PER_POLL - 1);
        advance.give_back();
        assert_eq!(left(), PER_POLL);

        let Poll::Ready(progress) = proceed() else { panic!("there is a budget") };
        let advance = progress.advance();
        set_left(0);
        advance.give_back();
        assert!(proceed().is_pending());
    }

    #[test]
    fn a_thread_on_the_leash_is_cut_short_from_elsewhere() {
        let leash = Leash::default();
        let cut = || std::thread::scope(|scope| scope.spawn(|| leash.cut_short()).join().unwrap());
        let _scope = scope();
        on_leash(Some(&leash), || {
            refill();
            cut();
            assert!(proceed().is_pending());
            refill();
            assert!(proceed().is_ready());
            lift();
            cut();
            assert_eq!(left(), UNLIMITED);
        });
        refill();
        cut();
        assert_eq!(left(), PER_POLL);
    }

    #[test]
    fn a_panic_takes_the_thread_off_the_leash() {
        let leash = Leash::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            on_leash(Some(&leash), || std::panic::resume_unwind(Box::new(())));
        }));
        assert!(panicked.is_err());
        assert!(leash.0.lock().is_none());
    }
}

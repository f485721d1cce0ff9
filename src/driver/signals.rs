//! Signals as sources in the reactor.
//!
//! # From a signal to a task
//!
//! A runtime has a [`Source`] for each signal that somebody on it listens to: a descriptor in its reactor, which the signal's handler makes
//! readable. How often the signal has come is counted besides, once for the process, and each [`Listener`] keeps the count that it has told of. So
//! the source says *when* to look, and the count *whether* there was a signal: no listener can miss one because another was faster.
//!
//! 1. The handler counts the signal, and then rings the chime of each source.
//! 2. The reactor sets the source readable and wakes who waits for it: all listeners of that signal on that runtime, and nobody else.
//! 3. A listener that is polled compares the counts. If they differ, it notes the new one: that is one signal, or several in one.
//! 4. If they do not, and the source is readable, then the event was of signals that it has told of already: it clears the readiness, as anybody does
//!    whose operation would have blocked, and looks again.
//! 5. If the source is not readable, it leaves its waker, and **compares the counts once more** before it goes: another listener may have cleared,
//!    in step 4, an event that came since step 3.
//!
//! # Why no signal is lost
//!
//! A listener that goes to wait has left its waker before it last compared the counts. If the signal was counted before, it saw that. Else the signal
//! is counted, and so rung, after; the event that follows finds the waker: events take wakers out under the lock under which they are left.
//!
//! # Runtimes
//!
//! A listener hears by the runtime that it is polled in: it [moves](Listener::move_to) there, taking its count along, so that neither a runtime that has shut
//! down nor one that nobody drives makes it deaf. A source goes with its last listener, and its chime is not rung any more.

use super::interest::Interest;
use super::reactor::Reactor;
use super::readiness::Seen;
use super::registration::Registration;
use crate::primitives::Mutex;
use crate::primitives::planted::{self, Step};
use crate::primitives::signals::{self, Announced, Chime, Number};
use crate::task::budget;
use mio::unix::SourceFd;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

/// Which signal.
///
/// The functions name those that every Unix has; any other is made of its number.
///
/// ```
/// use rt::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::interrupt(), SignalKind::from_raw(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

/// The signals that somebody on this runtime listens to, or did.
#[derive(Debug, Default)]
pub(super) struct Signals(Mutex<Vec<Weak<Source>>>);

/// See the module's page.
#[derive(Debug)]
struct Source {
    number: Number,
    registration: Registration,
    chime: Arc<Chime>,
    /// Dropped after the source has left the reactor.
    _announced: Announced,
}

/// Hears one signal.
#[derive(Debug)]
pub(crate) struct Listener {
    source: Arc<Source>,
    /// The count that it has told of.
    told: usize,
    /// Where it waits.
    place: Option<u64>,
}

impl Source {
    fn new(number: Number, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let chime = Arc::new(Chime::new()?);
        let announced = signals::announce(number, chime.clone())?;
        let descriptor = chime.as_fd().as_raw_fd();
        let registration = reactor.register(&mut SourceFd(&descriptor), descriptor, Interest::READABLE)?;
        Ok(Source { number, registration, chime, _announced: announced })
    }

    /// That of a runtime for a signal.
    fn of(number: Number, reactor: &Arc<Reactor>) -> io::Result<Arc<Self>> {
        let mut known = reactor.signals().0.lock();
        if let Some(source) = known.iter().filter_map(Weak::upgrade).find(|source| source.number == number) {
            return Ok(source);
        }
        let source = Arc::new(Source::new(number, reactor)?);
        known.retain(|source| source.strong_count() > 0);
        known.push(Arc::downgrade(&source));
        Ok(source)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The descriptor is closed next, which takes it out of the poller in any case.
        let _ = self.registration.deregister(&mut SourceFd(&self.chime.as_fd().as_raw_fd()));
    }
}

impl Listener {
    /// Listens to a signal from now on.
    ///
    /// # Errors
    ///
    /// `Other` for what is no signal or must not be caught, or if the runtime has shut down; else what the system says.
    pub(crate) fn new(kind: SignalKind, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let source = Source::of(kind.0, reactor)?;
        Ok(Listener { told: signals::counted(kind.0), source, place: None })
    }

    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        self.source.registration.reactor()
    }

    /// Hears by that runtime from now on.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). It stays where it is then.
    pub(crate) fn move_to(&mut self, reactor: &Arc<Reactor>) -> io::Result<()> {
        let source = Source::of(self.source.number, reactor)?;
        self.leave();
        self.source = source;
        Ok(())
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = ready!(budget::poll_proceed(cx));
        let Listener { source, told, place } = self;
        let heard = ready!(poll_count(
            told,
            || signals::counted(source.number),
            || source.registration.poll_shared(Interest::READABLE, place, cx),
            |seen| {
                source.chime.make_room();
                source.registration.clear(seen, seen.ready);
            },
        ));
        progress.made();
        Poll::Ready(heard)
    }

    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.source.registration.forget(place);
        }
    }
}

/// Steps 3 to 5.
fn poll_count(
    told: &mut usize,
    counted: impl Fn() -> usize,
    mut poll: impl FnMut() -> Poll<io::Result<Seen>>,
    clear: impl Fn(Seen),
) -> Poll<io::Result<()>> {
    let mut hears = || {
        let counted = counted();
        std::mem::replace(told, counted) != counted
    };
    loop {
        if hears() {
            return Poll::Ready(Ok(()));
        }
        match poll() {
            Poll::Ready(Ok(seen)) => clear(seen),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if planted::keeps(Step::ListenerComparesAgain) && hears() => return Poll::Ready(Ok(())),
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.leave();
    }
}

macro_rules! kinds {
    ($($(#[$cfg:meta])* $name:ident: $signal:ident, $what:literal;)*) => {$(
        #[doc = concat!("`SIG", stringify!($signal), "`: ", $what)]
        $(#[$cfg])*
        pub const fn $name() -> SignalKind {
            SignalKind(rustix::process::Signal::$signal.as_raw())
        }
    )*};
}

impl SignalKind {
    /// The signal of that number. Whether there is one, and whether it can be listened to, says [`signal`](crate::signal::unix::signal).
    pub const fn from_raw(signum: c_int) -> SignalKind {
        SignalKind(signum)
    }

    /// The signal's number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    kinds! {
        alarm: ALARM, "a timer of `alarm` or `setitimer` is due. Ends the process if nobody listens.";
        child: CHILD, "a child process has ended, stopped or gone on. Ignored if nobody listens.";
        hangup: HUP, "the terminal is gone; servers read their configuration again. Ends the process if nobody listens.";
        #[cfg(any(
            target_os = "dragonfly", target_os = "freebsd", target_os = "macos", target_os = "netbsd", target_os = "openbsd",
            target_os = "illumos"
        ))]
        info: INFO, "somebody at the terminal asks how it goes. Ignored if nobody listens.";
        interrupt: INT, "somebody at the terminal has pressed Ctrl-C. Ends the process if nobody listens.";
        io: IO, "a descriptor that was set up for it is ready. Ends the process if nobody listens, or is ignored, depending on the system.";
        pipe: PIPE, "a write to a pipe or socket that nobody reads. Rust's programs ignore it if nobody listens.";
        quit: QUIT, "somebody at the terminal has pressed Ctrl-\\\\. Ends the process and dumps its core if nobody listens.";
        terminate: TERM, "the process is asked to end. Ends it if nobody listens.";
        user_defined1: USR1, "whatever the program makes of it. Ends the process if nobody listens.";
        user_defined2: USR2, "whatever the program makes of it. Ends the process if nobody listens.";
        window_change: WINCH, "the terminal's window has another size. Ignored if nobody listens.";
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> SignalKind {
        SignalKind::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> c_int {
        kind.as_raw_value()
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::driver::interest::Ready;
    use crate::driver::readiness::Readiness;
    use crate::primitives::atomic::{AtomicBool, AtomicU64, Ordering};
    use crate::primitives::planted::assert_caught;
    use loom::thread;
    use std::task::{Wake, Waker};

    #[derive(Debug)]
    struct Note(AtomicBool);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    struct Model {
        count: AtomicU64,
        readiness: Readiness,
    }

    impl Model {
        /// What a handler does, and then the reactor.
        fn signal(&self) {
            self.count.fetch_add(1, Ordering::Release);
            let mut woken = Vec::new();
            self.readiness.set(0, Ready::READABLE, &mut woken);
            woken.into_iter().for_each(Waker::wake);
        }

        fn hears(&self, told: &mut usize, place: &mut Option<u64>, waker: &Waker) -> bool {
            let cx = &mut Context::from_waker(waker);
            let heard = poll_count(
                told,
                || self.count.load(Ordering::Acquire) as usize,
                || self.readiness.poll_shared(Interest::READABLE, place, cx).map(Ok),
                |seen| self.readiness.clear_bits(seen, seen.ready),
            );
            heard.is_ready()
        }
    }

    /// One listens on after it has heard the signal, and so clears the event while another begins to wait.
    #[test]
    fn a_listener_hears_the_signal_or_is_woken_though_another_clears_the_event() {
        loom::model(|| {
            let model = Arc::new(Model { count: AtomicU64::new(0), readiness: Readiness::new() });
            let note = Arc::new(Note(AtomicBool::new(false)));
            let one = thread::spawn({
                let model = model.clone();
                move || {
                    let (mut told, mut place) = (0, None);
                    let heard = [(); 2].map(|()| model.hears(&mut told, &mut place, Waker::noop()));
                    assert_ne!(heard, [true, true], "there was one signal");
                }
            });
            let other = thread::spawn({
                let (model, waker) = (model.clone(), Waker::from(note.clone()));
                move || model.hears(&mut 0, &mut None, &waker)
            });
            model.signal();
            one.join().unwrap();
            let heard = other.join().unwrap();
            assert!(heard || note.0.load(Ordering::Relaxed), "the signal is lost");
        });
    }

    #[test]
    fn a_listener_that_does_not_compare_again_is_caught() {
        assert_caught(
            "driver::signals::models::a_listener_hears_the_signal_or_is_woken_though_another_clears_the_event",
            Step::ListenerComparesAgain,
        );
    }
}

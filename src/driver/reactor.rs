//! mio's poller, and what sources need of it.
//!
//! A source is registered once, edge-triggered, and stays so until it is dropped. Its token is a place in the table and that
//! place's generation, never a pointer: an event that was on its way while the source was dropped, and its place given to
//! another, is recognised and ignored.

use super::Batches;
use super::entry::Entry;
#[cfg(unix)]
use super::entry::Late;
use super::interest::{Interest, Ready};
use super::readiness::Readiness;
use super::registration::{Number, Registration};
#[cfg(all(unix, feature = "signal"))]
use super::signals::Signals;
use super::table::{Table, Token};
use std::fmt;
use std::io;
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The part of the reactor that sources keep alive: registering, deregistering, interrupting.
pub(crate) struct Reactor {
    registry: mio::Registry,
    waker: mio::Waker,
    table: Table,
    #[cfg(all(unix, feature = "signal"))]
    signals: Signals,
}

/// The part that one thread at a time waits on.
#[derive(Debug)]
pub(super) struct Poller {
    poll: mio::Poll,
    events: mio::Events,
    few_events: mio::Events,
}

/// What a look found.
pub(super) struct Found {
    /// Of sources.
    pub(super) events: u64,
    /// It was ended by [`Reactor::interrupt`], or a signal.
    pub(super) is_interrupted: bool,
}

/// Waits shorter than this are precise, for a second system call if something else comes first. A wait that is longer ends up to a millisecond late.
/// Twice as much, and servers with many timeouts make that call often; half as much would be felt in an animation.
#[cfg(target_os = "linux")]
const PRECISE: Duration = Duration::from_millis(16);

/// Not a place in the table.
const WAKER: mio::Token = mio::Token(usize::MAX);

impl Reactor {
    pub(super) fn new(batches: Batches) -> io::Result<(Poller, Arc<Self>)> {
        let poll = mio::Poll::new()?;
        #[cfg(target_os = "linux")]
        grow_descriptor_table(&poll);
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        let reactor = Reactor {
            registry,
            waker,
            table: Table::new(),
            #[cfg(all(unix, feature = "signal"))]
            signals: Signals::default(),
        };
        let events = mio::Events::with_capacity(batches.waiting);
        let few_events = mio::Events::with_capacity(batches.looking);
        Ok((Poller { poll, events, few_events }, Arc::new(reactor)))
    }

    pub(super) fn interrupt(&self) {
        // A failure would mean that the counter of the eventfd is full: then the waiter is interrupted anyway.
        let _ = self.waker.wake();
    }

    /// Registers a source.
    ///
    /// # Errors
    ///
    /// What the OS says, or `Other` if the runtime has shut down.
    pub(crate) fn register<S>(
        self: &Arc<Self>,
        source: &mut S,
        number: Number,
        interest: Interest,
    ) -> io::Result<Registration>
    where
        S: mio::event::Source + ?Sized,
    {
        let token = self.table.insert()?;
        if let Err(error) = self.registry.register(source, token.to_mio(), interest.to_mio()) {
            self.table.remove(token);
            return Err(error);
        }
        Ok(Registration::new(self.clone(), token, number, Entry::Done))
    }

    /// Registers a source that the poller need not know before somebody has to wait for it; it is taken to be ready until then. The
    /// descriptor has to stay open until it is deregistered.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has shut down.
    #[cfg(unix)]
    pub(super) fn register_late(self: &Arc<Self>, number: Number, interest: Interest) -> io::Result<Registration> {
        let token = self.table.insert()?;
        Ok(Registration::new(self.clone(), token, number, Entry::Late(Late::new(interest))))
    }

    /// The part that sources enter and leave.
    pub(super) fn registry(&self) -> &mio::Registry {
        &self.registry
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    #[cfg(all(unix, feature = "signal"))]
    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// How many sources have come, and how many have gone.
    pub(super) fn sources(&self) -> (u64, u64) {
        self.table.sources()
    }

    /// Of a source that has not been deregistered.
    pub(super) fn readiness(&self, token: Token) -> &Readiness {
        self.table.get(token).expect("its place is kept until it is deregistered")
    }

    pub(super) fn shut_down(&self, woken: &mut Vec<Waker>) {
        self.table.shut_down(woken);
    }
}

impl Poller {
    /// Waits for events for at most `limit`, and moves the wakers that waited for them to `woken`.
    pub(super) fn poll(&mut self, reactor: &Reactor, mut limit: Option<Duration>, woken: &mut Vec<Waker>) -> Found {
        let mut found = Found { events: 0, is_interrupted: false };
        let only_looks = limit.is_some_and(|limit| limit.is_zero());
        #[cfg(target_os = "linux")]
        if let Some(time) = limit.filter(|time| !time.is_zero() && *time < PRECISE) {
            if !self.is_readable_within(time) {
                return found;
            }
            limit = Some(Duration::ZERO);
        }
        let events = if only_looks { &mut self.few_events } else { &mut self.events };
        match self.poll.poll(events, limit) {
            Ok(()) => {}
            // The caller looks again soon.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Found { is_interrupted: true, ..found },
            Err(error) => panic!("the reactor cannot wait for events: {error}"),
        }
        for event in &*events {
            if event.token() == WAKER {
                found.is_interrupted = true;
            } else {
                found.events += 1;
                reactor.table.set(event.token().into(), Ready::of(event), woken);
            }
        }
        found
    }

    /// Waits for events without taking them. To the nanosecond, if the system can; a poller takes whole milliseconds only.
    #[cfg(target_os = "linux")]
    fn is_readable_within(&self, time: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        match poll(&mut [PollFd::new(self.poll.registry(), PollFlags::IN)], Some(&time)) {
            Ok(ready) => ready > 0,
            // The caller looks again soon, as after any error that it can do nothing about.
            Err(_) => false,
        }
    }
}

/// Makes the kernel grow the process's table of descriptors once, and not step by step under load: each step stops every thread that opens
/// a descriptor for milliseconds.
#[cfg(target_os = "linux")]
fn grow_descriptor_table(any: &mio::Poll) {
    /// Eight bytes of kernel memory each; programs with more connections than that grow it one time more.
    const ENOUGH: u64 = 1 << 15;
    static GROWN: std::sync::Once = std::sync::Once::new();
    GROWN.call_once(|| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let last = limit.unwrap_or(ENOUGH).min(ENOUGH).saturating_sub(1);
        // A number that is free from the last on; if there is none, the table is large already.
        drop(rustix::io::fcntl_dupfd_cloexec(any.registry(), last as i32));
    });
}

/// The runtime that serves a source is gone.
#[derive(Debug)]
struct ShutDown;

pub(super) fn shut_down() -> io::Error {
    io::Error::other(ShutDown)
}

/// Whether that is what an error says.
pub(crate) fn is_shut_down(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<ShutDown>())
}

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime that serves this socket or descriptor has shut down")
    }
}

impl std::error::Error for ShutDown {}

// No lock is held while user code runs, so a panic of it finds nothing half done.
impl RefUnwindSafe for Reactor {}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

//! mio's poller, and the table of registered sources.
//!
//! A source is registered once, for both directions and edge-triggered, and stays so until it is dropped. Its token is a
//! place in the table and that place's generation, never a pointer: an event that was on its way while the source was
//! dropped, and its place given to another, is recognised and ignored.

use super::readiness::{Direction, Interest, Readiness, Ready, Seen};
use crate::primitives::Mutex;
use crate::task::budget;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// The part of the reactor that sources keep alive: registering, deregistering, interrupting.
pub(crate) struct Reactor {
    registry: mio::Registry,
    waker: mio::Waker,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    places: Vec<Place>,
    free: Vec<u32>,
    shut_down: bool,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    source: Option<Arc<Readiness>>,
}

/// The part that one thread at a time waits on.
#[derive(Debug)]
pub(super) struct Poller {
    poll: mio::Poll,
    events: mio::Events,
}

/// Events taken by one call. Fewer cost more calls under load; more make the tasks of the first wait for the last.
const EVENTS: usize = 1024;

/// Waits shorter than this are precise, for a second system call if something else comes first. A wait that is longer ends up to a millisecond late.
/// Twice as much, and servers with many timeouts make that call often; half as much would be felt in an animation.
#[cfg(target_os = "linux")]
const PRECISE: Duration = Duration::from_millis(16);

/// Not a place in the table: places stay below 2^32.
const WAKER: mio::Token = mio::Token(usize::MAX);

impl Reactor {
    pub(super) fn new() -> io::Result<(Poller, Arc<Self>)> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        let reactor = Reactor { registry, waker, table: Mutex::new(Table::default()) };
        Ok((Poller { poll, events: mio::Events::with_capacity(EVENTS) }, Arc::new(reactor)))
    }

    pub(super) fn interrupt(&self) {
        // A failure would mean that the counter of the eventfd is full: then the waiter is interrupted anyway.
        let _ = self.waker.wake();
    }

    /// Registers a source for both directions.
    ///
    /// # Errors
    ///
    /// What the OS says, or `Other` if the runtime has shut down.
    pub(crate) fn register<S: mio::event::Source>(self: &Arc<Self>, source: &mut S) -> io::Result<Registration> {
        let readiness = Arc::new(Readiness::new());
        let token = self.table.lock().insert(readiness.clone())?;
        // Priority is registered so that urgent data is not mistaken for the end of what can be read.
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | mio::Interest::PRIORITY;
        if let Err(error) = self.registry.register(source, token, interest) {
            self.table.lock().remove(token);
            return Err(error);
        }
        Ok(Registration { reactor: self.clone(), token, readiness })
    }

    pub(super) fn shut_down(&self, woken: &mut Vec<Waker>) {
        let mut table = self.table.lock();
        table.shut_down = true;
        for source in table.places.iter().filter_map(|place| place.source.as_ref()) {
            source.set(Ready::SHUT_DOWN, woken);
        }
    }
}

impl Poller {
    /// Waits for events for at most `limit`, and moves the wakers that waited for them to `woken`. True: it was interrupted.
    pub(super) fn poll(&mut self, reactor: &Reactor, mut limit: Option<Duration>, woken: &mut Vec<Waker>) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(time) = limit.filter(|time| !time.is_zero() && *time < PRECISE) {
            if !self.is_readable_within(time) {
                return false;
            }
            limit = Some(Duration::ZERO);
        }
        match self.poll.poll(&mut self.events, limit) {
            Ok(()) => {}
            // The caller looks again soon.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) => panic!("the reactor cannot wait for events: {error}"),
        }
        if self.events.is_empty() {
            return false;
        }
        let mut is_interrupted = false;
        let table = reactor.table.lock();
        for event in &self.events {
            match table.get(event.token()) {
                Some(source) => source.set(Ready::of(event), woken),
                None => is_interrupted |= event.token() == WAKER,
            }
        }
        is_interrupted
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

impl Table {
    fn insert(&mut self, readiness: Arc<Readiness>) -> io::Result<mio::Token> {
        if self.shut_down {
            return Err(shut_down());
        }
        let place = match self.free.pop() {
            Some(place) => place as usize,
            None => {
                self.places.push(Place::default());
                self.places.len() - 1
            }
        };
        self.places[place].source = Some(readiness);
        Ok(token(place, self.places[place].generation))
    }

    fn get(&self, token: mio::Token) -> Option<&Arc<Readiness>> {
        let (index, generation) = place(token);
        let place = self.places.get(index)?;
        (place.generation & GENERATIONS == generation).then_some(place.source.as_ref()).flatten()
    }

    fn remove(&mut self, token: mio::Token) -> Option<Arc<Readiness>> {
        self.get(token)?;
        let (index, _) = place(token);
        let place = &mut self.places[index];
        place.generation = place.generation.wrapping_add(1);
        self.free.push(index as u32);
        place.source.take()
    }
}

/// Half of a token's bits each, whatever the width of a word.
const HALF: u32 = usize::BITS / 2;
const GENERATIONS: u32 = (u32::MAX as u64 & ((1 << HALF) - 1)) as u32;

fn token(place: usize, generation: u32) -> mio::Token {
    mio::Token(((generation & GENERATIONS) as usize) << HALF | place)
}

fn place(token: mio::Token) -> (usize, u32) {
    (token.0 & ((1 << HALF) - 1), (token.0 >> HALF) as u32)
}

fn shut_down() -> io::Error {
    io::Error::other("the runtime that serves this socket has shut down")
}

// No lock is held while user code runs, so a panic of it finds nothing half done.
impl RefUnwindSafe for Reactor {}
impl RefUnwindSafe for Readiness {}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

/// A source's place in the reactor. [`deregister`](Self::deregister) it before the source is closed.
#[derive(Debug)]
pub(crate) struct Registration {
    reactor: Arc<Reactor>,
    token: mio::Token,
    readiness: Arc<Readiness>,
}

impl Registration {
    /// Takes the source out of the reactor. No waker of it is woken afterwards.
    pub(crate) fn deregister<S: mio::event::Source>(&self, source: &mut S) -> io::Result<()> {
        let known = self.reactor.table.lock().remove(self.token).is_some();
        if !known {
            return Ok(());
        }
        self.readiness.abandon();
        self.reactor.registry.deregister(source)
    }

    /// Readiness in one direction, for the last caller.
    pub(crate) fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = ready!(budget::poll_proceed(cx));
        let seen = ready!(self.readiness.poll(direction, cx));
        progress.made();
        Poll::Ready(live(seen).map(drop))
    }

    /// Readiness, for any number of callers.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        let progress = poll_fn(budget::poll_proceed).await;
        let ready = self.wait(interest).await;
        progress.made();
        ready.map(drop)
    }

    /// Does `operation` as soon as it does not block, for the last caller in this direction.
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(Seen) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let progress = ready!(budget::poll_proceed(cx));
        loop {
            let seen = live(ready!(self.readiness.poll(direction, cx)))?;
            match operation(seen) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.clear(seen, direction.interest());
                }
                result => {
                    progress.made();
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// Does `operation` as soon as it does not block; any number of callers may wait.
    pub(crate) async fn io<T>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let progress = poll_fn(budget::poll_proceed).await;
            let seen = self.wait(interest).await?;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readiness.clear(seen, interest),
                result => {
                    progress.made();
                    return result;
                }
            }
        }
    }

    async fn wait(&self, interest: Interest) -> io::Result<Seen> {
        let mut wait = SharedWait { readiness: &self.readiness, key: None };
        let seen = poll_fn(|cx| wait.readiness.poll_shared(interest, &mut wait.key, cx)).await;
        live(seen)
    }

    /// Does `operation` now, and notes it if that would block.
    pub(crate) fn try_io<T>(&self, direction: Direction, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut key = None;
        let Poll::Ready(seen) = self.readiness.poll_shared(direction.interest(), &mut key, &mut cx) else {
            self.readiness.forget(key.expect("a pending wait has a key"));
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let result = operation();
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.readiness.clear(seen, direction.interest());
        }
        result
    }

    /// A stream moved fewer bytes than it was asked to: the kernel's buffer is drained, or full, and the next event will
    /// tell when that changes. Not so if the event spoke of an end, an error or urgent data.
    pub(crate) fn drained(&self, seen: Seen, direction: Direction) {
        let unusual = Ready::READ_CLOSED | Ready::WRITE_CLOSED | Ready::ERROR | Ready::PRIORITY;
        if !seen.ready.contains_any(unusual) {
            self.readiness.clear(seen, direction.interest());
        }
    }
}

fn live(seen: Seen) -> io::Result<Seen> {
    if seen.ready.contains_any(Ready::SHUT_DOWN) { Err(shut_down()) } else { Ok(seen) }
}

/// Ends a shared wait when dropped.
struct SharedWait<'a> {
    readiness: &'a Readiness,
    key: Option<u64>,
}

impl Drop for SharedWait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.readiness.forget(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_for_a_source_that_is_gone_does_not_reach_its_successor() {
        let mut table = Table::default();
        let old = table.insert(Arc::new(Readiness::new())).unwrap();
        assert!(table.remove(old).is_some());
        let new = table.insert(Arc::new(Readiness::new())).unwrap();
        assert_eq!(place(old).0, place(new).0, "the place is used again");
        assert!(table.get(old).is_none());
        assert!(table.get(new).is_some());
        assert!(table.remove(old).is_none(), "a second deregistration does nothing");
    }
}

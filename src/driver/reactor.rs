//! mio's poller, and the table of registered sources.
//!
//! A source is registered once, for both directions and edge-triggered, and stays so until it is dropped. Its token is a
//! place in the table and that place's generation, never a pointer: an event that was on its way while the source was
//! dropped, and its place given to another, is recognised and ignored.

use super::interest::{Interest, Ready};
use super::readiness::Readiness;
use super::registration::Registration;
use crate::primitives::Mutex;
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

    /// Registers a source.
    ///
    /// # Errors
    ///
    /// What the OS says, or `Other` if the runtime has shut down.
    pub(crate) fn register<S>(self: &Arc<Self>, source: &mut S, interest: Interest) -> io::Result<Registration>
    where
        S: mio::event::Source + ?Sized,
    {
        let readiness = Arc::new(Readiness::new());
        let token = self.table.lock().insert(readiness.clone())?;
        if let Err(error) = self.registry.register(source, token, interest.to_mio()) {
            self.table.lock().remove(token);
            return Err(error);
        }
        Ok(Registration::new(self.clone(), token, readiness))
    }

    /// Takes a source out. False: it was out already.
    pub(super) fn deregister<S>(&self, source: &mut S, token: mio::Token) -> io::Result<bool>
    where
        S: mio::event::Source + ?Sized,
    {
        if self.table.lock().remove(token).is_none() {
            return Ok(false);
        }
        self.registry.deregister(source).map(|()| true)
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

pub(super) fn shut_down() -> io::Error {
    io::Error::other("the runtime that serves this socket or descriptor has shut down")
}

// No lock is held while user code runs, so a panic of it finds nothing half done.
impl RefUnwindSafe for Reactor {}
impl RefUnwindSafe for Readiness {}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
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

//! A source's place in the reactor: waiting for it, and trying what may block.
//!
//! An operation is tried first if the source is thought to be ready, and readiness is cleared if it would have blocked. So a
//! source that has been cleared too rarely costs a system call; one that has been cleared too often would hang.

use super::entry::Entry;
use super::interest::{Direction, Interest, Ready};
use super::reactor::{Reactor, shut_down};
use super::readiness::{Readiness, Seen};
use super::table::Token;
use crate::task::{budget, wait};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A source's place in the reactor. [`deregister`](Self::deregister) it before the source is closed.
#[derive(Debug)]
pub(crate) struct Registration {
    reactor: Arc<Reactor>,
    token: Token,
    number: Number,
    entry: Entry,
}

/// What the system knows a source by.
#[cfg(unix)]
pub(crate) type Number = std::os::fd::RawFd;
#[cfg(windows)]
pub(crate) type Number = std::os::windows::io::RawSocket;

impl Registration {
    pub(super) fn new(reactor: Arc<Reactor>, token: Token, number: Number, entry: Entry) -> Self {
        Registration { reactor, token, number, entry }
    }

    fn readiness(&self) -> &Readiness {
        self.reactor.readiness(self.token)
    }

    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Takes the source out of the reactor. No waker of it is woken afterwards. Called once, and nothing else after it.
    pub(crate) fn deregister<S: mio::event::Source + ?Sized>(&self, source: &mut S) -> io::Result<()> {
        let left = self.entry.leave(self.reactor.registry(), self.number, source);
        // Another's from now on.
        self.reactor.table().remove(self.token);
        left
    }

    /// Readiness, if there is any. If there is none, the poller will tell.
    fn seen(&self, interest: Interest) -> io::Result<Option<Seen>> {
        match self.readiness().seen(interest) {
            Some(seen) => live(seen).map(Some),
            None => self.enter().map(|()| None),
        }
    }

    fn enter(&self) -> io::Result<()> {
        self.entry.enter(&self.reactor, self.token, self.number)
    }

    fn poll_seen(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        match self.seen(direction.interest())? {
            Some(seen) => Poll::Ready(Ok(seen)),
            None => self.noted(direction.interest(), self.readiness().poll(direction, cx)).map(live),
        }
    }

    /// For dumps.
    fn noted<T>(&self, interest: Interest, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending() {
            wait::note_descriptor(self.number as u32, interest.is_readable(), interest.is_writable());
        }
        poll
    }

    /// Takes the source to be ready until the poller is asked. If it is not, the first operation will tell.
    pub(crate) fn assume(&self, ready: Ready) {
        self.readiness().assume(ready);
    }

    /// Readiness in one direction, for the last caller.
    pub(crate) fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        let progress = ready!(budget::poll_proceed(cx));
        self.enter()?;
        let seen = ready!(self.poll_seen(direction, cx));
        progress.made();
        Poll::Ready(seen)
    }

    /// Readiness, for any number of callers.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Seen> {
        let progress = poll_fn(budget::poll_proceed).await;
        self.enter()?;
        let ready = self.wait(interest).await;
        progress.made();
        ready
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
            let seen = ready!(self.poll_seen(direction, cx))?;
            match operation(seen) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness().clear(seen, direction.interest());
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
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readiness().clear(seen, interest),
                result => {
                    progress.made();
                    return result;
                }
            }
        }
    }

    async fn wait(&self, interest: Interest) -> io::Result<Seen> {
        if let Some(seen) = self.seen(interest)? {
            return Ok(seen);
        }
        let mut wait = SharedWait { readiness: self.readiness(), key: None };
        let seen = poll_fn(|cx| self.noted(interest, wait.readiness.poll_shared(interest, &mut wait.key, cx))).await;
        live(seen)
    }

    /// As [`ready`](Self::ready), to be polled, without drawing on the budget. `place` is kept by the caller between two polls, and at last
    /// [forgotten](Self::forget).
    #[cfg(all(unix, feature = "signal"))]
    pub(super) fn poll_shared(
        &self,
        interest: Interest,
        place: &mut Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Seen>> {
        match self.seen(interest)? {
            Some(seen) => Poll::Ready(Ok(seen)),
            None => self.noted(interest, self.readiness().poll_shared(interest, place, cx)).map(live),
        }
    }

    /// Nobody waits at that place any more.
    #[cfg(all(unix, feature = "signal"))]
    pub(super) fn forget(&self, place: u64) {
        self.readiness().forget(place);
    }

    /// Does `operation` now, and notes it if that would block.
    pub(crate) fn try_io<T>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let seen = self.seen(interest)?.ok_or(io::ErrorKind::WouldBlock)?;
        let result = operation();
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.readiness().clear(seen, interest);
        }
        result
    }

    /// What was seen has passed.
    #[cfg(unix)]
    pub(crate) fn clear(&self, seen: Seen, ready: Ready) {
        self.readiness().clear_bits(seen, ready);
    }

    /// A stream moved fewer bytes than it was asked to: the kernel's buffer is drained, or full, and the next event will
    /// tell when that changes. Not so if an event spoke of an end, an error or urgent data.
    pub(crate) fn drained(&self, seen: Seen, direction: Direction) {
        if !seen.is_unusual {
            self.readiness().clear(seen, direction.interest());
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

//! Whether the poller knows a source yet.
//!
//! Most sources enter it when they are registered. A connection that a listener hands out does so only when somebody has to
//! wait for it: its first request is mostly there already, and one that is answered and closed before anybody waits has cost the
//! poller nothing. Until then it is taken to be ready, so that operations are tried; what is assumed is given up before it
//! enters, and no edge is lost, because the kernel tells of what is there already when a descriptor enters.

use super::interest::Interest;
use super::reactor::Reactor;
use super::registration::Number;
use super::table::Token;
use std::io;

/// Of a source that stays as long as this.
#[derive(Debug)]
pub(super) enum Entry {
    /// The poller has been told.
    Done,
    /// It is told when somebody has to wait.
    #[cfg(unix)]
    Late(Late),
}

impl Entry {
    /// Sees to it that the poller knows the source, and that nothing is assumed.
    pub(super) fn enter(&self, reactor: &Reactor, token: Token, number: Number) -> io::Result<()> {
        match self {
            Entry::Done => Ok(()),
            #[cfg(unix)]
            Entry::Late(late) => late.enter(reactor, token, number),
        }
    }

    /// Takes the source out of the poller.
    pub(super) fn leave<S>(&self, registry: &mio::Registry, number: Number, source: &mut S) -> io::Result<()>
    where
        S: mio::event::Source + ?Sized,
    {
        match self {
            Entry::Done => registry.deregister(source),
            #[cfg(unix)]
            Entry::Late(late) => late.leave(registry, number),
        }
    }
}

#[cfg(unix)]
pub(super) use late::Late;

#[cfg(unix)]
mod late {
    use super::*;
    use crate::primitives::Mutex;
    use crate::primitives::plain::{AtomicBool, Ordering};
    use mio::unix::SourceFd;
    use std::panic::RefUnwindSafe;

    /// See [`Entry`].
    #[derive(Debug)]
    pub(in crate::driver) struct Late {
        interest: Interest,
        is_done: AtomicBool,
        /// Of two tasks that begin to wait, the second must not go on before the first has succeeded, or failed.
        turn: Mutex<()>,
    }

    // The lock guards no data.
    impl RefUnwindSafe for Late {}

    impl Late {
        pub(in crate::driver) fn new(interest: Interest) -> Self {
            Late { interest, is_done: AtomicBool::new(false), turn: Mutex::new(()) }
        }

        pub(super) fn enter(&self, reactor: &Reactor, token: Token, number: Number) -> io::Result<()> {
            // Ordering: Acquire pairs with the Release below.
            if self.is_done.load(Ordering::Acquire) {
                return Ok(());
            }
            let _turn = self.turn.lock();
            // Ordering: Relaxed; it is written under the lock.
            if !self.is_done.load(Ordering::Relaxed) {
                reactor.readiness(token).assume_nothing();
                let source = &mut SourceFd(&number);
                reactor.registry().register(source, token.to_mio(), self.interest.to_mio())?;
                // Ordering: Release pairs with the Acquire above.
                self.is_done.store(true, Ordering::Release);
            }
            Ok(())
        }

        pub(super) fn leave(&self, registry: &mio::Registry, number: Number) -> io::Result<()> {
            // Ordering: Relaxed; whoever has the source for itself knows what others did with it.
            if self.is_done.load(Ordering::Relaxed) { registry.deregister(&mut SourceFd(&number)) } else { Ok(()) }
        }
    }
}

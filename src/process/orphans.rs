//! Children that nobody waits for any more, and who reaps them.
//!
//! A child that ends stays in the system's table until its parent takes its exit status. Whoever drops one that runs leaves it here, and a thread waits for the end
//! of all that are here. It needs no runtime: the last one may be gone before its children are. It is started with the first orphan, and ends
//! when there has been none for a while.
//!
//! # Who does what
//!
//! The list and the thread's chime are under one lock. Whoever leaves a child puts it on the list, and rings the chime; or starts a thread, if there is none. The
//! thread takes the list when it was rung. It ends only under the lock, and with the list empty: so no child is left with a thread that has
//! gone. If no thread can be started, or none gets its poller, the children stay on the list, and the next one to be started or left tries again.
//!
//! A child with a descriptor is in the thread's poller. One without is asked for whenever `SIGCHLD` has come.

use super::system::Process;
use crate::primitives::signals::{self, Announced, Chime};
use crate::primitives::{Mutex, MutexGuard, thread};
use crate::signal::unix::SignalKind;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[derive(Debug, Default)]
struct Orphans {
    /// Those that the thread has not taken yet.
    left: Vec<Process>,
    /// Of the thread, while it is there.
    chime: Option<Arc<Chime>>,
}

// Not a plain static: a modelled lock cannot be made in a constant.
static ORPHANS: LazyLock<Mutex<Orphans>> = LazyLock::new(Mutex::default);

/// How long the thread stays without children. A program that kills children as it goes would start it each time if it were much shorter; longer, and
/// a program that did so once has a thread more for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How often children without a descriptor are asked for if there is not even the signal.
const SWEEP: Duration = Duration::from_millis(100);

/// Of the chime, in the thread's poller.
const CHIME: Token = Token(usize::MAX);

/// Sees to it that a child is reaped when it ends.
pub(super) fn adopt(process: Process) {
    let mut orphans = ORPHANS.lock();
    orphans.left.push(process);
    tell(orphans);
}

/// Tries again to find somebody for children that were left when there was no thread to be had.
pub(super) fn retry() {
    let orphans = ORPHANS.lock();
    if orphans.chime.is_none() && !orphans.left.is_empty() {
        tell(orphans);
    }
}

fn tell(mut orphans: MutexGuard<'_, Orphans>) {
    if let Some(chime) = &orphans.chime {
        return chime.ring();
    }
    // Without any of these they wait for the next attempt.
    let Ok(mut reaper) = Reaper::new() else {
        return;
    };
    let chime = reaper.chime.clone();
    // It begins with what is on the list, and so needs no ring.
    if thread::Builder::new().name("rt-reaper".to_owned()).spawn(move || reaper.run()).is_ok() {
        orphans.chime = Some(chime);
    }
}

/// The thread.
struct Reaper {
    chime: Arc<Chime>,
    poll: Poll,
    /// By their descriptors, which are in the poller.
    watched: HashMap<Token, Process>,
    unwatched: Vec<Process>,
    /// Rings when any of those may have ended.
    child_signal: Option<Announced>,
}

impl Reaper {
    fn new() -> io::Result<Self> {
        let (chime, poll) = (Arc::new(Chime::new()?), Poll::new()?);
        poll.registry().register(&mut SourceFd(&chime.as_fd().as_raw_fd()), CHIME, Interest::READABLE)?;
        Ok(Reaper { chime, poll, watched: HashMap::new(), unwatched: Vec::new(), child_signal: None })
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            let left = std::mem::take(&mut ORPHANS.lock().left);
            left.into_iter().for_each(|process| self.watch(process));
            self.sweep();
            let is_idle = self.watched.is_empty() && self.unwatched.is_empty();
            let limit = match is_idle {
                true => Some(KEEP_ALIVE),
                false => (!self.unwatched.is_empty() && self.child_signal.is_none()).then_some(SWEEP),
            };
            // If a signal interrupts it, there are no events, and it comes again.
            let _ = self.poll.poll(&mut events, limit);
            if is_idle && Self::ends() {
                return;
            }
            for event in &events {
                match event.token() {
                    CHIME => self.chime.make_room(),
                    token => self.look_at(token),
                }
            }
        }
    }

    /// Whether there is still nothing to do. Then somebody else is started for the next child.
    fn ends() -> bool {
        let mut orphans = ORPHANS.lock();
        let is_over = orphans.left.is_empty();
        if is_over {
            orphans.chime = None;
        }
        is_over
    }

    fn watch(&mut self, process: Process) {
        // If it has ended already, then that is the first event.
        let token = process.descriptor().and_then(|descriptor| {
            let number = descriptor.as_raw_fd();
            let token = Token(number.cast_unsigned() as usize);
            self.poll.registry().register(&mut SourceFd(&number), token, Interest::READABLE).is_ok().then_some(token)
        });
        match token {
            Some(token) => _ = self.watched.insert(token, process),
            None => self.unwatched.push(process),
        }
    }

    /// A child that is in the poller has ended, or something else happened to it.
    fn look_at(&mut self, token: Token) {
        if let Some(process) = self.watched.get_mut(&token)
            && !is_alive(process)
        {
            // Its descriptor is closed, which takes it out of the poller.
            self.watched.remove(&token);
        }
    }

    /// Looks at the children that are not.
    fn sweep(&mut self) {
        if self.unwatched.is_empty() {
            self.child_signal = None;
            return;
        }
        if self.child_signal.is_none() {
            // Before the look, so that it rings for those that end after.
            self.child_signal = signals::announce(SignalKind::child().as_raw_value(), self.chime.clone()).ok();
        }
        self.unwatched.retain_mut(is_alive);
    }
}

/// Reaps it if it has ended. An error means that somebody else has.
fn is_alive(process: &mut Process) -> bool {
    matches!(process.try_wait(), Ok(None))
}

//! Signals of the system: how often each has come, and descriptors that become readable when it does.
//!
//! Whoever first asks for a signal installs a handler for it, for the rest of the process's life; signal-hook keeps a list of what the handler
//! does, and calls what was there before it. First on the list is to [count](counted) the signal, once for the whole process. Behind it
//! stand those who want to be told: each has a [`Chime`] rung, and is taken off the list when its [`Announced`] is dropped. So whoever was woken
//! by a chime finds the signal counted.
//!
//! What happens in a handler is an addition and system calls that POSIX allows there, and nothing else: no lock, no allocation, no panic.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the system knows a signal by.
pub(crate) type Number = std::ffi::c_int;

/// No system has a signal beyond.
const LAST: usize = 127;

/// Since somebody first asked for it.
static COUNTS: [AtomicUsize; LAST + 1] = [const { AtomicUsize::new(0) }; LAST + 1];

/// Which signals are counted.
static COUNTED: Mutex<[bool; LAST + 1]> = Mutex::new([false; LAST + 1]);

/// Counts a signal from now on.
///
/// # Errors
///
/// `Other` for a number that is none, and for one that must not be caught; else what the system says.
pub(crate) fn count(signal: Number) -> io::Result<()> {
    let count = usize::try_from(signal).ok().filter(|&signal| signal > 0).and_then(|signal| COUNTS.get(signal));
    let Some(count) = count else {
        return Err(io::Error::other(format!("there is no signal {signal}: they are numbered from 1 on")));
    };
    if signal_hook_registry::FORBIDDEN.contains(&signal) {
        return Err(io::Error::other(format!(
            "signal {signal} cannot be listened to: SIGKILL and SIGSTOP are the system's, and after SIGILL, SIGFPE or SIGSEGV \
             a program does not go on"
        )));
    }
    // Nothing panics while it is held.
    let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_counted = &mut counted[signal as usize];
    if !*is_counted {
        // Ordering: Release pairs with the Acquire in `counted`.
        catch(signal, || _ = count.fetch_add(1, Ordering::Release))?;
        *is_counted = true;
    }
    Ok(())
}

/// How often a signal that is [counted](count) has come. It starts again at 0 some day: only whether it has changed means something.
pub(crate) fn counted(signal: Number) -> usize {
    // Ordering: Acquire pairs with the Release in the handler.
    COUNTS[signal as usize].load(Ordering::Acquire)
}

/// Counts a signal, and rings each time, until what is returned is dropped.
///
/// # Errors
///
/// As [`count`].
pub(crate) fn announce(signal: Number, chime: Arc<Chime>) -> io::Result<Announced> {
    count(signal)?;
    catch(signal, move || chime.ring()).map(Announced)
}

/// See [`announce`]. When it has been dropped, its chime is not rung any more.
#[derive(Debug)]
#[must_use = "the signal is announced only until this is dropped"]
pub(crate) struct Announced(signal_hook_registry::SigId);

impl Drop for Announced {
    fn drop(&mut self) {
        // It waits for handlers that are at it, and drops the closure here and not in one of them.
        signal_hook_registry::unregister(self.0);
    }
}

/// Private, so that whatever is run in a handler can be seen here.
fn catch(signal: Number, action: impl Fn() + Send + Sync + 'static) -> io::Result<signal_hook_registry::SigId> {
    // SAFETY: the two actions above add to an atomic, and write to a descriptor that they own, which does not block. Neither locks, allocates,
    // frees or panics.
    unsafe { signal_hook_registry::register(signal, action) }
}

/// A descriptor that becomes readable when it is rung, also by a signal handler. On Linux a counter, elsewhere a pipe.
///
/// It is waited for in one of two ways. By *edges*, in an edge-triggered poller: each ring is an event, and whoever gets one [makes
/// room](Self::make_room) for the next. By *level*: it is readable until somebody [resets](Self::reset) it.
#[derive(Debug)]
pub(crate) struct Chime {
    receiver: OwnedFd,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    sender: OwnedFd,
}

impl Chime {
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Chime { receiver: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn new() -> io::Result<Self> {
        let (receiver, sender) = io::pipe()?;
        let chime = Chime { receiver: receiver.into(), sender: sender.into() };
        rustix::io::ioctl_fionbio(&chime.receiver, true)?;
        rustix::io::ioctl_fionbio(&chime.sender, true)?;
        Ok(chime)
    }

    /// Makes it readable. May be called in a signal handler.
    pub(crate) fn ring(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let sender = &self.receiver;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let sender = &self.sender;
        // It fails only when there is no room, and then it is readable.
        let _ = rustix::io::write(sender, &1_u64.to_ne_bytes());
    }

    /// Sees to it that the next ring is an event, where it is waited for by edges: a counter always has room.
    pub(crate) fn make_room(&self) {
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        self.reset();
    }

    /// Makes it unreadable until it is rung again.
    pub(crate) fn reset(&self) {
        let mut rings = [0; 512];
        loop {
            match rustix::io::read(&self.receiver, &mut rings) {
                // A counter is zero after one read.
                Ok(length) if length == rings.len() => {}
                Err(rustix::io::Errno::INTR) => {}
                _ => return,
            }
        }
    }

    /// Waits on this thread until it is rung, for at most `limit`, and resets it. May return earlier.
    pub(crate) fn wait(&self, limit: Option<Duration>) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        // Whatever it says, the caller looks what there is to do.
        let _ = poll(&mut [PollFd::new(&self.receiver, PollFlags::IN)], limit.as_ref());
        self.reset();
    }
}

impl AsFd for Chime {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_chime_that_was_rung_ends_a_wait_once() {
        let chime = Chime::new().unwrap();
        for _ in 0..1000 {
            chime.ring();
        }
        chime.wait(None);
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {
            chime.wait(Some(Duration::from_millis(2)));
        }
    }

    #[test]
    fn numbers_that_are_no_signals_and_signals_that_cannot_be_caught_are_refused_and_say_why() {
        for number in [Number::MIN, -1, 0, 128, Number::MAX] {
            let error = count(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Other);
            assert!(error.to_string().contains(&format!("no signal {number}")), "{error}");
        }
        for &number in signal_hook_registry::FORBIDDEN {
            let error = count(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Other);
            assert!(error.to_string().contains("cannot be listened to"), "{error}");
        }
        // The number is possible, but there is no such signal.
        assert!(count(127).unwrap_err().raw_os_error().is_some());
    }
}

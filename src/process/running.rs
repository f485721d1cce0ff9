//! A child that runs, as somebody waits for its end.

use super::orphans;
use super::system::Process;
use crate::driver::{Direction, Interest, Reactor, Registration};
use crate::signal::unix::{Signal, SignalKind, signal};
use mio::unix::SourceFd;
use std::io;
use std::os::fd::AsRawFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A child that has not been reaped, as far as is known. When it is dropped, it is [adopted](orphans::adopt) unless it has ended.
#[derive(Debug)]
pub(super) struct Running {
    /// `None` once it is reaped, or given away.
    process: Option<Process>,
    watch: Watch,
    pub(super) kill_on_drop: bool,
}

/// How the end of a child is noticed.
#[derive(Debug)]
enum Watch {
    /// The process's descriptor is in the reactor.
    Descriptor(Registration),
    /// There is none: it is asked for whenever some child has ended.
    AnyChild(Signal),
}

impl Running {
    /// # Errors
    ///
    /// What the system says. The child is killed then: the caller could not wait for it.
    pub(super) fn new(child: std::process::Child, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let mut process = Process::new(child);
        match Watch::new(&process, reactor) {
            Ok(watch) => Ok(Running { process: Some(process), watch, kill_on_drop: false }),
            Err(error) => {
                let _ = process.kill();
                orphans::adopt(process);
                Err(error)
            }
        }
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("nobody asks for a child that is reaped")
    }

    pub(super) fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::id)
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process().kill()
    }

    /// Reaps the child if it has ended. Nothing else may be called then.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.process().try_wait()?;
        if status.is_some() {
            self.leave();
        }
        Ok(status)
    }

    /// As [`try_wait`](Self::try_wait), and waits for it.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let process = self.process.as_mut().expect("nobody waits for a child that is reaped");
        let waited = match &mut self.watch {
            Watch::Descriptor(registration) => registration
                .poll_io(Direction::Read, cx, |_| process.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())),
            Watch::AnyChild(signal) => loop {
                // Asked after the listener has left its waker: what ends later wakes.
                let heard = signal.poll_recv(cx);
                match process.try_wait()? {
                    Some(status) => break Poll::Ready(Ok(status)),
                    None => match ready!(heard) {
                        Some(()) => {}
                        None => {
                            break Poll::Ready(Err(io::Error::other(
                                "the runtime that waits for this child has shut down",
                            )));
                        }
                    },
                }
            },
        };
        match ready!(waited) {
            Ok(status) => {
                self.leave();
                Poll::Ready(Ok(status))
            }
            // The runtime has shut down, or there is no such child any more; but it may have ended before.
            Err(error) => Poll::Ready(self.try_wait().ok().flatten().ok_or(error)),
        }
    }

    /// Takes the child out of the reactor.
    fn leave(&mut self) -> Option<Process> {
        let process = self.process.take()?;
        if let (Watch::Descriptor(registration), Some(descriptor)) = (&self.watch, process.descriptor()) {
            // The descriptor is closed next, which takes it out of the poller in any case.
            let _ = registration.deregister(&mut SourceFd(&descriptor.as_raw_fd()));
        }
        Some(process)
    }
}

impl Watch {
    fn new(process: &Process, reactor: &Arc<Reactor>) -> io::Result<Self> {
        match process.descriptor() {
            Some(descriptor) => {
                let number = descriptor.as_raw_fd();
                reactor.register(&mut SourceFd(&number), number, Interest::READABLE).map(Watch::Descriptor)
            }
            None => signal(SignalKind::child()).map(Watch::AnyChild),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut process) = self.leave() else {
            return;
        };
        // An error: somebody else has reaped it.
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        if self.kill_on_drop {
            let _ = process.kill();
        }
        orphans::adopt(process);
    }
}

//! A child process as the system knows it: asking whether it has ended, and killing it.
//!
//! On Linux by a descriptor of the process, which stays this process's, whatever becomes of the number. Where there is none, by the number: nobody else is
//! to reap the child then.

use std::io;
use std::process::{Child, ExitStatus};

#[cfg(target_os = "linux")]
pub(super) use linux::Process;
#[cfg(not(target_os = "linux"))]
pub(super) use numbered::Numbered as Process;

mod numbered {
    use super::*;
    #[cfg(not(target_os = "linux"))]
    use std::os::fd::BorrowedFd;

    /// A child that is known by its number.
    #[derive(Debug)]
    pub(in super::super) struct Numbered(pub(super) Child);

    impl Numbered {
        #[cfg(not(target_os = "linux"))]
        pub(in super::super) fn new(child: Child) -> Self {
            Numbered(child)
        }

        pub(in super::super) fn id(&self) -> u32 {
            self.0.id()
        }

        #[cfg(not(target_os = "linux"))]
        pub(in super::super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        pub(in super::super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
            self.0.try_wait()
        }

        pub(in super::super) fn kill(&mut self) -> io::Result<()> {
            self.0.kill()
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::numbered::Numbered;
    use super::*;
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
    use rustix::process::{pidfd_open, pidfd_send_signal, waitid};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::process::ExitStatusExt;

    /// A child that has not been reaped, as far as is known.
    #[derive(Debug)]
    pub(in super::super) struct Process {
        child: Numbered,
        descriptor: Option<OwnedFd>,
    }

    impl Process {
        /// A child that was just started: the number is its, because nobody has reaped it.
        pub(in super::super) fn new(child: Child) -> Self {
            // Whatever the reason for which there is none, an old kernel, a filter or want of descriptors: it works without.
            let open = |number| pidfd_open(number, PidfdFlags::empty()).ok();
            let descriptor = Pid::from_raw(child.id().cast_signed()).and_then(open);
            Process { child: Numbered(child), descriptor }
        }

        pub(in super::super) fn id(&self) -> u32 {
            self.child.id()
        }

        /// It is readable when the child has ended.
        pub(in super::super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            self.descriptor.as_ref().map(AsFd::as_fd)
        }

        /// Reaps the child if it has ended. Nothing else may be called then.
        pub(in super::super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
            match self.descriptor.as_ref().map(ended) {
                Some(Ok(status)) => Ok(status.map(|status| exit_status(&status))),
                // Linux 5.3 has such descriptors, but does not wait by them.
                Some(Err(Errno::INVAL)) | None => self.child.try_wait(),
                Some(Err(error)) => Err(error.into()),
            }
        }

        pub(in super::super) fn kill(&mut self) -> io::Result<()> {
            match &self.descriptor {
                Some(descriptor) => Ok(pidfd_send_signal(descriptor, Signal::KILL)?),
                None => self.child.kill(),
            }
        }
    }

    fn ended(descriptor: &OwnedFd) -> rustix::io::Result<Option<WaitIdStatus>> {
        // It does not wait, and so is not interrupted.
        waitid(WaitId::PidFd(descriptor.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// As `wait` has it, which std takes.
    fn exit_status(status: &WaitIdStatus) -> ExitStatus {
        const CORE_DUMPED: i32 = 0x80;
        ExitStatus::from_raw(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => (code & 0xff) << 8,
            (None, Some(signal)) if status.dumped() => signal | CORE_DUMPED,
            (None, signal) => signal.unwrap_or(0),
        })
    }
}

//! Who is at the other end.

use super::{gid_t, pid_t, uid_t};
use std::io;
use std::os::fd::BorrowedFd;

/// The credentials of the process at the other end, as they were when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The user it ran as.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The group it ran as.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The process. `None` where the system does not tell; Linux does.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        Ok(UCred {
            pid: Some(credentials.pid.as_raw_nonzero().get()),
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
        })
    }

    /// No library that is kept well asks these systems without `unsafe` on our side.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn of_peer(_socket: BorrowedFd<'_>) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the credentials of a peer are read on Linux only"))
    }
}

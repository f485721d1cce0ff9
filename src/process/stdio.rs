//! The standard streams of a child: pipes, whose other ends it has.

use crate::driver::socket::Socket;
use crate::driver::{Interest, Reactor};
use crate::runtime::Handle;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;

/// What a child reads as its standard input. It reads the end of it when this is dropped.
///
/// Writing fails with `BrokenPipe` when the child has closed it, or has ended. [`Child::wait`](super::Child::wait) drops it, if it has not
/// been taken out of the [`Child`](super::Child).
pub struct ChildStdin {
    socket: Socket<mio::unix::pipe::Sender>,
}

/// What a child writes to its standard output. The end is read when the child, and whoever inherited it from the child, has closed it.
pub struct ChildStdout {
    socket: Socket<mio::unix::pipe::Receiver>,
}

/// What a child writes to its standard error. The end is read when the child, and whoever inherited it from the child, has closed it.
pub struct ChildStderr {
    socket: Socket<mio::unix::pipe::Receiver>,
}

macro_rules! stream {
    ($type:ident, $pipe:ident, $interest:ident) => {
        impl $type {
            pub(super) fn new(stream: std::process::$type, reactor: &Arc<Reactor>) -> io::Result<Self> {
                let stream = OwnedFd::from(stream);
                rustix::io::ioctl_fionbio(&stream, true)?;
                Ok($type { socket: Socket::with_interest(stream.into(), Interest::$interest, reactor)? })
            }

            /// Takes over a stream of std's, and makes it non-blocking.
            ///
            /// # Errors
            ///
            /// What the system says when it is registered.
            ///
            /// # Panics
            ///
            /// If this thread is in no runtime, or in one without I/O.
            #[track_caller]
            pub fn from_std(inner: std::process::$type) -> io::Result<Self> {
                Self::new(inner, &Handle::current_reactor())
            }

            /// Turns this into a descriptor that blocks, which is what programs expect of theirs.
            ///
            /// # Errors
            ///
            /// What the system says.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let descriptor = OwnedFd::from(self.socket.into_source()?);
                fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? - OFlags::NONBLOCK)?;
                Ok(descriptor)
            }

            fn socket(&self) -> &Socket<mio::unix::pipe::$pipe> {
                &self.socket
            }
        }

        /// For the standard stream of another child. It blocks then, as with `into_owned_fd`.
        impl TryFrom<$type> for Stdio {
            type Error = io::Error;

            fn try_from(stream: $type) -> io::Result<Stdio> {
                stream.into_owned_fd().map(Stdio::from)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.socket.fmt(f)
            }
        }

        as_raw!($type);
    };
}

stream!(ChildStdin, Sender, WRITABLE);
stream!(ChildStdout, Receiver, READABLE);
stream!(ChildStderr, Receiver, READABLE);

impl ChildStdin {
    /// The child is told of the end when this is dropped.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

writer!(ChildStdin);
reader!(ChildStdout);
reader!(ChildStderr);

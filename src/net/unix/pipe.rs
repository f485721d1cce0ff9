//! Pipes: between two ends of this process, and by name between processes.
//!
//! ```
//! use rt::io::{AsyncReadExt, AsyncWriteExt};
//! use rt::net::unix::pipe;
//!
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! let (mut sender, mut receiver) = pipe::pipe()?;
//! sender.write_all(b"hello").await?;
//! drop(sender);
//! let mut greeting = String::new();
//! receiver.read_to_string(&mut greeting).await?;
//! assert_eq!(greeting, "hello");
//! # Ok(())
//! # }
//! ```

use crate::driver::socket::Socket;
use crate::driver::{Interest, Reactor};
use crate::runtime::Handle;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// A new pipe without a name.
///
/// # Errors
///
/// What the system says, `EMFILE` for example.
///
/// # Panics
///
/// If this thread is in no runtime, or in one without I/O.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let reactor = Handle::current_reactor();
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((Sender::new(sender, &reactor)?, Receiver::new(receiver, &reactor)?))
}

/// How to open a pipe that has a name (a FIFO).
///
/// ```
/// use rt::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// let receiver = pipe::OpenOptions::new().open_receiver("/run/service/commands")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Options with everything off.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Whether the pipe is opened for both directions, whichever end is asked for.
    ///
    /// Then a sender needs no receiver to be there, and a receiver never reads an end, because it counts as a sender
    /// itself. Linux allows that.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Whether to leave out the check that the file is a pipe. Other files may never be ready, or always.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the receiving end.
    ///
    /// It reads the end as long as there is no sender, also before there was the first.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the file is not a pipe; else what the system says.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        Receiver::from_file_unchecked(self.open(path.as_ref(), true, false)?)
    }

    /// Opens the sending end.
    ///
    /// # Errors
    ///
    /// `ENXIO` if there is no receiver: try again later. `InvalidInput` if the file is not a pipe; else what the system says.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        Sender::from_file_unchecked(self.open(path.as_ref(), false, true)?)
    }

    fn open(&self, path: &Path, read: bool, write: bool) -> io::Result<File> {
        let file = std::fs::OpenOptions::new()
            .read(read || self.read_write)
            .write(write || self.read_write)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?;
        if !self.unchecked {
            expect_pipe(file.as_fd())?;
        }
        Ok(file)
    }
}

fn expect_pipe(file: BorrowedFd<'_>) -> io::Result<()> {
    if FileType::from_raw_mode(fstat(file)?.st_mode) == FileType::Fifo {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "this file is not a pipe"))
}

/// Checks that a descriptor is a pipe opened in one of `modes`, and makes it non-blocking.
fn take_over(pipe: BorrowedFd<'_>, modes: [OFlags; 2], wrong_mode: &str) -> io::Result<()> {
    expect_pipe(pipe)?;
    let flags = fcntl_getfl(pipe)?;
    if !modes.contains(&(flags & OFlags::RWMODE)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong_mode));
    }
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    Ok(())
}

/// The end of a pipe that is written to.
///
/// If no receiver is left, writing fails with `BrokenPipe`.
pub struct Sender {
    socket: Socket<mio::unix::pipe::Sender>,
}

/// The end of a pipe that is read from.
pub struct Receiver {
    socket: Socket<mio::unix::pipe::Receiver>,
}

/// What both ends have.
macro_rules! end {
    ($end:ident, $interest:ident, $mode:ident) => {
        impl $end {
            fn new(pipe: mio::unix::pipe::$end, reactor: &Arc<Reactor>) -> io::Result<Self> {
                Ok($end { socket: Socket::with_interest(pipe, Interest::$interest, reactor)? })
            }

            fn socket(&self) -> &Socket<mio::unix::pipe::$end> {
                &self.socket
            }

            /// Takes over a pipe, and makes it non-blocking.
            ///
            /// # Errors
            ///
            /// `InvalidInput` if the file is not a pipe, or not opened for this direction; else what the system says.
            ///
            /// # Panics
            ///
            /// If this thread is in no runtime, or in one without I/O.
            #[track_caller]
            pub fn from_file(file: File) -> io::Result<Self> {
                Self::from_owned_fd(file.into())
            }

            /// As [`from_file`](Self::from_file).
            ///
            /// # Errors
            ///
            /// As [`from_file`](Self::from_file).
            ///
            /// # Panics
            ///
            /// As [`from_file`](Self::from_file).
            #[track_caller]
            pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<Self> {
                let wrong = concat!("this pipe is not open for what a ", stringify!($end), " does");
                take_over(owned_fd.as_fd(), [OFlags::$mode, OFlags::RDWR], wrong)?;
                Self::from_owned_fd_unchecked(owned_fd)
            }

            /// Takes over a pipe that is known to be one, to be open for this direction, and not to block.
            ///
            /// # Errors
            ///
            /// What the system says when it is registered.
            ///
            /// # Panics
            ///
            /// If this thread is in no runtime, or in one without I/O.
            #[track_caller]
            pub fn from_file_unchecked(file: File) -> io::Result<Self> {
                Self::from_owned_fd_unchecked(file.into())
            }

            /// As [`from_file_unchecked`](Self::from_file_unchecked).
            ///
            /// # Errors
            ///
            /// What the system says when it is registered.
            ///
            /// # Panics
            ///
            /// If this thread is in no runtime, or in one without I/O.
            #[track_caller]
            pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<Self> {
                Self::new(mio::unix::pipe::$end::from(owned_fd), &Handle::current_reactor())
            }

            ready_method!();

            /// Does an operation of your own on the descriptor if it is thought to be ready, without waiting.
            ///
            /// `f` does not block, touches this pipe only, and says `WouldBlock` when it would have to wait.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if it is not ready; else what `f` says.
            pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.socket.try_io(Interest::$interest, |_| f())
            }

            /// Turns this into a descriptor that blocks.
            ///
            /// # Errors
            ///
            /// What the system says.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                let fd = self.into_nonblocking_fd()?;
                fcntl_setfl(&fd, fcntl_getfl(&fd)? - OFlags::NONBLOCK)?;
                Ok(fd)
            }

            /// Turns this into a descriptor. It stays non-blocking.
            ///
            /// # Errors
            ///
            /// What the system says when it is deregistered.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                self.socket.into_source().map(OwnedFd::from)
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.socket.fmt(f)
            }
        }

        as_raw!($end);
    };
}

end!(Sender, WRITABLE, WRONLY);
end!(Receiver, READABLE, RDONLY);

impl Sender {
    writable_method!();
    poll_ready_method!(
        /// Polls for room to write.
        poll_write_ready,
        Write
    );
    try_write_methods!();

    /// The end is told when the sender is dropped.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver {
    readable_method!();
    poll_ready_method!(
        /// Polls for something to read.
        poll_read_ready,
        Read
    );
    try_read_methods!();
}

reader!(Receiver);
writer!(Sender);

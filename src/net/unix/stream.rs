//! A connection of Unix sockets.

use super::{SocketAddr, UCred};
use crate::driver::Reactor;
use crate::driver::socket::Socket;
use crate::net::addr::naming;
use crate::runtime::Handle;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A connection of Unix sockets.
///
/// Read and written through [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite).
///
/// ```
/// use rt::io::{AsyncReadExt, AsyncWriteExt};
/// use rt::net::UnixStream;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello").await?;
/// drop(one);
/// let mut greeting = String::new();
/// other.read_to_string(&mut greeting).await?;
/// assert_eq!(greeting, "hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    socket: Socket<mio::net::UnixStream>,
}

impl UnixStream {
    pub(super) fn new(stream: mio::net::UnixStream, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(UnixStream { socket: Socket::new(stream, reactor)? })
    }

    pub(super) async fn connecting(stream: mio::net::UnixStream, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let stream = UnixStream::new(stream, reactor)?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    fn socket(&self) -> &Socket<mio::net::UnixStream> {
        &self.socket
    }

    /// Connects to the socket at a path. On Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message. `WouldBlock` if too many wait to be accepted there.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the attempt.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let reactor = Handle::current_reactor();
        let path = path.as_ref();
        let connect = async {
            let stream = mio::net::UnixStream::connect_addr(&super::address::of_path(path)?)?;
            UnixStream::connecting(stream, &reactor).await
        };
        connect.await.map_err(naming("connect to", &path))
    }

    /// Connects to the socket at an address.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the attempt.
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        let reactor = Handle::current_reactor();
        let connect = async {
            let stream = mio::net::UnixStream::connect_addr(&socket_addr.clone().into())?;
            UnixStream::connecting(stream, &reactor).await
        };
        connect.await.map_err(naming("connect to", socket_addr))
    }

    /// Two ends of a new connection, neither of which has a name.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let reactor = Handle::current_reactor();
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((UnixStream::new(one, &reactor)?, UnixStream::new(other, &reactor)?))
    }

    /// Takes over a connection of the standard library's, which must be set to non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is registered.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::new(mio::net::UnixStream::from_std(stream), &Handle::current_reactor())
    }

    /// Turns this into a connection of the standard library's. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is deregistered.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        self.socket.into_source().map(|stream| OwnedFd::from(stream).into())
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr().map(SocketAddr::from)
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().peer_addr().map(SocketAddr::from)
    }

    /// Who is at the other end: the process that connected, or that listened.
    ///
    /// # Errors
    ///
    /// What the system says; `Unsupported` on systems other than Linux.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of_peer(self.socket.source().as_fd())
    }

    /// The error that the system keeps for this socket, which it forgets with this call.
    ///
    /// # Errors
    ///
    /// What the system says when it is asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.source().take_error()
    }

    ready_method!();
    readable_method!();
    writable_method!();
    poll_ready_method!(
        /// Polls for something to read.
        poll_read_ready,
        Read
    );
    poll_ready_method!(
        /// Polls for room to write.
        poll_write_ready,
        Write
    );
    try_read_methods!();
    try_write_methods!();
    own_io_methods!();

    /// Two halves, for two things to be done in one task.
    pub fn split<'a>(&'a mut self) -> (halves::ReadHalf<'a>, halves::WriteHalf<'a>) {
        (halves::ReadHalf(self), halves::WriteHalf(self))
    }

    /// Two halves, each for a task of its own. They share one allocation.
    pub fn into_split(self) -> (halves::OwnedReadHalf, halves::OwnedWriteHalf) {
        halves::into_split(self)
    }

    fn end_writing(&self) -> io::Result<()> {
        match self.socket.source().shutdown(Shutdown::Write) {
            // The peer has closed already: what was asked for is so.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.end_writing()
    }
}

reader!(UnixStream);
writer!(UnixStream);
as_raw!(UnixStream);

pub(crate) mod halves {
    use super::*;

    halves!(UnixStream, SocketAddr, mio::net::UnixStream, peek: {});
}

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// As [`UnixStream::from_std`].
    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::from_std(stream)
    }
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

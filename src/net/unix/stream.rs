//! A connection of Unix sockets.

use super::{SocketAddr, UCred};
use crate::driver::socket::Socket;
use crate::net::addr::naming;
use crate::runtime::Handle;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

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
    stream_methods!(UnixStream, mio::net::UnixStream);

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
}

reader!(UnixStream);
writer!(UnixStream);
like_std!(UnixStream, mio::net::UnixStream, std::os::unix::net::UnixStream, "a connection");
as_raw!(UnixStream);

pub(crate) mod halves {
    use super::*;

    halves!(UnixStream, SocketAddr, mio::net::UnixStream, peek: {});
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

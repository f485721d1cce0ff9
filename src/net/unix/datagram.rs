//! Datagrams between Unix sockets.

use super::SocketAddr;
use crate::driver::socket::{self, Socket};
use crate::driver::{Direction, Interest, Reactor};
use crate::net::addr::naming;
use crate::runtime::Handle;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A Unix socket for datagrams, which arrive in order and whole.
///
/// It is used by shared reference: any number of tasks may send and receive at once.
///
/// ```
/// use rt::net::UnixDatagram;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let (one, other) = UnixDatagram::pair()?;
/// one.send(b"ping").await?;
/// let mut buffer = [0; 16];
/// let length = other.recv(&mut buffer).await?;
/// assert_eq!(&buffer[..length], b"ping");
/// # Ok(())
/// # }
/// ```
pub struct UnixDatagram {
    socket: Socket<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    pub(super) fn new(socket: mio::net::UnixDatagram, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(UnixDatagram { socket: Socket::new(socket, reactor)? })
    }

    fn socket(&self) -> &Socket<mio::net::UnixDatagram> {
        &self.socket
    }

    /// A socket at a path, which must not exist.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        let reactor = Handle::current_reactor();
        let path = path.as_ref();
        let bind = || UnixDatagram::new(mio::net::UnixDatagram::bind_addr(&super::address::of_path(path)?)?, &reactor);
        bind().map_err(naming("bind to", &path))
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let reactor = Handle::current_reactor();
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((UnixDatagram::new(one, &reactor)?, UnixDatagram::new(other, &reactor)?))
    }

    /// A socket without an address.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::new(mio::net::UnixDatagram::unbound()?, &Handle::current_reactor())
    }

    /// Gives this socket one peer.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        self.socket.source().connect(path).map_err(naming("connect to", &path))
    }

    /// This socket's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr().map(SocketAddr::from)
    }

    /// The address this is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not; else what the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().peer_addr().map(SocketAddr::from)
    }

    /// The error that the system keeps for this socket, which it forgets with this call.
    ///
    /// # Errors
    ///
    /// What the system says when it is asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.source().take_error()
    }

    /// Ends one direction, or both.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.source().shutdown(how)
    }

    datagram_methods!(SocketAddr, socket::receive_from_unix);

    /// Sends a datagram to the socket at a path. Returns how many bytes were sent: all of them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message.
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = target.as_ref();
        let sent = self.socket.io(Interest::WRITABLE, |socket| socket.send_to(buf, target)).await;
        sent.map_err(naming("send to", &target))
    }

    /// As [`send_to`](Self::send_to), polled. Only the last task to poll for sending is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_send_to<P: AsRef<Path>>(&self, cx: &mut Context<'_>, buf: &[u8], target: P) -> Poll<io::Result<usize>> {
        self.socket.poll_io(Direction::Write, cx, |socket| socket.send_to(buf, target.as_ref()))
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else what the system says.
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        self.socket.try_io(Interest::WRITABLE, |socket| socket.send_to(buf, target.as_ref()))
    }
}

like_std!(UnixDatagram, mio::net::UnixDatagram, std::os::unix::net::UnixDatagram, "a socket");
as_raw!(UnixDatagram);

//! Listening for connections of Unix sockets.

use super::{SocketAddr, UnixStream};
use crate::driver::socket::Socket;
use crate::driver::{Direction, Interest, Reactor};
use crate::net::addr::naming;
use crate::net::rest::Rest;
use crate::runtime::Handle;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A Unix socket that accepts connections.
///
/// Dropping it does not remove the path: do that before the next [`bind`](Self::bind) at it.
///
/// ```
/// use rt::net::{UnixListener, UnixStream};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("rt-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("greeter");
/// let listener = UnixListener::bind(&path)?;
/// let client = UnixStream::connect(&path).await?;
/// let (server, _) = listener.accept().await?;
/// assert_eq!(client.peer_addr()?.as_pathname(), Some(path.as_path()));
/// # drop(server);
/// # std::fs::remove_dir_all(&folder)
/// # }
/// ```
pub struct UnixListener {
    socket: Socket<mio::net::UnixListener>,
    rest: Rest,
}

impl UnixListener {
    pub(super) fn new(listener: mio::net::UnixListener, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let socket = Socket::with_interest(listener, Interest::READABLE, reactor)?;
        Ok(UnixListener { socket, rest: Rest::default() })
    }

    fn socket(&self) -> &Socket<mio::net::UnixListener> {
        &self.socket
    }

    /// Listens at a path, which must not exist. On Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let reactor = Handle::current_reactor();
        let path = path.as_ref();
        let bind = || UnixListener::new(mio::net::UnixListener::bind_addr(&super::address::of_path(path)?)?, &reactor);
        bind().map_err(naming("listen at", &path))
    }

    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        let reactor = Handle::current_reactor();
        let bind = || UnixListener::new(mio::net::UnixListener::bind_addr(&socket_addr.clone().into())?, &reactor);
        bind().map_err(naming("listen at", socket_addr))
    }

    /// Accepts a connection, once there is one.
    ///
    /// Any number of tasks may wait here at once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, no connection has been accepted.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::net::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.rest.wait().await;
        let accepted = self.socket.io(Interest::READABLE, |listener| listener.accept()).await;
        self.accepted(accepted)
    }

    /// Polls for a connection. Only the last task to call this is woken. See [`accept`](Self::accept) for errors.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        ready!(self.rest.poll_wait(cx));
        let accepted = ready!(self.socket.poll_io(Direction::Read, cx, |listener| listener.accept()));
        Poll::Ready(self.accepted(accepted))
    }

    fn accepted(
        &self,
        accepted: io::Result<(mio::net::UnixStream, std::os::unix::net::SocketAddr)>,
    ) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = accepted.inspect_err(|error| self.rest.after(error))?;
        Ok((UnixStream::accepted(stream, self.socket.reactor())?, peer.into()))
    }

    /// The address this listens at.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr().map(SocketAddr::from)
    }

    /// The error that the system keeps for this socket, which it forgets with this call.
    ///
    /// # Errors
    ///
    /// What the system says when it is asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.source().take_error()
    }
}

like_std!(UnixListener, mio::net::UnixListener, std::os::unix::net::UnixListener, "a listener");
as_raw!(UnixListener);

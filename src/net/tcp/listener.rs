//! Listening for TCP connections.

use crate::driver::socket::Socket;
use crate::driver::{Direction, Interest, Reactor};
use crate::net::addr::each_addr;
use crate::net::rest::Rest;
use crate::net::{TcpStream, ToSocketAddrs};
use crate::runtime::Handle;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Connections that may wait to be accepted; the system lowers it to its own limit. With fewer, a burst of connections makes
/// some of them wait a second for their second try; more only hide a server that does not keep up. tokio takes the same.
const BACKLOG: i32 = 1024;

/// A TCP socket that accepts connections.
///
/// ```
/// use rt::net::{TcpListener, TcpStream};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = rt::spawn(TcpStream::connect(listener.local_addr()?));
/// let (stream, peer) = listener.accept().await?;
/// assert_eq!(peer, client.await??.local_addr()?);
/// # drop(stream);
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    socket: Socket<mio::net::TcpListener>,
    rest: Rest,
}

impl TcpListener {
    pub(super) fn new(listener: mio::net::TcpListener, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let socket = Socket::with_interest(listener, Interest::READABLE, reactor)?;
        Ok(TcpListener { socket, rest: Rest::default() })
    }

    fn socket(&self) -> &Socket<mio::net::TcpListener> {
        &self.socket
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.socket.source())
    }

    /// Listens at an address; the first of several that works. Port 0 lets the system choose.
    ///
    /// On Unix the address can be used again at once after a server has ended (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message; `InvalidInput` if a name has no address.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let reactor = Handle::current_reactor();
        each_addr("listen at", addr, |address| {
            let listener = mio::net::TcpListener::bind(address).and_then(|listener| {
                // mio asks for 128. A second `listen` changes that; if it is refused, the socket listens all the same.
                let _ = SockRef::from(&listener).listen(BACKLOG);
                TcpListener::new(listener, &reactor)
            });
            async { listener }
        })
        .await
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
    /// What the system says; the listener goes on working. If the process has no more descriptors, or the system no more
    /// memory, then the error says so at once, and the next call waits 10 ms before it tries again: a loop that goes on after an error does not
    /// spin. (On a runtime without timers it tries at once.)
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.rest.wait().await;
        let accepted = self.socket.io(Interest::READABLE, |listener| listener.accept()).await;
        self.accepted(accepted)
    }

    /// Polls for a connection. Only the last task to call this is woken. See [`accept`](Self::accept) for errors.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        ready!(self.rest.poll_wait(cx));
        let accepted = ready!(self.socket.poll_io(Direction::Read, cx, |listener| listener.accept()));
        Poll::Ready(self.accepted(accepted))
    }

    fn accepted(&self, accepted: io::Result<(mio::net::TcpStream, SocketAddr)>) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = accepted.inspect_err(|error| self.rest.after(error))?;
        Ok((TcpStream::accepted(stream, self.socket.reactor())?, peer))
    }

    /// The address this listens at; with the port that the system chose.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr()
    }

    options! {
        ttl / set_ttl: u32 = "the time to live of packets sent, in hops" => ttl_v4 / set_ttl_v4;
    }
}

like_std!(TcpListener, mio::net::TcpListener, std::net::TcpListener, "a listener");
as_raw!(TcpListener);

//! Listening for TCP connections.

use super::addr::each_addr;
use super::{TcpStream, ToSocketAddrs};
use crate::driver::{Reactor, socket};
use crate::runtime::Handle;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

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
    socket: socket::Listener,
    reactor: Arc<Reactor>,
}

impl TcpListener {
    /// Listens at an address; the first of several that works. Port 0 lets the system choose.
    ///
    /// On Unix the address can be used again at once after a server has ended (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// What the system says; `InvalidInput` if a name has no address.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let reactor = Handle::current_reactor();
        each_addr(addr, |address| {
            let socket = socket::Listener::bind(&reactor, address);
            let reactor = reactor.clone();
            async move { Ok(TcpListener { socket: socket?, reactor }) }
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
    /// What the system says, `EMFILE` for example; the listener goes on working.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.accept(&self.reactor).await?;
        Ok((TcpStream::new(stream), peer))
    }

    /// Polls for a connection. Only the last task to call this is woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.socket.poll_accept(&self.reactor, cx).map_ok(|(stream, peer)| (TcpStream::new(stream), peer))
    }

    /// Takes over a listener of the standard library's, which must be set to non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is registered.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let reactor = Handle::current_reactor();
        Ok(TcpListener { socket: socket::Listener::from_std(&reactor, listener)?, reactor })
    }

    /// Turns this into a listener of the standard library's. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is deregistered.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.socket.into_std()
    }

    /// The address this listens at; with the port that the system chose.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The time to live of packets sent, in hops.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.ttl()
    }

    /// Sets the time to live of packets sent, in hops.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// As [`TcpListener::from_std`].
    fn try_from(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

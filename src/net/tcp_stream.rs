//! A TCP connection.

use super::ToSocketAddrs;
use super::addr::each_addr;
use crate::driver::{Direction, Interest, socket};
use crate::runtime::Handle;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP connection.
///
/// Read and written through [`AsyncRead`] and [`AsyncWrite`]. [`rt::io::split`](crate::io::split) gives two halves for two
/// tasks. Dropping it closes both directions.
///
/// ```
/// use rt::io::AsyncWriteExt;
/// use rt::net::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut stream = TcpStream::connect("127.0.0.1:8080").await?;
/// stream.write_all(b"hello").await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    socket: socket::Stream,
}

impl TcpStream {
    pub(super) fn new(socket: socket::Stream) -> Self {
        TcpStream { socket }
    }

    /// Connects to an address; the first of several that answers.
    ///
    /// # Errors
    ///
    /// The last address's; `InvalidInput` if a name has no address.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the attempt.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let reactor = Handle::current_reactor();
        each_addr(addr, |address| {
            let reactor = reactor.clone();
            async move { socket::Stream::connect(&reactor, address).await.map(TcpStream::new) }
        })
        .await
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
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        socket::Stream::from_std(&Handle::current_reactor(), stream).map(TcpStream::new)
    }

    /// Turns this into a connection of the standard library's. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is deregistered.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_std()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// What the system says; `NotConnected` after a reset, for example.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The error that the system keeps for this socket, which it forgets with this call.
    ///
    /// # Errors
    ///
    /// What the system says when it is asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Waits until there is something to read, or the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.ready(Interest::READABLE).await
    }

    /// Waits until something can be written.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.ready(Interest::WRITABLE).await
    }

    /// Polls for something to read. Only the last task to call this, or to poll a read, is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_ready(Direction::Read, cx)
    }

    /// Polls for room to write. Only the last task to call this, or to poll a write, is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_ready(Direction::Write, cx)
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; wait for [`readable`](Self::readable) then. Else what the system says.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.try_read(buffer)
    }

    /// Writes as much as there is room for, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; wait for [`writable`](Self::writable) then. Else what the system says.
    pub fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.socket.try_write(data)
    }

    /// Reads without taking what it read out of the queue: the next read gives it again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.socket.poll_peek(cx, buffer)).await
    }

    /// Whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.nodelay()
    }

    /// Sets whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_nodelay(nodelay)
    }

    /// How long closing waits for data that has not been sent (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets how long closing waits for data that has not been sent (`SO_LINGER`), in whole seconds.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
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

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.socket.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the kernel sends what was written.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(Shutdown::Write))
    }
}

#[cfg(feature = "hyper")]
mod for_hyper {
    use super::*;
    use hyper::rt::{Read, ReadBufCursor, Write};

    impl Read for TcpStream {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            mut buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let read = ready!(self.socket.poll_read(cx, buffer.initialize_unfilled()))?;
            // SAFETY: the whole unfilled part has been initialised, and `read` is at most its length.
            unsafe { buffer.advance(read) };
            Poll::Ready(Ok(()))
        }
    }

    impl Write for TcpStream {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            AsyncWrite::poll_write(self, cx, data)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            AsyncWrite::poll_write_vectored(self, cx, data)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            AsyncWrite::poll_flush(self, cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            AsyncWrite::poll_shutdown(self, cx)
        }
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`TcpStream::from_std`].
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

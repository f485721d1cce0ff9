//! A TCP connection.

use crate::driver::Reactor;
use crate::driver::socket::Socket;
use crate::net::addr::each_addr;
use crate::net::{ToSocketAddrs, fill};
use crate::runtime::Handle;
use socket2::SockRef;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;

/// A TCP connection.
///
/// Read and written through [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite).
/// [`split`](Self::split) and [`into_split`](Self::into_split) give two halves for two tasks. Dropping it closes both directions.
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
    socket: Socket<mio::net::TcpStream>,
}

impl TcpStream {
    pub(super) fn new(stream: mio::net::TcpStream, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(TcpStream { socket: Socket::new(stream, reactor)? })
    }

    /// Waits for the end of an attempt to connect that has begun.
    pub(super) async fn connecting(stream: mio::net::TcpStream, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let stream = TcpStream::new(stream, reactor)?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    fn socket(&self) -> &Socket<mio::net::TcpStream> {
        &self.socket
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.socket.source())
    }

    /// Connects to an address; the first of several that answers.
    ///
    /// # Errors
    ///
    /// The last address's, with its name in the message; `InvalidInput` if a name has no address.
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
        each_addr("connect to", addr, |address| {
            let reactor = reactor.clone();
            async move { TcpStream::connecting(mio::net::TcpStream::connect(address)?, &reactor).await }
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
        TcpStream::new(mio::net::TcpStream::from_std(stream), &Handle::current_reactor())
    }

    /// Turns this into a connection of the standard library's. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// What the system says when it is deregistered.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_source().map(std::net::TcpStream::from)
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr()
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// What the system says; `NotConnected` after a reset, for example.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().peer_addr()
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

    /// Reads without taking what it read out of the queue: the next read gives it again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
    }

    /// As [`peek`](Self::peek), polled. Only the last task to poll for reading is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        fill::read_buf(buf, |room| self.socket.poll_peek(cx, room).map_ok(|filled| (filled, filled.count())))
    }

    options! {
        nodelay / set_nodelay: bool = "whether small packets are sent at once (`TCP_NODELAY`)" => tcp_nodelay / set_tcp_nodelay;
        ttl / set_ttl: u32 = "the time to live of packets sent, in hops" => ttl_v4 / set_ttl_v4;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        quickack / set_quickack: bool = "whether the next acknowledgements are sent at once (`TCP_QUICKACK`); the system may take it back" => tcp_quickack / set_tcp_quickack;
        linger / set_linger: Option<Duration> = "how long closing waits for data that has not been sent (`SO_LINGER`), in whole seconds. Closing blocks its thread meanwhile; so anything but `None` and zero is seldom wise" => linger / set_linger;
    }

    /// Makes closing reset the connection and forget what has not been sent.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// Two halves, for two things to be done in one task.
    pub fn split<'a>(&'a mut self) -> (halves::ReadHalf<'a>, halves::WriteHalf<'a>) {
        (halves::ReadHalf(self), halves::WriteHalf(self))
    }

    /// Two halves, each for a task of its own. They share one allocation.
    ///
    /// ```
    /// use rt::io::{AsyncReadExt, AsyncWriteExt};
    /// # use rt::net::{TcpListener, TcpStream};
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (mut other, _) = listener.accept().await?;
    /// let (mut reader, mut writer) = stream.into_split();
    /// rt::spawn(async move { writer.write_all(b"ping").await });
    /// # let mut ping = [0; 4];
    /// # other.read_exact(&mut ping).await?;
    /// # other.write_all(b"pong").await?;
    /// let mut answer = [0; 4];
    /// reader.read_exact(&mut answer).await?;
    /// # assert_eq!(&answer, b"pong");
    /// # Ok(())
    /// # }
    /// ```
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

reader!(TcpStream);
writer!(TcpStream);
as_raw!(TcpStream);

pub(crate) mod halves {
    use super::*;

    halves!(TcpStream, SocketAddr, mio::net::TcpStream, peek: {
        /// Reads without taking what it read out of the queue: the next read gives it again.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost if the future is dropped.
        ///
        /// # Errors
        ///
        /// What the system says.
        pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.as_ref().peek(buf).await
        }

        /// As [`peek`](Self::peek), polled.
        ///
        /// # Errors
        ///
        /// What the system says.
        pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
            self.as_ref().poll_peek(cx, buf)
        }
    });
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`TcpStream::from_std`].
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

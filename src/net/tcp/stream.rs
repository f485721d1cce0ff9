//! A TCP connection.

use crate::driver::socket::Socket;
use crate::net::addr::each_addr;
use crate::net::{ToSocketAddrs, fill};
use crate::runtime::Handle;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
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
    stream_methods!(TcpStream, mio::net::TcpStream);

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
}

reader!(TcpStream);
writer!(TcpStream);
like_std!(TcpStream, mio::net::TcpStream, std::net::TcpStream, "a connection");
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

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

//! A TCP socket that neither listens nor is connected yet.

use super::{TcpListener, TcpStream};
use crate::net::addr::naming;
use crate::runtime::Handle;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP socket whose options can be set before it listens or connects.
///
/// [`TcpListener::bind`] and [`TcpStream::connect`] are shorter where no options are needed.
///
/// ```
/// use rt::net::TcpSocket;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(1024)?;
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(TcpSocket { socket })
    }

    fn option(&self) -> &Socket {
        &self.socket
    }

    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    options! {
        keepalive / set_keepalive: bool = "whether an idle connection is probed (`SO_KEEPALIVE`)" => keepalive / set_keepalive;
        reuseaddr / set_reuseaddr: bool = "whether an address may be bound that is still in use by connections that end (`SO_REUSEADDR`)" => reuse_address / set_reuse_address;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
        reuseport / set_reuseport: bool = "whether several sockets may bind one address and share its connections (`SO_REUSEPORT`)" => reuse_port / set_reuse_port;
        nodelay / set_nodelay: bool = "whether small packets are sent at once (`TCP_NODELAY`)" => tcp_nodelay / set_tcp_nodelay;
        linger / set_linger: Option<Duration> = "how long closing waits for data that has not been sent (`SO_LINGER`), in whole seconds" => linger / set_linger;
        #[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "haiku", target_os = "fuchsia", target_os = "redox")))]
        tos_v4 / set_tos_v4: u32 = "the type of service of IPv4 packets (`IP_TOS`)" => tos_v4 / set_tos_v4;
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "macos", target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
        tclass_v6 / set_tclass_v6: u32 = "the traffic class of IPv6 packets (`IPV6_TCLASS`)" => tclass_v6 / set_tclass_v6;
    }

    /// Sets the size of the system's buffer for sending, in bytes (`SO_SNDBUF`).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(size as usize)
    }

    /// The size of the system's buffer for sending, in bytes (`SO_SNDBUF`). Linux says twice what was set.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(|size| size as u32)
    }

    /// Sets the size of the system's buffer for receiving, in bytes (`SO_RCVBUF`).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size as usize)
    }

    /// The size of the system's buffer for receiving, in bytes (`SO_RCVBUF`). Linux says twice what was set.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(|size| size as u32)
    }

    /// Makes closing reset the connection and forget what has not been sent.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// The name of the network interface that the socket is bound to, if to any (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// What the system says.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket.device()
    }

    /// Binds the socket to a network interface, or to none (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// What the system says; some systems ask for privileges.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("the socket's address is not an IP address"))
    }

    /// The error that the system keeps for this socket, which it forgets with this call.
    ///
    /// # Errors
    ///
    /// What the system says when it is asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Binds it to an address. Unlike [`TcpListener::bind`] it does not set `SO_REUSEADDR`.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into()).map_err(naming("bind to", &addr))
    }

    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let reactor = Handle::current_reactor();
        match self.socket.connect(&addr.into()) {
            Ok(()) => {}
            #[cfg(unix)]
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(naming("connect to", &addr)(error)),
        }
        let stream = mio::net::TcpStream::from_std(self.socket.into());
        TcpStream::connecting(stream, &reactor).await.map_err(naming("connect to", &addr))
    }

    /// Listens. `backlog` connections may wait to be accepted; the system lowers it to its own limit.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let reactor = Handle::current_reactor();
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::new(mio::net::TcpListener::from_std(self.socket.into()), &reactor)
    }

    /// Takes over a socket of the standard library's that is not connected yet, though its type says so.
    ///
    /// It must be set to non-blocking.
    pub fn from_std_stream(std_stream: std::net::TcpStream) -> TcpSocket {
        TcpSocket { socket: std_stream.into() }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
own_raw!(TcpSocket, "a TCP socket");

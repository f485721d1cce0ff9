//! UDP.

use super::addr::{each_addr, naming};
use super::{ToSocketAddrs, fill};
use crate::driver::socket::{self, Socket};
use crate::driver::{Direction, Interest, Reactor};
use crate::runtime::Handle;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// A UDP socket.
///
/// It is used by shared reference: any number of tasks may send and receive at once, through an `Arc` for example. After
/// [`connect`](Self::connect) it has one peer, and [`send`](Self::send) and [`recv`](Self::recv) need no address.
///
/// ```
/// use rt::net::UdpSocket;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"ping", server.local_addr()?).await?;
///
/// let mut buffer = [0; 1500];
/// let (length, peer) = server.recv_from(&mut buffer).await?;
/// assert_eq!(&buffer[..length], b"ping");
/// assert_eq!(peer, client.local_addr()?);
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    socket: Socket<mio::net::UdpSocket>,
}

impl UdpSocket {
    fn new(socket: mio::net::UdpSocket, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(UdpSocket { socket: Socket::new(socket, reactor)? })
    }

    fn socket(&self) -> &Socket<mio::net::UdpSocket> {
        &self.socket
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.socket.source())
    }

    /// A socket at an address; the first of several that works. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message; `InvalidInput` if a name has no address.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let reactor = Handle::current_reactor();
        each_addr("bind to", addr, |address| {
            let socket = mio::net::UdpSocket::bind(address).and_then(|socket| UdpSocket::new(socket, &reactor));
            async { socket }
        })
        .await
    }

    /// Gives this socket one peer: what others send is not received any more. It can be called again.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in the message; `InvalidInput` if a name has no address.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr("connect to", addr, |address| std::future::ready(self.socket.source().connect(address))).await
    }

    /// This socket's address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr()
    }

    /// The address this is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not; else what the system says.
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

    datagram_methods!(SocketAddr, socket::receive_from);

    /// Sends a datagram. Of several addresses the first is taken. Returns how many bytes were sent: all of them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent.
    ///
    /// # Errors
    ///
    /// What the system says; if the datagram is too long, for example. `InvalidInput` if a name has no address.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let first = super::lookup_host(addr).await?.next();
        let target = first.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no addresses"))?;
        let sent = self.socket.io(Interest::WRITABLE, |socket| socket.send_to(buf, target)).await;
        sent.map_err(naming("send to", &target))
    }

    /// As [`send_to`](Self::send_to), polled. Only the last task to poll for sending is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        self.socket.poll_io(Direction::Write, cx, |socket| socket.send_to(buf, target))
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else what the system says.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.socket.try_io(Interest::WRITABLE, |socket| socket.send_to(buf, target))
    }

    /// Receives from the peer without taking the datagram out of the queue: the next call gives it again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.io(Interest::READABLE, |socket| socket.peek(buf)).await
    }

    /// As [`peek`](Self::peek), polled. Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        fill::read_buf(buf, |room| self.socket.poll_peek(cx, room).map_ok(|filled| (filled, ())))
    }

    /// As [`peek`](Self::peek), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else what the system says.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.try_io(Interest::READABLE, |socket| socket.peek(buf))
    }

    /// As [`recv_from`](Self::recv_from), without taking the datagram out of the queue.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.io(Interest::READABLE, |socket| socket.peek_from(buf)).await
    }

    /// As [`peek_from`](Self::peek_from), polled. Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        fill::read_buf(buf, |room| self.socket.poll_io(Direction::Read, cx, |socket| socket::peek_from(socket, room)))
    }

    /// As [`peek_from`](Self::peek_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else what the system says.
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_io(Interest::READABLE, |socket| socket.peek_from(buf))
    }

    /// Who sent the next datagram, which stays in the queue.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.socket.io(Interest::READABLE, |socket| socket::peek_from(socket, &mut []).map(|(_, sender)| sender)).await
    }

    /// As [`peek_sender`](Self::peek_sender), polled. Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        let peeked = self.socket.poll_io(Direction::Read, cx, |socket| socket::peek_from(socket, &mut []));
        Poll::Ready(ready!(peeked).map(|(_, sender)| sender))
    }

    /// As [`peek_sender`](Self::peek_sender), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else what the system says.
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.socket.try_io(Interest::READABLE, |socket| socket::peek_from(socket, &mut []).map(|(_, sender)| sender))
    }

    options! {
        broadcast / set_broadcast: bool = "whether datagrams may be sent to all hosts of a network (`SO_BROADCAST`)" => broadcast / set_broadcast;
        multicast_loop_v4 / set_multicast_loop_v4: bool = "whether this host receives the IPv4 multicast datagrams that it sends" => multicast_loop_v4 / set_multicast_loop_v4;
        multicast_ttl_v4 / set_multicast_ttl_v4: u32 = "the time to live of IPv4 multicast datagrams sent, in hops" => multicast_ttl_v4 / set_multicast_ttl_v4;
        multicast_loop_v6 / set_multicast_loop_v6: bool = "whether this host receives the IPv6 multicast datagrams that it sends" => multicast_loop_v6 / set_multicast_loop_v6;
        ttl / set_ttl: u32 = "the time to live of datagrams sent, in hops" => ttl_v4 / set_ttl_v4;
        #[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "haiku", target_os = "fuchsia", target_os = "redox")))]
        tos_v4 / set_tos_v4: u32 = "the type of service of IPv4 packets (`IP_TOS`)" => tos_v4 / set_tos_v4;
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "macos", target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
        tclass_v6 / set_tclass_v6: u32 = "the traffic class of IPv6 packets (`IPV6_TCLASS`)" => tclass_v6 / set_tclass_v6;
    }

    /// The name of the network interface that the socket is bound to, if to any (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// What the system says.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.option().device()
    }

    /// Binds the socket to a network interface, or to none (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// What the system says; some systems ask for privileges.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.option().bind_device(interface)
    }

    /// Joins a multicast group, at the interface with this address; at the one that the system chooses if it is
    /// [`Ipv4Addr::UNSPECIFIED`].
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.option().join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins a multicast group, at the interface with this number; at the one that the system chooses if it is 0.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.option().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a multicast group that was [joined](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.option().leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves a multicast group that was [joined](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.option().leave_multicast_v6(multiaddr, interface)
    }
}

like_std!(UdpSocket, mio::net::UdpSocket, std::net::UdpSocket, "a socket");
as_raw!(UdpSocket);

//! Sockets and pipes as sources in the reactor: every operation on one passes here.
//!
//! `net/` says what a socket offers; when it is tried, when it waits, and what clears its readiness is decided here and nowhere
//! else. A simulated network can take the place of `S`.

use super::interest::{Direction, Interest, Ready};
use super::reactor::Reactor;
use super::readiness::Seen;
use super::registration::{Number, Registration};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A socket in the reactor, deregistered when dropped.
pub(crate) struct Socket<S: Source> {
    /// `None` only when it has been taken out, by `into_source`.
    source: Option<S>,
    registration: Registration,
}

/// What the system offers for each kind of socket.
pub(crate) trait Source: mio::event::Source + Numbered + fmt::Debug {
    /// Does an operation of the user's that may block. Some systems have to be asked for readiness again if it would.
    fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
}

/// What the system knows a source by.
pub(crate) trait Numbered {
    fn number(&self) -> Number;
}

#[cfg(unix)]
impl<S: std::os::fd::AsRawFd> Numbered for S {
    fn number(&self) -> Number {
        self.as_raw_fd()
    }
}

#[cfg(windows)]
impl<S: std::os::windows::io::AsRawSocket> Numbered for S {
    fn number(&self) -> Number {
        self.as_raw_socket()
    }
}

/// A source that fills memory.
pub(crate) trait Receive: Source {
    /// Whether less than was asked for means that nothing is left: bytes without borders between them.
    const IS_STREAM: bool;

    fn receive(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled>;
}

/// A socket that can be read without taking out what is read.
pub(crate) trait Peek: Source {
    fn peek_at(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled>;
}

/// How many bytes of the buffer that it was given, from the first on, the system has written. Made here only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled(usize);

impl Filled {
    pub(crate) fn count(self) -> usize {
        self.0
    }
}

macro_rules! sources {
    ($($(#[$cfg:meta])? $type:ty: $stream:expr;)*) => {$(
        $(#[$cfg])?
        impl Source for $type {
            fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
                self.try_io(operation)
            }
        }

        $(#[$cfg])?
        impl Receive for $type {
            const IS_STREAM: bool = $stream;

            fn receive(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled> {
                self.try_io(|| socket2::SockRef::from(self).recv(buffer)).map(Filled)
            }
        }

        $(#[$cfg])?
        impl Peek for $type {
            fn peek_at(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled> {
                self.try_io(|| socket2::SockRef::from(self).peek(buffer)).map(Filled)
            }
        }
    )*};
}

sources! {
    mio::net::TcpStream: true;
    mio::net::UdpSocket: false;
    #[cfg(unix)] mio::net::UnixStream: true;
    #[cfg(unix)] mio::net::UnixDatagram: false;
}

impl Source for mio::net::TcpListener {
    fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        operation()
    }
}

#[cfg(unix)]
mod unix {
    use super::*;

    impl Source for mio::net::UnixListener {
        fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            operation()
        }
    }

    impl Source for mio::unix::pipe::Sender {
        fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.try_io(operation)
        }
    }

    impl Source for mio::unix::pipe::Receiver {
        fn attempt<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.try_io(operation)
        }
    }

    impl Receive for mio::unix::pipe::Receiver {
        /// A pipe may keep packets apart (`O_DIRECT`).
        const IS_STREAM: bool = false;

        fn receive(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled> {
            let (filled, _) = rustix::io::read(self, buffer)?;
            Ok(Filled(filled.len()))
        }
    }
}

/// Receives a datagram, and tells who sent it.
pub(crate) fn receive_from(
    socket: &mio::net::UdpSocket,
    buffer: &mut [MaybeUninit<u8>],
) -> io::Result<(Filled, SocketAddr)> {
    let (count, sender) = socket.try_io(|| socket2::SockRef::from(socket).recv_from(buffer))?;
    Ok((Filled(count), ip_address(&sender)?))
}

/// As [`receive_from`], and leaves it in the queue.
pub(crate) fn peek_from(
    socket: &mio::net::UdpSocket,
    buffer: &mut [MaybeUninit<u8>],
) -> io::Result<(Filled, SocketAddr)> {
    let (count, sender) = socket.try_io(|| socket2::SockRef::from(socket).peek_from(buffer))?;
    Ok((Filled(count), ip_address(&sender)?))
}

fn ip_address(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::Error::other("the system gave an address that is not an IP address"))
}

/// As [`receive_from`], where the sender is a path, a name or nobody.
#[cfg(unix)]
pub(crate) fn receive_from_unix(
    socket: &mio::net::UnixDatagram,
    buffer: &mut [MaybeUninit<u8>],
) -> io::Result<(Filled, std::os::unix::net::SocketAddr)> {
    let (count, sender) = socket2::SockRef::from(socket).recv_from(buffer)?;
    Ok((Filled(count), unix_address(&sender)?))
}

#[cfg(unix)]
fn unix_address(address: &socket2::SockAddr) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::unix::net::SocketAddr;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_abstract_namespace() {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    // An empty path is how std makes an address without a name.
    SocketAddr::from_pathname(address.as_pathname().unwrap_or(std::path::Path::new("")))
}

/// Urgent data too, where it has events of its own.
const EVERYTHING: Interest = {
    let both = Interest::READABLE.add(Interest::WRITABLE);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both.add(Interest::PRIORITY);
    both
};

impl<S: Source> Socket<S> {
    /// Registers a socket, for both directions, and for urgent data too: it must not be mistaken for the end of what can be
    /// read.
    pub(crate) fn new(source: S, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Self::with_interest(source, EVERYTHING, reactor)
    }

    /// Registers a socket that is ready in both directions, as far as is known: the next operation in each is tried before the
    /// poller has told of anything.
    #[cfg(unix)]
    pub(crate) fn new_ready(source: S, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let registration = reactor.register_late(source.number(), EVERYTHING)?;
        registration.assume(Ready::READABLE | Ready::WRITABLE);
        Ok(Socket { source: Some(source), registration })
    }

    /// As [`new`](Self::new), but ready in both directions, as far as is known.
    #[cfg(not(unix))]
    pub(crate) fn new_ready(source: S, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let socket = Self::new(source, reactor)?;
        socket.registration.assume(Ready::READABLE | Ready::WRITABLE);
        Ok(socket)
    }

    pub(crate) fn with_interest(mut source: S, interest: Interest, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let number = source.number();
        let registration = reactor.register(&mut source, number, interest)?;
        Ok(Socket { source: Some(source), registration })
    }

    /// Takes the socket out of the reactor.
    pub(crate) fn into_source(mut self) -> io::Result<S> {
        let mut source = self.source.take().expect("it is taken once, here");
        self.registration.deregister(&mut source)?;
        Ok(source)
    }

    /// For what never waits: addresses, options.
    pub(crate) fn source(&self) -> &S {
        self.source.as_ref().expect("it is taken by value only")
    }

    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        self.registration.reactor()
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.registration.ready(interest).await.map(|seen| seen.ready)
    }

    pub(crate) fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_ready(direction, cx).map_ok(drop)
    }

    /// Does `operation` as soon as it does not block, for the last caller in this direction.
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.registration.poll_io(direction, cx, |_| operation(self.source()))
    }

    /// Does `operation` as soon as it does not block; any number of callers may wait.
    pub(crate) async fn io<T>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        self.registration.io(interest, || operation(self.source())).await
    }

    /// Does `operation` now, or says that it would block.
    pub(crate) fn try_io<T>(&self, interest: Interest, operation: impl FnOnce(&S) -> io::Result<T>) -> io::Result<T> {
        self.registration.try_io(interest, || operation(self.source()))
    }

    fn poll_transfer<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        asked: usize,
        moved: impl Fn(&T) -> usize,
        mut operation: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.registration.poll_io(direction, cx, |seen: Seen| {
            let result = operation(self.source())?;
            if (1..asked).contains(&moved(&result)) {
                self.registration.drained(seen, direction);
            }
            Ok(result)
        })
    }
}

impl<S: Receive> Socket<S> {
    pub(crate) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<Filled>> {
        // Nothing is a short read of nothing.
        let asked = if S::IS_STREAM { buffer.len() } else { 0 };
        self.poll_transfer(Direction::Read, cx, asked, |filled: &Filled| filled.0, |source| source.receive(buffer))
    }

    #[cfg(feature = "io-util")]
    pub(crate) fn try_receive(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Filled> {
        self.try_io(Interest::READABLE, |source| source.receive(buffer))
    }
}

impl<S: Peek> Socket<S> {
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [MaybeUninit<u8>]) -> Poll<io::Result<Filled>> {
        self.poll_io(Direction::Read, cx, |source| source.peek_at(buffer))
    }
}

impl<S: Source> Socket<S>
where
    for<'a> &'a S: Read,
{
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_io(Interest::READABLE, |mut source| source.read(buffer))
    }

    pub(crate) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.try_io(Interest::READABLE, |mut source| source.read_vectored(buffers))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(Direction::Read, cx, |mut source| source.read_vectored(buffers))
    }
}

impl<S: Source> Socket<S>
where
    for<'a> &'a S: Write,
{
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Write, cx, data.len(), |&moved| moved, |mut source| source.write(data))
    }

    pub(crate) fn poll_write_vectored(&self, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let asked = data.iter().map(|slice| slice.len()).sum();
        self.poll_transfer(Direction::Write, cx, asked, |&moved| moved, |mut source| source.write_vectored(data))
    }

    pub(crate) fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, |mut source| source.write(data))
    }

    pub(crate) fn try_write_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, |mut source| source.write_vectored(data))
    }
}

impl<S: Source> Drop for Socket<S> {
    fn drop(&mut self) {
        if let Some(mut source) = self.source.take() {
            // The descriptor is closed next, which takes it out of the poller in any case.
            let _ = self.registration.deregister(&mut source);
        }
    }
}

impl<S: Source> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source().fmt(f)
    }
}

//! The seam that every socket operation passes.
//!
//! `net/` says what a socket offers; what happens on the wire is decided here and nowhere else, so that a simulated network
//! can stand beside the system's as another variant of [`Backend`].

use super::reactor::{Reactor, Registration};
use super::readiness::{Direction, Interest, Seen};
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Connections that may wait to be accepted; the system lowers it to its own limit. With fewer, a burst of connections makes
/// some of them wait a second for their second try; more only hide a server that does not keep up. tokio takes the same.
const BACKLOG: i32 = 1024;

/// What a socket is made of.
enum Backend<S> {
    System(S),
}

/// A source in the reactor, deregistered when dropped.
struct Registered<S: mio::event::Source> {
    /// `None` only when it has been taken out, by `into_std`.
    source: Option<S>,
    registration: Registration,
}

impl<S: mio::event::Source> Registered<S> {
    fn new(mut source: S, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let registration = reactor.register(&mut source)?;
        Ok(Registered { source: Some(source), registration })
    }

    fn into_source(mut self) -> io::Result<S> {
        let mut source = self.source.take().expect("it is taken once, here");
        self.registration.deregister(&mut source)?;
        Ok(source)
    }
}

impl<S: mio::event::Source> Deref for Registered<S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.source.as_ref().expect("it is taken by value only")
    }
}

impl<S: mio::event::Source> Drop for Registered<S> {
    fn drop(&mut self) {
        if let Some(mut source) = self.source.take() {
            // The descriptor is closed next, which takes it out of the poller in any case.
            let _ = self.registration.deregister(&mut source);
        }
    }
}

/// A listening stream socket.
pub(crate) struct Listener(Backend<Registered<mio::net::TcpListener>>);

/// A connected stream socket.
pub(crate) struct Stream(Backend<Registered<mio::net::TcpStream>>);

impl Listener {
    pub(crate) fn bind(reactor: &Arc<Reactor>, address: SocketAddr) -> io::Result<Self> {
        let listener = mio::net::TcpListener::bind(address)?;
        // mio asks for 128. A second `listen` changes that; if it is refused, the socket listens all the same.
        let _ = socket2::SockRef::from(&listener).listen(BACKLOG);
        let listener = Registered::new(listener, reactor)?;
        Ok(Listener(Backend::System(listener)))
    }

    /// `listener` does not block.
    pub(crate) fn from_std(reactor: &Arc<Reactor>, listener: std::net::TcpListener) -> io::Result<Self> {
        let listener = Registered::new(mio::net::TcpListener::from_std(listener), reactor)?;
        Ok(Listener(Backend::System(listener)))
    }

    pub(crate) fn into_std(self) -> io::Result<std::net::TcpListener> {
        match self.0 {
            Backend::System(listener) => listener.into_source().map(std::net::TcpListener::from),
        }
    }

    fn system(&self) -> &Registered<mio::net::TcpListener> {
        match &self.0 {
            Backend::System(listener) => listener,
        }
    }

    pub(crate) async fn accept(&self, reactor: &Arc<Reactor>) -> io::Result<(Stream, SocketAddr)> {
        let listener = self.system();
        let (stream, peer) = listener.registration.io(Interest::READABLE, || listener.accept()).await?;
        Ok((Stream::new(stream, reactor)?, peer))
    }

    pub(crate) fn poll_accept(
        &self,
        reactor: &Arc<Reactor>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let listener = self.system();
        listener.registration.poll_io(Direction::Read, cx, |_| listener.accept()).map(|accepted| {
            let (stream, peer) = accepted?;
            Ok((Stream::new(stream, reactor)?, peer))
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.system().local_addr()
    }

    pub(crate) fn ttl(&self) -> io::Result<u32> {
        self.system().ttl()
    }

    pub(crate) fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.system().set_ttl(ttl)
    }
}

impl Stream {
    fn new(stream: mio::net::TcpStream, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(Stream(Backend::System(Registered::new(stream, reactor)?)))
    }

    pub(crate) async fn connect(reactor: &Arc<Reactor>, address: SocketAddr) -> io::Result<Self> {
        let stream = Registered::new(mio::net::TcpStream::connect(address)?, reactor)?;
        stream.registration.ready(Interest::WRITABLE).await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(Stream(Backend::System(stream))),
        }
    }

    /// `stream` does not block.
    pub(crate) fn from_std(reactor: &Arc<Reactor>, stream: std::net::TcpStream) -> io::Result<Self> {
        Stream::new(mio::net::TcpStream::from_std(stream), reactor)
    }

    pub(crate) fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.0 {
            Backend::System(stream) => stream.into_source().map(std::net::TcpStream::from),
        }
    }

    fn system(&self) -> &Registered<mio::net::TcpStream> {
        match &self.0 {
            Backend::System(stream) => stream,
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Read, cx, buffer.len(), |mut stream| stream.read(buffer))
    }

    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.system();
        stream.registration.poll_io(Direction::Read, cx, |_| stream.peek(buffer))
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Write, cx, data.len(), |mut stream| stream.write(data))
    }

    pub(crate) fn poll_write_vectored(&self, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let asked = data.iter().map(|slice| slice.len()).sum();
        self.poll_transfer(Direction::Write, cx, asked, |mut stream| stream.write_vectored(data))
    }

    fn poll_transfer(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        asked: usize,
        mut operation: impl FnMut(&mio::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = self.system();
        stream.registration.poll_io(direction, cx, |seen: Seen| {
            let moved = operation(stream)?;
            if 0 < moved && moved < asked {
                stream.registration.drained(seen, direction);
            }
            Ok(moved)
        })
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = self.system();
        stream.registration.try_io(Direction::Read, || (&**stream).read(buffer))
    }

    pub(crate) fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        let stream = self.system();
        stream.registration.try_io(Direction::Write, || (&**stream).write(data))
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.system().registration.ready(interest).await
    }

    pub(crate) fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system().registration.poll_ready(direction, cx)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.system().shutdown(how) {
            // The peer has closed already: what was asked for is so.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.system().local_addr()
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.system().peer_addr()
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.system().take_error()
    }

    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        self.system().nodelay()
    }

    pub(crate) fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.system().set_nodelay(nodelay)
    }

    pub(crate) fn ttl(&self) -> io::Result<u32> {
        self.system().ttl()
    }

    pub(crate) fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.system().set_ttl(ttl)
    }

    pub(crate) fn linger(&self) -> io::Result<Option<Duration>> {
        socket2::SockRef::from(&**self.system()).linger()
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        socket2::SockRef::from(&**self.system()).set_linger(linger)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self.system()).fmt(f)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self.system()).fmt(f)
    }
}

#[cfg(unix)]
mod fd {
    use super::{Listener, Stream};
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    impl Listener {
        pub(crate) fn as_raw_fd(&self) -> RawFd {
            self.system().as_raw_fd()
        }

        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            self.system().as_fd()
        }
    }

    impl Stream {
        pub(crate) fn as_raw_fd(&self) -> RawFd {
            self.system().as_raw_fd()
        }

        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            self.system().as_fd()
        }
    }
}

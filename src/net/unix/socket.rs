//! A Unix socket that is not in use yet.

use super::{UnixDatagram, UnixListener, UnixStream};
use crate::net::addr::naming;
use crate::runtime::Handle;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A Unix socket that can be bound before it listens, connects, or is used for datagrams.
///
/// ```
/// use rt::net::UnixSocket;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("rt-doc-socket-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let socket = UnixSocket::new_stream()?;
/// socket.bind(folder.join("server"))?;
/// let listener = socket.listen(16)?;
/// # drop(listener);
/// # std::fs::remove_dir_all(&folder)
/// # }
/// ```
pub struct UnixSocket {
    socket: Socket,
}

impl UnixSocket {
    fn new(kind: Type) -> io::Result<UnixSocket> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(UnixSocket { socket })
    }

    fn expect(&self, kind: Type, what: &str) -> io::Result<()> {
        if self.socket.r#type()? == kind {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }

    /// A socket for datagrams.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::DGRAM)
    }

    /// A socket for connections.
    ///
    /// # Errors
    ///
    /// What the system says, `EMFILE` for example.
    pub fn new_stream() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::STREAM)
    }

    /// Binds it to a path, which must not exist.
    ///
    /// # Errors
    ///
    /// What the system says, with the path in the message.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let bind = || self.socket.bind(&SockAddr::unix(path)?);
        bind().map_err(naming("bind to", &path))
    }

    /// Listens. `backlog` connections may wait to be accepted; the system lowers it to its own limit.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a socket for datagrams; else what the system says.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        let reactor = Handle::current_reactor();
        self.expect(Type::STREAM, "a socket for datagrams cannot listen")?;
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::new(mio::net::UnixListener::from_std(OwnedFd::from(self.socket).into()), &reactor)
    }

    /// Connects to the socket at a path.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a socket for datagrams; else what the system says, with the path in the message.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let reactor = Handle::current_reactor();
        let path = path.as_ref();
        self.expect(Type::STREAM, "a socket for datagrams has no connections: use `datagram` and its `connect`")?;
        match SockAddr::unix(path).and_then(|address| self.socket.connect(&address)) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(naming("connect to", &path)(error)),
        }
        let stream = mio::net::UnixStream::from_std(OwnedFd::from(self.socket).into());
        UnixStream::connecting(stream, &reactor).await.map_err(naming("connect to", &path))
    }

    /// A socket for datagrams, ready for use.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a socket for connections; else what the system says when it is registered.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        let reactor = Handle::current_reactor();
        self.expect(Type::DGRAM, "a socket for connections has no datagrams")?;
        UnixDatagram::new(mio::net::UnixDatagram::from_std(OwnedFd::from(self.socket).into()), &reactor)
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

own_raw!(UnixSocket, "a Unix socket");

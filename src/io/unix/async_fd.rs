//! Any descriptor as a source in the reactor.

use crate::driver::{Direction, Interest, Ready, Registration, Seen};
use crate::runtime::Handle;
use mio::unix::SourceFd;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

/// A descriptor that the runtime waits for: an event counter, a tunnel, a netlink socket, a device.
///
/// It must not block (`O_NONBLOCK`). This type waits; reading and writing are yours: wait for a guard, try the operation in the guard's
/// [`try_io`](AsyncFdReadyGuard::try_io), and wait again if it would block. [`async_io`](Self::async_io) does all of that.
///
/// The object must keep its descriptor open, and the same, for as long as it is in here. Regular files cannot be waited for: the
/// system refuses them (`EPERM`).
///
/// ```
/// use rt::io::Interest;
/// use rt::io::unix::AsyncFd;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let (mut one, other) = UnixStream::pair()?;
/// other.set_nonblocking(true)?;
/// let other = AsyncFd::new(other)?;
/// one.write_all(b"ping")?;
///
/// let mut buffer = [0; 16];
/// let length = other.async_io(Interest::READABLE, |mut socket| socket.read(&mut buffer)).await?;
/// assert_eq!(&buffer[..length], b"ping");
/// # Ok(())
/// # }
/// ```
pub struct AsyncFd<T: AsRawFd> {
    registration: Registration,
    /// `None` only while it is taken apart.
    inner: Option<T>,
}

/// Readiness that was seen, until it is cleared or kept; of a borrowed [`AsyncFd`].
#[must_use = "what was seen stays until `try_io` or `clear_ready` finds that it has passed"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    async_fd: &'a AsyncFd<T>,
    seen: Option<Seen>,
}

/// Readiness that was seen, until it is cleared or kept; of an [`AsyncFd`] that is borrowed mutably.
#[must_use = "what was seen stays until `try_io` or `clear_ready` finds that it has passed"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    async_fd: &'a mut AsyncFd<T>,
    seen: Option<Seen>,
}

/// The operation would have blocked, and the readiness has been cleared.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block: wait for readiness again")
    }
}

impl Error for TryIoError {}

/// A descriptor could not be registered. It gives the object back.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Registers a descriptor for reading and writing.
    ///
    /// # Errors
    ///
    /// What the system says: `EPERM` for a regular file, `EEXIST` if this descriptor is registered already.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        Self::with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers a descriptor for what is asked only. Waiting for anything else never ends.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(Self::try_with_interest(inner, interest)?)
    }

    /// As [`new`](Self::new), and gives the object back if it fails.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`with_interest`](Self::with_interest), and gives the object back if it fails.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn try_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        let descriptor = inner.as_raw_fd();
        match Handle::current_reactor().register(&mut SourceFd(&descriptor), descriptor, interest) {
            Ok(registration) => Ok(AsyncFd { registration, inner: Some(inner) }),
            Err(cause) => Err(AsyncFdRegisterError { inner, cause }),
        }
    }

    /// As [`try_new`](Self::try_new).
    ///
    /// # Safety
    ///
    /// tokio asks for more than is needed here, and code that was written for it compiles: the descriptor is open, and stays so
    /// and the same until this is dropped.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_new(inner)
    }

    /// As [`try_with_interest`](Self::try_with_interest).
    ///
    /// # Safety
    ///
    /// As [`register`](Self::register).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub unsafe fn register_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, interest)
    }

    /// The object.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("it is taken by value only")
    }

    /// The object. It must keep its descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("it is taken by value only")
    }

    fn take(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        // If the object has closed it already, the poller does not know it any more.
        let _ = self.registration.deregister(&mut SourceFd(&inner.as_raw_fd()));
        Some(inner)
    }

    /// Takes the descriptor out of the runtime.
    pub fn into_inner(mut self) -> T {
        self.take().expect("it is taken once, here")
    }

    /// Polls for something to read. Only the last task to poll for reading is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready<'a>(&'a self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let seen = ready!(self.registration.poll_ready(Direction::Read, cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard { async_fd: self, seen: Some(seen) }))
    }

    /// As [`poll_read_ready`](Self::poll_read_ready), with a guard that gives the object mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let seen = ready!(self.registration.poll_ready(Direction::Read, cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard { async_fd: self, seen: Some(seen) }))
    }

    /// Polls for room to write. Only the last task to poll for writing is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready<'a>(&'a self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let seen = ready!(self.registration.poll_ready(Direction::Write, cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard { async_fd: self, seen: Some(seen) }))
    }

    /// As [`poll_write_ready`](Self::poll_write_ready), with a guard that gives the object mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let seen = ready!(self.registration.poll_ready(Direction::Write, cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard { async_fd: self, seen: Some(seen) }))
    }

    /// Waits until it is ready for something of `interest`. Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let seen = self.registration.ready(interest).await?;
        Ok(AsyncFdReadyGuard { async_fd: self, seen: Some(seen) })
    }

    /// As [`ready`](Self::ready), with a guard that gives the object mutably.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn ready_mut(&mut self, interest: Interest) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let seen = self.registration.ready(interest).await?;
        Ok(AsyncFdReadyMutGuard { async_fd: self, seen: Some(seen) })
    }

    /// Waits until there is something to read. See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn readable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::READABLE).await
    }

    /// As [`readable`](Self::readable), with a guard that gives the object mutably.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn readable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until something can be written. See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn writable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// As [`writable`](Self::writable), with a guard that gives the object mutably.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub async fn writable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Does an operation as soon as it does not say `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, then `f` has not succeeded.
    ///
    /// # Errors
    ///
    /// What `f` says, but `WouldBlock`; or that the runtime has shut down.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.registration.io(interest, || f(self.get_ref())).await
    }

    /// As [`async_io`](Self::async_io), with the object mutably.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, then `f` has not succeeded.
    ///
    /// # Errors
    ///
    /// What `f` says, but `WouldBlock`; or that the runtime has shut down.
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let inner = self.inner.as_mut().expect("it is taken by value only");
        self.registration.io(interest, || f(inner)).await
    }

    /// Does an operation if the descriptor is thought to be ready, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not ready; else what `f` says.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.registration.try_io(interest, || f(self.get_ref()))
    }

    /// As [`try_io`](Self::try_io), with the object mutably.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not ready; else what `f` says.
    pub fn try_io_mut<R>(&mut self, interest: Interest, f: impl FnOnce(&mut T) -> io::Result<R>) -> io::Result<R> {
        let inner = self.inner.as_mut().expect("it is taken by value only");
        self.registration.try_io(interest, || f(inner))
    }
}

/// What both guards have.
macro_rules! guard {
    ($guard:ident, $name:literal) => {
        impl<'a, Inner: AsRawFd> $guard<'a, Inner> {
            /// Says that it is not ready any more: an operation would have blocked. What has closed stays closed.
            ///
            /// An event that came after the guard is not cleared.
            pub fn clear_ready(&mut self) {
                if let Some(seen) = self.seen.take() {
                    self.async_fd.registration.clear(seen, seen.ready);
                }
            }

            /// As [`clear_ready`](Self::clear_ready), for some of what was seen.
            pub fn clear_ready_matching(&mut self, ready: Ready) {
                if let Some(seen) = &mut self.seen {
                    self.async_fd.registration.clear(*seen, seen.ready & ready);
                    seen.ready = seen.ready - ready;
                    if seen.ready.is_empty() {
                        self.seen = None;
                    }
                }
            }

            /// Says that it is still ready, as dropping the guard does.
            pub fn retain_ready(&mut self) {}

            /// What was seen, without what has been cleared.
            pub fn ready(&self) -> Ready {
                self.seen.map_or(Ready::EMPTY, |seen| seen.ready)
            }
        }

        impl<T: AsRawFd + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("async_fd", &self.async_fd).field("ready", &self.ready()).finish()
            }
        }
    };
}

guard!(AsyncFdReadyGuard, "AsyncFdReadyGuard");
guard!(AsyncFdReadyMutGuard, "AsyncFdReadyMutGuard");

impl<'a, Inner: AsRawFd> AsyncFdReadyGuard<'a, Inner> {
    /// Does an operation, and clears the readiness if that would have blocked.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it would have blocked. Whatever else `f` says is in the `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<Inner>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor in the runtime.
    pub fn get_ref(&self) -> &'a AsyncFd<Inner> {
        self.async_fd
    }

    /// The object.
    pub fn get_inner(&self) -> &'a Inner {
        self.async_fd.get_ref()
    }
}

impl<'a, Inner: AsRawFd> AsyncFdReadyMutGuard<'a, Inner> {
    /// Does an operation, and clears the readiness if that would have blocked.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it would have blocked. Whatever else `f` says is in the `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<Inner>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor in the runtime.
    pub fn get_ref(&self) -> &AsyncFd<Inner> {
        self.async_fd
    }

    /// The descriptor in the runtime.
    pub fn get_mut(&mut self) -> &mut AsyncFd<Inner> {
        self.async_fd
    }

    /// The object.
    pub fn get_inner(&self) -> &Inner {
        self.async_fd.get_ref()
    }

    /// The object. It must keep its descriptor.
    pub fn get_inner_mut(&mut self) -> &mut Inner {
        self.async_fd.get_mut()
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsRawFd + AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish()
    }
}

impl<T> AsyncFdRegisterError<T> {
    /// The object, and why it could not be registered.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> io::Error {
        error.cause
    }
}

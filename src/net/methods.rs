//! Methods that several types have word for word. Each type has a `socket()`.

/// `ready`, for any type.
macro_rules! ready_method {
    () => {
        /// Waits until it is ready for something of `interest`, and tells for what.
        ///
        /// Readiness is a hint: an operation without waiting may still say `WouldBlock`; wait again then.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost if the future is dropped.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub async fn ready(&self, interest: $crate::io::Interest) -> std::io::Result<$crate::io::Ready> {
            self.socket().ready(interest).await
        }
    };
}

macro_rules! readable_method {
    () => {
        /// Waits until there is something to read, or the end.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost if the future is dropped.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.socket().ready($crate::io::Interest::READABLE).await.map(drop)
        }
    };
}

macro_rules! writable_method {
    () => {
        /// Waits until something can be written, or nobody reads any more.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost if the future is dropped.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.socket().ready($crate::io::Interest::WRITABLE).await.map(drop)
        }
    };
}

/// One that is polled, by a name of its own.
macro_rules! poll_ready_method {
    ($(#[$doc:meta])* $name:ident, $direction:ident) => {
        $(#[$doc])*
        ///
        /// Only the last task to poll in this direction is woken.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub fn $name(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            self.socket().poll_ready($crate::driver::Direction::$direction, cx)
        }
    };
}

/// Reading a stream without waiting.
macro_rules! try_read_methods {
    () => {
        /// Reads what is there, without waiting.
        ///
        /// 0 is the end, if `buf` is not empty.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there; wait for [`readable`](Self::readable) then. Else what the system says.
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.socket().try_read(buf)
        }

        /// As [`try_read`](Self::try_read), into several buffers, each filled before the next.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_vectored(&self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
            self.socket().try_read_vectored(bufs)
        }

        /// As [`try_read`](Self::try_read), into a buffer that grows, which need not be initialised.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        #[cfg(feature = "io-util")]
        #[cfg_attr(docsrs, doc(cfg(feature = "io-util")))]
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            let read = |room: &mut _| self.socket().try_receive(room).map(|filled| (filled, ()));
            $crate::net::fill::buf(buf, read).map(|(count, ())| count)
        }
    };
}

/// Writing to a stream without waiting.
macro_rules! try_write_methods {
    () => {
        /// Writes as much as there is room for, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is none; wait for [`writable`](Self::writable) then. Else what the system says.
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.socket().try_write(buf)
        }

        /// As [`try_write`](Self::try_write), from several buffers, one after the other.
        ///
        /// # Errors
        ///
        /// As [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.socket().try_write_vectored(bufs)
        }
    };
}

/// Operations of the user's own.
macro_rules! own_io_methods {
    () => {
        /// Does an operation of your own on the descriptor if it is thought to be ready, without waiting.
        ///
        /// `f` does not block, touches this socket only, and says `WouldBlock` when it would have to wait: that clears the
        /// readiness, which the next event brings back. With a `WouldBlock` of another origin the next wait may be for ever.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if it is not ready; else what `f` says.
        pub fn try_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnOnce() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            use $crate::driver::socket::Source;
            self.socket().try_io(interest, |source| source.attempt(f))
        }

        /// Does an operation of your own on the descriptor as soon as it does not say `WouldBlock`.
        ///
        /// See [`try_io`](Self::try_io) for what `f` must keep.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, then `f` has not succeeded.
        ///
        /// # Errors
        ///
        /// What `f` says, but `WouldBlock`; or that the runtime has shut down.
        pub async fn async_io<R>(
            &self,
            interest: $crate::io::Interest,
            mut f: impl FnMut() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            use $crate::driver::socket::Source;
            self.socket().io(interest, |source| source.attempt(&mut f)).await
        }
    };
}

/// Options that are read and set, each by its name and meaning.
macro_rules! options {
    ($($(#[$meta:meta])* $get:ident / $set:ident: $type:ty = $option:expr => $read:ident / $write:ident;)*) => {$(
        #[doc = concat!($option, ".")]
        ///
        /// # Errors
        ///
        /// What the system says.
        $(#[$meta])*
        pub fn $get(&self) -> std::io::Result<$type> {
            self.option().$read()
        }

        #[doc = concat!("Sets: ", $option, ".")]
        ///
        /// # Errors
        ///
        /// What the system says.
        $(#[$meta])*
        pub fn $set(&self, value: $type) -> std::io::Result<()> {
            self.option().$write(value)
        }
    )*};
}

/// What a connected stream of any family has; beside it stands its module `halves`.
macro_rules! stream_methods {
    ($type:ident, $source:ty) => {
        pub(super) fn new(
            stream: $source,
            reactor: &std::sync::Arc<$crate::driver::Reactor>,
        ) -> std::io::Result<Self> {
            Ok($type { socket: $crate::driver::socket::Socket::new(stream, reactor)? })
        }

        /// A connection that a listener has handed out. It is taken to be ready at once: it can be written to, and whoever
        /// connects to a server mostly has something to say, which is there by now, or at the price of one call it is
        /// found not to be.
        pub(super) fn accepted(
            stream: $source,
            reactor: &std::sync::Arc<$crate::driver::Reactor>,
        ) -> std::io::Result<Self> {
            Ok($type { socket: $crate::driver::socket::Socket::new_ready(stream, reactor)? })
        }

        /// Waits for the end of an attempt to connect that has begun.
        pub(super) async fn connecting(
            stream: $source,
            reactor: &std::sync::Arc<$crate::driver::Reactor>,
        ) -> std::io::Result<Self> {
            let stream = Self::new(stream, reactor)?;
            std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await?;
            match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(stream),
            }
        }

        fn socket(&self) -> &$crate::driver::socket::Socket<$source> {
            &self.socket
        }

        /// The error that the system keeps for this socket, which it forgets with this call.
        ///
        /// # Errors
        ///
        /// What the system says when it is asked.
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
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

        /// Two halves, for two things to be done in one task.
        pub fn split<'a>(&'a mut self) -> (halves::ReadHalf<'a>, halves::WriteHalf<'a>) {
            (halves::ReadHalf(self), halves::WriteHalf(self))
        }

        /// Two halves, each for a task of its own. They share one allocation.
        ///
        /// ```
        /// use rt::io::{AsyncReadExt, AsyncWriteExt};
        /// use rt::net::UnixStream;
        ///
        /// # #[rt::main]
        /// # async fn main() -> std::io::Result<()> {
        /// let (stream, mut other) = UnixStream::pair()?;
        /// let (mut reader, mut writer) = stream.into_split();
        /// rt::spawn(async move { writer.write_all(b"ping").await });
        /// let mut ping = [0; 4];
        /// other.read_exact(&mut ping).await?;
        /// other.write_all(b"pong").await?;
        /// let mut answer = [0; 4];
        /// reader.read_exact(&mut answer).await?;
        /// assert_eq!((&ping, &answer), (b"ping", b"pong"));
        /// # Ok(())
        /// # }
        /// ```
        pub fn into_split(self) -> (halves::OwnedReadHalf, halves::OwnedWriteHalf) {
            halves::into_split(self)
        }

        fn end_writing(&self) -> std::io::Result<()> {
            match self.socket.source().shutdown(std::net::Shutdown::Write) {
                // The peer has closed already: what was asked for is so.
                Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
                result => result,
            }
        }

        fn end(&mut self) -> std::io::Result<()> {
            self.end_writing()
        }
    };
}

/// From and into the standard library's type, which `new` registers; and `Debug`.
macro_rules! like_std {
    ($type:ident, $source:ty, $std:ty, $what:literal) => {
        impl $type {
            #[doc = concat!("Takes over ", $what, " of the standard library's, which must be set to non-blocking.")]
            ///
            /// # Errors
            ///
            /// What the system says when it is registered.
            ///
            /// # Panics
            ///
            /// If this thread is in no runtime, or in one without I/O.
            #[track_caller]
            pub fn from_std(socket: $std) -> std::io::Result<$type> {
                $type::new(<$source>::from_std(socket), &$crate::runtime::Handle::current_reactor())
            }

            #[doc = concat!("Turns this into ", $what, " of the standard library's. It stays non-blocking.")]
            ///
            /// # Errors
            ///
            /// What the system says when it is deregistered.
            pub fn into_std(self) -> std::io::Result<$std> {
                self.socket.into_source().map(<$std>::from)
            }
        }

        impl TryFrom<$std> for $type {
            type Error = std::io::Error;

            /// As `from_std`.
            fn try_from(socket: $std) -> std::io::Result<$type> {
                $type::from_std(socket)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.socket.fmt(f)
            }
        }
    };
}

/// The descriptor, or the handle, of a type.
macro_rules! as_raw {
    ($type:ty) => {
        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket().source().as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket().source().as_fd()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawSocket for $type {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.socket().source().as_raw_socket()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsSocket for $type {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                self.socket().source().as_socket()
            }
        }
    };
}

/// The descriptor of a socket that is not in the reactor yet, which can be taken over and given away.
#[cfg(unix)]
macro_rules! own_raw {
    ($type:ident, $what:literal) => {
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket.as_raw_fd()
            }
        }

        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket.as_fd()
            }
        }

        impl std::os::fd::IntoRawFd for $type {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.socket.into_raw_fd()
            }
        }

        impl std::os::fd::FromRawFd for $type {
            #[doc = concat!("Takes over a descriptor, which must be ", $what, " set to non-blocking.")]
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $type {
                // SAFETY: as asked of the caller: it owns the descriptor.
                let socket = unsafe { socket2::Socket::from_raw_fd(fd) };
                $type { socket }
            }
        }
    };
}

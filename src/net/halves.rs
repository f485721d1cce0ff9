//! The two halves of a stream, borrowed and owned: the same for TCP and Unix sockets.

/// `$module` is where users find them, `$peek` what only some streams can do.
macro_rules! halves {
    ($stream:ident, $address:ty, $source:ty, peek: { $($peek:tt)* }) => {
        #[doc = concat!("The reading half of a [`", stringify!($stream), "`] that is borrowed, made by [`split`](", stringify!($stream), "::split).")]
        #[derive(Debug)]
        pub struct ReadHalf<'a>(pub(in crate::net) &'a $stream);

        #[doc = concat!("The writing half of a [`", stringify!($stream), "`] that is borrowed, made by [`split`](", stringify!($stream), "::split).")]
        ///
        /// Dropping it ends nothing.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(pub(in crate::net) &'a $stream);

        #[doc = concat!("The reading half of a [`", stringify!($stream), "`] that may go to another task, made by [`into_split`](", stringify!($stream), "::into_split).")]
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            stream: std::sync::Arc<$stream>,
        }

        #[doc = concat!("The writing half of a [`", stringify!($stream), "`] that may go to another task, made by [`into_split`](", stringify!($stream), "::into_split).")]
        ///
        /// Dropping it ends the writing direction, so that the other side reads the end; unless [`forget`](Self::forget) does
        /// it. The stream is closed when both halves are gone.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: std::sync::Arc<$stream>,
            ends_on_drop: bool,
        }

        /// Two halves that are not of one stream. It gives them back.
        #[derive(Debug)]
        pub struct ReuniteError(
            /// The half that reads.
            pub OwnedReadHalf,
            /// The half that writes.
            pub OwnedWriteHalf,
        );

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("these two halves are not of one stream")
            }
        }

        impl std::error::Error for ReuniteError {}

        pub(in crate::net) fn into_split(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = std::sync::Arc::new(stream);
            (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, ends_on_drop: true })
        }

        fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
            if !std::sync::Arc::ptr_eq(&read.stream, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.forget();
            Ok(std::sync::Arc::into_inner(read.stream).expect("there were two halves, and this was the last"))
        }

        impl OwnedReadHalf {
            /// Puts the two halves together again.
            ///
            /// # Errors
            ///
            /// If they are not of one stream; the error gives them back.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                reunite(self, other)
            }
        }

        impl OwnedWriteHalf {
            /// Puts the two halves together again.
            ///
            /// # Errors
            ///
            /// If they are not of one stream; the error gives them back.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops this half and does not end the writing direction.
            pub fn forget(mut self) {
                self.ends_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.ends_on_drop {
                    // Nobody is left to tell.
                    let _ = self.stream.end_writing();
                }
            }
        }

        halves!(@half ReadHalf<'_>, $stream, $address, $source, |half| half.0);
        halves!(@half WriteHalf<'_>, $stream, $address, $source, |half| half.0);
        halves!(@half OwnedReadHalf, $stream, $address, $source, |half| &half.stream);
        halves!(@half OwnedWriteHalf, $stream, $address, $source, |half| &half.stream);
        halves!(@read ReadHalf<'_>, { $($peek)* });
        halves!(@read OwnedReadHalf, { $($peek)* });
        halves!(@write WriteHalf<'_>, |half| half.0.end_writing());
        halves!(@write OwnedWriteHalf, |half| {
            let ended = half.stream.end_writing();
            half.ends_on_drop &= ended.is_err();
            ended
        });
    };

    (@half $half:ty, $stream:ident, $address:ty, $source:ty, |$this:ident| $inner:expr) => {
        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                let $this = self;
                $inner
            }
        }

        impl $half {
            fn socket(&self) -> &$crate::driver::socket::Socket<$source> {
                let $this = self;
                ($inner).socket()
            }

            ready_method!();

            /// This end's address.
            ///
            /// # Errors
            ///
            /// What the system says.
            pub fn local_addr(&self) -> std::io::Result<$address> {
                let $this = self;
                ($inner).local_addr()
            }

            /// The other end's address.
            ///
            /// # Errors
            ///
            /// What the system says.
            pub fn peer_addr(&self) -> std::io::Result<$address> {
                let $this = self;
                ($inner).peer_addr()
            }
        }
    };

    (@read $half:ty, { $($peek:tt)* }) => {
        impl $half {
            readable_method!();
            try_read_methods!();
            $($peek)*
        }

        reader!($half);
    };

    (@write $half:ty, |$this:ident| $end:expr) => {
        impl $half {
            writable_method!();
            try_write_methods!();

            fn end(&mut self) -> std::io::Result<()> {
                let $this = self;
                $end
            }
        }

        writer!($half);
    };
}

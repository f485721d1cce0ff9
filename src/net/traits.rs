//! The I/O traits of a stream: tokio's, and with their features hyper's and futures-io's.
//!
//! A reader has a `socket()`; a writer too, and an `end()` that tells the other side that nothing follows.

macro_rules! reader {
    ($type:ty) => {
        impl tokio::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let read = |room: &mut _| self.socket().poll_receive(cx, room).map_ok(|filled| (filled, ()));
                $crate::net::fill::read_buf(buf, read)
            }
        }

        #[cfg(feature = "hyper")]
        impl ::hyper::rt::Read for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: ::hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $crate::net::fill::cursor(buf, |room| self.socket().poll_receive(cx, room))
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let mut buf = tokio::io::ReadBuf::new(buf);
                std::task::ready!(tokio::io::AsyncRead::poll_read(self, cx, &mut buf))?;
                std::task::Poll::Ready(Ok(buf.filled().len()))
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket().poll_read_vectored(cx, bufs)
            }
        }
    };
}

macro_rules! writer {
    ($type:ty) => {
        writer!($type, tokio::io::AsyncWrite, poll_shutdown, {
            fn is_write_vectored(&self) -> bool {
                true
            }
        });
        #[cfg(feature = "hyper")]
        writer!($type, ::hyper::rt::Write, poll_shutdown, {
            fn is_write_vectored(&self) -> bool {
                true
            }
        });
        #[cfg(feature = "futures-io")]
        writer!($type, futures_io::AsyncWrite, poll_close, {});
    };

    ($type:ty, $trait:path, $poll_end:ident, { $($more:tt)* }) => {
        impl $trait for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket().poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket().poll_write_vectored(cx, bufs)
            }

            $($more)*

            /// Does nothing: the kernel sends what was written.
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            /// Ends the writing direction.
            fn $poll_end(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.get_mut().end())
            }
        }
    };
}

//! Standard output and standard error.

use crate::io::behind::{Behind, Target};
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// The most that one write takes: 2 MiB.
const MOST: usize = 2 * 1024 * 1024;

/// The standard output of the process; see [`stdout`].
pub struct Stdout {
    std: io::Stdout,
    behind: Behind,
}

/// The standard error of the process; see [`stderr`].
pub struct Stderr {
    std: io::Stderr,
    behind: Behind,
}

/// The standard output of the process.
///
/// A write takes the bytes and returns; they are written behind its back, in order. [`flush`](crate::io::AsyncWriteExt::flush) waits until all of them are out, also the
/// last part of a line, which std would keep. An error is told by the next write or flush.
///
/// Writes by different objects, and by `println!`, come in any order: keep one for what belongs together.
///
/// ```
/// use rt::io::AsyncWriteExt;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut out = rt::io::stdout();
/// out.write_all(b"working... ").await?;
/// out.flush().await?;
/// out.write_all(b"done\n").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// What a write has taken is written, also if the object is dropped, and if the runtime shuts down, which waits for it.
#[track_caller]
pub fn stdout() -> Stdout {
    Stdout { std: io::stdout(), behind: Behind::new(Location::caller()) }
}

/// The standard error of the process. It behaves as [`stdout`], but std keeps nothing back.
#[track_caller]
pub fn stderr() -> Stderr {
    Stderr { std: io::stderr(), behind: Behind::new(Location::caller()) }
}

/// One of std's.
struct Stream<W>(W);

impl<W: Write + Send + 'static> Target for Stream<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

macro_rules! output {
    ($type:ident, $std:path) => {
        impl AsyncWrite for $type {
            /// # Panics
            ///
            /// If this thread is in no runtime.
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.poll_write_vectored(cx, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.behind.poll_write(cx, bufs, MOST, || Stream($std()))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.behind.poll_flush(cx, || Stream($std()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }

        impl std::panic::UnwindSafe for $type {}
        impl std::panic::RefUnwindSafe for $type {}

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.std.as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.std.as_fd()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawHandle for $type {
            fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
                self.std.as_raw_handle()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsHandle for $type {
            fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
                self.std.as_handle()
            }
        }
    };
}

output!(Stdout, io::stdout);
output!(Stderr, io::stderr);

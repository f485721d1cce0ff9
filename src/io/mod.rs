//! Reading and writing without blocking: tokio's traits, which the whole ecosystem speaks, and its helpers.
//!
//! The traits and helpers are tokio's own, re-exported. They need nothing of tokio's runtime.

#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
#[doc(no_inline)]
pub use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

#[cfg(feature = "io-util")]
#[doc(no_inline)]
pub use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream, BufWriter, Chain, DuplexStream,
    Empty, Join, Lines, ReadHalf, Repeat, SimplexStream, Sink, Split, Take, WriteHalf, copy, copy_bidirectional,
    copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat, simplex, sink, split,
};

#[cfg(any(feature = "fs", feature = "io-std"))]
pub(crate) mod behind;
#[cfg(feature = "io-std")]
mod stdio;

#[cfg(feature = "io-std")]
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

#[cfg(feature = "net")]
pub use crate::driver::{Interest, Ready};

#[cfg(all(unix, feature = "net"))]
pub mod unix;

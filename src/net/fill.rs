//! Reading into memory that nobody has initialised.
//!
//! The one place in `net/` with `unsafe`. What it relies on: [`Filled`] is made in `driver/` only, by a call of the system's
//! that has written that many bytes to the beginning of the buffer that it was given; and the closures given to these functions pass
//! on the buffer that they get, whole and to one such call.

use crate::driver::socket::Filled;
use std::io;
use std::mem::MaybeUninit;
use std::task::{Poll, ready};
use tokio::io::ReadBuf;

/// Fills what is unfilled, and marks it as filled.
pub(crate) fn read_buf<T>(
    buffer: &mut ReadBuf<'_>,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Poll<io::Result<(Filled, T)>>,
) -> Poll<io::Result<T>> {
    // SAFETY: the system writes to it, nothing else; so nothing in it that is initialised ceases to be.
    let unfilled = unsafe { buffer.unfilled_mut() };
    let room = unfilled.len();
    let (filled, rest) = ready!(read(unfilled))?;
    let count = filled.count();
    assert!(count <= room);
    // SAFETY: so many bytes have been written, see the module's page.
    unsafe { buffer.assume_init(count) };
    buffer.advance(count);
    Poll::Ready(Ok(rest))
}

/// As [`read_buf`], for hyper's buffers.
#[cfg(feature = "hyper")]
pub(crate) fn cursor(
    mut buffer: ::hyper::rt::ReadBufCursor<'_>,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Poll<io::Result<Filled>>,
) -> Poll<io::Result<()>> {
    // SAFETY: the system writes to it, nothing else; so nothing in it that is initialised ceases to be.
    let unfilled = unsafe { buffer.as_mut() };
    let room = unfilled.len();
    let count = ready!(read(unfilled))?.count();
    assert!(count <= room);
    // SAFETY: so many bytes have been written, see the module's page.
    unsafe { buffer.advance(count) };
    Poll::Ready(Ok(()))
}

/// Reads into the next piece of a growing buffer. Returns how many bytes that were, and whatever else was learnt.
#[cfg(feature = "io-util")]
pub(crate) fn buf<B: bytes::BufMut, T>(
    buffer: &mut B,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<(Filled, T)>,
) -> io::Result<(usize, T)> {
    let chunk = buffer.chunk_mut();
    let room = chunk.len();
    // SAFETY: the system writes to it, nothing else; so nothing in it that is initialised ceases to be.
    let (filled, rest) = read(unsafe { chunk.as_uninit_slice_mut() })?;
    let count = filled.count();
    assert!(count <= room);
    // SAFETY: so many bytes have been written, see the module's page.
    unsafe { buffer.advance_mut(count) };
    Ok((count, rest))
}

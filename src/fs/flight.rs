//! What a file is in the middle of.
//!
//! One operation at a time is under way on the pool: a read, a seek, a change of length, or writes behind the writer's back
//! (`io/behind.rs`). Whatever comes next waits for it first, so operations take effect in the order in which they were asked for,
//! also those whose futures were dropped. What such a one has brought is kept for whoever asks next:
//! the bytes of a read, and the error of a write.
//!
//! Reads of what the system has in memory, and most seeks, are done at once. Not in a file that others may share with us: a system
//! call of theirs on it, which may wait for a disk, would make ours wait.

use super::nowait::{self, AtOnce};
use super::unread::Unread;
use crate::blocking::Pool;
use crate::io::behind::{Behind, Target, shut_down};
use crate::runtime::Handle;
use crate::task::{JoinError, JoinHandle, Meta, budget};
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// See the module's page. The file itself is named with each call.
#[derive(Debug)]
pub(super) struct Flight {
    operation: Operation,
    behind: Behind,
    unread: Unread,
    /// Of a read, seek or change of length that is over, until somebody asks.
    read: Option<io::Result<()>>,
    sought: Option<io::Result<u64>>,
    resized: Option<io::Result<()>>,
    /// What the last seek led to.
    position: u64,
    /// Others may have the file too.
    is_shared: bool,
    /// Whether it can be read without the pool.
    at_once: AtOnce,
    location: &'static Location<'static>,
}

/// Other than writes.
#[derive(Debug)]
enum Operation {
    None,
    Read(JoinHandle<Brought>),
    Seek(JoinHandle<io::Result<u64>>),
    Resize(JoinHandle<io::Result<()>>),
}

/// By a read on the pool.
#[derive(Debug)]
struct Brought {
    result: io::Result<()>,
    unread: Unread,
    /// If that was asked.
    is_in_memory: Option<bool>,
}

impl Flight {
    /// Of a file that others may have.
    pub(super) fn shared(location: &'static Location<'static>) -> Self {
        Flight { is_shared: true, ..Flight::own(AtOnce::Never, location) }
    }

    /// Of a file that nobody else has.
    pub(super) fn own(at_once: AtOnce, location: &'static Location<'static>) -> Self {
        Flight {
            operation: Operation::None,
            behind: Behind::new(location),
            unread: Unread::default(),
            read: None,
            sought: None,
            resized: None,
            position: 0,
            is_shared: false,
            at_once,
            location,
        }
    }

    /// From now on others may have the file too.
    pub(super) fn share(&mut self) {
        self.is_shared = true;
        self.at_once = AtOnce::Never;
    }

    /// Waits until nothing is under way.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_operation(cx));
        self.behind.poll_idle(cx)
    }

    fn poll_operation(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.operation {
            Operation::None => return Poll::Ready(()),
            Operation::Read(handle) => match ready!(Pin::new(handle).poll(cx)) {
                Ok(Brought { result, unread, is_in_memory }) => {
                    self.read = Some(result);
                    self.unread = unread;
                    if let Some(is_in_memory) = is_in_memory {
                        self.at_once = AtOnce::of(is_in_memory);
                    }
                }
                Err(error) => self.read = Some(Err(lost(&error))),
            },
            Operation::Seek(handle) => {
                let joined = ready!(Pin::new(handle).poll(cx));
                self.note_sought(joined.unwrap_or_else(|error| Err(lost(&error))));
            }
            Operation::Resize(handle) => {
                let joined = ready!(Pin::new(handle).poll(cx));
                self.resized = Some(joined.unwrap_or_else(|error| Err(lost(&error))));
            }
        }
        self.operation = Operation::None;
        Poll::Ready(())
    }

    fn note_sought(&mut self, result: io::Result<u64>) {
        if let Ok(position) = result {
            self.position = position;
        }
        self.sought = Some(result);
    }

    /// The error of a write before.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.behind.take_failure()
    }

    /// Takes the system's position back to the user's. Nothing is under way.
    pub(super) fn rewind(&mut self, file: &File) -> io::Result<()> {
        self.read = None;
        self.unread.rewind(file)
    }

    /// Reads not more than `most` bytes.
    pub(super) fn poll_read(
        &mut self,
        file: &Arc<File>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_settled(cx));
            self.sought = None;
            if buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(result) = self.read.take() {
                self.unread.give(buffer);
                return Poll::Ready(result);
            }
            let step = ready!(budget::poll_proceed(cx));
            if !self.unread.is_empty() {
                self.unread.give(buffer);
                step.made();
                return Poll::Ready(Ok(()));
            }
            let most = most.min(buffer.remaining());
            if nowait::read(file, &mut self.at_once, buffer, most) {
                step.made();
                return Poll::Ready(Ok(()));
            }
            let asks = self.at_once == AtOnce::Unknown;
            let (file, mut unread) = (file.clone(), mem::take(&mut self.unread));
            self.operation = Operation::Read(self.spawn(move || {
                let result = unread.read(&file, most);
                Brought { result, unread, is_in_memory: asks.then(|| nowait::is_in_memory(&file)) }
            })?);
        }
    }

    /// Takes not more than `most` bytes, which are written later; or gives the error of a write before.
    pub(super) fn poll_write(
        &mut self,
        file: &Arc<File>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        most: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_operation(cx));
        self.sought = None;
        self.rewind(file)?;
        self.behind.poll_write(cx, buffers, most, || Written(file.clone()))
    }

    /// Waits until everything is written; or gives the error of a write before.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.take_failure() {
            return Poll::Ready(Err(failure));
        }
        ready!(self.poll_settled(cx));
        Poll::Ready(self.take_failure().map_or(Ok(()), Err))
    }

    /// Begins to seek, from the user's position.
    pub(super) fn start_seek(&mut self, file: &Arc<File>, to: SeekFrom) -> io::Result<()> {
        if !matches!(self.operation, Operation::None) || !self.behind.is_idle() {
            return Err(io::Error::other(
                "another operation of this file is under way: call `poll_complete` before `start_seek`, and wait until it is ready",
            ));
        }
        // First, so that the user's position is what it was if the seek fails.
        self.rewind(file)?;
        // For its end, a file system may have to ask somebody far away.
        if !self.is_shared && !matches!(to, SeekFrom::End(_)) {
            self.note_sought((&**file).seek(to));
            return Ok(());
        }
        let file = file.clone();
        self.operation = Operation::Seek(self.spawn(move || (&*file).seek(to))?);
        Ok(())
    }

    /// Waits until nothing is under way, and returns what the seek that was begun has led to; or else where the last one led.
    pub(super) fn poll_sought(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        ready!(self.poll_settled(cx));
        Poll::Ready(self.sought.take().unwrap_or(Ok(self.position)))
    }

    /// Begins to change the file's length. Nothing is under way.
    pub(super) fn start_resize(&mut self, file: &Arc<File>, length: u64) -> io::Result<()> {
        self.rewind(file)?;
        let file = file.clone();
        self.operation = Operation::Resize(self.spawn(move || file.set_len(length))?);
        Ok(())
    }

    pub(super) fn poll_resized(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_operation(cx));
        Poll::Ready(self.resized.take().unwrap_or(Ok(())))
    }

    fn spawn<R: Send + 'static>(&self, closure: impl FnOnce() -> R + Send + 'static) -> io::Result<JoinHandle<R>> {
        spawn(closure, self.location)
    }
}

/// Runs a closure on the pool of the current runtime.
///
/// # Panics
///
/// If there is none.
pub(super) fn spawn<R: Send + 'static>(
    closure: impl FnOnce() -> R + Send + 'static,
    location: &'static Location<'static>,
) -> io::Result<JoinHandle<R>> {
    let spawn = |pool: &Arc<Pool>| pool.try_spawn(closure, Meta::new(None, location));
    Handle::with_current_pool(spawn).map_err(io::Error::other)
}

/// What a closure that is not there any more would have said.
pub(super) fn lost(error: &JoinError) -> io::Error {
    if error.is_cancelled() { shut_down() } else { io::Error::other(error.to_string()) }
}

/// A file that is written to.
struct Written(Arc<File>);

impl Target for Written {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.0).write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Standard input.
//!
//! A read of it may wait for ever, and nothing can end it. So the process has one thread for it, which belongs to no runtime: no shutdown
//! waits for it, and it does not outlive `main`. It reads only when somebody wants something, and not more than that, because what it takes is lost to
//! the rest of the process and to its children. If whoever wanted it does not want it any more, it is kept for the next.

use crate::primitives::{Condvar, Mutex, thread};
use crate::task::{budget, wake_contained};
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// The most that is read at a time: as much as a pipe holds. With less, a long input takes more turns of the thread.
const MOST: usize = 64 * 1024;

/// The standard input of the process. All of these are the same stream; see [`stdin`].
pub struct Stdin {
    std: io::Stdin,
}

/// The standard input of the process.
///
/// It is read by [`AsyncReadExt`](crate::io::AsyncReadExt), or line by line in a [`BufReader`](crate::io::BufReader). A thread that belongs to no runtime waits for
/// it, so that neither a runtime's shutdown nor the end of `main` waits until somebody presses a key. It works outside of runtimes too.
///
/// ```no_run
/// use rt::io::{AsyncBufReadExt, BufReader, stdin};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut lines = BufReader::new(stdin()).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{} bytes", line.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// If a read is dropped while it waits, what comes later is kept for the next read, of any `Stdin` in the process. A `BufReader` that is dropped takes
/// with it what it has buffered.
///
/// # What it shares
///
/// Several that read at a time get different parts. [`std::io::stdin`] has the same buffer, but not what is kept here; and while a read waits, std's waits too. No
/// more is taken from the system than what is asked for, and what std's buffer holds, 8 KiB.
///
/// Waiting for it does not hold paused time still.
pub fn stdin() -> Stdin {
    Stdin { std: io::stdin() }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let step = ready!(budget::poll_proceed(cx));
        let result = ready!(SOURCE.poll_read(cx, buf));
        step.made();
        Poll::Ready(result)
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

#[cfg(unix)]
mod unix {
    use super::Stdin;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    impl AsRawFd for Stdin {
        fn as_raw_fd(&self) -> RawFd {
            self.std.as_raw_fd()
        }
    }

    impl AsFd for Stdin {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.std.as_fd()
        }
    }
}

#[cfg(windows)]
mod windows {
    use super::Stdin;
    use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle};

    impl AsRawHandle for Stdin {
        fn as_raw_handle(&self) -> RawHandle {
            self.std.as_raw_handle()
        }
    }

    impl AsHandle for Stdin {
        fn as_handle(&self) -> BorrowedHandle<'_> {
            self.std.as_handle()
        }
    }
}

static SOURCE: LazyLock<Source> = LazyLock::new(Source::default);

/// The one stream, for all who read it.
#[derive(Default)]
struct Source {
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    /// What was read and nobody has got yet.
    bytes: Vec<u8>,
    from: usize,
    /// The end of the input, or an error, that nobody has been told of.
    end: Option<io::Result<()>>,
    /// How many bytes the thread is to read; 0 if it has nothing to do.
    wants: usize,
    has_thread: bool,
    waiters: Vec<Waker>,
}

impl Source {
    fn poll_read(&'static self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.state.lock();
        if state.from < state.bytes.len() {
            let count = buffer.remaining().min(state.bytes.len() - state.from);
            buffer.put_slice(&state.bytes[state.from..][..count]);
            state.from += count;
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = state.end.take() {
            return Poll::Ready(end);
        }
        if !state.has_thread {
            let thread = thread::Builder::new().name("rt-stdin".to_owned());
            thread.spawn(|| self.serve()).map_err(|error| {
                io::Error::other(format!(
                    "the system refuses a thread to read standard input: {error}; raise its limits"
                ))
            })?;
            state.has_thread = true;
        }
        if !state.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
            state.waiters.push(cx.waker().clone());
        }
        if state.wants == 0 {
            state.wants = buffer.remaining().min(MOST);
            self.wanted.notify_one();
        }
        Poll::Pending
    }

    /// The life of the thread.
    fn serve(&self) {
        let mut bytes = Vec::new();
        loop {
            let wants = {
                let mut state = self.state.lock();
                while state.wants == 0 {
                    self.wanted.wait(&mut state);
                }
                state.wants
            };
            bytes.resize(wants, 0);
            let result = loop {
                match io::stdin().read(&mut bytes) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result,
                }
            };
            let waiters = {
                let mut state = self.state.lock();
                match result {
                    Ok(0) => state.end = Some(Ok(())),
                    Ok(count) => {
                        bytes.truncate(count);
                        // All that was there has been taken, or nobody would have wanted more.
                        mem::swap(&mut state.bytes, &mut bytes);
                        state.from = 0;
                    }
                    Err(error) => state.end = Some(Err(error)),
                }
                state.wants = 0;
                mem::take(&mut state.waiters)
            };
            waiters.into_iter().for_each(wake_contained);
        }
    }
}

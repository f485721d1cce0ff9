//! What is in a directory.

use super::flight::{lost, spawn};
use super::hop;
use crate::io::behind::shut_down;
use crate::task::{JoinHandle, budget};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Entries that are read on the pool at a time. Listing them takes some 0.1 ms; with fewer, the ways there and back begin to count.
const CHUNK: usize = 256;

/// Lists a directory, in no order; `.` and `..` are left out.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut names = Vec::new();
/// let mut entries = rt::fs::read_dir("src").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert!(names.iter().any(|name| name == "lib.rs"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the system says.
///
/// # Panics
///
/// When it is polled outside a runtime.
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> impl Future<Output = io::Result<ReadDir>> {
    let location = Location::caller();
    async move {
        let path = path.as_ref().to_owned();
        let list = hop(location, move || Ok(List::new(std::fs::read_dir(path)?).more())).await?;
        Ok(ReadDir { state: State::Here(list), location })
    }
}

/// The entries of a directory; see [`read_dir`].
#[must_use = "it lists nothing unless it is asked"]
pub struct ReadDir {
    state: State,
    location: &'static Location<'static>,
}

enum State {
    Here(List),
    /// The next entries are being read.
    Away(JoinHandle<List>),
    /// With the runtime that has shut down meanwhile.
    Lost,
}

/// Entries, and where more come from.
struct List {
    entries: VecDeque<io::Result<DirEntry>>,
    /// `None` if there are no more.
    rest: Option<std::fs::ReadDir>,
}

impl List {
    fn new(rest: std::fs::ReadDir) -> Self {
        List { entries: VecDeque::new(), rest: Some(rest) }
    }

    /// Blocks.
    fn more(mut self) -> Self {
        while let Some(rest) = &mut self.rest
            && self.entries.len() < CHUNK
        {
            match rest.next() {
                None => self.rest = None,
                Some(entry) => {
                    let is_error = entry.is_err();
                    self.entries.push_back(entry.map(DirEntry::new));
                    if is_error {
                        // It may be the same for ever; so others are looked for when somebody asks again.
                        break;
                    }
                }
            }
        }
        self
    }
}

impl ReadDir {
    /// The next entry; `None` if there are no more.
    ///
    /// # Errors
    ///
    /// What the system says of this entry. There may be more after it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no entry is lost.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Polls for the next entry; `Ok(None)` if there are no more. Only the last task to poll is woken.
    ///
    /// # Errors
    ///
    /// As [`next_entry`](Self::next_entry).
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, and more has to be read.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Here(list) => {
                    let step = ready!(budget::poll_proceed(cx));
                    if let Some(entry) = list.entries.pop_front() {
                        step.made();
                        return Poll::Ready(entry.map(Some));
                    }
                    if list.rest.is_none() {
                        return Poll::Ready(Ok(None));
                    }
                    let State::Here(list) = mem::replace(&mut self.state, State::Lost) else {
                        unreachable!("it has just been seen")
                    };
                    self.state = State::Away(spawn(move || list.more(), self.location)?);
                }
                State::Away(handle) => match ready!(Pin::new(handle).poll(cx)) {
                    Ok(list) => self.state = State::Here(list),
                    Err(error) => {
                        self.state = State::Lost;
                        return Poll::Ready(Err(lost(&error)));
                    }
                },
                State::Lost => return Poll::Ready(Err(shut_down())),
            }
        }
    }
}

impl std::panic::UnwindSafe for ReadDir {}
impl std::panic::RefUnwindSafe for ReadDir {}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ReadDir");
        if let State::Here(List { entries, rest }) = &self.state {
            debug.field("entries", &entries.len()).field("is_complete", &rest.is_none());
        }
        debug.finish_non_exhaustive()
    }
}

/// An entry of a directory.
#[derive(Debug)]
pub struct DirEntry {
    std: Arc<std::fs::DirEntry>,
    /// Where the directory tells it.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(std: std::fs::DirEntry) -> Self {
        // May ask the system, for which this is the right place.
        DirEntry { file_type: std.file_type().ok(), std: Arc::new(std) }
    }

    /// The entry's path: that of the directory, as it was given, and the name.
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// The name alone.
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// The number of the file's inode.
    #[cfg(unix)]
    pub fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&*self.std)
    }

    /// What the system knows of the entry. A symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn metadata(&self) -> impl Future<Output = io::Result<Metadata>> {
        let location = Location::caller();
        async move {
            let std = self.std.clone();
            hop(location, move || std.metadata()).await
        }
    }

    /// What kind of file it is. A symbolic link is not followed. Mostly known already, and then nothing is asked.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn file_type(&self) -> impl Future<Output = io::Result<FileType>> {
        let location = Location::caller();
        async move {
            if let Some(file_type) = self.file_type {
                return Ok(file_type);
            }
            let std = self.std.clone();
            hop(location, move || std.file_type()).await
        }
    }
}

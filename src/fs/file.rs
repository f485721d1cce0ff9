//! A file that is open.

use super::flight::Flight;
use super::{FileTimes, OpenOptions, hop};
use std::fs::{File as StdFile, Metadata, Permissions};
use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::SystemTime;
use tokio::sync::Mutex;

/// The most that one read or write moves, if nobody says otherwise: 2 MiB.
const MAX_BUF_SIZE: usize = 2 * 1024 * 1024;

/// An open file. Read, write and seek by [`AsyncReadExt`](crate::io::AsyncReadExt), [`AsyncWriteExt`](crate::io::AsyncWriteExt) and
/// [`AsyncSeekExt`](crate::io::AsyncSeekExt).
///
/// ```
/// use rt::fs::File;
/// use rt::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("rt-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await?;
/// file.write_all(b"first line\nsecond line\n").await?;
/// file.flush().await?;
///
/// file.seek(SeekFrom::Start(6)).await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "line\nsecond line\n");
/// # rt::fs::remove_file(&path).await
/// # }
/// ```
///
/// # Writes are finished later
///
/// A write takes the bytes and returns; they are written behind its back, in order. [`flush`](crate::io::AsyncWriteExt::flush) waits until the system has them
/// all, and so does whatever else is done with the file next. An error is told by the next write, flush, [`sync_all`](Self::sync_all) or [`sync_data`](Self::sync_data);
/// what was taken after the bytes that failed is not written. So flush before dropping a file, to learn of errors, and before others look at it.
///
/// Flushed bytes are the system's. That they are on the disk is what `sync_all` waits for.
///
/// # Cancel safety
///
/// A read whose future was dropped loses nothing: what it has read is there for the next. A write that returned `Ok` is done whatever becomes
/// of the file: also if it is dropped at once, and if the runtime shuts down, which waits for it. The descriptor is closed when the last operation
/// is over.
///
/// # What it waits for
///
/// On Linux, reads of what the system has in memory are done at once, without a change of thread; all else goes to the
/// [pool for closures that block](crate::task::spawn_blocking). Other threads never wait for a file. Files that were opened elsewhere
/// ([`from_std`](Self::from_std)), and those with a [clone](Self::try_clone), are read on the pool only.
///
/// A pipe or a terminal can be read in this way too, but a read that waits there for ever holds up the runtime's shutdown. For pipes there is
/// `rt::net::unix::pipe`.
pub struct File {
    pub(super) std: Arc<StdFile>,
    pub(super) flight: Mutex<Flight>,
    pub(super) max_buf_size: usize,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// What the system says, [`NotFound`](io::ErrorKind::NotFound) for example; see [`OpenOptions::open`].
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> impl Future<Output = io::Result<File>> {
        open(File::options().read(true), path)
    }

    /// Opens a file for writing: a new one, or one that is there and loses its contents.
    ///
    /// # Errors
    ///
    /// What the system says; see [`OpenOptions::open`].
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> impl Future<Output = io::Result<File>> {
        open(File::options().write(true).create(true).truncate(true), path)
    }

    /// Opens a new file for reading and writing.
    ///
    /// Whether there is one already is found out in the same step of the system's, so of several who try at once one wins.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is one; else what the system says.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn create_new<P: AsRef<Path>>(path: P) -> impl Future<Output = io::Result<File>> {
        open(File::options().read(true).write(true).create_new(true), path)
    }

    /// Options to open a file in some other way. The same as [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file that std has opened. Others may have it too, so that all its reads go to the pool.
    ///
    /// ```
    /// use rt::io::AsyncReadExt;
    ///
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let std_file = rt::task::spawn_blocking(|| std::fs::File::open("Cargo.toml")).await??;
    /// let mut file = rt::fs::File::from_std(std_file);
    /// let mut start = [0; 4];
    /// file.read_exact(&mut start).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_std(std: StdFile) -> File {
        File::new(std, Flight::shared(Location::caller()))
    }

    pub(super) fn new(std: StdFile, flight: Flight) -> File {
        File { std: Arc::new(std), flight: Mutex::new(flight), max_buf_size: MAX_BUF_SIZE }
    }

    /// Waits until all that was written, and the file's metadata, are on the disk.
    ///
    /// # Errors
    ///
    /// That of a write before, if nobody has been told of it; else what the system says.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is done, also if the future is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn sync_all(&self) -> impl Future<Output = io::Result<()>> {
        self.sync(Location::caller(), StdFile::sync_all)
    }

    /// As [`sync_all`](Self::sync_all), but metadata that is not needed to read the data may come later.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Cancel safety
    ///
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn sync_data(&self) -> impl Future<Output = io::Result<()>> {
        self.sync(Location::caller(), StdFile::sync_data)
    }

    async fn sync(
        &self,
        location: &'static Location<'static>,
        sync: impl FnOnce(&StdFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut flight = self.flight.lock().await;
        poll_fn(|cx| flight.poll_settled(cx)).await;
        if let Some(failure) = flight.take_failure() {
            return Err(failure);
        }
        // A read that goes on beside it does no harm.
        drop(flight);
        self.with_std(location, sync).await
    }

    async fn with_std<T: Send + 'static>(
        &self,
        location: &'static Location<'static>,
        operation: impl FnOnce(&StdFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let std = self.std.clone();
        hop(location, move || operation(&std)).await
    }

    /// Makes the file `size` bytes long: cuts it off, or adds zeros. The position stays where it is.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it was not opened for writing; else what the system says.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is done, also if the future is dropped. What is done with the file next waits for it.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        let mut flight = self.flight.lock().await;
        poll_fn(|cx| flight.poll_settled(cx)).await;
        flight.start_resize(&self.std, size)?;
        poll_fn(|cx| flight.poll_resized(cx)).await
    }

    /// What the system knows of the file. All writes before are seen in it.
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
            self.settle().await;
            self.with_std(location, StdFile::metadata).await
        }
    }

    async fn settle(&self) {
        let mut flight = self.flight.lock().await;
        poll_fn(|cx| flight.poll_settled(cx)).await;
    }

    /// A second object for the same open file: the two share one position. Waits for what is under way.
    ///
    /// # Errors
    ///
    /// What the system says.
    #[track_caller]
    pub fn try_clone(&self) -> impl Future<Output = io::Result<File>> {
        let location = Location::caller();
        async move {
            let mut flight = self.flight.lock().await;
            poll_fn(|cx| flight.poll_settled(cx)).await;
            flight.rewind(&self.std)?;
            flight.share();
            let mut clone = File::new(self.std.try_clone()?, Flight::shared(location));
            clone.max_buf_size = self.max_buf_size;
            Ok(clone)
        }
    }

    /// Takes the file out, for std. Waits for what is under way; the position is behind what has been read and written.
    ///
    /// The error of a write that nobody has been told of is lost: flush before.
    pub async fn into_std(mut self) -> StdFile {
        let flight = self.flight.get_mut();
        poll_fn(|cx| flight.poll_settled(cx)).await;
        // If it cannot be taken back, the file is as it is.
        let _ = flight.rewind(&self.std);
        Arc::into_inner(self.std).expect("whatever is over has let go of the file")
    }

    /// As [`into_std`](Self::into_std), without waiting.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let file = rt::fs::File::open("Cargo.toml").await?;
    /// let std_file = file.try_into_std().expect("nothing is under way");
    /// # drop(std_file);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The file itself, if something is under way.
    #[allow(clippy::result_large_err, reason = "the error is the file itself")]
    pub fn try_into_std(mut self) -> Result<StdFile, Self> {
        let flight = self.flight.get_mut();
        if flight.poll_settled(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(self);
        }
        let _ = flight.rewind(&self.std);
        match Arc::try_unwrap(self.std) {
            Ok(std) => Ok(std),
            Err(std) => {
                self.std = std;
                Err(self)
            }
        }
    }

    /// Changes the permissions.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is done, also if the future is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn set_permissions(&self, perm: Permissions) -> impl Future<Output = io::Result<()>> {
        self.with_std(Location::caller(), move |std| std.set_permissions(perm))
    }

    /// Changes the times that the file was last read and changed. Waits for what is under way, which would change them too.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is done, also if the future is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            self.settle().await;
            self.with_std(location, move |std| std.set_times(times.into_std())).await
        }
    }

    /// Changes the time that the file was last changed; see [`set_times`](Self::set_times).
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Cancel safety
    ///
    /// As [`set_times`](Self::set_times).
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn set_modified(&self, time: SystemTime) -> impl Future<Output = io::Result<()>> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Sets the most bytes that one read or write moves: 2 MiB at first. On the pool these pass through memory of the file's own, for writes up to twice
    /// as much.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0: nothing could be read or written");
        self.max_buf_size = max_buf_size;
    }

    /// The most bytes that one read or write moves.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }
}

#[track_caller]
fn open<P: AsRef<Path>>(options: &OpenOptions, path: P) -> impl Future<Output = io::Result<File>> + use<P> {
    let options = options.clone();
    let location = Location::caller();
    async move { options.open_at(path.as_ref(), location).await }
}

//! How a file is opened.

use super::flight::Flight;
use super::nowait::AtOnce;
use super::{File, hop};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;

/// How a file is to be opened: std's options, with an `open` that does not block.
///
/// ```
/// use rt::fs::OpenOptions;
/// use rt::io::AsyncWriteExt;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("rt-open-options-{}", std::process::id()));
/// let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_all(b"started\n").await?;
/// log.flush().await?;
/// assert_eq!(rt::fs::read_to_string(&path).await?, "started\n");
/// # rt::fs::remove_file(&path).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

impl OpenOptions {
    /// Options that all say no.
    #[must_use]
    pub fn new() -> Self {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// Whether it can be read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.0.read(read);
        self
    }

    /// Whether it can be written.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.0.write(write);
        self
    }

    /// Whether each write goes to the end of the file, wherever that is by then.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.0.append(append);
        self
    }

    /// Whether a file that is there loses its contents. It has to be opened for writing.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.0.truncate(truncate);
        self
    }

    /// Whether a file that is not there is made. It has to be opened for writing.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.0.create(create);
        self
    }

    /// Whether the file must be made, so that one that is there is an error. `create` and `truncate` do not count then.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// What the system says, and [`InvalidInput`](io::ErrorKind::InvalidInput) for options that contradict each other.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while the file is opened, it is closed again; one that was to be made is made.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> impl Future<Output = io::Result<File>> {
        let location = Location::caller();
        async move { self.open_at(path.as_ref(), location).await }
    }

    pub(super) async fn open_at(&self, path: &Path, location: &'static Location<'static>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.to_owned());
        let open = move || {
            let std = options.open(path)?;
            let at_once = AtOnce::of_new(&std);
            Ok((std, at_once))
        };
        let (std, at_once) = hop(location, open).await?;
        Ok(File::new(std, Flight::own(at_once, location)))
    }
}

#[cfg(unix)]
impl OpenOptions {
    /// The permissions of a file that is made, from which the process's umask takes some away. `0o666` if nothing is said.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.0, mode);
        self
    }

    /// Further flags for `open(2)`, `O_NOFOLLOW` for example. What the other options say is not changed by it.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        OpenOptions(options)
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

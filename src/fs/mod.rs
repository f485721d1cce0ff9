//! Files and directories.
//!
//! Everything is called as in [`std::fs`], and does the same, but does not block: what may have to wait for a disk is done on the
//! [pool for closures that block](crate::task::spawn_blocking), each operation in one go.
//!
//! ```
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! # let path = std::env::temp_dir().join(format!("rt-fs-{}", std::process::id()));
//! rt::fs::write(&path, "three\nlittle\nlines\n").await?;
//! let text = rt::fs::read_to_string(&path).await?;
//! assert_eq!(text.lines().count(), 3);
//! # rt::fs::remove_file(&path).await
//! # }
//! ```
//!
//! Whole files are best read and written by [`read`], [`read_to_string`], [`write()`] and [`copy`]. For all else there is [`File`].
//!
//! # What is done when a future is dropped
//!
//! An operation that has begun, at the first poll of its future, is done to its end, whether or not somebody waits for it: a [`write()`] that was
//! dropped still writes. One that waits for its turn on the pool is done too, unless the runtime shuts down before: then it is not, and nothing
//! has happened. Shutting down waits for those that have begun. Bytes that a [`File`] has taken are always written.
//!
//! # Errors
//!
//! They are std's, with their kinds and the system's numbers. Besides, an operation says that the runtime has shut down, or that the
//! system refuses a thread for it, by an error of the kind [`Other`](std::io::ErrorKind::Other).
//!
//! # In reports
//!
//! A [dump](crate::runtime::Handle::dump), and a shutdown that waits, name an operation by the place in the source where the function was called, or where the
//! [`File`] was opened.

// | file | subject |
// |---|---|
// | this | what one call of std's does, on the pool |
// | `whole` | whole files |
// | `file`, `stream`, `open_options`, `file_times` | an open file |
// | `flight`, `unread` | what an open file is in the middle of |
// | `nowait` | reading what is in memory already |
// | `read_dir`, `dir_builder` | directories |

mod dir_builder;
mod file;
mod file_times;
mod flight;
#[cfg_attr(not(target_os = "linux"), path = "no_nowait.rs")]
mod nowait;
mod open_options;
mod read_dir;
mod stream;
mod unread;
mod whole;

pub use dir_builder::DirBuilder;
pub use file::File;
pub use file_times::FileTimes;
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use whole::{copy, read, read_to_string, write};

use std::fs::{Metadata, Permissions};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// Runs an operation on the pool of the current runtime.
async fn hop<T: Send + 'static>(
    location: &'static Location<'static>,
    operation: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let handle = flight::spawn(operation, location)?;
    handle.await.unwrap_or_else(|error| Err(flight::lost(&error)))
}

/// Functions of std's with one path.
macro_rules! with_path {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty)?) -> $output:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Cancel safety
        ///
        /// Once begun, it is done, also if the future is dropped.
        ///
        /// # Panics
        ///
        /// When it is polled outside a runtime.
        #[track_caller]
        pub fn $name(path: impl AsRef<Path> $(, $argument: $type)?) -> impl Future<Output = io::Result<$output>> {
            let location = Location::caller();
            async move {
                let path = path.as_ref().to_owned();
                hop(location, move || std::fs::$name(path $(, $argument)?)).await
            }
        }
    )*};
}

with_path! {
    /// The path from the root, without `.`, `..` and symbolic links. Something must be there.
    ///
    /// # Errors
    ///
    /// What the system says.
    canonicalize() -> PathBuf;

    /// Makes a directory. That above it must be there; see [`create_dir_all`] and [`DirBuilder`].
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something is there; else what the system says.
    create_dir() -> ();

    /// Makes a directory, and those above it that are not there. One that is there already is no error.
    ///
    /// # Errors
    ///
    /// What the system says. Some of those above it may have been made.
    create_dir_all() -> ();

    /// What the system knows of a file or directory. Symbolic links are followed.
    ///
    /// # Errors
    ///
    /// What the system says.
    metadata() -> Metadata;

    /// What the system knows of a file, directory or symbolic link, which is not followed.
    ///
    /// # Errors
    ///
    /// What the system says.
    symlink_metadata() -> Metadata;

    /// Where a symbolic link leads.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is none; else what the system says.
    read_link() -> PathBuf;

    /// Removes a directory that is empty.
    ///
    /// # Errors
    ///
    /// [`DirectoryNotEmpty`](io::ErrorKind::DirectoryNotEmpty) if it is not; else what the system says.
    remove_dir() -> ();

    /// Removes a directory with all that is in it. Symbolic links are removed, and not followed.
    ///
    /// # Errors
    ///
    /// What the system says. Some of it may have been removed.
    remove_dir_all() -> ();

    /// Removes a file. Who has it open can go on using it, on Unix.
    ///
    /// # Errors
    ///
    /// What the system says.
    remove_file() -> ();

    /// Changes the permissions of a file or directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    set_permissions(perm: Permissions) -> ();
}

/// Whether something is there. Symbolic links are followed.
///
/// # Errors
///
/// If that cannot be told, because a directory may not be looked at, for example.
///
/// # Panics
///
/// When it is polled outside a runtime.
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> impl Future<Output = io::Result<bool>> {
    let location = Location::caller();
    async move {
        let path = path.as_ref().to_owned();
        hop(location, move || path.try_exists()).await
    }
}

/// Functions with two paths.
macro_rules! with_paths {
    ($($(#[$doc:meta])* $name:ident($one:ident, $other:ident) = $of:path;)*) => {$(
        $(#[$doc])*
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
        pub fn $name($one: impl AsRef<Path>, $other: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> {
            let location = Location::caller();
            async move {
                let ($one, $other) = ($one.as_ref().to_owned(), $other.as_ref().to_owned());
                hop(location, move || $of($one, $other)).await
            }
        }
    )*};
}

with_paths! {
    /// Gives a file another name, on the same file system. A file that has that name already is replaced.
    rename(from, to) = std::fs::rename;

    /// Gives a file a second name, on the same file system.
    hard_link(original, link) = std::fs::hard_link;
}

#[cfg(unix)]
with_paths! {
    /// Makes a symbolic link that leads to `original`, whether or not something is there.
    symlink(original, link) = std::os::unix::fs::symlink;
}

#[cfg(windows)]
with_paths! {
    /// Makes a symbolic link that leads to the directory `original`.
    symlink_dir(original, link) = std::os::windows::fs::symlink_dir;

    /// Makes a symbolic link that leads to the file `original`.
    symlink_file(original, link) = std::os::windows::fs::symlink_file;
}

//! Whole files, in one go.
//!
//! One closure opens, reads and closes. To do that without a change of thread where everything is in memory has been considered: reading could be (see
//! `nowait`), opening not. A file system of somebody's own, or one across a network, asks somebody else when a file is opened, however well its
//! path is known, and opening a pipe waits for whoever writes to it.

use super::hop;
use castaway::cast;
use std::future::Future;
use std::io::{self, Read};
use std::panic::Location;
use std::path::Path;
use std::string::FromUtf8Error;

/// Reads a whole file.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let bytes = rt::fs::read("Cargo.toml").await?;
/// assert!(bytes.starts_with(b"["));
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
pub fn read(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Vec<u8>>> {
    let location = Location::caller();
    async move {
        let path = path.as_ref().to_owned();
        hop(location, move || contents(&path)).await
    }
}

/// Files of this size are read without asking for their size first. Twice as much costs more to clear than is gained.
const SMALL: usize = 4096;

/// As `std::fs::read`, which asks for size and position first: of a small file, two system calls in six.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let mut small = [0; SMALL];
    let mut filled = 0;
    while filled < SMALL {
        match file.read(&mut small[filled..]) {
            Ok(0) => return Ok(small[..filled].to_vec()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut all = small.to_vec();
    file.read_to_end(&mut all)?;
    Ok(all)
}

/// Reads a whole file of text.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// let text = rt::fs::read_to_string("Cargo.toml").await?;
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8; else what the system says.
///
/// # Panics
///
/// When it is polled outside a runtime.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> impl Future<Output = io::Result<String>> {
    let location = Location::caller();
    async move {
        let path = path.as_ref().to_owned();
        hop(location, move || String::from_utf8(contents(&path)?).map_err(invalid)).await
    }
}

fn invalid(error: FromUtf8Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Copies the contents and the permissions of a file, and returns how many bytes these were. A file `to` that is there is replaced.
///
/// Where the system can copy by itself, as Linux can, the bytes do not pass through the process. It is one operation for the
/// pool, however long it takes.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let to = std::env::temp_dir().join(format!("rt-copy-{}", std::process::id()));
/// let bytes = rt::fs::copy("Cargo.toml", &to).await?;
/// assert_eq!(bytes, rt::fs::metadata("Cargo.toml").await?.len());
/// # rt::fs::remove_file(&to).await
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `from` is not a file; else what the system says.
///
/// # Cancel safety
///
/// Once begun, it is done, also if the future is dropped.
///
/// # Panics
///
/// When it is polled outside a runtime.
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> impl Future<Output = Result<u64, io::Error>> {
    let location = Location::caller();
    async move {
        let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
        hop(location, move || std::fs::copy(from, to)).await
    }
}

/// Writes a whole file: a new one, or one that is there and loses its contents.
///
/// A `Vec` or `String` that is given away is written as it is. All else is copied first, because it is written on another thread.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("rt-write-{}", std::process::id()));
/// rt::fs::write(&path, b"contents").await?;
/// assert_eq!(rt::fs::read(&path).await?, b"contents");
/// # rt::fs::remove_file(&path).await
/// # }
/// ```
///
/// # Errors
///
/// What the system says. Some of it may have been written.
///
/// # Cancel safety
///
/// Once begun, it is done, also if the future is dropped.
///
/// # Panics
///
/// When it is polled outside a runtime.
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> impl Future<Output = io::Result<()>> {
    let location = Location::caller();
    async move {
        let path = path.as_ref().to_owned();
        let contents = Contents::of(contents);
        hop(location, move || std::fs::write(path, contents)).await
    }
}

/// Bytes that another thread can have.
enum Contents {
    Bytes(Vec<u8>),
    Text(String),
}

impl Contents {
    fn of<C: AsRef<[u8]>>(contents: C) -> Self {
        let contents = match cast!(contents, Vec<u8>) {
            Ok(bytes) => return Contents::Bytes(bytes),
            Err(contents) => contents,
        };
        match cast!(contents, String) {
            Ok(text) => Contents::Text(text),
            Err(contents) => Contents::Bytes(contents.as_ref().to_owned()),
        }
    }
}

impl AsRef<[u8]> for Contents {
    fn as_ref(&self) -> &[u8] {
        match self {
            Contents::Bytes(bytes) => bytes,
            Contents::Text(text) => text.as_bytes(),
        }
    }
}

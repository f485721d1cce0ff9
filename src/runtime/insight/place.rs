//! Where the sockets lie, and who may reach them.
//!
//! By default in a folder of mode 0700, which keeps everybody else out whatever the mode of what is in it. A path of the user's may be anywhere, so the socket's
//! own mode is 0600; but it has that only a moment after it is there. What holds from the first moment on is that each connection is asked for its
//! user, on Linux.

use rustix::process::{Pid, geteuid, test_kill_process};
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What the names of sockets end with.
const EXTENSION: &str = "sock";

/// Runtimes of one process that are served at a time, in the default folder. More would be a leak.
const MOST: u32 = 256;

/// Of a program's name, in that of its socket: all paths must fit into 107 bytes.
const LONGEST_NAME: usize = 24;

/// A socket that listens, and its file.
pub(super) struct Place {
    pub(super) listener: UnixListener,
    pub(super) file: File,
}

/// A socket's file.
pub(super) struct File {
    pub(super) path: PathBuf,
    /// By which it is known again: device and inode.
    identity: (u64, u64),
}

impl File {
    /// Removes it, unless another has taken its place.
    pub(super) fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| identity(&now) == self.identity) {
            // There is nobody to tell that it cannot be done.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// See `InsightServer::default_directory`.
pub(super) fn default_directory() -> PathBuf {
    let user = geteuid().as_raw();
    let is_ours = |path: &PathBuf| {
        path.is_absolute() && fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user)
    };
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(is_ours) {
        Some(directory) => directory.join("rt-insight"),
        None => std::env::temp_dir().join(format!("rt-insight-{user}")),
    }
}

/// A socket in the default folder.
pub(super) fn open_default() -> io::Result<Place> {
    let directory = default_directory();
    prepare(&directory)?;
    sweep(&directory);
    let (name, process) = (program_name(), std::process::id());
    for number in 1..=MOST {
        let file = match number {
            1 => format!("{name}.{process}.{EXTENSION}"),
            _ => format!("{name}.{process}.{number}.{EXTENSION}"),
        };
        match open(&directory.join(file)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            opened => return opened,
        }
    }
    let directory = directory.display();
    Err(io::Error::new(ErrorKind::AddrInUse, format!("{MOST} sockets of this process are open in {directory}")))
}

/// A socket at `path`. One that nobody serves any more is replaced.
pub(super) fn open(path: &Path) -> io::Result<Place> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path) => {
            fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        }
        bound => bound,
    };
    let listener = bound.map_err(|error| about(path, error))?;
    let secure = || {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        fs::symlink_metadata(path)
    };
    match secure() {
        Ok(metadata) => {
            let file = File { path: path.to_owned(), identity: identity(&metadata) };
            Ok(Place { listener, file })
        }
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(about(path, error))
        }
    }
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot open the insight socket {}: {error}", path.display()))
}

/// Makes the folder, or makes sure that it is ours alone.
fn prepare(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(about(directory, error)),
        _ => {}
    }
    let found = fs::symlink_metadata(directory)?;
    let wrong = if !found.is_dir() {
        "is no folder"
    } else if found.uid() != geteuid().as_raw() {
        "is another user's"
    } else if found.mode() & 0o077 != 0 {
        "is open to other users: `chmod 700` closes it"
    } else {
        return Ok(());
    };
    let message = format!("{} {wrong}; `serve_insight_at` takes a path of your own", directory.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, message))
}

/// The program's name, as far as it may stand in that of a file.
fn program_name() -> String {
    let first = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&first).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let may_stand = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let name: String =
        name.chars().map(|character| if may_stand(character) { character } else { '_' }).take(LONGEST_NAME).collect();
    if name.is_empty() { "program".to_owned() } else { name }
}

/// Removes what programs have left in the default folder that are gone.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        // A process of another namespace may only seem to be gone, but serves its socket.
        if process_of(&path).is_some_and(|process| test_kill_process(process).is_err()) && is_abandoned(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whose socket it is, by its name.
fn process_of(path: &Path) -> Option<Pid> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let mut parts = path.file_name()?.to_str()?.split('.');
    parts.next()?;
    let number: u32 = parts.next()?.parse().ok()?;
    Pid::from_raw(number.try_into().ok()?)
}

/// Whether there is a socket that nobody serves.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    // Without waiting: somebody may listen, and not come to accept.
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    is_socket && connect().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether it is this user who has connected. Where the system does not tell, the folder and the mode have to do.
pub(super) fn is_ours(connection: &UnixStream) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return rustix::net::sockopt::socket_peercred(connection).is_ok_and(|peer| peer.uid == geteuid());
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = connection;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sockets_name_says_whose_it_is() {
        let process = |name: &str| process_of(Path::new(name)).map(|process| process.as_raw_nonzero().get());
        assert_eq!(process("/x/busy.12.sock"), Some(12));
        assert_eq!(process("busy.12.3.sock"), Some(12));
        for name in [
            "busy.12",
            "busy.sock",
            "busy..sock",
            "busy.0.sock",
            "12.sock",
            ".sock",
            "busy.-1.sock",
            "a.4294967295.sock",
        ] {
            assert_eq!(process(name), None, "{name}");
        }
    }
}

//! Files and directories: that they do what std's do, in the order in which they are asked to, and what becomes of operations whose futures,
//! files or runtimes are dropped.

mod behind;
mod cancelled;
mod directories;
mod inside;
mod open;
#[path = "../support/mod.rs"]
mod support;
mod whole;

use std::ffi::OsStr;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use rt::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use rt::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use rt::runtime::{Builder, Handle, Runtime};
use rt::time::timeout;
use support::{Gate, OpenOnDrop, SOON, current, eventually, multi, panic_message, within};

/// Runs `test` on a runtime of each kind, in folders of its own: one that is in memory, if there is such a place, and one that is not.
#[track_caller]
fn on_each_flavor(test: impl AsyncFn(Folder) + Send + Sync + 'static) {
    within(2 * SOON, move || {
        current().block_on(test(Folder::new()));
        multi(2).block_on(test(Folder::in_memory()));
    });
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Folder::inside(&std::env::temp_dir())
    }

    fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Folder::inside(memory) } else { Folder::new() }
    }

    fn inside(parent: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("rt-files-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these contents.
    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    /// A named pipe.
    fn pipe(&self, name: &str) -> PathBuf {
        rustix::fs::mkfifoat(rustix::fs::CWD, self.path(name), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes of which no two neighbourhoods are the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ (index >> 8) as u8 ^ (index >> 16) as u8).collect()
}

/// Polls once.
fn once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What the closures of a runtime wait for until the gate is opened.
fn occupied(mut builder: Builder) -> (Runtime, Gate) {
    let runtime = builder.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    let gate = Gate::new();
    let passes = gate.clone();
    drop(runtime.spawn_blocking(move || passes.pass()));
    gate.await_waiting(1);
    (runtime, gate)
}

/// A runtime of each kind, whose only thread for closures is occupied until the gate is opened.
fn each_occupied() -> impl Iterator<Item = (Runtime, Gate)> {
    [Builder::new_current_thread(), Builder::new_multi_thread()].into_iter().map(occupied)
}

//! Reading what is in memory, without a change of thread and without waiting for a disk.
//!
//! Of most local file systems `preadv2` with `RWF_NOWAIT` reads from the page cache, or says `EAGAIN` where it would have to wait: for pages that are not
//! there, or for a lock of the file system's. File systems in memory do not offer it, but what they hold is memory like the
//! program's own: reading it waits for a disk only where touching that would. All other files are read on the pool.

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File;
use std::io::{self, ErrorKind, IoSliceMut, Read};
use std::sync::LazyLock;
use tokio::io::ReadBuf;

/// The most that is read at once. Copying it takes some 50 us, for which others wait; what is longer goes to the pool.
pub(super) const MOST: usize = 256 * 1024;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// That its file system may offer to read without waiting.
    Cached,
    /// Its file system does not offer that. Whether it is one in memory, [`is_in_memory`] tells.
    Unknown,
    InMemory,
    Never,
}

impl AtOnce {
    /// Of a file that has just been opened, and that nobody else has.
    pub(super) fn of_new(file: &File) -> Self {
        // What passes by the page cache always waits for the disk, whatever else is asked for.
        match rustix::fs::fcntl_getfl(file) {
            Ok(flags) if !flags.contains(OFlags::DIRECT) => AtOnce::Cached,
            _ => AtOnce::Never,
        }
    }

    /// Of a file whose file system does not offer to read without waiting.
    pub(super) fn of(is_in_memory: bool) -> Self {
        if is_in_memory { AtOnce::InMemory } else { AtOnce::Never }
    }
}

/// Reads from the file's position as much as is there, but not more than `most` bytes. False: it has to be read on the pool, which will tell
/// an error too.
pub(super) fn read(file: &File, at_once: &mut AtOnce, buffer: &mut ReadBuf<'_>, most: usize) -> bool {
    if most > MOST {
        return false;
    }
    let room = most.min(buffer.remaining());
    loop {
        let room = buffer.initialize_unfilled_to(room);
        let result = match at_once {
            AtOnce::Cached => read_cached(file, room),
            AtOnce::InMemory => (&*file).read(room),
            AtOnce::Unknown | AtOnce::Never => return false,
        };
        match result {
            Ok(count) => {
                buffer.advance(count);
                return true;
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => return false,
                _ => {
                    *at_once = if *at_once == AtOnce::Cached { AtOnce::Unknown } else { AtOnce::Never };
                    return false;
                }
            },
        }
    }
}

fn read_cached(file: &File, room: &mut [u8]) -> io::Result<usize> {
    /// The file's own position.
    const HERE: u64 = u64::MAX;
    if !*IS_RELIABLE {
        return Err(Errno::OPNOTSUPP.into());
    }
    Ok(rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], HERE, ReadWriteFlags::NOWAIT)?)
}

/// Whether the file is on a file system in memory. May block.
pub(super) fn is_in_memory(file: &File) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && rustix::fs::fstatfs(file).is_ok_and(|system| [TMPFS, RAMFS].contains(&(system.f_type as u64)))
}

/// Linux 5.9 and 5.10 may say that a file is at its end when they would have to wait.
static IS_RELIABLE: LazyLock<bool> =
    LazyLock::new(|| rustix::system::uname().release().to_str().is_ok_and(is_from_5_11_on));

fn is_from_5_11_on(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 11)
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::is_from_5_11_on;

    #[test]
    fn a_system_is_trusted_by_its_version() {
        for release in ["5.11", "5.11.0-rc1", "5.15.0-91-generic", "6.1", "6.18.44", "10.0.1+"] {
            assert!(is_from_5_11_on(release), "{release}");
        }
        for release in ["5.10.0-8-amd64", "5.9", "4.19.0", "5", "", "linux"] {
            assert!(!is_from_5_11_on(release), "{release}");
        }
    }
}

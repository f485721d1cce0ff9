//! Reading what the system has in memory, without waiting for a disk.
//!
//! `preadv2` with `RWF_NOWAIT` reads from the page cache, or says `EAGAIN` where it would have to wait: for pages that are not there, or for a lock of
//! the file system's. Not all file systems offer it, and those that do not say so.

use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File;
use std::io::IoSliceMut;
use std::sync::LazyLock;
use tokio::io::ReadBuf;

/// The most that is read at once. Copying it takes some 50 us, for which others wait; what is longer goes to the pool.
pub(super) const MOST: usize = 256 * 1024;

/// The file's own position.
const HERE: u64 = u64::MAX;

/// What came of it.
pub(super) enum Attempt {
    /// So many bytes are in the buffer; 0 at the end of the file.
    Read,
    /// It would have to wait.
    WouldWait,
    /// Not for this file, or an error that an ordinary read will tell.
    NotOffered,
}

/// Reads from the file's position as much as is there, but not more than `most` bytes.
pub(super) fn read(file: &File, buffer: &mut ReadBuf<'_>, most: usize) -> Attempt {
    if !*IS_RELIABLE {
        return Attempt::NotOffered;
    }
    let room = buffer.initialize_unfilled_to(most.min(buffer.remaining()));
    loop {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], HERE, ReadWriteFlags::NOWAIT) {
            Ok(count) => {
                buffer.advance(count);
                return Attempt::Read;
            }
            Err(Errno::AGAIN) => return Attempt::WouldWait,
            Err(Errno::INTR) => {}
            Err(_) => return Attempt::NotOffered,
        }
    }
}

/// Linux 5.9 and 5.10 may say that a file is at its end when they would have to wait.
static IS_RELIABLE: LazyLock<bool> =
    LazyLock::new(|| rustix::system::uname().release().to_str().is_ok_and(|release| is_from_5_11_on(release)));

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

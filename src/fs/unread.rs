//! Bytes that were read from a file and that nobody has got yet.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use tokio::io::ReadBuf;

/// What a read on the pool has brought. The system's position in the file is behind these bytes, the user's before them.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// As long as the longest read so far.
    storage: Vec<u8>,
    from: usize,
    to: usize,
}

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Reads up to `most` bytes; none at the end of the file. There must be none before.
    pub(super) fn read(&mut self, mut file: &File, most: usize) -> io::Result<()> {
        debug_assert!(self.is_empty());
        self.clear();
        if self.storage.len() < most {
            // Not extended: of new memory the system knows already that it is zero.
            self.storage = vec![0; most];
        }
        loop {
            match file.read(&mut self.storage[..most]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map(|count| self.to = count),
            }
        }
    }

    /// Gives out as much as there is room for.
    pub(super) fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = buffer.remaining().min(self.to - self.from);
        buffer.put_slice(&self.storage[self.from..][..count]);
        self.from += count;
    }

    /// Takes the system's position back to the user's. What cannot be sought, as a pipe, keeps its bytes here.
    pub(super) fn rewind(&mut self, mut file: &File) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let back = -((self.to - self.from) as i64);
        match file.seek(SeekFrom::Current(back)) {
            Ok(_) => {
                self.clear();
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotSeekable => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn clear(&mut self) {
        self.from = 0;
        self.to = 0;
    }
}

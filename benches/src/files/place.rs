//! Where the files are.

use super::Scale;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory with small files and a large one. Removed when dropped.
#[derive(Debug)]
pub struct Place(PathBuf);

const SMALL: &str = "small";
const LARGE: &str = "large";
const SMALL_BYTES: usize = 1024;

impl Place {
    /// Makes the files: in memory if the system has a directory for that, so that no disk takes part.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn prepare(scale: Scale) -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Place::prepare_in(&root, NUMBER.fetch_add(1, Ordering::Relaxed), scale)
    }

    fn prepare_in(root: &Path, number: usize, scale: Scale) -> io::Result<Self> {
        let place = Place(root.join(format!("rt-benches-files-{}-{number}", std::process::id())));
        fs::create_dir_all(place.0.join(SMALL))?;
        for number in 0..scale.small_files() {
            fs::write(place.0.join(SMALL).join(number.to_string()), vec![number as u8; SMALL_BYTES])?;
        }
        let mut large = File::create(large_file(&place.0))?;
        let piece: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
        for _ in 0..scale.large_bytes() / piece.len() {
            large.write_all(&piece)?;
        }
        Ok(place)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left is the system's to remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn small_files(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.join(SMALL)).expect("list the small files");
    entries.map(|entry| entry.expect("list the small files").path()).collect()
}

pub(super) fn large_file(place: &Path) -> PathBuf {
    place.join(LARGE)
}

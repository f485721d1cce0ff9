//! What files cost: reading many small ones, and copying a large one.
//!
//! All of them are in memory when they are read: the first measure of a process has read each before. So what is compared is what the runtimes
//! add to the system's own work, and not the disk.

mod place;
mod reading;

pub use place::Place;

use crate::{Peer, Rt, Smol, Tokio, processor};
use std::fs;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The number of workers.
pub const WORKERS: usize = 2;

/// How much of each is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Enough for figures that mean something.
    Full,
    /// A hundredth, only to see that everything runs.
    Quick,
}

impl Scale {
    fn small_files(self) -> usize {
        if self == Scale::Full { 10_000 } else { 100 }
    }

    fn large_bytes(self) -> usize {
        if self == Scale::Full { 1 << 30 } else { 10 << 20 }
    }
}

/// A peer with files.
pub trait Files: Peer {
    /// Reads a whole file.
    fn read(path: PathBuf) -> impl Future<Output = Vec<u8>> + Send;

    /// Copies by two open files and the peer's `io::copy`, and waits until the system has all.
    fn copy_streams(from: PathBuf, to: PathBuf) -> impl Future<Output = u64> + Send;

    /// Copies by the peer's `fs::copy`.
    fn copy_file(from: PathBuf, to: PathBuf) -> impl Future<Output = u64> + Send;
}

macro_rules! files {
    ($peer:ty, $fs:path, $io:path, $flush:path) => {
        impl Files for $peer {
            async fn read(path: PathBuf) -> Vec<u8> {
                use $fs as fs;
                fs::read(path).await.expect("read a file")
            }

            async fn copy_streams(from: PathBuf, to: PathBuf) -> u64 {
                use $flush as Flush;
                use $fs as fs;
                use $io as io;
                let mut from = fs::File::open(from).await.expect("open a file");
                let mut to = fs::File::create(to).await.expect("make a file");
                let bytes = io::copy(&mut from, &mut to).await.expect("copy");
                Flush::flush(&mut to).await.expect("write all");
                bytes
            }

            async fn copy_file(from: PathBuf, to: PathBuf) -> u64 {
                use $fs as fs;
                fs::copy(from, to).await.expect("copy a file")
            }
        }
    };
}

files!(Rt, rt::fs, rt::io, rt::io::AsyncWriteExt);
files!(Tokio, tokio::fs, tokio::io, tokio::io::AsyncWriteExt);
files!(Smol, smol::fs, smol::io, smol::io::AsyncWriteExt);

/// Something that is done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A task reads small files, one after the other.
    OneByOne,
    /// Many tasks do.
    AtOnce,
    /// A large file is copied by two open ones.
    Streams,
    /// A large file is copied as a whole.
    Copy,
}

/// Tasks that read at once.
const TASKS: usize = 64;

impl Measure {
    /// All of them, in the order of the table.
    pub const ALL: [Measure; 4] = [Measure::OneByOne, Measure::AtOnce, Measure::Streams, Measure::Copy];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Measure::OneByOne => "one-by-one",
            Measure::AtOnce => "at-once",
            Measure::Streams => "streams",
            Measure::Copy => "copy",
        }
    }

    /// The measure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// What its figure is.
    pub fn row(self, scale: Scale) -> String {
        let (files, megabytes) = (scale.small_files(), scale.large_bytes() >> 20);
        match self {
            Measure::OneByOne => format!("{files} small files, one after the other: us each"),
            Measure::AtOnce => format!("{files} small files, {TASKS} tasks at once: us each"),
            Measure::Streams => format!("`io::copy` of {megabytes} MiB between two `File`s: ms"),
            Measure::Copy => format!("`fs::copy` of {megabytes} MiB: ms"),
        }
    }

    /// Takes its figure of a new runtime, in a place that has been prepared.
    pub fn take<P: Files>(self, place: &Path, scale: Scale) -> f64 {
        // Threads need not be waited for when the process ends.
        let peer = &*ManuallyDrop::new(P::start(WORKERS));
        processor::settle(peer);
        match self {
            Measure::OneByOne => reading::microseconds(peer, &place::small_files(place), 1),
            Measure::AtOnce => reading::microseconds(peer, &place::small_files(place), TASKS),
            Measure::Streams => copying(peer, place, scale, P::copy_streams),
            Measure::Copy => copying(peer, place, scale, P::copy_file),
        }
    }
}

/// Returns the milliseconds of a copy.
fn copying<P: Files, F: Future<Output = u64> + Send + 'static>(
    peer: &P,
    place: &Path,
    scale: Scale,
    copy: impl FnOnce(PathBuf, PathBuf) -> F + Send + 'static,
) -> f64 {
    let (from, to) = (place::large_file(place), place.join("copy"));
    let milliseconds = processor::run(peer, {
        let (from, to) = (from.clone(), to.clone());
        async move {
            let start = Instant::now();
            let bytes = copy(from, to).await;
            assert_eq!(bytes, scale.large_bytes() as u64, "all of it is copied");
            start.elapsed().as_secs_f64() * 1e3
        }
    });
    assert_eq!(fs::metadata(&to).expect("there is a copy").len(), scale.large_bytes() as u64);
    fs::remove_file(&to).expect("remove the copy");
    milliseconds
}

#[cfg(test)]
mod tests {
    use super::{Files, Measure, Place, Scale};
    use crate::{Rt, Tokio};

    /// smol can be started once in a process, and has been for the workloads.
    fn every_measure_has_its_figure_on<P: Files>() {
        let place = Place::prepare(Scale::Quick).expect("make files");
        for measure in Measure::ALL {
            let figure = measure.take::<P>(place.path(), Scale::Quick);
            assert!(figure.is_finite() && figure > 0.0, "{}: {figure}", measure.name());
        }
    }

    #[test]
    fn every_measure_has_its_figure() {
        every_measure_has_its_figure_on::<Rt>();
        every_measure_has_its_figure_on::<Tokio>();
    }

    #[test]
    fn a_name_leads_back_to_its_measure() {
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
        assert_eq!(Measure::named("nothing"), None);
    }
}

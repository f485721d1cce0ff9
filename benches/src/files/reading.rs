//! Many small files.

use super::Files;
use crate::processor;
use std::path::PathBuf;
use std::time::Instant;

/// That many tasks read all the files together. Returns the microseconds of one file.
pub(super) fn microseconds<P: Files>(peer: &P, files: &[PathBuf], tasks: usize) -> f64 {
    let once = |files: &[PathBuf]| {
        let (count, files) = (files.len(), files.to_vec());
        processor::run(peer, async move {
            let start = Instant::now();
            let shares = files.chunks(count.div_ceil(tasks)).map(<[PathBuf]>::to_vec);
            let tasks: Vec<_> = shares.map(|share| P::spawn(read_all::<P>(share))).collect();
            for task in tasks {
                task.await;
            }
            start.elapsed().as_secs_f64() * 1e6 / count as f64
        })
    };
    once(&files[..files.len() / 10]);
    once(files)
}

async fn read_all<P: Files>(files: Vec<PathBuf>) {
    for file in files {
        assert!(!P::read(file).await.is_empty(), "the file has contents");
    }
}

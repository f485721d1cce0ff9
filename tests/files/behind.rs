//! Writes that go on behind the writer's back.

use super::*;
use std::sync::Arc;

#[test]
fn a_file_that_is_dropped_at_once_is_written_all_the_same() {
    on_each_flavor(async |folder| {
        let (path, contents) = (folder.path("file"), pattern(1_000_000));
        let mut file = File::create(&path).await.unwrap();
        file.write_all(&contents).await.unwrap();
        drop(file);
        let deadline = std::time::Instant::now() + SOON;
        while std::fs::metadata(&path).unwrap().len() < contents.len() as u64 {
            assert!(std::time::Instant::now() < deadline, "it is not written");
            rt::task::yield_now().await;
        }
        assert!(std::fs::read(&path).unwrap() == contents);
    });
}

/// Leaves `contents` behind in files on a runtime that cannot write them yet.
fn left_behind(runtime: &Runtime, folder: &Folder, files: usize, contents: &[u8]) -> Vec<PathBuf> {
    let paths: Vec<_> = (0..files).map(|number| folder.path(number.to_string())).collect();
    runtime.block_on(async {
        for path in &paths {
            let mut file = File::from_std(std::fs::File::create(path).unwrap());
            file.write_all(contents).await.unwrap();
        }
    });
    paths
}

#[test]
fn a_shutdown_waits_for_what_was_taken_also_if_it_has_not_begun() {
    for (runtime, gate) in each_occupied() {
        within(2 * SOON, move || {
            let (folder, contents) = (Folder::new(), pattern(100_000));
            let paths = left_behind(&runtime, &folder, 20, &contents);
            assert!(paths.iter().all(|path| std::fs::metadata(path).unwrap().len() == 0), "nothing has begun");
            let _open = OpenOnDrop(gate.clone());
            let shutdown = std::thread::spawn(move || drop(runtime));
            eventually(SOON, || paths.iter().all(|path| std::fs::read(path).unwrap() == contents));
            gate.open();
            shutdown.join().unwrap();
        });
    }
}

#[test]
fn what_was_taken_is_written_when_the_runtime_is_gone() {
    for make in [current, || multi(2)] {
        within(2 * SOON, move || {
            let (folder, contents) = (Folder::new(), pattern(3_000_000));
            let runtime = make();
            runtime.block_on(async {
                for number in 0..50 {
                    let mut file = File::create(folder.path(number.to_string())).await.unwrap();
                    file.write_all(&contents[..number * 60_000]).await.unwrap();
                }
            });
            drop(runtime);
            for number in 0..50 {
                assert!(std::fs::read(folder.path(number.to_string())).unwrap() == contents[..number * 60_000]);
            }
        });
    }
}

#[test]
fn a_shutdown_in_the_background_loses_nothing() {
    for (runtime, gate) in each_occupied() {
        within(2 * SOON, move || {
            let (folder, contents) = (Folder::new(), pattern(100_000));
            let paths = left_behind(&runtime, &folder, 3, &contents);
            let _open = OpenOnDrop(gate);
            runtime.shutdown_background();
            eventually(SOON, || paths.iter().all(|path| std::fs::read(path).unwrap() == contents));
        });
    }
}

#[test]
fn after_the_shutdown_every_operation_says_so() {
    for make in [current, || multi(1)] {
        within(SOON, move || {
            let folder = Folder::new();
            let path = folder.file("file", "contents");
            let runtime = make();
            let handle = runtime.handle().clone();
            let mut file = File::from_std(std::fs::File::options().read(true).write(true).open(&path).unwrap());
            drop(runtime);
            handle.block_on(async {
                let errors = [
                    file.read(&mut [0; 8]).await.unwrap_err(),
                    file.write(b"x").await.unwrap_err(),
                    file.seek(SeekFrom::Start(0)).await.unwrap_err(),
                    file.set_len(0).await.unwrap_err(),
                    file.sync_all().await.unwrap_err(),
                    file.metadata().await.unwrap_err(),
                    fs::read(&path).await.unwrap_err(),
                    File::open(&path).await.unwrap_err(),
                ];
                for error in errors {
                    assert_eq!(error.kind(), ErrorKind::Other);
                    assert!(error.to_string().contains("the runtime has shut down"), "{error}");
                }
                file.flush().await.unwrap();
                drop(file.try_into_std().unwrap());
            });
            assert_eq!(std::fs::read(&path).unwrap(), b"contents");
        });
    }
}

#[test]
fn a_full_disk_is_told_once_by_the_next_write_flush_or_sync() {
    on_each_flavor(async |_| {
        let open = async || OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        let full = |error: io::Error| {
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::StorageFull, Some(28)));
        };
        let mut file = open().await;
        file.write_all(b"contents").await.unwrap();
        full(file.flush().await.unwrap_err());
        file.flush().await.unwrap();
        file.write_all(b"contents").await.unwrap();
        full(file.shutdown().await.unwrap_err());
        file.write_all(b"contents").await.unwrap();
        full(file.sync_all().await.unwrap_err());
        file.write_all(b"contents").await.unwrap();
        full(file.sync_data().await.unwrap_err());
        file.write_all(b"contents").await.unwrap();
        file.metadata().await.unwrap();
        full(file.write(b"contents").await.unwrap_err());
        file.flush().await.unwrap();
        let endless = async {
            loop {
                if let Err(error) = file.write(&[0; 1000]).await {
                    break error;
                }
            }
        };
        full(timeout(SOON, endless).await.unwrap());
    });
}

#[test]
fn a_read_does_not_swallow_the_error_of_a_write() {
    on_each_flavor(async |_| {
        let mut file = OpenOptions::new().read(true).write(true).open("/dev/full").await.unwrap();
        file.write_all(b"contents").await.unwrap();
        assert_eq!(file.read(&mut [1; 4]).await.unwrap(), 4);
        assert_eq!(file.flush().await.unwrap_err().raw_os_error(), Some(28));
    });
}

#[test]
fn what_is_slow_to_take_bytes_makes_the_writer_wait_and_gets_all_of_them_in_order() {
    on_each_flavor(async |folder| {
        let path = folder.pipe("pipe");
        let (reader, writer) = futures_util::future::join(File::open(&path), File::create(&path)).await;
        let (reader, mut writer) = (reader.unwrap(), writer.unwrap());
        let contents = Arc::new(pattern(12_000_000));
        let sent = Arc::new(AtomicUsize::new(0));
        let task = rt::spawn({
            let (contents, sent) = (Arc::clone(&contents), Arc::clone(&sent));
            async move {
                for piece in contents.chunks(1000) {
                    writer.write_all(piece).await.unwrap();
                    sent.fetch_add(piece.len(), Ordering::Relaxed);
                }
                writer.flush().await.unwrap();
            }
        });
        // What the pipe holds, what the job has, and what waits.
        rt::time::sleep(Duration::from_millis(50)).await;
        let taken = sent.load(Ordering::Relaxed);
        assert!(taken <= 64 * 1024 + 2 * 128 * 1024 + 1000, "{taken} bytes were taken though nobody reads");
        let (mut reader, mut found) = (reader, Vec::new());
        timeout(SOON, reader.read_to_end(&mut found)).await.unwrap().unwrap();
        task.await.unwrap();
        assert!(found == *contents);
    });
}

#[test]
fn many_small_writes_become_few_large_ones() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let _open = OpenOnDrop(gate.clone());
            // Each write to it is a message of its own.
            let (one, other) = std::os::unix::net::UnixDatagram::pair().unwrap();
            runtime.block_on(async {
                let mut file = File::from(OwnedFd::from(one));
                for _ in 0..100 {
                    file.write_all(b"0123456789").await.unwrap();
                }
                gate.open();
                file.flush().await.unwrap();
            });
            assert_eq!(other.recv(&mut [0; 2000]).unwrap(), 1000);
            drop(folder);
        });
    }
}

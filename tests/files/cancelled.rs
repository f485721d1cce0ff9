//! Operations whose futures were dropped while they were under way.

use super::*;

/// Runs `test` with a file of ten digits that is read on the pool, after a read of eight bytes was dropped that had not begun; on a runtime of each
/// kind.
#[track_caller]
fn after_a_cancelled_read(test: impl AsyncFn(&Path, File) + Send + Copy + 'static) {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let path = folder.file("file", "0123456789");
            let _open = OpenOnDrop(gate.clone());
            let std = std::fs::File::options().read(true).write(true).open(&path).unwrap();
            runtime.block_on(async {
                let mut file = File::from_std(std);
                assert!(once(file.read(&mut [0; 8])).is_pending());
                gate.open();
                test(&path, file).await;
            });
        });
    }
}

#[test]
fn a_cancelled_read_loses_no_byte() {
    after_a_cancelled_read(async |_, mut file| {
        let mut found = Vec::new();
        let mut piece = [0; 3];
        loop {
            match file.read(&mut piece).await.unwrap() {
                0 => break,
                count => found.extend_from_slice(&piece[..count]),
            }
        }
        assert_eq!(found, b"0123456789");
    });
}

#[test]
fn a_seek_after_a_cancelled_read_begins_where_the_reader_is() {
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(1)).await.unwrap(), 4);
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "456789");
    });
}

#[test]
fn a_seek_that_fails_after_a_cancelled_read_loses_no_byte() {
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(-4)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3456789");
    });
}

#[test]
fn a_write_after_a_cancelled_read_goes_where_the_reader_is() {
    after_a_cancelled_read(async |path, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"012x456789");
    });
}

#[test]
fn a_write_at_once_after_a_cancelled_read_goes_to_the_beginning() {
    after_a_cancelled_read(async |path, mut file| {
        file.write_all(b"x").await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"x123456789");
    });
}

#[test]
fn a_clone_after_a_cancelled_read_begins_where_the_reader_is() {
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        let mut rest = String::new();
        file.try_clone().await.unwrap().read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3456789");
    });
}

#[test]
fn a_new_length_after_a_cancelled_read_leaves_the_reader_where_it_is() {
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        file.set_len(5).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "34");
    });
}

#[test]
fn what_std_gets_after_a_cancelled_read_begins_where_the_reader_is() {
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        let mut std = file.into_std().await;
        assert_eq!(io::Seek::stream_position(&mut std).unwrap(), 3);
    });
    after_a_cancelled_read(async |_, mut file| {
        file.read_exact(&mut [0; 3]).await.unwrap();
        let mut std = file.try_into_std().unwrap();
        assert_eq!(io::Seek::stream_position(&mut std).unwrap(), 3);
    });
}

#[test]
fn a_file_with_a_read_under_way_is_not_given_to_std_before_it_is_over() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let _open = OpenOnDrop(gate.clone());
            let mut file = File::from_std(std::fs::File::open(folder.file("file", "0123")).unwrap());
            runtime.block_on(async {
                assert!(once(file.read(&mut [0; 2])).is_pending());
                let file = file.try_into_std().unwrap_err();
                gate.open();
                assert_eq!(io::Seek::stream_position(&mut file.into_std().await).unwrap(), 0);
            });
        });
    }
}

#[test]
fn a_cancelled_read_of_a_pipe_loses_no_byte_whatever_is_tried_meanwhile() {
    on_each_flavor(async |_| {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut file = File::from(reader);
        assert!(once(file.read(&mut [0; 8])).is_pending());
        rustix::io::write(&writer, b"0123456789").unwrap();
        file.read_exact(&mut [0; 3]).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Start(0)).await.unwrap_err().kind(), ErrorKind::NotSeekable);
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap_err();
        drop(writer);
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3456789");
    });
}

#[test]
fn the_error_of_a_cancelled_read_is_told_to_the_next() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let _open = OpenOnDrop(gate.clone());
            let mut file = File::from_std(std::fs::File::open(&folder.0).unwrap());
            runtime.block_on(async {
                assert!(once(file.read(&mut [0; 8])).is_pending());
                gate.open();
                assert_eq!(file.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::IsADirectory);
            });
        });
    }
}

#[test]
fn a_cancelled_change_of_length_is_waited_for_by_what_comes_next() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let path = folder.file("file", "0123456789");
            let _open = OpenOnDrop(gate.clone());
            runtime.block_on(async {
                let std = std::fs::File::options().read(true).write(true).open(&path).unwrap();
                let mut file = File::from_std(std);
                assert!(once(file.set_len(4)).is_pending());
                gate.open();
                let mut text = String::new();
                file.read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "0123");
            });
        });
    }
}

#[test]
fn whole_file_operations_that_have_begun_are_done_though_nobody_waits() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let _open = OpenOnDrop(gate.clone());
            let (written, made) = (folder.path("written"), folder.path("made"));
            runtime.block_on(async {
                assert!(once(fs::write(&written, "contents")).is_pending());
                assert!(once(fs::create_dir(&made)).is_pending());
                assert!(once(File::create(folder.path("created"))).is_pending());
            });
            assert!(!written.exists());
            gate.open();
            eventually(SOON, || std::fs::read(&written).is_ok_and(|contents| contents == b"contents"));
            eventually(SOON, || made.is_dir() && folder.path("created").exists());
        });
    }
}

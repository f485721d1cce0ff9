//! An open file: reading, writing, seeking, and what else it can.

use super::*;

#[test]
fn a_file_is_read_in_pieces_of_any_size() {
    on_each_flavor(async |folder| {
        let contents = pattern(700_001);
        let path = folder.file("file", &contents);
        for size in [1000, 4096, 65_537, 300_000, 1 << 20] {
            for file in [File::open(&path).await.unwrap(), File::from_std(std::fs::File::open(&path).unwrap())] {
                let (mut file, mut found, mut piece) = (file, Vec::new(), vec![0; size]);
                loop {
                    let count = file.read(&mut piece).await.unwrap();
                    if count == 0 {
                        break;
                    }
                    found.extend_from_slice(&piece[..count]);
                }
                assert!(found == contents, "in pieces of {size}");
                assert_eq!(file.read(&mut piece).await.unwrap(), 0, "the end stays the end");
            }
        }
    });
}

#[test]
fn a_file_is_read_to_its_end() {
    on_each_flavor(async |folder| {
        for length in [0, 1, 32, 100_000, 5_000_000] {
            let contents = pattern(length);
            let path = folder.file("file", &contents);
            let mut found = Vec::new();
            assert_eq!(File::open(&path).await.unwrap().read_to_end(&mut found).await.unwrap(), length);
            assert!(found == contents);
        }
        let mut text = String::new();
        File::open(folder.file("text", "Grüße")).await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "Grüße");
    });
}

#[test]
fn what_grows_after_its_end_was_seen_is_read_on() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", "one");
        let mut file = File::open(&path).await.unwrap();
        let mut found = Vec::new();
        file.read_to_end(&mut found).await.unwrap();
        std::fs::write(&path, "one and two").unwrap();
        file.read_to_end(&mut found).await.unwrap();
        assert_eq!(found, b"one and two");
    });
}

#[test]
fn reads_and_writes_of_nothing_are_done_at_once() {
    on_each_flavor(async |folder| {
        let mut file = File::create_new(folder.path("file")).await.unwrap();
        assert_eq!(file.read(&mut []).await.unwrap(), 0);
        assert_eq!(file.write(&[]).await.unwrap(), 0);
        assert_eq!(file.write_vectored(&[]).await.unwrap(), 0);
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 0);
    });
}

#[test]
fn writes_follow_each_other_and_are_seen_by_what_comes_next() {
    on_each_flavor(async |folder| {
        let mut file = File::create_new(folder.path("file")).await.unwrap();
        let mut expected = Vec::new();
        for number in 0..2000 {
            let text = format!("{number}\n");
            file.write_all(text.as_bytes()).await.unwrap();
            expected.extend_from_slice(text.as_bytes());
            if number % 500 == 0 {
                assert_eq!(file.metadata().await.unwrap().len(), expected.len() as u64);
            }
        }
        assert_eq!(file.stream_position().await.unwrap(), expected.len() as u64);
        file.rewind().await.unwrap();
        let mut found = Vec::new();
        file.read_to_end(&mut found).await.unwrap();
        assert!(found == expected);
    });
}

#[test]
fn large_writes_and_small_ones_keep_their_order() {
    on_each_flavor(async |folder| {
        let path = folder.path("file");
        let mut file = File::create(&path).await.unwrap();
        let contents = pattern(9_000_000);
        let mut rest = &contents[..];
        for size in [1, 3_000_000, 10, 200_000, 5, 131_072, 1, 2_500_000].into_iter().cycle() {
            let (piece, left) = rest.split_at(rest.len().min(size));
            file.write_all(piece).await.unwrap();
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        file.flush().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == contents);
    });
}

#[test]
fn several_buffers_are_written_in_one() {
    on_each_flavor(async |folder| {
        let path = folder.path("file");
        let mut file = File::create(&path).await.unwrap();
        assert!(file.is_write_vectored());
        let buffers = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two "), IoSlice::new(b"three")];
        assert_eq!(file.write_vectored(&buffers).await.unwrap(), 13);
        file.set_max_buf_size(6);
        file.flush().await.unwrap();
        assert_eq!(file.write_vectored(&buffers).await.unwrap(), 6);
        file.shutdown().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two threeone tw");
    });
}

#[test]
fn seeking_leads_where_std_would_lead() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", pattern(1000));
        let files = [File::open(&path).await.unwrap(), File::from_std(std::fs::File::open(&path).unwrap())];
        for mut file in files {
            let mut std = std::fs::File::open(&path).unwrap();
            let steps = [
                SeekFrom::Start(10),
                SeekFrom::Current(5),
                SeekFrom::Current(-20),
                SeekFrom::Current(-1),
                SeekFrom::End(-3),
                SeekFrom::End(10),
                SeekFrom::Current(i64::MAX),
                SeekFrom::Start(u64::MAX),
                SeekFrom::End(i64::MIN),
                SeekFrom::Start(999),
            ];
            for step in steps {
                let ours = file.seek(step).await.map_err(|error| error.kind());
                let theirs = io::Seek::seek(&mut std, step).map_err(|error| error.kind());
                assert_eq!(ours, theirs, "{step:?}");
                assert_eq!(
                    file.stream_position().await.unwrap(),
                    io::Seek::stream_position(&mut std).unwrap(),
                    "{step:?}"
                );
                let (mut one, mut two) = ([0; 2], [0; 2]);
                let read = (file.read(&mut one).await.unwrap(), io::Read::read(&mut std, &mut two).unwrap());
                assert_eq!((read.0, one), (read.1, two), "{step:?}");
            }
        }
    });
}

#[test]
fn a_write_goes_where_the_last_seek_led() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", "0123456789");
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        file.seek(SeekFrom::Start(3)).await.unwrap();
        file.write_all(b"abc").await.unwrap();
        file.seek(SeekFrom::Current(2)).await.unwrap();
        file.write_all(b"!").await.unwrap();
        let mut last = String::new();
        file.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "9");
        assert_eq!(std::fs::read(&path).unwrap(), b"012abc67!9");
    });
}

#[test]
fn a_seek_while_something_else_is_under_way_is_refused() {
    for (runtime, gate) in each_occupied() {
        within(SOON, move || {
            let folder = Folder::new();
            let _open = OpenOnDrop(gate);
            let mut file = File::from_std(std::fs::File::create(folder.path("file")).unwrap());
            runtime.block_on(async {
                Pin::new(&mut file).start_seek(SeekFrom::Start(3)).unwrap();
                let error = Pin::new(&mut file).start_seek(SeekFrom::Start(4)).unwrap_err();
                assert!(error.to_string().contains("call `poll_complete` before"), "{error}");
            });
        });
    }
}

#[test]
fn the_length_is_changed_and_the_position_is_not() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", "0123456789");
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        file.seek(SeekFrom::Start(4)).await.unwrap();
        file.set_len(6).await.unwrap();
        assert_eq!(file.stream_position().await.unwrap(), 4);
        file.set_len(8).await.unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"45\0\0");
        file.write_all(b"x").await.unwrap();
        file.set_len(20).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"012345\0\0x\0\0\0\0\0\0\0\0\0\0\0");
        let error = File::open(&path).await.unwrap().set_len(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn no_read_or_write_moves_more_than_the_greatest_size() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", pattern(1000));
        for file in [File::open(&path).await.unwrap(), File::from_std(std::fs::File::open(&path).unwrap())] {
            let mut file = file;
            assert_eq!(file.max_buf_size(), 2 * 1024 * 1024);
            file.set_max_buf_size(7);
            assert_eq!((file.max_buf_size(), file.try_clone().await.unwrap().max_buf_size()), (7, 7));
            assert_eq!(file.read(&mut [0; 100]).await.unwrap(), 7);
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).await.unwrap();
            assert!(rest == pattern(1000)[7..]);
        }
        let mut file = File::create(&path).await.unwrap();
        file.set_max_buf_size(7);
        let contents = pattern(1000);
        for piece in contents.chunks(50) {
            let mut piece = piece;
            while !piece.is_empty() {
                let count = file.write(piece).await.unwrap();
                assert!(count <= 7);
                piece = &piece[count..];
            }
        }
        file.flush().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == contents);
        assert!(panic_message(|| file.set_max_buf_size(0)).contains("must be greater than 0"));
    });
}

#[test]
fn a_file_is_opened_as_its_options_say() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", "there");
        let kind = |result: io::Result<File>| result.unwrap_err().kind();
        assert_eq!(kind(File::create_new(&path).await), ErrorKind::AlreadyExists);
        assert_eq!(kind(File::open(folder.path("missing")).await), ErrorKind::NotFound);
        assert_eq!(kind(OpenOptions::new().open(&path).await), ErrorKind::InvalidInput);
        assert_eq!(kind(File::options().read(true).truncate(true).open(&path).await), ErrorKind::InvalidInput);
        let mut file = OpenOptions::default().append(true).open(&path).await.unwrap();
        file.write_all(b" and more").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"there and more");
        drop(OpenOptions::new().write(true).truncate(true).open(&path).await.unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        let made = folder.path("made");
        drop(OpenOptions::new().write(true).create(true).mode(0o600).open(&made).await.unwrap());
        assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(&made, folder.path("link")).unwrap();
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let refused = OpenOptions::new().read(true).custom_flags(nofollow).open(folder.path("link")).await;
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        let mut std = std::fs::OpenOptions::new();
        std.read(true);
        drop(OpenOptions::from(std).open(&made).await.unwrap());
    });
}

#[test]
fn a_file_tells_and_changes_what_the_system_knows_of_it() {
    on_each_flavor(async |folder| {
        let path = folder.path("file");
        let mut file = File::create(&path).await.unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o604)).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode() & 0o777, 0o604);
        let (accessed, modified) = (SystemTime::UNIX_EPOCH + SOON, SystemTime::UNIX_EPOCH + 2 * SOON);
        file.write_all(b"contents").await.unwrap();
        file.set_times(FileTimes::new().set_accessed(accessed).set_modified(modified)).await.unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!((metadata.accessed().unwrap(), metadata.modified().unwrap()), (accessed, modified));
        file.set_modified(accessed).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), accessed);
        file.sync_all().await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!(metadata.len(), 8);
        assert!(format!("{file:?}").starts_with("File {"), "{file:?}");
    });
}

#[test]
fn a_clone_shares_the_position() {
    on_each_flavor(async |folder| {
        let mut one = File::open(folder.file("file", "0123456789")).await.unwrap();
        let mut two = one.try_clone().await.unwrap();
        let mut piece = [0; 2];
        for (number, expected) in [b"01", b"23", b"45", b"67"].into_iter().enumerate() {
            let file = if number % 2 == 0 { &mut one } else { &mut two };
            file.read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, expected);
        }
    });
}

#[test]
fn a_file_goes_to_std_and_comes_back() {
    on_each_flavor(async |folder| {
        let path = folder.path("file");
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        let mut std = file.into_std().await;
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789", "what was under way has been waited for");
        io::Seek::seek(&mut std, SeekFrom::Start(4)).unwrap();
        let mut file = File::from(std);
        file.read_exact(&mut [0; 2]).await.unwrap();
        let mut std = file.try_into_std().unwrap();
        assert_eq!(io::Seek::stream_position(&mut std).unwrap(), 6);
        let file = File::from(OwnedFd::from(std));
        assert_eq!(file.as_raw_fd(), file.as_fd().as_raw_fd());
        assert_eq!(file.metadata().await.unwrap().len(), 10);
    });
}

#[test]
fn what_cannot_be_read_or_written_says_so() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", "contents");
        let errno = |error: io::Error| rustix::io::Errno::from_io_error(&error).unwrap();
        let mut file = File::open(&folder.0).await.unwrap();
        assert_eq!(errno(file.read(&mut [0; 8]).await.unwrap_err()), rustix::io::Errno::ISDIR);
        let mut file = File::create(&path).await.unwrap();
        assert_eq!(errno(file.read(&mut [0; 8]).await.unwrap_err()), rustix::io::Errno::BADF);
        let mut file = File::open(&path).await.unwrap();
        file.write_all(b"x").await.unwrap();
        assert_eq!(errno(file.flush().await.unwrap_err()), rustix::io::Errno::BADF);
        file.flush().await.unwrap();
    });
}

#[test]
fn a_stream_is_copied_between_files() {
    on_each_flavor(async |folder| {
        let contents = pattern(10_000_019);
        let (from, to) = (folder.file("from", &contents), folder.path("to"));
        for file in [File::open(&from).await.unwrap(), File::from_std(std::fs::File::open(&from).unwrap())] {
            let (mut reader, mut writer) = (file, File::create(&to).await.unwrap());
            assert_eq!(rt::io::copy(&mut reader, &mut writer).await.unwrap(), contents.len() as u64);
            writer.flush().await.unwrap();
            assert!(std::fs::read(&to).unwrap() == contents);
        }
    });
}

#[test]
fn files_of_the_systems_own_are_read_like_others() {
    on_each_flavor(async |_| {
        let mut text = String::new();
        File::open("/proc/self/status").await.unwrap().read_to_string(&mut text).await.unwrap();
        assert!(text.contains("Threads:"));
        let mut zeros = [1; 10_000];
        File::open("/dev/zero").await.unwrap().read_exact(&mut zeros).await.unwrap();
        assert_eq!(zeros, [0; 10_000]);
        assert_eq!(File::open("/dev/null").await.unwrap().read(&mut zeros).await.unwrap(), 0);
    });
}

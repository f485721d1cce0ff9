//! Whole files, and functions on paths: the same as std's.

use super::*;

#[test]
fn what_is_written_is_what_is_read() {
    on_each_flavor(async |folder| {
        for length in [0, 1, 31, 32, 33, 4095, 4096, 4097, 8191, 1 << 20, 3_000_001] {
            let (path, contents) = (folder.path("file"), pattern(length));
            fs::write(&path, &contents).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), contents);
            assert_eq!(fs::read(&path).await.unwrap(), contents);
        }
    });
}

#[test]
fn text_that_is_none_is_an_error() {
    on_each_flavor(async |folder| {
        for length in [3, 5000] {
            let mut contents = vec![b'a'; length];
            contents[length - 1] = 0xff;
            let path = folder.path("file");
            fs::write(&path, &contents).await.unwrap();
            let error = fs::read_to_string(&path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert_eq!(fs::read(&path).await.unwrap(), contents);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_has_no_size_is_read_to_its_end() {
    on_each_flavor(async |_folder| {
        let status = fs::read_to_string("/proc/self/status").await.unwrap();
        assert!(status.contains("Threads:"), "{status}");
        assert!(fs::read_to_string("/proc/self/maps").await.unwrap().len() > 4096);
    });
}

#[test]
fn whatever_is_bytes_can_be_written() {
    on_each_flavor(async |folder| {
        let path = folder.path("file");
        let text = String::from("contents");
        fs::write(&path, "contents").await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"contents");
        fs::write(&path, text.clone() + "1").await.unwrap();
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "contents1");
        fs::write(&path, &text).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"contents");
        fs::write(&path, text.clone().into_bytes()).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"contents");
        fs::write(&path, [1, 2, 3]).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), [1, 2, 3]);
        fs::write(&path, bytes::Bytes::from_static(b"bytes")).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"bytes");
        let borrowed: &[u8] = text.as_bytes();
        fs::write(&path, borrowed).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"contents");
    });
}

#[test]
fn text_that_is_none_is_refused() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", b"\xff\xfe");
        assert_eq!(fs::read_to_string(&path).await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(folder.file("text", "Grüße")).await.unwrap(), "Grüße");
    });
}

#[test]
fn a_copy_has_the_contents_and_the_permissions() {
    on_each_flavor(async |folder| {
        let contents = pattern(1_234_567);
        let (from, to) = (folder.file("from", &contents), folder.file("to", "longer ago"));
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(fs::copy(&from, &to).await.unwrap(), contents.len() as u64);
        assert_eq!(std::fs::read(&to).unwrap(), contents);
        assert_eq!(std::fs::metadata(&to).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::copy(&folder.0, &to).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn files_are_renamed_linked_and_removed() {
    on_each_flavor(async |folder| {
        let (one, two, three) = (folder.file("one", "contents"), folder.path("two"), folder.path("three"));
        fs::rename(&one, &two).await.unwrap();
        assert!(!fs::try_exists(&one).await.unwrap());
        assert!(fs::try_exists(&two).await.unwrap());
        fs::hard_link(&two, &three).await.unwrap();
        assert_eq!(fs::metadata(&two).await.unwrap().nlink(), 2);
        fs::remove_file(&two).await.unwrap();
        assert_eq!(fs::read(&three).await.unwrap(), b"contents");
        fs::symlink("three", &one).await.unwrap();
        assert_eq!(fs::read_link(&one).await.unwrap(), Path::new("three"));
        assert!(fs::symlink_metadata(&one).await.unwrap().is_symlink());
        assert!(fs::metadata(&one).await.unwrap().is_file());
        assert_eq!(fs::canonicalize(&one).await.unwrap(), std::fs::canonicalize(&three).unwrap());
        fs::set_permissions(&three, std::fs::Permissions::from_mode(0o400)).await.unwrap();
        assert_eq!(std::fs::metadata(&three).unwrap().mode() & 0o777, 0o400);
    });
}

#[test]
fn names_that_are_not_text_are_names() {
    on_each_flavor(async |folder| {
        let name = OsStr::from_bytes(b"caf\xe9 \xff");
        let path = folder.path(name);
        fs::write(&path, "contents").await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"contents");
        let mut entries = fs::read_dir(&folder.0).await.unwrap();
        let entry = entries.next_entry().await.unwrap().unwrap();
        assert_eq!((entry.file_name().as_os_str(), entry.path()), (name, path.clone()));
        assert_eq!(File::open(&path).await.unwrap().metadata().await.unwrap().len(), 8);
        fs::symlink(name, folder.path("link")).await.unwrap();
        assert_eq!(fs::read_link(folder.path("link")).await.unwrap().as_os_str(), name);
    });
}

fn what<T>(result: io::Result<T>) -> Option<(ErrorKind, Option<i32>)> {
    result.err().map(|error| (error.kind(), error.raw_os_error()))
}

#[test]
fn errors_are_those_of_std() {
    on_each_flavor(async |folder| {
        folder.file("file", "contents");
        std::fs::create_dir(folder.path("folder")).unwrap();
        std::fs::write(folder.path("folder/inside"), "").unwrap();
        std::fs::write(folder.path("there"), "").unwrap();
        let paths = [
            folder.path("missing"),
            folder.path("missing/too"),
            folder.path("file/no-folder"),
            folder.path("file"),
            folder.path("folder"),
            folder.path("n".repeat(300)),
            folder.path(OsStr::from_bytes(b"nul\0nul")),
            PathBuf::new(),
        ];
        macro_rules! compare {
            ($($name:ident($($argument:expr)?);)*) => {
                for path in &paths {
                    $(
                        // Only what fails leaves all as it was.
                        let ours = what(fs::$name(path $(, $argument)?).await);
                        if ours.is_some() {
                            assert_eq!(ours, what(std::fs::$name(path $(, $argument)?)), "{} of {path:?}", stringify!($name));
                        }
                    )*
                }
            };
        }
        compare! {
            canonicalize();
            copy(folder.path("there"));
            create_dir();
            hard_link(folder.path("there"));
            metadata();
            read();
            read_dir();
            read_link();
            read_to_string();
            remove_dir();
            set_permissions(std::fs::Permissions::from_mode(0o755));
            symlink_metadata();
            write("contents");
        }
        for path in &paths {
            let ours = what(fs::remove_file(path).await);
            assert!(ours.is_some() || !path.exists());
        }
        let missing = folder.path("missing/too");
        assert_eq!(what(fs::read(&missing).await), Some((ErrorKind::NotFound, Some(2))));
        assert_eq!(what(fs::rename(&missing, folder.path("there")).await), Some((ErrorKind::NotFound, Some(2))));
        assert_eq!(what(fs::symlink("x", &missing).await), Some((ErrorKind::NotFound, Some(2))));
        assert_eq!(what(fs::remove_dir_all(&missing).await), Some((ErrorKind::NotFound, Some(2))));
        assert_eq!(
            what(fs::create_dir_all(folder.path("there/too")).await),
            Some((ErrorKind::NotADirectory, Some(20)))
        );
        assert!(!fs::try_exists(&missing).await.unwrap());
        assert_eq!(
            what(fs::try_exists(folder.path("n".repeat(300))).await),
            Some((ErrorKind::InvalidFilename, Some(36)))
        );
    });
}

#[test]
fn what_may_not_be_done_is_told() {
    let test = "whole::what_may_not_be_done_is_told";
    if !support::child::is_child_of(test) {
        // Everything may be done by root, so this is somebody else.
        let mut child = support::child::Child::start(test, |command| {
            if rustix::process::getuid().is_root() {
                std::os::unix::process::CommandExt::uid(command, 65534);
            }
        });
        assert!(child.ends().success(), "{}{}", child.stdout(), child.stderr());
        return;
    }
    on_each_flavor(async |folder| {
        let path = folder.file("file", "contents");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        let denied = Some((ErrorKind::PermissionDenied, Some(13)));
        assert_eq!(what(fs::read(&path).await), denied);
        assert_eq!(what(fs::write(&path, "").await), denied);
        assert_eq!(what(File::open(&path).await), denied);
        assert_eq!(what(File::create(&path).await), denied);
        assert_eq!(
            what(fs::set_permissions("/", std::fs::Permissions::from_mode(0o777)).await).unwrap().0,
            ErrorKind::PermissionDenied
        );
        let closed = folder.path("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(what(fs::read_dir(&closed).await), denied);
        assert_eq!(what(fs::try_exists(closed.join("inside")).await), denied);
        assert_eq!(what(fs::create_dir(closed.join("inside")).await), denied);
    });
}

#[test]
fn many_files_are_read_and_written_at_once() {
    on_each_flavor(async |folder| {
        let folder = std::sync::Arc::new(folder);
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let folder = std::sync::Arc::clone(&folder);
                rt::spawn(async move {
                    for number in 0..20 {
                        let (path, contents) = (folder.path(format!("{task}-{number}")), format!("{task} {number}"));
                        fs::write(&path, &contents).await.unwrap();
                        assert_eq!(fs::read_to_string(&path).await.unwrap(), contents);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let open = (0..500).map(|number| File::create(folder.path(format!("open-{number}"))));
        let files: Vec<File> = futures_util::future::try_join_all(open).await.unwrap();
        assert_eq!(files.len(), 500);
    });
}

//! Directories.

use super::*;
use std::collections::BTreeSet;

#[test]
fn directories_are_made_and_removed() {
    on_each_flavor(async |folder| {
        fs::create_dir(folder.path("a")).await.unwrap();
        fs::create_dir_all(folder.path("a/b/c")).await.unwrap();
        fs::create_dir_all(folder.path("a/b/c")).await.unwrap();
        assert_eq!(fs::remove_dir(folder.path("a")).await.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir(folder.path("a/b/c")).await.unwrap();
        fs::remove_dir_all(folder.path("a")).await.unwrap();
        assert!(!fs::try_exists(folder.path("a")).await.unwrap());
    });
}

#[test]
fn a_builder_makes_directories_with_its_mode() {
    on_each_flavor(async |folder| {
        let path = folder.path("a/b");
        let once = DirBuilder::new();
        assert_eq!(once.create(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(once.create(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        DirBuilder::new().recursive(true).create(&path).await.unwrap();
    });
}

#[test]
fn each_entry_of_a_large_directory_is_listed_once() {
    on_each_flavor(async |folder| {
        let names: BTreeSet<_> = (0..1000).map(|number| format!("file {number}")).collect();
        names.iter().for_each(|name| drop(folder.file(name, "")));
        let mut found = BTreeSet::new();
        let mut entries = fs::read_dir(&folder.0).await.unwrap();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            assert!(found.insert(entry.file_name().into_string().unwrap()));
        }
        assert_eq!(found, names);
        assert!(entries.next_entry().await.unwrap().is_none(), "the end stays the end");
    });
}

#[test]
fn an_entry_is_lost_to_nobody_whose_future_was_dropped() {
    on_each_flavor(async |folder| {
        for number in 0..600 {
            folder.file(&number.to_string(), "");
        }
        let mut entries = fs::read_dir(&folder.0).await.unwrap();
        let mut count = 0;
        loop {
            match once(entries.next_entry()) {
                Poll::Ready(entry) if entry.as_ref().unwrap().is_none() => break,
                Poll::Ready(_) => count += 1,
                Poll::Pending => rt::task::yield_now().await,
            }
        }
        assert_eq!(count, 600);
    });
}

#[test]
fn an_entry_tells_what_it_is() {
    on_each_flavor(async |folder| {
        let file = folder.file("file", "contents");
        std::fs::create_dir(folder.path("folder")).unwrap();
        std::os::unix::fs::symlink("file", folder.path("link")).unwrap();
        let mut entries = fs::read_dir(&folder.0).await.unwrap();
        let mut kinds = BTreeSet::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let (kind, metadata) = (entry.file_type().await.unwrap(), entry.metadata().await.unwrap());
            assert_eq!(kind, metadata.file_type());
            assert_eq!(entry.ino(), metadata.ino());
            if entry.path() == file {
                assert_eq!(metadata.len(), 8);
            }
            kinds.insert((entry.file_name(), kind.is_dir(), kind.is_symlink()));
        }
        let expected = [("file", false, false), ("folder", true, false), ("link", false, true)];
        assert_eq!(kinds, expected.map(|(name, dir, link)| (name.into(), dir, link)).into());
    });
}

#[test]
fn a_directory_that_is_none_cannot_be_listed() {
    on_each_flavor(async |folder| {
        let file = folder.file("file", "");
        assert_eq!(fs::read_dir(file).await.unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(folder.path("missing")).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_listing_whose_runtime_has_gone_says_so() {
    within(SOON, || {
        let folder = Folder::new();
        for number in 0..600 {
            folder.file(&number.to_string(), "");
        }
        let first = multi(1);
        let mut entries = first.block_on(fs::read_dir(&folder.0)).unwrap();
        let handle = first.handle().clone();
        drop(first);
        let error = handle.block_on(async {
            loop {
                match entries.next_entry().await {
                    Ok(entry) => assert!(entry.is_some(), "there are more"),
                    Err(error) => break error,
                }
            }
        });
        assert!(error.to_string().contains("the runtime has shut down"), "{error}");
        assert!(handle.block_on(entries.next_entry()).is_err(), "it does not pretend to have come to the end");
    });
}

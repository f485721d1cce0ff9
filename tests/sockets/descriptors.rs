//! `AsyncFd`, and urgent data.

use super::*;

#[test]
fn a_descriptor_is_waited_for_and_its_readiness_cleared_by_a_guard() {
    on_each_flavor(async || {
        let (one, mut other) = std_pair();
        let mut one = AsyncFd::new(one).unwrap();
        assert!(one.readable().now_or_never().is_none());
        other.write_all(b"abc").unwrap();
        let mut guard = one.readable().await.unwrap();
        assert!(guard.ready().is_readable());
        let mut buffer = [0; 8];
        assert_eq!(guard.try_io(|fd| fd.get_ref().read(&mut buffer)).unwrap().unwrap(), 3);
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut buffer)).is_err());
        assert_eq!(guard.ready(), Ready::EMPTY);
        assert!(one.readable().now_or_never().is_none());

        other.write_all(b"d").unwrap();
        let mut guard = one.readable_mut().await.unwrap();
        guard.retain_ready();
        assert_eq!(guard.try_io(|fd| fd.get_mut().read(&mut buffer)).unwrap().unwrap(), 1);
        guard.clear_ready_matching(Ready::READABLE);
        assert!(one.readable().now_or_never().is_none());
        one.async_io_mut(Interest::WRITABLE, |stream| stream.write(b"e")).await.unwrap();
        assert_eq!(other.read(&mut buffer).unwrap(), 1);
        one.into_inner().write_all(b"f").unwrap();
    });
}

#[test]
fn an_event_that_came_after_the_guard_is_not_cleared() {
    on_each_flavor(async || {
        let (one, mut other) = std_pair();
        let one = AsyncFd::new(one).unwrap();
        other.write_all(b"a").unwrap();
        let mut guard = one.readable().await.unwrap();
        assert_eq!(one.get_ref().read(&mut [0; 8]).unwrap(), 1);
        other.write_all(b"b").unwrap();
        // The reactor has to have seen it: another wait does, by another descriptor that becomes ready later.
        let (mut later, other_end) = UnixStream::pair().unwrap();
        later.write_all(b"x").await.unwrap();
        other_end.readable().await.unwrap();
        guard.clear_ready();
        timeout(SOON, one.readable()).await.unwrap().unwrap().retain_ready();
    });
}

#[test]
fn the_end_of_the_other_side_stays_whatever_is_cleared() {
    on_each_flavor(async || {
        let (one, other) = std_pair();
        let one = AsyncFd::with_interest(one, Interest::READABLE).unwrap();
        drop(other);
        let mut guard = one.readable().await.unwrap();
        assert!(guard.ready().is_read_closed());
        guard.clear_ready();
        one.readable().await.unwrap().retain_ready();
    });
}

#[test]
fn a_file_cannot_be_waited_for_and_is_given_back() {
    on_each_flavor(async || {
        let folder = Folder::new("file");
        let file = std::fs::File::create(folder.path("file")).unwrap();
        let (mut file, error) = AsyncFd::try_new(file).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        file.write_all(b"still open").unwrap();
    });
}

#[test]
fn a_descriptor_registered_twice_is_an_error_and_the_first_goes_on() {
    on_each_flavor(async || {
        let (one, mut other) = std_pair();
        let one = Arc::new(one);
        let first = AsyncFd::new(one.clone()).unwrap();
        assert_eq!(AsyncFd::new(one).unwrap_err().kind(), ErrorKind::AlreadyExists);
        other.write_all(b"x").unwrap();
        timeout(SOON, first.readable()).await.unwrap().unwrap().retain_ready();
    });
}

#[test]
fn urgent_data_is_waited_for_as_priority_and_hides_nothing() {
    on_each_flavor(async || {
        let (mut one, other) = connected().await;
        assert!(one.ready(Interest::PRIORITY).now_or_never().is_none());
        socket2::SockRef::from(&other).send(b"before").unwrap();
        socket2::SockRef::from(&other).send_out_of_band(b"!").unwrap();
        socket2::SockRef::from(&other).send(b"after").unwrap();
        assert!(timeout(SOON, one.ready(Interest::PRIORITY)).await.unwrap().unwrap().is_priority());
        let mut text = [0; 11];
        timeout(SOON, one.read_exact(&mut text)).await.unwrap().unwrap();
        assert_eq!(&text, b"beforeafter");
        other.try_write(b"more").unwrap();
        let mut text = [0; 4];
        timeout(SOON, one.read_exact(&mut text)).await.unwrap().unwrap();
    });
}

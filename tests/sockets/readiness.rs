//! Waiting for readiness, and trying.

use super::*;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

#[test]
fn ready_tells_for_what_a_socket_is_ready() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let ready = one.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert_eq!(ready, Ready::WRITABLE);
        assert!(one.ready(Interest::READABLE).now_or_never().is_none());
        other.write_all(b"x").await.unwrap();
        assert_eq!(one.ready(Interest::READABLE).await.unwrap(), Ready::READABLE);
        drop(other);
        while !one.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn any_number_of_tasks_wait_for_one_socket() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let one = Arc::new(one);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let one = one.clone();
                rt::spawn(async move { one.readable().await })
            })
            .collect();
        rt::task::yield_now().await;
        other.write_all(b"x").await.unwrap();
        assert!(join_all(waiting).await.into_iter().all(|done| done.unwrap().is_ok()));
    });
}

#[test]
fn a_try_that_would_block_clears_the_readiness_and_the_next_event_brings_it_back() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        for round in 0..3 {
            assert_eq!(one.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            other.write_all(&[round; 3]).await.unwrap();
            one.readable().await.unwrap();
            let mut buffer = [0; 8];
            assert_eq!(one.try_read(&mut buffer).unwrap(), 3);
            assert_eq!(buffer[..3], [round; 3]);
        }
    });
}

/// Whether a poller of this process knows a descriptor.
#[cfg(target_os = "linux")]
fn is_in_a_poller(descriptor: &impl AsRawFd) -> bool {
    let wanted = descriptor.as_raw_fd().to_string();
    let is_wanted =
        |line: &str| line.strip_prefix("tfd:").and_then(|rest| rest.split_whitespace().next()) == Some(&wanted);
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    // Others close theirs meanwhile.
    infos.filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok()).any(|info| info.lines().any(is_wanted))
}

#[test]
#[cfg(target_os = "linux")]
fn an_accepted_connection_enters_the_poller_when_somebody_waits_for_it() {
    on_each_flavor(async || {
        let (mut client, mut server) = connected().await;
        assert!(is_in_a_poller(&client));
        client.write_all(b"question").await.unwrap();
        let mut buffer = [0; 100];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 8);
        server.write_all(b"answer").await.unwrap();
        assert!(!is_in_a_poller(&server));
        let mut reading = pin!(server.read(&mut buffer));
        assert!(reading.as_mut().now_or_never().is_none());
        client.write_all(b"more").await.unwrap();
        assert_eq!(reading.await.unwrap(), 4);
        assert!(is_in_a_poller(&server));
        let server = server.into_std().unwrap();
        assert!(!is_in_a_poller(&server));
    });
}

#[test]
fn an_accepted_connection_that_was_tried_too_early_is_told_of_what_comes() {
    on_each_flavor(async || {
        let (mut client, server) = connected().await;
        assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"x").await.unwrap();
        // No task waits: the event alone makes the next try go through.
        let read = async {
            while server.try_read(&mut [0; 8]).is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, read).await.unwrap();
    });
}

#[test]
fn both_halves_of_an_accepted_connection_may_begin_to_wait_at_once() {
    on_each_flavor(async || {
        for _ in 0..20 {
            let (mut client, server) = connected().await;
            fill(&server).await;
            let (mut reading, mut writing) = server.into_split();
            let reading = rt::spawn(async move { reading.read(&mut [0; 8]).await });
            let writing = rt::spawn(async move { writing.write_all(b"last").await });
            client.write_all(b"x").await.unwrap();
            assert_eq!(reading.await.unwrap().unwrap(), 1);
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            writing.await.unwrap().unwrap();
            assert!(all.ends_with(b"last"));
        }
    });
}

#[test]
fn an_operation_of_ones_own_waits_for_readiness() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let read = |buffer: &mut [u8]| Ok(rustix::io::read(&one, buffer)?);
        let mut buffer = [0; 8];
        let refused = one.try_io(Interest::READABLE, || read(&mut buffer)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        let mut reading = pin!(one.async_io(Interest::READABLE, || read(&mut buffer)));
        assert!(reading.as_mut().now_or_never().is_none());
        other.write_all(b"abc").await.unwrap();
        assert_eq!(reading.await.unwrap(), 3);
    });
}

#[test]
fn an_interest_is_a_set() {
    let both = Interest::READABLE | Interest::WRITABLE;
    assert!(both.is_readable() && both.is_writable() && !both.is_error() && !both.is_priority());
    assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
    assert_eq!(Interest::READABLE.remove(both), None);
    assert_eq!(Interest::READABLE.add(Interest::PRIORITY).remove(Interest::READABLE), Some(Interest::PRIORITY));
    assert_eq!(format!("{:?}", both | Interest::ERROR), "READABLE | WRITABLE | ERROR");
}

#[test]
fn readiness_is_a_set() {
    let ready = Ready::READABLE | Ready::WRITE_CLOSED;
    assert!(ready.is_readable() && ready.is_writable() && ready.is_write_closed() && !ready.is_read_closed());
    assert_eq!(ready - Ready::READABLE, Ready::WRITE_CLOSED);
    assert_eq!(ready & Ready::READABLE, Ready::READABLE);
    assert!((ready - Ready::ALL).is_empty());
    assert_eq!(format!("{ready:?} {:?}", Ready::EMPTY), "READABLE | WRITE_CLOSED EMPTY");
}

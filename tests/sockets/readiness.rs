//! Waiting for readiness, and trying.

use super::*;

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

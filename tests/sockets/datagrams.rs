//! UDP, and what all sockets share with the standard library's.

use super::*;

async fn two_udp_sockets() -> (UdpSocket, UdpSocket) {
    (UdpSocket::bind(LOCALHOST).await.unwrap(), UdpSocket::bind(LOCALHOST).await.unwrap())
}

#[test]
fn datagrams_go_to_an_address_and_tell_where_they_come_from() {
    on_each_flavor(async || {
        let (one, two) = two_udp_sockets().await;
        let (from, to) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        assert_eq!(one.send_to(b"first", to).await.unwrap(), 5);
        let mut buffer = [0; 16];
        assert_eq!(two.peek_from(&mut buffer).await.unwrap(), (5, from));
        assert_eq!(two.peek_sender().await.unwrap(), from);
        assert_eq!(two.try_peek_sender().unwrap(), from);
        assert_eq!(two.recv_from(&mut buffer).await.unwrap(), (5, from));
        assert_eq!(two.try_recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);

        assert_eq!(one.try_send_to(b"second", to).unwrap(), 6);
        let mut grown = Vec::with_capacity(16);
        assert_eq!(two.recv_buf_from(&mut grown).await.unwrap(), (6, from));
        assert_eq!(grown, b"second");

        one.send_to(b"third", ("127.0.0.1", to.port())).await.unwrap();
        two.readable().await.unwrap();
        let mut read = ReadBuf::new(&mut buffer);
        assert!(matches!(two.poll_peek_from(&mut noop(), &mut read), Poll::Ready(Ok(sender)) if sender == from));
        read.clear();
        assert!(matches!(two.poll_recv_from(&mut noop(), &mut read), Poll::Ready(Ok(sender)) if sender == from));
        assert_eq!(read.filled(), b"third");
    });
}

#[test]
fn a_connected_socket_needs_no_address() {
    on_each_flavor(async || {
        let (one, two) = two_udp_sockets().await;
        one.connect(two.local_addr().unwrap()).await.unwrap();
        two.connect(one.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.peer_addr().unwrap(), two.local_addr().unwrap());
        one.send(b"abc").await.unwrap();
        let mut buffer = [0; 2];
        assert_eq!(two.peek(&mut buffer).await.unwrap(), 2);
        assert_eq!(two.recv(&mut buffer).await.unwrap(), 2, "what does not fit is lost");
        assert_eq!(two.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"de").unwrap(), 2);
        let mut grown = bytes::BytesMut::with_capacity(16);
        assert_eq!(two.recv_buf(&mut grown).await.unwrap(), 2);
        let sent = one.poll_send(&mut noop(), b"");
        assert!(matches!(sent, Poll::Ready(Ok(0))), "an empty datagram is one, too: {sent:?}");
        assert_eq!(two.recv(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn several_tasks_receive_from_one_socket_and_each_datagram_once() {
    on_each_flavor(async || {
        let (one, two) = two_udp_sockets().await;
        let two = Arc::new(two);
        let to = two.local_addr().unwrap();
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let two = two.clone();
                rt::spawn(async move {
                    let mut received = Vec::new();
                    let mut buffer = [0; 8];
                    loop {
                        match two.recv(&mut buffer).await.unwrap() {
                            0 => return received,
                            _ => received.push(buffer[0]),
                        }
                    }
                })
            })
            .collect();
        for number in 0..100 {
            one.send_to(&[number], to).await.unwrap();
        }
        for _ in 0..4 {
            one.send_to(&[], to).await.unwrap();
        }
        let mut all: Vec<u8> = join_all(receivers).await.into_iter().flat_map(Result::unwrap).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn multicast_reaches_those_who_joined() {
    on_each_flavor(async || {
        let group = Ipv4Addr::new(239, 255, 77, 1);
        let receiver = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        receiver.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        let sender = UdpSocket::bind(LOCALHOST).await.unwrap();
        socket2::SockRef::from(&sender).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        sender.set_multicast_loop_v4(true).unwrap();
        sender.set_multicast_ttl_v4(1).unwrap();
        assert!(sender.multicast_loop_v4().unwrap() && sender.multicast_ttl_v4().unwrap() == 1);
        sender.send_to(b"all", (group, receiver.local_addr().unwrap().port())).await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 3);
        receiver.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
    });
}

#[test]
fn a_datagram_to_nobody_is_an_error_of_the_next_call_and_passes() {
    on_each_flavor(async || {
        let (one, two) = two_udp_sockets().await;
        one.connect(two.local_addr().unwrap()).await.unwrap();
        let address = two.local_addr().unwrap();
        drop(two);
        one.send(b"x").await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let two = UdpSocket::bind(address).await.unwrap();
        two.connect(one.local_addr().unwrap()).await.unwrap();
        two.send(b"y").await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn sockets_go_to_the_standard_library_and_come_back() {
    on_each_flavor(async || {
        let udp = UdpSocket::bind(LOCALHOST).await.unwrap();
        let address = udp.local_addr().unwrap();
        let udp = UdpSocket::from_std(udp.into_std().unwrap()).unwrap();
        udp.send_to(b"self", address).await.unwrap();
        assert_eq!(udp.recv(&mut [0; 8]).await.unwrap(), 4);

        let (one, two) = UnixStream::pair().unwrap();
        let mut one = UnixStream::from_std(one.into_std().unwrap()).unwrap();
        let mut two = UnixStream::try_from(two.into_std().unwrap()).unwrap();
        one.write_all(b"x").await.unwrap();
        assert_eq!(two.read(&mut [0; 8]).await.unwrap(), 1);

        let (one, two) = UnixDatagram::pair().unwrap();
        let one = UnixDatagram::from_std(one.into_std().unwrap()).unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(two.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

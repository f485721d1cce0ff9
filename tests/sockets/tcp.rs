//! What a TCP connection offers beyond reading and writing, and sockets before they are one.

use super::*;

#[test]
fn several_buffers_are_read_and_written_at_once() {
    on_each_flavor(async || {
        let (one, other) = connected().await;
        one.writable().await.unwrap();
        assert_eq!(one.try_write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]).unwrap(), 5);
        other.readable().await.unwrap();
        let (mut first, mut second) = ([0; 3], [0; 4]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(other.try_read_vectored(&mut buffers).unwrap(), 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
    });
}

#[test]
fn a_buffer_that_grows_is_read_into_without_being_initialised() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let mut buffer = Vec::with_capacity(8);
        assert_eq!(one.try_read_buf(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        other.write_all(b"hello, world").await.unwrap();
        one.readable().await.unwrap();
        assert_eq!(one.try_read_buf(&mut buffer).unwrap(), 8);
        assert_eq!(buffer, b"hello, w");
        let mut rest = bytes::BytesMut::with_capacity(64);
        one.readable().await.unwrap();
        assert_eq!(one.try_read_buf(&mut rest).unwrap(), 4);
        assert_eq!(&rest[..], b"orld");
    });
}

#[test]
fn what_was_peeked_at_is_read_again() {
    on_each_flavor(async || {
        let (mut one, mut other) = connected().await;
        other.write_all(b"abc").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(one.peek(&mut buffer).await.unwrap(), 3);
        let mut peeked = ReadBuf::new(&mut buffer);
        assert!(matches!(one.poll_peek(&mut noop(), &mut peeked), Poll::Ready(Ok(3))));
        assert_eq!(peeked.filled(), b"abc");
        assert_eq!(one.split().0.peek(&mut buffer).await.unwrap(), 3);
        assert_eq!(one.read(&mut buffer).await.unwrap(), 3);
    });
}

#[test]
fn borrowed_halves_read_and_write_at_once() {
    on_each_flavor(async || {
        let (mut one, mut other) = connected().await;
        let echo = rt::spawn(async move {
            let (mut reader, mut writer) = other.split();
            rt::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let (mut reader, mut writer) = one.split();
        let mut answer = Vec::new();
        let write = async {
            writer.write_all(&[5; 300_000]).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        join(write, async { reader.read_to_end(&mut answer).await.unwrap() }).await;
        assert!(answer.len() == 300_000 && answer.iter().all(|byte| *byte == 5));
        echo.await.unwrap();
    });
}

#[test]
fn owned_halves_go_to_two_tasks_and_come_together_again() {
    on_each_flavor(async || {
        let (one, other) = connected().await;
        let address = one.local_addr().unwrap();
        let (reader, writer) = one.into_split();
        let (mut other_reader, other_writer) = other.into_split();
        let writing = rt::spawn(async move {
            let mut writer = writer;
            writer.write_all(b"abc").await.unwrap();
            writer
        });
        let mut buffer = [0; 3];
        other_reader.read_exact(&mut buffer).await.unwrap();
        let writer = writing.await.unwrap();
        let error = other_reader.reunite(writer).unwrap_err();
        assert_eq!(error.to_string(), "these two halves are not of one stream");
        let rt::net::tcp::ReuniteError(other_reader, writer) = error;
        assert_eq!(writer.reunite(reader).unwrap().local_addr().unwrap(), address);
        assert!(other_reader.reunite(other_writer).is_ok());
    });
}

#[test]
fn the_other_end_reads_the_end_when_the_writing_half_is_dropped_unless_it_forgot() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let (mut reader, writer) = one.into_split();
        drop(writer);
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
        other.write_all(b"still").await.unwrap();
        let mut buffer = [0; 5];
        reader.read_exact(&mut buffer).await.unwrap();

        let (one, mut other) = connected().await;
        let (reader, writer) = one.into_split();
        writer.forget();
        assert!(timeout(Duration::from_millis(20), other.read(&mut [0; 8])).await.is_err());
        drop(reader);
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_socket_has_its_options_before_it_listens_or_connects() {
    on_each_flavor(async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.set_reuseport(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_recv_buffer_size(40_000).unwrap();
        socket.set_send_buffer_size(40_000).unwrap();
        socket.set_tos_v4(16).unwrap();
        assert!(socket.reuseaddr().unwrap() && socket.reuseport().unwrap() && socket.keepalive().unwrap());
        assert!(socket.recv_buffer_size().unwrap() >= 40_000 && socket.send_buffer_size().unwrap() >= 40_000);
        assert_eq!((socket.tos_v4().unwrap(), socket.device().unwrap()), (16, None));
        socket.bind(LOCALHOST).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap();

        let client = TcpSocket::new_v4().unwrap();
        client.bind(LOCALHOST).unwrap();
        let own = client.local_addr().unwrap();
        let (client, accepted) = join(client.connect(address), listener.accept()).await;
        let client = client.unwrap();
        assert_eq!(accepted.unwrap().1, own);
        client.set_nodelay(true).unwrap();
        client.set_quickack(true).unwrap();
        client.set_zero_linger().unwrap();
        client.set_ttl(40).unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!((client.linger().unwrap(), client.ttl().unwrap()), (Some(Duration::ZERO), 40));
    });
}

#[test]
fn a_socket_of_ipv6_connects() {
    on_each_flavor(async || {
        let socket = TcpSocket::new_v6().unwrap();
        // Machines without IPv6 say so here.
        if socket.bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).is_err() {
            return;
        }
        let listener = socket.listen(4).unwrap();
        let connect = TcpSocket::new_v6().unwrap().connect(listener.local_addr().unwrap());
        let (client, accepted) = join(connect, listener.accept()).await;
        assert!(client.is_ok() && accepted.is_ok());
    });
}

#[test]
fn two_sockets_share_a_port() {
    on_each_flavor(async || {
        let listen = |address| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseport(true).unwrap();
            socket.bind(address).unwrap();
            socket.listen(16).unwrap()
        };
        let one = listen(LOCALHOST);
        let two = listen(one.local_addr().unwrap());
        let client = rt::spawn(TcpStream::connect(two.local_addr().unwrap()));
        select(pin!(one.accept()), pin!(two.accept())).await.factor_first().0.unwrap();
        client.await.unwrap().unwrap();
    });
}

#[test]
fn streams_speak_futures_io() {
    on_each_flavor(async || {
        use futures_io::{AsyncRead, AsyncWrite};
        use std::future::poll_fn;
        let (mut one, mut other) = connected().await;
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        let written = poll_fn(|cx| AsyncWrite::poll_write_vectored(pin!(&mut one), cx, &slices)).await;
        assert_eq!(written.unwrap(), 3);
        poll_fn(|cx| AsyncWrite::poll_close(pin!(&mut one), cx)).await.unwrap();
        let mut buffer = [0; 2];
        assert_eq!(poll_fn(|cx| AsyncRead::poll_read(pin!(&mut other), cx, &mut buffer)).await.unwrap(), 2);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let read = poll_fn(|cx| AsyncRead::poll_read_vectored(pin!(&mut other), cx, &mut slices)).await;
        assert_eq!(read.unwrap(), 1);
        assert_eq!(poll_fn(|cx| AsyncRead::poll_read(pin!(&mut other), cx, &mut buffer)).await.unwrap(), 0);
    });
}

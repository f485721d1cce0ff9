//! What sockets, pipes and descriptors offer beyond reading and writing: readiness, halves, datagrams, Unix sockets, other
//! traits, and what happens in bad weather.

#[path = "support/streams.rs"]
mod streams;
mod support;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all, select};
use rt::io::unix::AsyncFd;
use rt::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf, Ready};
use rt::net::unix::{self, pipe};
use rt::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream};
use rt::runtime::Runtime;
use rt::time::{sleep, timeout};
use support::{SOON, current, eventually, multi, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(|runtime: &Runtime| runtime.block_on(test())));
}

const LOCALHOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Both ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let (client, server) = join(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
    (client.unwrap(), server.unwrap().0)
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("rt-{name}-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Writes until nothing more fits.
async fn fill(stream: &TcpStream) -> usize {
    let mut written = 0;
    loop {
        match stream.try_write(&[7; 65536]) {
            Ok(count) => written += count,
            // The kernel moves what was written to the other end, and then there is room again.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if timeout(Duration::from_millis(50), stream.writable()).await.is_err() {
                    return written;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

// Readiness.

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

// Streams.

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

// Datagrams.

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

// Unix sockets and pipes.

#[test]
fn unix_sockets_connect_by_path_and_know_who_is_there() {
    on_each_flavor(async || {
        let folder = Folder::new("path");
        let path = folder.path("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        let (client, accepted) = join(UnixStream::connect(&path), listener.accept()).await;
        let (mut client, (mut server, peer)) = (client.unwrap(), accepted.unwrap());
        assert!(peer.is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
        let credentials = client.peer_cred().unwrap();
        assert_eq!(credentials.pid(), Some(std::process::id() as unix::pid_t));
        assert_eq!(credentials.uid(), rustix::process::getuid().as_raw());
        assert_eq!(credentials.gid(), rustix::process::getgid().as_raw());
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        let (reader, writer) = client.into_split();
        assert!(reader.reunite(writer).is_ok());
    });
}

#[test]
fn unix_sockets_have_abstract_names() {
    on_each_flavor(async || {
        let name = format!("\0rt-test-{}-{:?}", std::process::id(), std::thread::current().id());
        let listener = UnixListener::bind(&name).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(&name.as_bytes()[1..]));
        let (client, accepted) = join(UnixStream::connect_addr(&address), listener.accept()).await;
        assert!(client.is_ok() && accepted.is_ok());
        assert!(join(UnixStream::connect(&name), listener.accept()).await.0.is_ok());
    });
}

#[test]
fn unix_datagrams_have_paths_or_no_address() {
    on_each_flavor(async || {
        let folder = Folder::new("datagram");
        let server = UnixDatagram::bind(folder.path("server")).unwrap();
        let client = UnixDatagram::bind(folder.path("client")).unwrap();
        let nobody = UnixDatagram::unbound().unwrap();
        client.send_to(b"abc", folder.path("server")).await.unwrap();
        let mut buffer = [0; 8];
        let (length, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((length, sender.as_pathname()), (3, Some(folder.path("client").as_path())));

        nobody.connect(folder.path("server")).unwrap();
        nobody.send(b"de").await.unwrap();
        let mut grown = Vec::with_capacity(8);
        let (length, sender) = server.recv_buf_from(&mut grown).await.unwrap();
        assert!(length == 2 && sender.is_unnamed());

        client.send_to(b"fgh", folder.path("server")).await.unwrap();
        server.readable().await.unwrap();
        grown.clear();
        let (length, sender) = server.try_recv_buf_from(&mut grown).unwrap();
        assert_eq!((length, sender.as_pathname()), (3, Some(folder.path("client").as_path())));
        nobody.shutdown(Shutdown::Both).unwrap();
        assert_eq!(nobody.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_full_queue_of_datagrams_makes_the_sender_wait() {
    on_each_flavor(async || {
        let (one, two) = UnixDatagram::pair().unwrap();
        let mut sent = 0;
        while one.try_send(&[0; 1000]).is_ok() {
            sent += 1;
        }
        let mut sending = pin!(one.send(&[1; 1000]));
        assert!(sending.as_mut().now_or_never().is_none());
        let mut buffer = [0; 1000];
        for _ in 0..sent {
            assert_eq!(two.recv(&mut buffer).await.unwrap(), 1000);
        }
        assert_eq!(sending.await.unwrap(), 1000);
    });
}

#[test]
fn a_unix_socket_is_bound_before_it_is_used() {
    on_each_flavor(async || {
        let folder = Folder::new("socket");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(folder.path("server")).unwrap();
        let listener = socket.listen(4).unwrap();
        let client = UnixSocket::new_stream().unwrap();
        client.bind(folder.path("client")).unwrap();
        let (client, accepted) = join(client.connect(folder.path("server")), listener.accept()).await;
        client.unwrap();
        assert_eq!(accepted.unwrap().1.as_pathname(), Some(folder.path("client").as_path()));

        let datagrams = UnixSocket::new_datagram().unwrap();
        datagrams.bind(folder.path("datagrams")).unwrap();
        assert!(datagrams.datagram().is_ok());
        let wrong = UnixSocket::new_datagram().unwrap().listen(1).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixSocket::new_stream().unwrap().datagram().unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_pipe_carries_bytes_and_its_end() {
    on_each_flavor(async || {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let writing = rt::spawn(async move {
            sender.write_all(&[3; 200_000]).await.unwrap();
        });
        let mut all = Vec::new();
        receiver.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 200_000);
        writing.await.unwrap();

        let (mut sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        assert_eq!(sender.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_pipe_with_a_name_is_opened_at_both_ends() {
    on_each_flavor(async || {
        let folder = Folder::new("fifo");
        let path = folder.path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let nobody = pipe::OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()));
        let mut receiver = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        let mut sender = pipe::OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"abc").await.unwrap();
        let mut buffer = [0; 3];
        receiver.read_exact(&mut buffer).await.unwrap();
        drop(sender);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0, "nobody sends any more");

        let mut both = pipe::OpenOptions::new().read_write(true).open_receiver(&path).unwrap();
        assert!(both.read(&mut buffer).now_or_never().is_none(), "it counts as a sender itself");

        std::fs::write(folder.path("file"), b"x").unwrap();
        let wrong = pipe::OpenOptions::new().open_receiver(folder.path("file")).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_pipe_of_somebody_elses_is_taken_over_and_given_back() {
    on_each_flavor(async || {
        let (reader, writer) = std::io::pipe().unwrap();
        let wrong = pipe::Sender::from_owned_fd(reader.try_clone().unwrap().into()).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        let mut receiver = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut sender = pipe::Sender::from_owned_fd(writer.into()).unwrap();
        sender.write_all(b"ab").await.unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 2);
        let mut blocking = std::fs::File::from(sender.into_blocking_fd().unwrap());
        blocking.write_all(b"c").unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 1);
        let reading = std::fs::File::from(receiver.into_nonblocking_fd().unwrap());
        assert_eq!((&reading).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

// Any descriptor.

fn std_pair() -> (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream) {
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    (one, other)
}

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

// Other traits.

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

// Bad weather.

#[test]
fn data_that_arrives_together_with_the_end_is_read_to_the_end() {
    on_each_flavor(async || {
        for _ in 0..200 {
            let (one, mut other) = connected().await;
            let waiting = rt::spawn(async move {
                let mut one = one;
                let mut all = Vec::new();
                // Small reads: the last of them comes out short.
                let mut buffer = [0; 7];
                loop {
                    match one.read(&mut buffer).await.unwrap() {
                        0 => return all,
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
            });
            other.write_all(&[1; 100]).await.unwrap();
            drop(other);
            assert_eq!(timeout(SOON, waiting).await.unwrap().unwrap().len(), 100);
        }
    });
}

/// The same model is fuzzed; here are a few hundred scripts that are always the same.
#[test]
fn any_operations_at_both_ends_do_what_a_queue_of_bytes_does() {
    on_each_flavor(async || {
        let mut random = 7_u64;
        for _ in 0..300 {
            let script: Vec<u8> = (0..200)
                .map(|_| {
                    // Knuth's generator of the MMIX computer.
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (random >> 40) as u8
                })
                .collect();
            streams::run(&script).await;
        }
    });
}

#[test]
fn a_reset_ends_a_read_and_a_write_that_wait() {
    on_each_flavor(async || {
        let (one, other) = connected().await;
        fill(&one).await;
        let (mut reader, mut writer) = one.into_split();
        let reading = rt::spawn(async move { reader.read(&mut [0; 8]).await });
        let writing = rt::spawn(async move { writer.write_all(&[0; 1000]).await });
        rt::task::yield_now().await;
        other.set_zero_linger().unwrap();
        drop(other);
        let read = timeout(SOON, reading).await.unwrap().unwrap();
        let write = timeout(SOON, writing).await.unwrap().unwrap().unwrap_err();
        // The system tells each of its errors once: whoever asks second reads the end, or writes to nobody.
        match read {
            Ok(count) => assert_eq!((count, write.kind()), (0, ErrorKind::ConnectionReset)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert!(matches!(write.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{write}");
            }
        }
    });
}

#[test]
fn after_half_a_close_the_other_half_goes_on() {
    on_each_flavor(async || {
        let (mut one, mut other) = connected().await;
        one.shutdown().await.unwrap();
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let big = vec![9; 500_000];
        let sending = rt::spawn(async move { other.write_all(&big).await });
        let mut all = Vec::new();
        one.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 500_000);
        sending.await.unwrap().unwrap();
    });
}

#[test]
fn a_full_buffer_makes_the_writer_wait_for_a_slow_reader() {
    on_each_flavor(async || {
        let (one, mut other) = connected().await;
        let written = fill(&one).await;
        let mut buffer = vec![0; 65536];
        let mut read = 0;
        while read < written {
            read += other.read(&mut buffer).await.unwrap();
        }
        timeout(SOON, one.writable()).await.unwrap().unwrap();
        assert!(one.try_write(b"x").is_ok());
    });
}

#[test]
fn writing_nothing_is_done_at_once() {
    on_each_flavor(async || {
        let (mut one, _other) = connected().await;
        assert_eq!(one.write(b"").await.unwrap(), 0);
        assert_eq!(one.try_write(b"").unwrap(), 0);
        assert_eq!(one.read(&mut []).now_or_never().map(Result::unwrap).unwrap_or(0), 0);
        fill(&one).await;
        one.write_all(b"").await.unwrap();
    });
}

#[test]
fn reads_and_writes_that_are_cancelled_lose_and_repeat_nothing() {
    on_each_flavor(async || {
        let (mut one, mut other) = connected().await;
        const LENGTH: usize = 2_000_000;
        let byte = |index: usize| (index % 251) as u8;
        let writing = rt::spawn(async move {
            let data: Vec<u8> = (0..LENGTH).map(byte).collect();
            let mut sent = 0;
            let mut turn = 0_u64;
            while sent < LENGTH {
                turn += 1;
                let length = (LENGTH - sent).min(60_000);
                let write = one.write(&data[sent..sent + length]);
                match timeout(Duration::from_micros(turn % 7 * 20), write).await {
                    Ok(count) => sent += count.unwrap(),
                    Err(_) => rt::task::yield_now().await,
                }
            }
        });
        let mut received = 0;
        let mut buffer = vec![0; 50_000];
        let mut turn = 0_u64;
        loop {
            turn += 1;
            let length = 1 + turn as usize * 7919 % buffer.len();
            let Ok(count) = timeout(Duration::from_micros(turn % 5 * 20), other.read(&mut buffer[..length])).await
            else {
                continue;
            };
            let count = count.unwrap();
            if count == 0 {
                break;
            }
            for (offset, found) in buffer[..count].iter().enumerate() {
                assert_eq!(*found, byte(received + offset), "at {}", received + offset);
            }
            received += count;
        }
        assert_eq!(received, LENGTH);
        writing.await.unwrap();
    });
}

#[test]
fn a_listener_that_is_dropped_while_tasks_wait_for_it_closes() {
    on_each_flavor(async || {
        let listener = TcpListener::bind(LOCALHOST).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = rt::spawn(async move { listener.accept().await.map(drop) });
        rt::task::yield_now().await;
        accepting.abort();
        assert!(accepting.await.unwrap_err().is_cancelled());
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn an_address_that_does_not_work_is_named_in_the_error() {
    on_each_flavor(async || {
        let listener = TcpListener::bind(LOCALHOST).await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("cannot listen at {address}: ")), "{error}");
        drop(listener);
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
        let cause = std::error::Error::source(&error).and_then(|inner| inner.downcast_ref::<std::io::Error>());
        let code = cause.and_then(std::io::Error::raw_os_error);
        assert_eq!(code, Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
        let error = UnixStream::connect("/nowhere/at-all").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot connect to \"/nowhere/at-all\": "), "{error}");
        let error = TcpStream::connect("no-such-host.invalid:80").await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    });
}

#[test]
fn a_socket_moves_between_threads_while_it_waits() {
    within(SOON, || {
        let runtime = multi(2);
        runtime.block_on(async {
            let (one, mut other) = connected().await;
            let one = Arc::new(one);
            for round in 0..500_u32 {
                let waiting = one.clone();
                let task = rt::spawn(async move {
                    loop {
                        waiting.readable().await.unwrap();
                        let mut buffer = [0; 64];
                        match waiting.try_read(&mut buffer) {
                            Ok(count) => return count,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                        }
                    }
                });
                if round % 2 == 0 {
                    rt::task::yield_now().await;
                }
                other.write_all(&[0; 3]).await.unwrap();
                assert_eq!(timeout(SOON, task).await.unwrap().unwrap(), 3);
            }
        });
    });
}

#[test]
fn many_connect_at_once() {
    on_each_flavor(async || {
        let listener = TcpListener::bind(LOCALHOST).await.unwrap();
        let address = listener.local_addr().unwrap();
        const CONNECTIONS: usize = 500;
        let accepting = rt::spawn(async move {
            let mut streams = Vec::new();
            while streams.len() < CONNECTIONS {
                streams.push(listener.accept().await.unwrap().0);
            }
            streams
        });
        let clients = join_all((0..CONNECTIONS).map(|_| TcpStream::connect(address))).await;
        assert!(clients.iter().all(Result::is_ok));
        assert_eq!(accepting.await.unwrap().len(), CONNECTIONS);
    });
}

#[test]
fn a_socket_outlives_its_runtime_and_says_so() {
    within(SOON, || {
        let runtime = multi(1);
        let (udp, stream, fd) = runtime.block_on(async {
            let udp = UdpSocket::bind(LOCALHOST).await.unwrap();
            let (stream, _) = UnixStream::pair().unwrap();
            (udp, stream, AsyncFd::new(std_pair().0).unwrap())
        });
        drop(runtime);
        let other = current();
        other.block_on(async {
            assert!(udp.recv(&mut [0; 8]).await.unwrap_err().to_string().contains("has shut down"));
            assert!(stream.readable().await.unwrap_err().to_string().contains("has shut down"));
            assert!(fd.readable().await.unwrap_err().to_string().contains("has shut down"));
        });
        std::thread::spawn(move || drop((udp, stream, fd))).join().unwrap();
    });
}

#[test]
fn a_listener_without_descriptors_tells_waits_and_recovers() {
    const TEST: &str = "a_listener_without_descriptors_tells_waits_and_recovers";
    support::child::in_child(TEST, || {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let runtime = current();
        runtime.block_on(async {
            let listener = TcpListener::bind(LOCALHOST).await.unwrap();
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let before = getrlimit(Resource::Nofile);
            // Descriptors are numbered from the lowest that is free, so this many are in use.
            let next = std::fs::File::open("/dev/null").unwrap();
            let in_use = std::os::fd::AsRawFd::as_raw_fd(&next) as u64;
            drop(next);
            setrlimit(Resource::Nofile, Rlimit { current: Some(in_use), maximum: before.maximum }).unwrap();
            let start = std::time::Instant::now();
            for _ in 0..3 {
                let error = listener.accept().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
            }
            assert!(start.elapsed() >= Duration::from_millis(20), "it rests between two tries");
            setrlimit(Resource::Nofile, before).unwrap();
            timeout(SOON, listener.accept()).await.unwrap().unwrap();
            drop(client);
        });
    });
}

#[test]
fn dropping_sockets_gives_their_descriptors_back() {
    const TEST: &str = "dropping_sockets_gives_their_descriptors_back";
    support::child::in_child(TEST, || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let runtime = multi(2);
        runtime.block_on(async { drop(connected().await) });
        let before = open();
        runtime.block_on(async {
            for _ in 0..100 {
                drop(connected().await);
                drop(UdpSocket::bind(LOCALHOST).await.unwrap());
                drop(pipe::pipe().unwrap());
                let (one, two) = connected().await;
                drop((one.into_split(), two.into_std().unwrap()));
            }
        });
        eventually(SOON, || open() <= before);
    });
}

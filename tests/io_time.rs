//! Sockets, names and time, as users see them.

mod support;

use std::future::{pending, poll_fn, ready};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use rt::io::{self, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use rt::runtime::Runtime;
use rt::sync::oneshot;
use rt::task::yield_now;
use rt::time::error::Elapsed;
use rt::time::{
    Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at, sleep, sleep_until, timeout,
    timeout_at,
};
use support::{DropCounter, SOON, current, eventually, multi, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(2)].iter().for_each(test));
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Nobody listens there.
const CLOSED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let (listener, address) = listen().await;
    let (client, server) = join(TcpStream::connect(address), listener.accept()).await;
    (client.unwrap(), server.unwrap().0)
}

/// Both ends of a connection, one of them the standard library's, which blocks.
async fn connected_to_std() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = connected().await;
    let theirs = theirs.into_std().unwrap();
    theirs.set_nonblocking(false).unwrap();
    theirs.set_read_timeout(Some(SOON)).unwrap();
    (ours, theirs)
}

/// Bytes without a short period.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

#[track_caller]
fn panic_text(panicking: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&'static str>().unwrap()).to_owned(),
    }
}

// Connections.

#[test]
fn a_client_and_a_server_talk() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            let server = rt::spawn(async move {
                let (mut stream, peer) = listener.accept().await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), peer);
                let mut question = [0; 8];
                stream.read_exact(&mut question).await.unwrap();
                stream.write_all(b"answer").await.unwrap();
                (question, peer)
            });
            let mut client = TcpStream::connect(address).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), address);
            client.write_all(b"question").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "answer");
            assert_eq!(server.await.unwrap(), (*b"question", client.local_addr().unwrap()));
        });
    });
}

#[test]
fn connecting_to_a_port_that_nobody_listens_at_is_refused() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let error = TcpStream::connect(CLOSED).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let error = rt::spawn(TcpStream::connect(CLOSED)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        });
    });
}

#[test]
fn connecting_tries_each_address_and_gives_the_last_error() {
    within(SOON, || {
        current().block_on(async {
            let (listener, address) = listen().await;
            let addresses = [CLOSED, CLOSED, address];
            let (client, server) = join(TcpStream::connect(&addresses[..]), listener.accept()).await;
            assert_eq!(client.unwrap().peer_addr().unwrap(), address);
            server.unwrap();
            let error = TcpStream::connect(&addresses[..2]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let error = TcpStream::connect(&addresses[..0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = TcpListener::bind(&addresses[..0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn an_address_can_be_listened_at_once() {
    within(SOON, || {
        current().block_on(async {
            let (_listener, address) = listen().await;
            assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        });
    });
}

#[test]
fn any_number_of_tasks_accept_from_one_listener() {
    const TASKS: usize = 8;
    // Fewer than the system queues for a listener: more would be put off by a second.
    const CONNECTIONS: usize = 200;

    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            let listener = Arc::new(listener);
            let accepted = Arc::new(AtomicUsize::new(0));
            let accepting: Vec<_> = (0..TASKS)
                .map(|_| {
                    let (listener, accepted) = (listener.clone(), accepted.clone());
                    rt::spawn(async move {
                        loop {
                            let (mut stream, _) = listener.accept().await.unwrap();
                            accepted.fetch_add(1, Ordering::SeqCst);
                            drop(rt::spawn(async move {
                                let number = stream.read_u32().await.unwrap();
                                stream.write_u32(number + 1).await.unwrap();
                            }));
                        }
                    })
                })
                .collect();
            let clients: Vec<_> = (0..CONNECTIONS as u32)
                .map(|n| {
                    rt::spawn(async move {
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        stream.write_u32(n).await.unwrap();
                        assert_eq!(stream.read_u32().await.unwrap(), n + 1);
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            assert_eq!(accepted.load(Ordering::SeqCst), CONNECTIONS);
            accepting.iter().for_each(|task| task.abort());
        });
    });
}

#[test]
fn an_accept_that_is_dropped_takes_no_connection() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            for _ in 0..50 {
                // One that waits, and is dropped before or after the connection comes.
                let listener = &listener;
                let mut waiting = Box::pin(listener.accept());
                assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
                let mut stream = TcpStream::connect(address).await.unwrap();
                drop(waiting);
                stream.write_u8(7).await.unwrap();
                let (mut accepted, _) = listener.accept().await.unwrap();
                assert_eq!(accepted.read_u8().await.unwrap(), 7);
            }
        });
    });
}

#[test]
fn poll_accept_wakes_the_last_task_that_called_it() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            assert!(listener.poll_accept(&mut Context::from_waker(Waker::noop())).is_pending());
            let accepting = rt::spawn(async move { poll_fn(|cx| listener.poll_accept(cx)).await.unwrap().1 });
            let client = TcpStream::connect(address).await.unwrap();
            assert_eq!(accepting.await.unwrap(), client.local_addr().unwrap());
        });
    });
}

#[test]
fn much_data_goes_both_ways_at_once() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let data = Arc::new(pattern(4 * 1024 * 1024));
            let (client, server) = connected().await;
            let echo = rt::spawn(async move {
                let (mut reader, mut writer) = io::split(server);
                let copied = io::copy(&mut reader, &mut writer).await.unwrap();
                writer.shutdown().await.unwrap();
                copied
            });
            let (mut reader, mut writer) = io::split(client);
            let sent = data.clone();
            let writing = rt::spawn(async move {
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            reader.read_to_end(&mut received).await.unwrap();
            writing.await.unwrap();
            assert_eq!(echo.await.unwrap(), data.len() as u64);
            assert!(received == *data, "what came back is what was sent");
        });
    });
}

#[test]
fn the_halves_of_a_socket_work_in_two_tasks() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (one, two) = connected().await;
            let ends = [one, two].map(|stream| {
                let (mut reader, mut writer) = io::split(stream);
                let writing = rt::spawn(async move {
                    for n in 0..1000_u32 {
                        writer.write_u32(n).await.unwrap();
                        if n % 100 == 0 {
                            yield_now().await;
                        }
                    }
                    writer
                });
                let reading = rt::spawn(async move {
                    for n in 0..1000_u32 {
                        assert_eq!(reader.read_u32().await.unwrap(), n);
                    }
                    reader
                });
                (writing, reading)
            });
            for (writing, reading) in ends {
                writing.await.unwrap();
                reading.await.unwrap();
            }
        });
    });
}

#[test]
fn several_buffers_are_written_by_one_call() {
    within(SOON, || {
        current().block_on(async {
            let (mut client, mut server) = connected().await;
            assert!(AsyncWrite::is_write_vectored(&client));
            let parts = [IoSlice::new(b"one, "), IoSlice::new(b""), IoSlice::new(b"two, "), IoSlice::new(b"three")];
            assert_eq!(client.write_vectored(&parts).await.unwrap(), 15);
            AsyncWriteExt::shutdown(&mut client).await.unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "one, two, three");
        });
    });
}

#[test]
fn the_end_of_a_stream_is_told_again_and_again() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = connected().await;
            let mut buffer = [0; 8];
            // One that waits for it already, too.
            let closing = rt::spawn(async move { drop(server) });
            for _ in 0..5 {
                assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
            }
            closing.await.unwrap();
            client.readable().await.unwrap();
            assert_eq!(client.try_read(&mut buffer).unwrap(), 0);
        });
    });
}

#[test]
fn a_stream_that_was_shut_down_can_still_be_read() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, mut server) = connected().await;
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            client.shutdown().await.unwrap();
            let answering = rt::spawn(async move {
                let mut question = String::new();
                server.read_to_string(&mut question).await.unwrap();
                server.write_all(question.to_uppercase().as_bytes()).await.unwrap();
            });
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "QUESTION");
            answering.await.unwrap();
            assert!(client.write_all(b"more").await.is_err());
        });
    });
}

#[test]
fn a_reset_by_the_peer_is_an_error() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (client, mut server) = connected().await;
            client.set_linger(Some(Duration::ZERO)).unwrap();
            let reading = rt::spawn(async move { server.read_u8().await });
            yield_now().await;
            drop(client);
            assert_eq!(reading.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn writing_to_a_stream_that_nobody_reads_any_more_fails_in_the_end() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = connected().await;
            drop(server);
            let data = vec![0; 64 * 1024];
            let error = loop {
                if let Err(error) = client.write_all(&data).await {
                    break error;
                }
            };
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        });
    });
}

#[test]
fn peeked_data_is_read_again() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, mut server) = connected().await;
            let writing = rt::spawn(async move {
                client.write_all(b"hello").await.unwrap();
                client
            });
            let mut byte = [0];
            for _ in 0..3 {
                assert_eq!(server.peek(&mut byte).await.unwrap(), 1);
                assert_eq!(&byte, b"h");
            }
            let mut all = [0; 5];
            server.read_exact(&mut all).await.unwrap();
            assert_eq!(&all, b"hello");
            drop(writing.await.unwrap());
            assert_eq!(server.peek(&mut byte).await.unwrap(), 0, "the end can be peeked at");
        });
    });
}

#[test]
fn try_read_and_try_write_do_not_wait() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (client, server) = connected().await;
            let mut buffer = [0; 1024];
            assert_eq!(server.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);

            // As much as there is room for.
            client.writable().await.unwrap();
            let data = pattern(64 * 1024);
            let mut sent = 0;
            loop {
                match client.try_write(&data[sent % data.len()..]) {
                    Ok(written) => sent += written,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        // The peer may not have everything yet: then there is room again soon, and `writable` says so.
                        if timeout(5 * MILLISECOND, client.writable()).await.is_err() {
                            break;
                        }
                    }
                }
            }

            let mut received = 0;
            while received < sent {
                server.readable().await.unwrap();
                match server.try_read(&mut buffer) {
                    Ok(read) => {
                        assert!(read > 0);
                        assert!((0..read).all(|n| buffer[n] == data[(received + n) % data.len()]));
                        received += read;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(received, sent);
            assert_eq!(server.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
            client.writable().await.unwrap();
            assert_eq!(client.try_write(b"!").unwrap(), 1);
        });
    });
}

#[test]
fn any_number_of_tasks_wait_for_a_socket_to_be_readable() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = connected().await;
            let server = Arc::new(server);
            let waiting: Vec<_> = (0..10)
                .map(|_| {
                    let server = server.clone();
                    rt::spawn(async move { server.readable().await })
                })
                .collect();
            let aborted = waiting[3].abort_handle();
            yield_now().await;
            aborted.abort();
            client.write_u8(1).await.unwrap();
            for (n, task) in waiting.into_iter().enumerate() {
                match task.await {
                    Ok(readable) => readable.unwrap(),
                    Err(error) => assert!(n == 3 && error.is_cancelled()),
                }
            }
        });
    });
}

#[test]
fn readiness_can_be_polled_for() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = connected().await;
            poll_fn(|cx| client.poll_write_ready(cx)).await.unwrap();
            assert!(poll_fn(|cx| Poll::Ready(server.poll_read_ready(cx).is_pending())).await);
            let waiting = rt::spawn(async move {
                poll_fn(|cx| server.poll_read_ready(cx)).await.unwrap();
                let mut byte = [0];
                server.try_read(&mut byte).unwrap();
                byte[0]
            });
            client.write_u8(9).await.unwrap();
            assert_eq!(waiting.await.unwrap(), 9);
        });
    });
}

#[test]
fn sockets_go_to_the_standard_library_and_back() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            let listener = listener.into_std().unwrap();
            assert_eq!(listener.local_addr().unwrap(), address);
            let listener = TcpListener::try_from(listener).unwrap();
            let (client, server) = join(TcpStream::connect(address), listener.accept()).await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
            for n in 0..20_u8 {
                client = TcpStream::from_std(client.into_std().unwrap()).unwrap();
                server = TcpStream::try_from(server.into_std().unwrap()).unwrap();
                client.write_u8(n).await.unwrap();
                assert_eq!(server.read_u8().await.unwrap(), n);
            }
            let mut std = client.into_std().unwrap();
            std.set_nonblocking(false).unwrap();
            std.write_all(b"x").unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'x');
            server.write_u8(b'y').await.unwrap();
            let mut byte = [0];
            std.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"y");
        });
    });
}

#[test]
fn the_options_of_a_socket_are_the_systems() {
    within(SOON, || {
        current().block_on(async {
            let (listener, _) = listen().await;
            listener.set_ttl(42).unwrap();
            assert_eq!(listener.ttl().unwrap(), 42);
            let (client, _server) = connected().await;
            for nodelay in [true, false] {
                client.set_nodelay(nodelay).unwrap();
                assert_eq!(client.nodelay().unwrap(), nodelay);
            }
            client.set_ttl(43).unwrap();
            assert_eq!(client.ttl().unwrap(), 43);
            for linger in [Some(Duration::from_secs(3)), None] {
                client.set_linger(linger).unwrap();
                assert_eq!(client.linger().unwrap(), linger);
            }
            assert!(client.take_error().unwrap().is_none());
            assert!(format!("{client:?}").contains("TcpStream"));
            assert!(format!("{listener:?}").contains("TcpListener"));
        });
    });
}

#[test]
fn a_socket_is_used_on_another_worker_than_it_was_made_on() {
    within(SOON, || {
        let runtime = multi(2);
        let (release, released) = mpsc::channel::<()>();
        let (hand, handed) = mpsc::channel();
        // Makes the sockets, and then keeps its worker.
        let making = runtime.spawn(async move {
            let sockets = connected().await;
            hand.send((thread::current().id(), sockets)).unwrap();
            let _ = released.recv_timeout(SOON);
        });
        let (maker, (mut client, mut server)) = handed.recv_timeout(SOON).unwrap();
        let using = runtime.spawn(async move {
            for n in 0..100 {
                let (written, read) = join(client.write_u8(n), server.read_u8()).await;
                written.unwrap();
                assert_eq!(read.unwrap(), n);
            }
            thread::current().id()
        });
        assert_ne!(runtime.block_on(using).unwrap(), maker);
        drop(release);
        runtime.block_on(making).unwrap();
    });
}

#[test]
fn a_socket_works_in_a_task_of_another_runtime() {
    within(SOON, || {
        let home = multi(1);
        for away in [multi(2), current()] {
            let (mut client, server) = home.block_on(connected());
            let echo = home.spawn(async move {
                let (mut reader, mut writer) = io::split(server);
                io::copy(&mut reader, &mut writer).await.unwrap();
            });
            let task = away.spawn(async move {
                for n in 0..100 {
                    client.write_u32(n).await.unwrap();
                    assert_eq!(client.read_u32().await.unwrap(), n);
                }
            });
            away.block_on(task).unwrap();
            home.block_on(echo).unwrap();
        }
    });
}

#[test]
fn a_reader_that_is_aborted_closes_its_socket() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, mut server) = connected().await;
            let (wait, waits) = oneshot::channel();
            let reading = rt::spawn(async move {
                wait.send(()).unwrap();
                server.read_u8().await
            });
            waits.await.unwrap();
            yield_now().await;
            reading.abort();
            assert!(reading.await.unwrap_err().is_cancelled());
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        });
    });
}

#[test]
fn dropping_one_half_leaves_the_other_waiting_in_peace() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = connected().await;
            let (mut reader, writer) = io::split(server);
            let reading = rt::spawn(async move { reader.read_u8().await });
            yield_now().await;
            drop(writer);
            client.write_u8(5).await.unwrap();
            assert_eq!(reading.await.unwrap().unwrap(), 5);
        });
    });
}

#[test]
fn a_socket_can_be_dropped_after_its_runtime() {
    on_each_flavor(|survivor| {
        for doomed in [current(), multi(1)] {
            let (client, server) = doomed.block_on(connected());
            let (listener, _) = doomed.block_on(listen());
            let handle = doomed.handle().clone();
            drop(doomed);
            let (client, mut server) = (client, server);
            survivor.block_on(async {
                // Nobody serves it any more, and it says so instead of waiting for ever.
                let error = server.read_u8().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Other);
                assert!(error.to_string().contains("shut down"), "{error}");
                assert!(client.readable().await.is_err());
                assert!(listener.accept().await.is_err());
            });
            let _guard = handle.enter();
            let error = TcpStream::from_std(client.into_std().unwrap()).unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
            drop((listener, server));
        }
    });
}

#[test]
fn a_task_that_waits_for_a_socket_of_a_runtime_that_shuts_down_is_told() {
    on_each_flavor(|survivor| {
        let doomed = multi(1);
        let (mut client, _server) = doomed.block_on(connected());
        let (waits, is_waiting) = oneshot::channel();
        let reading = survivor.spawn(async move {
            let mut byte = [0];
            let mut reading = pin!(client.read(&mut byte));
            assert!(poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await);
            waits.send(()).unwrap();
            reading.await
        });
        survivor.block_on(is_waiting).unwrap();
        drop(doomed);
        assert!(survivor.block_on(reading).unwrap().is_err());
    });
}

#[test]
fn thousands_of_connections_come_and_go() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, address) = listen().await;
            let serving = rt::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let number = stream.read_u32().await.unwrap();
                    stream.write_u32(!number).await.unwrap();
                }
            });
            for n in 0..1500 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_u32(n).await.unwrap();
                assert_eq!(stream.read_u32().await.unwrap(), !n);
            }
            serving.abort();
        });
    });
}

#[test]
fn the_events_of_a_closed_socket_do_not_disturb_the_next_with_its_number() {
    on_each_flavor(|runtime| {
        let churning: Vec<_> = (0..4)
            .map(|_| {
                runtime.spawn(async {
                    for n in 0..100 {
                        let (mut one, mut two) = connected().await;
                        // Closed with events on their way, now by one end, now by the other.
                        one.write_u8(n).await.unwrap();
                        if n % 2 == 0 {
                            drop(two);
                            drop(one);
                        } else {
                            two.write_u8(n).await.unwrap();
                            drop(one);
                            drop(two);
                        }
                        // Their numbers are used again at once. Nothing may be there to read.
                        let (mut one, two) = connected().await;
                        assert_eq!(two.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
                        drop(two);
                        assert_eq!(one.read(&mut [0]).await.unwrap(), 0);
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in churning {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn sockets_are_as_free_as_they_can_be() {
    fn all<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    fn send<T: Send>(_: T) {}

    all::<TcpStream>();
    all::<TcpListener>();
    send(TcpStream::connect("127.0.0.1:1"));
    send(TcpListener::bind("127.0.0.1:1"));
    send(lookup_host("127.0.0.1:1"));
}

// A socket that is always ready.

/// Spawns `hog` and then a task that tells how far it has come, on one worker. The hog counts its steps.
#[track_caller]
fn assert_lets_others_run<F>(steps: usize, hog: impl FnOnce(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(SOON, move || {
        let runtime = current();
        runtime.block_on(async {
            let (ours, mut theirs) = connected_to_std().await;
            theirs.write_all(&vec![1; steps]).unwrap();
            let mut buffer = vec![0; steps];
            while ours.peek(&mut buffer).await.unwrap() < steps {
                yield_now().await;
            }
            let count = Arc::new(AtomicUsize::new(0));
            let hogging = rt::spawn(hog(ours, count.clone()));
            let seen = rt::spawn(async move { count.load(Ordering::SeqCst) }).await.unwrap();
            assert!(0 < seen && seen < steps, "the other task ran after {seen} of {steps} steps");
            hogging.await.unwrap();
        });
    });
}

#[test]
fn reading_what_is_always_there_lets_others_run() {
    assert_lets_others_run(5000, |mut stream, count| async move {
        for _ in 0..5000 {
            stream.read_u8().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
}

#[test]
fn peeking_at_what_is_always_there_lets_others_run() {
    assert_lets_others_run(5000, |stream, count| async move {
        for _ in 0..5000 {
            stream.peek(&mut [0]).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
}

#[test]
fn waiting_for_what_is_always_readable_lets_others_run() {
    assert_lets_others_run(5000, |stream, count| async move {
        for _ in 0..5000 {
            stream.readable().await.unwrap();
            stream.try_read(&mut [0]).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
}

#[test]
fn writing_where_there_is_always_room_lets_others_run() {
    assert_lets_others_run(5000, |mut stream, count| async move {
        for n in 0..5000 {
            stream.write_u8(n as u8).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
}

#[test]
fn waiting_for_times_that_have_passed_lets_others_run() {
    assert_lets_others_run(5000, |_, count| async move {
        for _ in 0..5000 {
            sleep(Duration::ZERO).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
}

// Names.

#[test]
fn an_address_is_given_in_any_form() {
    on_each_flavor(|runtime| {
        async fn ports(host: impl ToSocketAddrs) -> Vec<u16> {
            lookup_host(host).await.unwrap().map(|address| address.port()).collect()
        }
        runtime.block_on(async {
            let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
            assert_eq!(ports(SocketAddr::from((v4, 7))).await, [7]);
            assert_eq!(ports(SocketAddrV4::new(v4, 7)).await, [7]);
            assert_eq!(ports(SocketAddrV6::new(v6, 7, 0, 0)).await, [7]);
            assert_eq!(ports((v4, 7)).await, [7]);
            assert_eq!(ports((v6, 7)).await, [7]);
            assert_eq!(ports((IpAddr::V4(v4), 7)).await, [7]);
            assert_eq!(ports("127.0.0.1:7").await, [7]);
            assert_eq!(ports("[::1]:7").await, [7]);
            assert_eq!(ports(String::from("127.0.0.1:7")).await, [7]);
            assert_eq!(ports(&String::from("127.0.0.1:7")).await, [7]);
            assert_eq!(ports(("127.0.0.1", 7)).await, [7]);
            assert_eq!(ports((String::from("::1"), 7)).await, [7]);
            assert_eq!(ports(&&SocketAddr::from((v4, 7))).await, [7]);
            assert_eq!(ports(&[SocketAddr::from((v4, 7)), SocketAddr::from((v4, 8))][..]).await, [7, 8]);
        });
    });
}

#[test]
fn names_are_looked_up() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            for addresses in [
                lookup_host("localhost:80").await.unwrap().collect::<Vec<_>>(),
                lookup_host(("localhost", 80)).await.unwrap().collect(),
                lookup_host((String::from("localhost"), 80)).await.unwrap().collect(),
            ] {
                assert!(!addresses.is_empty());
                assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
            }
            let listener = TcpListener::bind("localhost:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let (client, server) = join(TcpStream::connect(("localhost", port)), listener.accept()).await;
            client.unwrap();
            server.unwrap();
        });
    });
}

#[test]
fn what_is_no_address_is_an_error() {
    within(SOON, || {
        current().block_on(async {
            for nonsense in ["", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:66000", ":"] {
                assert!(lookup_host(nonsense).await.is_err(), "{nonsense:?}");
                assert!(TcpStream::connect(nonsense).await.is_err(), "{nonsense:?}");
            }
        });
    });
}

// Sleeping.

/// A sleep made on `runtime`.
fn sleep_of(runtime: &Runtime, duration: Duration) -> Sleep {
    let _guard = runtime.enter();
    sleep(duration)
}

#[test]
fn no_sleep_is_shorter_than_asked_for() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let sleeping: Vec<_> = (0..100)
                .map(|n| {
                    rt::spawn(async move {
                        let duration = Duration::from_micros(n * 170);
                        let start = std::time::Instant::now();
                        sleep(duration).await;
                        assert!(start.elapsed() >= duration);
                        let deadline = Instant::now() + duration;
                        sleep_until(deadline).await;
                        assert!(Instant::now() >= deadline);
                    })
                })
                .collect();
            let start = Instant::now();
            sleep(3 * MILLISECOND).await;
            assert!(start.elapsed() >= 3 * MILLISECOND);
            for task in sleeping {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn a_sleep_of_no_length_and_a_deadline_that_has_passed_are_done_at_once() {
    on_each_flavor(|runtime| {
        let _guard = runtime.enter();
        assert!(sleep(Duration::ZERO).now_or_never().is_some());
        assert!(sleep_until(Instant::now()).now_or_never().is_some());
        let past = Instant::now();
        thread::sleep(2 * MILLISECOND);
        let late = sleep_until(past);
        assert!(late.is_elapsed());
        assert_eq!(late.deadline(), past);
        assert!(late.now_or_never().is_some());
        let later = sleep(HOUR);
        assert!(!later.is_elapsed());
        assert!(later.now_or_never().is_none());
    });
}

#[test]
fn a_sleep_can_be_reset_to_an_earlier_time() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut sleeping = pin!(sleep(HOUR));
            assert!(poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_pending())).await);
            let deadline = Instant::now() + 2 * MILLISECOND;
            sleeping.as_mut().reset(deadline);
            assert_eq!(sleeping.deadline(), deadline);
            sleeping.as_mut().await;
            assert!(Instant::now() >= deadline);
            // And to one that has passed.
            sleeping.as_mut().reset(Instant::now() + HOUR);
            assert!(poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_pending())).await);
            sleeping.as_mut().reset(deadline);
            assert!(poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_ready())).await);
        });
    });
}

#[test]
fn a_sleep_can_be_reset_to_a_later_time() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut sleeping = pin!(sleep(10 * MILLISECOND));
            let _ = poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_pending())).await;
            let deadline = Instant::now() + 30 * MILLISECOND;
            sleeping.as_mut().reset(deadline);
            sleeping.as_mut().await;
            assert!(Instant::now() >= deadline);
            // Also after it was done.
            let deadline = Instant::now() + 5 * MILLISECOND;
            sleeping.as_mut().reset(deadline);
            assert!(!sleeping.is_elapsed());
            sleeping.await;
            assert!(Instant::now() >= deadline);
        });
    });
}

#[test]
fn a_sleep_wakes_the_waker_it_was_polled_with_last() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut sleeping = Box::pin(sleep(10 * MILLISECOND));
            let _ = sleeping.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let task = rt::spawn(async move {
                let _ = poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_pending())).await;
                Some(sleeping)
            });
            task.await.unwrap().unwrap().await;
        });
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    within(SOON, || {
        let runtime = current();
        let mut lead = 20 * MILLISECOND;
        loop {
            let order = Arc::new(Mutex::new(Vec::new()));
            let start = Instant::now() + lead;
            let is_in_time = runtime.block_on(async {
                // Each number once, not in order.
                let tasks: Vec<_> = (0..50_u32)
                    .map(|n| n * 19 % 50)
                    .map(|n| {
                        let order = order.clone();
                        rt::spawn(async move {
                            sleep_until(start + 2 * n * MILLISECOND).await;
                            order.lock().unwrap().push(n);
                        })
                    })
                    .collect();
                yield_now().await;
                let is_in_time = Instant::now() < start;
                for task in tasks {
                    task.await.unwrap();
                }
                is_in_time
            });
            if is_in_time {
                assert!(order.lock().unwrap().iter().copied().eq(0..50));
                return;
            }
            // A deadline had passed before all timers were armed: once more, with more time.
            lead *= 2;
        }
    });
}

#[test]
fn ten_thousand_sleeps_at_once_all_end() {
    within(SOON, || {
        let runtime = multi(2);
        let sleeping: Vec<_> = (0..10_000_u32)
            .map(|n| {
                runtime.spawn(async move {
                    sleep(n % 50 * MILLISECOND / 2).await;
                    n
                })
            })
            .collect();
        runtime.block_on(async {
            for (n, task) in sleeping.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n as u32);
            }
        });
    });
}

#[test]
fn an_earlier_deadline_is_noticed_while_all_sleep_until_a_later_one() {
    on_each_flavor(|runtime| {
        let far = runtime.spawn(async { sleep(HOUR).await });
        if runtime.metrics().num_workers() > 1 {
            eventually(SOON, || runtime.metrics().num_parked_workers() == runtime.metrics().num_workers());
        }
        for _ in 0..30 {
            // Armed by a thread that is no worker, and by a worker.
            runtime.block_on(async { sleep(MILLISECOND / 4).await });
            runtime.block_on(runtime.spawn(async { sleep(MILLISECOND / 4).await })).unwrap();
        }
        assert!(!far.is_finished());
        far.abort();
    });
}

#[test]
fn a_hundred_thousand_armed_timers_can_be_dropped() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut cx = Context::from_waker(Waker::noop());
            let mut timers: Vec<_> =
                (0..100_000).map(|n| Box::pin(sleep(HOUR + Duration::from_nanos(n * 7919 % 100_000)))).collect();
            assert!(timers.iter_mut().all(|timer| timer.as_mut().poll(&mut cx).is_pending()));
            // Neither first in, first out nor the reverse.
            while !timers.is_empty() {
                drop(timers.swap_remove(timers.len() / 2));
            }
            rt::spawn(async { sleep(MILLISECOND).await }).await.unwrap();
        });
    });
}

#[test]
fn a_dropped_timer_drops_its_waker() {
    on_each_flavor(|runtime| {
        let drops = DropCounter::new();
        let guard = drops.guard();
        let task = runtime.spawn(async move {
            let _guard = guard;
            sleep(HOUR).await;
        });
        runtime.block_on(async {
            yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        assert_eq!(drops.drops(), 1);
    });
}

#[test]
fn a_timer_armed_on_one_worker_is_reset_and_dropped_on_another() {
    within(SOON, || {
        let runtime = multi(2);
        for n in 0..100 {
            let (hand, handed) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let arming = runtime.spawn(async move {
                let mut timer = Box::pin(sleep(HOUR));
                assert!(poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await);
                hand.send((thread::current().id(), timer)).unwrap();
                // Keeps its worker meanwhile.
                let _ = released.recv_timeout(SOON);
            });
            let using = runtime.spawn(async move {
                let (armed_by, mut timer) = handed.recv_timeout(SOON).unwrap();
                assert_ne!(thread::current().id(), armed_by);
                if n % 2 == 0 {
                    timer.as_mut().reset(Instant::now() + MILLISECOND / 2);
                    timer.await;
                }
                drop(release);
            });
            runtime.block_on(async {
                arming.await.unwrap();
                using.await.unwrap();
            });
        }
    });
}

#[test]
fn a_sleep_works_in_a_task_of_another_runtime() {
    within(SOON, || {
        let home = multi(1);
        for away in [multi(1), current()] {
            let start = Instant::now();
            let sleeping = sleep_of(&home, 5 * MILLISECOND);
            away.block_on(away.spawn(sleeping)).unwrap();
            assert!(start.elapsed() >= 5 * MILLISECOND);
            // Also when only the other runtime has timers.
            let without = rt::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
            let sleeping = sleep_of(&home, MILLISECOND);
            without.block_on(without.spawn(sleeping)).unwrap();
        }
    });
}

const SHUT_DOWN: &str = "the runtime of this timer has shut down";

#[test]
fn sleeping_after_the_runtime_has_shut_down_panics_and_says_so() {
    on_each_flavor(|survivor| {
        for doomed in [current(), multi(1)] {
            let sleeping = sleep_of(&doomed, HOUR);
            let elapsed = sleep_of(&doomed, Duration::ZERO);
            let handle = doomed.handle().clone();
            drop(doomed);
            let text = panic_text(|| survivor.block_on(sleeping));
            assert!(text.contains(SHUT_DOWN), "{text}");
            let _guard = handle.enter();
            let text = panic_text(|| assert!(sleep(HOUR).now_or_never().is_none()));
            assert!(text.contains(SHUT_DOWN), "{text}");
            survivor.block_on(elapsed);
        }
    });
}

#[test]
fn a_task_that_sleeps_on_a_runtime_that_shuts_down_is_told() {
    on_each_flavor(|survivor| {
        let doomed = multi(1);
        let mut sleeping = Box::pin(sleep_of(&doomed, HOUR));
        let (waits, is_waiting) = oneshot::channel();
        let task = survivor.spawn(async move {
            assert!(poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_pending())).await);
            waits.send(()).unwrap();
            sleeping.await;
        });
        survivor.block_on(is_waiting).unwrap();
        drop(doomed);
        let error = survivor.block_on(task).unwrap_err();
        assert!(error.to_string().contains(SHUT_DOWN), "{error}");
    });
}

#[test]
fn durations_beyond_the_clock_mean_never() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let never = Duration::MAX;
            assert!(sleep(never).now_or_never().is_none());
            assert!(timeout(5 * MILLISECOND, sleep(never)).await.is_err());
            assert_eq!(timeout(never, ready(5)).await, Ok(5));
            assert!(timeout(MILLISECOND, timeout(never, pending::<()>())).await.is_err());
            let mut rare = interval(never);
            rare.tick().await;
            assert!(timeout(MILLISECOND, rare.tick()).await.is_err());
            rare.reset_after(never);
            assert!(timeout(MILLISECOND, rare.tick()).await.is_err());
            rare.reset();
            assert!(timeout(MILLISECOND, rare.tick()).await.is_err());
            for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
                let mut late = interval_at(Instant::now(), never);
                late.set_missed_tick_behavior(behavior);
                thread::sleep(6 * MILLISECOND);
                late.tick().await;
                assert!(late.tick().now_or_never().is_none());
            }
            let mut sleeping = pin!(sleep(never));
            sleeping.as_mut().reset(Instant::now());
            sleeping.await;
            assert!(Instant::now().checked_add(never).is_none());
        });
    });
}

// Timeouts.

#[test]
fn a_timeout_gives_the_output_of_a_future_that_is_in_time() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            assert_eq!(timeout(HOUR, async { 1 }).await, Ok(1));
            let slow = async {
                sleep(MILLISECOND).await;
                2
            };
            assert_eq!(timeout(HOUR, slow).await, Ok(2));
            assert_eq!(timeout(Duration::ZERO, ready(3)).await, Ok(3), "the future is asked first");
            assert_eq!(timeout_at(Instant::now(), ready(4)).await, Ok(4));
            let task = rt::spawn(async { 5 });
            assert_eq!(timeout_at(Instant::now() + HOUR, task).await.unwrap().unwrap(), 5);
        });
    });
}

#[test]
fn a_timeout_drops_the_future_that_is_late() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let drops = DropCounter::new();
            let guard = drops.guard();
            let start = Instant::now();
            let late = async move {
                let _guard = guard;
                pending::<()>().await;
            };
            let error = timeout(5 * MILLISECOND, late).await.unwrap_err();
            assert!(start.elapsed() >= 5 * MILLISECOND);
            assert_eq!(drops.drops(), 1);
            assert_eq!(error.to_string(), "deadline has elapsed");
            assert_eq!(io::Error::from(error).kind(), ErrorKind::TimedOut);
            let deadline = Instant::now() + 2 * MILLISECOND;
            assert!(timeout_at(deadline, pending::<()>()).await.is_err());
            assert!(Instant::now() >= deadline);
            assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        });
    });
}

#[test]
fn a_timeout_hands_out_its_future() {
    within(SOON, || {
        current().block_on(async {
            let mut limited = timeout(HOUR, ready(1));
            assert_eq!(limited.get_ref().clone().into_inner(), 1);
            *limited.get_mut() = ready(2);
            assert_eq!(limited.into_inner().await, 2);
        });
    });
}

#[test]
fn timeouts_on_sockets_give_up() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (listener, _) = listen().await;
            assert!(timeout(2 * MILLISECOND, listener.accept()).await.is_err());
            let (mut client, mut server) = connected().await;
            for _ in 0..5 {
                assert!(timeout(MILLISECOND, client.read_u8()).await.is_err());
            }
            // Nothing is lost.
            server.write_u8(3).await.unwrap();
            assert_eq!(timeout(SOON, client.read_u8()).await.unwrap().unwrap(), 3);
        });
    });
}

#[test]
fn a_race_of_a_task_and_a_timer_has_one_winner() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            for n in 0..50_u32 {
                let task = rt::spawn(async move { sleep(n % 3 * MILLISECOND / 4).await });
                match select(task, pin!(sleep(MILLISECOND / 4))).await {
                    Either::Left((result, _)) => result.unwrap(),
                    Either::Right(((), task)) => task.await.unwrap(),
                }
            }
        });
    });
}

// Intervals.

/// Keeps the thread until `instant` has passed.
fn stall_until(instant: Instant) {
    thread::sleep(instant.duration_since(Instant::now()));
    assert!(Instant::now() >= instant);
}

#[test]
fn an_interval_ticks_at_multiples_of_its_period() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let before = Instant::now();
            let mut ticking = interval(2 * MILLISECOND);
            assert_eq!(ticking.period(), 2 * MILLISECOND);
            let start = ticking.tick().await;
            assert!(before <= start && start <= Instant::now(), "the first tick is now");
            for n in 1..=10 {
                assert_eq!(ticking.tick().await, start + n * 2 * MILLISECOND);
                assert!(Instant::now() >= start + n * 2 * MILLISECOND);
            }
            let start = Instant::now() + 3 * MILLISECOND;
            let mut ticking = interval_at(start, MILLISECOND);
            assert_eq!(ticking.tick().await, start);
            assert!(Instant::now() >= start);
        });
    });
}

#[test]
fn an_interval_that_bursts_makes_up_for_each_missed_tick() {
    within(SOON, || {
        current().block_on(async {
            let period = 10 * MILLISECOND;
            let mut ticking = interval(period);
            assert_eq!(ticking.missed_tick_behavior(), MissedTickBehavior::Burst);
            let start = ticking.tick().await;
            stall_until(start + 5 * period);
            for n in 1..=5 {
                assert_eq!(ticking.tick().now_or_never(), Some(start + n * period));
            }
            assert_eq!(ticking.tick().await, start + 6 * period);
        });
    });
}

#[test]
fn an_interval_that_delays_starts_anew_after_a_missed_tick() {
    within(SOON, || {
        current().block_on(async {
            let period = 10 * MILLISECOND;
            let mut ticking = interval(period);
            ticking.set_missed_tick_behavior(MissedTickBehavior::Delay);
            assert_eq!(ticking.missed_tick_behavior(), MissedTickBehavior::Delay);
            let start = ticking.tick().await;
            stall_until(start + 5 * period);
            let late = Instant::now();
            assert_eq!(ticking.tick().now_or_never(), Some(start + period));
            let next = ticking.tick().await;
            assert!(next >= late + period);
            assert!(Instant::now() >= next);
        });
    });
}

#[test]
fn an_interval_that_skips_keeps_to_multiples_of_its_period() {
    within(SOON, || {
        current().block_on(async {
            let period = 10 * MILLISECOND;
            let mut ticking = interval(period);
            ticking.set_missed_tick_behavior(MissedTickBehavior::Skip);
            assert_eq!(ticking.missed_tick_behavior(), MissedTickBehavior::Skip);
            let start = ticking.tick().await;
            for _ in 0..3 {
                let stalled = Instant::now() + 5 * period + MILLISECOND;
                stall_until(stalled);
                let missed = ticking.tick().now_or_never().expect("one of the missed ticks is made up for");
                assert!(missed < stalled);
                let next = ticking.tick().await;
                assert!(next > stalled, "the others are not");
                assert_eq!(next.duration_since(start).as_nanos() % period.as_nanos(), 0);
            }
        });
    });
}

#[test]
fn a_tick_that_is_not_waited_for_is_not_used_up() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut ticking = interval(5 * MILLISECOND);
            let start = ticking.tick().await;
            for _ in 0..20 {
                if let Some(early) = ticking.tick().now_or_never() {
                    // The machine was slow.
                    assert!(early > start && Instant::now() >= early);
                    return;
                }
            }
            assert_eq!(ticking.tick().await, start + 5 * MILLISECOND);
        });
    });
}

#[test]
fn an_interval_can_be_reset() {
    within(SOON, || {
        current().block_on(async {
            let mut ticking = interval(HOUR);
            ticking.tick().await;
            ticking.reset_immediately();
            assert!(ticking.tick().now_or_never().is_some());
            let at = Instant::now() + MILLISECOND;
            ticking.reset_at(at);
            assert_eq!(ticking.tick().await, at);
            let before = Instant::now();
            ticking.reset_after(2 * MILLISECOND);
            assert!(ticking.tick().await >= before + 2 * MILLISECOND);
            ticking.reset();
            assert!(ticking.tick().now_or_never().is_none());
        });
    });
}

#[test]
fn an_interval_of_no_period_panics_and_says_so() {
    within(SOON, || {
        let runtime = current();
        let _guard = runtime.enter();
        for text in [
            panic_text(|| drop(interval(Duration::ZERO))),
            panic_text(|| drop(interval_at(Instant::now(), Duration::ZERO))),
        ] {
            assert!(text.contains("period") && text.contains("zero"), "{text}");
        }
    });
}

#[test]
fn timers_are_as_free_as_they_can_be() {
    fn shared<T: Send + Sync + 'static>() {}
    fn unpin<T: Unpin + std::fmt::Debug>() {}
    fn error<T: std::error::Error + Send + Sync>() {}

    shared::<Sleep>();
    shared::<Timeout<std::future::Ready<()>>>();
    shared::<Interval>();
    unpin::<Interval>();
    unpin::<Pin<Box<Sleep>>>();
    error::<Elapsed>();
}

#[test]
fn instants_count_as_those_of_the_standard_library() {
    let std = std::time::Instant::now();
    let instant = Instant::from_std(std);
    assert_eq!(instant.into_std(), std);
    assert_eq!(std::time::Instant::from(Instant::from(std)), std);
    let mut later = instant + HOUR;
    assert_eq!(later - instant, HOUR);
    assert_eq!(instant - later, Duration::ZERO, "and never below zero");
    assert_eq!(later.checked_duration_since(instant), Some(HOUR));
    assert_eq!(instant.checked_duration_since(later), None);
    assert_eq!(instant.saturating_duration_since(later), Duration::ZERO);
    later += HOUR;
    later -= HOUR;
    assert_eq!(later - HOUR, instant);
    assert_eq!(instant.checked_add(HOUR), Some(later));
    assert_eq!(later.checked_sub(HOUR), Some(instant));
    assert!(instant < later && instant.elapsed() < HOUR);
    assert_eq!(format!("{instant:?}"), format!("{std:?}"));
}

#[test]
fn a_runtime_goes_on_while_a_closure_sleeps_on_it() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let ended = Arc::new(AtomicBool::new(false));
            let ending = ended.clone();
            let closure = rt::task::spawn_blocking(move || {
                rt::runtime::Handle::current().block_on(async {
                    sleep(5 * MILLISECOND).await;
                    ending.store(true, Ordering::SeqCst);
                });
            });
            while !ended.load(Ordering::SeqCst) {
                sleep(MILLISECOND).await;
            }
            closure.await.unwrap();
        });
    });
}

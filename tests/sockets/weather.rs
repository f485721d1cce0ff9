//! What goes wrong, and what comes at the same time.

use super::*;

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
            crate::streams::run(&script).await;
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

/// Closes a connection by a reset.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// Whatever is asked of a connection after a reset is answered, mostly by an error.
async fn is_over(mut stream: TcpStream) {
    let asking = async {
        let mut buffer = [0; 64];
        // What had arrived before may still be read.
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        stream.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        stream.readable().await.unwrap();
        stream.writable().await.unwrap();
        assert!(stream.peek(&mut buffer).await.is_ok_and(|count| count == 0));
        assert_eq!(stream.try_read(&mut buffer).unwrap(), 0);
        assert_eq!(stream.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // The system may say that the connection is gone.
        let _ = stream.shutdown().await;
    };
    timeout(SOON, asking).await.expect("an operation waits for a connection that has been reset");
}

#[test]
fn a_connection_is_reset_before_it_is_accepted() {
    on_each_flavor(async || {
        let listener = TcpListener::bind(LOCALHOST).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        reset(client);
        // Some systems hand it out, others leave it out; the listener goes on either way.
        let next = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let next = next.local_addr().unwrap();
        loop {
            let (stream, peer) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
            if peer == next {
                break;
            }
            is_over(stream).await;
        }
    });
}

#[test]
fn a_connection_is_reset_before_anything_was_asked_of_it() {
    on_each_flavor(async || {
        let (client, server) = connected().await;
        reset(client);
        is_over(server).await;
        let (client, server) = connected().await;
        reset(server);
        is_over(client).await;
    });
}

#[test]
fn a_connection_is_reset_with_data_that_nobody_has_read() {
    on_each_flavor(async || {
        let (mut client, mut server) = connected().await;
        client.write_all(&[7; 1000]).await.unwrap();
        server.read_exact(&mut [0; 10]).await.unwrap();
        reset(client);
        is_over(server).await;
    });
}

#[test]
fn a_connection_is_reset_after_either_side_has_closed_its_half() {
    on_each_flavor(async || {
        let (client, mut server) = connected().await;
        server.shutdown().await.unwrap();
        reset(client);
        is_over(server).await;

        let (mut client, mut server) = connected().await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        reset(client);
        // Reading said the end before, and the reset is told to whoever writes.
        let write = async {
            while server.write_all(&[0; 1000]).await.is_ok() {
                rt::task::yield_now().await;
            }
        };
        timeout(SOON, write).await.unwrap();
        is_over(server).await;
    });
}

#[test]
fn a_reset_ends_every_wait() {
    on_each_flavor(async || {
        let (client, server) = connected().await;
        fill(&server).await;
        let server = Arc::new(server);
        let wait = |what: &'static str| {
            let server = server.clone();
            rt::spawn(async move {
                match what {
                    "readable" => drop(server.readable().await),
                    "writable" => drop(server.writable().await),
                    "ready" => drop(server.ready(Interest::READABLE | Interest::WRITABLE).await),
                    "peek" => drop(server.peek(&mut [0; 8]).await),
                    "error" => drop(server.ready(Interest::ERROR | Interest::READABLE).await),
                    _ => drop(server.async_io(Interest::WRITABLE, || server.try_write(&[0; 1000])).await),
                }
            })
        };
        let waiting: Vec<_> = ["readable", "writable", "ready", "peek", "error", "own"].map(wait).into();
        // All of them have begun to wait.
        sleep(Duration::from_millis(5)).await;
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        reset(client);
        for done in timeout(SOON, join_all(waiting)).await.unwrap() {
            done.unwrap();
        }
        is_over(Arc::into_inner(server).unwrap()).await;
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
fn ten_thousand_connect_at_once() {
    const TEST: &str = "weather::ten_thousand_connect_at_once";
    const CONNECTIONS: usize = 10_000;
    // Each client holds its descriptor until all are done; what the server holds comes on top.
    const AT_A_TIME: usize = 1000;
    crate::support::child::in_child(TEST, || {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let runtime = multi(2);
        runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(LOCALHOST).unwrap();
            let listener = socket.listen(CONNECTIONS as u32).unwrap();
            let address = listener.local_addr().unwrap();
            let places = Arc::new(rt::sync::Semaphore::new(AT_A_TIME));
            let serving = rt::spawn(async move {
                for _ in 0..CONNECTIONS {
                    let place = places.clone().acquire_owned().await.unwrap();
                    let (mut stream, _) = listener.accept().await.unwrap();
                    rt::spawn(async move {
                        let mut buffer = [0; 8];
                        stream.read_exact(&mut buffer).await.unwrap();
                        stream.write_all(&buffer).await.unwrap();
                        drop((stream, place));
                    });
                }
            });
            let all_are_here = Arc::new(rt::sync::Barrier::new(CONNECTIONS));
            let clients: Vec<_> = (0..CONNECTIONS as u64)
                .map(|client| {
                    let all_are_here = all_are_here.clone();
                    rt::spawn(async move {
                        all_are_here.wait().await;
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        stream.write_all(&client.to_le_bytes()).await.unwrap();
                        let mut answer = Vec::new();
                        stream.read_to_end(&mut answer).await.unwrap();
                        assert_eq!(answer, client.to_le_bytes());
                        stream
                    })
                })
                .collect();
            for client in join_all(clients).await {
                client.unwrap();
            }
            serving.await.unwrap();
        });
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
    const TEST: &str = "weather::a_listener_without_descriptors_tells_waits_and_recovers";
    crate::support::child::in_child(TEST, || {
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
    const TEST: &str = "weather::dropping_sockets_gives_their_descriptors_back";
    crate::support::child::in_child(TEST, || {
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

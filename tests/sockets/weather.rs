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

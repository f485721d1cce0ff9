//! What errors are, and say.

use rt_same_meaning::{Seen, same, text, without_numbers};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

async fn never() {
    std::future::pending().await
}

fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
    result.err().map(|error| error.kind())
}

same! {
    fn why_a_task_has_no_output() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            for payload in 0..3 {
                let task = runtime::spawn(async move {
                    std::panic::set_hook(Box::new(|_| ()));
                    match payload {
                        0 => panic!("boom"),
                        1 => panic!("boom {payload}"),
                        _ => std::panic::panic_any(7),
                    }
                });
                let error = task.await.unwrap_err();
                _ = std::panic::take_hook();
                seen.note(without_numbers(&error.to_string()));
                seen.note(without_numbers(&format!("{error:?}")));
                seen.debug((error.is_panic(), error.is_cancelled()));
                let error = io::Error::from(error);
                seen.debug(error.kind());
            }
            let task = runtime::spawn(never());
            task.abort();
            let error = task.await.unwrap_err();
            seen.note(without_numbers(&error.to_string()));
            seen.note(without_numbers(&format!("{error:?}")));
            seen.debug((error.is_panic(), error.is_cancelled()));
            let error = error.try_into_panic().unwrap_err();
            let error = io::Error::from(error);
            seen.debug(error.kind());
        });
        seen
    }

    fn a_time_that_is_up() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        one.block_on(async {
            let elapsed = runtime::time::timeout(Duration::from_secs(1), never()).await.unwrap_err();
            seen.note(elapsed.to_string());
            seen.debug(&elapsed);
            let error = io::Error::from(elapsed);
            seen.debug(error.kind());
            // Ready at once is in time, whatever the time.
            seen.debug(runtime::time::timeout(Duration::ZERO, async { 1 }).await.ok());
        });
        seen
    }

    fn addresses_that_are_none_or_are_taken() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            seen.debug(kind(runtime::net::TcpListener::bind(address).await));
            drop(listener);
            seen.debug(kind(runtime::net::TcpStream::connect(address).await));
            seen.debug(kind(runtime::net::TcpStream::connect("nowhere").await));
            seen.debug(kind(runtime::net::TcpStream::connect("127.0.0.1:99999").await));
            seen.debug(kind(runtime::net::TcpStream::connect(&[][..]).await));
            seen.debug(kind(runtime::net::UnixStream::connect("/no/such/socket").await));
            seen.debug(kind(runtime::net::UnixListener::bind("/no/such/folder/socket")));
            let socket = runtime::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            seen.debug(kind(runtime::net::UdpSocket::bind(socket.local_addr().unwrap()).await));
            seen.debug(kind(socket.send(b"x").await));
            seen.debug(kind(socket.try_recv(&mut [0])));
        });
        seen
    }

    fn halves_of_two_streams() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            let (first, _first) = runtime::net::UnixStream::pair().unwrap();
            let (second, _second) = runtime::net::UnixStream::pair().unwrap();
            let (read, _write) = first.into_split();
            let (_read, write) = second.into_split();
            let error = read.reunite(write).unwrap_err();
            let runtime::net::unix::ReuniteError(read, write) = error;
            seen.debug(read.reunite(write).is_err());
        });
        seen
    }

    fn a_runtime_that_is_gone() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = one.block_on(runtime::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let handle = one.handle().clone();
        drop(one);
        let other = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        other.block_on(async {
            let error = listener.accept().await.unwrap_err();
            seen.debug(error.kind());
            seen.debug(runtime::runtime::is_rt_shutdown_err(&error));
            seen.debug(handle.spawn(async {}).await.unwrap_err().is_cancelled());
            seen.debug(handle.spawn_blocking(|| ()).await.unwrap_err().is_cancelled());
        });
        seen
    }

    fn a_set_that_is_joined_with_a_panic_in_it() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::panic::set_hook(Box::new(|_| ()));
        let panicked = catch_unwind(AssertUnwindSafe(|| one.block_on(async {
            let mut set = runtime::task::JoinSet::new();
            set.spawn(async { panic!("boom") });
            set.spawn(never());
            set.join_all().await
        })));
        _ = std::panic::take_hook();
        seen.note(text(&*panicked.unwrap_err()));
        seen
    }
}

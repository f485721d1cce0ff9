//! What tokio's list of public items asked for, and no other test is about.

mod support;

use rt::io::Ready;
use rt::runtime::{self, Builder, EnterGuard, Runtime};
use std::sync::mpsc;
use support::{SOON, current, eventually, multi, panic_message, within};

#[test]
fn a_runtime_has_the_name_that_it_was_given() {
    let runtime = Builder::new_multi_thread().worker_threads(1).name("crawler").build().unwrap();
    assert_eq!(runtime.handle().name(), Some("crawler"));
    assert!(format!("{runtime:?}").contains("\"crawler\""));
    assert!(format!("{:?}", runtime.handle()).contains("\"crawler\""));
    assert_eq!(current().handle().name(), None);
}

#[test]
fn a_name_is_not_empty() {
    for empty in ["", " "] {
        let message = panic_message(|| _ = Builder::new_current_thread().name(empty));
        assert!(message.contains("must not be empty"), "{message}");
    }
}

#[test]
fn no_events_at_a_time_are_refused() {
    let message = panic_message(|| _ = Builder::new_current_thread().max_io_events_per_tick(0));
    assert!(message.contains("at least 1"), "{message}");
    let message = panic_message(|| _ = Builder::new_current_thread().max_io_events_per_busy_tick(0));
    assert!(message.contains("at least 1"), "{message}");
}

#[test]
fn with_one_event_at_a_time_all_sockets_are_served() {
    for (waiting, looking) in [(1, 1), (1, 1000), (usize::MAX, usize::MAX)] {
        within(SOON, move || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(1).enable_all().max_io_events_per_tick(waiting);
            let runtime = builder.max_io_events_per_busy_tick(looking).build().unwrap();
            runtime.block_on(async {
                let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let clients: Vec<_> = (0..20)
                    .map(|_| rt::spawn(async move { rt::net::TcpStream::connect(address).await.unwrap() }))
                    .collect();
                for _ in 0..20 {
                    listener.accept().await.unwrap();
                }
                for client in clients {
                    client.await.unwrap();
                }
            });
        });
    }
}

#[test]
fn a_worker_knows_its_index() {
    within(SOON, || {
        let runtime = multi(2);
        assert_eq!(runtime::worker_index(), None);
        assert_eq!(runtime.block_on(async { runtime::worker_index() }), None);
        let (sender, receiver) = mpsc::channel();
        // Each keeps its worker until both are there.
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        for _ in 0..2 {
            let (sender, barrier) = (sender.clone(), barrier.clone());
            runtime.spawn(async move {
                sender.send(runtime::worker_index()).unwrap();
                barrier.wait();
            });
        }
        let mut indices = [receiver.recv().unwrap(), receiver.recv().unwrap()];
        indices.sort_unstable();
        assert!(indices.iter().all(|index| index.is_some_and(|index| index < 2)), "{indices:?}");
        let blocking = runtime.spawn_blocking(runtime::worker_index);
        assert_eq!(runtime.block_on(blocking).unwrap(), None);
    });
}

#[test]
fn who_runs_a_current_thread_runtime_is_worker_0() {
    let runtime = current();
    assert_eq!(runtime.block_on(async { runtime::worker_index() }), Some(0));
    let task = runtime.spawn(async { runtime::worker_index() });
    assert_eq!(runtime.block_on(task).unwrap(), Some(0));
    assert_eq!(runtime::worker_index(), None);
}

#[test]
fn the_count_of_parks_and_returns_is_odd_while_a_worker_sleeps() {
    let runtime = multi(1);
    let metrics = runtime.metrics();
    eventually(SOON, || metrics.worker_park_unpark_count(0) % 2 == 1);
    let asleep = metrics.worker_park_unpark_count(0);
    assert_eq!(metrics.worker_park_count(0), asleep.div_ceil(2));
    let task = runtime.spawn(async move {
        let metrics = runtime::Handle::current().metrics();
        metrics.worker_park_unpark_count(0)
    });
    let awake = runtime.block_on(task).unwrap();
    assert!(awake.is_multiple_of(2) && awake > asleep, "{awake} {asleep}");
    eventually(SOON, || metrics.worker_park_unpark_count(0) > awake);
    assert!(panic_message(|| metrics.worker_park_unpark_count(1)).contains('1'));
}

#[test]
fn a_socket_of_a_runtime_that_has_shut_down_says_so() {
    within(SOON, || {
        let runtime = multi(1);
        let (quiet, _busy, socket, stream) = runtime.block_on(async {
            let quiet = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let busy = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = rt::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let stream = rt::net::TcpStream::connect(busy.local_addr().unwrap()).await.unwrap();
            (quiet, busy, socket, stream)
        });
        drop(runtime);
        current().block_on(async {
            let said = [
                quiet.accept().await.unwrap_err(),
                socket.readable().await.unwrap_err(),
                stream.readable().await.unwrap_err(),
            ];
            for error in &said {
                assert!(runtime::is_rt_shutdown_err(error), "{error:?}");
            }
            assert!(said[0].to_string().contains("has shut down"));
            assert_eq!(said[0].kind(), std::io::ErrorKind::Other);
        });
        assert!(!runtime::is_rt_shutdown_err(&std::io::Error::other("the runtime has shut down")));
        assert!(!runtime::is_rt_shutdown_err(&std::io::ErrorKind::Other.into()));
    });
}

#[test]
fn readiness_can_be_sorted() {
    assert!(Ready::READABLE < Ready::READABLE | Ready::WRITABLE);
    assert_eq!(Ready::EMPTY.max(Ready::ALL), Ready::ALL);
}

#[test]
fn an_error_of_timers_says_what_it_is() {
    use rt::time::error::Error;
    let all = [Error::shutdown(), Error::at_capacity(), Error::invalid()];
    assert_eq!(all.map(|error| error.is_shutdown()), [true, false, false]);
    assert_eq!(all.map(|error| error.is_at_capacity()), [false, true, false]);
    assert_eq!(all.map(|error| error.is_invalid()), [false, false, true]);
    assert!(all.iter().all(|error| !error.to_string().is_empty()));
}

#[test]
fn a_guard_of_an_entered_runtime_may_be_seen_by_other_threads() {
    fn is_sync<T: Sync>(_: &T) {}
    let runtime: Runtime = current();
    let guard: EnterGuard<'_> = runtime.enter();
    is_sync(&guard);
    std::thread::scope(|scope| {
        let seen = &guard;
        assert!(scope.spawn(move || format!("{seen:?}")).join().unwrap().contains("EnterGuard"));
    });
}

//! Mistakes panic at the line of the mistake, in both.

use rt_same_meaning::{Seen, same};
use std::time::Duration;

same! {
    fn what_needs_a_runtime_outside_of_one() {
        let seen = Seen::new();
        seen.panics(runtime::runtime::Handle::current);
        seen.panics(|| runtime::spawn(async {}));
        seen.panics(|| runtime::task::spawn_blocking(|| ()));
        seen.panics(|| runtime::task::spawn_local(async {}));
        seen.panics(|| runtime::task::JoinSet::new().spawn(async {}));
        seen.panics(|| runtime::task::JoinSet::new().spawn_blocking(|| ()));
        seen.panics(|| runtime::task::JoinSet::new().spawn_local(async {}));
        seen.panics(|| runtime::time::sleep(Duration::ZERO));
        seen.panics(|| runtime::time::sleep_until(runtime::time::Instant::now()));
        seen.panics(|| runtime::time::timeout(Duration::ZERO, async {}));
        seen.panics(|| runtime::time::timeout_at(runtime::time::Instant::now(), async {}));
        seen.panics(|| runtime::time::interval(Duration::from_secs(1)));
        seen.panics(runtime::time::pause);
        seen.panics(runtime::time::resume);
        seen.panics(runtime::task::id);
        seen.debug(runtime::task::try_id());
        seen
    }

    fn sockets_outside_of_a_runtime_and_on_one_without_io() {
        let seen = Seen::new();
        let all = |seen: &Seen| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
            let datagram = std::os::unix::net::UnixDatagram::unbound().unwrap();
            for nonblocking in [listener.set_nonblocking(true), stream.set_nonblocking(true), socket.set_nonblocking(true)] {
                nonblocking.unwrap();
            }
            one.set_nonblocking(true).unwrap();
            datagram.set_nonblocking(true).unwrap();
            seen.panics(|| runtime::net::TcpListener::from_std(listener));
            seen.panics(|| runtime::net::TcpStream::from_std(stream));
            seen.panics(|| runtime::net::UdpSocket::from_std(socket));
            seen.panics(|| runtime::net::UnixStream::from_std(one));
            seen.panics(|| runtime::net::UnixDatagram::from_std(datagram));
            seen.panics(|| runtime::net::UnixStream::pair());
            seen.panics(|| runtime::net::UnixDatagram::pair());
            seen.panics(|| runtime::net::UnixDatagram::unbound());
            seen.panics(|| runtime::net::unix::pipe::pipe());
            // tokio has deprecated it, in favour of an unsafe function.
            #[allow(deprecated)]
            seen.panics(|| runtime::io::unix::AsyncFd::new(other));
        };
        all(&seen);
        let bare = runtime::runtime::Builder::new_current_thread().build().unwrap();
        bare.block_on(async { all(&seen) });
        seen
    }

    fn timers_on_a_runtime_without_them() {
        let seen = Seen::new();
        let bare = runtime::runtime::Builder::new_current_thread().build().unwrap();
        bare.block_on(async {
            seen.panics(|| runtime::time::sleep(Duration::ZERO));
            seen.panics(|| runtime::time::timeout(Duration::ZERO, async {}));
            seen.panics(|| runtime::time::interval(Duration::from_secs(1)));
        });
        seen
    }

    fn numbers_that_no_builder_can_take() {
        let seen = Seen::new();
        let builder = runtime::runtime::Builder::new_multi_thread;
        seen.panics(|| _ = builder().worker_threads(0));
        seen.panics(|| _ = builder().max_blocking_threads(0));
        seen.panics(|| _ = builder().event_interval(0));
        seen.panics(|| _ = builder().global_queue_interval(0));
        seen.panics(|| _ = builder().max_io_events_per_tick(0));
        seen.panics(|| _ = builder().max_io_events_per_busy_tick(0));
        seen.panics(|| _ = builder().name(" "));
        let built = builder().worker_threads(1).build().unwrap();
        seen.panics(|| built.metrics().worker_park_count(1));
        seen.panics(|| built.metrics().worker_total_busy_duration(1));
        seen
    }

    fn blocking_where_everything_else_would_wait() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let other = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            seen.panics(|| one.block_on(async {}));
            seen.panics(|| other.block_on(async {}));
            seen.panics(|| other.handle().block_on(async {}));
            seen.panics(|| runtime::task::block_in_place(|| ()));
            seen.panics(|| runtime::task::LocalSet::new().block_on(&other, async {}));
        });
        // Outside of a runtime there is nobody to wait.
        seen.panics(|| runtime::task::block_in_place(|| ()));
        seen
    }

    fn time_that_cannot_be_paused() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            seen.panics(runtime::time::resume);
            seen.panics(runtime::time::pause);
            seen.panics(runtime::time::pause);
            seen.panics(runtime::time::resume);
            seen.panics(|| runtime::time::interval(Duration::ZERO));
            seen.panics(|| runtime::time::interval_at(runtime::time::Instant::now(), Duration::ZERO));
        });
        let many = runtime::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        many.block_on(async { seen.panics(runtime::time::pause) });
        seen
    }

    fn values_that_are_not_there() {
        runtime::task_local! {
            static NUMBER: u32;
        }
        let seen = Seen::new();
        seen.panics(|| NUMBER.with(|number| *number));
        seen.panics(|| NUMBER.get());
        seen.debug(NUMBER.try_get().is_err());
        seen.debug(NUMBER.try_with(|number| *number).is_err());
        NUMBER.sync_scope(1, || {
            seen.debug(NUMBER.get());
            NUMBER.with(|_| seen.panics(|| NUMBER.sync_scope(2, || ())));
            seen.debug(NUMBER.get());
        });
        seen
    }

    fn a_result_that_is_taken_twice_or_is_another() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            let task = runtime::spawn(std::future::pending::<()>());
            task.abort();
            let error = task.await.unwrap_err();
            seen.panics(|| error.into_panic());
            let handle = one.handle().clone();
            seen.debug(handle.runtime_flavor());
        });
        seen
    }

    fn a_select_without_an_else() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().build().unwrap();
        seen.panics(|| one.block_on(async {
            runtime::select! {
                Some(()) = async { None } => (),
            }
        }));
        seen
    }
}

//! Where tokio's runtime is found, and what of tokio's works on this runtime's threads.

use rt::runtime::{Builder, Runtime};
use rt_ecosystem::{Gate, SOON, current, multi, on_each_flavor, soon, within};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;

/// A while that is noticed.
const WHILE: Duration = Duration::from_millis(2);

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// Sleeps by tokio's timers, which panic where there is no runtime of tokio's.
async fn sleep_by_tokio() {
    let began = Instant::now();
    tokio::time::sleep(WHILE).await;
    assert!(began.elapsed() >= WHILE);
}

#[test]
fn a_task_uses_timers_sockets_and_tasks_of_tokio_and_stays_on_its_worker() {
    on_each_flavor(|| async {
        let home = thread_name();
        sleep_by_tokio().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            thread_name()
        });
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "hello");
        assert_eq!(soon(echo).await.unwrap(), "rt-tokio");
        assert_eq!(thread_name(), home);
    });
}

#[test]
fn what_tokio_runs_finds_this_runtime_too() {
    on_each_flavor(|| async {
        let task = tokio::spawn(async {
            assert_eq!(thread_name(), "rt-tokio");
            rt::time::sleep(WHILE).await;
            let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = rt::spawn(rt::net::TcpStream::connect(listener.local_addr().unwrap()));
            listener.accept().await.unwrap();
            client.await.unwrap().unwrap();
            rt::task::spawn_blocking(thread_name).await.unwrap()
        });
        assert_eq!(soon(task).await.unwrap(), "rt-worker");
        // Also on the threads for what blocks, which tokio starts as it needs them.
        let nested = tokio::task::spawn_blocking(|| rt::spawn(async { 42 }));
        assert_eq!(soon(nested).await.unwrap().await.unwrap(), 42);
    });
}

#[test]
fn the_thread_in_block_on_and_one_that_entered_find_it() {
    within(SOON, || {
        for runtime in [current(), multi(1)] {
            runtime.block_on(sleep_by_tokio());
            runtime.handle().block_on(async { tokio::spawn(sleep_by_tokio()).await.unwrap() });
            {
                let _entered = runtime.enter();
                let task = tokio::spawn(sleep_by_tokio());
                runtime.block_on(task).unwrap();
            }
            assert!(Handle::try_current().is_err(), "the thread has left both");
        }
    });
}

#[test]
fn a_closure_on_a_blocking_thread_finds_it() {
    on_each_flavor(|| async {
        let nested = rt::task::spawn_blocking(|| Handle::current().spawn(sleep_by_tokio()));
        soon(nested.await.unwrap()).await.unwrap();
        // A thread that may block can wait for a future of tokio's.
        rt::task::spawn_blocking(|| Handle::current().block_on(sleep_by_tokio())).await.unwrap();
    });
}

#[test]
fn a_spare_worker_finds_it() {
    within(SOON, || {
        let runtime = multi(1);
        let gate = Gate::new();
        let stuck = gate.clone();
        let stuck = runtime.spawn(async move { stuck.pass() });
        gate.await_waiting(1);
        // The only worker is stuck: this runs on a spare.
        runtime.block_on(runtime.spawn(sleep_by_tokio())).unwrap();
        assert!(runtime.metrics().num_spare_workers() > 0);
        gate.open();
        runtime.block_on(stuck).unwrap();
    });
}

#[test]
fn a_task_that_blocks_by_means_of_tokio_holds_nobody_up() {
    within(SOON, || {
        let runtime = multi(1);
        let gate = Gate::new();
        let passing = gate.clone();
        let blocking = runtime.spawn(async move { tokio::task::block_in_place(|| passing.pass()) });
        gate.await_waiting(1);
        runtime.block_on(runtime.spawn(sleep_by_tokio())).unwrap();
        gate.open();
        runtime.block_on(blocking).unwrap();
        // Nor does one that waits for a future, which tokio refuses only on its own workers.
        let waiting = runtime.spawn(async { Handle::current().block_on(sleep_by_tokio()) });
        runtime.block_on(waiting).unwrap();
    });
}

#[test]
fn a_runtime_that_was_not_asked_for_it_has_none() {
    within(SOON, || {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let runtime = builder.worker_threads(1).enable_io().enable_time().build().unwrap();
            let found = runtime.spawn(async { Handle::try_current().is_ok() });
            assert!(!runtime.block_on(found).unwrap());
            let runtime = builder.enable_tokio().build().unwrap();
            let found = runtime.spawn(async { Handle::try_current().is_ok() });
            assert!(runtime.block_on(found).unwrap());
        }
    });
}

#[test]
fn a_runtime_of_tokio_that_is_there_already_is_used() {
    within(SOON, || {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let given = |mut builder: Builder| -> Runtime {
            builder.worker_threads(1).tokio_handle(tokio.handle().clone()).enable_all().build().unwrap()
        };
        for builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let runtime = given(builder);
            let id = runtime.spawn(async {
                sleep_by_tokio().await;
                Handle::current().id()
            });
            assert_eq!(runtime.block_on(id).unwrap(), tokio.handle().id());
        }
        // It is not ended with them.
        tokio.block_on(sleep_by_tokio());
    });
}

#[rt::test]
async fn a_function_with_the_attribute_finds_it() {
    sleep_by_tokio().await;
    rt::spawn(sleep_by_tokio()).await.unwrap();
}

#[test]
fn runtimes_inside_each_other_find_their_own() {
    within(SOON, || {
        let (outer, inner) = (multi(1), multi(1));
        let [outer_id, inner_id] = [&outer, &inner].map(|runtime| runtime.block_on(async { Handle::current().id() }));
        assert_ne!(outer_id, inner_id);
        outer.block_on(async {
            assert_eq!(inner.block_on(async { Handle::current().id() }), inner_id);
            assert_eq!(Handle::current().id(), outer_id);
        });
    });
}

//! What the tests of this package share: servers that others wrote, and the proof that tokio's runtime is not there.

/// What the page says compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ecosystem.md")]
pub struct Page;

mod servers;
#[path = "../../support/mod.rs"]
mod support;

pub use servers::{POSTGRES_USER, Server};
pub use support::{DropCounter, Gate, OpenOnDrop, SOON, current, eventually, multi, within};

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;

/// Runs `test` in a task, on a runtime of each kind.
#[track_caller]
pub fn on_each_flavor<F>(test: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(2 * SOON, move || {
        for runtime in [current(), multi(1), multi(2)] {
            let task = runtime.spawn(test());
            runtime.block_on(task).expect("the test's task");
        }
    });
}

/// The same beside a server, which is started before.
#[track_caller]
pub fn with_server<F>(start: fn() -> Server, test: impl Fn(SocketAddr) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(3 * SOON, move || {
        let server = start();
        for runtime in [current(), multi(1), multi(2)] {
            let task = runtime.spawn(test(server.address()));
            runtime.block_on(task).expect("the test's task");
        }
    });
}

/// As [`on_each_flavor`], where there is no runtime of tokio's, as is asserted.
#[track_caller]
pub fn without_tokio<F>(test: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    on_each_flavor(move || {
        let test = test();
        async {
            assert_no_tokio();
            test.await;
            assert_no_tokio();
        }
    });
}

/// Panics if this thread is in a runtime of tokio's, where a test would not show that a crate works without.
#[track_caller]
pub fn assert_no_tokio() {
    assert!(
        tokio::runtime::Handle::try_current().is_err(),
        "this thread is in a runtime of tokio's; run `cargo test -p rt-ecosystem` by itself, for other packages turn on `tokio-compat`"
    );
}

/// A listener on the loopback that this machine has free, and its address.
pub async fn listen() -> (rt::net::TcpListener, SocketAddr) {
    let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.expect("listen on the loopback");
    let address = listener.local_addr().expect("the listener's address");
    (listener, address)
}

/// Waits for all tasks, and returns what they return.
pub async fn all<T>(tasks: impl IntoIterator<Item = rt::task::JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.expect("a task of the test"));
    }
    outputs
}

/// Waits for `future`, and panics if it takes too long.
pub async fn soon<F: Future>(future: F) -> F::Output {
    rt::time::timeout(SOON, future).await.expect("this takes too long")
}

/// Reports how the task of a connection ended if it did not end well.
pub fn ended<E: Debug>(what: &str, result: Result<(), E>) {
    if let Err(error) = result {
        eprintln!("{what} ended with {error:?}");
    }
}

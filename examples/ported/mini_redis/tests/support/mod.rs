//! A server for each test, and deadlines.

// Each test file is a crate of its own, and none uses all of it.
#![allow(dead_code)]

use mini_redis::channels::Channels;
use mini_redis::server::Served;
use mini_redis::store::Store;
use mini_redis::{Client, Options, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// After this long a test has failed. A machine that is busy with other things needs some.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("this takes too long")
}

pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A server in a task of this test's runtime.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) channels: Channels,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Served>,
}

impl Running {
    pub(crate) async fn start() -> Running {
        Running::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Running {
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        let (address, store, channels) =
            (server.local_addr().unwrap(), server.store().clone(), server.channels().clone());
        let (stop, stopped) = oneshot::channel();
        Running { address, store, channels, stop, serving: tokio::spawn(server.serve(stopped)) }
    }

    pub(crate) async fn client(&self) -> Client {
        soon(Client::connect(self.address)).await.unwrap()
    }

    pub(crate) async fn stop(self) -> Served {
        self.stop.send(()).unwrap();
        soon(self.serving).await.unwrap()
    }
}

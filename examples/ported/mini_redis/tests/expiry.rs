//! Time that stands still: a value that lives for a second is gone when a second has passed, every time.

mod support;

use bytes::Bytes;
use mini_redis::connection::{Connection, Shared};
use mini_redis::{Client, Options, Server};
use std::future::pending;
use std::time::Duration;
use tokio::io::duplex;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::advance;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// Over a socket.
async fn a_second_passes() {
    let server = Server::bind("127.0.0.1:0", Options::default()).await.unwrap();
    let mut client = Client::new(TcpStream::connect(server.local_addr().unwrap()).await.unwrap());
    let serving = tokio::spawn(server.serve(pending::<()>()));
    client.set_for("key", "value", SECOND).await.unwrap();
    assert_eq!(client.get("key").await.unwrap(), Some(Bytes::from("value")));
    advance(SECOND).await;
    assert_eq!(client.get("key").await.unwrap(), None);
    client.set("key", "value").await.unwrap();
    advance(SECOND).await;
    assert_eq!(client.get("key").await.unwrap(), Some(Bytes::from("value")));
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_value_is_gone_when_its_second_has_passed() {
    a_second_passes().await;
}

#[test]
fn it_is_gone_every_time() {
    for _ in 0..200 {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(a_second_passes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_there_to_the_last_millisecond() {
    let (near, far) = duplex(1024);
    let shared = Shared {
        store: Default::default(),
        channels: Default::default(),
        shutdown: CancellationToken::new(),
        write_timeout: SECOND,
    };
    let serving = tokio::spawn(Connection::new(far, shared).run());
    let mut client = Client::new(near);
    client.set_for("key", "value", SECOND).await.unwrap();
    advance(SECOND - Duration::from_millis(1)).await;
    assert_eq!(client.get("key").await.unwrap(), Some(Bytes::from("value")));
    advance(Duration::from_millis(1)).await;
    assert_eq!(client.get("key").await.unwrap(), None);
    drop(client);
    serving.await.unwrap().unwrap();
}

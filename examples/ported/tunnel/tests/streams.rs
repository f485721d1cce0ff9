//! What visitors and the local server see of each other.

mod support;

use std::time::Duration;
use support::{RunningClient, RunningServer, ask, echo, serve, soon, timing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[tokio::test]
async fn a_visitor_reaches_the_local_server() {
    let server = RunningServer::start(timing()).await;
    let mut client = RunningClient::start(server.address, echo().await, timing());
    let address = client.open().await;
    assert_eq!(ask(address, b"hello").await, b"hello");
    assert_eq!(ask(address, b"").await, b"");
    client.stop().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_at_once_carry_what_is_theirs() {
    let server = RunningServer::start(timing()).await;
    let mut client = RunningClient::start(server.address, echo().await, timing());
    let address = client.open().await;
    let mut visitors = JoinSet::new();
    for n in 0..200_usize {
        visitors.spawn(async move {
            let bytes: Vec<u8> = (0..100_000).map(|place| (place * (n + 1) % 251) as u8).collect();
            assert!(ask(address, &bytes).await == bytes, "stream {n}");
        });
    }
    while let Some(ended) = soon(visitors.join_next()).await {
        ended.unwrap();
    }
    client.stop().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_one_direction_is_carried_through_while_the_other_goes_on() {
    let server = RunningServer::start(timing()).await;
    let (told, tell) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    // Hears all before it says anything, and ends its own direction first in the second connection.
    let local = serve(move |mut stream: TcpStream| {
        let told = told.lock().unwrap().take();
        async move {
            let mut heard = String::new();
            match told {
                Some(told) => {
                    stream.read_to_string(&mut heard).await.unwrap();
                    told.send(heard).unwrap();
                    stream.write_all(b"and this is the answer").await.unwrap();
                }
                None => {
                    stream.write_all(b"I say nothing more").await.unwrap();
                    stream.shutdown().await.unwrap();
                    stream.read_to_string(&mut heard).await.unwrap();
                    assert_eq!(heard, "but I do");
                }
            }
        }
    })
    .await;
    let mut client = RunningClient::start(server.address, local, timing());
    let address = client.open().await;

    let mut visitor = TcpStream::connect(address).await.unwrap();
    visitor.write_all(b"that was all").await.unwrap();
    visitor.shutdown().await.unwrap();
    assert_eq!(soon(tell).await.unwrap(), "that was all");
    let mut answer = String::new();
    soon(visitor.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "and this is the answer");

    let mut visitor = TcpStream::connect(address).await.unwrap();
    let mut heard = String::new();
    soon(visitor.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "I say nothing more");
    visitor.write_all(b"but I do").await.unwrap();
    drop(visitor);
    client.stop().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_local_server_that_speaks_first_is_heard() {
    let server = RunningServer::start(timing()).await;
    let greeting = serve(|mut stream: TcpStream| async move { stream.write_all(b"220 welcome\r\n").await.unwrap() });
    let mut client = RunningClient::start(server.address, greeting.await, timing());
    assert_eq!(ask(client.open().await, b"").await, b"220 welcome\r\n");
}

#[tokio::test]
async fn a_visitor_is_sent_away_if_the_local_server_is_not_there() {
    let server = RunningServer::start(timing()).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut client = RunningClient::start(server.address, nobody, timing());
    let address = client.open().await;
    for _ in 0..3 {
        let mut visitor = TcpStream::connect(address).await.unwrap();
        // Much sooner than the wait for the client's connection would be over.
        let ended = timeout(Duration::from_secs(5), visitor.read_u8()).await.unwrap();
        assert!(ended.is_err());
    }
    // The tunnel is not the worse for it.
    assert_eq!(client.open().await, address);
}

#[tokio::test]
async fn a_shutdown_lets_streams_end_and_takes_no_more() {
    for stops_server in [true, false] {
        let server = RunningServer::start(timing()).await;
        let mut client = RunningClient::start(server.address, echo().await, timing());
        let address = client.open().await;
        let mut visitor = TcpStream::connect(address).await.unwrap();
        visitor.write_all(b"a").await.unwrap();
        assert_eq!(soon(visitor.read_u8()).await.unwrap(), b'a');
        let (stopping, other) = if stops_server {
            (tokio::spawn(server.stop()), tokio::spawn(async { client.stop().await.unwrap() }))
        } else {
            (tokio::spawn(async { client.stop().await.unwrap() }), tokio::spawn(server.stop()))
        };
        soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
        visitor.write_all(b"b").await.unwrap();
        assert_eq!(soon(visitor.read_u8()).await.unwrap(), b'b');
        assert!(!stopping.is_finished());
        visitor.shutdown().await.unwrap();
        assert!(soon(visitor.read_u8()).await.is_err());
        soon(stopping).await.unwrap();
        soon(other).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_off_when_the_grace_is_over() {
    let timing = mini_tunnel::Timing { grace: Duration::from_millis(50), ..timing() };
    let server = RunningServer::start(timing).await;
    let mut client = RunningClient::start(server.address, echo().await, timing);
    let mut visitor = TcpStream::connect(client.open().await).await.unwrap();
    visitor.write_all(b"a").await.unwrap();
    assert_eq!(soon(visitor.read_u8()).await.unwrap(), b'a');
    server.stop().await;
    assert!(soon(visitor.read_u8()).await.is_err());
    client.stop().await.unwrap();
}

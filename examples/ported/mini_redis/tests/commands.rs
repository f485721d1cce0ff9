//! What the server answers, over sockets.

mod support;

use mini_redis::Options;
use mini_redis::frame::{Error, Frame};
use std::time::Duration;
use support::{Running, eventually, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn what_was_set_is_got_until_it_is_deleted() {
    let server = Running::start().await;
    let mut client = server.client().await;
    client.ping().await.unwrap();
    assert_eq!(client.get("a").await.unwrap(), None);
    client.set("a", "1").await.unwrap();
    client.set("b", vec![0, 255, b'\r', b'\n']).await.unwrap();
    client.set("a", "2").await.unwrap();
    assert_eq!(client.get("a").await.unwrap().unwrap(), "2");
    assert_eq!(client.get("b").await.unwrap().unwrap(), &[0, 255, b'\r', b'\n'][..]);
    assert_eq!(client.del(["a", "b", "c"]).await.unwrap(), 2);
    assert_eq!(client.get("a").await.unwrap(), None);
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_have_one_store() {
    let server = Running::start().await;
    let mut clients = JoinSet::new();
    for n in 0..200_usize {
        let mut client = server.client().await;
        clients.spawn(async move {
            let value = "x".repeat(100 * n);
            client.set(format!("key {n}"), value.clone()).await.unwrap();
            assert!(client.get(format!("key {n}")).await.unwrap().unwrap() == value);
        });
    }
    while let Some(ended) = soon(clients.join_next()).await {
        ended.unwrap();
    }
    assert_eq!(server.store.len(), 200);
    assert_eq!(server.stop().await.connections, 200);
}

#[tokio::test]
async fn a_value_expires_after_its_milliseconds() {
    let server = Running::start().await;
    let mut client = server.client().await;
    let began = Instant::now();
    client.set_for("key", "value", Duration::from_millis(50)).await.unwrap();
    while client.get("key").await.unwrap().is_some() {
        assert!(began.elapsed() < support::SOON);
    }
    assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
    // And its memory is freed, though nobody deletes it.
    eventually(|| server.store.is_empty()).await;
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order_and_together() {
    let server = Running::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let requests = "set n 1\r\nget n\r\n*2\r\n$3\r\nDEL\r\n$1\r\nn\r\nget n\r\nwhat\r\nping\r\nquit\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    soon(stream.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers, "+OK\r\n$1\r\n1\r\n:1\r\n$-1\r\n-ERR unknown command 'what'\r\n+PONG\r\n+OK\r\n");
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let server = Running::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n" {
        stream.write_u8(*byte).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = [0; 11];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"$5\r\nhello\r\n");
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_is_told_so_and_cut_off() {
    let server = Running::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"ping\r\n*-7\r\nping\r\n").await.unwrap();
    let mut answers = String::new();
    soon(stream.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers, "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n");
}

#[tokio::test]
async fn a_wrong_request_is_an_error_and_the_next_is_answered() {
    let server = Running::start().await;
    let mut client = server.client().await;
    let wrong = Frame::Array(["SET", "a", "b", "EX", "never"].map(Frame::text).into());
    let answer = client.ask(wrong).await.unwrap();
    assert_eq!(answer, Frame::Error("ERR value is not an integer or out of range".to_owned()));
    let ages = client.set_for("a", "b", Duration::MAX).await;
    assert!(matches!(ages, Err(Error::Refused(_))), "{ages:?}");
    client.ping().await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_others_end() {
    let server = Running::with(Options { max_connections: 2, ..Options::default() }).await;
    let (mut first, mut second) = (server.client().await, server.client().await);
    first.ping().await.unwrap();
    second.ping().await.unwrap();
    let mut third = server.client().await;
    {
        let mut waiting = std::pin::pin!(third.ping());
        assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        first.ping().await.unwrap();
        drop(second);
        soon(waiting).await.unwrap();
    }
    drop((first, third));
    assert_eq!(server.stop().await.connections, 3);
}

//! The redis crate against a real server.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value};
use rt::net::TcpStream;
use rt::sync::mpsc;
use rt::time::{Duration, timeout};
use rt_ecosystem::{Server, all, assert_no_tokio, soon, with_server};
use std::net::SocketAddr;

/// A connection that can be cloned, driven by a task of its own.
async fn connect(address: SocketAddr, config: AsyncConnectionConfig) -> MultiplexedConnection {
    assert_no_tokio();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let info = (address.ip().to_string(), address.port()).into_connection_info().unwrap();
    let protocol = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let (connection, driver) = MultiplexedConnection::new_with_config(&protocol, stream, config).await.unwrap();
    drop(rt::spawn(driver));
    connection
}

/// What a test before has left on the server.
async fn forget_all(connection: &MultiplexedConnection) {
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection.clone()).await.unwrap();
}

/// Without the timeouts, which are tokio's timers: `rt::time::timeout` does as well.
fn untimed() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None)
}

#[test]
fn two_hundred_tasks_share_a_connection() {
    with_server(Server::redis, |address| async move {
        let connection = connect(address, untimed()).await;
        forget_all(&connection).await;
        let commands = (0..200_usize).map(|n| {
            let mut connection = connection.clone();
            rt::spawn(async move {
                let (key, value) = (format!("key {n}"), "x".repeat(100 * n));
                connection.set::<_, _, ()>(&key, &value).await.unwrap();
                assert!(connection.get::<_, String>(&key).await.unwrap() == value, "what is got is what was set");
                connection.incr::<_, _, usize>("sum", n).await.unwrap();
            })
        });
        all(commands.collect::<Vec<_>>()).await;
        assert_eq!(connection.clone().get::<_, usize>("sum").await.unwrap(), 199 * 200 / 2);
    });
}

#[test]
fn a_pipeline_gives_all_its_answers_and_a_transaction_is_atomic() {
    with_server(Server::redis, |address| async move {
        let mut connection = connect(address, untimed()).await;
        forget_all(&connection).await;
        let mut pipeline = redis::pipe();
        for n in 0..1000_i64 {
            pipeline.cmd("ECHO").arg(n);
        }
        let echoes: Vec<i64> = pipeline.query_async(&mut connection).await.unwrap();
        assert_eq!(echoes, (0..1000).collect::<Vec<_>>());

        let transfers = (0..50).map(|_| {
            let mut connection = connection.clone();
            rt::spawn(async move {
                let mut transfer = redis::pipe();
                transfer.atomic().cmd("DECR").arg("here").cmd("INCR").arg("there");
                let (here, there): (i64, i64) = transfer.query_async(&mut connection).await.unwrap();
                assert_eq!(here + there, 0);
            })
        });
        all(transfers.collect::<Vec<_>>()).await;
        assert_eq!(connection.get::<_, i64>("there").await.unwrap(), 50);
    });
}

#[test]
fn what_is_published_reaches_who_subscribed() {
    with_server(Server::redis, |address| async move {
        let (sender, mut pushes) = mpsc::unbounded_channel::<PushInfo>();
        let mut subscriber = connect(address, untimed().set_push_sender(sender)).await;
        subscriber.subscribe("news").await.unwrap();
        let mut publisher = connect(address, untimed()).await;
        for n in 0..10 {
            assert_eq!(publisher.publish::<_, _, usize>("news", format!("number {n}")).await.unwrap(), 1);
        }
        let mut received = Vec::new();
        while received.len() < 10 {
            let push = soon(pushes.recv()).await.unwrap();
            if push.kind == PushKind::Message {
                received.push(push.data[1].clone());
            }
        }
        let expected = (0..10).map(|n| Value::BulkString(format!("number {n}").into_bytes()));
        assert_eq!(received, expected.collect::<Vec<_>>());
    });
}

#[test]
fn a_command_that_waits_for_ever_is_given_up_by_our_time() {
    with_server(Server::redis, |address| async move {
        let mut waiting = connect(address, untimed()).await;
        let command = waiting.blpop::<_, Value>("nothing", 0.0);
        assert!(timeout(Duration::from_millis(20), command).await.is_err());
        // Its answer comes after all, and nobody takes it for that of the next command.
        let mut other = connect(address, untimed()).await;
        other.lpush::<_, _, usize>("nothing", "something").await.unwrap();
        assert_eq!(waiting.ping::<String>().await.unwrap(), "PONG");
    });
}

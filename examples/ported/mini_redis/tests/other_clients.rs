//! Clients that others wrote: the redis crate, and redis-cli (`apt-get install redis-tools`).

mod support;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Commands, IntoConnectionInfo};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use support::{Running, eventually, soon};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::{JoinSet, spawn_blocking};

async fn connect(address: SocketAddr) -> MultiplexedConnection {
    let stream = TcpStream::connect(address).await.unwrap();
    let info = (address.ip().to_string(), address.port()).into_connection_info().unwrap();
    // Its timeouts would be the crate's own tokio's.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let connecting = MultiplexedConnection::new_with_config(info.redis_settings(), stream, config);
    let (connection, driver) = soon(connecting).await.unwrap();
    tokio::spawn(driver);
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_share_a_connection_of_the_redis_crate() {
    let server = Running::start().await;
    let connection = connect(server.address).await;
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let mut connection = connection.clone();
        tasks.spawn(async move {
            let set = redis::cmd("SET").arg(n).arg(n * n).arg("PX").arg(60_000).to_owned();
            set.query_async::<()>(&mut connection).await.unwrap();
            assert_eq!(redis::cmd("GET").arg(n).query_async::<i32>(&mut connection).await.unwrap(), n * n);
        });
    }
    while let Some(ended) = soon(tasks.join_next()).await {
        ended.unwrap();
    }
    let mut connection = connection;
    let expired = redis::cmd("SET").arg("short").arg(1).arg("PX").arg(1).to_owned();
    expired.query_async::<()>(&mut connection).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(redis::cmd("GET").arg("short").query_async::<Option<i32>>(&mut connection).await.unwrap(), None);
    assert_eq!(redis::cmd("DEL").arg(&[1, 2, 1000]).query_async::<usize>(&mut connection).await.unwrap(), 2);
    let refused = redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap_err();
    assert!(refused.to_string().contains("unknown command"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_of_the_redis_crate_hears_what_is_published() {
    let server = Running::start().await;
    let client = redis::Client::open(format!("redis://{}/", server.address)).unwrap();
    let mut publisher = client.clone();
    let subscriber = spawn_blocking(move || {
        let mut connection = client.get_connection().unwrap();
        let mut subscriber = connection.as_pubsub();
        subscriber.set_read_timeout(Some(support::SOON)).unwrap();
        subscriber.subscribe(&["news", "weather"]).unwrap();
        let heard = [(); 2].map(|()| subscriber.get_message().unwrap().get_payload::<String>().unwrap());
        subscriber.unsubscribe("news").unwrap();
        heard
    });
    eventually(|| server.channels.len() == 2).await;
    let published = spawn_blocking(move || {
        let first: usize = publisher.publish("news", "one").unwrap();
        first + publisher.publish::<_, _, usize>("weather", "two").unwrap()
    });
    assert_eq!(soon(published).await.unwrap(), 2);
    assert_eq!(soon(subscriber).await.unwrap(), ["one", "two"]);
}

fn redis_cli(address: SocketAddr) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p"]).arg(address.port().to_string());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn output(command: &mut Command) -> String {
    let output = soon(command.output()).await.expect("redis-cli is there: apt-get install redis-tools");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn redis_cli_sets_gets_deletes_and_subscribes() {
    let server = Running::start().await;
    let redis_cli = || redis_cli(server.address);
    assert_eq!(output(redis_cli().arg("ping")).await, "PONG\n");
    assert_eq!(output(redis_cli().args(["set", "key", "a value", "ex", "60"])).await, "OK\n");
    assert_eq!(output(redis_cli().args(["get", "key"])).await, "a value\n");
    assert_eq!(output(redis_cli().args(["del", "key", "other"])).await, "1\n");
    assert_eq!(output(redis_cli().args(["get", "key"])).await, "\n");

    let mut subscriber = redis_cli().args(["subscribe", "news"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually(|| !server.channels.is_empty()).await;
    assert_eq!(output(redis_cli().args(["publish", "news", "here"])).await, "1\n");
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    for expected in ["subscribe", "news", "1", "message", "news", "here"] {
        assert_eq!(soon(lines.next_line()).await.unwrap().unwrap(), expected);
    }
    soon(subscriber.kill()).await.unwrap();
    eventually(|| server.channels.is_empty()).await;
}

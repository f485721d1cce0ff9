//! How the server ends.

mod support;

use mini_redis::Options;
use mini_redis::frame::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::Duration;
use support::{Running, soon};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

#[tokio::test]
async fn idle_connections_end_with_the_server_and_no_more_are_accepted() {
    let server = Running::start().await;
    let address = server.address;
    let mut client = server.client().await;
    client.set("key", "value").await.unwrap();
    let mut subscriber = server.client().await.subscribe(["news"]).await.unwrap();
    let served = server.stop().await;
    assert_eq!((served.connections, served.cut_off), (2, 0));
    assert!(matches!(client.get("key").await, Err(Error::Io(_))));
    assert_eq!(subscriber.next().await.unwrap(), None);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn who_does_not_read_its_answers_is_cut_off_when_the_grace_is_over() {
    let grace = Duration::from_millis(100);
    let server = Running::with(Options { grace, ..Options::default() }).await;
    let mut client = server.client().await;
    client.set("much", vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The first answer fills what the system keeps; then the server waits for its reader.
    stream.write_all("get much\r\n".repeat(64).as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    let began = Instant::now();
    let served = server.stop().await;
    assert_eq!((served.connections, served.cut_off), (2, 1));
    assert!(began.elapsed() >= grace);
}

#[tokio::test]
async fn who_does_not_read_its_answers_is_cut_off_in_the_end() {
    let server = Running::with(Options { write_timeout: Duration::from_millis(50), ..Options::default() }).await;
    let mut client = server.client().await;
    client.set("much", vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all("get much\r\n".repeat(64).as_bytes()).await.unwrap();
    soon(async {
        // No answer is read; the server's end is noticed by what can be written no more.
        while stream.write_all(b"get much\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    client.ping().await.unwrap();
}

#[tokio::test]
async fn the_program_ends_well_at_ctrl_c() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_mini-redis-server"));
    let mut server = server.arg("127.0.0.1:0").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = soon(output.next_line()).await.unwrap().unwrap();
    let address = line.strip_prefix("listening at ").unwrap().to_owned();
    let mut client = mini_redis::Client::connect(&address).await.unwrap();
    client.set("key", "value").await.unwrap();

    let cli = Command::new(env!("CARGO_BIN_EXE_mini-redis-cli")).args([&address, "get", "key"]).output();
    assert_eq!(String::from_utf8(soon(cli).await.unwrap().stdout).unwrap(), "\"value\"\n");

    let pid = Pid::from_raw(server.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(soon(server.wait()).await.unwrap().success());
    assert_eq!(soon(output.next_line()).await.unwrap().unwrap(), "served 2 connections, and had to cut off 0");
}

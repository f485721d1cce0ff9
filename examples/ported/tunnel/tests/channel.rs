//! The control channel: who is let in, and what happens when it is lost.

mod support;

use mini_tunnel::wire::{FromServer, Secret, Wire};
use mini_tunnel::{Client, State, Timing};
use std::process::Stdio;
use std::time::Duration;
use support::{Link, RunningClient, RunningServer, SECRET, ask, echo, soon, timing};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn who_does_not_know_the_secret_is_refused_for_good() {
    let server = RunningServer::start(timing()).await;
    let (to, local) = (server.address.to_string(), echo().await.to_string());
    let client = RunningClient::with(Client::new(to, local, 0, Secret::new("close sesame"), timing()));
    let denied = soon(async {
        while client.state.has_changed().is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
        client.stop().await.unwrap_err()
    });
    assert!(denied.await.to_string().contains("does not know the secret"));
    server.stop().await;
}

#[tokio::test]
async fn who_says_something_else_or_nothing_disturbs_nobody() {
    let opening = Duration::from_millis(300);
    let server = RunningServer::start(Timing { opening, ..timing() }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut endless = TcpStream::connect(server.address).await.unwrap();
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    endless.write_all(&[b'x'; 10_000]).await.unwrap();
    let mut client = RunningClient::start(server.address, echo().await, timing());
    assert_eq!(ask(client.open().await, b"hello").await, b"hello");
    for stream in [&mut silent, &mut endless, &mut other] {
        // A challenge, and then the end, by whatever way.
        let mut heard = Vec::new();
        let _ = soon(stream.read_to_end(&mut heard)).await;
        assert!(heard.starts_with(b"{\"Challenge\""), "{}", heard.escape_ascii());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_asked_for_until_it_is_free() {
    let server = RunningServer::start(timing()).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (to, local) = (server.address.to_string(), echo().await.to_string());
    let mut client = RunningClient::with(Client::new(to, local, address.port(), Secret::new(SECRET), timing()));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(*client.state.borrow(), State::Connecting);
    drop(taken);
    assert_eq!(client.open().await, address);
    assert_eq!(ask(address, b"hello").await, b"hello");
}

#[tokio::test]
async fn a_client_comes_back_to_its_port_when_the_server_is_there_again() {
    let server = RunningServer::start(timing()).await;
    let to = server.address;
    let mut client = RunningClient::start(to, echo().await, timing());
    let address = client.open().await;
    server.kill().await;
    client.lost().await;
    assert!(TcpStream::connect(address).await.is_err());
    sleep(Duration::from_millis(100)).await;
    let server = RunningServer::at(to, timing()).await;
    assert_eq!(client.open().await, address);
    assert_eq!(ask(address, b"hello again").await, b"hello again");
    client.stop().await.unwrap();
    server.stop().await;
}

/// Neither side is told that the link is frozen, and both find out.
#[tokio::test]
async fn a_channel_on_which_nothing_is_heard_is_given_up_by_both() {
    let (heartbeat, dead_after, opening) =
        (Duration::from_millis(20), Duration::from_millis(200), Duration::from_millis(500));
    let timing = Timing { heartbeat, dead_after, opening, ..timing() };
    let server = RunningServer::start(timing).await;
    let link = Link::to(server.address).await;
    let mut client = RunningClient::start(link.address, echo().await, timing);
    let address = client.open().await;
    // As long as there are heartbeats, it is kept.
    sleep(2 * dead_after).await;
    assert_eq!(*client.state.borrow(), State::Open(address.port()));
    let began = Instant::now();
    link.freeze();
    client.lost().await;
    assert!(began.elapsed() >= dead_after - 2 * heartbeat, "{:?}", began.elapsed());
    // The server lets the port go.
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    link.thaw();
    assert_eq!(client.open().await, address);
    assert_eq!(ask(address, b"hello again").await, b"hello again");
}

/// The client notices at once that the link is cut. The server, behind a link that is cut for the client alone, may not; the port is the
/// client's all the same.
#[tokio::test]
async fn a_client_that_is_back_before_it_was_missed_has_its_port_again() {
    let server = RunningServer::start(timing()).await;
    let link = Link::to(server.address).await;
    let mut client = RunningClient::start(link.address, echo().await, timing());
    let address = client.open().await;
    for _ in 0..5 {
        let mut state = client.state.clone();
        state.mark_unchanged();
        link.cut();
        soon(state.changed()).await.unwrap();
        link.thaw();
        assert_eq!(client.open().await, address);
        assert_eq!(ask(address, b"hello").await, b"hello");
    }
}

#[tokio::test]
async fn streams_go_on_while_the_channel_is_made_anew() {
    // A server that ends the channel, by a second one of the same client; the streams are connections of their own.
    let server = RunningServer::start(timing()).await;
    let (to, local) = (server.address.to_string(), echo().await.to_string());
    let client = Client::new(to, local, 0, Secret::new(SECRET), timing());
    let mut first = RunningClient::with(client.clone());
    let mut visitor = TcpStream::connect(first.open().await).await.unwrap();
    visitor.write_all(b"a").await.unwrap();
    assert_eq!(soon(visitor.read_u8()).await.unwrap(), b'a');
    let mut second = RunningClient::with(client);
    second.open().await;
    first.lost().await;
    visitor.write_all(b"b").await.unwrap();
    assert_eq!(soon(visitor.read_u8()).await.unwrap(), b'b');
    drop(visitor);
    second.stop().await.unwrap();
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_challenge_is_never_the_same() {
    let server = RunningServer::start(timing()).await;
    let mut challenges = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::new(TcpStream::connect(server.address).await.unwrap());
        match soon(wire.hear()).await.unwrap() {
            FromServer::Challenge(challenge) => challenges.push(challenge),
            other => panic!("{other:?}"),
        }
    }
    challenges.sort();
    challenges.dedup();
    assert_eq!(challenges.len(), 20);
}

fn program(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-tunnel"));
    command.args(arguments).env("TUNNEL_SECRET", SECRET).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

async fn says(program: &mut Child, beginning: &str) -> String {
    let mut lines = BufReader::new(program.stdout.as_mut().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().unwrap();
    line.strip_prefix(beginning).unwrap_or_else(|| panic!("it said {line:?}")).to_owned()
}

#[tokio::test]
async fn the_programs_work_together_and_end_well() {
    let mut server = program(&["server", "127.0.0.1:0"]);
    let to = says(&mut server, "listening at ").await;
    let mut client = program(&["client", &to, &echo().await.to_string()]);
    let port: u16 = says(&mut client, "open at port ").await.parse().unwrap();
    assert_eq!(ask(([127, 0, 0, 1], port).into(), b"hello").await, b"hello");
    for (mut program, signal) in [(client, rustix::process::Signal::INT), (server, rustix::process::Signal::TERM)] {
        let pid = rustix::process::Pid::from_raw(program.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        assert!(soon(program.wait()).await.unwrap().success());
    }
}

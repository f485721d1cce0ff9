//! A chat over TCP: every line goes to everybody else, by `rt::sync::broadcast`.
//!
//! ```text
//! cargo run --release --example chat [ADDRESS]
//! nc 127.0.0.1 7008
//! ```
//!
//! The channel keeps the last lines, and nobody waits for a client that reads too slowly: it loses the oldest ones, and
//! is told how many. `--self-test` runs the server against clients of its own, one of which is slow.

mod support;

use rt::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use rt::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use rt::net::{TcpListener, TcpStream};
use rt::sync::broadcast::{self, error::RecvError};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use support::{Failure, arguments, within_a_minute};

/// Half as many, and clients lose lines sooner; twice as many, and the room keeps up to twice the memory.
const KEPT_LINES: usize = 256;
/// Who never ends a line would otherwise fill the memory with it.
const LONGEST_LINE: u64 = 1024;

/// Who said it, and what all others see.
type Message = (SocketAddr, Arc<str>);

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([address]) = arguments("[ADDRESS]", ["127.0.0.1:7008"]) else {
        return within_a_minute(self_test()).await;
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening at {}", listener.local_addr()?);
    serve(listener).await
}

async fn serve(listener: TcpListener) -> ! {
    let (room, _) = broadcast::channel(KEPT_LINES);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(rt::spawn(join(stream, peer, room.clone()))),
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

async fn join(stream: TcpStream, peer: SocketAddr, room: broadcast::Sender<Message>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"Your name, please: ").await?;
    let Some(name) = next_line(&mut reader).await? else { return Ok(()) };

    // From here on it hears everything, also what is said before its task runs.
    let messages = room.subscribe();
    writer.write_all(format!("* welcome, {name}\n").as_bytes()).await?;
    // Fails if nobody listens, and then nobody misses it.
    let say = |text: String| drop(room.send((peer, text.into())));
    say(format!("* {name} is here\n"));
    let delivery = rt::spawn(deliver(messages, peer, writer));
    // An error ends it as its last line does: the others only need to know that it is gone.
    while let Ok(Some(line)) = next_line(&mut reader).await {
        say(format!("{name}: {line}\n"));
    }
    delivery.abort();
    say(format!("* {name} is gone\n"));
    Ok(())
}

async fn deliver(
    mut messages: broadcast::Receiver<Message>,
    to: SocketAddr,
    mut writer: OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        match messages.recv().await {
            Ok((from, _)) if from == to => {}
            Ok((_, text)) => writer.write_all(text.as_bytes()).await?,
            Err(RecvError::Lagged(lost)) => {
                writer.write_all(format!("* you read too slowly and have lost {lost} lines\n").as_bytes()).await?;
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// Without control characters, by which one client could play tricks on the terminals of others.
async fn next_line(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect())),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long, or has no end")),
    }
}

async fn self_test() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    rt::spawn(async { serve(listener).await });

    let mut ann = Client::join(address, "Ann").await?;
    let mut bob = Client::join(address, "Bob").await?;
    ann.hears("* Bob is here").await?;
    bob.says("hello\x1b[2J").await?;
    ann.hears("Bob: hello[2J").await?;
    ann.says("good morning").await?;
    bob.hears("Ann: good morning").await?;

    let mut slow = Client::join(address, "Slow").await?;
    // More than the system keeps for a socket that nobody reads.
    for _ in 0..32 * 1024 {
        bob.says(&"-".repeat(1000)).await?;
    }
    bob.says("that was all").await?;
    slow.hears("* you read too slowly and have lost").await?;
    slow.hears("Bob: that was all").await?;
    drop(bob);
    slow.hears("* Bob is gone").await
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn join(address: SocketAddr, name: &str) -> io::Result<Self> {
        let mut client = Client(BufReader::new(TcpStream::connect(address).await?));
        client.says(name).await?;
        client.hears("Your name, please: * welcome").await?;
        Ok(client)
    }

    async fn says(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes()).await
    }

    /// Reads until a line begins so.
    async fn hears(&mut self, beginning: &str) -> io::Result<()> {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(io::Error::other(format!("the server went away before it said {beginning:?}")));
            }
        }
        Ok(())
    }
}

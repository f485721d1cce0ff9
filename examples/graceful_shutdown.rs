//! A TCP server that goes with grace: at the end it takes no more connections, lets those that it has say what they have to say, and
//! names whoever would not come to an end.
//!
//! ```text
//! cargo run --release --example graceful_shutdown [ADDRESS]
//! nc 127.0.0.1 7009
//! ```
//!
//! Each line is answered with its length. Ctrl-C at the server begins the end. `--self-test` runs it against clients of its own.

mod support;

use futures_util::future::{Either, select};
use rt::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Handle, draining};
use rt::sync::mpsc;
use rt::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use support::{Failure, arguments, within_a_minute};

/// How long connections have to come to an end.
const GRACE: Duration = Duration::from_secs(10);

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([address]) = arguments("[ADDRESS]", ["127.0.0.1:7009"]) else {
        return within_a_minute(self_test()).await;
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening at {}, until you press Ctrl-C", listener.local_addr()?);
    rt::task::Builder::new().name("accept loop").spawn(accept(listener))?;
    rt::signal::ctrl_c().await?;
    println!("{}", Handle::current().drain(GRACE).await);
    Ok(())
}

/// Takes connections until the runtime drains. The listener goes with it, so that nobody waits in vain to be taken.
async fn accept(listener: TcpListener) {
    loop {
        match select(pin!(draining()), pin!(listener.accept())).await {
            Either::Left(_) => return,
            Either::Right((Ok((stream, peer)), _)) => {
                rt::spawn(async move {
                    if let Err(error) = answer(stream).await {
                        println!("{peer} is gone: {error}");
                    }
                });
            }
            Either::Right((Err(error), _)) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

/// Answers each line with its length. Once the runtime drains, the line that has begun is the last.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        // A line that has begun comes first. What has been read of it stays in the reader.
        if let Either::Right(_) = select(pin!(reader.fill_buf()), pin!(draining())).await {
            return writer.write_all(b"goodbye\n").await;
        }
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        writer.write_all(format!("{}\n", line.trim_end().len()).as_bytes()).await?;
    }
}

async fn self_test() -> io::Result<()> {
    // On a runtime of its own, so that the clients are not drained with the server.
    let runtime = rt::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = runtime.handle().clone();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    drop(runtime.spawn(accept(listener)));

    let (talking, mut heard) = mpsc::channel(1);
    let client = |says| rt::spawn(talk(address, says, talking.clone(), server.clone()));
    let idle: Vec<_> = (0..10).map(|_| client(["once\n", ""])).collect();
    // These are in the middle of a line when the end begins.
    let busy: Vec<_> = (0..10).map(|_| client(["before\nhalf a li", "ne.\n"])).collect();
    let stubborn = client(["stubborn\na line without an", " end"]);
    for _ in 0..21 {
        heard.recv().await;
    }

    let drained = rt::task::spawn_blocking(move || runtime.drain(Duration::from_secs(2))).await?;
    println!("{drained}");
    for client in idle {
        assert_eq!(client.await??, "4\ngoodbye\n");
    }
    for client in busy {
        assert_eq!(client.await??, "6\n12\ngoodbye\n");
    }
    assert_eq!(stubborn.await??, "8\n");
    // The accept loop and twenty connections; and one that had to be cut off.
    assert_eq!((drained.finished(), drained.aborted().len(), drained.stuck().len()), (21, 1, 0));
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    Ok(())
}

/// Says the first, and, once the server has answered and is about to go, the second. Returns all that it hears.
async fn talk(
    address: SocketAddr,
    [first, second]: [&str; 2],
    talking: mpsc::Sender<()>,
    server: Handle,
) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let mut heard = String::new();
    stream.write_all(first.as_bytes()).await?;
    stream.read_line(&mut heard).await?;
    let _ = talking.send(()).await;
    server.draining().await;
    if !second.is_empty() {
        stream.write_all(second.as_bytes()).await?;
    }
    stream.read_to_string(&mut heard).await?;
    Ok(heard)
}

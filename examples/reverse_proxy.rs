//! A TCP reverse proxy: whoever connects here talks to a server elsewhere, and both may end their half by themselves.
//!
//! ```text
//! cargo run --release --example hello_http &
//! cargo run --release --example reverse_proxy [ADDRESS [UPSTREAM]]
//! curl http://127.0.0.1:7009/
//! ```
//!
//! `--self-test` runs it between clients and servers of its own.

mod support;

use rt::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use rt::net::{TcpListener, TcpSocket, TcpStream};
use rt::time::{Duration, timeout};
use std::io;
use std::sync::Arc;
use support::{Failure, arguments, within_a_minute};

/// The system by itself gives up after minutes, in which a client could be told that there is no answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([address, upstream]) = arguments("[ADDRESS [UPSTREAM]]", ["127.0.0.1:7009", "127.0.0.1:3000"]) else {
        return within_a_minute(self_test()).await;
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening at {}, for {upstream}", listener.local_addr()?);
    serve(listener, upstream).await
}

async fn serve(listener: TcpListener, upstream: String) -> ! {
    let upstream: Arc<str> = upstream.into();
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                let upstream = upstream.clone();
                rt::spawn(async move {
                    match forward(client, &upstream).await {
                        Ok((sent, received)) => println!("{peer}: {sent} bytes sent, {received} bytes received"),
                        Err(error) => println!("{peer}: {error}"),
                    }
                });
            }
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

/// Until both sides have said all, or one of them breaks.
async fn forward(mut client: TcpStream, upstream: &str) -> io::Result<(u64, u64)> {
    let mut server = connect(upstream, CONNECT_TIMEOUT).await?;
    // What is passed on has waited once already, where it was sent.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await
}

async fn connect(upstream: &str, limit: Duration) -> io::Result<TcpStream> {
    match timeout(limit, TcpStream::connect(upstream)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "{upstream} does not answer within {limit:?}; is it up, and does a firewall drop what is sent to it?"
            ),
        )),
    }
}

async fn self_test() -> io::Result<()> {
    // An upstream that answers when the client has ended its half.
    let (upstream, server) = listen().await?;
    rt::spawn(async move {
        let (mut stream, _peer) = server.accept().await?;
        let mut question = String::new();
        stream.read_to_string(&mut question).await?;
        stream.write_all(question.to_uppercase().as_bytes()).await
    });
    let (address, proxy) = listen().await?;
    rt::spawn(async { serve(proxy, upstream).await });
    assert_eq!(ask(&address, "is anybody there?").await?, "IS ANYBODY THERE?");

    // One that is not there: the client is sent away.
    let (nowhere, closed) = listen().await?;
    drop(closed);
    let (address, proxy) = listen().await?;
    rt::spawn(async { serve(proxy, nowhere).await });
    assert_eq!(ask(&address, "").await?, "");

    // One that does not answer, since nobody takes the connections that wait there already.
    let silent = TcpSocket::new_v4()?;
    silent.bind(([127, 0, 0, 1], 0).into())?;
    let silent = silent.listen(1)?;
    let address = silent.local_addr()?.to_string();
    let mut waiting = Vec::new();
    let error = loop {
        match connect(&address, Duration::from_millis(200)).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    Ok(())
}

async fn listen() -> io::Result<(String, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok((listener.local_addr()?.to_string(), listener))
}

async fn ask(address: &str, question: &str) -> io::Result<String> {
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    writer.write_all(question.as_bytes()).await?;
    writer.shutdown().await?;
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await?;
    Ok(answer)
}

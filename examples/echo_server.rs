//! A TCP server that sends back what it gets: a task for each connection, thousands of them if need be.
//!
//! ```text
//! cargo run --release --example echo_server [ADDRESS]
//! nc 127.0.0.1 7007
//! ```
//!
//! `--self-test` runs it against clients of its own.

mod support;

use rt::io::{AsyncReadExt, AsyncWriteExt, copy};
use rt::net::{TcpListener, TcpStream};
use std::io;
use support::{Failure, arguments, within_a_minute};

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([address]) = arguments("[ADDRESS]", ["127.0.0.1:7007"]) else {
        return within_a_minute(self_test()).await;
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening at {}", listener.local_addr()?);
    serve(listener).await
}

async fn serve(listener: TcpListener) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                rt::spawn(async move {
                    match echo(stream).await {
                        Ok(bytes) => println!("{peer} got {bytes} bytes back"),
                        Err(error) => println!("{peer} is gone: {error}"),
                    }
                });
            }
            // Of this connection, or a lack of descriptors that passes. The listener is as good as before.
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

/// Until the peer has said all.
async fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let (mut reader, mut writer) = stream.split();
    copy(&mut reader, &mut writer).await
}

async fn self_test() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    rt::spawn(async { serve(listener).await });

    let clients: Vec<_> = (0..20_usize)
        .map(|n| {
            rt::spawn(async move {
                let message = format!("I am client {n}. ").repeat(1 + n * 500);
                let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
                // More than the sockets' buffers hold must be read while it is written.
                let sent = message.clone();
                let writing = rt::spawn(async move {
                    writer.write_all(sent.as_bytes()).await?;
                    writer.shutdown().await
                });
                let mut echo = String::new();
                reader.read_to_string(&mut echo).await?;
                assert!(echo == message, "client {n} gets back what it sent");
                writing.await?
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

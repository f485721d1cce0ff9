//! A hundred tasks ask a line server a hundred things each, over four connections.
//!
//! ```text
//! cargo run -p mini-pool
//! ```

use mini_pool::{Manager, Options, Pool};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A client of a server that answers each line by the same line.
struct Lines(SocketAddr);

impl Manager for Lines {
    type Connection = BufStream<TcpStream>;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<Self::Connection> {
        let stream = TcpStream::connect(self.0).await?;
        stream.set_nodelay(true)?;
        Ok(BufStream::new(stream))
    }

    async fn check(&self, stream: &mut Self::Connection) -> io::Result<()> {
        ask(stream, "are you there?").await
    }
}

async fn ask(stream: &mut BufStream<TcpStream>, question: &str) -> io::Result<()> {
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    match answer.strip_suffix('\n') {
        Some(answer) if answer == question => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let pool = Pool::new(Lines(listener.local_addr()?), Options { max_size: 4, min_size: 1, ..Options::default() });
    tokio::spawn(serve(listener));

    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..100 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for number in 0..100 {
                let mut connection = pool.acquire().await.map_err(io::Error::other)?;
                if let Err(error) = ask(&mut connection, &format!("question {number} of task {task}")).await {
                    connection.discard();
                    return Err(error);
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    println!("10000 answers in {:?}; {:?}", began.elapsed(), pool.status());
    pool.close().await;
    println!("closed; {:?}", pool.status());
    Ok(())
}

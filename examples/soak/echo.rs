//! A server that returns what it gets, and its clients.

use crate::actor::microseconds;
use crate::books::Books;
use crate::round::World;
use fastrand::Rng;
use futures_util::future::join;
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::task::JoinSet;
use rt::time::timeout;
use std::io;
use std::sync::Arc;

/// Serves for ever. Dropped, it ends its connections with it.
pub(crate) async fn serve(listener: TcpListener, books: &'static Books) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let mark = books.futures.mark();
        connections.spawn(async move {
            let _mark = mark;
            // A client may give up in the middle.
            let _ = echo(stream).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read]).await?,
        }
    }
}

/// Connects, and asks for some things back.
pub(crate) async fn talk(world: &Arc<World>, random: &mut Rng) {
    let mut stream = TcpStream::connect(world.address).await.expect("the server is there");
    for _ in 0..random.u32(..6) {
        let data: Vec<u8> = (0..random.usize(..20_000)).map(|_| random.u8(..)).collect();
        let mut echo = vec![0; data.len()];
        if random.u32(..16) == 0 {
            // Gives up, and leaves the rest to the system.
            let (time, (mut reads, mut writes)) = (microseconds(random, 500), stream.split());
            let both = join(writes.write_all(&data), reads.read_exact(&mut echo));
            let _ = timeout(time, both).await;
            return;
        }
        world.books.bytes.out(data.len() as u64);
        // Both at once: what is written may not fit into the system's buffers.
        let (mut reads, mut writes) = stream.split();
        let (written, read) = join(writes.write_all(&data), reads.read_exact(&mut echo)).await;
        written.expect("the server reads");
        read.expect("the server answers");
        assert!(echo == data, "other bytes came back");
        world.books.bytes.back(echo.len() as u64);
    }
}

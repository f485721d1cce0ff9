//! What sockets, pipes and descriptors offer beyond reading and writing: readiness, halves, datagrams, Unix sockets, other
//! traits, and what happens in bad weather.

mod datagrams;
mod descriptors;
mod readiness;
#[path = "../support/streams.rs"]
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tcp;
mod unix;
mod weather;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all, select};
use rt::io::unix::AsyncFd;
use rt::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf, Ready};
use rt::net::unix::{pid_t, pipe};
use rt::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream};
use rt::runtime::Runtime;
use rt::time::{sleep, timeout};
use support::{SOON, current, eventually, multi, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(SOON, move || [current(), multi(2)].iter().for_each(|runtime: &Runtime| runtime.block_on(test())));
}

const LOCALHOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Both ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let (client, server) = join(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
    (client.unwrap(), server.unwrap().0)
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("rt-{name}-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Writes until nothing more fits.
async fn fill(stream: &TcpStream) -> usize {
    let mut written = 0;
    loop {
        match stream.try_write(&[7; 65536]) {
            Ok(count) => written += count,
            // The kernel moves what was written to the other end, and then there is room again.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if timeout(Duration::from_millis(50), stream.writable()).await.is_err() {
                    return written;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A pair for `AsyncFd`: the first end does not block.
fn std_pair() -> (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream) {
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    (one, other)
}

//! Work that arrives while every worker is blocked.

use super::{WORKERS, settle, spawn};
use crate::Peer;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// This thread spawns a task when all workers have been blocked for `wait`. Returns how long after that the task ran.
pub(super) fn spawning<P: Peer>(peer: &P, time: Duration, wait: Duration) -> Option<Duration> {
    block_all(peer, time);
    thread::sleep(wait);
    let (delay, delays) = blocking::channel();
    let spawned_at = Instant::now();
    spawn(peer, async move {
        delay.send(spawned_at.elapsed()).expect("the thread waits");
    });
    delays.recv().ok()
}

/// This thread writes to a connection when all workers have been blocked for `wait`. Returns how long after that a task has
/// read from its other end.
pub(super) fn reading<P: Peer>(peer: &P, time: Duration, wait: Duration) -> Option<Duration> {
    let (mut near, far) = connection().expect("the system makes a connection");
    let (read, reads) = blocking::channel();
    spawn(
        peer,
        P::each_byte(far, move || {
            // The last is none that the thread waits for.
            let _ = read.send(Instant::now());
        }),
    );
    // From the first byte on the reactor knows the connection.
    near.write_all(&[1]).expect("the other end is open");
    reads.recv().ok()?;
    settle();

    block_all(peer, time);
    thread::sleep(wait);
    let written_at = Instant::now();
    near.write_all(&[2]).expect("the other end is open");
    let read_at = reads.recv().ok()?;
    Some(read_at.saturating_duration_since(written_at))
}

/// Blocks every worker for `time`, and returns when all are blocked.
fn block_all<P: Peer>(peer: &P, time: Duration) {
    // Nobody gets past it before each worker has one of these.
    let all = Arc::new(Barrier::new(WORKERS + 1));
    for _ in 0..WORKERS {
        let all = Arc::clone(&all);
        spawn(peer, async move {
            all.wait();
            thread::sleep(time);
        });
    }
    all.wait();
}

/// Two ends, of which the second does not block.
fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    let (far, _) = listener.accept()?;
    far.set_nonblocking(true)?;
    Ok((near, far))
}

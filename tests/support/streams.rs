//! Two ends of a stream beside a model of it: a queue of bytes for each direction, and whether it has ended.
//!
//! Every byte sent is the next of a fixed sequence, so that one that is lost, repeated or moved is noticed where it is read.

use rt::io::{AsyncReadExt, AsyncWriteExt, Interest};
use rt::net::{TcpListener, TcpStream, UnixStream};
use std::future::Future;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Long beside everything that a stream does.
const SOON: Duration = Duration::from_secs(20);

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    sent: usize,
    received: usize,
    has_ended: bool,
}

impl Direction {
    fn in_flight(&self) -> usize {
        self.sent - self.received
    }
}

fn byte(index: usize) -> u8 {
    (index % 251) as u8 ^ (index >> 8) as u8
}

/// What the bytes of the script mean, read one after the other.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Mostly short, sometimes none, sometimes long.
    fn length(&mut self) -> Option<usize> {
        self.next().map(|byte| match byte {
            0..100 => byte as usize % 10,
            100..240 => byte as usize * 7,
            240.. => byte as usize * 300,
        })
    }
}

/// Does what the script says with a connected pair, TCP or Unix as its first byte says.
///
/// # Panics
///
/// If a stream does what the model does not.
pub(crate) async fn run(script: &[u8]) {
    let mut script = Script(script);
    if script.next().is_some_and(|byte| byte % 2 == 0) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let connect = TcpStream::connect(listener.local_addr().expect("an address"));
        let one = connect.await.expect("connect");
        let two = listener.accept().await.expect("accept").0;
        // Otherwise a small write may wait for the acknowledgement of the one before, which comes after 40 ms.
        one.set_nodelay(true).expect("an option");
        two.set_nodelay(true).expect("an option");
        play(&mut script, one, two).await;
    } else {
        let (one, two) = UnixStream::pair().expect("a pair");
        play(&mut script, one, two).await;
    }
}

/// Polls once.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn check(direction: &mut Direction, bytes: &[u8], takes: bool) {
    assert!(bytes.len() <= direction.in_flight(), "more was received than sent");
    for (offset, found) in bytes.iter().enumerate() {
        assert_eq!(*found, byte(direction.received + offset), "byte {}", direction.received + offset);
    }
    if takes {
        direction.received += bytes.len();
    }
}

trait Stream: rt::io::AsyncRead + rt::io::AsyncWrite + Unpin + Sized {
    fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize>;
    fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> std::io::Result<usize>;
    fn try_write(&self, data: &[u8]) -> std::io::Result<usize>;
    fn try_write_vectored(&self, data: &[IoSlice<'_>]) -> std::io::Result<usize>;
    async fn ready(&self, interest: Interest) -> std::io::Result<rt::io::Ready>;
    fn there_and_back(self) -> Self;
}

macro_rules! stream {
    ($type:ident) => {
        impl Stream for $type {
            fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                $type::try_read(self, buffer)
            }
            fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> std::io::Result<usize> {
                $type::try_read_vectored(self, buffers)
            }
            fn try_write(&self, data: &[u8]) -> std::io::Result<usize> {
                $type::try_write(self, data)
            }
            fn try_write_vectored(&self, data: &[IoSlice<'_>]) -> std::io::Result<usize> {
                $type::try_write_vectored(self, data)
            }
            async fn ready(&self, interest: Interest) -> std::io::Result<rt::io::Ready> {
                $type::ready(self, interest).await
            }
            fn there_and_back(self) -> Self {
                let (reader, writer) = self.into_split();
                let stream = reader.reunite(writer).expect("one stream");
                $type::from_std(stream.into_std().expect("deregister")).expect("register")
            }
        }
    };
}

stream!(TcpStream);
stream!(UnixStream);

async fn play<S: Stream>(script: &mut Script<'_>, one: S, two: S) {
    let mut ends = [Some(one), Some(two)];
    // From each end to the other.
    let mut directions = [Direction::default(), Direction::default()];
    while let Some(operation) = script.next() {
        let end = usize::from(operation & 1);
        let stream = ends[end].as_mut().expect("both are there");
        match operation >> 1 & 7 {
            0 | 1 => {
                let Some(length) = script.length() else { break };
                let out = &mut directions[end];
                let data: Vec<u8> = (out.sent..out.sent + length).map(byte).collect();
                let written = if operation & 128 == 0 {
                    stream.try_write(&data)
                } else {
                    let (first, second) = data.split_at(length / 3);
                    stream.try_write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
                };
                match written {
                    Ok(count) => {
                        assert!(count <= length && !(out.has_ended && count > 0));
                        out.sent += count;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        // Nobody has waited for readiness yet, or the buffer is full.
                        if out.in_flight() == 0 && !out.has_ended {
                            let ready = rt::time::timeout(SOON, stream.ready(Interest::WRITABLE)).await;
                            assert!(ready.expect("an empty buffer takes data").expect("ready").is_writable());
                        }
                    }
                    Err(error) => assert!(out.has_ended && error.kind() == ErrorKind::BrokenPipe, "{error}"),
                }
            }
            2 => {
                // Cancelled after one poll, whatever it did.
                let Some(length) = script.length() else { break };
                let out = &mut directions[end];
                let data: Vec<u8> = (out.sent..out.sent + length).map(byte).collect();
                match once(stream.write(&data)) {
                    Some(Ok(count)) => out.sent += count,
                    Some(Err(error)) => assert!(out.has_ended && error.kind() == ErrorKind::BrokenPipe, "{error}"),
                    None => {}
                }
            }
            3 => {
                let Some(length) = script.length() else { break };
                let from = &mut directions[1 - end];
                let mut buffer = vec![0; length];
                match once(stream.read(&mut buffer)) {
                    Some(Ok(0)) => assert!(length == 0 || from.has_ended && from.in_flight() == 0, "an end too early"),
                    Some(Ok(count)) => check(from, &buffer[..count], true),
                    Some(Err(error)) => panic!("{error}"),
                    None => {}
                }
            }
            4 => {
                // What is there, or the end, must come.
                let from = &mut directions[1 - end];
                if from.in_flight() == 0 && !from.has_ended {
                    continue;
                }
                let Some(length) = script.length() else { break };
                let mut buffer = vec![0; length.max(1)];
                let read = rt::time::timeout(SOON, stream.read(&mut buffer)).await.expect("nothing is lost");
                match read.expect("no reset") {
                    0 => assert!(from.has_ended && from.in_flight() == 0, "an end too early"),
                    count => check(from, &buffer[..count], true),
                }
            }
            5 => {
                let Some(length) = script.length() else { break };
                let from = &mut directions[1 - end];
                let mut buffer = vec![0; length + 1];
                let (first, second) = buffer.split_at_mut(length / 2);
                let read = if operation & 128 == 0 {
                    stream.try_read_vectored(&mut [IoSliceMut::new(first), IoSliceMut::new(second)])
                } else {
                    stream.try_read(&mut buffer)
                };
                match read {
                    Ok(0) => assert!(from.has_ended && from.in_flight() == 0, "an end too early"),
                    Ok(count) => check(from, &buffer[..count], true),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
                }
            }
            6 => {
                if operation & 0xf0 == 0xf0 {
                    stream.shutdown().await.expect("shut down");
                    directions[end].has_ended = true;
                } else {
                    rt::task::yield_now().await;
                }
            }
            _ => {
                let stream = ends[end].take().expect("both are there");
                ends[end] = Some(stream.there_and_back());
            }
        }
    }
    // All that is left arrives, and then the end.
    for end in 0..2 {
        ends[end].as_mut().expect("both are there").shutdown().await.expect("shut down");
        directions[end].has_ended = true;
    }
    for end in 0..2 {
        let mut rest = Vec::new();
        let stream = ends[end].as_mut().expect("both are there");
        rt::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the end comes").expect("no reset");
        let from = &mut directions[1 - end];
        check(from, &rest, true);
        assert_eq!(from.in_flight(), 0, "bytes are lost");
    }
}

//! Connections that are there for one byte.
//!
//! The server reads it and closes; then the client does, by a reset. Neither is left with a connection in TIME_WAIT, of which there
//! would soon be one for each port.

use super::fleet::SILENCE;
use crate::servers::service::Service;
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Keeps `at_a_time` connections under way for `time`, and returns how many there were, all of which are over.
pub(super) fn run(address: SocketAddr, service: Service, at_a_time: usize, time: Duration) -> io::Result<u64> {
    let start = Instant::now();
    let mut under_way = VecDeque::with_capacity(at_a_time);
    let mut connections = 0;
    while start.elapsed() < time {
        if under_way.len() == at_a_time {
            finish(under_way.pop_front())?;
        }
        // The system answers for the server: it takes no time.
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(service.request())?;
        under_way.push_back(stream);
        connections += 1;
    }
    while !under_way.is_empty() {
        finish(under_way.pop_front())?;
    }
    Ok(connections)
}

/// The oldest of many has mostly been served already.
fn finish(stream: Option<TcpStream>) -> io::Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    stream.set_read_timeout(Some(SILENCE))?;
    if stream.read(&mut [0])? > 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, "the server answers where it should close"));
    }
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}

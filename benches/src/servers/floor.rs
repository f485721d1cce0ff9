//! What the services take without any runtime: one thread, one epoll instance, no tasks.
//!
//! It reads what has come, answers, and waits again. Nobody can serve a socket with fewer system calls, short of io_uring.

use super::service::{GREETING, Service};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

/// As many as the runtimes take at a time.
const EVENTS: usize = 1024;
/// More than any request here.
const BUFFER: usize = 4096;
/// No connection has it.
const LISTENER: u64 = u64::MAX;

/// A connection, and how much of a blank line it has read last.
struct Connection {
    stream: TcpStream,
    of_blank_line: usize,
}

/// Serves until it cannot.
pub(super) fn serve(listener: &TcpListener, service: Service) -> io::Result<Infallible> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{GREETING}",
        GREETING.len()
    );
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections = HashMap::new();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                accept(listener, &epoll, &mut connections)?;
                continue;
            }
            let connection = connections.get_mut(&key).expect("it is there until it is over");
            // A client that went away is none of a server's errors.
            let goes_on = connection.serve(service, answer.as_bytes()).unwrap_or(false);
            if !goes_on {
                connections.remove(&key);
            }
        }
    }
}

fn accept(listener: &TcpListener, epoll: &OwnedFd, connections: &mut HashMap<u64, Connection>) -> io::Result<()> {
    let (stream, _) = match listener.accept() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        accepted => accepted?,
    };
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let key = stream.as_raw_fd() as u64;
    epoll::add(epoll, &stream, EventData::new_u64(key), EventFlags::IN | EventFlags::ET)?;
    connections.insert(key, Connection { stream, of_blank_line: 0 });
    Ok(())
}

impl Connection {
    /// Returns whether more is to come.
    fn serve(&mut self, service: Service, answer: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; BUFFER];
        let read = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            read => read?,
        };
        let bytes = &buffer[..read];
        match service {
            Service::Echo => self.stream.write_all(bytes)?,
            Service::Http => {
                for _ in 0..blank_lines(&mut self.of_blank_line, bytes) {
                    self.stream.write_all(answer)?;
                }
            }
            Service::Close => return Ok(false),
        }
        Ok(read > 0)
    }
}

/// How many there are in a text of which `bytes` come next.
fn blank_lines(of_blank_line: &mut usize, bytes: &[u8]) -> usize {
    const BLANK_LINE: &[u8] = b"\r\n\r\n";
    let mut found = 0;
    for &byte in bytes {
        *of_blank_line = if byte == BLANK_LINE[*of_blank_line] { *of_blank_line + 1 } else { (byte == b'\r').into() };
        if *of_blank_line == BLANK_LINE.len() {
            found += 1;
            *of_blank_line = 0;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::blank_lines;

    #[test]
    fn blank_lines_are_found_across_reads() {
        let mut of_blank_line = 0;
        assert_eq!(blank_lines(&mut of_blank_line, b"GET / HTTP/1.1\r\nhost: a\r\n"), 0);
        assert_eq!(blank_lines(&mut of_blank_line, b"\r\nGET / HTTP/1.1\r\n\r\n\r"), 2);
        assert_eq!(blank_lines(&mut of_blank_line, b"\r\n\r\n"), 1);
    }
}

//! Connections to one server, and what has become ready of them.

use crate::servers::service::Service;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A server that says nothing for as long has stopped.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// More than any answer here, so that a read takes all that there is.
const BUFFER: usize = 4096;

pub(super) struct Fleet {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    buffer: Box<[u8; BUFFER]>,
    request: &'static [u8],
    answer: usize,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the answer that have not come yet.
    missing: usize,
}

impl Fleet {
    /// Connects that many times, and asks once on each connection: the server is then there for it.
    pub(super) fn connect(address: SocketAddr, service: Service, count: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        let mut answer = 0;
        for number in 0..count {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(SILENCE))?;
            answer = service.ask_once(&stream)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN | EventFlags::ET)?;
            connections.push(Connection { stream, missing: 0 });
        }
        let (events, buffer) = (Vec::with_capacity(count), Box::new([0; BUFFER]));
        Ok(Fleet { epoll, connections, events, buffer, request: service.request(), answer })
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Asks on the connection of that number, which has had its last answer.
    pub(super) fn ask(&mut self, number: usize) -> io::Result<()> {
        let connection = &mut self.connections[number];
        debug_assert_eq!(connection.missing, 0, "it has been asked already");
        connection.missing = self.answer;
        // One small request at a time fits into any send buffer.
        connection.stream.write_all(self.request)
    }

    /// Waits until answers come, but no longer than that. Returns how many connections may have one.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<usize> {
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&limit)) {
            Err(rustix::io::Errno::INTR) => Ok(0),
            waited => Ok(waited?),
        }
    }

    /// Reads from the connection that came as the `index`th. Returns its number if it has its whole answer.
    pub(super) fn receive(&mut self, index: usize) -> io::Result<Option<usize>> {
        let number = self.events[index].data.u64() as usize;
        let connection = &mut self.connections[number];
        let read = match connection.stream.read(&mut *self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
            read => read?,
        };
        let missing = connection.missing.checked_sub(read).ok_or_else(|| {
            io::Error::new(
                ErrorKind::InvalidData,
                format!("an answer is longer than the {} bytes of the first", self.answer),
            )
        })?;
        connection.missing = missing;
        Ok((missing == 0).then_some(number))
    }
}

/// What a server that says nothing is reported as.
pub(super) fn silence() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("the server owes answers, and has said nothing for {SILENCE:?}"))
}

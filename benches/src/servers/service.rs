//! What a server does for a connection, and what a client says to have it done.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// See the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Sends back what it reads.
    Echo,
    /// Answers each HTTP/1.1 request with a greeting.
    Http,
    /// Reads once, and closes.
    Close,
}

/// What the echo servers can read at once, and what they are sent.
pub(super) const ECHO: usize = 64;
/// What comes back from [`Service::Http`].
pub(super) const GREETING: &str = "Hello, world!\n";

impl Service {
    /// All of them.
    pub const ALL: [Service; 3] = [Service::Echo, Service::Http, Service::Close];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Http => "http",
            Service::Close => "close",
        }
    }

    /// The service of that name.
    pub fn named(name: &str) -> Option<Self> {
        Service::ALL.into_iter().find(|service| service.name() == name)
    }

    pub(super) fn request(self) -> &'static [u8] {
        match self {
            Service::Echo => &[b'e'; ECHO],
            Service::Http => b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
            Service::Close => b"x",
        }
    }

    /// Asks once on a connection that blocks, and returns the length of the answer: the date in it is always as long.
    pub(super) fn ask_once(self, mut stream: &TcpStream) -> io::Result<usize> {
        stream.write_all(self.request())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        while !self.is_whole(&answer) {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed instead of answering"));
            }
            answer.extend_from_slice(&buffer[..read]);
        }
        Ok(answer.len())
    }

    fn is_whole(self, answer: &[u8]) -> bool {
        match self {
            Service::Echo => answer == self.request(),
            Service::Http => answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(GREETING.as_bytes()),
            Service::Close => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn a_name_leads_back_to_its_service() {
        for service in Service::ALL {
            assert_eq!(Service::named(service.name()), Some(service));
        }
        assert_eq!(Service::named("nothing"), None);
    }

    #[test]
    fn an_answer_of_http_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\nHello, world!\n";
        assert!(Service::Http.is_whole(answer));
        assert!(!Service::Http.is_whole(&answer[..answer.len() - 1]));
        assert!(!Service::Http.is_whole(b"HTTP/1.1 404 Not Found\r\ncontent-length: 14\r\n\r\nHello, world!\n"));
    }
}

//! One connection: lines come in, and each is replied to before the next is looked at.
//!
//! | it waits for | for at most | else |
//! |---|---|---|
//! | a line to begin | [`IDLE`] | the connection is closed |
//! | the rest of a line | [`LINE`] | the same |
//! | a reply to be taken | [`REPLY`] | the same |
//!
//! A line of more than [`LONGEST`] bytes is an error, after which the connection is closed: where the next line begins is not known. At the end of what the other
//! side sends, what it has asked for is replied to, and then the connection is closed.

use rustix::net::{SendFlags, send};
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// In bytes. The longest request is one with a filter.
const LONGEST: usize = 4096;

const IDLE: Duration = Duration::from_secs(300);
const LINE: Duration = Duration::from_secs(10);
/// A program that looks on may be stopped in a debugger, or at the other end of a slow line; a reply is memory of ours.
const REPLY: Duration = Duration::from_secs(30);

/// See the module's page.
pub(super) struct Client {
    socket: UnixStream,
    input: Vec<u8>,
    /// The other side sends nothing more.
    has_ended: bool,
    /// Nothing more is read.
    is_given_up: bool,
    /// A reply, and how much of it has been taken.
    output: Vec<u8>,
    sent: usize,
    deadline: Instant,
}

impl Client {
    /// `socket` does not block.
    pub(super) fn new(socket: UnixStream, now: Instant) -> Self {
        Client {
            socket,
            input: Vec::new(),
            has_ended: false,
            is_given_up: false,
            output: Vec::new(),
            sent: 0,
            deadline: now + IDLE,
        }
    }

    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    pub(super) fn wants_to_write(&self) -> bool {
        self.sent < self.output.len()
    }

    /// When it has its turn at the latest.
    pub(super) fn due(&self, now: Instant) -> Instant {
        // What it has said in one go is replied to line by line, so that others have their turn in between.
        if !self.wants_to_write() && self.input.contains(&b'\n') { now } else { self.deadline }
    }

    /// Goes on as far as it can without waiting, but to one reply only. False: it is over.
    pub(super) fn turn(&mut self, now: Instant, answer: &mut impl FnMut(&str) -> String) -> bool {
        let mut has_answered = false;
        loop {
            if self.wants_to_write() {
                match write(&self.socket, &self.output[self.sent..]) {
                    Ok(written) => self.sent += written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return now < self.deadline,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
                if !self.wants_to_write() {
                    // With its memory.
                    (self.output, self.sent) = (Vec::new(), 0);
                    self.deadline = now + if self.input.is_empty() { IDLE } else { LINE };
                }
            } else if has_answered && !self.is_given_up {
                return true;
            } else if self.is_given_up {
                return false;
            } else if let Some(line) = self.next_line() {
                let reply = match std::str::from_utf8(&line) {
                    Ok(line) => answer(line),
                    Err(_) => super::reply::error("the request is not UTF-8"),
                };
                self.reply(reply, now);
                has_answered = true;
            } else if self.has_ended {
                return false;
            } else if self.input.len() > LONGEST {
                self.reply(super::reply::error(&format!("a request has {LONGEST} bytes at most")), now);
                self.is_given_up = true;
            } else {
                let mut buffer = [0; 1024];
                match self.socket.read(&mut buffer) {
                    Ok(0) => self.has_ended = true,
                    Ok(length) => {
                        if self.input.is_empty() {
                            self.deadline = now + LINE;
                        }
                        self.input.extend_from_slice(&buffer[..length]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return now < self.deadline,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
            }
        }
    }

    fn reply(&mut self, mut reply: String, now: Instant) {
        reply.push('\n');
        (self.output, self.sent) = (reply.into_bytes(), 0);
        self.deadline = now + REPLY;
    }

    /// The last line need not be ended.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        match self.input.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let mut line: Vec<_> = self.input.drain(..=end).collect();
                line.pop();
                Some(line)
            }
            None if self.has_ended && !self.input.is_empty() => Some(std::mem::take(&mut self.input)),
            None => None,
        }
    }
}

/// Writes as much as can be taken now. A program that has `SIGPIPE` end it is not to end because somebody who looked has gone.
pub(super) fn write(socket: &UnixStream, data: &[u8]) -> io::Result<usize> {
    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::NOSIGNAL;
    // There is no such flag there.
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::empty();
    Ok(send(socket, data, flags)?)
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::io::Write;

    /// Both ends, of which neither blocks.
    fn pair() -> (Client, UnixStream, Instant) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let now = Instant::now();
        (Client::new(ours, now), theirs, now)
    }

    fn echo(line: &str) -> String {
        format!("<{line}>")
    }

    fn read(socket: &mut UnixStream) -> String {
        let mut text = [0; 65536];
        let length = socket.read(&mut text).unwrap_or(0);
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn each_line_has_its_reply_one_in_a_turn() {
        let (mut client, mut theirs, now) = pair();
        theirs.write_all(b"one\ntwo\r\nthr").unwrap();
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "<one>\n");
        assert!(client.due(now) == now, "there is more to do at once");
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "<two\r>\n");
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "");
        theirs.write_all(b"ee\n").unwrap();
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "<three>\n");
    }

    #[test]
    fn what_was_asked_before_the_end_is_replied_to() {
        let (mut client, mut theirs, now) = pair();
        theirs.write_all(b"one\ntwo").unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.turn(now, &mut echo));
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "<one>\n<two>\n");
        assert!(!client.turn(now, &mut echo));
    }

    #[test]
    fn whoever_says_nothing_is_sent_away_and_whoever_does_not_go_on_sooner() {
        let (mut client, mut theirs, now) = pair();
        assert!(client.turn(now + IDLE - LINE, &mut echo));
        assert!(!client.turn(now + IDLE, &mut echo));
        theirs.write_all(b"half a li").unwrap();
        assert!(client.turn(now, &mut echo));
        assert_eq!(client.due(now), now + LINE);
        theirs.write_all(b"n").unwrap();
        assert!(!client.turn(now + LINE, &mut echo), "one byte now and then gains no time");
    }

    #[test]
    fn a_line_that_does_not_end_is_refused() {
        let (mut client, mut theirs, now) = pair();
        let mut asked = 0;
        loop {
            let _ = theirs.write(&[b'x'; 1024]);
            if !client.turn(now, &mut echo) {
                break;
            }
            asked += 1;
            assert!(asked < 10 && client.input.len() < 2 * LONGEST);
        }
        assert!(read(&mut theirs).contains("4096 bytes at most"));
    }

    #[test]
    fn a_reply_that_nobody_takes_is_given_up_and_nothing_is_read_meanwhile() {
        let (mut client, mut theirs, now) = pair();
        theirs.write_all(b"much\nmore\n").unwrap();
        let mut much = |_: &str| "x".repeat(1 << 22);
        assert!(client.turn(now, &mut much));
        assert!(client.wants_to_write());
        let mut never = |_: &str| -> String { panic!("the first reply has not been taken") };
        assert!(client.turn(now + REPLY / 2, &mut never));
        assert!(!read(&mut theirs).is_empty());
        assert!(!client.turn(now + REPLY, &mut |_| unreachable!()), "taking a little gains no time");
    }

    #[test]
    fn a_line_that_is_no_text_is_an_error_and_the_next_is_not() {
        let (mut client, mut theirs, now) = pair();
        theirs.write_all(b"\xff\xfe\nok\n").unwrap();
        assert!(client.turn(now, &mut echo));
        assert!(read(&mut theirs).contains("not UTF-8"));
        assert!(client.turn(now, &mut echo));
        assert_eq!(read(&mut theirs), "<ok>\n");
    }
}

//! RESP, the protocol of Redis in its second version, as a codec.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::{fmt, io, str};
use tokio_util::codec::{Decoder, Encoder};

/// A line that does not end would otherwise fill the memory.
const LONGEST_LINE: usize = 64 * 1024;
/// The most that a string may be long, in bytes.
const LONGEST_STRING: usize = 16 * 1024 * 1024;
/// The most that a whole frame may take, in bytes: an array has many strings.
const LONGEST_FRAME: usize = 2 * LONGEST_STRING;
/// How deep arrays may lie in each other. Requests need one, answers two.
const DEEPEST: usize = 8;

/// What one side says at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A short answer, as `OK`.
    Simple(String),
    /// An answer that is an error, as `ERR unknown command`.
    Error(String),
    /// A number.
    Integer(i64),
    /// Any bytes.
    Bulk(Bytes),
    /// Nothing is there.
    Null,
    /// Several.
    Array(Vec<Frame>),
}

impl Frame {
    /// Bytes that are in the program already.
    pub fn text(text: &'static str) -> Frame {
        Frame::Bulk(Bytes::from_static(text.as_bytes()))
    }
}

/// Why a stream cannot be read or written any further.
#[derive(Debug)]
pub enum Error {
    /// The connection's own error.
    Io(io::Error),
    /// The other side does not speak the protocol.
    Protocol(&'static str),
    /// The server answered that it would not.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Protocol(what) => write!(f, "Protocol error: {what}"),
            Error::Refused(answer) => f.write_str(answer),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

/// The codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resp {
    /// Whether a line of plain words is a command, for people with `nc`.
    pub takes_plain_words: bool,
}

impl Decoder for Resp {
    type Item = Frame;
    type Error = Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Error> {
        while let Some(first) = buffer.first() {
            if self.takes_plain_words && !b"+-:$*".contains(first) {
                let Some((line, end)) = line(buffer, 0)? else { return Ok(None) };
                let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                let words: Vec<_> = words.map(|word| Frame::Bulk(Bytes::copy_from_slice(word))).collect();
                buffer.advance(end);
                if !words.is_empty() {
                    return Ok(Some(Frame::Array(words)));
                }
                continue;
            }
            return match end(buffer, 0, DEEPEST)? {
                Some(end) => Ok(Some(read(&mut buffer.split_to(end).freeze()))),
                None if buffer.len() > LONGEST_FRAME => Err(Error::Protocol("a frame is too long")),
                None => Ok(None),
            };
        }
        Ok(None)
    }
}

/// The line that begins at `at`, and where the next begins. None: it is not all there yet.
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Error> {
    let rest = &bytes[at..];
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            Ok(Some((line, at + end + 1)))
        }
        None if rest.len() > LONGEST_LINE => Err(Error::Protocol("a line is too long")),
        None => Ok(None),
    }
}

fn number(line: &[u8]) -> Result<i64, Error> {
    let number = str::from_utf8(line).ok().and_then(|text| text.parse().ok());
    number.ok_or(Error::Protocol("this should be a number"))
}

/// Where the frame that begins at `at` ends, if all of it is there and well-formed. Nothing is copied before that is known.
fn end(bytes: &[u8], at: usize, deepest: usize) -> Result<Option<usize>, Error> {
    let Some((head, next)) = line(bytes, at)? else { return Ok(None) };
    match head.split_first() {
        Some((b'+' | b'-', text)) => {
            str::from_utf8(text).map_err(|_| Error::Protocol("a line is not UTF-8"))?;
            Ok(Some(next))
        }
        Some((b':', digits)) => number(digits).map(|_| Some(next)),
        Some((b'$', digits)) => match number(digits)? {
            -1 => Ok(Some(next)),
            length if !(0..=LONGEST_STRING as i64).contains(&length) => Err(Error::Protocol("invalid bulk length")),
            length => {
                let end = next + length as usize;
                match bytes.get(end..end + 2) {
                    Some(b"\r\n") => Ok(Some(end + 2)),
                    Some(_) => Err(Error::Protocol("a string is longer than it says")),
                    None => Ok(None),
                }
            }
        },
        Some((b'*', digits)) => {
            let length = number(digits)?;
            if deepest == 0 || !(-1..=LONGEST_LINE as i64).contains(&length) {
                return Err(Error::Protocol("invalid multibulk length"));
            }
            let mut next = next;
            for _ in 0..length {
                match end(bytes, next, deepest - 1)? {
                    Some(end) => next = end,
                    None => return Ok(None),
                }
            }
            Ok(Some(next))
        }
        _ => Err(Error::Protocol("a frame begins with none of + - : $ *")),
    }
}

/// Takes one frame, of which [`end`] has found that it is there and well-formed.
fn read(bytes: &mut Bytes) -> Frame {
    const CHECKED: &str = "`end` has looked at this";
    let (head, next) = line(bytes, 0).expect(CHECKED).expect(CHECKED);
    let text = str::from_utf8(&head[1..]).expect(CHECKED);
    let length = || text.parse::<i64>().expect(CHECKED);
    match head[0] {
        b'+' => take(bytes, Frame::Simple(text.to_owned()), next),
        b'-' => take(bytes, Frame::Error(text.to_owned()), next),
        b':' => take(bytes, Frame::Integer(length()), next),
        _ if length() < 0 => take(bytes, Frame::Null, next),
        b'$' => {
            let end = next + length() as usize;
            take(bytes, Frame::Bulk(bytes.slice(next..end)), end + 2)
        }
        _ => {
            let length = length();
            bytes.advance(next);
            Frame::Array((0..length).map(|_| read(bytes)).collect())
        }
    }
}

fn take(bytes: &mut Bytes, frame: Frame, end: usize) -> Frame {
    bytes.advance(end);
    frame
}

impl Encoder<Frame> for Resp {
    type Error = Error;

    fn encode(&mut self, frame: Frame, buffer: &mut BytesMut) -> Result<(), Error> {
        match frame {
            Frame::Simple(text) => put_line(buffer, b'+', &text),
            Frame::Error(text) => put_line(buffer, b'-', &text),
            Frame::Integer(number) => put_line(buffer, b':', &number.to_string()),
            Frame::Null => put_line(buffer, b'$', "-1"),
            Frame::Bulk(bytes) => {
                put_line(buffer, b'$', &bytes.len().to_string());
                buffer.reserve(bytes.len() + 2);
                buffer.put(bytes);
                buffer.put_slice(b"\r\n");
            }
            Frame::Array(frames) => {
                put_line(buffer, b'*', &frames.len().to_string());
                for frame in frames {
                    self.encode(frame, buffer)?;
                }
            }
        }
        Ok(())
    }
}

/// Without line ends in `text`, which the other side would take for those of frames.
fn put_line(buffer: &mut BytesMut, kind: u8, text: &str) {
    buffer.reserve(text.len() + 3);
    buffer.put_u8(kind);
    buffer.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    buffer.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Frame>, Error> {
        Resp { takes_plain_words: true }.decode(&mut BytesMut::from(bytes))
    }

    fn words(words: &[&'static str]) -> Frame {
        Frame::Array(words.iter().map(|word| Frame::text(word)).collect())
    }

    #[test]
    fn what_was_encoded_is_decoded_and_not_before_all_of_it_is_there() {
        let frame = Frame::Array(vec![
            Frame::Simple("OK".to_owned()),
            Frame::Error("ERR no".to_owned()),
            Frame::Integer(-42),
            Frame::Null,
            Frame::Array(vec![]),
            Frame::Array(vec![Frame::text("two\r\nlines"), Frame::text("")]),
        ]);
        let mut encoded = BytesMut::new();
        Resp::default().encode(frame.clone(), &mut encoded).unwrap();
        for length in 0..encoded.len() {
            assert_eq!(decode(&encoded[..length]).unwrap(), None, "{length} bytes");
        }
        assert_eq!(decode(&encoded).unwrap(), Some(frame));
    }

    #[test]
    fn a_line_of_plain_words_is_a_command() {
        assert_eq!(decode(b"set  a b\r\n").unwrap(), Some(words(&["set", "a", "b"])));
        assert_eq!(decode(b"\r\n\n ping\n").unwrap(), Some(words(&["ping"])));
        assert_eq!(decode(b"\r\n").unwrap(), None);
        assert!(Resp::default().decode(&mut BytesMut::from("ping\r\n")).is_err());
    }

    #[test]
    fn frames_that_are_none_are_errors() {
        for bytes in [
            b"$x\r\n".as_slice(),
            b"$-2\r\n",
            b"$99999999999\r\n",
            b"$1\r\nlonger\r\n",
            b"*99999999\r\n",
            b"*-2\r\n",
            b":\r\n",
            b"+\xff\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            &[b'x'; LONGEST_LINE + 1],
        ] {
            assert!(matches!(decode(bytes), Err(Error::Protocol(_))), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_text_cannot_end_its_line() {
        let mut encoded = BytesMut::new();
        Resp::default().encode(Frame::Error("a\r\n+b".to_owned()), &mut encoded).unwrap();
        assert_eq!(&encoded[..], b"-a  +b\r\n");
    }
}

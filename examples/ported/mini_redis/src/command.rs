//! What a client may ask for.

use crate::frame::Frame;
use bytes::Bytes;
use std::str;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Is anybody there? The answer is `PONG`, or what was sent along.
    Ping(Option<Bytes>),
    /// The value of a key.
    Get(Bytes),
    /// Gives a key a value.
    Set {
        /// The key.
        key: Bytes,
        /// Its value from now on.
        value: Bytes,
        /// For how long.
        expires_in: Option<Duration>,
    },
    /// Removes keys, and tells how many were there.
    Del(Vec<Bytes>),
    /// Sends a message to whoever has subscribed to a channel, and tells to how many.
    Publish {
        /// The channel.
        channel: Bytes,
        /// The message.
        message: Bytes,
    },
    /// Sends the connection what is published in these channels from now on.
    Subscribe(Vec<Bytes>),
    /// And no more; without names, of no channel any more.
    Unsubscribe(Vec<Bytes>),
    /// Ends the connection.
    Quit,
}

impl Command {
    /// Understands a request.
    ///
    /// # Errors
    ///
    /// The answer to a request that is not understood.
    pub fn parse(frame: Frame) -> Result<Command, String> {
        let mut words = Vec::new();
        let Frame::Array(frames) = frame else { return Err("ERR a command is an array".to_owned()) };
        for frame in frames {
            match frame {
                Frame::Bulk(word) => words.push(word),
                Frame::Simple(word) => words.push(word.into()),
                Frame::Integer(number) => words.push(number.to_string().into()),
                _ => return Err("ERR a command consists of strings".to_owned()),
            }
        }
        let mut words = words.into_iter();
        let name = words.next().ok_or("ERR a command has a name")?;
        let name = String::from_utf8_lossy(&name).to_lowercase();
        let words: Vec<Bytes> = words.collect();
        let command = match (name.as_str(), words.as_slice()) {
            ("ping", []) => Command::Ping(None),
            ("ping", [message]) => Command::Ping(Some(message.clone())),
            ("get", [key]) => Command::Get(key.clone()),
            ("set", [key, value, options @ ..]) => {
                Command::Set { key: key.clone(), value: value.clone(), expires_in: expires_in(options)? }
            }
            ("del", [_, ..]) => Command::Del(words),
            ("publish", [channel, message]) => Command::Publish { channel: channel.clone(), message: message.clone() },
            ("subscribe", [_, ..]) => Command::Subscribe(words),
            ("unsubscribe", _) => Command::Unsubscribe(words),
            ("quit", []) => Command::Quit,
            ("ping" | "get" | "set" | "del" | "publish" | "subscribe" | "quit", _) => {
                return Err(format!("ERR wrong number of arguments for '{name}' command"));
            }
            _ => return Err(format!("ERR unknown command '{name}'")),
        };
        Ok(command)
    }

    /// How it is sent.
    pub fn into_frame(self) -> Frame {
        let mut words = Vec::new();
        match self {
            Command::Ping(message) => {
                words.push("PING".into());
                words.extend(message);
            }
            Command::Get(key) => words.extend(["GET".into(), key]),
            Command::Set { key, value, expires_in } => {
                words.extend(["SET".into(), key, value]);
                if let Some(time) = expires_in {
                    // A time that is there, however short, must not become none.
                    let millis = time.as_micros().div_ceil(1000).max(1);
                    words.extend(["PX".into(), millis.to_string().into()]);
                }
            }
            Command::Del(keys) => named(&mut words, "DEL", keys),
            Command::Publish { channel, message } => words.extend(["PUBLISH".into(), channel, message]),
            Command::Subscribe(channels) => named(&mut words, "SUBSCRIBE", channels),
            Command::Unsubscribe(channels) => named(&mut words, "UNSUBSCRIBE", channels),
            Command::Quit => words.push("QUIT".into()),
        }
        Frame::Array(words.into_iter().map(Frame::Bulk).collect())
    }
}

fn named(words: &mut Vec<Bytes>, name: &'static str, rest: Vec<Bytes>) {
    words.push(name.into());
    words.extend(rest);
}

fn expires_in(options: &[Bytes]) -> Result<Option<Duration>, String> {
    let (unit, amount) = match options {
        [] => return Ok(None),
        [unit, amount] => (unit, amount),
        _ => return Err("ERR syntax error".to_owned()),
    };
    let seconds = match unit {
        unit if unit.eq_ignore_ascii_case(b"ex") => true,
        unit if unit.eq_ignore_ascii_case(b"px") => false,
        _ => return Err("ERR syntax error".to_owned()),
    };
    let amount: Option<i64> = str::from_utf8(amount).ok().and_then(|text| text.parse().ok());
    match amount.ok_or("ERR value is not an integer or out of range")? {
        ..=0 => Err("ERR invalid expire time in 'set' command".to_owned()),
        amount if seconds => Ok(Some(Duration::from_secs(amount.unsigned_abs()))),
        amount => Ok(Some(Duration::from_millis(amount.unsigned_abs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &'static str) -> Result<Command, String> {
        Command::parse(Frame::Array(line.split(' ').map(Frame::text).collect()))
    }

    #[test]
    fn what_is_sent_is_what_is_understood() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let set = |expires_in| Command::Set { key: a.clone(), value: b.clone(), expires_in };
        for command in [
            Command::Ping(None),
            Command::Ping(Some(a.clone())),
            Command::Get(a.clone()),
            set(None),
            set(Some(Duration::from_millis(1500))),
            Command::Del(vec![a.clone(), b.clone()]),
            Command::Publish { channel: a.clone(), message: b.clone() },
            Command::Subscribe(vec![a.clone(), b.clone()]),
            Command::Unsubscribe(vec![]),
            Command::Quit,
        ] {
            assert_eq!(Command::parse(command.clone().into_frame()).unwrap(), command);
        }
        assert_eq!(parse("SeT a b eX 2").unwrap(), set(Some(Duration::from_secs(2))));
        assert_eq!(
            Command::parse(set(Some(Duration::from_nanos(1))).into_frame()).unwrap(),
            set(Some(Duration::from_millis(1)))
        );
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        for (line, answer) in [
            ("flushall", "ERR unknown command 'flushall'"),
            ("get", "ERR wrong number of arguments for 'get' command"),
            ("get a b", "ERR wrong number of arguments for 'get' command"),
            ("set a b ex", "ERR syntax error"),
            ("set a b in 5", "ERR syntax error"),
            ("set a b ex x", "ERR value is not an integer or out of range"),
            ("set a b ex 99999999999999999999", "ERR value is not an integer or out of range"),
            ("set a b px 0", "ERR invalid expire time in 'set' command"),
            ("set a b px -1", "ERR invalid expire time in 'set' command"),
        ] {
            assert_eq!(parse(line).unwrap_err(), answer);
        }
        assert!(Command::parse(Frame::Null).is_err());
        assert!(Command::parse(Frame::Array(vec![])).is_err());
        assert!(Command::parse(Frame::Array(vec![Frame::Null])).is_err());
    }
}

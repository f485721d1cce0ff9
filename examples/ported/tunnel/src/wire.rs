//! What both sides say to each other: a line of JSON at a time, until a connection becomes a stream.

use bytes::BytesMut;
use futures_util::SinkExt;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use std::fmt;
use std::io;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

/// The longest line, in bytes. Nobody has more to say.
const LONGEST_LINE: usize = 4096;

/// Names a client, or a stream. Nobody can guess one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Id(String);

impl Id {
    /// A new one.
    pub fn random() -> Id {
        Id(hex::encode(rand::random::<[u8; 16]>()))
    }
}

/// What a connection is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The control channel of a client, that wants to be reached at a port; at 0, at any.
    Control {
        /// The client, who may have had one before.
        client: Id,
        /// The port.
        port: u16,
    },
    /// A visitor's stream.
    Stream(Id),
}

/// What a client says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromClient {
    /// The answer to a challenge.
    Hello {
        /// What the connection is to be.
        purpose: Purpose,
        /// That the client knows the secret: see [`Secret::prove`].
        proof: String,
    },
    /// The answer to a ping.
    Pong,
    /// The local server cannot be reached, and the visitor should not wait.
    Failed(Id),
}

/// What a server says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromServer {
    /// The first thing: something that nobody has ever proven anything with.
    Challenge(String),
    /// The client is welcome. Of a control channel, where visitors are awaited.
    Ready(u16),
    /// It is not.
    Denied {
        /// Why.
        reason: String,
        /// Whether it is of no use to try again.
        for_good: bool,
    },
    /// A visitor has come.
    Open(Id),
    /// Is anybody there?
    Ping,
}

/// What both sides know and never say.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Of any length; a short one can be guessed by who listens.
    pub fn new(secret: &str) -> Secret {
        Secret(Hmac::new_from_slice(secret.as_bytes()).expect("a key of any length will do"))
    }

    fn mac(&self, challenge: &str, purpose: &Purpose) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // The challenge has a fixed length, so nothing can be moved from one part to the other.
        mac.update(challenge.as_bytes());
        mac.update(&serde_json::to_vec(purpose).expect("it has no maps, and so can be written"));
        mac
    }

    /// A proof for this purpose, and for this challenge, alone.
    pub fn prove(&self, challenge: &str, purpose: &Purpose) -> String {
        hex::encode(self.mac(challenge, purpose).finalize().into_bytes())
    }

    /// Whether a proof is one, in a time that does not tell how much of it is right.
    pub fn verify(&self, challenge: &str, purpose: &Purpose, proof: &str) -> bool {
        hex::decode(proof).is_ok_and(|proof| self.mac(challenge, purpose).verify_slice(&proof).is_ok())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A connection on which lines are spoken.
#[derive(Debug)]
pub struct Wire(Framed<TcpStream, LinesCodec>);

impl Wire {
    /// On a connection that nothing was read from.
    pub fn new(stream: TcpStream) -> Wire {
        Wire(Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE)))
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// The connection's own.
    pub async fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.0.send(serde_json::to_string(message)?).await.map_err(error)
    }

    /// The next thing that the other side says.
    ///
    /// # Errors
    ///
    /// The connection's own, one if it has ended, and one if this is nothing that could be said.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        match self.0.next().await {
            Some(line) => Ok(serde_json::from_str(&line.map_err(error)?)?),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side has gone")),
        }
    }

    /// The connection, for a stream, and what of the stream has been read already.
    pub fn into_stream(self) -> (TcpStream, BytesMut) {
        let parts = self.0.into_parts();
        (parts.io, parts.read_buf)
    }
}

fn error(error: LinesCodecError) -> io::Error {
    match error {
        LinesCodecError::MaxLineLengthExceeded => io::Error::new(io::ErrorKind::InvalidData, "a line is too long"),
        LinesCodecError::Io(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_its_secret_its_challenge_and_its_purpose_alone() {
        let (secret, purpose) = (Secret::new("open sesame"), Purpose::Stream(Id::random()));
        let proof = secret.prove("challenge", &purpose);
        assert!(secret.verify("challenge", &purpose, &proof));
        assert!(!Secret::new("close sesame").verify("challenge", &purpose, &proof));
        assert!(!secret.verify("another", &purpose, &proof));
        assert!(!secret.verify("challenge", &Purpose::Stream(Id::random()), &proof));
        assert!(!secret.verify("challenge", &purpose, &proof[2..]));
        assert!(!secret.verify("challenge", &purpose, "no number"));
        assert!(!secret.verify("challenge", &purpose, ""));
    }
}

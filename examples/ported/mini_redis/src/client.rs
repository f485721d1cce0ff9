//! The other side of a connection.

use crate::command::Command;
use crate::frame::{Error, Frame, Resp};
use bytes::Bytes;
use futures_util::SinkExt;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_stream::StreamExt;
use tokio_util::codec::Framed;

/// Asks one thing at a time.
///
/// # Cancel safety
///
/// None of its methods is cancel safe: the answer to a request that was given up would be taken for that to the next one. Drop the
/// client, too.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    frames: Framed<S, Resp>,
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::connect`].
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client::new(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Over any stream.
    pub fn new(stream: S) -> Client<S> {
        Client { frames: Framed::new(stream, Resp::default()) }
    }

    /// Sends any command, and returns the answer, as it is.
    ///
    /// # Errors
    ///
    /// The connection's own; an answer that is an error is none here.
    pub async fn ask(&mut self, command: Frame) -> Result<Frame, Error> {
        self.frames.send(command).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Frame, Error> {
        match self.frames.next().await {
            Some(answer) => answer,
            None => Err(Error::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has gone"))),
        }
    }

    async fn request(&mut self, command: Command) -> Result<Frame, Error> {
        match self.ask(command.into_frame()).await? {
            Frame::Error(answer) => Err(Error::Refused(answer)),
            answer => Ok(answer),
        }
    }

    /// Waits until the server has answered.
    ///
    /// # Errors
    ///
    /// The connection's own, or that of the answer.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.request(Command::Ping(None)).await.map(drop)
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn get(&mut self, key: impl Into<Bytes>) -> Result<Option<Bytes>, Error> {
        match self.request(Command::Get(key.into())).await? {
            Frame::Bulk(value) => Ok(Some(value)),
            Frame::Null => Ok(None),
            _ => Err(UNEXPECTED),
        }
    }

    /// Gives a key a value.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn set(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), Error> {
        self.set_for(key, value, None).await
    }

    /// The same, for some time.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn set_for(
        &mut self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        expires_in: impl Into<Option<Duration>>,
    ) -> Result<(), Error> {
        let command = Command::Set { key: key.into(), value: value.into(), expires_in: expires_in.into() };
        self.request(command).await.map(drop)
    }

    /// Removes keys, and tells how many were there.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn del(&mut self, keys: impl IntoIterator<Item: Into<Bytes>>) -> Result<usize, Error> {
        let keys = keys.into_iter().map(Into::into).collect();
        number(self.request(Command::Del(keys)).await?)
    }

    /// Sends a message to whoever has subscribed to a channel, and tells to how many.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn publish(&mut self, channel: impl Into<Bytes>, message: impl Into<Bytes>) -> Result<usize, Error> {
        let (channel, message) = (channel.into(), message.into());
        number(self.request(Command::Publish { channel, message }).await?)
    }

    /// Makes this a connection that only hears what is published. Returns once the server has confirmed it.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Client::ping).
    pub async fn subscribe(self, channels: impl IntoIterator<Item: Into<Bytes>>) -> Result<Subscriber<S>, Error> {
        let mut subscriber = Subscriber { client: self, waiting: VecDeque::new() };
        subscriber.subscribe(channels).await?;
        Ok(subscriber)
    }
}

/// Hears what is published.
#[derive(Debug)]
pub struct Subscriber<S = TcpStream> {
    client: Client<S>,
    /// Came while a confirmation was waited for.
    waiting: VecDeque<Message>,
}

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub channel: Bytes,
    /// What.
    pub content: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Subscriber<S> {
    /// The next message; none if the server has gone.
    ///
    /// # Errors
    ///
    /// The connection's own, and what the server says when it cuts off somebody.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        match self.client.frames.next().await.transpose()? {
            None => Ok(None),
            Some(frame) => match push(frame)? {
                Push::Message(message) => Ok(Some(message)),
                Push::Confirmation => Err(UNEXPECTED),
            },
        }
    }

    /// Hears more channels.
    ///
    /// # Errors
    ///
    /// As for [`Client::ping`].
    pub async fn subscribe(&mut self, channels: impl IntoIterator<Item: Into<Bytes>>) -> Result<(), Error> {
        let channels: Vec<Bytes> = channels.into_iter().map(Into::into).collect();
        let confirmations = channels.len();
        self.confirmed(Command::Subscribe(channels), confirmations).await
    }

    /// Hears fewer channels.
    ///
    /// # Errors
    ///
    /// As for [`Client::ping`].
    pub async fn unsubscribe(&mut self, channels: impl IntoIterator<Item: Into<Bytes>>) -> Result<(), Error> {
        let channels: Vec<Bytes> = channels.into_iter().map(Into::into).collect();
        let confirmations = channels.len().max(1);
        self.confirmed(Command::Unsubscribe(channels), confirmations).await
    }

    async fn confirmed(&mut self, command: Command, mut confirmations: usize) -> Result<(), Error> {
        self.client.frames.send(command.into_frame()).await?;
        while confirmations > 0 {
            match push(self.client.answer().await?)? {
                Push::Message(message) => self.waiting.push_back(message),
                Push::Confirmation => confirmations -= 1,
            }
        }
        Ok(())
    }
}

const UNEXPECTED: Error = Error::Protocol("this is not an answer to what was asked");

fn number(answer: Frame) -> Result<usize, Error> {
    match answer {
        Frame::Integer(number) => usize::try_from(number).map_err(|_| UNEXPECTED),
        _ => Err(UNEXPECTED),
    }
}

enum Push {
    Message(Message),
    Confirmation,
}

fn push(frame: Frame) -> Result<Push, Error> {
    match frame {
        Frame::Error(answer) => Err(Error::Refused(answer)),
        Frame::Array(frames) => match <[Frame; 3]>::try_from(frames) {
            Ok([Frame::Bulk(kind), Frame::Bulk(channel), Frame::Bulk(content)]) if kind == "message" => {
                Ok(Push::Message(Message { channel, content }))
            }
            Ok([_, _, Frame::Integer(_)]) => Ok(Push::Confirmation),
            _ => Err(UNEXPECTED),
        },
        _ => Err(UNEXPECTED),
    }
}

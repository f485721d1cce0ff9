//! One client's connection, from the server's side.

use crate::channels::{Channels, Subscription};
use crate::command::Command;
use crate::frame::{Error, Frame, Resp};
use crate::store::{Store, TooLong};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::time::timeout;
use tokio_stream::{StreamExt, StreamMap};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Keys and values.
    pub store: Store,
    /// Who has subscribed to what.
    pub channels: Channels,
    /// When connections end after the command that they are in.
    pub shutdown: CancellationToken,
    /// Who does not read its answers for so long is cut off.
    pub write_timeout: Duration,
}

/// One client's.
#[derive(Debug)]
pub struct Connection<S> {
    frames: Framed<S, Resp>,
    shared: Shared,
    subscriptions: StreamMap<Bytes, Subscription>,
}

enum Next {
    Request(Frame),
    Message { channel: Bytes, message: Bytes },
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Over any stream.
    pub fn new(stream: S, shared: Shared) -> Connection<S> {
        let frames = Framed::new(stream, Resp { takes_plain_words: true });
        Connection { frames, shared, subscriptions: StreamMap::new() }
    }

    /// Answers until the client goes, breaks the protocol, or the server shuts down.
    ///
    /// # Errors
    ///
    /// The connection's own, and what was wrong with the last thing that the client said. It was told.
    pub async fn run(mut self) -> Result<(), Error> {
        loop {
            match self.next().await {
                Ok(Next::Request(request)) => {
                    let quits = self.answer(request).await?;
                    if quits {
                        return self.flush().await;
                    }
                }
                Ok(Next::Message { channel, message }) => {
                    let message = [Frame::text("message"), Frame::Bulk(channel), Frame::Bulk(message)];
                    self.put(Frame::Array(message.into())).await?;
                }
                Ok(Next::End) => return self.flush().await,
                Err(error) => {
                    if !matches!(error, Error::Io(_)) {
                        self.put(Frame::Error(format!("ERR {error}"))).await?;
                        self.flush().await?;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn next(&mut self) -> Result<Next, Error> {
        // Answers to requests that came together go together.
        if !self.shared.shutdown.is_cancelled()
            && let Some(request) = self.frames.next().now_or_never()
        {
            return Ok(request.transpose()?.map_or(Next::End, Next::Request));
        }
        self.flush().await?;
        select! {
            () = self.shared.shutdown.cancelled() => Ok(Next::End),
            Some((channel, message)) = self.subscriptions.next(), if !self.subscriptions.is_empty() => match message {
                Ok(message) => Ok(Next::Message { channel, message }),
                Err(_) => Err(Error::Refused("you read too slowly, and messages are lost".to_owned())),
            },
            request = self.frames.next() => Ok(request.transpose()?.map_or(Next::End, Next::Request)),
        }
    }

    /// True: this was the last one.
    async fn answer(&mut self, request: Frame) -> Result<bool, Error> {
        let command = match Command::parse(request) {
            Ok(command) => command,
            Err(answer) => return self.put(Frame::Error(answer)).await.map(|()| false),
        };
        let ok = || Frame::Simple("OK".to_owned());
        let subscribed = !self.subscriptions.is_empty();
        let answer = match command {
            Command::Subscribe(channels) => return self.subscribe(channels).await.map(|()| false),
            Command::Unsubscribe(channels) => return self.unsubscribe(channels).await.map(|()| false),
            Command::Quit => return self.put(ok()).await.map(|()| true),
            Command::Ping(message) if subscribed => {
                Frame::Array(vec![Frame::text("pong"), Frame::Bulk(message.unwrap_or_default())])
            }
            _ if subscribed => {
                let answer = "ERR only SUBSCRIBE, UNSUBSCRIBE, PING and QUIT are allowed in this context";
                Frame::Error(answer.to_owned())
            }
            Command::Ping(None) => Frame::Simple("PONG".to_owned()),
            Command::Ping(Some(message)) => Frame::Bulk(message),
            Command::Get(key) => self.shared.store.get(&key).map_or(Frame::Null, Frame::Bulk),
            Command::Set { key, value, expires_in } => match self.shared.store.set(key, value, expires_in) {
                Ok(()) => ok(),
                Err(TooLong) => Frame::Error("ERR invalid expire time in 'set' command".to_owned()),
            },
            Command::Del(keys) => count(keys.iter().filter(|key| self.shared.store.remove(key)).count()),
            Command::Publish { channel, message } => count(self.shared.channels.publish(&channel, message)),
        };
        self.put(answer).await?;
        Ok(false)
    }

    async fn subscribe(&mut self, channels: Vec<Bytes>) -> Result<(), Error> {
        for channel in channels {
            if !self.subscriptions.contains_key(&channel) {
                self.subscriptions.insert(channel.clone(), self.shared.channels.subscribe(channel.clone()));
            }
            self.confirm("subscribe", Frame::Bulk(channel)).await?;
        }
        Ok(())
    }

    async fn unsubscribe(&mut self, mut channels: Vec<Bytes>) -> Result<(), Error> {
        if channels.is_empty() {
            channels = self.subscriptions.keys().cloned().collect();
            if channels.is_empty() {
                return self.confirm("unsubscribe", Frame::Null).await;
            }
        }
        for channel in channels {
            self.subscriptions.remove(&channel);
            self.confirm("unsubscribe", Frame::Bulk(channel)).await?;
        }
        Ok(())
    }

    async fn confirm(&mut self, what: &'static str, channel: Frame) -> Result<(), Error> {
        let confirmation = [Frame::text(what), channel, count(self.subscriptions.len())];
        self.put(Frame::Array(confirmation.into())).await
    }

    async fn put(&mut self, frame: Frame) -> Result<(), Error> {
        in_time(self.shared.write_timeout, self.frames.feed(frame)).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        in_time(self.shared.write_timeout, SinkExt::<Frame>::flush(&mut self.frames)).await
    }
}

async fn in_time(limit: Duration, writing: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    match timeout(limit, writing).await {
        Ok(written) => written,
        Err(_) => Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers"))),
    }
}

fn count(number: usize) -> Frame {
    Frame::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

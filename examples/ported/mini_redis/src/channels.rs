//! Who has subscribed to what.

use bytes::Bytes;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::sync::broadcast;
use tokio_stream::Stream;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// How many messages wait for a subscriber that reads slowly, before it is cut off.
const KEPT_MESSAGES: usize = 1024;

/// Shared by all connections: clones are the same channels.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<Mutex<Senders>>);

type Senders = HashMap<Bytes, broadcast::Sender<Bytes>>;

impl Channels {
    fn senders(&self) -> MutexGuard<'_, Senders> {
        self.0.lock().expect("nobody panics with the lock")
    }

    /// All messages that are published in `channel` from now on.
    pub fn subscribe(&self, channel: Bytes) -> Subscription {
        let mut senders = self.senders();
        let sender = senders.entry(channel.clone()).or_insert_with(|| broadcast::channel(KEPT_MESSAGES).0);
        Subscription { messages: Some(BroadcastStream::new(sender.subscribe())), channel, channels: self.clone() }
    }

    /// Returns how many subscribers it is for.
    pub fn publish(&self, channel: &[u8], message: Bytes) -> usize {
        self.senders().get(channel).and_then(|sender| sender.send(message).ok()).unwrap_or(0)
    }

    /// How many channels somebody has subscribed to.
    pub fn len(&self) -> usize {
        self.senders().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The messages of a channel. Ends when dropped, and the channel with its last one.
#[derive(Debug)]
pub struct Subscription {
    /// None: it is being dropped.
    messages: Option<BroadcastStream<Bytes>>,
    channel: Bytes,
    channels: Channels,
}

impl Stream for Subscription {
    /// An error says how many messages came while nobody read.
    type Item = Result<Bytes, BroadcastStreamRecvError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.messages {
            Some(messages) => Pin::new(messages).poll_next(context),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Under the lock, so that of two that are dropped at once the second sees that it is the last.
        let mut senders = self.channels.senders();
        self.messages = None;
        if senders.get(&self.channel).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(&self.channel);
        }
    }
}

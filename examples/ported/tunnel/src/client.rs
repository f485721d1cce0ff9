//! The side that has a server which is to be reached.

use crate::Timing;
use crate::splice::splice;
use crate::wire::{FromClient, FromServer, Id, Purpose, Secret, Wire};
use std::convert::Infallible;
use std::fmt;
use std::io;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio::try_join;

/// Failures that wait to be told. Each stream has at most one.
const FAILURES: usize = 16;

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Client {
    /// The same on each control channel, so that the server knows whose port it is.
    id: Id,
    server: String,
    local: String,
    port: u16,
    secret: Secret,
    timing: Timing,
}

/// Whether a client can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not now.
    Connecting,
    /// At this port of the tunnel's server.
    Open(u16),
}

/// The server will never let this client in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied(String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refuses: {}", self.0)
    }
}

impl std::error::Error for Denied {}

/// Why a control channel has ended.
enum End {
    Denied(Denied),
    Lost(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Lost(error)
    }
}

impl Client {
    /// To be told to `server`, where a tunnel's server listens for clients: that visitors at its `port`, or at any if that is 0, want to
    /// reach `local`.
    pub fn new(
        server: impl Into<String>,
        local: impl Into<String>,
        port: u16,
        secret: Secret,
        timing: Timing,
    ) -> Client {
        Client { id: Id::random(), server: server.into(), local: local.into(), port, secret, timing }
    }

    /// Keeps the tunnel open until `shutdown` is ready, and then waits for the streams that are open, but not longer than
    /// [`Timing::grace`]. `state` tells whether it is open.
    ///
    /// # Errors
    ///
    /// If the server will never let it in. Whatever else goes wrong is tried again.
    pub async fn run(mut self, state: watch::Sender<State>, shutdown: impl Future) -> Result<(), Denied> {
        let grace = self.timing.grace;
        let mut streams = JoinSet::new();
        let ended = select! {
            denied = self.reconnect(&state, &mut streams) => Err(denied),
            _ = shutdown => Ok(()),
        };
        state.send_replace(State::Connecting);
        let all = async { while streams.join_next().await.is_some() {} };
        // What is left ends with the set.
        let _ = timeout(grace, all).await;
        ended
    }

    async fn reconnect(&mut self, state: &watch::Sender<State>, streams: &mut JoinSet<()>) -> Denied {
        let mut pause = self.timing.first_pause;
        loop {
            let end = match self.keep(state, streams).await {
                Err(end) => end,
                Ok(never) => match never {},
            };
            if let State::Open(port) = state.send_replace(State::Connecting) {
                // Where visitors know it by now.
                self.port = port;
                pause = self.timing.first_pause;
            }
            match end {
                End::Denied(denied) => return denied,
                End::Lost(error) => eprintln!("no tunnel by {}: {error}; again within {pause:?}", self.server),
            }
            // Or all clients of a server that comes back would come at the same moment.
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (2 * pause).min(self.timing.longest_pause);
        }
    }

    /// Keeps one control channel as long as it can be kept.
    async fn keep(&self, state: &watch::Sender<State>, streams: &mut JoinSet<()>) -> Result<Infallible, End> {
        let (mut wire, port) = self.connect(Purpose::Control { client: self.id.clone(), port: self.port }).await?;
        state.send_replace(State::Open(port));
        let (failures, mut failed) = mpsc::channel(FAILURES);
        loop {
            select! {
                message = timeout(self.timing.dead_after, wire.hear()) => match message.map_err(io::Error::from)?? {
                    FromServer::Ping => self.say(&mut wire, FromClient::Pong).await?,
                    FromServer::Open(id) => {
                        streams.spawn(self.clone().stream(id, failures.clone()));
                    }
                    FromServer::Challenge(_) | FromServer::Ready(_) | FromServer::Denied { .. } => return Err(unexpected()),
                },
                Some(id) = failed.recv() => self.say(&mut wire, FromClient::Failed(id)).await?,
                Some(_) = streams.join_next() => {}
            }
        }
    }

    async fn stream(self, id: Id, failures: mpsc::Sender<Id>) {
        let local = async {
            let connecting = timeout(self.timing.opening, TcpStream::connect(&self.local));
            Ok(connecting.await.map_err(io::Error::from)??)
        };
        match try_join!(local, self.connect(Purpose::Stream(id.clone()))) {
            Ok((local, (wire, _))) => {
                let (stream, first) = wire.into_stream();
                // Who of the two broke it off knows why.
                let _ = splice(local, stream, &first).await;
            }
            Err(end) => {
                if let End::Lost(error) = end {
                    eprintln!("a visitor cannot be served: {error}");
                }
                // Without a channel there is nobody to be told.
                let _ = failures.send(id).await;
            }
        }
    }

    /// A connection to the server, which has let it in, and where visitors are awaited.
    async fn connect(&self, purpose: Purpose) -> Result<(Wire, u16), End> {
        let opening = async {
            let mut wire = Wire::new(TcpStream::connect(&self.server).await?);
            let FromServer::Challenge(challenge) = wire.hear().await? else { return Err(unexpected()) };
            let proof = self.secret.prove(&challenge, &purpose);
            wire.say(&FromClient::Hello { purpose, proof }).await?;
            match wire.hear().await? {
                FromServer::Ready(port) => Ok((wire, port)),
                FromServer::Denied { reason, for_good: true } => Err(End::Denied(Denied(reason))),
                FromServer::Denied { reason, .. } => Err(End::Lost(io::Error::other(reason))),
                _ => Err(unexpected()),
            }
        };
        timeout(self.timing.opening, opening).await.map_err(io::Error::from)?
    }

    /// Not for longer than the server may be silent.
    async fn say(&self, wire: &mut Wire, message: FromClient) -> io::Result<()> {
        timeout(self.timing.dead_after, wire.say(&message)).await?
    }
}

fn unexpected() -> End {
    End::Lost(io::Error::new(io::ErrorKind::InvalidData, "the server says what it should not"))
}

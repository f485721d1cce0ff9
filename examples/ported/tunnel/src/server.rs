//! The side that the world can reach.

use crate::Timing;
use crate::splice::splice;
use crate::wire::{FromClient, FromServer, Id, Purpose, Secret, Wire};
use bytes::BytesMut;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Between attempts to accept while the system is out of something.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens for clients.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secret: Secret,
    timing: Timing,
    /// Where visitors are awaited: where clients are.
    ip: IpAddr,
    shutdown: CancellationToken,
    /// Visitors who wait for the client's connection.
    waiting: Mutex<HashMap<Id, oneshot::Sender<Stream>>>,
    /// The control channel of each client.
    channels: Mutex<HashMap<Id, Channel>>,
}

/// A client's connection for a visitor, and what was read of it.
type Stream = (TcpStream, BytesMut);

#[derive(Clone, Debug)]
struct Channel {
    stop: CancellationToken,
    /// It listens no more.
    stopped: CancellationToken,
}

impl Server {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    pub async fn bind(address: impl ToSocketAddrs, secret: Secret, timing: Timing) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let (waiting, channels) = Default::default();
        let (ip, shutdown) = (listener.local_addr()?.ip(), CancellationToken::new());
        Ok(Server { listener, shared: Arc::new(Shared { secret, timing, ip, shutdown, waiting, channels }) })
    }

    /// Where it listens for clients.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is ready, and then waits for the streams that are open, but not longer than [`Timing::grace`].
    pub async fn serve(self, shutdown: impl Future) {
        let Server { listener, shared } = self;
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            select! {
                _ = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(connection(stream, peer, shared.clone()));
                    }
                    Err(error) => {
                        eprintln!("cannot accept a client: {error}");
                        sleep(PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        eprintln!("the task of a client ended: {error}");
                    }
                }
            }
        }
        drop(listener);
        shared.shutdown.cancel();
        let all = async { while connections.join_next().await.is_some() {} };
        // What is left ends with the set.
        let _ = timeout(shared.timing.grace, all).await;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let mut wire = Wire::new(stream);
    let purpose = match timeout(shared.timing.opening, shared.greet(&mut wire)).await {
        Ok(Ok(purpose)) => purpose,
        Ok(Err(error)) => return eprintln!("{peer} is not let in: {error}"),
        Err(_) => return eprintln!("{peer} is not let in: it took too long"),
    };
    let served = match purpose {
        Purpose::Stream(id) => shared.bring(id, wire).await,
        Purpose::Control { client, port } => control(shared, client, port, wire).await,
    };
    if let Err(error) = served {
        eprintln!("the connection with {peer} ended: {error}");
    }
}

async fn control(shared: Arc<Shared>, client: Id, port: u16, mut wire: Wire) -> io::Result<()> {
    let mut visitors = JoinSet::new();
    let ended = await_visitors(&shared, client, port, &mut wire, &mut visitors).await;
    drop(wire);
    // Their streams go on without it.
    while visitors.join_next().await.is_some() {}
    ended
}

async fn await_visitors(
    shared: &Arc<Shared>,
    client: Id,
    port: u16,
    wire: &mut Wire,
    visitors: &mut JoinSet<()>,
) -> io::Result<()> {
    let channel = Registration::new(shared, client).await;
    let listener = match TcpListener::bind((shared.ip, port)).await {
        Ok(listener) => listener,
        Err(error) => {
            let denied = FromServer::Denied { reason: error.to_string(), for_good: false };
            shared.say(wire, denied).await?;
            return Err(error);
        }
    };
    shared.say(wire, FromServer::Ready(listener.local_addr()?.port())).await?;

    let Timing { heartbeat, dead_after, .. } = shared.timing;
    let (mut beats, mut heard) = (interval(heartbeat), Instant::now());
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            () = channel.stop.cancelled() => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((visitor, _)) => {
                    let waiting = Waiting::new(shared);
                    let open = FromServer::Open(waiting.id.clone());
                    visitors.spawn(visit(visitor, waiting));
                    shared.say(wire, open).await?;
                }
                Err(error) => {
                    eprintln!("cannot accept a visitor: {error}");
                    sleep(PAUSE).await;
                }
            },
            message = wire.hear() => {
                heard = Instant::now();
                match message? {
                    FromClient::Pong => {}
                    FromClient::Failed(id) => drop(shared.waiting().remove(&id)),
                    FromClient::Hello { .. } => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is known already")),
                }
            }
            _ = beats.tick() => shared.say(wire, FromServer::Ping).await?,
            () = sleep_until(heard + dead_after) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client is not heard any more"));
            }
            Some(_) = visitors.join_next() => {}
        }
    }
}

async fn visit(visitor: TcpStream, mut waiting: Waiting) {
    let opening = waiting.shared.timing.opening;
    // Else the client cannot reach the local server, or has gone: the visitor is sent away.
    if let Ok(Ok((stream, first))) = timeout(opening, &mut waiting.stream).await {
        // Who of the two broke it off knows why.
        let _ = splice(visitor, stream, &first).await;
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Id, oneshot::Sender<Stream>>> {
        self.waiting.lock().expect("nobody panics with the lock")
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<Id, Channel>> {
        self.channels.lock().expect("nobody panics with the lock")
    }

    async fn greet(&self, wire: &mut Wire) -> io::Result<Purpose> {
        let challenge = hex::encode(rand::random::<[u8; 32]>());
        wire.say(&FromServer::Challenge(challenge.clone())).await?;
        match wire.hear().await? {
            FromClient::Hello { purpose, proof } if self.secret.verify(&challenge, &purpose, &proof) => Ok(purpose),
            _ => {
                let reason = "it does not know the secret".to_owned();
                wire.say(&FromServer::Denied { reason: reason.clone(), for_good: true }).await?;
                Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
            }
        }
    }

    /// Not for longer than a client may be silent: one that does not read must not keep its channel from ending.
    async fn say(&self, wire: &mut Wire, message: FromServer) -> io::Result<()> {
        timeout(self.timing.dead_after, wire.say(&message)).await?
    }

    /// Hands a client's connection to the visitor who waits for it.
    async fn bring(&self, id: Id, mut wire: Wire) -> io::Result<()> {
        let visitor = self.waiting().remove(&id);
        match visitor {
            Some(visitor) => {
                self.say(&mut wire, FromServer::Ready(0)).await?;
                // Or the visitor has gone meanwhile, and the connection ends here.
                let _ = visitor.send(wire.into_stream());
                Ok(())
            }
            None => {
                let reason = "nobody waits for this stream any more".to_owned();
                self.say(&mut wire, FromServer::Denied { reason, for_good: true }).await
            }
        }
    }
}

/// A visitor's place among those who wait.
struct Waiting {
    id: Id,
    stream: oneshot::Receiver<Stream>,
    shared: Arc<Shared>,
}

impl Waiting {
    fn new(shared: &Arc<Shared>) -> Waiting {
        let (id, (sender, stream)) = (Id::random(), oneshot::channel());
        shared.waiting().insert(id.clone(), sender);
        Waiting { id, stream, shared: shared.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.id);
    }
}

/// A control channel's place among all, to be dropped when it listens no more.
struct Registration {
    client: Id,
    stop: CancellationToken,
    stopped: CancellationToken,
    shared: Arc<Shared>,
}

impl Registration {
    /// Ends an older channel of the same client, whose port it wants: it may not have noticed yet that the client is gone.
    async fn new(shared: &Arc<Shared>, client: Id) -> Registration {
        let channel = Channel { stop: shared.shutdown.child_token(), stopped: CancellationToken::new() };
        let older = shared.channels().insert(client.clone(), channel.clone());
        let registration =
            Registration { client, stop: channel.stop, stopped: channel.stopped, shared: shared.clone() };
        if let Some(older) = older {
            older.stop.cancel();
            older.stopped.cancelled().await;
        }
        registration
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stopped.cancel();
        let mut channels = self.shared.channels();
        // Not if it is a newer one's.
        if channels.get(&self.client).is_some_and(|channel| channel.stopped.is_cancelled()) {
            channels.remove(&self.client);
        }
    }
}

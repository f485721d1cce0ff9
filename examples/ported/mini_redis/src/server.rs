//! Accepts connections, limits them, and ends them.

use crate::channels::Channels;
use crate::connection::{Connection, Shared};
use crate::store::Store;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The first wait after `accept` has failed. Most often descriptors have run out, and come back when connections end.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// More connections than so many wait, unanswered, until others end.
    pub max_connections: usize,
    /// How long a shutdown waits for connections that are in a command.
    pub grace: Duration,
    /// Who does not read its answers for so long is cut off.
    pub write_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        let (grace, write_timeout) = (Duration::from_secs(5), Duration::from_secs(10));
        Options { max_connections: 1000, grace, write_timeout }
    }
}

/// What became of a server's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many have ended, in whatever way.
    pub connections: usize,
    /// How many of them would not end in time when the server did.
    pub cut_off: usize,
}

/// Listens, and has not begun to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    options: Options,
    store: Store,
    channels: Channels,
}

impl Server {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    pub async fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        Ok(Server { listener, options, store: Store::default(), channels: Channels::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Its keys and values.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who has subscribed to what.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Serves until `shutdown` is ready. Then it accepts no more, lets connections finish the commands that they are in, and cuts off
    /// those that do not within [`Options::grace`].
    pub async fn serve(self, shutdown: impl Future) -> Served {
        let Server { listener, options, store, channels } = self;
        let (token, write_timeout) = (CancellationToken::new(), options.write_timeout);
        let shared = Shared { store: store.clone(), channels, shutdown: token.clone(), write_timeout };
        let mut connections = Connections::default();
        select! {
            never = accept(&listener, options.max_connections, shared, &mut connections) => match never {},
            () = store.purge() => unreachable!("it never ends by itself"),
            _ = shutdown => {}
        }
        drop(listener);
        token.cancel();
        connections.finish(options.grace).await
    }
}

async fn accept(listener: &TcpListener, limit: usize, shared: Shared, connections: &mut Connections) -> Infallible {
    let permits = Arc::new(Semaphore::new(limit));
    let mut pause = FIRST_PAUSE;
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.expect("it is never closed");
            (listener.accept().await, permit)
        };
        // A permit that is dropped with `next` is there again, and a connection that is not accepted waits in the system.
        let (accepted, permit) = select! {
            next = next => next,
            Some(ended) = connections.tasks.join_next() => {
                connections.note(ended);
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = FIRST_PAUSE;
                connections.tasks.spawn(connection(stream, peer, shared.clone(), permit));
            }
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Shared, _permit: OwnedSemaphorePermit) {
    let served = async {
        stream.set_nodelay(true)?;
        Connection::new(stream, shared).run().await
    };
    if let Err(error) = served.await {
        eprintln!("the connection with {peer} ended: {error}");
    }
}

#[derive(Debug, Default)]
struct Connections {
    tasks: JoinSet<()>,
    served: Served,
}

impl Connections {
    fn note(&mut self, ended: Result<(), JoinError>) {
        self.served.connections += 1;
        match ended {
            Ok(()) => {}
            Err(error) if error.is_cancelled() => self.served.cut_off += 1,
            Err(error) => eprintln!("the task of a connection ended: {error}"),
        }
    }

    async fn finish(mut self, grace: Duration) -> Served {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                self.note(ended);
            }
        };
        if timeout(grace, all).await.is_err() {
            self.tasks.abort_all();
            while let Some(ended) = self.tasks.join_next().await {
                self.note(ended);
            }
        }
        self.served
    }
}

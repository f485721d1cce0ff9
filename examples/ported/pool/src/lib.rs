//! A pool of connections, as somebody writes it for tokio: a least and a most, a limit to how long anybody waits for one,
//! health checks, an end for those that are idle or old. First come, first served.
//!
//! ```text
//! cargo run -p mini-pool                            # a hundred tasks share four connections
//!
//! cargo test -p mini-pool                           # on this runtime
//! examples/ported/on_tokio test -p mini-pool        # the same sources on tokio
//! ```
//!
//! How it is counted: there are [`Options::max_size`] permits, and who holds a connection, makes one, or looks whether one is still
//! good, has one of them. A connection that nobody holds lies in a list. Each takes up a slot from before it is made until
//! after it is gone. Permits, slots and connections are values that give back what they stand for when they are dropped; so a
//! future that is dropped while it waits, connects or checks leaves nothing behind.
//!
//! ```
//! use mini_pool::{Manager, Options, Pool};
//! use std::io;
//! use tokio::net::TcpStream;
//!
//! struct ToDatabase(std::net::SocketAddr);
//!
//! impl Manager for ToDatabase {
//!     type Connection = TcpStream;
//!     type Error = io::Error;
//!
//!     async fn connect(&self) -> io::Result<TcpStream> {
//!         TcpStream::connect(self.0).await
//!     }
//!
//!     async fn check(&self, stream: &mut TcpStream) -> io::Result<()> {
//!         stream.writable().await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! let pool = Pool::new(ToDatabase(address), Options { max_size: 4, ..Options::default() });
//! let stream = pool.acquire().await?;
//! assert_eq!(stream.peer_addr()?, address);
//! drop(stream);
//! pool.close().await;
//! # Ok(())
//! # }
//! ```

mod maintenance;
mod pooled;
mod shared;

pub use pooled::Pooled;

use shared::{Found, Idle, Shared};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// Makes connections, and looks whether they are still good.
pub trait Manager: Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;
    /// Why there is none.
    type Error: Error + Send + Sync + 'static;

    /// Makes one. Dropped when it takes longer than who wants it will wait.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Whether one that nobody has used for a while is still good.
    fn check(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// So many are kept, although nobody uses them.
    pub min_size: usize,
    /// There are never more than so many.
    pub max_size: usize,
    /// Nobody waits longer for one.
    pub acquire_timeout: Duration,
    /// One that nobody has used for so long is checked before somebody gets it.
    pub check_after: Duration,
    /// One that nobody has used for so long is closed, unless there would be too few.
    pub idle_timeout: Duration,
    /// One that has been there for so long is closed when nobody uses it.
    pub max_lifetime: Duration,
    /// How often the pool looks after those that nobody uses.
    pub maintenance_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            min_size: 0,
            max_size: 10,
            acquire_timeout: Duration::from_secs(30),
            check_after: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10 * 60),
            max_lifetime: Duration::from_secs(30 * 60),
            maintenance_interval: Duration::from_secs(1),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
pub enum AcquireError<E> {
    /// None came free, or could be made, in time.
    TimedOut,
    /// The pool has been closed.
    Closed,
    /// None was free, and none could be made.
    Connect(E),
}

impl<E: fmt::Display> fmt::Display for AcquireError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::TimedOut => f.write_str("there was no connection in time"),
            AcquireError::Closed => f.write_str("the pool has been closed"),
            AcquireError::Connect(error) => write!(f, "cannot connect: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for AcquireError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AcquireError::Connect(error) => Some(error),
            _ => None,
        }
    }
}

/// What a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// All connections, those that are being made or checked too.
    pub size: usize,
    /// Those that nobody uses.
    pub idle: usize,
}

/// Connections that are there to be shared. Clones are the same pool.
///
/// With the last clone the pool goes, and what nobody uses is closed; [`close`](Pool::close) waits for the others too.
pub struct Pool<M: Manager> {
    shared: Arc<Shared<M>>,
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool { shared: self.shared.clone() }
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).field("options", &self.shared.options).finish()
    }
}

impl<M: Manager> Pool<M> {
    /// A pool that begins to make its [`min_size`](Options::min_size) connections in the background.
    ///
    /// # Panics
    ///
    /// If there is no runtime on this thread, or the options allow for no connection, or for fewer than they ask for.
    pub fn new(manager: M, options: Options) -> Pool<M> {
        assert!(options.max_size > 0, "a pool has at least one connection");
        assert!(options.min_size <= options.max_size, "a pool has no more connections than its most");
        let shared = Arc::new(Shared::new(manager, options));
        tokio::spawn(maintenance::run(
            Arc::downgrade(&shared),
            shared.closed.clone(),
            shared.options.maintenance_interval,
        ));
        Pool { shared }
    }

    /// A connection of one's own, until it is dropped. Who comes first gets the first that is free.
    ///
    /// # Errors
    ///
    /// If none came free in time, none could be made, or the pool has been closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue, and leaves nothing else. A connection that was being made or checked is
    /// closed.
    pub async fn acquire(&self) -> Result<Pooled<M>, AcquireError<M::Error>> {
        let deadline = Instant::now() + self.shared.options.acquire_timeout;
        match timeout_at(deadline, self.acquire_untimed()).await {
            Ok(acquired) => acquired,
            Err(_) => Err(AcquireError::TimedOut),
        }
    }

    async fn acquire_untimed(&self) -> Result<Pooled<M>, AcquireError<M::Error>> {
        let permit = self.shared.permits.clone().acquire_owned().await.map_err(|_| AcquireError::Closed)?;
        loop {
            match self.shared.find() {
                Found::Closed => return Err(AcquireError::Closed),
                Found::Fresh(idle) => return Ok(self.pooled(idle, permit)),
                Found::Doubtful(mut idle) => {
                    if self.shared.manager.check(&mut idle.connection).await.is_ok() {
                        return Ok(self.pooled(idle, permit));
                    }
                }
                Found::Nothing(slot) => {
                    let connection = self.shared.manager.connect().await.map_err(AcquireError::Connect)?;
                    return Ok(self.pooled(Idle::new(connection, slot), permit));
                }
            }
        }
    }

    fn pooled(&self, idle: Idle<M>, permit: OwnedSemaphorePermit) -> Pooled<M> {
        Pooled::new(idle, self.shared.clone(), permit)
    }

    /// What there is now.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Ends the pool: who waits is told so, as is who comes later, connections that nobody uses are closed, and the others when they are given
    /// back, which this waits for.
    ///
    /// # Cancel safety
    ///
    /// The pool is closed once this was polled; only the wait is given up.
    pub async fn close(&self) {
        self.shared.close();
        self.shared.is_empty().await;
    }
}

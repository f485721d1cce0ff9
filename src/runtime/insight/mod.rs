//! A runtime that tells of itself to other programs, over a socket: what `rt_top` shows.
//!
//! Whoever looks at a program does so mostly when something is wrong with it. So nothing here runs on the runtime: a thread of its own serves the socket, with
//! the standard library's listener, and answers while every worker is stuck. What it tells is what [`Handle::metrics`] and [`Handle::dump`] tell, and these
//! poll nobody and wait for nobody.
//!
//! | file | subject |
//! |---|---|
//! | this | the calls that open a socket, and which servers a runtime has |
//! | `place` | where sockets lie, and who may reach them |
//! | `service` | the thread: whom it waits for, whom it lets in, when it ends |
//! | `client` | one connection: lines in, replies out, and how long each may take |
//! | `request` | what a line asks for |
//! | `reply` | what it is told |
//! | `tasks` | the tasks that a request is about, of however many |
//! | `trace` | the flight recorder, from outside |
//!
//! `docs/insight-protocol.md` has the protocol.
//!
//! # The life of a server
//!
//! The thread keeps no reference to the runtime, but looks for it at each request. It ends when its guard is dropped or when the last worker has ended,
//! whichever is first: a runtime that cannot shut down can still be asked why. Whoever ends it removes the socket's file, and then wakes the thread, which
//! closes the connections.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod reply;
#[cfg(unix)]
mod request;
#[cfg_attr(not(unix), path = "no_service.rs")]
mod service;
#[cfg(unix)]
mod tasks;
#[cfg(unix)]
mod trace;

use super::handle::Inner;
use super::{Builder, Handle};
use crate::primitives::Mutex;
use service::Service;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// Keeps a runtime's insight socket open; see [`Handle::serve_insight`]. Dropped, it removes the socket and closes its connections.
#[must_use = "the socket is removed as soon as this is dropped; `detach` leaves it there until the runtime ends"]
pub struct InsightServer {
    service: Arc<Service>,
    is_detached: bool,
}

impl InsightServer {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.service.path()
    }

    /// Leaves the socket open until the runtime ends.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// The folder in which the programs of this user open their sockets if they name no path: `rt-insight` in `$XDG_RUNTIME_DIR`, if that is a folder of this
    /// user's, else `rt-insight-UID` in the folder for temporary files. It need not be there yet.
    ///
    /// In it, `NAME.PID.sock` is of the program of that name and process; the second runtime of that process has `NAME.PID.2.sock`.
    pub fn default_directory() -> PathBuf {
        service::default_directory()
    }
}

impl Drop for InsightServer {
    fn drop(&mut self) {
        if !self.is_detached {
            self.service.end();
        }
    }
}

impl fmt::Debug for InsightServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsightServer").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// The servers of one runtime.
#[derive(Default)]
pub(super) struct Servers(Mutex<State>);

#[derive(Default)]
struct State {
    /// The runtime has ended.
    is_over: bool,
    running: Vec<Weak<Service>>,
}

impl Servers {
    /// False: the runtime has ended, and so must the server.
    fn add(&self, service: &Arc<Service>) -> bool {
        let mut state = self.0.lock();
        if !state.is_over {
            state.running.retain(|service| service.strong_count() > 0);
            state.running.push(Arc::downgrade(service));
        }
        !state.is_over
    }

    /// The runtime has ended.
    pub(super) fn end(&self) {
        let running = {
            let mut state = self.0.lock();
            state.is_over = true;
            std::mem::take(&mut state.running)
        };
        running.iter().filter_map(Weak::upgrade).for_each(|service| service.end());
    }
}

/// Whether a runtime is to have a server from the beginning, and where.
#[derive(Clone, Debug, Default)]
pub(super) enum Wanted {
    #[default]
    No,
    AtDefault,
    At(PathBuf),
}

impl Wanted {
    pub(super) fn start(&self, inner: &Arc<Inner>) -> io::Result<()> {
        let path = match self {
            Wanted::No => return Ok(()),
            Wanted::AtDefault => None,
            Wanted::At(path) => Some(&**path),
        };
        start(inner, path).map(InsightServer::detach)
    }
}

fn start(inner: &Arc<Inner>, path: Option<&Path>) -> io::Result<InsightServer> {
    let service = Service::start(inner, path)?;
    let server = InsightServer { service, is_detached: false };
    if inner.insight.add(&server.service) {
        return Ok(server);
    }
    Err(io::Error::other("the runtime has shut down: there is nothing to tell of it"))
}

impl Handle {
    /// Opens a socket by which other programs of this user can look at the runtime while it runs: `rt_top`, of this project's examples, shows it live.
    ///
    /// The socket lies in [`InsightServer::default_directory`], which nobody else can enter, and is removed when the guard is dropped or the runtime ends.
    /// It is served by a thread of its own, and so also while all workers are stuck. Unread, it costs nothing but that thread; read, what a
    /// [dump](Self::dump) costs for each request. Requests and replies are lines of text and JSON: `docs/insight-protocol.md`.
    ///
    /// Any number of sockets may be open for a runtime.
    ///
    /// ```
    /// use rt::runtime::Handle;
    /// use std::io::{BufRead, BufReader, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let insight = Handle::current().serve_insight()?;
    /// println!("look at me with `rt_top {}`", insight.path().display());
    ///
    /// // What another program does:
    /// let mut socket = UnixStream::connect(insight.path())?;
    /// socket.write_all(b"tasks sort=polls limit=5\n")?;
    /// let mut reply = String::new();
    /// BufReader::new(socket).read_line(&mut reply)?;
    /// assert!(reply.starts_with(r#"{"protocol":1,"reply":"tasks""#));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the folder is there and is somebody else's, or open to others. `Unsupported` on systems other than Unix. Else what the system
    /// says when it refuses a socket or a thread; and if the runtime has shut down.
    pub fn serve_insight(&self) -> io::Result<InsightServer> {
        start(&self.inner, None)
    }

    /// As [`serve_insight`](Self::serve_insight), with a path of your own: relative to the working directory, or absolute.
    ///
    /// The socket's mode is 0600, and on Linux whoever connects is asked who he is, so that a folder that others can enter will do. A socket that a program has left
    /// there that is gone is replaced.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if there is a file of that name, or a socket that somebody serves. `InvalidInput` for a path of more than about 100 bytes, which no
    /// socket can have. Else as [`serve_insight`](Self::serve_insight).
    pub fn serve_insight_at(&self, path: impl AsRef<Path>) -> io::Result<InsightServer> {
        start(&self.inner, Some(path.as_ref()))
    }
}

impl Builder {
    /// Opens the socket of [`Handle::serve_insight`], from the beginning to the end of the runtime. [`build`](Self::build) fails if it cannot be opened.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = rt::runtime::Builder::new_multi_thread().enable_all().serve_insight().build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_insight(&mut self) -> &mut Self {
        self.insight = Wanted::AtDefault;
        self
    }

    /// Opens the socket of [`Handle::serve_insight_at`], from the beginning to the end of the runtime. [`build`](Self::build) fails if it cannot be opened.
    pub fn serve_insight_at(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.insight = Wanted::At(path.into());
        self
    }
}

//! The thread that serves a socket: whom it waits for, whom it lets in, and when it ends.
//!
//! It waits for everybody at once, in one `poll`, and never for one of them: sockets do not block, and each connection is given up when it takes too long.
//! What it holds is bounded: so many connections, of each a line and a reply.

use super::client::{self, Client};
use super::place::{self, File, Place};
use super::reply;
use crate::primitives::plain::{AtomicBool, Ordering};
use crate::primitives::{clock, thread};
use crate::runtime::handle::Inner;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

pub(super) use place::default_directory;

/// What the thread is called.
const THREAD: &str = "rt-insight";

/// Connections at a time. Somebody who looks has one or two; with more, there is more memory that others can make the program use.
const MOST_CLIENTS: usize = 8;

/// How long nobody is let in after the system has refused a connection, for want of descriptors, say. Shorter, and a thread spins beside a program that
/// is in trouble already.
const PAUSE: Duration = Duration::from_millis(100);

/// A server, as its guard and its runtime see it.
pub(super) struct Service {
    file: File,
    is_over: AtomicBool,
    /// What is written here wakes the thread, for good: nobody reads it.
    bell: UnixStream,
}

impl Service {
    pub(super) fn start(inner: &Arc<Inner>, path: Option<&Path>) -> io::Result<Arc<Self>> {
        let Place { listener, file } = match path {
            Some(path) => place::open(path)?,
            None => place::open_default()?,
        };
        // Not before the file has an owner who removes it.
        let begin = || {
            let (bell, rings) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            Ok((bell, rings))
        };
        let (bell, rings) = match begin() {
            Ok(pair) => pair,
            Err(error) => {
                file.remove();
                return Err(error);
            }
        };
        let service = Arc::new(Service { file, is_over: AtomicBool::new(false), bell });
        let server = Server {
            service: service.clone(),
            runtime: Arc::downgrade(inner),
            listener,
            rings,
            clients: Vec::new(),
            closed_until: None,
        };
        let started = thread::Builder::new().name(THREAD.to_owned()).spawn(move || server.run());
        if let Err(error) = started {
            service.end();
            return Err(io::Error::new(
                error.kind(),
                format!("the system refuses the thread of an insight socket: {error}"),
            ));
        }
        Ok(service)
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Removes the socket, and has the thread end. May be called again.
    pub(super) fn end(&self) {
        // Ordering: Relaxed; the bell goes on ringing until the thread has seen it.
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.file.remove();
            // A bell that cannot be rung because it has been rung will do.
            let _ = (&self.bell).write(&[0]);
        }
    }
}

/// The thread.
struct Server {
    service: Arc<Service>,
    runtime: Weak<Inner>,
    listener: UnixListener,
    /// Where the bell is heard.
    rings: UnixStream,
    clients: Vec<Client>,
    /// Nobody is let in before.
    closed_until: Option<Instant>,
}

impl Server {
    fn run(mut self) {
        // Whatever ends the thread: nobody is to wait for it then.
        let _end = End(self.service.clone());
        loop {
            self.wait();
            // Ordering: Relaxed; as in `end`.
            if self.service.is_over.load(Ordering::Relaxed) {
                return;
            }
            let now = clock::now();
            self.let_in(now);
            let runtime = &self.runtime;
            self.clients.retain_mut(|client| client.turn(now, &mut |line| reply::answer(runtime, line)));
        }
    }

    /// Waits until somebody comes, says something or takes something, or has taken too long.
    fn wait(&self) {
        let now = clock::now();
        let mut watched = vec![PollFd::new(&self.rings, PollFlags::IN)];
        if self.closed_until.is_none() {
            watched.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        watched.extend(self.clients.iter().map(|client| {
            let direction = if client.wants_to_write() { PollFlags::OUT } else { PollFlags::IN };
            PollFd::new(client.socket(), direction)
        }));
        let next = self.clients.iter().map(|client| client.due(now)).chain(self.closed_until).min();
        let left = next.map(|next| next.saturating_duration_since(now));
        let left = left.and_then(|left| left.try_into().ok());
        if poll(&mut watched, left.as_ref()).is_err_and(|error| error != rustix::io::Errno::INTR) {
            // It cannot be waited for events; then for a while.
            thread::sleep(PAUSE);
        }
    }

    fn let_in(&mut self, now: Instant) {
        if self.closed_until.is_some_and(|until| now < until) {
            return;
        }
        self.closed_until = None;
        // Not for ever: others have their turn too.
        for _ in 0..MOST_CLIENTS {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    if let Some(client) = self.admit(socket, now) {
                        self.clients.push(client);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Whoever it was has gone again.
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => {
                    self.closed_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    /// Whoever is sent away is told why, if that can be done without waiting.
    fn admit(&self, socket: UnixStream, now: Instant) -> Option<Client> {
        socket.set_nonblocking(true).ok()?;
        let refusal = if !place::is_ours(&socket) {
            "only the user whose program it is may look at it"
        } else if self.clients.len() >= MOST_CLIENTS {
            "too many look at this program already"
        } else {
            return Some(Client::new(socket, now));
        };
        let _ = client::write(&socket, format!("{}\n", reply::error(refusal)).as_bytes());
        None
    }
}

struct End(Arc<Service>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

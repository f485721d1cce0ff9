//! Dumps that a signal asks for.
//!
//! They are for programs that do not get on, so nothing of the runtime's takes part that could be stuck: no worker, no reactor, no monitor, but a thread of
//! its own, which the signal's handler wakes through a descriptor. Each runtime has one, if it was asked for, from `build` until its workers have
//! ended: so that it also tells for whom a shutdown waits.

use super::Dump;
use crate::driver::SignalKind;
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::contain::contain;
use crate::primitives::signals::{self, Announced, Chime};
use crate::runtime::Builder;
use crate::runtime::handle::Inner;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

/// What the thread is called.
const NAME: &str = "rt-dumper";

/// Which signals ask for dumps, and who is given them.
#[derive(Clone, Default)]
pub(in crate::runtime) struct Wanted(Vec<(SignalKind, Receiver)>);

#[derive(Clone)]
enum Receiver {
    StandardError,
    Hook(Arc<dyn Fn(&Dump) + Send + Sync>),
}

/// A runtime's thread for dumps, if there is one.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Dumper(OnceLock<Arc<Bell>>);

/// What ends the thread.
#[derive(Debug)]
struct Bell {
    is_over: AtomicBool,
    chime: Arc<Chime>,
}

/// A signal that asks for dumps.
struct Request {
    kind: SignalKind,
    /// How many signals have been answered.
    answered: usize,
    receiver: Receiver,
    _announced: Announced,
}

impl Builder {
    /// Prints what every task does to standard error whenever the process gets a signal: [`Handle::dump`](super::super::Handle::dump), for programs that do not
    /// get on.
    ///
    /// It is done by a thread of its own, so that it also works while all workers are stuck, and on a current-thread runtime while nobody drives it. Each of
    /// several runtimes prints its own. May be called for several signals. The signal does not do from then on, for the rest of the process's life, what
    /// it does by default, as with [`signal`](crate::signal::unix::signal); others may listen to it besides. Works without I/O. Needs the feature `signal`.
    ///
    /// ```
    /// use rt::signal::unix::SignalKind;
    ///
    /// let runtime = rt::runtime::Builder::new_multi_thread()
    ///     .enable_all()
    ///     .dump_on_signal(SignalKind::quit()) // Ctrl-\, or `kill -QUIT`
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Of [`build`](Self::build): `Other` for a signal that cannot be listened to; and what the system says when it refuses a descriptor or a thread.
    pub fn dump_on_signal(&mut self, kind: SignalKind) -> &mut Self {
        self.dumps.0.push((kind, Receiver::StandardError));
        self
    }

    /// As [`dump_on_signal`](Self::dump_on_signal), but a function gets the dump: to write it to a file, say.
    ///
    /// It is called by the thread for dumps, inside the runtime, and may block; other dumps wait then. A panic in it is reported and ignored.
    ///
    /// ```
    /// use rt::signal::unix::SignalKind;
    ///
    /// let runtime = rt::runtime::Builder::new_multi_thread()
    ///     .enable_all()
    ///     .dump_on_signal_with(SignalKind::user_defined1(), |dump| {
    ///         let _ = std::fs::write("/tmp/tasks.txt", format!("{dump:#}\n"));
    ///     })
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump_on_signal_with<F>(&mut self, kind: SignalKind, receiver: F) -> &mut Self
    where
        F: Fn(&Dump) + Send + Sync + 'static,
    {
        self.dumps.0.push((kind, Receiver::Hook(Arc::new(receiver))));
        self
    }
}

impl Wanted {
    /// Starts the thread, if dumps are wanted.
    pub(in crate::runtime) fn start(&self, inner: &Arc<Inner>) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let refused = |error: io::Error| io::Error::new(error.kind(), format!("no signal can ask for dumps: {error}"));
        self.try_start(inner).map_err(refused)
    }

    fn try_start(&self, inner: &Arc<Inner>) -> io::Result<()> {
        let chime = Arc::new(Chime::new()?);
        let requests = self.0.iter().map(|(kind, receiver)| Request::new(*kind, receiver.clone(), &chime));
        let mut requests = requests.collect::<io::Result<Vec<_>>>()?;
        // There before the thread, so that it can be ended from the beginning on.
        let bell = inner.dumper.0.get_or_init(|| Arc::new(Bell { is_over: AtomicBool::new(false), chime })).clone();
        let thread_inner = inner.clone();
        inner.start_watcher(NAME, move || {
            // Ordering: Acquire pairs with the Release in `end`.
            while !bell.is_over.load(Ordering::Acquire) {
                bell.chime.wait(None);
                requests.iter_mut().for_each(|request| request.answer(&thread_inner));
            }
        })
    }
}

impl Dumper {
    /// Ends the thread.
    pub(in crate::runtime) fn end(&self) {
        if let Some(bell) = self.0.get() {
            // Ordering: Release pairs with the Acquire of the thread, which looks after it was rung.
            bell.is_over.store(true, Ordering::Release);
            bell.chime.ring();
        }
    }
}

impl Request {
    fn new(kind: SignalKind, receiver: Receiver, chime: &Arc<Chime>) -> io::Result<Self> {
        let announced = signals::announce(kind.as_raw_value(), chime.clone())?;
        Ok(Request { kind, answered: signals::counted(kind.as_raw_value()), receiver, _announced: announced })
    }

    /// Gives a dump to whoever wants it, if the signal has come.
    fn answer(&mut self, inner: &Inner) {
        let count = signals::counted(self.kind.as_raw_value());
        if std::mem::replace(&mut self.answered, count) == count {
            return;
        }
        let dump = Dump::take(inner);
        match &self.receiver {
            Receiver::Hook(hook) => contain(|| hook(&dump)),
            Receiver::StandardError => {
                // In one piece, whatever others write. There is nobody to tell that it cannot be told.
                let (id, signal) = (inner.scheduler.id(), self.kind.as_raw_value());
                let text = format!("rt: signal {signal} asks what runtime {id} does: {dump}\n");
                let _ = io::stderr().lock().write_all(text.as_bytes());
            }
        }
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(kind, _)| kind)).finish()
    }
}

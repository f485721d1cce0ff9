//! A small runtime of tokio's beside this one, for crates that insist on finding one.
//!
//! Each thread that is in our runtime is in tokio's too: its handle is entered where ours is, and never around a poll. Tokio's own
//! threads are in ours in turn, because what such a crate spawns with tokio calls code of the user's.
//!
//! Tokio's runtime is kept by our [`Runtime`](super::Runtime) and by each of our threads, and not by `Inner`, which any handle keeps. So it
//! goes when the last of them does, and never before a task that may need it.

use super::context::{self, EnterGuard};
use super::handle::Inner;
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use tokio::runtime::{Builder, Handle, Runtime};

/// What tokio's threads are called.
const THREAD_NAME: &str = "rt-tokio";

/// What the builder was asked for.
#[derive(Clone, Debug, Default)]
pub(super) enum Wanted {
    #[default]
    Nothing,
    /// A runtime of its own.
    Own,
    /// One that is there already, and that somebody else keeps.
    Given(Handle),
}

impl Wanted {
    pub(super) fn enable(&mut self) {
        if matches!(self, Wanted::Nothing) {
            *self = Wanted::Own;
        }
    }

    /// Builds what is wanted, and lets the threads of `inner` find it from now on.
    ///
    /// # Errors
    ///
    /// What the system says when it refuses a poller or a thread.
    pub(super) fn start(&self, inner: &Arc<Inner>) -> io::Result<Keep> {
        let (handle, own) = match self {
            Wanted::Nothing => return Ok(Keep(None)),
            Wanted::Own => {
                let runtime = build(Arc::downgrade(inner)).map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot make tokio's runtime for `tokio-compat`: {error}"))
                })?;
                (runtime.handle().clone(), Some(Arc::new(Own(Some(runtime)))))
            }
            Wanted::Given(handle) => (handle.clone(), None),
        };
        let keep = own.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let first = inner.compat.0.set(Found { handle, keep });
        debug_assert!(first.is_ok(), "a runtime is built once");
        Ok(Keep(own))
    }
}

fn build(inner: Weak<Inner>) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        // It waits for sockets and timers, and runs what is spawned with tokio by name.
        .worker_threads(1)
        .thread_name(THREAD_NAME)
        .on_thread_start(move || settle(&inner))
        .on_thread_stop(leave)
        .enable_all()
        .build()
}

thread_local! {
    /// On tokio's threads: keeps them inside our runtime.
    static SETTLED: RefCell<Option<EnterGuard<'static>>> = const { RefCell::new(None) };
}

/// Called by a thread of tokio's that begins.
fn settle(inner: &Weak<Inner>) {
    if let Some(inner) = inner.upgrade() {
        // If our runtime is dropped here, that must not wait: our threads may be waiting for this one.
        context::join(&inner);
        SETTLED.set(Some(context::enter_alone(inner)));
    }
}

/// Called by a thread of tokio's that ends.
fn leave() {
    context::part();
    drop(SETTLED.take());
}

/// What the threads of our runtime find, if it was built with it.
#[derive(Debug, Default)]
pub(super) struct Compat(OnceLock<Found>);

#[derive(Debug)]
struct Found {
    handle: Handle,
    keep: Weak<Own>,
}

/// Keeps a thread inside tokio's runtime.
#[derive(Debug, Default)]
pub(super) struct Entered<'a>(
    #[expect(dead_code, reason = "for its destructor")] Option<tokio::runtime::EnterGuard<'a>>,
);

impl Compat {
    pub(super) fn enter(&self) -> Entered<'_> {
        Entered(self.0.get().map(|found| found.handle.enter()))
    }

    /// For a thread that begins.
    pub(super) fn keep(&self) -> Keep {
        Keep(self.0.get().and_then(|found| found.keep.upgrade()))
    }
}

/// Keeps tokio's runtime going, if it is ours.
#[derive(Debug)]
pub(super) struct Keep(#[expect(dead_code, reason = "for its destructor")] Option<Arc<Own>>);

impl Keep {
    /// For a thread that ends.
    pub(super) fn release(self) {}
}

#[derive(Debug)]
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The last to go may be polling futures, where tokio would panic rather than wait.
            runtime.shutdown_background();
        }
    }
}

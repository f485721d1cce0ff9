//! A TCP tunnel, as somebody writes it for tokio: it lets the world reach a server on a machine that cannot be reached.
//!
//! ```text
//! export TUNNEL_SECRET=...
//! cargo run -p mini-tunnel server 0.0.0.0:7800                        # where the world can reach it
//! cargo run -p mini-tunnel client example.org:7800 127.0.0.1:80 8080  # beside the server that is to be reached
//!
//! cargo test -p mini-tunnel                         # on this runtime
//! examples/ported/on_tokio test -p mini-tunnel      # the same sources on tokio
//! ```
//!
//! The client keeps one connection to the server, the control channel ([`wire`]), and proves on it that it knows the secret. The server then listens at
//! a public port. For each visitor there it tells the client, which makes another connection to the server and one to the local server, and both
//! copy between theirs. That one side has nothing more to say is carried through, in each direction by itself.
//!
//! Both sides hear from each other at least once in each [`Timing::heartbeat`]. Who hears nothing for [`Timing::dead_after`] gives the
//! channel up; the client makes a new one, after a pause that doubles, and asks for the same port. Streams that are open go on meanwhile.
//!
//! Nothing is encrypted: the secret is not sent, but what visitors say is.

pub mod client;
pub mod server;
mod splice;
pub mod wire;

pub use client::{Client, State};
pub use server::Server;

use std::time::Duration;

/// How long either side is patient.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often the server says that it is there, and the client answers.
    pub heartbeat: Duration,
    /// After so long without a word the other side is gone. Several heartbeats.
    pub dead_after: Duration,
    /// How long anything may take that begins a connection: to connect, to prove oneself, to open a stream.
    pub opening: Duration,
    /// The client's first pause before it connects again; the pause doubles with each failure.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long streams may take to end when their side is shut down.
    pub grace: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            heartbeat: Duration::from_secs(5),
            dead_after: Duration::from_secs(16),
            opening: Duration::from_secs(10),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

//! The process of a server.

use super::hosts::{self, Host};
use super::service::Service;
use super::{FLOOR, WORKERS, floor};
use crate::{Peer, Rt, Smol, Tokio, Usage, memory};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

/// Every connection that a measure opens at once fits into it: a client whose connection does not would try again a second later.
const BACKLOG: i32 = 4096;
/// How long the task computes that does, and for how long it sleeps then.
pub(super) const COMPUTING: Duration = Duration::from_millis(10);

/// Serves on a port that the system chooses, which is printed. Each line on stdin has [`Counts`] printed on a line; its end ends
/// the process.
///
/// # Errors
///
/// What the system says.
pub fn serve(peer: &str, service: Service, computes: bool) -> Result<(), String> {
    let serve = match peer {
        Rt::NAME => serve_on::<Rt>,
        Tokio::NAME => serve_on::<Tokio>,
        Smol::NAME => serve_on::<Smol>,
        FLOOR => serve_on_floor,
        _ => return Err(format!("{peer:?} is none of the peers")),
    };
    allow_many_files();
    let listener = listen().map_err(|error| format!("cannot listen: {error}"))?;
    serve(listener, service, computes).map_err(|error| format!("{peer} cannot serve: {error}"))
}

fn serve_on<H: Host>(listener: TcpListener, service: Service, computes: bool) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    let peer = H::start(WORKERS);
    H::detach(peer.spawn_from_outside(async move { end(H::NAME, hosts::serve::<H>(listener, service).await) }));
    if computes {
        H::detach(peer.spawn_from_outside(compute_every_other_moment::<H>()));
    }
    tell_of(port)
}

fn serve_on_floor(listener: TcpListener, service: Service, _computes: bool) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    thread::spawn(move || end(FLOOR, floor::serve(&listener, service)));
    tell_of(port)
}

/// A server that serves no more should not be waited for.
fn end(peer: &str, served: io::Result<Infallible>) {
    let Err(error) = served;
    eprintln!("{peer} serves no more: {error}");
    process::exit(1);
}

pub(super) fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

async fn compute_every_other_moment<P: Peer>() {
    loop {
        let start = Instant::now();
        while start.elapsed() < COMPUTING {
            std::hint::spin_loop();
        }
        P::sleep(COMPUTING).await;
    }
}

/// What this process has used until now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) processor_microseconds: f64,
    pub(super) context_switches: f64,
    pub(super) resident_bytes: f64,
}

impl Counts {
    fn now() -> Option<Self> {
        let usage = Usage::now()?;
        Some(Counts {
            processor_microseconds: usage.processor_time.as_secs_f64() * 1e6,
            context_switches: usage.context_switches as f64,
            resident_bytes: memory::resident_bytes()? as f64,
        })
    }

    fn to_line(self) -> String {
        format!("{} {} {}", self.processor_microseconds, self.context_switches, self.resident_bytes)
    }

    pub(super) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let &[processor_microseconds, context_switches, resident_bytes] = numbers else { return None };
        Some(Counts { processor_microseconds, context_switches, resident_bytes })
    }
}

/// Does not return as long as somebody may ask, nor let the runtime be shut down then.
fn tell_of(port: u16) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{port}")?;
    for line in io::stdin().lines() {
        line?;
        let counts = Counts::now().ok_or(ErrorKind::Unsupported)?;
        writeln!(output, "{}", counts.to_line())?;
    }
    process::exit(0);
}

/// Descriptors, up to what nobody but the system's owner can raise.
pub(super) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it does not work, opening one too many says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

//! A server and what loads it, for one figure after the other.

use super::child::Child;
use super::load::{Found, Kind, Order, READY};
use super::machine::Watch;
use super::service::Service;
use super::serving::Counts;
use super::{LOAD, SERVE};
use std::process::Command;
use std::time::Duration;

/// A server's process, and the port that it serves on.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn new(peer: &str, mut child: Child) -> Result<Self, String> {
        let line = child.line()?;
        let port = line.parse().map_err(|_| format!("the server of {peer} said {line:?} instead of its port"))?;
        Ok(Server { child, port })
    }

    fn start(peer: &str, service: Service, computes: bool) -> Result<Self, String> {
        Server::new(peer, Child::start(format!("the server of {peer}"), &serve_arguments(peer, service, computes))?)
    }

    fn counts(&mut self) -> Result<Counts, String> {
        self.child.say("")?;
        Counts::from_numbers(&self.child.numbers()?).ok_or("a server's counts are three".to_owned())
    }
}

/// What a server is started with.
pub(super) fn serve_arguments(peer: &str, service: Service, computes: bool) -> Vec<String> {
    [SERVE, peer, service.name(), if computes { "computes" } else { "only-serves" }].map(str::to_owned).to_vec()
}

/// The load generator, once it is warm.
fn loader(peer: &str, order: Order) -> Result<Child, String> {
    let arguments = [vec![LOAD.to_owned()], order.to_arguments()].concat();
    let mut child = Child::start(format!("the load generator of {peer}"), &arguments)?;
    match child.line()? {
        line if line == READY => Ok(child),
        line => Err(format!("the load generator of {peer} said {line:?}")),
    }
}

/// What a load generator has found, and what the server has used meanwhile.
pub(super) struct Taken {
    pub(super) figures: Vec<f64>,
    before: Counts,
    after: Counts,
}

impl Taken {
    pub(super) fn found(&self) -> Result<Found, String> {
        Found::from_numbers(&self.figures).ok_or("a load generator's figures are seven".to_owned())
    }

    pub(super) fn processor_microseconds(&self) -> f64 {
        self.after.processor_microseconds - self.before.processor_microseconds
    }

    pub(super) fn context_switches(&self) -> f64 {
        self.after.context_switches - self.before.context_switches
    }

    pub(super) fn resident_bytes(&self) -> f64 {
        self.after.resident_bytes - self.before.resident_bytes
    }
}

/// Of one processor: more than the system takes for itself, and enough to be seen in the figures.
const NOISE: f64 = 0.02;

/// Starts a server, loads it as `order` says but for the port, and ends both.
pub(super) fn take(peer: &str, computes: bool, order: Order) -> Result<Taken, String> {
    let mut server = Server::start(peer, order.service, computes)?;
    let mut load = loader(peer, Order { port: server.port, ..order })?;
    let before = server.counts()?;
    let watch = Watch::start([server.child.id(), load.id()]);
    load.say("")?;
    let figures = load.numbers()?;
    if let Some(share) = watch.share_of_others().filter(|&share| share > NOISE) {
        eprintln!("  {peer}: other processes took {:.0} % of a processor meanwhile", 100.0 * share);
    }
    let after = server.counts()?;
    load.end()?;
    server.child.end()?;
    Ok(Taken { figures, before, after })
}

/// Starts a server by `command`, has it answer so many requests, and ends it.
pub(super) fn count(peer: &str, command: Command, order: Order, requests: u64) -> Result<(), String> {
    let server = Server::new(peer, Child::start_command(format!("the server of {peer} under strace"), command)?)?;
    let order = Order { kind: Kind::Count(requests), port: server.port, ..order };
    let mut load = loader(peer, order)?;
    load.say("")?;
    load.line()?;
    load.end()?;
    server.child.end()
}

/// An order without a port.
pub(super) fn order(kind: Kind, service: Service, connections: usize, warm_up: Duration, window: Duration) -> Order {
    Order { kind, service, port: 0, connections, warm_up, window }
}

//! The process that loads a server: one thread that knows nothing of runtimes.
//!
//! It connects, loads the server until both are warm, lets it become quiet, says so on stdout, and waits for a line on stdin.
//! What it does then is what is measured. It ends when all is answered, so that what the server has used is of the requests that
//! are counted here, and of no others.

mod arrivals;
mod closed;
mod connecting;
mod fleet;
mod latencies;
mod open;
mod order;

pub use order::Order;
pub(super) use order::{Found, Kind};

use super::serving;
use crate::usage::thread_time;
use fleet::Fleet;
use latencies::Latencies;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::set_current_timer_slack;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const READY: &str = "ready";

/// Does what the order says, and prints the figures.
///
/// # Errors
///
/// What the system says, and if the server is silent or says something else than it should.
pub fn load(order: &Order) -> Result<(), String> {
    // The server sees the end of its standard input; this thread is too busy to look.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // Otherwise a request would be sent up to 50 us after it is due.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    serving::allow_many_files();
    let numbers = order.run().map_err(|error| format!("the load generator: {error}"))?;
    let line: Vec<_> = numbers.iter().map(f64::to_string).collect();
    println!("{}", line.join(" "));
    if order.kind == Kind::Hold {
        // The connections are closed by the end of the process.
        wait_for_line().map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl Order {
    fn run(&self) -> io::Result<Vec<f64>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let warm_up = |fleet: &mut Fleet| closed::run(fleet, closed::Until::After(self.warm_up));
        match self.kind {
            Kind::Closed => {
                let mut fleet = Fleet::connect(address, self.service, self.connections)?;
                warm_up(&mut fleet)?;
                measured(|| closed::run(&mut fleet, closed::Until::After(self.window)))
            }
            Kind::Open(rate) => {
                let mut fleet = Fleet::connect(address, self.service, self.connections)?;
                warm_up(&mut fleet)?;
                open::run(&mut fleet, rate, self.warm_up)?;
                measured(|| open::run(&mut fleet, rate, self.window))
            }
            Kind::Count(requests) => {
                let mut fleet = Fleet::connect(address, self.service, self.connections)?;
                ready()?;
                closed::run(&mut fleet, closed::Until::Requests(requests))?;
                Ok(vec![requests as f64])
            }
            Kind::Connect => {
                connecting::run(address, self.service, self.connections, self.warm_up)?;
                ready()?;
                let start = Instant::now();
                let connections = connecting::run(address, self.service, self.connections, self.window)? as f64;
                Ok(vec![connections, connections / start.elapsed().as_secs_f64()])
            }
            Kind::Hold => {
                // What is allocated once, whatever the number of connections.
                let first = Fleet::connect(address, self.service, self.connections.min(500))?;
                settle();
                ready()?;
                let fleet = Fleet::connect(address, self.service, self.connections)?;
                settle();
                // They must be open until the process ends.
                std::mem::forget((first, fleet));
                Ok(vec![self.connections as f64])
            }
        }
    }
}

/// For what a server puts off.
fn settle() {
    thread::sleep(Duration::from_millis(100));
}

fn measured(run: impl FnOnce() -> io::Result<Latencies>) -> io::Result<Vec<f64>> {
    settle();
    ready()?;
    let (start, before) = (Instant::now(), thread_time());
    let latencies = run()?;
    let (elapsed, after) = (start.elapsed().as_secs_f64(), thread_time());
    let own = after.zip(before).map_or(f64::NAN, |(after, before)| (after - before).as_secs_f64());
    let found = Found {
        requests: latencies.count() as f64,
        per_second: latencies.count() as f64 / elapsed,
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        p999: latencies.quantile(0.999),
        own_share: 100.0 * own / elapsed,
        own_lateness: latencies.own_lateness(0.99),
    };
    Ok(found.to_numbers())
}

fn ready() -> io::Result<()> {
    writeln!(io::stdout(), "{READY}")?;
    wait_for_line()
}

fn wait_for_line() -> io::Result<()> {
    io::stdin().read_line(&mut String::new()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::fleet::Fleet;
    use super::{closed, connecting, open};
    use crate::servers::service::Service;
    use crate::servers::{floor, serving};
    use std::net::SocketAddr;
    use std::thread;
    use std::time::Duration;

    const SHORT: Duration = Duration::from_millis(50);
    const CONNECTIONS: usize = 5;

    /// It serves as long as the tests run.
    fn server(service: Service) -> SocketAddr {
        let listener = serving::listen().expect("there are ports");
        let address = listener.local_addr().expect("it has one");
        thread::spawn(move || floor::serve(&listener, service));
        address
    }

    fn fleet(service: Service) -> Fleet {
        Fleet::connect(server(service), service, CONNECTIONS).expect("the server answers")
    }

    #[test]
    fn a_closed_loop_asks_as_often_as_it_should() {
        for service in [Service::Echo, Service::Http] {
            let latencies =
                closed::run(&mut fleet(service), closed::Until::Requests(1000)).expect("the server answers");
            assert_eq!(latencies.count(), 1000);
            assert!(latencies.quantile(0.5) > 0.0);
        }
    }

    #[test]
    fn a_closed_loop_ends_after_its_time() {
        let latencies =
            closed::run(&mut fleet(Service::Echo), closed::Until::After(SHORT)).expect("the server answers");
        assert!(latencies.count() >= CONNECTIONS as u64);
    }

    #[test]
    fn an_open_loop_asks_as_often_as_it_should_whatever_the_server_can() {
        for per_second in [2e3, 2e6] {
            let latencies = open::run(&mut fleet(Service::Http), per_second, SHORT).expect("the server answers");
            let expected = per_second * SHORT.as_secs_f64();
            assert!((0.5 * expected..1.5 * expected).contains(&(latencies.count() as f64)), "{}", latencies.count());
        }
    }

    #[test]
    fn connections_end_when_they_have_been_served() {
        let served = connecting::run(server(Service::Close), Service::Close, CONNECTIONS, SHORT);
        assert!(served.expect("the server serves") > CONNECTIONS as u64);
    }
}

//! What is measured.

use super::load::Kind;
use super::service::{ECHO, Service};
use super::serving::COMPUTING;
use super::taking::{order, serve_arguments, take};
use super::{FLOOR, calls};
use std::collections::HashMap;
use std::time::Duration;

/// Something to measure of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Each of so many connections asks again as soon as it has its answer.
    Closed(Service, usize),
    /// Requests come at moments that do not depend on the server, [`LOAD_FACTOR`] of what the slowest peer can do.
    Open(Service, usize),
    /// As that, while a task computes for half of the time, 10 ms at a stretch.
    Computing(Service, usize),
    /// Connections that are there for one byte.
    Connect,
    /// Connections that have said something once.
    Idle,
    /// Under strace.
    Calls,
}

/// At so much of its highest rate a server has reserves, but no time for detours.
pub const LOAD_FACTOR: f64 = 0.6;

const FEW: usize = 64;
const MANY: usize = 512;
const IDLE: usize = 15_000;
const QUICK_IDLE: usize = 300;
const CALLED: u64 = 20_000;
const QUICK_CALLED: u64 = 500;

/// How much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Enough for figures.
    Full,
    /// Only to see that everything runs.
    Quick,
}

impl Scale {
    fn warm_up(self) -> Duration {
        Duration::from_millis(if self == Scale::Full { 500 } else { 20 })
    }

    fn window(self) -> Duration {
        Duration::from_millis(if self == Scale::Full { 2500 } else { 100 })
    }

    fn idle(self) -> usize {
        if self == Scale::Full { IDLE } else { QUICK_IDLE }
    }

    fn called(self) -> u64 {
        if self == Scale::Full { CALLED } else { QUICK_CALLED }
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is.
    pub text: String,
    /// What the ratio of `rt` to tokio should not exceed.
    pub aim: Option<f64>,
}

/// At how many requests a second each service is looked at, with so many connections.
pub type Rates = HashMap<(Service, usize), f64>;

impl Measure {
    /// All of them, in the order of the table.
    pub const ALL: [Measure; 13] = [
        Measure::Closed(Service::Echo, FEW),
        Measure::Closed(Service::Echo, MANY),
        Measure::Closed(Service::Http, FEW),
        Measure::Closed(Service::Http, MANY),
        Measure::Open(Service::Echo, FEW),
        Measure::Open(Service::Echo, MANY),
        Measure::Open(Service::Http, FEW),
        Measure::Open(Service::Http, MANY),
        Measure::Computing(Service::Echo, FEW),
        Measure::Computing(Service::Http, FEW),
        Measure::Connect,
        Measure::Idle,
        Measure::Calls,
    ];

    /// Its name on command lines.
    pub fn name(self) -> String {
        match self {
            Measure::Closed(service, connections) => format!("closed-{}-{connections}", service.name()),
            Measure::Open(service, connections) => format!("open-{}-{connections}", service.name()),
            Measure::Computing(service, connections) => format!("computing-{}-{connections}", service.name()),
            Measure::Connect => "accept".to_owned(),
            Measure::Idle => "idle".to_owned(),
            Measure::Calls => "calls".to_owned(),
        }
    }

    /// Whether that peer can do it. The floor has no tasks that could compute.
    pub fn is_for(self, peer: &str) -> bool {
        peer != FLOOR || !matches!(self, Measure::Computing(..))
    }

    /// Why it cannot be taken on this machine, if it cannot.
    pub fn obstacle(self) -> Option<&'static str> {
        (self == Measure::Calls && !calls::can_be_counted()).then_some("there is no strace on this machine")
    }

    /// Whether a few repetitions have to do, which is as well because it hardly varies.
    pub fn is_steady(self) -> bool {
        matches!(self, Measure::Idle | Measure::Calls)
    }

    /// What has to be measured before, because it tells the rate.
    pub fn before(self) -> Option<(Service, usize)> {
        match self {
            Measure::Open(service, connections) | Measure::Computing(service, connections) => {
                Some((service, connections))
            }
            _ => None,
        }
    }

    /// What its figures are, each a row of the table.
    pub fn rows(self, scale: Scale, rates: &Rates) -> Vec<Row> {
        let rate =
            || self.before().and_then(|load| rates.get(&load)).map_or("?".to_owned(), |rate| format!("{rate:.0}"));
        let (what, rows) = match self {
            Measure::Closed(service, connections) => (
                format!("{}, {connections} connections", in_words(service)),
                vec![
                    ("processor time per request, us", processor_aim(service, connections)),
                    ("requests per second", None),
                    ("p50, us", None),
                    ("p99, us", tail_aims(service, connections)[0]),
                    ("p99.9, us", tail_aims(service, connections)[1]),
                    ("context switches per request", None),
                    ("share of a processor that the load generator takes, %", None),
                ],
            ),
            Measure::Open(service, connections) => (
                format!("{}, {connections} connections, {} a second", in_words(service), rate()),
                vec![
                    ("p50, us", None),
                    ("p99, us", Some(0.8)),
                    ("p99.9, us", Some(0.8)),
                    ("p99 of what the load generator is late itself, us", None),
                ],
            ),
            Measure::Computing(service, connections) => (
                format!(
                    "{}, {connections} connections, {} a second beside a task that computes {} of {} ms",
                    in_words(service),
                    rate(),
                    COMPUTING.as_millis(),
                    2 * COMPUTING.as_millis()
                ),
                vec![("p50, us", None), ("p99, us", Some(0.5)), ("p99.9, us", None)],
            ),
            Measure::Connect => (
                "connection that is accepted, read from once and closed".to_owned(),
                vec![("processor time, us", Some(0.95)), ("connections per second", None)],
            ),
            Measure::Idle => {
                (format!("{} idle connections", scale.idle()), vec![("resident bytes per connection", Some(0.7))])
            }
            Measure::Calls => {
                let aim = |kind: &str| (kind == "all").then_some(1.0);
                (
                    format!("echo, {FEW} connections, system calls per request"),
                    calls::KINDS.map(|kind| (kind, aim(kind))).to_vec(),
                )
            }
        };
        rows.into_iter().map(|(row, aim)| Row { text: format!("{what}: {row}"), aim }).collect()
    }

    /// One figure for each row.
    ///
    /// # Errors
    ///
    /// If a process fails or hangs, or if the rate is not known.
    pub fn take(self, peer: &str, scale: Scale, rates: &Rates) -> Result<Vec<f64>, String> {
        let (warm_up, window) = (scale.warm_up(), scale.window());
        match self {
            Measure::Closed(service, connections) => {
                let taken = take(peer, false, order(Kind::Closed, service, connections, warm_up, window))?;
                let found = taken.found()?;
                Ok(vec![
                    taken.processor_microseconds() / found.requests,
                    found.per_second,
                    found.p50,
                    found.p99,
                    found.p999,
                    taken.context_switches() / found.requests,
                    found.own_share,
                ])
            }
            Measure::Open(service, connections) | Measure::Computing(service, connections) => {
                let computes = matches!(self, Measure::Computing(..));
                let rate = *rates.get(&(service, connections)).ok_or("the rate is not known")?;
                let found =
                    take(peer, computes, order(Kind::Open(rate), service, connections, warm_up, window))?.found()?;
                let own_lateness = (!computes).then_some(found.own_lateness);
                Ok([found.p50, found.p99, found.p999].into_iter().chain(own_lateness).collect())
            }
            Measure::Connect => {
                let taken = take(peer, false, order(Kind::Connect, Service::Close, FEW, warm_up, window))?;
                let &[connections, per_second] = taken.figures.as_slice() else {
                    return Err("not two figures".to_owned());
                };
                Ok(vec![taken.processor_microseconds() / connections, per_second])
            }
            Measure::Idle => {
                let taken = take(peer, false, order(Kind::Hold, Service::Echo, scale.idle(), warm_up, window))?;
                Ok(vec![taken.resident_bytes() / scale.idle() as f64])
            }
            Measure::Calls => {
                let arguments = serve_arguments(peer, Service::Echo, false);
                let order = order(Kind::Closed, Service::Echo, FEW, warm_up, window);
                calls::per_request(peer, &arguments, order, scale.called())
            }
        }
    }
}

/// The row of [`Measure::Closed`] that the rates are taken from.
pub const RATE_ROW: usize = 1;

fn in_words(service: Service) -> String {
    match service {
        Service::Echo => format!("echo of {ECHO} bytes"),
        Service::Http => "HTTP/1.1 by hyper".to_owned(),
        Service::Close => "connections".to_owned(),
    }
}

fn processor_aim(service: Service, connections: usize) -> Option<f64> {
    match (service, connections) {
        (Service::Echo | Service::Http, FEW) => Some(0.97),
        (Service::Echo, MANY) => Some(1.0),
        _ => None,
    }
}

/// Of p99 and p99.9.
fn tail_aims(service: Service, connections: usize) -> [Option<f64>; 2] {
    match (service, connections) {
        (Service::Echo, FEW) => [Some(0.8), Some(0.6)],
        (Service::Echo, MANY) => [Some(0.65), Some(0.65)],
        (Service::Http, FEW) => [Some(0.75), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::Measure;
    use std::collections::HashSet;

    #[test]
    fn no_two_measures_have_the_same_name() {
        let names: HashSet<_> = Measure::ALL.into_iter().map(Measure::name).collect();
        assert_eq!(names.len(), Measure::ALL.len());
    }
}

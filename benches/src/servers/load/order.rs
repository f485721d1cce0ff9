//! What a load generator is called for, and what it finds, as both processes write and read it.

use crate::servers::service::Service;
use std::time::Duration;

/// How a server is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Each connection asks again as soon as it has its answer. Figures: [`Found`].
    Closed,
    /// As that, for a fixed number of requests. No figures but their number.
    Count(u64),
    /// So many requests a second, whatever the server does; those that wait for their connection are late already. Figures:
    /// [`Found`].
    Open(f64),
    /// Connections, each of which ends when it has been served. Figures: their number, and that of a second.
    Connect,
    /// Connections that are held, and nothing else. Figures: their number.
    Hold,
}

/// What a load generator is called for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// What it does.
    pub kind: Kind,
    /// What the server does.
    pub service: Service,
    /// Where the server is, on this machine.
    pub port: u16,
    /// How many connections there are at a time.
    pub connections: usize,
    /// For how long they are used before they are measured.
    pub warm_up: Duration,
    /// For how long they are measured.
    pub window: Duration,
}

/// What is found out by asking.
#[derive(Clone, Copy, Debug)]
pub(in crate::servers) struct Found {
    pub(in crate::servers) requests: f64,
    pub(in crate::servers) per_second: f64,
    /// Microseconds.
    pub(in crate::servers) p50: f64,
    pub(in crate::servers) p99: f64,
    pub(in crate::servers) p999: f64,
    /// The part of the time that this process was on a processor, in per cent.
    pub(in crate::servers) own_share: f64,
    /// By how much this process was late with its requests, microseconds, p99.
    pub(in crate::servers) own_lateness: f64,
}

impl Found {
    pub(in crate::servers) fn to_numbers(self) -> Vec<f64> {
        let Found { requests, per_second, p50, p99, p999, own_share, own_lateness } = self;
        vec![requests, per_second, p50, p99, p999, own_share, own_lateness]
    }

    pub(in crate::servers) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let &[requests, per_second, p50, p99, p999, own_share, own_lateness] = numbers else { return None };
        Some(Found { requests, per_second, p50, p99, p999, own_share, own_lateness })
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Closed => "closed",
            Kind::Count(_) => "count",
            Kind::Open(_) => "open",
            Kind::Connect => "connect",
            Kind::Hold => "hold",
        }
    }

    /// What there is to say besides the name.
    fn amount(self) -> f64 {
        match self {
            Kind::Count(requests) => requests as f64,
            Kind::Open(rate) => rate,
            Kind::Closed | Kind::Connect | Kind::Hold => 0.0,
        }
    }

    fn from_name(name: &str, amount: f64) -> Option<Self> {
        let kinds = [Kind::Closed, Kind::Count(amount as u64), Kind::Open(amount), Kind::Connect, Kind::Hold];
        kinds.into_iter().find(|kind| kind.name() == name)
    }
}

impl Order {
    /// As it is given on a command line.
    pub(in crate::servers) fn to_arguments(self) -> Vec<String> {
        let Order { kind, service, port, connections, warm_up, window } = self;
        vec![
            kind.name().to_owned(),
            kind.amount().to_string(),
            service.name().to_owned(),
            port.to_string(),
            connections.to_string(),
            warm_up.as_millis().to_string(),
            window.as_millis().to_string(),
        ]
    }

    /// Reads an order from a command line; `None` if it is none.
    pub fn from_arguments(arguments: &[String]) -> Option<Self> {
        let [kind, amount, service, port, connections, warm_up, window] = arguments else { return None };
        let time = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some(Order {
            kind: Kind::from_name(kind, amount.parse().ok()?)?,
            service: Service::named(service)?,
            port: port.parse().ok()?,
            connections: connections.parse().ok()?,
            warm_up: time(warm_up)?,
            window: time(window)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Order, Service};
    use std::time::Duration;

    #[test]
    fn an_order_survives_the_command_line() {
        for kind in [Kind::Closed, Kind::Count(7), Kind::Open(1234.5), Kind::Connect, Kind::Hold] {
            let (warm_up, window) = (Duration::from_millis(20), Duration::from_secs(3));
            let order = Order { kind, service: Service::Http, port: 4711, connections: 64, warm_up, window };
            assert_eq!(Order::from_arguments(&order.to_arguments()), Some(order));
        }
        assert_eq!(Order::from_arguments(&[]), None);
    }
}

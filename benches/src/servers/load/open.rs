//! Requests come when they come, whether or not the server has answered the last ones.
//!
//! A request counts from when it should have been sent. If its connection still waits for an answer, it is sent as soon as that has
//! come, and what it has waited counts: leaving that out would hide the worst moments of the server (coordinated omission).

use super::arrivals::Arrivals;
use super::fleet::{Fleet, SILENCE, silence};
use super::latencies::Latencies;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// How many may wait for a connection before there has to be room made for more.
const ROOM: usize = 256;

/// Returns when all requests are answered. They go round the connections.
pub(super) fn run(fleet: &mut Fleet, per_second: f64, time: Duration) -> io::Result<Latencies> {
    let mut latencies = Latencies::new();
    // When the requests of a connection should have been sent: the first has been, the others wait.
    let mut due: Vec<VecDeque<u64>> = (0..fleet.len()).map(|_| VecDeque::with_capacity(ROOM)).collect();
    let mut arrivals = Arrivals::new(per_second, time).peekable();
    let (mut arrived, mut heard_of) = (0, 0);
    let start = Instant::now();
    let elapsed = || start.elapsed().as_nanos() as u64;
    loop {
        let mut now = elapsed();
        while let Some(arrival) = arrivals.next_if(|&arrival| arrival <= now) {
            let number = arrived % fleet.len();
            arrived += 1;
            due[number].push_back(arrival);
            if due[number].len() == 1 {
                latencies.record_own_lateness(now - arrival);
                fleet.ask(number)?;
                now = elapsed();
            }
        }
        let wait = match arrivals.peek() {
            Some(&arrival) => Duration::from_nanos(arrival.saturating_sub(now)),
            None if latencies.count() == arrived as u64 => return Ok(latencies),
            None => SILENCE,
        };
        let ready = fleet.wait(wait)?;
        for index in 0..ready {
            let Some(number) = fleet.receive(index)? else { continue };
            now = elapsed();
            heard_of = now;
            let answered = due[number].pop_front().expect("nobody answers what was not asked");
            latencies.record(now - answered);
            if !due[number].is_empty() {
                fleet.ask(number)?;
            }
        }
        let owes = latencies.count() < arrived as u64;
        if owes && u128::from(now.saturating_sub(heard_of)) > SILENCE.as_nanos() {
            return Err(silence());
        }
    }
}

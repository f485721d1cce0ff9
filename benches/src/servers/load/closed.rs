//! Each connection asks again as soon as it has its answer.

use super::fleet::{Fleet, SILENCE, silence};
use super::latencies::Latencies;
use std::io;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(super) enum Until {
    After(Duration),
    Requests(u64),
}

/// Returns when all requests are answered.
pub(super) fn run(fleet: &mut Fleet, until: Until) -> io::Result<Latencies> {
    let mut latencies = Latencies::new();
    let start = Instant::now();
    let goes_on = |asked: u64, now: u64| match until {
        Until::After(time) => u128::from(now) < time.as_nanos(),
        Until::Requests(requests) => asked < requests,
    };
    // When each connection asked last, in nanoseconds from the start.
    let mut since = vec![0; fleet.len()];
    let mut asked = 0;
    for (number, since) in since.iter_mut().enumerate() {
        let now = start.elapsed().as_nanos() as u64;
        if goes_on(asked, now) {
            *since = now;
            fleet.ask(number)?;
            asked += 1;
        }
    }
    while latencies.count() < asked {
        let ready = fleet.wait(SILENCE)?;
        if ready == 0 {
            return Err(silence());
        }
        for index in 0..ready {
            let Some(number) = fleet.receive(index)? else { continue };
            let now = start.elapsed().as_nanos() as u64;
            latencies.record(now - since[number]);
            if goes_on(asked, now) {
                since[number] = now;
                fleet.ask(number)?;
                asked += 1;
            }
        }
    }
    Ok(latencies)
}

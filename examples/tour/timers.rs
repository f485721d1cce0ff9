//! Many tasks that sleep, and how late they wake up.

use crate::figures::{Histogram, Meter, Moment, Summary, grouped, rounded, span};
use crate::screen::{Frame, Row, Screen};
use crate::workers::Workers;
use crate::{Failure, Outcome, join_all};
use rt::time::{Instant, interval, sleep_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SLEEPERS: u64 = 5_000;
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(200);
const PERIOD: Duration = Duration::from_millis(10);

struct Lateness {
    sleeps: Histogram,
    ticks: Histogram,
    stop: AtomicBool,
}

/// Sets thousands of timers, and shows how late they fire.
pub(crate) async fn show(screen: &mut Screen, lasting: Duration) -> Outcome {
    screen.headline(&format!(
        "Timers: {} tasks sleep {} to {}, again and again; one interval of {}",
        grouped(SLEEPERS),
        SHORTEST.as_millis(),
        span(LONGEST),
        span(PERIOD)
    ))?;
    let mut workers = Workers::new();
    let lateness = Lateness { sleeps: Histogram::new(), ticks: Histogram::new(), stop: AtomicBool::new(false) };
    let lateness = Arc::new(lateness);
    let mut tasks: Vec<_> = (0..SLEEPERS).map(|number| rt::spawn(sleep_often(number, lateness.clone()))).collect();
    tasks.push(rt::spawn(tick(lateness.clone())));

    let mut meter = Meter::default();
    let frame = |moment: Moment| {
        let (sleeps, ticks) = (lateness.sleeps.summary(), lateness.ticks.summary());
        let rate = rounded(meter.rate(moment, sleeps.count));
        let (bars, _) = workers.report(moment);
        let line = format!("{rate}/s, late {}; interval p99 {}", late(&sleeps), span(ticks.p99));
        let mut rows = vec![
            Row::Text(format!("{rate} sleeps/s, {} in all", grouped(sleeps.count))),
            Row::Text(format!("sleeps late by   {}", late(&sleeps))),
            Row::Text(format!("interval late by {}, {} ticks", late(&ticks), grouped(ticks.count))),
            Row::Spread(sleeps.spread),
        ];
        rows.extend(bars);
        Frame { line, rows }
    };
    let line = screen.watch("timers", lasting, frame).await?;

    lateness.stop.store(true, Ordering::Relaxed);
    join_all("a sleeping task", tasks).await?;
    Ok(line)
}

fn late(summary: &Summary) -> String {
    format!("p50 {}, p99 {}, max {}", span(summary.p50), span(summary.p99), span(summary.longest))
}

async fn sleep_often(number: u64, lateness: Arc<Lateness>) -> Result<(), Failure> {
    // A step that has no common divisor with the range spreads the lengths evenly, without random numbers.
    const STEP: u64 = 7_919;
    let range = (LONGEST - SHORTEST).as_micros() as u64;
    let mut position = number * STEP;
    while !lateness.stop.load(Ordering::Relaxed) {
        position += STEP * SLEEPERS;
        let deadline = Instant::now() + SHORTEST + Duration::from_micros(position % range);
        sleep_until(deadline).await;
        lateness.sleeps.record(since(deadline)?);
    }
    Ok(())
}

async fn tick(lateness: Arc<Lateness>) -> Result<(), Failure> {
    let mut interval = interval(PERIOD);
    while !lateness.stop.load(Ordering::Relaxed) {
        lateness.ticks.record(since(interval.tick().await)?);
    }
    Ok(())
}

/// How long ago a deadline was that a timer says has passed.
fn since(deadline: Instant) -> Result<Duration, Failure> {
    let now = Instant::now();
    now.checked_duration_since(deadline)
        .ok_or_else(|| format!("a timer fired {} too early", span(deadline.duration_since(now))).into())
}

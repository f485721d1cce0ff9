//! A poll that goes on and on, and why it does.

use super::StallCause;
use crate::primitives::os_thread::Doing;
use crate::scheduler::pulse::Beat;
use std::panic::Location;
use std::time::{Duration, Instant};

/// A poll that has been seen.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) beat: Beat,
    pub(super) since: Instant,
    /// When the system was last asked about it, and for how long it had had a processor by then.
    asked: Option<(Instant, Duration)>,
    /// Why it is stuck, if it is.
    pub(super) cause: Option<StallCause>,
    /// Where its task was spawned, once it has been counted as a stall.
    pub(super) counted: Option<&'static Location<'static>>,
    pub(super) is_reported: bool,
}

impl Suspect {
    pub(super) fn new(beat: Beat, now: Instant) -> Self {
        Suspect { beat, since: now, asked: None, cause: None, counted: None, is_reported: false }
    }

    /// Why the poll goes on; `None` if it does only because its thread was not given a processor.
    ///
    /// The system is asked at once, because a worker that blocks is replaced at once, and then as often as the monitor looks usually.
    pub(super) fn judge(&mut self, doing: impl FnOnce() -> Doing, now: Instant, usual: Duration) -> Option<StallCause> {
        let elapsed = self.asked.map(|(asked, _)| now.saturating_duration_since(asked));
        if elapsed.is_some_and(|elapsed| elapsed < usual / 2) {
            return None;
        }
        let time = match doing() {
            Doing::Waits => return Some(StallCause::Blocked),
            Doing::Runs(None) => return Some(StallCause::Computing),
            Doing::Runs(Some(time)) => time,
        };
        let (_, before) = self.asked.replace((now, time))?;
        // The system brings its books up to date every few milliseconds.
        (time.saturating_sub(before) >= elapsed? / 8).then_some(StallCause::Computing)
    }
}

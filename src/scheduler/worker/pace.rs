//! When a worker looks at what does not call by itself.

use crate::primitives::clock;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// See the module's page.
///
/// By count: events every `event_interval` polls, the injector every `global_queue_interval`. By time: while the injector
/// has tasks, the clock is read every sixth poll, and the injector comes first when it has waited for more than half a
/// millisecond, however long the polls are.
pub(super) struct Pace {
    event_interval: u32,
    injector_interval: u32,
    /// Polls until the next look, and how many there were at the last one.
    left: Cell<u32>,
    step: Cell<u32>,
    until_events: Cell<u32>,
    until_injector: Cell<u32>,
    /// When the injector was first seen waiting since it last came first.
    waiting_since: Cell<Option<Instant>>,
}

/// What is due.
pub(super) struct Due {
    /// The maintenance turn.
    pub(super) events: bool,
    /// The injector comes before the worker's own tasks.
    pub(super) injector: bool,
}

/// Polls between two looks at the injector. Each costs two loads of lines that others write, and some thirty instructions. Twice as many, and
/// a spawn from outside waits for milliseconds behind polls of a tenth of one.
const LOOK_EVERY: u32 = 16;
/// The same while something waits there, when each look reads the clock.
const LOOK_AGAIN: u32 = 6;
/// Longer makes spawns from outside wait behind tasks that never rest; shorter breaks up their batches for nothing.
const INJECTOR_PATIENCE: Duration = Duration::from_micros(500);

impl Pace {
    pub(super) fn new(event_interval: u32, injector_interval: u32) -> Self {
        Pace {
            event_interval,
            injector_interval,
            left: Cell::new(1),
            step: Cell::new(0),
            until_events: Cell::new(event_interval),
            until_injector: Cell::new(injector_interval),
            waiting_since: Cell::new(None),
        }
    }

    /// Counts a poll. True: see what is [`due`](Pace::due).
    #[inline(always)]
    pub(super) fn count_poll(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        left == 0
    }

    pub(super) fn due(&self, injector_is_empty: bool) -> Due {
        let count = |until: &Cell<u32>, interval: u32| {
            let left = until.get() - self.step.get();
            until.set(if left == 0 { interval } else { left });
            left == 0
        };
        let events = count(&self.until_events, self.event_interval);
        let mut injector = count(&self.until_injector, self.injector_interval);
        if injector || (!injector_is_empty && self.has_waited()) {
            self.until_injector.set(self.injector_interval);
            self.waiting_since.set(None);
            injector = true;
        }
        let look = if self.waiting_since.get().is_some() { LOOK_AGAIN } else { LOOK_EVERY };
        let step = look.min(self.until_events.get()).min(self.until_injector.get());
        self.step.set(step);
        self.left.set(step);
        Due { events, injector }
    }

    /// Makes the next poll find events due.
    pub(super) fn hurry_events(&self) {
        self.until_events.set(self.step.get());
        self.left.set(1);
    }

    /// Whether the injector, which has tasks, was first seen so long ago.
    fn has_waited(&self) -> bool {
        match self.waiting_since.get() {
            None => {
                self.waiting_since.set(Some(clock::now()));
                false
            }
            Some(since) => clock::now().saturating_duration_since(since) >= INJECTOR_PATIENCE,
        }
    }
}

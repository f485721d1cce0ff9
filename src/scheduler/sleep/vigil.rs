//! Whether the monitor watches.
//!
//! While somebody is at work, the monitor looks every few milliseconds. When nobody is, it sleeps until a worker that wakes up
//! sets its alarm.
//!
//! *The monitor, going to sleep*: say so; full fence; look whether somebody is at work. *A worker, having left the sleepers*: full
//! fence; look whether the monitor sleeps, and if so, take that back and set its alarm. Of two such fences one is first, and the
//! thread behind the other sees what was written before the first. So the monitor sees the worker, or the worker sets the alarm.

use super::crew::Crew;
use crate::primitives::atomic::{AtomicBool, Ordering, fence};
use crate::primitives::planted::{self, Step};

/// See the module's page.
#[derive(Debug)]
pub(super) struct Vigil {
    is_asleep: AtomicBool,
}

impl Vigil {
    pub(super) fn new() -> Self {
        Vigil { is_asleep: AtomicBool::new(false) }
    }

    /// The monitor goes to sleep. False: it must not, because somebody is at work. True: a worker will set its alarm, or has.
    pub(super) fn try_sleep(&self, crew: &Crew) -> bool {
        // Ordering: Relaxed; the fence publishes it.
        self.is_asleep.store(true, Ordering::Relaxed);
        if planted::keeps(Step::MonitorFences) {
            // Pairs with the fence in `rouse`.
            fence(Ordering::SeqCst);
        }
        if crew.muster().at_work() == 0 {
            return true;
        }
        // Ordering: AcqRel, with the swap in `rouse`: one of the two takes it back.
        !self.is_asleep.swap(false, Ordering::AcqRel)
    }

    /// Whether the monitor sleeps, which the caller has to end by setting its alarm.
    #[inline]
    pub(super) fn rouse(&self) -> bool {
        if planted::keeps(Step::WokenFences) {
            // Pairs with the fence in `try_sleep`.
            fence(Ordering::SeqCst);
        }
        // Ordering: Relaxed on the load, AcqRel on the swap; as in `try_sleep`.
        self.is_asleep.load(Ordering::Relaxed) && self.is_asleep.swap(false, Ordering::AcqRel)
    }
}

#[cfg(all(test, rt_loom))]
mod models {
    use super::*;
    use crate::primitives::planted::assert_caught;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn whoever_is_at_work_is_watched() {
        loom::model(|| {
            let crew = Crew::new(1);
            crew.announce(false);
            let pair = Arc::new((crew, Vigil::new()));
            let worker = thread::spawn({
                let pair = pair.clone();
                move || {
                    pair.0.parked_to_running();
                    pair.1.rouse()
                }
            });
            let asleep = pair.1.try_sleep(&pair.0);
            let alarm = worker.join().unwrap();
            assert!(!asleep || alarm, "a worker is at work and the monitor sleeps");
        });
    }

    #[test]
    fn the_vigil_model_notices_a_monitor_without_a_fence() {
        assert_caught("scheduler::sleep::vigil::models::whoever_is_at_work_is_watched", Step::MonitorFences);
    }

    #[test]
    fn the_vigil_model_notices_a_woken_worker_without_a_fence() {
        assert_caught("scheduler::sleep::vigil::models::whoever_is_at_work_is_watched", Step::WokenFences);
    }
}

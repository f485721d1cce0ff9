//! One drain: what it finds at each look, whom it aborts, what it reports.

use super::{Drained, DrainedTask};
use crate::primitives::clock;
use crate::runtime::context;
use crate::runtime::current_id::try_id;
use crate::runtime::handle::Inner;
use crate::task::{Id, Inside, TaskRef};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long tasks that were aborted have to end. Less, and a machine that is busy with other things makes them look stuck; more only makes
/// the drain of a runtime with a stuck task take longer.
pub(super) const END: Duration = Duration::from_secs(1);

/// See the module's page.
pub(super) struct Attempt {
    inner: Arc<Inner>,
    /// The task or closure in which it is.
    drainer: Option<u64>,
    /// `None`: there is no hurry.
    deadline: Option<Instant>,
    /// How many tasks and closures had ended before.
    ended: u64,
    /// How many had been aborted before.
    aborted: usize,
}

/// How far a drain is.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// Everybody may finish.
    Open,
    /// Everybody has been aborted, and has until then to end.
    Aborted(Instant),
}

impl Attempt {
    /// Must be called where the drain is waited for.
    pub(super) fn begin(inner: &Arc<Inner>, deadline: Duration) -> Arc<Self> {
        let drainer = try_id().map(Id::as_u64);
        let aborted = {
            let mut state = inner.drain.state.lock();
            state.active += 1;
            state.drainers.extend(drainer);
            state.aborted.len()
        };
        let inside = |inner: Weak<Inner>| Inside(Box::new(move || context::is_inside(inner.as_ptr())));
        inner.scheduler.guard(inside(Arc::downgrade(inner)));
        inner.blocking.registry().guard(0, inside(Arc::downgrade(inner)));
        let ended = ended(inner);
        inner.drain.tell();
        let deadline = clock::now().checked_add(deadline);
        Arc::new(Attempt { inner: inner.clone(), drainer, deadline, ended, aborted })
    }

    /// One look; the result, once there is one.
    pub(super) fn look(&self, stage: &mut Stage) -> Option<Drained> {
        if !self.has_left() {
            self.shut();
            if !self.has_left() {
                return Some(self.report());
            }
        }
        let now = clock::now();
        match *stage {
            Stage::Open if self.deadline.is_some_and(|deadline| deadline <= now) => {
                self.abort();
                *stage = Stage::Aborted(now + END);
                None
            }
            Stage::Aborted(until) if until <= now => Some(self.report()),
            _ => None,
        }
    }

    fn has_left(&self) -> bool {
        let drainers = self.inner.drain.state.lock().drainers.clone();
        self.inner.scheduler.registry().has_left(&drainers) || self.inner.blocking.registry().has_left(&drainers)
    }

    /// Nobody can spawn any more.
    fn shut(&self) {
        self.inner.scheduler.registry().shut();
        self.inner.blocking.registry().shut();
    }

    fn abort(&self) {
        self.shut();
        let (drain, blocking) = (&self.inner.drain, &self.inner.blocking);
        let drainers = drain.state.lock().drainers.clone();
        let tasks = self.inner.scheduler.registry().left(&drainers);
        let closures = blocking.registry().left(&drainers);
        let left = tasks.iter().map(|task| (task, false)).chain(closures.iter().map(|task| (task, true)));
        {
            let mut state = drain.state.lock();
            let known: HashSet<_> = state.aborted.iter().map(|(task, _)| task.id()).collect();
            let new = left.filter(|(task, _)| !known.contains(&task.id()));
            state.aborted.extend(new.map(|(task, is_blocking)| (task.clone(), is_blocking)));
        }
        tasks.iter().for_each(TaskRef::abort);
        // Those that have not begun are dropped here and now.
        blocking.close();
    }

    fn report(&self) -> Drained {
        let ended = ended(&self.inner);
        let (mut aborted, mut stuck) = (Vec::new(), Vec::new());
        for (number, (task, is_blocking)) in self.inner.drain.state.lock().aborted.iter().enumerate() {
            let report = DrainedTask::new(task, *is_blocking);
            if !task.is_complete() {
                stuck.push(report);
            } else if number >= self.aborted {
                aborted.push(report);
            }
        }
        let finished = ended.saturating_sub(self.ended).saturating_sub(aborted.len() as u64);
        Drained::new(finished, aborted, stuck)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.inner.drain.state.lock();
        state.active -= 1;
        if let Some(place) = state.drainers.iter().position(|&drainer| Some(drainer) == self.drainer) {
            state.drainers.swap_remove(place);
        }
        if state.active == 0 {
            let aborted = std::mem::take(&mut state.aborted);
            drop(state);
            drop(aborted);
        }
    }
}

fn ended(inner: &Inner) -> u64 {
    inner.scheduler.registry().ended() + inner.blocking.registry().ended()
}

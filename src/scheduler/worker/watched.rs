//! Polls and wakes to which more belongs than to run the task and to queue it: what `Attention` and `Detour` ask for.

use super::Worker;
use crate::primitives::clock;
use crate::task::RunToken;

/// Polls among which a sample is sought that this worker has stamped. One that was stolen is not found here, but by the thief.
const SOUGHT: u32 = 256;

impl Worker {
    #[inline(never)]
    pub(super) fn poll_attentively(&self, token: RunToken) {
        if self.attention.searches() {
            self.end_search();
        }
        if self.attention.seeks() {
            self.look_for_stamp(&token);
        }
        let times = self.attention.times();
        if times {
            // What a poll wakes is as good a sample as the poll.
            self.detour.stamp_next();
            self.attention.set_times(self.shared.config.time_all_polls);
        }
        self.run_task(token, |token| {
            let again = match times {
                true => self.run_timed(token),
                false => self.run_recorded(token),
            };
            if self.detour.stamps_all()
                && let Some(token) = &again
            {
                token.stamp(self.shared.nanoseconds(clock::now()));
            }
            again
        });
    }

    fn run_timed(&self, token: RunToken) -> Option<RunToken> {
        // The task may be gone after its run.
        let task = self.shared.config.time_tasks.then(|| token.task_ref());
        let began = clock::now();
        let again = self.run_recorded(token);
        let took = clock::now().saturating_duration_since(began).as_nanos() as u64;
        self.counters().poll_times.record(took);
        if let Some(task) = &task {
            task.meta().add_busy(took);
        }
        again
    }

    #[inline]
    fn run_recorded(&self, token: RunToken) -> Option<RunToken> {
        if !self.attention.records() {
            return self.run_hooked(token);
        }
        let poll = self.begin_recorded(&token);
        let again = self.run_hooked(token);
        self.end_recorded(poll, again.is_some());
        again
    }

    #[inline]
    fn run_hooked(&self, token: RunToken) -> Option<RunToken> {
        match self.attention.calls_hooks() {
            true => self.shared.config.hooks.run(token),
            false => token.run(),
        }
    }

    fn look_for_stamp(&self, token: &RunToken) {
        let stamped = token.stamped();
        if let Some(since) = stamped {
            let now = self.shared.nanoseconds(clock::now());
            self.counters().schedule_delays.record(now.saturating_sub(since));
        }
        let all = self.detour.stamps_all();
        self.attention.looked(stamped.is_some() && !all);
        if all {
            self.attention.seek(1);
        }
    }

    #[inline(never)]
    pub(super) fn push_on_detour(&self, token: RunToken) {
        if self.detour.records() {
            // Before the stamp, which takes the place of what the task waited for.
            self.record_push(&token);
        }
        if self.detour.take_stamp() {
            token.stamp(self.shared.nanoseconds(clock::now()));
            self.attention.seek(SOUGHT);
        }
        if self.detour.leads_to_deque() {
            self.push_to_deque(token);
        } else if let Some(displaced) = self.own.lifo_slot.replace(token) {
            self.push_to_deque(displaced);
        }
    }
}

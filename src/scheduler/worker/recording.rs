//! What a worker does for the flight recorder: see `scheduler/recorder/`.

use super::Worker;
use crate::scheduler::recorder::{By, End, Event, write_name, write_push};
use crate::task::wait::Cause;
use crate::task::{RunToken, TaskRef, Whose};

/// A poll that is being recorded.
pub(super) struct Recorded {
    task: u64,
    /// Tasks that had ended on this worker before.
    ended: u64,
    /// To be asked for its name when it has ended. Only of one that has a name, because it costs a counted reference.
    named: Option<TaskRef>,
}

impl Worker {
    /// Begins to record, or stops it, if somebody has said so.
    #[inline]
    pub(in super::super) fn heed_recorder(&self) {
        if self.shared.recorder.is_on() != self.attention.records() {
            self.switch_recording();
        }
    }

    #[cold]
    fn switch_recording(&self) {
        let on = self.shared.recorder.is_on();
        // A spare's is made when it first records.
        self.own.tape.get_or_init(|| self.shared.recorder.tape());
        self.attention.set_records(on);
        self.detour.set_records(on);
        self.waker.set(By::Nobody);
    }

    /// As [`heed_recorder`](Self::heed_recorder), in code that this worker polls: what is left of the poll is recorded as one. It ends where
    /// the worker begins something else.
    pub(in super::super) fn heed_recorder_in_poll(&self) {
        self.heed_recorder();
        if !self.attention.records() || self.in_events.get() {
            return;
        }
        match Whose::now() {
            Whose::Polled => {
                let polled = self.pulse().beat().and_then(|beat| self.shared.registry.find(beat.task));
                if let Some(task) = polled {
                    let number = task.id().as_u64();
                    self.record(Event::PollBegins { task: number, place: Some(task.meta().location) });
                    self.waker.set(By::Task(number));
                }
            }
            Whose::Nobody => {
                self.record(Event::MainBegins);
                self.waker.set(By::Main);
            }
            Whose::Task(_) => {}
        }
    }

    #[inline]
    pub(in super::super) fn record(&self, event: Event) {
        if let Some(tape) = self.own.tape.get() {
            event.write(tape);
        }
    }

    /// Records what happens now and then, if anything is recorded.
    pub(super) fn note(&self, event: Event) {
        if self.attention.records() {
            self.record(event);
        }
    }

    /// Who wakes what is woken on this worker now.
    pub(in super::super) fn waker(&self) -> By {
        self.waker.get()
    }

    /// A task is queued.
    pub(super) fn record_push(&self, token: &RunToken) {
        if let Some(tape) = self.own.tape.get() {
            write_push(tape, token, self.waker.get());
        }
    }

    #[inline]
    pub(super) fn begin_recorded(&self, token: &RunToken) -> Recorded {
        let (task, meta) = (token.id().as_u64(), token.meta());
        self.waker.set(By::Task(task));
        let named = meta.name().is_some().then(|| token.task_ref());
        self.record(Event::PollBegins { task, place: Some(meta.location) });
        Recorded { task, ended: self.counters().ended.get(), named }
    }

    #[inline]
    pub(super) fn end_recorded(&self, poll: Recorded, again: bool) {
        self.waker.set(By::Nobody);
        if !self.attention.records() {
            // It was switched off meanwhile.
            return;
        }
        // What ends in a poll, on this worker, is the polled task, but for one that it spawns in vain during shutdown.
        let has_ended = self.counters().ended.get() != poll.ended;
        let end = match (again, has_ended) {
            (true, _) => End::Again,
            (false, true) => End::Ended,
            (false, false) => End::Pending,
        };
        self.record(Event::PollEnds { task: poll.task, end });
        if let Some(task) = poll.named.filter(|_| end == End::Ended)
            && let (Some(tape), Some(name)) = (self.own.tape.get(), task.meta().name())
        {
            write_name(tape, poll.task, name);
        }
    }

    /// Tasks have been taken from another worker.
    pub(super) fn has_stolen(&self, victim: usize, tasks: usize) {
        self.heed_recorder();
        self.note(Event::Steals { victim: victim as u64, tasks: tasks as u64 });
    }

    /// What has become ready, or is due, wakes what waits for it.
    pub(super) fn serves(&self, cause: Cause, found: usize) {
        self.heed_recorder();
        if self.attention.records() && found > 0 {
            self.record(Event::Serves { cause, found: found as u64 });
            self.waker.set(cause.into());
        }
    }

    /// All of that has been woken.
    pub(super) fn has_served(&self) {
        if matches!(self.waker.replace(By::Nobody), By::Source | By::Timer) {
            self.note(Event::Served);
        }
    }

    /// Polls the future of `block_on`, which was woken.
    pub(in super::super) fn record_main(&self, poll: impl FnOnce()) {
        self.heed_recorder();
        if !self.attention.records() {
            return poll();
        }
        self.record(Event::MainBegins);
        self.waker.set(By::Main);
        poll();
        self.waker.set(By::Nobody);
        self.note(Event::MainEnds);
    }
}

//! The life of a thread of the pool.

use super::crew::{Duty, Slept, TimedOut};
use super::growth::{Verdict, View};
use super::seat::{Call, Seat};
use super::{Errand, Pool};
use crate::primitives::os_thread::{self, Doing};
use crate::primitives::{Patience, clock};
use crate::task::{RunToken, Whose, trim_memory};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a thread that searches looks at the queue before it sleeps. A task that awaits closure after closure is back with the next one after
/// a few microseconds, if its worker has not gone to sleep. Less, and it meets a sleeping thread; more only burns the processor.
const LONGEST_LOOK: Duration = Duration::from_micros(16);

/// Far longer than another thread of this program takes to do what is waited for, far shorter than a system lets another program run.
const LOST_TURN: Duration = Duration::from_micros(200);

/// Threads that the watcher asks the system about at a look, some 10 us each. Fewer tell little.
const SAMPLE: usize = 4;

/// How a thread comes back from its sleep.
enum Woken {
    /// With a duty, or to see that the pool is closed.
    Called(Option<Duty>),
    /// To take a closure that it has seen before it slept, or was called for beside others. If it was on duty until then, submitters may have
    /// relied on that.
    Again,
    Errand(Errand),
    /// The keep-alive time is over.
    Retired,
}

impl Pool {
    /// The life of a thread that takes closures. It has been counted, and has the duty.
    pub(super) fn work(self: &Arc<Self>, mut duty: Option<Duty>) {
        let seat = self.crew.take_seat();
        let patience = Patience::wary(LONGEST_LOOK, LOST_TURN);
        // It gave up a duty that submitters may have relied on, and has taken no closure since.
        let mut looks_for_more = false;
        loop {
            if duty == Some(Duty::Watch) {
                duty = self.watch(&seat);
            }
            if let Some(token) = self.take() {
                if let Some(duty) = duty.take() {
                    self.crew.release(duty);
                    looks_for_more = true;
                }
                if std::mem::take(&mut looks_for_more) {
                    let need = self.crew.taken(|| !self.queue.is_empty());
                    // If the system refuses a thread, there is this one.
                    let _ = self.serve(need);
                }
                self.run(&seat, token);
                continue;
            }
            if self.crew.is_closed() {
                break;
            }
            if duty.is_none() && self.crew.try_search() {
                duty = Some(Duty::Search);
            }
            if duty == Some(Duty::Search) && patience.look(|| !self.queue.is_empty() || self.crew.is_closed()) {
                continue;
            }
            match self.sleep(&seat, duty.take()) {
                Woken::Called(now) => duty = now,
                Woken::Again => looks_for_more = true,
                Woken::Errand(errand) => {
                    errand.run();
                    if !self.crew.join_in() {
                        self.crew.forget(&seat);
                        return;
                    }
                }
                Woken::Retired => return,
            }
        }
        self.crew.leave(&seat, duty);
    }

    fn run(&self, seat: &Seat, token: RunToken) {
        seat.begin(token.place());
        let whose = Whose::Task(token.id()).begin();
        // A closure does not wake itself, so the token never comes back.
        let again = token.run();
        drop(whose);
        debug_assert!(again.is_none(), "a closure runs once");
        seat.end();
        self.ended(1);
    }

    fn sleep(&self, seat: &Arc<Seat>, duty: Option<Duty>) -> Woken {
        trim_memory();
        let until = clock::now().checked_add(self.keep_alive);
        if self.crew.sleep(seat, duty, || !self.queue.is_empty()) == Slept::Again {
            return Woken::Again;
        }
        let call = seat.wait(until).or_else(|| match self.crew.retire(seat) {
            TimedOut::Left => None,
            TimedOut::Called => seat.wait(None),
        });
        match call {
            Some(Call::Duty(duty)) => Woken::Called(Some(duty)),
            Some(Call::Help) => Woken::Again,
            Some(Call::Closed) => Woken::Called(None),
            Some(Call::Errand(errand)) => Woken::Errand(errand),
            None => Woken::Retired,
        }
    }

    /// Watches until this thread is to look at the queue, or until there is nothing to watch. Returns the duty it has by then.
    fn watch(&self, seat: &Arc<Seat>) -> Option<Duty> {
        let watching = Some(Duty::Watch);
        let mut is_first = true;
        loop {
            if self.queue.is_empty() || self.crew.is_closed() || self.crew.is_short() {
                return watching;
            }
            let until = match self.verdict(is_first) {
                Verdict::Wait(until) => until,
                Verdict::Grow { helpers } => {
                    if helpers > 0 {
                        self.crew.call_help(helpers.min(self.queue.len().saturating_sub(1)));
                    }
                    return watching;
                }
            };
            is_first = false;
            if !self.crew.sit_down(seat) {
                return watching;
            }
            let call = seat.wait(Some(until)).or_else(|| match self.crew.stand_up(seat) {
                TimedOut::Left => None,
                TimedOut::Called => seat.wait(None),
            });
            match call {
                None => {}
                Some(Call::Duty(duty)) => return Some(duty),
                // It waits in no list of sleepers, so it is neither sent on errands nor called for help.
                Some(Call::Closed | Call::Errand(_) | Call::Help) => return None,
            }
        }
    }

    fn verdict(&self, is_first: bool) -> Verdict {
        let (busy, done) = self.crew.tally();
        let view = View { now: clock::now(), busy, done };
        let mut growth = self.growth.lock();
        let compute = || self.half_compute(view.now, busy);
        if is_first { growth.begin(view, compute) } else { growth.look(view, compute) }
    }

    /// Whether at least half of the busy threads compute, or would if they had a processor. Where the system does not tell, they are taken to
    /// block: a thread too many is better than one that is missing.
    fn half_compute(&self, now: Instant, busy: u64) -> bool {
        // Others at each look, by way of a number that differs.
        let turn = now.saturating_duration_since(self.began).as_micros() as u64;
        let sample = self.crew.some_busy(turn, SAMPLE.min(busy as usize));
        let computes = |thread: u32| thread != 0 && os_thread::doing(thread) != Doing::Waits;
        let computing = sample.iter().filter(|&&thread| computes(thread)).count();
        computing > 0 && 2 * computing >= sample.len()
    }
}

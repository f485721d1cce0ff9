//! A dump that polls the tasks that wait, to learn where they do.
//!
//! First the dump is taken as ever, so that it tells how things were before anybody was disturbed. Then a thread asks the tasks that waited, some at a
//! time, and collects the answers until the deadline; `task/trace.rs` has how a task answers.

use super::{Dump, frames};
use crate::primitives::{Mutex, clock, thread};
use crate::runtime::answer::Answer;
use crate::runtime::handle::Inner;
use crate::task::trace::{Inbox, Trace};
use crate::task::{TaskRef, yield_now};
use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a task waits, told by a poll.
#[derive(Clone)]
pub struct TaskTrace(Outcome);

#[derive(Clone)]
enum Outcome {
    Waits(Trace),
    Ended,
    NotReached,
}

impl TaskTrace {
    /// Where in that poll futures left wakers, or woke the task at once: one backtrace for each, 32 at most. Those of several branches come in the order
    /// of their polls. Empty if nothing was left: then nobody will ever wake the task, unless somebody has kept a waker of an earlier poll,
    /// as a set of futures does for those of its futures that have not been woken.
    ///
    /// They are the standard library's, and reach down into the runtime; printed with `{}`, a `TaskTrace` leaves that out.
    pub fn backtraces(&self) -> impl Iterator<Item = &Backtrace> {
        let backtraces = if let Outcome::Waits(trace) = &self.0 { &trace.backtraces[..] } else { &[] };
        backtraces.iter().map(|backtrace| &**backtrace)
    }

    /// Whether the task waits on after that poll.
    pub fn is_waiting(&self) -> bool {
        matches!(self.0, Outcome::Waits(_))
    }

    /// Whether the task has ended: by that poll, or before its turn came.
    pub fn has_ended(&self) -> bool {
        matches!(self.0, Outcome::Ended)
    }

    /// Whether nobody polled it before the deadline, or that poll had not ended by then.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Outcome::NotReached)
    }
}

impl fmt::Display for TaskTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = match &self.0 {
            Outcome::Ended => return f.write_str("polled for this dump, it has ended"),
            Outcome::NotReached => return f.write_str("it could not be polled for this dump in time"),
            Outcome::Waits(trace) => trace,
        };
        if trace.backtraces.is_empty() {
            return f.write_str("polled for this dump, it has left no waker anywhere");
        }
        for (number, backtrace) in trace.backtraces.iter().enumerate() {
            f.write_str(if number == 0 { "polled for this dump, it waits here:" } else { "\n    and here:" })?;
            frames::write(f, backtrace)?;
        }
        match trace.left_out {
            0 => Ok(()),
            more => write!(f, "\n    and in {more} more places"),
        }
    }
}

impl fmt::Debug for TaskTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Outcome::Waits(trace) => {
                f.debug_struct("Waits").field("backtraces", &trace.backtraces.len()).finish_non_exhaustive()
            }
            Outcome::Ended => f.write_str("Ended"),
            Outcome::NotReached => f.write_str("NotReached"),
        }
    }
}

/// Tasks that are asked at a time. With far fewer, the workers of a large pool wait for the thread between two of them; with more, what else is
/// queued waits for all these backtraces, some 20 us each.
const AT_A_TIME: usize = 64;

/// How often it is looked whether a task that was asked has ended, or the dump is wanted no more.
const LOOK: Duration = Duration::from_millis(5);

/// What the thread is called.
const THREAD: &str = "rt-dump";

/// A dump on its way.
struct Tracing {
    dump: Dump,
    /// Those that have not been asked, with their numbers in the dump.
    waiting: std::vec::IntoIter<(usize, TaskRef)>,
    /// Those that have not answered, by their ids.
    asked: HashMap<u64, (usize, TaskRef)>,
    inbox: Arc<Inbox>,
    /// `None`: there is no hurry.
    deadline: Option<Instant>,
}

impl Tracing {
    fn begin(inner: &Inner, deadline: Duration) -> Self {
        let deadline = clock::now().checked_add(deadline);
        let mut waiting = Vec::new();
        let dump = Dump::take_and(inner, |number, task| waiting.push((number, task)));
        let (asked, inbox) = (HashMap::new(), Arc::default());
        Tracing { dump, waiting: waiting.into_iter(), asked, inbox, deadline }
    }

    /// Asks, and takes what is answered, for a moment. True: that was all.
    fn look(&mut self, moment: Duration) -> bool {
        let now = clock::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return true;
        }
        while self.asked.len() < AT_A_TIME
            && let Some((number, task)) = self.waiting.next()
        {
            task.ask(&self.inbox);
            self.asked.insert(task.id().as_u64(), (number, task));
        }
        if self.asked.is_empty() {
            return true;
        }
        let until = self.deadline.map_or(now + moment, |deadline| deadline.min(now + moment));
        for (id, trace) in self.inbox.take(until) {
            if let Some((number, _)) = self.asked.remove(&id) {
                self.dump.tasks[number].trace = Some(TaskTrace(Outcome::Waits(trace)));
            }
        }
        let tasks = &mut self.dump.tasks;
        self.asked.retain(|_, (number, task)| {
            let has_ended = task.is_complete();
            if has_ended {
                tasks[*number].trace = Some(TaskTrace(Outcome::Ended));
            }
            !has_ended
        });
        self.asked.is_empty() && self.waiting.len() == 0
    }

    /// The dump, with whoever has not been reached.
    fn end(mut self) -> Dump {
        let mut missed = self.forget();
        missed.extend(self.waiting.by_ref());
        for (number, _) in missed {
            self.dump.tasks[number].trace = Some(TaskTrace(Outcome::NotReached));
        }
        std::mem::replace(&mut self.dump, Dump { tasks: Vec::new() })
    }

    /// Takes back what was asked and not answered.
    fn forget(&mut self) -> Vec<(usize, TaskRef)> {
        let asked: Vec<_> = self.asked.drain().map(|(_, asked)| asked).collect();
        asked.iter().for_each(|(_, task)| task.forget(&self.inbox));
        asked
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        self.forget();
    }
}

/// See [`Handle::dump_traced`](crate::runtime::Handle::dump_traced).
pub(in crate::runtime) async fn dump_traced(inner: &Inner, deadline: Duration) -> Dump {
    let (answer, wanted) = Answer::new();
    // It stays here if there is no thread for it.
    let place = Arc::new(Mutex::new(Some(Tracing::begin(inner, deadline))));
    let asking = thread::Builder::new().name(THREAD.to_owned()).spawn({
        let place = place.clone();
        move || {
            let Some(mut tracing) = place.lock().take() else { return };
            while !tracing.look(LOOK) {
                if answer.is_unwanted_until(clock::now()) {
                    return;
                }
            }
            answer.give(tracing.end());
        }
    });
    let left = if asking.is_err() { place.lock().take() } else { None };
    let Some(mut tracing) = left else {
        return wanted.wait(|| {}).await;
    };
    // Then this asks, as often as it comes to its turn.
    while !tracing.look(Duration::ZERO) {
        yield_now().await;
    }
    tracing.end()
}

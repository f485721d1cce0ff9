//! Telling of polls that take too long.
//!
//! Whoever is told may be slow: a hook of the user's, or a standard error that nobody reads. So neither is called by the monitor, but by
//! a thread that is started when there is something to tell, and ends when there is nothing more.

use crate::primitives::backtrace::symbolise;
use crate::primitives::{Mutex, clock, contain::contain, thread};
use crate::task::{Id, TaskRef};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A poll that keeps its worker from everything else.
///
/// Handed to the hook of [`Builder::on_stall`](crate::runtime::Builder::on_stall). With `{}` it prints as a sentence.
#[derive(Clone, Debug)]
pub struct Stall {
    task: Id,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
    elapsed: Duration,
    cause: StallCause,
    backtrace: Option<Box<str>>,
}

/// Why a poll takes so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StallCause {
    /// It waits: in a system call, for a lock, in `std::thread::sleep`.
    Blocked,
    /// It computes. Also where the system does not tell.
    Computing,
}

impl Stall {
    pub(super) fn new(task: &TaskRef, elapsed: Duration, cause: StallCause) -> Self {
        let meta = task.meta();
        let name = meta.name().map(Box::from);
        Stall { task: task.id(), name, location: meta.location, elapsed, cause, backtrace: None }
    }

    /// The task whose poll it is.
    pub fn task_id(&self) -> Id {
        self.task
    }

    /// The task's name, if it was given one by [`task::Builder`](crate::task::Builder::name).
    pub fn task_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.location
    }

    /// For how long the poll has been seen to go on. It is still going on.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether it blocks or computes.
    pub fn cause(&self) -> StallCause {
        self.cause
    }

    /// Where the thread is, if `Builder::stall_backtraces` of the feature `stall-backtrace` asks for it and the system can tell.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.task)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        let cause = match self.cause {
            StallCause::Blocked => "blocked: `spawn_blocking` and `block_in_place` are for code that blocks",
            StallCause::Computing => {
                "computing: `yield_now` lets others run, `spawn_blocking` is for long computations"
            }
        };
        let elapsed = self.elapsed.as_millis();
        write!(f, ", spawned at {}, has kept its worker in one poll for {elapsed} ms, {cause}", self.location)?;
        if let Some(backtrace) = &self.backtrace {
            write!(f, "\n{backtrace}")?;
        }
        Ok(())
    }
}

/// What the tasks that were spawned at one place have done to their workers.
#[derive(Clone, Debug)]
pub struct StallSite {
    location: &'static Location<'static>,
    count: u64,
    longest: Duration,
}

impl StallSite {
    /// Where the tasks were spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.location
    }

    /// How many of their polls took too long.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest of them, to within [`stall_after`](crate::runtime::Builder::stall_after).
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

/// Stalls by the place where their tasks were spawned.
#[derive(Debug, Default)]
pub(in super::super) struct Sites(Mutex<HashMap<&'static Location<'static>, (u64, Duration)>>);

impl Sites {
    /// A poll has begun to take too long.
    pub(super) fn count(&self, location: &'static Location<'static>) {
        self.0.lock().entry(location).or_default().0 += 1;
    }

    /// It has taken so long.
    pub(super) fn lasted(&self, location: &'static Location<'static>, elapsed: Duration) {
        let mut sites = self.0.lock();
        let longest = &mut sites.entry(location).or_default().1;
        *longest = elapsed.max(*longest);
    }

    /// Those with the most stalls first.
    pub(in super::super) fn list(&self) -> Vec<StallSite> {
        let site = |(&location, &(count, longest)): (&&'static Location<'static>, &(u64, Duration))| StallSite {
            location,
            count,
            longest,
        };
        let mut sites: Vec<_> = self.0.lock().iter().map(site).collect();
        sites.sort_by_key(|site| std::cmp::Reverse((site.count, site.longest)));
        sites
    }
}

/// A callback of the user's for stalls.
pub(super) type StallHook = Arc<dyn Fn(&Stall) + Send + Sync>;

/// Hands stalls to the hook, or to whoever reads the program's log.
pub(super) struct Reporter {
    hook: Option<StallHook>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Stall, Option<Trace>)>,
    /// A thread is telling.
    is_telling: bool,
    /// Places that have been told of, and when the last was. Not used with a hook.
    told: HashSet<&'static Location<'static>>,
    last: Option<Instant>,
}

/// Finds out where the thread is. Takes some milliseconds at worst, and what becomes of the addresses even more.
pub(super) type Trace = Box<dyn FnOnce() -> Option<Vec<usize>> + Send>;

/// Reports that wait for a slow hook; what comes beyond is dropped.
const MOST: usize = 64;

/// Without a hook, at most one report in so long.
const SILENCE: Duration = Duration::from_secs(1);

impl Reporter {
    pub(super) fn new(hook: Option<StallHook>) -> Arc<Self> {
        Arc::new(Reporter { hook, state: Mutex::new(State::default()) })
    }

    /// Whether a stall of a task from there should be told. True: it counts as told.
    pub(super) fn wants(&self, location: &'static Location<'static>) -> bool {
        if self.hook.is_some() {
            return true;
        }
        let now = clock::now();
        let mut state = self.state.lock();
        let is_silent = state.last.is_some_and(|last| now.saturating_duration_since(last) < SILENCE);
        if is_silent || !state.told.insert(location) {
            return false;
        }
        state.last = Some(now);
        true
    }

    pub(super) fn tell(self: &Arc<Self>, stall: Stall, trace: Option<Trace>) {
        let mut state = self.state.lock();
        if state.waiting.len() == MOST {
            return;
        }
        state.waiting.push_back((stall, trace));
        if std::mem::replace(&mut state.is_telling, true) {
            return;
        }
        drop(state);
        let reporter = self.clone();
        let telling = thread::Builder::new().name("rt-reporter".to_owned()).spawn(move || reporter.tell_all());
        if telling.is_err() {
            // The next one tries again, with what waits.
            self.state.lock().is_telling = false;
        }
    }

    fn tell_all(&self) {
        loop {
            let mut state = self.state.lock();
            let Some((mut stall, trace)) = state.waiting.pop_front() else {
                state.is_telling = false;
                return;
            };
            drop(state);
            stall.backtrace = trace.and_then(|trace| trace()).map(|addresses| symbolise(&addresses).into());
            match &self.hook {
                Some(hook) => contain(|| hook(&stall)),
                None => log(&stall),
            }
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("has_hook", &self.hook.is_some()).finish_non_exhaustive()
    }
}

#[cfg(feature = "tracing")]
fn log(stall: &Stall) {
    // A subscriber is the user's code.
    contain(|| tracing::warn!(target: "rt::stall", "{stall}"));
}

#[cfg(not(feature = "tracing"))]
fn log(stall: &Stall) {
    use std::io::Write;
    // There is nobody to tell that it cannot be told.
    let _ = writeln!(std::io::stderr().lock(), "rt: {stall}");
}

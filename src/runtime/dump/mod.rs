//! What all tasks of a runtime do now, without polling any of them.

mod cycles;
#[cfg_attr(not(all(unix, feature = "signal")), path = "no_signal.rs")]
pub(super) mod on_signal;
mod print;

use super::handle::Inner;
#[cfg(feature = "net")]
use crate::driver::Interest;
use crate::primitives::clock::{self, Tick};
use crate::scheduler::Running;
use crate::task::wait::What;
use crate::task::{Id, Look, Progress};
use std::panic::Location;
use std::time::Duration;

/// All tasks that a runtime has, and what each of them does; see [`Handle::dump`](super::Handle::dump).
///
/// Printed with `{}`, tasks that were spawned in the same place and wait for the same kind of thing share a line; with `{:#}` each has
/// its own.
#[derive(Clone, Debug)]
pub struct Dump {
    tasks: Vec<TaskDump>,
}

/// A task in a [`Dump`].
#[derive(Clone, Debug)]
pub struct TaskDump {
    id: Id,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
    kind: TaskKind,
    state: TaskState,
    age: Duration,
    polls: u64,
    last_poll: Option<Duration>,
    busy: Option<Duration>,
}

/// What a task is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A future.
    Async,
    /// A closure given to [`spawn_blocking`](crate::task::spawn_blocking).
    Blocking,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is being polled, or the closure runs.
    #[non_exhaustive]
    Running {
        /// By which worker: below [`num_workers`](super::RuntimeMetrics::num_workers), or a spare. `None` for a closure.
        worker: Option<usize>,
        /// For how long, at least. Zero for what the monitor has not seen yet, which is some milliseconds at most, and where there
        /// is no monitor.
        at_least: Duration,
    },
    /// It is ready, and waits for its turn.
    Queued,
    /// It waits to be woken.
    #[non_exhaustive]
    Waiting {
        /// For what.
        reason: WaitReason,
        /// The last poll waited for something else too: a branch of `select!`, a timeout.
        or_others: bool,
    },
}

/// What a task waits for. Known of the runtime's own timers, sockets and tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// Something that the runtime does not know: a channel, a lock, a waker of somebody's.
    Unknown,
    /// A timer.
    #[non_exhaustive]
    Timer {
        /// Until it is due.
        remaining: Duration,
    },
    /// A socket, a pipe or another descriptor.
    #[cfg(feature = "net")]
    #[non_exhaustive]
    Descriptor {
        /// The system's number: a file descriptor, or a socket handle.
        number: u32,
        /// What it is to become ready for.
        interest: Interest,
    },
    /// The end of a task.
    #[non_exhaustive]
    Task {
        /// Its identifier. It may be a task of another runtime.
        id: Id,
    },
}

impl Dump {
    pub(super) fn take(inner: &Inner) -> Self {
        let now = Now { tick: Tick::advance(clock::now()), time: inner.timer_nanoseconds() };
        let mut tasks = Vec::with_capacity(inner.scheduler.alive());
        inner.scheduler.visit(|look, born, running| tasks.push(TaskDump::of_future(now, &look, born, running)));
        inner.blocking.visit(|look, born, is_running| tasks.push(TaskDump::of_closure(now, &look, born, is_running)));
        Dump { tasks }
    }

    /// The tasks, in no order.
    pub fn tasks(&self) -> &[TaskDump] {
        &self.tasks
    }

    /// Tasks that wait for each other's end in a circle, and so for ever. Each is given as its tasks' identifiers, in the order in
    /// which they wait.
    ///
    /// A task that waits for something else besides, in a `select!` or with a timeout, may be rescued by that, and is left
    /// out.
    pub fn join_cycles(&self) -> Vec<Vec<Id>> {
        cycles::find(self.tasks.iter().filter_map(|task| match task.state {
            TaskState::Waiting { reason: WaitReason::Task { id }, or_others: false } => Some((task.id, id)),
            _ => None,
        }))
    }
}

/// When a dump is taken: in ticks, and as timers count.
#[derive(Clone, Copy)]
struct Now {
    tick: Tick,
    time: u64,
}

impl TaskDump {
    fn new(now: Now, look: &Look<'_>, born: Tick, kind: TaskKind, state: TaskState) -> Self {
        TaskDump {
            id: look.id,
            name: look.meta.name().map(Box::from),
            location: look.meta.location,
            kind,
            state,
            age: now.tick.since(born),
            polls: look.polls.into(),
            last_poll: look.polled.map(|polled| now.tick.since(polled)),
            busy: look.meta.busy(),
        }
    }

    fn of_future(now: Now, look: &Look<'_>, born: Tick, running: Option<Running>) -> Self {
        let state = match (running, look.progress) {
            (Some(Running { worker, since }), _) => TaskState::Running {
                worker: Some(worker),
                at_least: since.map_or(Duration::ZERO, |since| now.tick.since(since)),
            },
            (None, Progress::Woken) => TaskState::Queued,
            (None, Progress::Idle) => {
                TaskState::Waiting { reason: WaitReason::new(now, look.wait.what), or_others: look.wait.or_others }
            }
        };
        TaskDump::new(now, look, born, TaskKind::Async, state)
    }

    fn of_closure(now: Now, look: &Look<'_>, born: Tick, is_running: bool) -> Self {
        let running = TaskState::Running { worker: None, at_least: Duration::ZERO };
        let state = if is_running { running } else { TaskState::Queued };
        TaskDump::new(now, look, born, TaskKind::Blocking, state)
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name that it was given by [`task::Builder`](crate::task::Builder).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// What it is made of.
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// What it does.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// For how long there has been this task, to some 10 ms.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// How often it was polled to no end; 0 for a closure. Begins again after 2^32.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// For how long it was polled in all, without a poll that goes on. `None`, unless
    /// [`enable_task_busy_time`](super::Builder::enable_task_busy_time) is on; and of closures.
    pub fn busy(&self) -> Option<Duration> {
        self.busy
    }

    /// How long ago the last of these polls ended, to some 10 ms. `None`: there was none yet.
    pub fn last_poll(&self) -> Option<Duration> {
        self.last_poll
    }
}

impl WaitReason {
    fn new(now: Now, what: What) -> Self {
        match what {
            What::Unknown => WaitReason::Unknown,
            What::Timer(deadline) => {
                WaitReason::Timer { remaining: Duration::from_nanos(deadline.saturating_sub(now.time)) }
            }
            #[cfg(feature = "net")]
            What::Descriptor { number, read, write } => WaitReason::Descriptor {
                number,
                interest: match (read, write) {
                    (true, true) => Interest::READABLE | Interest::WRITABLE,
                    (false, true) => Interest::WRITABLE,
                    _ => Interest::READABLE,
                },
            },
            #[cfg(not(feature = "net"))]
            What::Descriptor { .. } => WaitReason::Unknown,
            What::Join(id) => WaitReason::Task { id },
        }
    }
}

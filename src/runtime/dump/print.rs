//! Dumps for people.

use super::{Dump, TaskDump, TaskKind, TaskState, WaitReason};
use std::collections::HashMap;
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::panic::Location;
use std::time::Duration;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: fn(&TaskState) -> bool| self.tasks.iter().filter(|task| is(&task.state)).count();
        write!(
            f,
            "{}: {} running, {} queued, {} waiting",
            number(self.tasks.len()),
            count(|state| matches!(state, TaskState::Running { .. })),
            count(|state| matches!(state, TaskState::Queued)),
            count(|state| matches!(state, TaskState::Waiting { .. })),
        )?;
        for cycle in self.join_cycles() {
            write!(f, "\n  deadlock:")?;
            for (before, id) in cycle.iter().enumerate() {
                write!(f, "{} task {id}", if before == 0 { "" } else { " waits for the end of" })?;
            }
            write!(f, " waits for the end of task {}", cycle[0])?;
        }
        if f.alternate() {
            return self.sorted().into_iter().try_for_each(|task| write!(f, "\n  {task:#}"));
        }
        groups(self.sorted()).into_iter().try_for_each(|group| match group[..] {
            [task] => write!(f, "\n  {task}"),
            _ => write_group(f, &group),
        })
    }
}

impl Dump {
    /// Those that run first, and then by where they were spawned.
    fn sorted(&self) -> Vec<&TaskDump> {
        let rank = |task: &TaskDump| match task.state {
            TaskState::Running { .. } => 0,
            TaskState::Queued => 1,
            TaskState::Waiting { .. } => 2,
        };
        let mut tasks: Vec<_> = self.tasks.iter().collect();
        tasks.sort_by_key(|task| {
            (rank(task), task.location.file(), task.location.line(), task.location.column(), task.id.as_u64())
        });
        tasks
    }
}

fn number(tasks: usize) -> String {
    if tasks == 1 { "1 task".into() } else { format!("{tasks} tasks") }
}

/// What the tasks of one line have in common.
type Alike<'a> =
    (Option<&'a str>, *const Location<'static>, TaskKind, Discriminant<TaskState>, Option<Discriminant<WaitReason>>);

/// Tasks that are much the same, in the order of the first of each.
fn groups(tasks: Vec<&TaskDump>) -> Vec<Vec<&TaskDump>> {
    let mut places: HashMap<Alike<'_>, usize> = HashMap::new();
    let mut groups: Vec<Vec<&TaskDump>> = Vec::new();
    for task in tasks {
        let reason = match &task.state {
            TaskState::Waiting { reason, .. } => Some(discriminant(reason)),
            _ => None,
        };
        let alike = (task.name(), std::ptr::from_ref(task.location), task.kind, discriminant(&task.state), reason);
        let place = *places.entry(alike).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    groups
}

fn write_group(f: &mut fmt::Formatter<'_>, group: &[&TaskDump]) -> fmt::Result {
    let first = group[0];
    let name = first.name().map_or(String::new(), |name| format!(" {name:?}"));
    write!(f, "\n  {}{name}{} spawned at {}", number(group.len()), of_kind(first.kind), first.location)?;
    match first.state {
        TaskState::Running { .. } => {
            let longest = group.iter().filter_map(|task| task.runs_for()).max().unwrap_or_default();
            write!(f, " run, the longest for {} at least", Time(longest))?;
        }
        TaskState::Queued => f.write_str(" are ready and wait for their turn")?,
        TaskState::Waiting { reason, .. } => match reason {
            WaitReason::Timer { .. } => {
                let next = group.iter().filter_map(|task| task.sleeps_for()).min().unwrap_or_default();
                write!(f, " wait for timers, the next of which is due in {}", Time(next))?;
            }
            #[cfg(feature = "net")]
            WaitReason::Descriptor { .. } => f.write_str(" wait for sockets")?,
            WaitReason::Task { .. } => f.write_str(" wait for the end of tasks")?,
            WaitReason::Tasks { .. } => f.write_str(" wait for the end of tasks, several each")?,
            other => write!(f, " wait for {other}")?,
        },
    }
    let ages = || group.iter().map(|task| task.age);
    let oldest = ages().max().unwrap_or_default();
    let youngest = ages().min().unwrap_or_default();
    let polls = group.iter().map(|task| task.polls).sum::<u64>();
    write!(f, "; {} to {} old", Time(youngest), Time(oldest))?;
    if first.kind != TaskKind::Blocking {
        write!(f, ", {polls} polls in all")?;
    }
    Ok(())
}

fn of_kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Async => "",
        TaskKind::Blocking => " (blocking)",
        TaskKind::Local => " (local)",
    }
}

impl TaskDump {
    fn runs_for(&self) -> Option<Duration> {
        if let TaskState::Running { at_least, .. } = self.state { Some(at_least) } else { None }
    }

    fn sleeps_for(&self) -> Option<Duration> {
        match self.state {
            TaskState::Waiting { reason: WaitReason::Timer { remaining }, .. } => Some(remaining),
            _ => None,
        }
    }
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().map_or(String::new(), |name| format!(" {name:?}"));
        write!(f, "task {}{name}{} spawned at {}", self.id, of_kind(self.kind), self.location)?;
        write!(f, " {}; {} old", self.state, Time(self.age))?;
        if let Some(last) = self.last_poll {
            write!(f, ", {} polls, the last {} ago", self.polls, Time(last))?;
        }
        self.busy.map_or(Ok(()), |busy| write!(f, ", busy for {}", Time(busy)))?;
        match &self.trace {
            Some(trace) if f.alternate() => write!(f, "\n    {trace}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskState::Running { worker, at_least } => {
                f.write_str("runs")?;
                if let Some(worker) = worker {
                    write!(f, " on worker {worker}")?;
                }
                if *at_least > Duration::ZERO { write!(f, " for {} at least", Time(*at_least)) } else { Ok(()) }
            }
            TaskState::Queued => f.write_str("is ready and waits for its turn"),
            TaskState::Waiting { reason, or_others } => {
                write!(f, "waits for {reason}{}", if *or_others { ", or for something else" } else { "" })
            }
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitReason::Unknown => f.write_str("something outside the runtime"),
            WaitReason::Timer { remaining } if remaining.is_zero() => f.write_str("a timer that is due"),
            WaitReason::Timer { remaining } => write!(f, "a timer that is due in {}", Time(*remaining)),
            #[cfg(feature = "net")]
            WaitReason::Descriptor { number, interest } => {
                let ready = match (interest.is_readable(), interest.is_writable()) {
                    (true, true) => "ready",
                    (false, true) => "writable",
                    _ => "readable",
                };
                write!(f, "descriptor {number} to be {ready}")
            }
            WaitReason::Task { id } => write!(f, "the end of task {id}"),
            WaitReason::Tasks { remaining } => write!(f, "the end of {}", number(*remaining)),
            WaitReason::Drained => f.write_str("the end of a drain"),
            WaitReason::Draining => f.write_str("the beginning of a drain"),
            WaitReason::Cancelled => f.write_str("its scope to be cancelled"),
        }
    }
}

/// As many digits as mean something.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            seconds if seconds < 10.0 => write!(f, "{seconds:.2} s"),
            seconds if seconds < 600.0 => write!(f, "{seconds:.1} s"),
            seconds if seconds < 36_000.0 => write!(f, "{:.1} min", seconds / 60.0),
            seconds => write!(f, "{:.1} h", seconds / 3600.0),
        }
    }
}

//! Chrome's trace format, as JSON: an event a line.
//!
//! Times are in microseconds, with three digits behind the point. Viewers lay out what begins at the same time in the order in which it is
//! written: so slices come first, and arrows last.

use super::trace::{Arrow, Cause, Doing, Happened, Mark, Slice, Tie, Trace, Track};
use crate::primitives::json::{self, Object};
use crate::scheduler::recorder::{By, End};
use crate::task::wait::{Event, Wait, What};
use std::fmt;
use std::io::{self, Write};

/// Nanoseconds, written as microseconds.
struct Microseconds(u64);

impl fmt::Display for Microseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Writes all of it.
pub(super) fn write(trace: &Trace, writer: &mut impl Write) -> io::Result<()> {
    let mut out = Out { process: std::process::id(), writer, line: String::new(), is_first: true };
    let mut head = String::new();
    json::object(&mut head, |head| {
        head.string("recorded by", concat!("rt-runtime ", env!("CARGO_PKG_VERSION")));
        head.plain("length in us", Microseconds(trace.length));
        head.plain("events lost by threads outside", trace.lost);
    });
    write!(out.writer, "{{\"displayTimeUnit\":\"ns\",\"otherData\":{head},\"traceEvents\":[")?;
    out.name("process_name", 0, |args| args.string("name", &process_name()))?;
    for track in &trace.tracks {
        out.name("thread_name", track.number, |args| args.string("name", &track.name))?;
        out.name("thread_sort_index", track.number, |args| args.plain("sort_index", track.number))?;
    }
    for track in &trace.tracks {
        track.slices.iter().try_for_each(|slice| out.slice(trace, track, slice))?;
        track.marks.iter().try_for_each(|mark| out.mark(trace, track, mark))?;
    }
    for (number, arrow) in trace.arrows.iter().enumerate() {
        out.arrow(trace, number, arrow)?;
    }
    out.writer.write_all(b"\n]}\n")
}

fn process_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default();
    program.to_string_lossy().into_owned()
}

struct Out<'a, W> {
    process: u32,
    writer: &'a mut W,
    line: String,
    is_first: bool,
}

impl<W: Write> Out<'_, W> {
    fn event(&mut self, phase: &str, track: u64, fill: impl FnOnce(&mut Object<'_>)) -> io::Result<()> {
        self.line.clear();
        self.line.push_str(if std::mem::replace(&mut self.is_first, false) { "\n" } else { ",\n" });
        json::object(&mut self.line, |event| {
            event.string("ph", phase);
            event.plain("pid", self.process);
            event.plain("tid", track);
            fill(event);
        });
        self.writer.write_all(self.line.as_bytes())
    }

    /// Says what a track, or the process, is called.
    fn name(&mut self, what: &str, track: u64, args: impl FnOnce(&mut Object<'_>)) -> io::Result<()> {
        self.event("M", track, |event| {
            event.string("name", what);
            event.object("args", args);
        })
    }

    fn slice(&mut self, trace: &Trace, track: &Track, slice: &Slice) -> io::Result<()> {
        self.event("X", track.number, |event| {
            event.plain("ts", Microseconds(slice.begin));
            event.plain("dur", Microseconds(slice.end - slice.begin));
            let mut named = |category: &str, name: &str| {
                event.string("cat", category);
                event.string("name", name);
            };
            match &slice.what {
                Doing::Poll { task, end, cause } => {
                    named("poll", &trace.tasks.label(*task));
                    event.object("args", |args| {
                        about(trace, *task, args);
                        let end = match end {
                            Some(End::Pending) => "it waits",
                            Some(End::Again) => "it was woken meanwhile, and is queued again",
                            Some(End::Ended) => "the task has ended",
                            None => "not known: it went on when the recording ended, or began in its middle",
                        };
                        args.string("end", end);
                        if let Some(Cause { by, waited, ready }) = cause {
                            caused(trace, *by, *waited, args);
                            args.plain("ready before, us", Microseconds(*ready));
                        }
                    });
                }
                Doing::Main => named("main", "block_on"),
                Doing::Parked => named("park", "parked"),
                Doing::Happens(what) => happened(trace, what, event),
                Doing::Events { sources, timers } => {
                    named("events", "events");
                    event.object("args", |args| {
                        args.plain("waiters for sockets", sources);
                        args.plain("timers", timers);
                    });
                }
            }
        })
    }

    fn mark(&mut self, trace: &Trace, track: &Track, mark: &Mark) -> io::Result<()> {
        if mark.is_arrow {
            return Ok(());
        }
        self.event("i", track.number, |event| {
            event.plain("ts", Microseconds(mark.time));
            event.string("s", "t");
            happened(trace, &mark.what, event);
        })
    }

    fn arrow(&mut self, trace: &Trace, number: usize, arrow: &Arrow) -> io::Result<()> {
        let name = match arrow.what {
            Tie::Wake => "wake",
            Tie::Spawn => "spawn",
            Tie::Unpark => "unpark",
        };
        let ends = [("s", arrow.from), ("f", arrow.to)];
        ends.into_iter().try_for_each(|(phase, (track, time))| {
            self.event(phase, trace.tracks[track].number, |event| {
                event.plain("ts", Microseconds(time));
                event.plain("id", number);
                event.string("cat", name);
                event.string("name", name);
                if phase == "f" {
                    // Ends in the slice that is there, and not in the next.
                    event.string("bp", "e");
                }
            })
        })
    }
}

/// Something that happened: its name, and what is known of it.
fn happened(trace: &Trace, what: &Happened, event: &mut Object<'_>) {
    let label = |task: &u64| trace.tasks.label(*task);
    let (category, name) = match what {
        Happened::Wakes { task, .. } => ("wake", format!("wake {}", label(task))),
        Happened::Spawns { task, .. } => ("spawn", format!("spawn {}", label(task))),
        Happened::Steals { victim, tasks } => ("steal", format!("steal {tasks} from {}", worker(trace, *victim))),
        Happened::Takes { tasks } => ("take", format!("take {tasks} from outside")),
        Happened::Calls { worker: called } => ("unpark", format!("unpark {}", worker(trace, *called))),
        Happened::Stalls { task, microseconds } => {
            ("stall", format!("stall: {} for {} ms", label(task), microseconds / 1000))
        }
        Happened::Panics { task } => ("panic", format!("panic of {}", label(task))),
    };
    event.string("cat", category);
    event.string("name", &name);
    event.object("args", |args| match what {
        Happened::Wakes { task, by, waited } => {
            about(trace, *task, args);
            caused(trace, *by, *waited, args);
        }
        Happened::Spawns { task, by } => {
            about(trace, *task, args);
            caused(trace, *by, 0, args);
        }
        Happened::Steals { tasks, .. } | Happened::Takes { tasks } => args.plain("tasks", tasks),
        Happened::Stalls { task, microseconds } => {
            about(trace, *task, args);
            args.plain("us", microseconds);
        }
        Happened::Panics { task } => about(trace, *task, args),
        Happened::Calls { .. } => {}
    });
}

/// Who made a task ready, and what it had waited for.
fn caused(trace: &Trace, by: By, waited: u64, args: &mut Object<'_>) {
    args.string("woken by", &who(trace, by));
    if let Some(what) = what(trace, waited) {
        args.string("waited for", &what);
    }
}

/// What is known of a task.
fn about(trace: &Trace, task: u64, args: &mut Object<'_>) {
    args.plain("task", task);
    if let Some(name) = trace.tasks.name(task) {
        args.string("name", name);
    }
    if let Some(place) = trace.tasks.place(task) {
        args.string("spawned at", &place.to_string());
    }
}

fn worker(trace: &Trace, number: u64) -> &str {
    trace.tracks.get(number as usize).map_or("a worker", |track| &track.name)
}

fn who(trace: &Trace, by: By) -> String {
    match by {
        By::Nobody => "the worker".to_owned(),
        By::Task(task) => format!("task {task}, {}", trace.tasks.label(task)),
        By::Source => "a socket or another descriptor".to_owned(),
        By::Timer => "a timer".to_owned(),
        By::Main => "the future of block_on".to_owned(),
        By::Thread(_) => "a thread outside".to_owned(),
    }
}

/// What a task waited for, if that is known.
fn what(trace: &Trace, word: u64) -> Option<String> {
    let wait = Wait::from(word);
    let what = match wait.what {
        What::Unknown => return None,
        What::Timer(_) => "a timer".to_owned(),
        What::Descriptor { number, read, write } => {
            let direction = match (read, write) {
                (true, true) => "readable or writable",
                (false, true) => "writable",
                _ => "readable",
            };
            format!("descriptor {number} to become {direction}")
        }
        What::Join(id) => format!("the end of task {id}, {}", trace.tasks.label(id.as_u64())),
        What::Tasks(1) => "the end of a task".to_owned(),
        What::Tasks(tasks) => format!("the end of {tasks} tasks"),
        What::Event(Event::Drained) => "the end of a drain".to_owned(),
        What::Event(Event::Draining) => "the beginning of a drain".to_owned(),
        What::Event(Event::Cancelled) => "its scope to be cancelled".to_owned(),
    };
    Some(if wait.or_others { what + ", or something else" } else { what })
}

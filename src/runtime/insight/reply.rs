//! What a request is told: one line of JSON each.

use super::request::{HELP, Request};
use super::{tasks, trace};
use crate::primitives::json::{self, Object};
use crate::runtime::dump::Dump;
use crate::runtime::handle::Inner;
use crate::runtime::metrics::{Histogram, Number, WorkerSnapshot};
use crate::runtime::{RuntimeFlavor, RuntimeMetrics};
use std::fmt::{self, Write};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Raised when a reply no longer means what it did. What is only added does not count.
const PROTOCOL: u32 = 1;

/// Of the text of a dump, in bytes: a hundred thousand lines. It is in memory until it has been taken.
const LONGEST_DUMP: usize = 16 << 20;

/// Places that stalls are told of, those with the most.
const MOST_SITES: usize = 100;

/// The reply to a line.
pub(super) fn answer(runtime: &Weak<Inner>, line: &str) -> String {
    let request = match Request::parse(line) {
        Ok(request) => request,
        Err(wrong) => return error(&wrong),
    };
    // Only for so long: nothing here is to keep a runtime.
    match runtime.upgrade() {
        Some(inner) => tell(&inner, &request),
        None => error("the runtime has ended"),
    }
}

pub(super) fn error(text: &str) -> String {
    reply("error", |reply| reply.string("error", text))
}

fn reply(name: &str, fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    json::object(&mut out, |object| {
        object.plain("protocol", PROTOCOL);
        object.string("reply", name);
        fill(object);
    });
    out
}

fn tell(inner: &Arc<Inner>, request: &Request<'_>) -> String {
    match request {
        Request::Help => reply("help", |reply| {
            reply.object("requests", |requests| HELP.iter().for_each(|(line, what)| requests.string(line, what)));
        }),
        Request::Hello => reply("hello", |reply| write_hello(inner, reply)),
        Request::Metrics => reply("metrics", |reply| write_metrics(inner, reply)),
        Request::Tasks(query) => reply("tasks", |reply| tasks::write_tasks(inner, query, reply)),
        Request::Places(query) => reply("places", |reply| tasks::write_places(inner, query, reply)),
        Request::Dump { each } => reply("dump", |reply| write_dump(inner, *each, reply)),
        Request::Trace(switch) => match trace::switch(inner, switch) {
            Ok(fill) => reply("trace", fill),
            Err(wrong) => error(&wrong),
        },
    }
}

fn write_hello(inner: &Inner, reply: &mut Object<'_>) {
    reply.string("version", env!("CARGO_PKG_VERSION"));
    reply.plain("pid", std::process::id());
    let program = std::env::args_os().next().unwrap_or_default();
    reply.string("program", &program.to_string_lossy());
    reply.plain("runtime", inner.scheduler.id());
    let flavor = match (inner.flavor, inner.local) {
        (RuntimeFlavor::MultiThread, _) => "multi_thread",
        (RuntimeFlavor::CurrentThread, None) => "current_thread",
        (RuntimeFlavor::CurrentThread, Some(_)) => "local",
    };
    reply.string("flavor", flavor);
    reply.plain("workers", inner.scheduler.workers());
    reply.plain("uptime_ns", inner.scheduler.started().elapsed().as_nanos());
    // What of the below is of all, and not of a sample.
    reply.plain("times_all_polls", inner.scheduler.times_all_polls());
    reply.plain("times_all_delays", inner.scheduler.times_all_delays());
    reply.plain("times_tasks", inner.scheduler.times_tasks());
    reply.plain("is_draining", inner.drain.is_begun());
}

fn write_metrics(inner: &Arc<Inner>, reply: &mut Object<'_>) {
    let metrics = RuntimeMetrics::new(inner.clone());
    let snapshot = metrics.snapshot();
    snapshot.each_number(&mut |name, value| number(reply, name, value));
    reply.plain("is_recording", inner.scheduler.recorder().is_on());
    reply.object("poll_times", |object| histogram(&snapshot.poll_times, object));
    reply.object("schedule_delays", |object| histogram(&snapshot.schedule_delays, object));
    reply.array("workers", |list| {
        snapshot.workers.iter().for_each(|snapshot| list.object(|object| worker(snapshot, object)));
    });
    reply.object("spares", |object| worker(&snapshot.spares, object));
    reply.array("stall_sites", |list| {
        for site in metrics.stall_sites().iter().take(MOST_SITES) {
            list.object(|object| {
                object.string("location", &site.spawned_at().to_string());
                object.plain("count", site.count());
                time(object, "longest", site.longest());
            });
        }
    });
}

fn worker(worker: &WorkerSnapshot, object: &mut Object<'_>) {
    worker.each_number(&mut |name, value| number(object, name, value));
}

fn number(object: &mut Object<'_>, name: &str, number: Number) {
    match number {
        Number::Count(count) => object.plain(name, count),
        Number::Time(duration) => time(object, name, duration),
    }
}

fn time(object: &mut Object<'_>, name: &str, time: Duration) {
    object.plain(&format!("{name}_ns"), time.as_nanos());
}

fn histogram(times: &Histogram, object: &mut Object<'_>) {
    object.plain("count", times.count());
    object.array("buckets", |list| {
        for (range, count) in times.buckets() {
            list.object(|object| {
                object.plain("from_ns", range.start.as_nanos());
                // The last has no end.
                if range.end < Duration::MAX {
                    object.plain("to_ns", range.end.as_nanos());
                }
                object.plain("count", count);
            });
        }
    });
}

fn write_dump(inner: &Inner, each: bool, reply: &mut Object<'_>) {
    let dump = Dump::take(inner);
    let mut text = Bounded { text: String::new(), left: LONGEST_DUMP };
    let written = if each { write!(text, "{dump:#}") } else { write!(text, "{dump}") };
    reply.plain("tasks", dump.tasks().len());
    reply.plain("is_cut", written.is_err());
    reply.string("text", &text.text);
}

/// Takes so much, and no more.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.left = self.left.checked_sub(part.len()).ok_or(fmt::Error)?;
        self.text.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_line_too() {
        assert_eq!(error("so\nand \"so\""), r#"{"protocol":1,"reply":"error","error":"so\nand \"so\""}"#);
    }

    #[test]
    fn a_text_is_cut_where_it_is_too_long() {
        let mut text = Bounded { text: String::new(), left: 5 };
        assert!(write!(text, "abc").is_ok());
        assert!(write!(text, "def").is_err());
        assert_eq!(text.text, "abc");
    }
}

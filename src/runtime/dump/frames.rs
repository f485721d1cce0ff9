//! Of a backtrace, what is the task's: without the frames of how it was taken, and of those who run tasks.
//!
//! The standard library gives the frames of a backtrace only as text, so they are found by the names of functions; and by their files, for of what
//! was inlined, debug information that is only of lines knows no more than "poll". If a program has neither, because it was stripped of them, everything
//! stays.

use crate::primitives::cell::FILE as PRIMITIVE_CELL;
use crate::task::{CELL_FILE, trace};
use std::backtrace::Backtrace;
use std::fmt;

/// A function in a backtrace, and where it is.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'a> {
    name: &'a str,
    location: Option<&'a str>,
}

/// By what a frame is known: how its name begins, and how the path of its file ends.
struct Known {
    names: &'static [&'static str],
    files: &'static [&'static str],
}

/// What takes a backtrace: the waker's functions.
const TAKING: Known = Known { names: &["rt::task::trace::", "<rt::task::trace::"], files: &[trace::FILE] };
/// What has called these.
const WAKERS: Known =
    Known { names: &["core::task::wake::", "<core::task::wake::"], files: &["library/core/src/task/wake.rs"] };
/// The function below which nothing is the task's.
const RUN: &str = "run_traced";
/// What that calls, down to the task's future.
const RUNNING: Known = Known {
    names: &[
        "rt::task::cell::",
        "<rt::task::cell::",
        "rt::primitives::cell::",
        "<rt::primitives::cell::",
        "std::panic",
        "core::ops::function::",
        "core::panic::unwind_safe::",
        "<core::panic::unwind_safe::",
        "__rust_try",
    ],
    files: &[
        CELL_FILE,
        PRIMITIVE_CELL,
        "library/core/src/ops/function.rs",
        "library/core/src/panic/unwind_safe.rs",
        "library/std/src/panic.rs",
        "library/std/src/panicking.rs",
    ],
};

impl Frame<'_> {
    fn is(&self, known: &Known) -> bool {
        // "path:line:column"
        let file =
            self.location.map(|location| location.trim_end_matches(|end: char| end.is_ascii_digit() || end == ':'));
        known.names.iter().any(|name| self.name.starts_with(name))
            || file.is_some_and(|file| known.files.iter().any(|known| file.ends_with(known)))
    }
}

pub(super) fn write(f: &mut fmt::Formatter<'_>, backtrace: &Backtrace) -> fmt::Result {
    let text = backtrace.to_string();
    for (number, frame) in of_the_task(frames(&text)).into_iter().enumerate() {
        write!(f, "\n    {number:4}: {}", frame.name)?;
        if let Some(location) = frame.location {
            write!(f, "\n              at {location}")?;
        }
    }
    Ok(())
}

/// Each begins with a line of its number and its name; the next may say where it is.
fn frames(text: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(location) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut() {
                frame.location = Some(location);
            }
        } else if let Some((number, name)) = line.split_once(": ")
            && number.bytes().all(|digit| digit.is_ascii_digit())
        {
            frames.push(Frame { name, location: None });
        }
    }
    frames
}

fn of_the_task(mut frames: Vec<Frame<'_>>) -> Vec<Frame<'_>> {
    if let Some(run) = frames.iter().position(|frame| frame.is(&RUNNING) && frame.name.contains(RUN)) {
        frames.truncate(run);
        while frames.last().is_some_and(|frame| frame.is(&RUNNING)) {
            frames.pop();
        }
    }
    if let Some(first) = frames.iter().position(|frame| frame.is(&TAKING)) {
        let is_above = |frame: &&Frame<'_>| frame.is(&TAKING) || frame.is(&WAKERS);
        let taking = first + frames[first..].iter().take_while(is_above).count();
        frames.drain(..taking);
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        of_the_task(frames(text)).iter().map(|frame| frame.name).collect()
    }

    #[test]
    fn what_is_above_the_waker_and_below_the_future_is_left_out() {
        let text = "   0: std::backtrace_rs::backtrace::trace
                    at /rustc/library/std/src/backtrace.rs:66:14
   1: std::backtrace::Backtrace::force_capture
   2: rt::task::trace::Tracer::take_down
             at ./src/task/trace.rs:1:1
   3: rt::task::trace::clone
   4: <core::task::wake::Waker as core::clone::Clone>::clone
   5: tokio::sync::oneshot::Inner<T>::poll_recv
             at /deps/oneshot.rs:1:2
   6: rt::task::cell::poll_join
   7: app::main::{{closure}}
   8: rt::task::cell::Task<F,S>::poll::{{closure}}
   9: rt::primitives::cell::plain::UnsafeCell<T>::with_mut
  10: std::panicking::catch_unwind
  11: rt::task::cell::run
  12: rt::task::cell::run_traced
  13: rt::task::cell::run
  14: main
";
        assert_eq!(
            names(text),
            ["tokio::sync::oneshot::Inner<T>::poll_recv", "rt::task::cell::poll_join", "app::main::{{closure}}"]
        );
        assert_eq!(of_the_task(frames(text))[0].location, Some("/deps/oneshot.rs:1:2"));
    }

    #[test]
    fn what_was_inlined_is_known_by_its_file() {
        let text = format!(
            "   0: take_down
             at ./{}:171:34
   1: clone
             at /rustc/library/core/src/task/wake.rs:619:29
   2: poll
             at ./src/main.rs:1:1
   3: poll<app::Future>
             at ./{CELL_FILE}:147:20
   4: run_traced<app::Future>
             at ./{CELL_FILE}:400:1
   5: main
",
            trace::FILE,
        );
        assert_eq!(of_the_task(frames(&text)), [Frame { name: "poll", location: Some("./src/main.rs:1:1") }]);
    }

    #[test]
    fn without_names_everything_stays() {
        let text = "   0: <unknown>\n   1: <unknown>\n";
        assert_eq!(names(text), ["<unknown>"; 2]);
        assert!(names("disabled backtrace").is_empty());
    }
}

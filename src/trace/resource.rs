//! The words for what tasks wait for.
//!
//! A *resource* is a timer, for instance; an *operation* on it is what a task awaits, and each poll of that tells whether it was ready. The console
//! finds the task and the resource of an operation by the spans that are entered, so both are entered where something is told.

use super::{Span, is_interesting, site};
use std::fmt;
use std::panic::Location;
use std::time::Duration;
use tracing_core::callsite::DefaultCallsite;

site!(RESOURCE, SPAN, "runtime.resource", "rt::time", &["concrete_type", "kind", "loc.file", "loc.line", "loc.col"]);
site!(OPERATION, SPAN, "runtime.resource.async_op", "rt::time", &["source"]);
site!(POLL, EVENT, "poll", "runtime::resource::poll_op", &["op_name", "is_ready"]);
site!(DURATION, EVENT, "duration", "runtime::resource::state_update", &["duration", "duration.unit", "duration.op"]);

pub(super) fn sites() -> [&'static DefaultCallsite; 4] {
    [&RESOURCE, &OPERATION, &POLL, &DURATION]
}

/// A timer, of which a subscriber is told as soon as somebody has to wait for it.
pub(crate) enum Resource {
    /// A sleep that was made there, of which nothing was told.
    Sleep(&'static Location<'static>),
    /// The same of an interval.
    Interval(&'static Location<'static>),
    Told(Box<Told>),
}

pub(crate) struct Told {
    words: &'static Words,
    resource: Span,
    operation: Span,
}

/// What a timer of some type, and the one operation on it, are called.
struct Words {
    concrete_type: &'static str,
    source: &'static str,
    poll: &'static str,
}

static SLEEP: Words = Words { concrete_type: "Sleep", source: "Sleep::new_timeout", poll: "poll_elapsed" };
static INTERVAL: Words = Words { concrete_type: "Interval", source: "Interval::tick", poll: "poll_tick" };

impl Resource {
    #[track_caller]
    #[inline]
    pub(crate) fn sleep() -> Self {
        Resource::Sleep(Location::caller())
    }

    #[track_caller]
    #[inline]
    pub(crate) fn interval() -> Self {
        Resource::Interval(Location::caller())
    }

    /// A poll has returned `Pending`, and the timer ends after `left`.
    #[inline]
    pub(crate) fn pending(&mut self, left: impl FnOnce() -> Duration) {
        match self {
            Resource::Told(told) => told.polled(false),
            _ if is_interesting(&RESOURCE) => self.open(left()),
            _ => {}
        }
    }

    /// A poll has returned `Ready`.
    #[inline]
    pub(crate) fn ready(&self) {
        if let Resource::Told(told) = self {
            told.polled(true);
        }
    }

    /// From now on the timer ends after `left`.
    #[inline]
    pub(crate) fn reset(&self, left: impl FnOnce() -> Duration) {
        if let Resource::Told(told) = self {
            told.set_duration(left());
        }
    }

    #[cold]
    fn open(&mut self, left: Duration) {
        let told = match *self {
            Resource::Sleep(location) => Told::open(&SLEEP, location),
            Resource::Interval(location) => Told::open(&INTERVAL, location),
            Resource::Told(_) => None,
        };
        if let Some(told) = told {
            told.set_duration(left);
            told.polled(false);
            *self = Resource::Told(Box::new(told));
        }
    }
}

impl Told {
    fn open(words: &'static Words, location: &Location<'_>) -> Option<Self> {
        let resource = Span::open(
            &RESOURCE,
            None,
            &[
                Some(&words.concrete_type),
                Some(&"timer"),
                Some(&location.file()),
                Some(&location.line()),
                Some(&location.column()),
            ],
        )?;
        let operation = resource.inside(|| Span::open(&OPERATION, Some(&resource), &[Some(&words.source)]));
        match operation {
            Some(operation) => Some(Told { words, resource, operation }),
            None => {
                resource.close();
                None
            }
        }
    }

    #[cold]
    fn polled(&self, is_ready: bool) {
        self.resource.inside(|| {
            self.operation.inside(|| self.operation.event(&POLL, &[Some(&self.words.poll), Some(&is_ready)]));
        });
    }

    #[cold]
    fn set_duration(&self, left: Duration) {
        let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.resource.inside(|| {
            self.resource.event(&DURATION, &[Some(&milliseconds), Some(&"ms"), Some(&"override")]);
        });
    }
}

impl Drop for Told {
    #[cold]
    fn drop(&mut self) {
        self.operation.clone().close();
        self.resource.clone().close();
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resource")
    }
}

//! The words for what tasks wait for.
//!
//! A *resource* is a timer, for instance; an *operation* on it is what a task awaits, and each poll of that tells whether it was ready. The console
//! finds the task and the resource of an operation by the spans that are entered, so both are entered where something is told.

use super::{Span, is_interesting, site};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

site!(RESOURCE, SPAN, "runtime.resource", "rt::time", &["concrete_type", "kind", "loc.file", "loc.line", "loc.col"]);
site!(OPERATION, SPAN, "runtime.resource.async_op", "rt::time", &["source"]);
site!(POLL, EVENT, "poll", "runtime::resource::poll_op", &["op_name", "is_ready"]);
site!(DURATION, EVENT, "duration", "runtime::resource::state_update", &["duration", "duration.unit", "duration.op"]);

/// A timer that a subscriber follows, or nothing.
pub(crate) struct Resource(Option<Box<Told>>);

struct Told {
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
        Self::open(&SLEEP)
    }

    #[track_caller]
    #[inline]
    pub(crate) fn interval() -> Self {
        Self::open(&INTERVAL)
    }

    #[track_caller]
    #[inline]
    fn open(words: &'static Words) -> Self {
        Resource(if is_interesting(&RESOURCE) { Told::open(words, Location::caller()) } else { None })
    }

    /// Tells how long it takes from now on.
    #[inline]
    pub(crate) fn set_duration(&self, left: impl FnOnce() -> Duration) {
        if let Some(told) = &self.0 {
            told.set_duration(left());
        }
    }

    /// Tells of a poll, which says whether it was ready.
    #[inline]
    pub(crate) fn poll(&self, poll: impl FnOnce() -> bool) -> bool {
        match &self.0 {
            None => poll(),
            Some(told) => told.poll(poll),
        }
    }
}

impl Told {
    #[cold]
    fn open(words: &'static Words, location: &Location<'_>) -> Option<Box<Self>> {
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
        let operation = {
            let _inside = resource.enter();
            Span::open(&OPERATION, Some(&resource), &[Some(&words.source)])
        };
        match operation {
            Some(operation) => Some(Box::new(Told { words, resource, operation })),
            None => {
                resource.close();
                None
            }
        }
    }

    #[cold]
    fn set_duration(&self, left: Duration) {
        let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let _inside = self.resource.enter();
        self.resource.event(&DURATION, &[Some(&milliseconds), Some(&"ms"), Some(&"override")]);
    }

    #[cold]
    fn poll(&self, poll: impl FnOnce() -> bool) -> bool {
        let _inside = (self.resource.enter(), self.operation.enter());
        let is_ready = poll();
        self.operation.event(&POLL, &[Some(&self.words.poll), Some(&is_ready)]);
        is_ready
    }
}

impl Drop for Resource {
    #[inline]
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            told.operation.close();
            told.resource.close();
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&self.0.is_some()).finish()
    }
}

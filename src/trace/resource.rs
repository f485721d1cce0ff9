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

/// A timer, of which a subscriber is told as soon as somebody has to wait for it.
pub(crate) struct Resource {
    words: &'static Words,
    location: &'static Location<'static>,
    told: Option<Box<Told>>,
}

struct Told {
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
        Self::new(&SLEEP)
    }

    #[track_caller]
    #[inline]
    pub(crate) fn interval() -> Self {
        Self::new(&INTERVAL)
    }

    #[track_caller]
    #[inline]
    fn new(words: &'static Words) -> Self {
        Resource { words, location: Location::caller(), told: None }
    }

    /// A poll has returned `Pending`, and the timer ends after `left`.
    #[inline]
    pub(crate) fn pending(&mut self, left: impl FnOnce() -> Duration) {
        if self.told.is_some() {
            self.polled(false);
        } else if is_interesting(&RESOURCE) {
            self.open(left());
        }
    }

    /// A poll has returned `Ready`.
    #[inline]
    pub(crate) fn ready(&self) {
        if self.told.is_some() {
            self.polled(true);
        }
    }

    /// From now on the timer ends after `left`.
    #[inline]
    pub(crate) fn reset(&self, left: impl FnOnce() -> Duration) {
        if let Some(told) = &self.told {
            told.set_duration(left());
        }
    }

    #[cold]
    fn open(&mut self, left: Duration) {
        self.told = Told::open(self.words, self.location).map(Box::new);
        if let Some(told) = &self.told {
            told.set_duration(left);
            self.polled(false);
        }
    }

    #[cold]
    fn polled(&self, is_ready: bool) {
        if let Some(Told { resource, operation }) = self.told.as_deref() {
            resource.inside(|| {
                operation.inside(|| operation.event(&POLL, &[Some(&self.words.poll), Some(&is_ready)]));
            });
        }
    }
}

impl Told {
    fn open(words: &Words, location: &Location<'_>) -> Option<Self> {
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
        if operation.is_none() {
            resource.clone().close();
        }
        Some(Told { resource, operation: operation? })
    }

    #[cold]
    fn close(self) {
        self.operation.close();
        self.resource.close();
    }

    #[cold]
    fn set_duration(&self, left: Duration) {
        let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.resource.inside(|| {
            self.resource.event(&DURATION, &[Some(&milliseconds), Some(&"ms"), Some(&"override")]);
        });
    }
}

impl Drop for Resource {
    #[inline]
    fn drop(&mut self) {
        if let Some(told) = self.told.take() {
            told.close();
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("location", &self.location).finish_non_exhaustive()
    }
}

//! The words for tasks and their wakers.

use super::{Span, introduce, is_interesting, site};
use crate::primitives::contain::contain;
use std::panic::Location;
use tracing_core::callsite::DefaultCallsite;
use tracing_core::field::{Value, display};

const FIELDS: &[&str] = &["kind", "task.name", "task.id", "size.bytes", "loc.file", "loc.line", "loc.col", "fn"];

site!(TASK, SPAN, "runtime.spawn", "tokio::task", FIELDS);
site!(BLOCKING, SPAN, "runtime.spawn", "tokio::task::blocking", FIELDS);
// The task's id is that of its span here, and not the runtime's.
site!(WAKER, EVENT, "waker", "tokio::task::waker", &["op", "task.id"]);

pub(super) fn sites() -> [&'static DefaultCallsite; 3] {
    [&TASK, &BLOCKING, &WAKER]
}

/// What kind of task it is, as the console shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Task,
    /// Stays on its thread.
    Local,
    /// Not a task, but the future in `block_on`.
    BlockOn,
    /// A closure, of this type.
    Blocking(&'static str),
}

impl Kind {
    fn site(self) -> &'static DefaultCallsite {
        match self {
            Kind::Task | Kind::Local | Kind::BlockOn => &TASK,
            Kind::Blocking(_) => &BLOCKING,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::Local => "local",
            Kind::BlockOn => "block_on",
            Kind::Blocking(_) => "blocking",
        }
    }

    fn function(self) -> Option<&'static str> {
        match self {
            Kind::Task | Kind::Local | Kind::BlockOn => None,
            Kind::Blocking(function) => Some(function),
        }
    }
}

/// Whether somebody may want to hear of a task of that kind.
#[inline]
pub(crate) fn is_wanted(kind: Kind) -> bool {
    is_interesting(kind.site())
}

/// Tells that a task was spawned. Its future or closure has so many bytes.
pub(crate) fn open_task(
    kind: Kind,
    bytes: usize,
    name: Option<&str>,
    id: Option<u64>,
    location: &Location<'_>,
) -> Option<Span> {
    introduce();
    let (kind_name, function) = (display(kind.name()), kind.function().map(display));
    // Empty, as the console expects it of a task without a name.
    let name = display(name.unwrap_or_default());
    // Without a parent: a task does not end with the one that has spawned it, but a span ends after those in it.
    Span::open(
        kind.site(),
        None,
        &[
            Some(&kind_name),
            Some(&name),
            id.as_ref().map(|id| id as &dyn Value),
            Some(&bytes),
            Some(&location.file()),
            Some(&location.line()),
            Some(&location.column()),
            function.as_ref().map(|function| function as &dyn Value),
        ],
    )
}

/// What is done with a waker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waking {
    Clone,
    Wake,
    WakeByRef,
    Drop,
}

/// Tells what is about to be done with a waker of the task.
pub(crate) fn tell_waking(task: Span, waking: Waking) {
    let operation = match waking {
        Waking::Clone => "waker.clone",
        Waking::Wake => "waker.wake",
        Waking::WakeByRef => "waker.wake_by_ref",
        Waking::Drop => "waker.drop",
    };
    task.event(&WAKER, &[Some(&operation), Some(&task.id.into_u64())]);
    // If the task has ended meanwhile, the subscriber may go with it.
    contain(|| drop(task));
}

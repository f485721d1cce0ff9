//! What `tracing` is told of tasks and timers, in the words that tokio-console listens for.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Span`]: telling one subscriber of one thing, without harm to the runtime |
//! | `task` | the words for tasks and their wakers |
//! | `block_on` | the future in `block_on`, which is told of in the same words |
//! | `resource` | those for what tasks wait for |
//!
//! Only with the feature `tracing`. The words are those of tokio's own instrumentation: names of spans, targets and names of fields are what
//! tokio-console's subscriber goes by, so none of them may change.
//!
//! # Who is told
//!
//! A span belongs to the subscriber that was the spawning thread's when it was opened, and that one alone hears of it from then on,
//! whatever is the subscriber of the threads that poll and wake: to another the span's id would mean something else.
//!
//! # What a subscriber may do
//!
//! It is the user's code, so no lock is held while it is called, and a panic in it is contained: the panic hook has reported it, and the
//! runtime goes on as if it had returned. What a subscriber does itself, while it is told something, is not told to it: one that wakes a task when
//! it hears of a wake would go on so for ever, and one that has its own lock would wait for itself. Only ends are told always.

mod block_on;
#[cfg(feature = "time")]
mod resource;
mod task;

pub(crate) use block_on::BlockOn;
#[cfg(feature = "time")]
pub(crate) use resource::Resource;
pub(crate) use task::{Kind, Waking, is_wanted, open_task, tell_waking};

use crate::primitives::Mutex;
use crate::primitives::contain::contain;
use std::array;
use std::cell::Cell;
use tracing::level_filters::STATIC_MAX_LEVEL;
use tracing_core::callsite::DefaultCallsite;
use tracing_core::dispatcher::{Dispatch, get_default};
use tracing_core::field::{Field, Value, ValueSet};
use tracing_core::metadata::LevelFilter;
use tracing_core::span::{Attributes, Id};
use tracing_core::subscriber::{Interest, NoSubscriber};
use tracing_core::{Callsite, Event, Metadata};

/// One thing that a subscriber follows. Clones are of the same, and it is closed once, by [`close`](Self::close).
#[derive(Clone, Debug)]
pub(crate) struct Span {
    id: Id,
    dispatch: Dispatch,
}

/// A span, until it is closed. Not locked while a subscriber is called.
pub(crate) struct Open(Mutex<Option<Span>>);

impl Open {
    pub(crate) fn new(span: Option<Span>) -> Self {
        Open(Mutex::new(span))
    }

    pub(crate) fn set(&self, span: Option<Span>) {
        *self.0.lock() = span;
    }

    pub(crate) fn get(&self) -> Option<Span> {
        self.0.lock().clone()
    }

    /// Tells that this thread is now at work for what the span stands for.
    #[cold]
    pub(crate) fn enter(&self) {
        if let Some(span) = self.get() {
            span.enter();
        }
    }

    /// The end of what [`enter`](Self::enter) has begun, on the same thread.
    #[cold]
    pub(crate) fn exit(&self) {
        if let Some(span) = self.get() {
            span.exit();
        }
    }

    #[cold]
    pub(crate) fn close(&self) {
        let span = self.0.lock().take();
        if let Some(span) = span {
            span.close();
        }
    }
}

// What a panic may leave half done is the subscriber's, which the whole program shares anyway. So handles are as unwind-safe as without the feature.
impl std::panic::UnwindSafe for Span {}
impl std::panic::RefUnwindSafe for Span {}
impl std::panic::RefUnwindSafe for Open {}

impl Span {
    /// Opens a span, if the thread's subscriber wants it. `values` are those of the site's fields, in their order.
    fn open(site: &'static DefaultCallsite, parent: Option<&Span>, values: &[Option<&dyn Value>]) -> Option<Span> {
        let metadata = site.metadata();
        let mut span = None;
        tell(|| {
            let interest = site.interest();
            with_values(metadata, values, |values| {
                let attributes = match parent {
                    Some(parent) => Attributes::child_of(parent.id.clone(), metadata, values),
                    None => Attributes::new_root(metadata, values),
                };
                span = get_default(|dispatch| {
                    let is_wanted = !dispatch.is::<NoSubscriber>() && hears(dispatch, metadata, &interest);
                    is_wanted.then(|| Span { id: dispatch.new_span(&attributes), dispatch: dispatch.clone() })
                });
            });
        });
        span
    }

    fn enter(&self) {
        tell(|| self.dispatch.enter(&self.id));
    }

    fn exit(&self) {
        tell(|| self.dispatch.exit(&self.id));
    }

    /// Runs what belongs to this span, and does not panic.
    #[cfg(feature = "time")]
    fn inside<R>(&self, what: impl FnOnce() -> R) -> R {
        self.enter();
        let result = what();
        self.exit();
        result
    }

    /// Tells of an event, to this span's subscriber.
    fn event(&self, site: &'static DefaultCallsite, values: &[Option<&dyn Value>]) {
        tell(|| {
            let metadata = site.metadata();
            if hears(&self.dispatch, metadata, &site.interest()) {
                with_values(metadata, values, |values| self.dispatch.event(&Event::new(metadata, values)));
            }
        });
    }

    /// Ends the span. To be called once, on one of its clones; the others are not used any more.
    pub(crate) fn close(self) {
        tell_always(move || _ = self.dispatch.try_close(self.id));
    }
}

thread_local! {
    /// This thread calls a subscriber.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Calls the user's subscriber, unless this thread does so already.
fn tell(what: impl FnOnce()) {
    if !TELLING.get() {
        tell_always(what);
    }
}

/// Calls the user's subscriber.
fn tell_always(what: impl FnOnce()) {
    let before = TELLING.replace(true);
    contain(what);
    TELLING.set(before);
}

/// Whether somebody may want what is told at `site`. A load and a comparison where nobody listens to anything so fine.
#[inline]
fn is_interesting(site: &'static DefaultCallsite) -> bool {
    LevelFilter::TRACE <= STATIC_MAX_LEVEL && LevelFilter::TRACE <= LevelFilter::current() && asks(site)
}

/// Asks the thread's subscriber, if the answer is not always the same.
#[cold]
fn asks(site: &'static DefaultCallsite) -> bool {
    let mut answer = false;
    tell(|| {
        // First, and not inside: a site that is new asks the thread's subscriber itself, and would find none.
        let interest = site.interest();
        answer = get_default(|dispatch| hears(dispatch, site.metadata(), &interest));
    });
    answer
}

/// Asks one subscriber. What it wants must be told right behind that: filters of single layers remember their answer until then.
fn hears(dispatch: &Dispatch, metadata: &Metadata<'_>, interest: &Interest) -> bool {
    !interest.is_never() && (interest.is_always() || dispatch.enabled(metadata))
}

/// Introduces all sites to the thread's subscriber. A site asks when it is first met, and only the subscriber of the thread that meets it, if there is but one in
/// the program; on a thread without one it would learn that nobody listens.
fn introduce() {
    tell(|| {
        task::sites().into_iter().for_each(|site| _ = site.interest());
        #[cfg(feature = "time")]
        resource::sites().into_iter().for_each(|site| _ = site.interest());
    });
}

/// More fields than any site has.
const MOST: usize = 8;

/// Makes a set of `values`, in the order of the site's fields.
fn with_values<R>(
    metadata: &'static Metadata<'static>,
    values: &[Option<&dyn Value>],
    then: impl FnOnce(&ValueSet<'_>) -> R,
) -> R {
    // A set is made of an array, whose length is part of its type: what is too long is filled up with a field that has no value.
    let set = metadata.fields();
    let mut rest = set.iter();
    let fields: [Field; MOST] =
        array::from_fn(|_| rest.next().or_else(|| set.iter().next()).expect("each site has a field"));
    let pairs: [(&Field, Option<&dyn Value>); MOST] =
        array::from_fn(|index| (&fields[index], values.get(index).copied().flatten()));
    // Hidden from its documentation, but what the macros of each `tracing` 0.1 call.
    then(&set.value_set(&pairs))
}

/// Declares what a span or an event is called, and the names of its fields.
macro_rules! site {
    ($site:ident, $kind:ident, $name:literal, $target:literal, $fields:expr) => {
        static $site: tracing_core::callsite::DefaultCallsite = {
            static METADATA: tracing_core::Metadata<'static> = tracing_core::Metadata::new(
                $name,
                $target,
                tracing_core::Level::TRACE,
                Some(file!()),
                Some(line!()),
                Some(module_path!()),
                tracing_core::field::FieldSet::new($fields, tracing_core::identify_callsite!(&$site)),
                tracing_core::metadata::Kind::$kind,
            );
            tracing_core::callsite::DefaultCallsite::new(&METADATA)
        };
    };
}
use site;

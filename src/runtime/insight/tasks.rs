//! The tasks that a request is about, of however many there are.
//!
//! All are looked at, one after the other, and no more are kept than are asked for: with a hundred thousand tasks a reply takes some
//! milliseconds, and the memory of its lines. Tasks are looked at under a lock of the registry, 256 at a time, so that what is done for each is
//! little: places are compared once and not for each task, and nothing is written before the end.

use super::request::{Doing, Key, Query};
use crate::primitives::json::{Array, Object};
use crate::runtime::dump::{self, TaskDump, TaskKind, TaskState, WaitReason};
use crate::runtime::handle::Inner;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

/// How many tasks there are, and how many of them a request is about.
#[derive(Default)]
struct Census {
    tasks: u64,
    running: u64,
    queued: u64,
    waiting: u64,
    matching: u64,
}

impl Census {
    fn count(&mut self, state: Doing) {
        self.tasks += 1;
        *match state {
            Doing::Running => &mut self.running,
            Doing::Queued => &mut self.queued,
            Doing::Waiting => &mut self.waiting,
        } += 1;
    }

    fn write(&self, reply: &mut Object<'_>) {
        reply.plain("all", self.tasks);
        reply.plain("running", self.running);
        reply.plain("queued", self.queued);
        reply.plain("waiting", self.waiting);
        reply.plain("matching", self.matching);
    }
}

/// Shows each task that a query is about, and counts all.
fn select(inner: &Inner, query: &Query<'_>, mut f: impl FnMut(TaskDump)) -> Census {
    let mut census = Census::default();
    let mut filter = Filter::new(query.filter);
    dump::visit(inner, |task, _| {
        let state = doing(&task);
        census.count(state);
        if query.state.is_none_or(|wanted| wanted == state) && filter.takes(&task) {
            census.matching += 1;
            f(task);
        }
    });
    census
}

fn doing(task: &TaskDump) -> Doing {
    match task.state() {
        TaskState::Running { .. } => Doing::Running,
        TaskState::Queued => Doing::Queued,
        TaskState::Waiting { .. } => Doing::Waiting,
    }
}

/// Takes tasks with a text in their name or place, whatever its case, or with it for their id.
struct Filter<'a> {
    text: &'a str,
    id: Option<u64>,
    places: HashMap<*const Location<'static>, bool>,
}

impl<'a> Filter<'a> {
    fn new(text: &'a str) -> Self {
        Filter { text, id: text.parse().ok(), places: HashMap::new() }
    }

    fn takes(&mut self, task: &TaskDump) -> bool {
        let text = self.text;
        let location = task.location();
        text.is_empty()
            || self.id == Some(task.id().as_u64())
            || task.name().is_some_and(|name| contains(name, text))
            || *self.places.entry(std::ptr::from_ref(location)).or_insert_with(|| contains(&location.to_string(), text))
    }
}

/// Whether a text has another in it, whatever the case of what is ASCII.
fn contains(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// The first so many of what is added, by an order of theirs.
struct First<T, F> {
    kept: Vec<T>,
    limit: usize,
    compare: F,
}

impl<T, F: Fn(&T, &T) -> Ordering> First<T, F> {
    fn new(limit: usize, compare: F) -> Self {
        First { kept: Vec::new(), limit, compare }
    }

    fn add(&mut self, item: T) {
        self.kept.push(item);
        // Twice as many, so that each is compared a few times only.
        if self.kept.len() >= 2 * self.limit {
            self.kept.select_nth_unstable_by(self.limit, &self.compare);
            self.kept.truncate(self.limit);
        }
    }

    fn into_sorted(mut self) -> Vec<T> {
        self.kept.sort_unstable_by(self.compare);
        self.kept.truncate(self.limit);
        self.kept
    }
}

fn in_order(ordering: Ordering, goes_up: bool) -> Ordering {
    if goes_up { ordering } else { ordering.reverse() }
}

fn by_place(one: &'static Location<'static>, other: &'static Location<'static>) -> Ordering {
    let key = |location: &'static Location<'static>| (location.file(), location.line(), location.column());
    key(one).cmp(&key(other))
}

fn compare_tasks(one: &TaskDump, other: &TaskDump, sort: Key) -> Ordering {
    // Those without come last, which is first from behind.
    let last_poll = |task: &TaskDump| task.last_poll().unwrap_or(Duration::MAX);
    match sort {
        Key::Id | Key::Tasks => one.id().cmp(&other.id()),
        Key::Name => name(one).cmp(&name(other)),
        Key::State => doing(one).cmp(&doing(other)),
        Key::Polls => one.polls().cmp(&other.polls()),
        Key::Busy => one.busy().cmp(&other.busy()),
        Key::Age => one.age().cmp(&other.age()),
        Key::LastPoll => last_poll(one).cmp(&last_poll(other)),
        Key::Stalls => one.stalls().cmp(&other.stalls()),
        Key::Location => by_place(one.location(), other.location()),
    }
}

/// Those without come last.
fn name(task: &TaskDump) -> (bool, Option<&str>) {
    (task.name().is_none(), task.name())
}

/// Tasks, the first of a query.
pub(super) fn write_tasks(inner: &Inner, query: &Query<'_>, reply: &mut Object<'_>) {
    let compare = |one: &TaskDump, other: &TaskDump| {
        in_order(compare_tasks(one, other, query.sort), query.goes_up).then_with(|| one.id().cmp(&other.id()))
    };
    let mut first = First::new(query.limit, compare);
    let census = select(inner, query, |task| first.add(task));
    census.write(reply);
    reply.array("tasks", |list| {
        first.into_sorted().iter().for_each(|task| list.object(|object| write_task(task, object)))
    });
}

fn write_task(task: &TaskDump, object: &mut Object<'_>) {
    object.plain("id", task.id());
    if let Some(name) = task.name() {
        object.string("name", name);
    }
    object.string(
        "kind",
        match task.kind() {
            TaskKind::Async => "async",
            TaskKind::Local => "local",
            TaskKind::Blocking => "blocking",
        },
    );
    match task.state() {
        TaskState::Running { worker, at_least } => {
            object.string("state", "running");
            if let Some(worker) = worker {
                object.plain("worker", worker);
            }
            time(object, "running_ns", at_least);
        }
        TaskState::Queued => object.string("state", "queued"),
        TaskState::Waiting { reason, or_others } => {
            object.string("state", "waiting");
            if let WaitReason::Timer { remaining } = reason {
                time(object, "remaining_ns", remaining);
            }
            object.string("for", &reason.to_string());
            object.plain("or_others", or_others);
        }
    }
    object.string("location", &task.location().to_string());
    time(object, "age_ns", task.age());
    object.plain("polls", task.polls());
    if let Some(last) = task.last_poll() {
        time(object, "last_poll_ns", last);
    }
    if let Some(busy) = task.busy() {
        time(object, "busy_ns", busy);
    }
    object.plain("stalls", task.stalls());
}

fn time(object: &mut Object<'_>, key: &str, time: Duration) {
    object.plain(key, time.as_nanos());
}

/// The tasks of one place.
#[derive(Default)]
struct Place {
    tasks: u64,
    running: u64,
    queued: u64,
    waiting: u64,
    polls: u64,
    busy: Option<Duration>,
    oldest: Duration,
    stalls: u64,
    name: Option<Box<str>>,
    /// They do not have one name in common.
    has_names: bool,
}

impl Place {
    fn add(&mut self, task: TaskDump) {
        match doing(&task) {
            Doing::Running => self.running += 1,
            Doing::Queued => self.queued += 1,
            Doing::Waiting => self.waiting += 1,
        }
        self.polls += task.polls();
        self.busy = task.busy().map(|busy| busy + self.busy.unwrap_or_default()).or(self.busy);
        self.oldest = self.oldest.max(task.age());
        self.stalls += task.stalls();
        if self.tasks == 0 {
            self.name = task.name().map(Box::from);
        } else {
            self.has_names |= self.name.as_deref() != task.name();
        }
        self.tasks += 1;
    }

    fn write(&self, location: &Location<'_>, object: &mut Object<'_>) {
        object.string("location", &location.to_string());
        if let Some(name) = self.name.as_deref().filter(|_| !self.has_names) {
            object.string("name", name);
        }
        object.plain("tasks", self.tasks);
        object.plain("running", self.running);
        object.plain("queued", self.queued);
        object.plain("waiting", self.waiting);
        object.plain("polls", self.polls);
        if let Some(busy) = self.busy {
            time(object, "busy_ns", busy);
        }
        time(object, "oldest_ns", self.oldest);
        object.plain("stalls", self.stalls);
    }
}

/// Places where tasks were spawned, the first of a query.
pub(super) fn write_places(inner: &Inner, query: &Query<'_>, reply: &mut Object<'_>) {
    let mut places: HashMap<&'static Location<'static>, Place> = HashMap::new();
    let census = select(inner, query, |task| places.entry(task.location()).or_default().add(task));
    census.write(reply);
    reply.plain("places", places.len());
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by(|(location, one), (other_location, other)| {
        let ordering = match query.sort {
            Key::Polls => one.polls.cmp(&other.polls),
            Key::Busy => one.busy.cmp(&other.busy),
            Key::Age => one.oldest.cmp(&other.oldest),
            Key::Stalls => one.stalls.cmp(&other.stalls),
            Key::Location => by_place(location, other_location),
            _ => one.tasks.cmp(&other.tasks),
        };
        in_order(ordering, query.goes_up).then_with(|| by_place(location, other_location))
    });
    let write = |list: &mut Array<'_>| {
        places
            .iter()
            .take(query.limit)
            .for_each(|(location, place)| list.object(|object| place.write(location, object)));
    };
    reply.array("list", write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_whatever_its_case() {
        assert!(contains("src/Main.rs:12:5", "main.RS"));
        assert!(contains("ab", "ab") && contains("été", "té"));
        assert!(!contains("ab", "abc") && !contains("", "a"));
    }

    #[test]
    fn of_many_the_first_are_kept_in_order() {
        for limit in [1, 2, 10, 1000] {
            let mut first = First::new(limit, |one: &u32, other: &u32| other.cmp(one));
            // Each once, in a wild order.
            (0..997).for_each(|number| first.add(number * 331 % 997));
            assert!(first.kept.capacity() < 4 * limit.max(300));
            let expected: Vec<_> = (0..997).rev().take(limit).collect();
            assert_eq!(first.into_sorted(), expected);
        }
    }
}

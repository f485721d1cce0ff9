//! What a real client of tokio-console's protocol sees of this runtime's tasks and timers.
//!
//! `RUSTFLAGS="--cfg console_without_tokio_unstable" cargo test -p rt-console`

#[path = "../../support/mod.rs"]
mod support;

use console_api::field::{Name, Value};
use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{InstrumentRequest, Update};
use console_api::{Field, Location, async_ops, resources, tasks};
use rt::runtime::Runtime;
use rt::sync::Notify;
use rt::task::{Builder, LocalSet, yield_now};
use rt::time::{Duration, interval, sleep, timeout};
use std::collections::HashMap;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread;
use support::{SOON, current, multi, within};

/// Where this process serves what its subscriber has heard.
fn server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        console_subscriber::Builder::default().server_addr(free).publish_interval(Duration::from_millis(20)).init();
        free
    })
}

/// What a client has been told so far.
#[derive(Debug, Default)]
struct Seen {
    tasks: HashMap<u64, (tasks::Task, tasks::Stats)>,
    resources: HashMap<u64, (resources::Resource, resources::Stats)>,
    operations: HashMap<u64, (async_ops::AsyncOp, async_ops::Stats)>,
    dropped: u64,
}

/// One task.
#[derive(Clone, Debug)]
struct Task {
    span: u64,
    fields: HashMap<String, String>,
    location: Location,
    stats: tasks::Stats,
}

fn text(field: &Field) -> (String, String) {
    let name = match &field.name {
        Some(Name::StrName(name)) => name.clone(),
        other => panic!("a field without a name: {other:?}"),
    };
    (name, field.value.as_ref().map(Value::to_string).unwrap_or_default())
}

/// Adds what is new, and brings what is known up to date.
fn add<T, S>(
    known: &mut HashMap<u64, (T, S)>,
    new: Vec<T>,
    mut stats: HashMap<u64, S>,
    id: impl Fn(&T) -> Option<u64>,
) {
    for thing in new {
        let id = id(&thing).expect("everything has an id");
        let stats = stats.remove(&id).expect("what is new comes with its numbers");
        known.insert(id, (thing, stats));
    }
    for (id, stats) in stats {
        if let Some(thing) = known.get_mut(&id) {
            thing.1 = stats;
        }
    }
}

impl Seen {
    fn add(&mut self, update: Update) {
        if let Some(update) = update.task_update {
            self.dropped += update.dropped_events;
            add(&mut self.tasks, update.new_tasks, update.stats_update, |task| Some(task.id?.id));
        }
        if let Some(update) = update.resource_update {
            self.dropped += update.dropped_events;
            add(&mut self.resources, update.new_resources, update.stats_update, |resource| Some(resource.id?.id));
        }
        if let Some(update) = update.async_op_update {
            self.dropped += update.dropped_events;
            add(&mut self.operations, update.new_async_ops, update.stats_update, |operation| Some(operation.id?.id));
        }
    }

    /// The task of that name.
    fn task(&self, name: &str) -> Option<Task> {
        self.tasks.iter().find_map(|(&span, (task, stats))| {
            let fields: HashMap<_, _> = task.fields.iter().map(text).collect();
            let location = task.location.clone()?;
            (fields["task.name"] == name).then_some(Task { span, fields, location, stats: *stats })
        })
    }

    /// The resource of that type that the task waits for, and the operation by which it does.
    fn resource(&self, concrete_type: &str, task: &Task) -> Option<(resources::Resource, async_ops::AsyncOp)> {
        let (operation, _) =
            self.operations.values().find(|(_, stats)| stats.task_id.is_some_and(|id| id.id == task.span))?;
        let (resource, _) = self.resources.get(&operation.resource_id?.id)?;
        (resource.concrete_type == concrete_type).then(|| (resource.clone(), operation.clone()))
    }
}

impl Task {
    fn has_ended(&self) -> bool {
        self.stats.dropped_at.is_some()
    }

    fn polls(&self) -> u64 {
        self.stats.poll_stats.as_ref().expect("numbers of polls").polls
    }

    fn wakers(&self) -> u64 {
        self.stats.waker_clones - self.stats.waker_drops
    }

    #[track_caller]
    fn assert_spawned_at(&self, line: u32) {
        assert_eq!(self.location.file.as_deref(), Some(file!()));
        assert_eq!(self.location.line, Some(line));
        assert!(self.location.column.is_some_and(|column| column > 1));
    }
}

/// Connects a client, and returns what `find` finds in what it is told.
#[track_caller]
fn watch<T: Send + 'static>(find: impl Fn(&Seen) -> Option<T> + Send + 'static) -> T {
    let address = server();
    let client = async move {
        let target = format!("http://{address}");
        let mut client = loop {
            match InstrumentClient::connect(target.clone()).await {
                Ok(client) => break client,
                // The server's thread has not come so far.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let mut updates = client.watch_updates(InstrumentRequest {}).await.expect("ask for updates").into_inner();
        let mut seen = Seen::default();
        while let Some(update) = updates.message().await.expect("an update") {
            seen.add(update);
            if let Some(found) = find(&seen) {
                assert_eq!(seen.dropped, 0, "the subscriber was overrun");
                return found;
            }
        }
        panic!("the server has ended");
    };
    within(2 * SOON, move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the client");
        runtime.block_on(client)
    })
}

/// Waits until the client sees the end of the task of that name.
#[track_caller]
fn watch_to_end(name: &'static str) -> Task {
    watch(move |seen| seen.task(name).filter(Task::has_ended))
}

fn runtimes() -> [(&'static str, Runtime); 2] {
    server();
    [("multi", multi(2)), ("current", current())]
}

#[test]
fn a_task_is_seen_with_its_name_its_place_its_polls_and_its_end() {
    for (flavor, runtime) in runtimes() {
        let name: &'static str = format!("polite on {flavor}").leak();
        let future = async {
            for _ in 0..3 {
                yield_now().await;
            }
        };
        let size = size_of_val(&future);
        let task = Builder::new().name(name).spawn_on(future, runtime.handle()).expect("spawn");
        let (line, id) = (line!() - 1, task.id());
        runtime.block_on(task).expect("the task");
        let seen = watch_to_end(name);
        assert_eq!(seen.fields["kind"], "task");
        assert_eq!(seen.fields["task.id"], id.to_string());
        assert_eq!(seen.fields["size.bytes"], size.to_string());
        seen.assert_spawned_at(line);
        assert_eq!(seen.polls(), 4);
        assert_eq!((seen.stats.wakes, seen.stats.self_wakes), (3, 3));
        assert_eq!(seen.wakers(), 0);
    }
}

#[test]
fn a_task_that_waits_is_seen_with_its_waker_and_who_wakes_it() {
    for (flavor, runtime) in runtimes() {
        let name: &'static str = format!("patient on {flavor}").leak();
        let notify = Arc::new(Notify::new());
        let waiting = notify.clone();
        let task = Builder::new().name(name).spawn_on(async move { waiting.notified().await }, runtime.handle());
        let task = task.expect("spawn");
        // Lets the task begin, on a runtime that nobody drives.
        runtime.block_on(runtime.spawn(async {})).expect("a task behind it");
        let seen = watch(move |seen| seen.task(name).filter(|task| task.wakers() == 1));
        assert!(!seen.has_ended());
        assert_eq!((seen.polls(), seen.stats.wakes), (1, 0));

        notify.notify_one();
        runtime.block_on(task).expect("the task");
        let seen = watch_to_end(name);
        assert_eq!((seen.polls(), seen.stats.wakes, seen.stats.self_wakes), (2, 1, 0));
        assert_eq!(seen.wakers(), 0);
    }
}

#[test]
fn a_task_that_is_running_is_seen_in_its_poll() {
    server();
    let runtime = multi(1);
    let gate = support::Gate::new();
    let _open = support::OpenOnDrop(gate.clone());
    let stuck = gate.clone();
    let task = Builder::new().name("stuck").spawn_on(async move { stuck.pass() }, runtime.handle()).expect("spawn");
    gate.await_waiting(1);
    let seen = watch(|seen| seen.task("stuck").filter(|task| task.polls() == 1));
    let polls = seen.stats.poll_stats.expect("numbers of polls");
    assert!(polls.last_poll_started.is_some() && polls.last_poll_ended.is_none());
    gate.open();
    runtime.block_on(task).expect("the task");
}

#[test]
fn tasks_that_were_aborted_or_have_panicked_are_seen_to_end() {
    for (flavor, runtime) in runtimes() {
        let names: [&'static str; 3] =
            ["aborted", "panicked", "left"].map(|name| &*format!("{name} on {flavor}").leak());
        let aborted = Builder::new().name(names[0]).spawn_on(pending::<()>(), runtime.handle()).expect("spawn");
        aborted.abort();
        assert!(runtime.block_on(aborted).expect_err("it was aborted").is_cancelled());
        let panicked = Builder::new().name(names[1]).spawn_on(async { panic!("as told") }, runtime.handle());
        assert!(runtime.block_on(panicked.expect("spawn")).expect_err("it has panicked").is_panic());
        let _left = Builder::new().name(names[2]).spawn_on(pending::<()>(), runtime.handle()).expect("spawn");
        drop(runtime);
        for name in names {
            watch_to_end(name);
        }
    }
}

#[test]
fn a_closure_that_blocks_is_seen_as_such() {
    for (flavor, runtime) in runtimes() {
        let name: &'static str = format!("closure on {flavor}").leak();
        let closure = || thread::sleep(Duration::from_millis(5));
        let task = Builder::new().name(name).spawn_blocking_on(closure, runtime.handle()).expect("spawn");
        let line = line!() - 1;
        runtime.block_on(task).expect("the closure");
        let seen = watch_to_end(name);
        assert_eq!(seen.fields["kind"], "blocking");
        assert!(seen.fields["fn"].contains("a_closure_that_blocks_is_seen_as_such"), "{:?}", seen.fields);
        seen.assert_spawned_at(line);
        assert_eq!(seen.polls(), 1);
        let busy = seen.stats.poll_stats.and_then(|polls| polls.busy_time).expect("a time");
        assert!(busy.nanos >= 5_000_000 || busy.seconds > 0);
    }
}

#[test]
fn a_task_of_a_local_set_is_seen_as_such() {
    for (flavor, runtime) in runtimes() {
        let name: &'static str = format!("local on {flavor}").leak();
        let set = LocalSet::new();
        let task = Builder::new().name(name).spawn_local_on(yield_now(), &set).expect("spawn");
        let line = line!() - 1;
        set.block_on(&runtime, task).expect("the task");
        let seen = watch_to_end(name);
        assert_eq!(seen.fields["kind"], "local");
        seen.assert_spawned_at(line);
        assert_eq!((seen.polls(), seen.stats.self_wakes), (2, 1));
    }
}

#[test]
fn the_future_in_block_on_is_seen_where_it_waits() {
    for (_, runtime) in runtimes() {
        let (notify, line) = (Arc::new(Notify::new()), line!() + 3);
        let waiting = notify.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(waiting.notified());
            runtime
        });
        let find = move |seen: &Seen| {
            let mut tasks = seen.tasks.iter().filter(|(_, (task, stats))| {
                let is_here = task.location.as_ref().is_some_and(|place| place.line == Some(line));
                is_here && stats.dropped_at.is_none() && stats.waker_clones == stats.waker_drops + 1
            });
            tasks.next().map(|(_, (task, _))| task.fields.iter().map(text).collect::<HashMap<_, _>>())
        };
        let fields = watch(find);
        assert_eq!(fields["kind"], "block_on");
        notify.notify_one();
        thread.join().expect("the thread in `block_on`");
    }
}

#[test]
fn timers_are_seen_with_the_tasks_that_wait_for_them() {
    for (flavor, runtime) in runtimes() {
        let names: [&'static str; 3] =
            ["sleep", "interval", "timeout"].map(|name| &*format!("{name} on {flavor}").leak());
        let spawn = Builder::new();
        let sleeping = async {
            sleep(Duration::from_secs(3600)).await;
        };
        let line = line!() - 2;
        let ticking = async {
            let mut interval = interval(Duration::from_secs(3600));
            interval.tick().await;
            interval.tick().await;
        };
        let limited = async { _ = timeout(Duration::from_secs(3600), pending::<()>()).await };
        spawn.name(names[0]).spawn_on(sleeping, runtime.handle()).expect("spawn");
        spawn.name(names[1]).spawn_on(ticking, runtime.handle()).expect("spawn");
        spawn.name(names[2]).spawn_on(limited, runtime.handle()).expect("spawn");
        runtime.block_on(runtime.spawn(async {})).expect("a task behind them");

        let mut found = Vec::new();
        for (name, concrete_type, source) in [
            (names[0], "Sleep", "Sleep::new_timeout"),
            (names[1], "Interval", "Interval::tick"),
            (names[2], "Sleep", "Sleep::new_timeout"),
        ] {
            let (resource, operation) = watch(move |seen| seen.resource(concrete_type, &seen.task(name)?));
            assert_eq!(operation.source, source);
            let timer = resources::resource::kind::Kind::Known(resources::resource::kind::Known::Timer as i32);
            assert_eq!(resource.kind.and_then(|kind| kind.kind), Some(timer));
            let location = resource.location.expect("a place");
            assert_eq!(location.file.as_deref(), Some(file!()));
            let id = resource.id.expect("an id").id;
            found.push(id);
            if name == names[0] {
                assert_eq!(location.line, Some(line));
                let duration = watch(move |seen| {
                    let (_, stats) = seen.resources.get(&id)?;
                    let attribute = stats.attributes.first()?;
                    Some((text(attribute.field.as_ref()?), attribute.unit.clone()))
                });
                let ((attribute, value), unit) = duration;
                assert_eq!((attribute.as_str(), unit.as_deref()), ("duration", Some("ms")));
                assert!((3_590_000..=3_600_000).contains(&value.parse::<u64>().expect("a number")), "{value}");
            }
        }
        // Those of tasks that have ended are gone with them.
        drop(runtime);
        watch(move |seen| {
            let is_gone = |id| seen.resources.get(id).is_some_and(|(_, stats)| stats.dropped_at.is_some());
            found.iter().all(is_gone).then_some(())
        });
    }
}

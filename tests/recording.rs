//! What the flight recorder keeps, and that what it writes is a trace that a viewer can show: tracks, slices that nest, arrows with both ends.

#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::UnixStream;
use rt::runtime::{Builder, Handle, Recording, Runtime};
use rt::sync::{mpsc, oneshot};
use rt::task;
use rt::time::sleep;
use serde_json::Value;
use support::{Gate, OpenOnDrop, SOON, eventually, within};

/// A trace, as a viewer reads it.
struct Trace {
    events: Vec<Value>,
}

/// A slice of a track.
#[derive(Clone, Debug)]
struct Slice {
    track: u64,
    begin: f64,
    end: f64,
    category: String,
    name: String,
    args: Value,
}

impl Trace {
    /// Reads it, and looks whether it is one.
    #[track_caller]
    fn of(recording: &Recording) -> Trace {
        let mut json = Vec::new();
        recording.write_chrome_trace(&mut json).unwrap();
        Trace::read(&json)
    }

    #[track_caller]
    fn read(json: &[u8]) -> Trace {
        let json: Value = serde_json::from_slice(json).expect("it is JSON");
        let trace = Trace { events: json["traceEvents"].as_array().expect("it has events").clone() };
        trace.check();
        trace
    }

    fn phase(&self, phase: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["ph"] == phase)
    }

    /// The names of tracks, by their numbers.
    fn tracks(&self) -> HashMap<u64, String> {
        let names = self.phase("M").filter(|event| event["name"] == "thread_name");
        names.map(|event| (track(event), text(&event["args"]["name"]))).collect()
    }

    /// In the order in which they begin.
    fn slices(&self) -> Vec<Slice> {
        let slice = |event: &Value| Slice {
            track: track(event),
            begin: time(event),
            end: time(event) + event["dur"].as_f64().unwrap(),
            category: text(&event["cat"]),
            name: text(&event["name"]),
            args: event["args"].clone(),
        };
        let mut slices: Vec<_> = self.phase("X").map(slice).collect();
        slices.sort_by(|one, other| one.begin.total_cmp(&other.begin));
        slices
    }

    fn polls_of(&self, name: &str) -> Vec<Slice> {
        self.slices().into_iter().filter(|slice| slice.category == "poll" && slice.name == name).collect()
    }

    /// Marks of a category.
    fn marks(&self, category: &str) -> Vec<&Value> {
        self.phase("i").filter(|event| event["cat"] == category).collect()
    }

    /// The slice in which an arrow begins or ends.
    fn at(&self, end: &Value) -> Option<Slice> {
        let holds = |slice: &Slice| {
            slice.track == track(end) && slice.begin <= time(end) + 0.0005 && time(end) <= slice.end + 0.0005
        };
        let slices = self.slices().into_iter().filter(holds);
        // Of two that touch, the later one.
        slices.max_by(|one, other| one.begin.total_cmp(&other.begin))
    }

    /// From which slice to which slice arrows of a kind lead.
    fn arrows(&self, kind: &str) -> Vec<(Slice, Slice)> {
        let ends: HashMap<_, _> = self.phase("f").map(|end| (end["id"].as_u64().unwrap(), end)).collect();
        let begins = self.phase("s").filter(|begin| begin["name"] == kind);
        begins
            .map(|begin| {
                let end = ends[&begin["id"].as_u64().unwrap()];
                (self.at(begin).expect("it begins in a slice"), self.at(end).expect("it ends in a slice"))
            })
            .collect()
    }

    /// Slices nest, each track has a name, each arrow has two ends that lie in slices, the later one behind the earlier one.
    #[track_caller]
    fn check(&self) {
        let tracks = self.tracks();
        let mut by_track: HashMap<u64, Vec<Slice>> = HashMap::new();
        for slice in self.slices() {
            assert!(slice.begin <= slice.end, "{slice:?}");
            by_track.entry(slice.track).or_default().push(slice);
        }
        for (track, slices) in &mut by_track {
            assert!(tracks.contains_key(track), "track {track} has no name");
            slices.sort_by(|one, other| one.begin.total_cmp(&other.begin));
            // Of numbers with three digits behind the point.
            let overlap = slices.windows(2).find(|pair| pair[0].end > pair[1].begin + 0.0005);
            assert!(overlap.is_none(), "these overlap: {overlap:?}");
        }
        for mark in self.phase("i") {
            assert!(tracks.contains_key(&track(mark)), "{mark}");
        }
        let mut begins: HashMap<u64, &Value> = HashMap::new();
        for begin in self.phase("s") {
            assert!(begins.insert(begin["id"].as_u64().unwrap(), begin).is_none(), "two arrows have one number");
        }
        let lies_in_a_slice = |end: &Value| {
            by_track.get(&track(end)).is_some_and(|slices| {
                let after = slices.partition_point(|slice| slice.begin <= time(end) + 0.0005);
                slices[..after].iter().rev().take(3).any(|slice| time(end) <= slice.end + 0.0005)
            })
        };
        for end in self.phase("f") {
            let begin = begins.remove(&end["id"].as_u64().unwrap()).expect("an arrow that ends has begun");
            assert!(time(begin) <= time(end), "{begin} {end}");
            assert!(lies_in_a_slice(begin), "{begin}");
            assert!(lies_in_a_slice(end), "{end}");
        }
        assert!(begins.is_empty(), "an arrow that has begun ends: {begins:?}");
    }
}

fn track(event: &Value) -> u64 {
    event["tid"].as_u64().unwrap()
}

fn time(event: &Value) -> f64 {
    event["ts"].as_f64().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// With everything, and recording.
fn multi(workers: usize) -> Runtime {
    builder(workers).enable_flight_recorder().build().unwrap()
}

fn builder(workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().enable_flight_recorder().build().unwrap()
}

#[track_caller]
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    within(SOON, move || {
        for runtime in [current(), multi(2)] {
            runtime.block_on(test());
        }
    });
}

fn named<F>(name: &str, future: F) -> task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::Builder::new().name(name).spawn(future).unwrap()
}

/// The same from outside.
fn named_on<F>(runtime: &Runtime, name: &str, future: F) -> task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::Builder::new().name(name).spawn_on(future, runtime.handle()).unwrap()
}

/// What the recorder has, once that holds. A worker writes down what it has done after others may have seen it.
async fn recorded(condition: impl Fn(&Trace) -> bool) -> Trace {
    let handle = Handle::current();
    let began = std::time::Instant::now();
    loop {
        let trace = Trace::of(&handle.recording());
        if condition(&trace) {
            return trace;
        }
        if began.elapsed() > SOON {
            let mut json = Vec::new();
            handle.recording().write_chrome_trace(&mut json).unwrap();
            panic!("that is not recorded: {}", String::from_utf8_lossy(&json));
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("rt-{name}-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn each_poll_is_a_slice_with_the_tasks_name_and_how_it_ended() {
    on_each_flavor(async || {
        let (sender, receiver) = oneshot::channel::<()>();
        let task = named("patient", async move {
            task::yield_now().await;
            receiver.await.unwrap();
        });
        recorded(|trace| trace.polls_of("patient").len() == 2).await;
        sender.send(()).unwrap();
        let id = task.id();
        task.await.unwrap();
        let trace =
            recorded(|trace| trace.polls_of("patient").iter().any(|poll| poll.args["end"] == "the task has ended"))
                .await;
        let polls = trace.polls_of("patient");
        let ends: Vec<_> = polls.iter().map(|poll| text(&poll.args["end"])).collect();
        assert_eq!(ends, ["it was woken meanwhile, and is queued again", "it waits", "the task has ended"]);
        let all: Vec<_> = polls.iter().map(|poll| poll.args["task"].to_string()).collect();
        assert_eq!(all, [id.to_string(), id.to_string(), id.to_string()]);
        assert!(text(&polls[0].args["spawned at"]).contains("recording.rs"));
        assert!(trace.tracks()[&polls[0].track].starts_with("worker "));
    });
}

#[test]
fn a_task_without_a_name_is_called_after_the_place_where_it_was_spawned() {
    on_each_flavor(async || {
        let (line, task) = (line!(), rt::spawn(async {}));
        task.await.unwrap();
        let place = format!("{}:{line}:", file!());
        recorded(|trace| trace.slices().iter().any(|slice| slice.category == "poll" && slice.name.starts_with(&place)))
            .await;
    });
}

#[test]
fn an_arrow_leads_from_who_woke_a_task_to_its_next_poll() {
    on_each_flavor(async || {
        let (request, mut requests) = mpsc::channel::<()>(1);
        let (reply, mut replies) = mpsc::channel::<()>(1);
        let server = named("server", async move {
            while requests.recv().await.is_some() {
                reply.send(()).await.unwrap();
            }
        });
        let client = named("client", async move {
            for _ in 0..20 {
                request.send(()).await.unwrap();
                replies.recv().await.unwrap();
            }
        });
        client.await.unwrap();
        server.await.unwrap();
        let leads = |trace: &Trace, from: &str, to: &str| {
            trace.arrows("wake").iter().any(|(begin, end)| begin.name == from && end.name == to)
        };
        let trace = recorded(|trace| leads(trace, "client", "server") && leads(trace, "server", "client")).await;
        let woken =
            trace.arrows("wake").into_iter().filter(|(begin, _)| begin.name == "client" || begin.name == "server");
        assert!(woken.into_iter().all(|(_, poll)| poll.args["ready before, us"].is_number()));
    });
}

#[test]
fn an_arrow_leads_from_who_spawned_a_task_to_its_first_poll() {
    on_each_flavor(async || {
        named("parent", async { named("child", async {}).await.unwrap() }).await.unwrap();
        let trace = recorded(|trace| trace.polls_of("child").len() == 1 && trace.polls_of("parent").len() >= 2).await;
        assert!(trace.arrows("spawn").iter().any(|(from, to)| from.name == "parent" && to.name == "child"));
        let first = &trace.polls_of("child")[0];
        assert!(text(&first.args["woken by"]).ends_with(", parent"), "{first:?}");
    });
}

#[test]
fn wakes_by_timers_and_by_sockets_are_told_apart_and_say_what_was_waited_for() {
    on_each_flavor(async || {
        named("sleeper", sleep(Duration::from_millis(3))).await.unwrap();
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let reader = named("reader", async move { one.read(&mut [0; 8]).await.unwrap() });
        recorded(|trace| !trace.polls_of("reader").is_empty()).await;
        other.write_all(b"x").await.unwrap();
        reader.await.unwrap();
        let waited = |trace: &Trace, name: &str, what: &str| {
            let waited = |poll: &Slice| poll.args["waited for"].as_str().is_some_and(|waited| waited.contains(what));
            trace.polls_of(name).into_iter().find(waited)
        };
        let is_there = |trace: &Trace| {
            waited(trace, "sleeper", "a timer").is_some() && waited(trace, "reader", "to become readable").is_some()
        };
        let trace = recorded(is_there).await;
        // By the monitor, if it was quicker.
        let by = |name: &str, what: &str| text(&waited(&trace, name, what).unwrap().args["woken by"]);
        assert!(["a timer", "a thread outside"].contains(&&*by("sleeper", "a timer")));
        assert!(["a socket or another descriptor", "a thread outside"].contains(&&*by("reader", "to become readable")));
        assert!(trace.slices().iter().any(|slice| slice.category == "events"));
    });
}

#[test]
fn a_thread_outside_is_a_track_with_arrows_to_what_it_wakes_and_spawns() {
    within(SOON, || {
        let runtime = multi(2);
        let (sender, receiver) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        let task = named_on(&runtime, "inside", async move { receiver.await.unwrap() });
        runtime.block_on(recorded(|trace| !trace.polls_of("inside").is_empty()));
        let thread = std::thread::Builder::new().name("elsewhere".to_owned());
        let spawned = thread.spawn(move || {
            sender.send(()).unwrap();
            handle.block_on(handle.spawn(async {})).unwrap();
        });
        spawned.unwrap().join().unwrap();
        runtime.block_on(task).unwrap();
        let from = |trace: &Trace, kind: &str| {
            let tracks = trace.tracks();
            let arrows = trace.arrows(kind).into_iter();
            arrows
                .filter(|(from, _)| tracks[&from.track] == "thread \"elsewhere\"")
                .map(|(_, to)| to.name)
                .collect::<Vec<_>>()
        };
        let trace = runtime.block_on(recorded(|trace| {
            from(trace, "wake").contains(&"inside".to_owned()) && !from(trace, "spawn").is_empty()
        }));
        assert!(from(&trace, "spawn")[0].contains("recording.rs"));
    });
}

#[test]
fn workers_are_seen_to_sleep_and_to_be_woken() {
    within(SOON, || {
        let runtime = multi(2);
        let count = |runtime: &Runtime| {
            let trace = Trace::of(&runtime.handle().recording());
            (trace.slices().iter().filter(|slice| slice.category == "park").count(), trace.arrows("unpark").len())
        };
        eventually(SOON, || {
            std::thread::sleep(Duration::from_millis(1));
            runtime.block_on(runtime.spawn(async {})).unwrap();
            let (parked, unparked) = count(&runtime);
            parked > 0 && unparked > 0
        });
    });
}

#[test]
fn steals_are_marked() {
    within(SOON, || {
        let runtime = multi(2);
        runtime
            .block_on(runtime.spawn(async {
                let stolen = Arc::new(AtomicBool::new(false));
                while !stolen.load(Ordering::Relaxed) {
                    let here = std::thread::current().id();
                    let stolen = stolen.clone();
                    let tasks: Vec<_> = (0..8)
                        .map(|_| {
                            let stolen = stolen.clone();
                            rt::spawn(async move {
                                std::thread::sleep(Duration::from_micros(200));
                                if std::thread::current().id() != here {
                                    stolen.store(true, Ordering::Relaxed);
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                }
                recorded(|trace| !trace.marks("steal").is_empty()).await;
            }))
            .unwrap();
    });
}

#[test]
fn nothing_is_recorded_before_it_is_switched_on_nor_after_it_is_switched_off() {
    within(SOON, || {
        let runtime = builder(2).build().unwrap();
        let handle = runtime.handle().clone();
        let run = |name: &str| runtime.block_on(async { named(name, async {}).await.unwrap() });
        run("before");
        assert!(!handle.is_recording() && handle.recording().is_empty());
        assert_eq!(handle.recording().duration(), Duration::ZERO);
        Trace::of(&handle.recording());
        handle.start_recording();
        assert!(handle.is_recording());
        run("while");
        let polls = |name: &str| Trace::of(&handle.recording()).polls_of(name).len();
        eventually(SOON, || polls("while") > 0);
        handle.stop_recording();
        assert!(!handle.is_recording());
        run("after");
        let recording = handle.recording();
        assert!(recording.duration() > Duration::ZERO && recording.events() > 0);
        assert_eq!((polls("before"), polls("while"), polls("after")), (0, 1, 0));
        handle.stop_recording();
        assert_eq!(handle.recording().events(), recording.events());
        handle.start_recording();
        run("again");
        eventually(SOON, || polls("again") > 0);
        assert_eq!(polls("while"), 0, "what was before is forgotten");
    });
}

#[test]
fn a_task_that_starts_the_recording_is_in_it() {
    within(SOON, || {
        for runtime in [Builder::new_current_thread().enable_all().build().unwrap(), builder(2).build().unwrap()] {
            runtime.block_on(async {
                let starter = named("starter", async {
                    Handle::current().start_recording();
                    named("child", async {}).await.unwrap();
                });
                starter.await.unwrap();
                let trace = recorded(|trace| {
                    trace.arrows("spawn").iter().any(|(from, to)| from.name == "starter" && to.name == "child")
                })
                .await;
                assert!(!trace.polls_of("starter").is_empty());
            });
        }
    });
}

#[test]
fn the_future_of_block_on_is_a_slice_where_its_thread_is_the_worker() {
    within(SOON, || {
        let runtime = current();
        runtime.block_on(async {
            named("from main", async {}).await.unwrap();
            let trace = recorded(|trace| !trace.polls_of("from main").is_empty()).await;
            let spawns = trace.arrows("spawn");
            assert!(spawns.iter().any(|(from, to)| from.category == "main" && to.name == "from main"), "{spawns:?}");
        });
    });
}

#[test]
fn tasks_that_have_ended_keep_their_names_and_places_also_when_the_recording_was_stopped_before() {
    within(SOON, || {
        let runtime = multi(2);
        let (sender, receiver) = oneshot::channel::<()>();
        runtime.block_on(async {
            for _ in 0..10 {
                named("short-lived, with a rather long name: \u{e9}\u{e8}", async {}).await.unwrap();
            }
        });
        let lives = named_on(&runtime, "lives on", async move { receiver.await.unwrap() });
        runtime.block_on(recorded(|trace| !trace.polls_of("lives on").is_empty()));
        runtime.handle().stop_recording();
        sender.send(()).unwrap();
        runtime.block_on(lives).unwrap();
        let trace = Trace::of(&runtime.handle().recording());
        assert_eq!(trace.polls_of("short-lived, with a rather long name: \u{e9}\u{e8}").len(), 10);
        assert_eq!(trace.polls_of("lives on").len(), 1);
        drop(runtime);
    });
}

#[test]
fn a_full_ring_keeps_the_last_events_and_names_of_tasks_that_were_spawned_long_before() {
    within(SOON, || {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().flight_recorder_capacity(100).enable_flight_recorder().build().unwrap();
        runtime.block_on(async {
            let spinner = named("spinner", async {
                for _ in 0..10_000 {
                    task::yield_now().await;
                }
            });
            spinner.await.unwrap();
        });
        let recording = runtime.handle().recording();
        assert!((100..128).contains(&recording.events()), "{recording:?}");
        let trace = Trace::of(&recording);
        let polls = trace.polls_of("spinner");
        assert!(polls.len() > 50);
        assert_eq!(polls.last().unwrap().args["end"], "the task has ended");
    });
}

#[test]
fn the_recorder_can_be_read_while_all_workers_are_stuck_and_after_the_runtime_has_ended() {
    within(SOON, || {
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let runtime = builder(2).stall_after(None).enable_flight_recorder().build().unwrap();
        let stuck: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                named_on(&runtime, "stuck", async move { gate.pass() })
            })
            .collect();
        gate.await_waiting(2);
        let handle = runtime.handle().clone();
        let polls = Trace::of(&handle.recording()).polls_of("stuck");
        assert_eq!(polls.len(), 2);
        assert!(polls.iter().all(|poll| text(&poll.args["end"]).starts_with("not known")));
        gate.open();
        for task in stuck {
            runtime.block_on(task).unwrap();
        }
        drop(runtime);
        assert_eq!(Trace::of(&handle.recording()).polls_of("stuck").len(), 2);
    });
}

#[test]
fn a_stall_is_marked_on_its_worker() {
    within(SOON, || {
        let runtime = builder(1).report_stalls_after(None).enable_flight_recorder().build().unwrap();
        runtime.block_on(async {
            named("blocker", async { std::thread::sleep(Duration::from_millis(100)) }).await.unwrap();
            let trace = recorded(|trace| !trace.marks("stall").is_empty()).await;
            let stall = trace.marks("stall")[0];
            assert!(text(&stall["name"]).starts_with("stall: blocker for "), "{stall}");
            assert_eq!(trace.tracks()[&track(stall)], "worker 0");
        });
    });
}

#[test]
fn the_first_panic_of_a_recording_is_written_to_the_file() {
    within(SOON, || {
        let path = file("panic");
        let runtime = builder(2).dump_recording_on_panic(&path).build().unwrap();
        let panics = |name: &str| {
            assert!(runtime.block_on(async { named(name, async { panic!("as it should") }).await }).is_err());
            Trace::read(&std::fs::read(&path).expect("it is there before the handle reports the panic"))
        };
        let trace = panics("first");
        assert_eq!(trace.marks("panic")[0]["name"], "panic of first");
        let poll = &trace.polls_of("first")[0];
        assert!(time(trace.marks("panic")[0]) <= poll.end);
        assert_eq!(panics("second").marks("panic").len(), 1, "the first is kept");
        runtime.handle().stop_recording();
        runtime.handle().start_recording();
        assert_eq!(panics("third").marks("panic")[0]["name"], "panic of third");
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn a_panic_of_a_closure_and_one_on_a_current_thread_runtime_are_written_too() {
    within(SOON, || {
        let path = file("panic-closure");
        let runtime = builder(1).dump_recording_on_panic(&path).build().unwrap();
        assert!(runtime.block_on(runtime.spawn_blocking(|| panic!("as it should"))).is_err());
        Trace::read(&std::fs::read(&path).unwrap());
        std::fs::remove_file(&path).unwrap();

        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().dump_recording_on_panic(&path).build().unwrap();
        assert!(runtime.block_on(runtime.spawn(async { panic!("as it should") })).is_err());
        assert_eq!(Trace::read(&std::fs::read(&path).unwrap()).marks("panic").len(), 1);
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn the_first_stall_is_written_to_the_file_while_it_goes_on() {
    within(SOON, || {
        let path = file("stall");
        let gate = Gate::new();
        let _open = OpenOnDrop(gate.clone());
        let mut builder = builder(2);
        builder.report_stalls_after(Duration::from_millis(10)).on_stall(|_| {});
        let runtime = builder.dump_recording_on_stall(&path).build().unwrap();
        let blocker = {
            let gate = gate.clone();
            named_on(&runtime, "blocker", async move { gate.pass() })
        };
        eventually(SOON, || path.exists());
        let trace = Trace::read(&std::fs::read(&path).unwrap());
        assert!(trace.marks("stall").iter().any(|mark| text(&mark["name"]).starts_with("stall: blocker for ")));
        assert!(text(&trace.polls_of("blocker")[0].args["end"]).starts_with("not known"));
        gate.open();
        runtime.block_on(blocker).unwrap();
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let runtime = current();
    let error = runtime.handle().recording().save("/nowhere/trace.json").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot write the recording to /nowhere/trace.json: "), "{error}");
    let directory = std::env::temp_dir();
    let error = runtime.handle().recording().save(&directory).unwrap_err();
    assert!(error.to_string().contains(&directory.display().to_string()), "{error}");
    assert!(!PathBuf::from(format!("{}.part", directory.display())).exists());
}

#[test]
#[should_panic(expected = "`flight_recorder_capacity` must be at least 1 event")]
fn a_recorder_without_room_is_refused() {
    Builder::new_multi_thread().flight_recorder_capacity(0);
}

/// Many threads wake and spawn, tasks wake each other, and the rings are small: what is read at any moment is a trace.
#[test]
fn whatever_happens_while_it_is_read_is_a_trace() {
    within(2 * SOON, || {
        let runtime = builder(4).flight_recorder_capacity(256).enable_flight_recorder().build().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let work = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (handle, is_over, start, work) =
                    (runtime.handle().clone(), is_over.clone(), start.clone(), work.clone());
                std::thread::spawn(move || {
                    start.wait();
                    while !is_over.load(Ordering::Relaxed) {
                        let task = handle.spawn(async {
                            let child = named("child", task::yield_now());
                            sleep(Duration::from_micros(50)).await;
                            child.await.unwrap();
                        });
                        handle.block_on(task).unwrap();
                        work.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        start.wait();
        for round in 0..60 {
            let recording = runtime.handle().recording();
            Trace::of(&recording);
            if round % 10 == 9 {
                runtime.handle().stop_recording();
                Trace::of(&runtime.handle().recording());
                runtime.handle().start_recording();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(work.load(Ordering::Relaxed) > 0);
    });
}

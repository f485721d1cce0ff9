//! The socket by which other programs look at a runtime: what it answers, whom, and that nobody holds it up.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use rt::runtime::{Builder, InsightServer, Runtime};
use rt::time::sleep;
use serde_json::Value;
use support::child::in_child;
use support::{DropCounter, SOON, current, eventually, multi, unwatched, within};

const LONG: Duration = Duration::from_secs(3600);

/// A folder of this test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rt-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("insight")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A connection of somebody who looks.
struct Looker(BufReader<UnixStream>);

impl Looker {
    #[track_caller]
    fn new(path: &Path) -> Self {
        let socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Looker(BufReader::new(socket))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line, as JSON; `None` at the end.
    #[track_caller]
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn ask(&mut self, request: &str) -> Value {
        self.send(&format!("{request}\n"));
        self.next().expect("a reply")
    }
}

/// Serves a runtime in a folder of its own.
#[track_caller]
fn serve(runtime: &Runtime) -> (Folder, InsightServer) {
    let folder = Folder::new();
    let server = runtime.handle().serve_insight_at(folder.socket()).unwrap();
    (folder, server)
}

fn number_of(id: rt::task::Id) -> u64 {
    id.to_string().parse().unwrap()
}

fn ids(reply: &Value) -> Vec<u64> {
    reply["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect()
}

#[test]
fn each_request_is_answered_by_a_line_of_json() {
    within(SOON, || {
        for runtime in [multi(2), current()] {
            let (_folder, server) = serve(&runtime);
            let mut looker = Looker::new(server.path());
            for request in ["help", "hello", "metrics", "tasks", "places", "dump", "trace"] {
                let reply = looker.ask(request);
                assert_eq!((&reply["reply"], &reply["protocol"]), (&request.into(), &1.into()), "{reply}");
            }
            let reply = looker.ask("nonsense");
            assert_eq!(reply["reply"], "error");
            assert!(reply["error"].as_str().unwrap().contains("nonsense"));
            // An error is not the end.
            assert_eq!(looker.ask("hello")["pid"], std::process::id());
        }
    });
}

#[test]
fn hello_says_which_runtime_it_is() {
    within(SOON, || {
        let runtime = Builder::new_multi_thread().worker_threads(3).enable_task_busy_time().build().unwrap();
        let (_folder, server) = serve(&runtime);
        let hello = Looker::new(server.path()).ask("hello");
        assert_eq!((&hello["flavor"], &hello["workers"]), (&"multi_thread".into(), &3.into()));
        assert_eq!((&hello["times_tasks"], &hello["times_all_delays"]), (&true.into(), &false.into()));
        assert_eq!(hello["runtime"].to_string(), runtime.handle().id().to_string());
        assert_eq!(hello["is_draining"], false);
    });
}

#[test]
fn the_numbers_are_those_of_a_snapshot() {
    within(SOON, || {
        let runtime = multi(2);
        let (_folder, server) = serve(&runtime);
        runtime.block_on(async {
            for _ in 0..50 {
                rt::spawn(sleep(Duration::from_micros(1))).await.unwrap();
            }
        });
        let snapshot = runtime.metrics().snapshot();
        let reply = Looker::new(server.path()).ask("metrics");
        assert_eq!(reply["spawned_tasks"], snapshot.spawned_tasks);
        assert_eq!(reply["timers_armed"], snapshot.timers_armed);
        assert_eq!(reply["workers"].as_array().unwrap().len(), 2);
        assert!(reply["elapsed_ns"].as_u64().unwrap() >= snapshot.elapsed.as_nanos() as u64);
        let polls = |worker: &Value| worker["polls"].as_u64().unwrap();
        let all: u64 = reply["workers"].as_array().unwrap().iter().map(polls).sum();
        assert!(all >= 50, "{reply}");
        assert!(reply["workers"][0]["busy_ns"].is_u64() && reply["spares"]["polls"].is_u64());
        let times = &reply["poll_times"];
        let counted = |bucket: &Value| bucket["count"].as_u64().unwrap();
        let buckets = times["buckets"].as_array().unwrap();
        assert_eq!(buckets.iter().map(counted).sum::<u64>(), times["count"].as_u64().unwrap());
        assert!(buckets.iter().all(|bucket| bucket["from_ns"].as_u64() < bucket["to_ns"].as_u64()));
    });
}

#[test]
fn tasks_come_in_the_order_that_is_asked_for_and_no_more_of_them() {
    within(SOON, || {
        let runtime = unwatched(1);
        let (_folder, server) = serve(&runtime);
        // Each is polled once more than the one before.
        let tasks: Vec<_> = (0..20u64)
            .map(|polls| {
                let task = async move {
                    for _ in 0..polls {
                        rt::task::yield_now().await;
                    }
                    std::future::pending::<()>().await;
                };
                rt::task::Builder::new().name(&format!("task \"{polls:02}\"")).spawn_on(task, runtime.handle()).unwrap()
            })
            .collect();
        let id = |number: usize| number_of(tasks[number].id());
        let mut looker = Looker::new(server.path());
        eventually(SOON, || looker.ask("tasks")["waiting"] == 20);
        let reply = looker.ask("tasks sort=polls limit=3");
        assert_eq!(ids(&reply), [id(19), id(18), id(17)]);
        assert_eq!((&reply["all"], &reply["matching"]), (&20.into(), &20.into()));
        assert_eq!(reply["tasks"][0]["polls"], 20);
        assert_eq!(reply["tasks"][0]["name"], "task \"19\"");
        assert!(reply["tasks"][0]["location"].as_str().unwrap().starts_with("tests/insight.rs:"));
        assert_eq!(ids(&looker.ask("tasks sort=polls order=up limit=2")), [id(0), id(1)]);
        assert_eq!(ids(&looker.ask("tasks sort=name order=down limit=1")), [id(19)]);
        assert_eq!(ids(&looker.ask("tasks limit=1")), [id(0)]);
        let reply = looker.ask("tasks filter=TASK \"1");
        assert_eq!((ids(&reply).len(), &reply["matching"]), (10, &10.into()));
        assert_eq!(ids(&looker.ask(&format!("tasks filter={}", id(5)))), [id(5)]);
        assert_eq!(looker.ask("tasks filter=insight.rs state=queued")["matching"], 0);
        for key in ["state", "busy", "age", "last_poll", "stalls", "location"] {
            assert_eq!(ids(&looker.ask(&format!("tasks sort={key}"))).len(), 20, "{key}");
        }
    });
}

#[test]
fn states_are_told() {
    within(SOON, || {
        let runtime = unwatched(1);
        let (_folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        let sleeping = runtime.spawn(async { sleep(LONG).await }).id();
        eventually(SOON, || looker.ask("tasks state=waiting")["matching"] == 1);
        let (release, wait) = channel::<()>();
        let (started, is_started) = channel();
        runtime.spawn(async move {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        is_started.recv().unwrap();
        runtime.spawn(async {});
        let reply = looker.ask("tasks sort=state");
        let states: Vec<_> =
            reply["tasks"].as_array().unwrap().iter().map(|task| task["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["running", "queued", "waiting"]);
        assert_eq!(reply["tasks"][0]["worker"], 0);
        assert!(reply["tasks"][2]["for"].as_str().unwrap().contains("timer"));
        assert!(reply["tasks"][2]["remaining_ns"].as_u64().unwrap() > 3_000_000_000_000);
        assert_eq!(reply["tasks"][2]["id"], number_of(sleeping));
        drop(release);
    });
}

#[test]
fn places_add_up_their_tasks() {
    within(SOON, || {
        let runtime = multi(1);
        let (_folder, server) = serve(&runtime);
        for _ in 0..7 {
            runtime.spawn(std::future::pending::<()>());
        }
        let line = line!() - 2;
        rt::task::Builder::new().name("alone").spawn_on(async { sleep(LONG).await }, runtime.handle()).unwrap();
        let mut looker = Looker::new(server.path());
        eventually(SOON, || looker.ask("places")["waiting"] == 8);
        let reply = looker.ask("places sort=tasks");
        assert_eq!(reply["places"], 2);
        let (first, second) = (&reply["list"][0], &reply["list"][1]);
        assert_eq!((&first["tasks"], &first["waiting"], &first["polls"]), (&7.into(), &7.into(), &7.into()));
        assert!(first["location"].as_str().unwrap().starts_with(&format!("tests/insight.rs:{line}:")));
        assert_eq!((&first["name"], &second["name"]), (&Value::Null, &"alone".into()));
        assert_eq!(looker.ask("places limit=1")["list"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_dump_is_text_with_a_line_for_each_task_if_that_is_wanted() {
    within(SOON, || {
        let runtime = multi(1);
        let (_folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        (0..5).for_each(|_| drop(runtime.spawn(std::future::pending::<()>())));
        eventually(SOON, || looker.ask("tasks")["waiting"] == 5);
        let (short, each) = (looker.ask("dump"), looker.ask("dump each"));
        let lines = |reply: &Value| reply["text"].as_str().unwrap().lines().count();
        assert_eq!((lines(&short), lines(&each)), (2, 6));
        assert_eq!((&each["tasks"], &each["is_cut"]), (&5.into(), &false.into()));
    });
}

#[test]
fn the_flight_recorder_is_switched_and_saved_from_outside() {
    within(SOON, || {
        let runtime = multi(2);
        let (folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        let path = folder.0.join("a trace.json");
        let save = format!("trace save {}", path.display());
        assert_eq!(looker.ask("trace")["is_on"], false);
        assert!(looker.ask(&save)["error"].as_str().unwrap().contains("nothing has been recorded"));
        assert_eq!(looker.ask("trace start")["is_on"], true);
        assert!(runtime.handle().is_recording());
        assert_eq!(looker.ask("metrics")["is_recording"], true);
        let work = async {
            for _ in 0..100 {
                rt::spawn(rt::task::yield_now()).await.unwrap();
            }
        };
        runtime.block_on(runtime.spawn(work)).unwrap();
        assert_eq!(looker.ask("trace stop")["is_on"], false);
        let saved = looker.ask(&save);
        assert!(saved["events"].as_u64().unwrap() > 100 && saved["length_ns"].as_u64().unwrap() > 0, "{saved}");
        let written = fs::read_to_string(&path).unwrap();
        assert!(serde_json::from_str::<Value>(&written).unwrap()["traceEvents"].as_array().unwrap().len() > 100);

        assert!(looker.ask(&save)["error"].as_str().unwrap().contains("there is such a file"));
        assert_eq!(fs::read_to_string(&path).unwrap(), written);
        assert!(looker.ask("trace save here.json")["error"].as_str().unwrap().contains("absolute"));
        let nowhere = looker.ask(&format!("trace save {}/nowhere/a.json", folder.0.display()));
        assert!(nowhere["error"].as_str().unwrap().contains("nowhere"), "{nowhere}");
    });
}

#[test]
fn stalls_are_told_by_task_and_by_place() {
    within(SOON, || {
        let runtime = multi(2);
        let (_folder, server) = serve(&runtime);
        let careless = runtime.spawn(async {
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(100));
                rt::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        });
        runtime.spawn(std::future::pending::<()>());
        let mut looker = Looker::new(server.path());
        eventually(SOON, || looker.ask("tasks sort=stalls limit=1")["tasks"][0]["stalls"] == 2);
        let reply = looker.ask("tasks sort=stalls");
        assert_eq!(reply["tasks"][0]["id"], number_of(careless.id()));
        assert_eq!(reply["tasks"][1]["stalls"], 0);
        assert_eq!(looker.ask("places sort=stalls")["list"][0]["stalls"], 2);
        let metrics = looker.ask("metrics");
        assert_eq!(metrics["stall_sites"][0]["count"], 2);
        assert_eq!(metrics["stalls"], 2);
        assert!(looker.ask("dump each")["text"].as_str().unwrap().contains("2 stalls"));
    });
}

#[test]
fn it_answers_while_all_workers_are_stuck_and_with_a_hundred_thousand_tasks() {
    const TASKS: usize = 100_000;
    within(2 * SOON, || {
        let runtime = unwatched(1);
        let (_folder, server) = serve(&runtime);
        let (release, wait) = channel::<()>();
        runtime.spawn(async move { wait.recv() });
        for _ in 0..TASKS {
            runtime.spawn(async {});
        }
        let mut looker = Looker::new(server.path());
        eventually(SOON, || looker.ask("tasks state=running limit=1")["matching"] == 1);
        let reply = looker.ask("tasks limit=10");
        assert_eq!((&reply["queued"], ids(&reply).len()), (&TASKS.into(), 10));
        assert!(reply.to_string().len() < 4000);
        assert_eq!(looker.ask("places")["list"].as_array().unwrap().len(), 2);
        assert_eq!(looker.ask("dump each")["tasks"], TASKS + 1);
        drop(release);
    });
}

#[test]
fn what_was_asked_before_the_end_of_the_lines_is_answered() {
    within(SOON, || {
        let runtime = current();
        let (_folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        looker.send("hello\nmetrics\nhelp");
        looker.0.get_ref().shutdown(Shutdown::Write).unwrap();
        let replies: Vec<_> = std::iter::from_fn(|| looker.next()).collect();
        let names: Vec<_> = replies.iter().map(|reply| reply["reply"].as_str().unwrap()).collect();
        assert_eq!(names, ["hello", "metrics", "help"]);
    });
}

#[test]
fn those_who_hold_a_connection_and_do_nothing_hold_nobody_up() {
    within(2 * SOON, || {
        let runtime = multi(1);
        let (_folder, server) = serve(&runtime);
        // One that says nothing, one that does not go on, and one that does not read.
        let _silent = UnixStream::connect(server.path()).unwrap();
        let mut halfway = Looker::new(server.path());
        halfway.send("met");
        let flooding = UnixStream::connect(server.path()).unwrap();
        flooding.set_nonblocking(true).unwrap();
        let mut looker = Looker::new(server.path());
        (0..1000).for_each(|_| drop(runtime.spawn(std::future::pending::<()>())));
        let mut is_full = false;
        for _ in 0..200 {
            is_full |= (&flooding).write(b"tasks limit=1000\n".repeat(100).as_slice()).is_err();
            assert_eq!(looker.ask("hello")["reply"], "hello");
        }
        assert!(is_full, "nothing more is read from who takes no replies");
        halfway.send("rics\n");
        assert_eq!(halfway.next().unwrap()["reply"], "metrics");
    });
}

#[test]
fn a_line_that_is_too_long_is_refused() {
    within(SOON, || {
        let runtime = current();
        let (_folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        let _ = looker.0.get_mut().write_all(&[b'x'; 10_000]);
        assert!(looker.next().unwrap()["error"].as_str().unwrap().contains("4096 bytes"));
        assert!(looker.next().is_none());
    });
}

#[test]
fn only_so_many_look_at_a_time_and_the_next_comes_when_one_has_gone() {
    within(SOON, || {
        let runtime = current();
        let (_folder, server) = serve(&runtime);
        let mut lookers: Vec<_> = (0..8).map(|_| Looker::new(server.path())).collect();
        lookers.iter_mut().for_each(|looker| assert_eq!(looker.ask("hello")["reply"], "hello"));
        let mut refused = Looker::new(server.path());
        assert!(refused.next().unwrap()["error"].as_str().unwrap().contains("too many"));
        assert!(refused.next().is_none());
        lookers.pop();
        eventually(SOON, || {
            let mut looker = Looker::new(server.path());
            // It may be sent away before it has asked.
            let _ = looker.0.get_mut().write_all(b"hello\n");
            looker.next().is_some_and(|reply| reply["reply"] == "hello")
        });
    });
}

#[test]
fn the_socket_is_removed_and_connections_are_closed_with_the_guard() {
    within(SOON, || {
        let runtime = multi(1);
        let (folder, server) = serve(&runtime);
        let mut looker = Looker::new(server.path());
        looker.ask("hello");
        drop(server);
        assert!(!folder.socket().exists());
        assert!(looker.next().is_none());
        // There may be another.
        let server = runtime.handle().serve_insight_at(folder.socket()).unwrap();
        assert_eq!(Looker::new(server.path()).ask("hello")["reply"], "hello");
    });
}

#[test]
fn a_socket_that_somebody_else_has_put_there_is_not_removed() {
    within(SOON, || {
        let runtime = current();
        let (folder, server) = serve(&runtime);
        fs::remove_file(folder.socket()).unwrap();
        let _others = UnixListener::bind(folder.socket()).unwrap();
        drop(server);
        assert!(folder.socket().exists());
    });
}

#[test]
fn the_socket_ends_with_the_runtime_which_it_does_not_keep() {
    within(SOON, || {
        for runtime in [multi(2), current()] {
            let (folder, server) = serve(&runtime);
            let handle = runtime.handle().clone();
            let drops = DropCounter::new();
            let guard = drops.guard();
            runtime.spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
            let mut looker = Looker::new(server.path());
            looker.ask("hello");
            drop(runtime);
            assert_eq!(drops.drops(), 1);
            assert!(!folder.socket().exists());
            assert!(looker.next().is_none());
            let refused = handle.serve_insight_at(folder.socket()).unwrap_err();
            assert!(refused.to_string().contains("shut down"), "{refused}");
            assert!(!folder.socket().exists());
        }
    });
}

#[test]
fn a_runtime_that_cannot_end_can_be_asked_why() {
    within(SOON, || {
        let runtime = multi(1);
        let (folder, server) = serve(&runtime);
        let (release, wait) = channel::<()>();
        let (started, is_started) = channel();
        runtime.spawn(async move {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        is_started.recv().unwrap();
        runtime.shutdown_timeout(Duration::from_millis(20));
        let mut looker = Looker::new(server.path());
        assert_eq!(looker.ask("tasks")["running"], 1);
        assert_eq!(looker.ask("hello")["is_draining"], true);
        drop(release);
        assert!(looker.next().is_none());
        eventually(SOON, || !folder.socket().exists());
    });
}

#[test]
fn a_detached_socket_lives_as_long_as_the_runtime() {
    within(SOON, || {
        let runtime = current();
        let (folder, server) = serve(&runtime);
        server.detach();
        assert_eq!(Looker::new(&folder.socket()).ask("hello")["reply"], "hello");
        drop(runtime);
        assert!(!folder.socket().exists());
    });
}

#[test]
fn a_builder_opens_it_and_fails_if_it_cannot() {
    within(SOON, || {
        let folder = Folder::new();
        let build = |mut builder: Builder| builder.enable_all().serve_insight_at(folder.socket()).build();
        let runtime = build(Builder::new_multi_thread()).unwrap();
        assert_eq!(Looker::new(&folder.socket()).ask("hello")["reply"], "hello");
        let refused = build(Builder::new_current_thread()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        drop(runtime);
        assert!(!folder.socket().exists());
    });
}

#[test]
fn what_is_at_the_path_is_replaced_only_if_it_is_a_socket_that_nobody_serves() {
    within(SOON, || {
        let runtime = current();
        let folder = Folder::new();
        let serve = || runtime.handle().serve_insight_at(folder.socket());
        fs::write(folder.socket(), "a file").unwrap();
        let refused = serve().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        assert!(refused.to_string().contains(folder.socket().to_str().unwrap()), "{refused}");
        assert_eq!(fs::read(folder.socket()).unwrap(), b"a file");
        fs::remove_file(folder.socket()).unwrap();

        // What a program leaves there that is killed.
        drop(UnixListener::bind(folder.socket()).unwrap());
        assert!(folder.socket().exists());
        let server = serve().unwrap();
        assert_eq!(serve().unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(Looker::new(server.path()).ask("hello")["reply"], "hello");
    });
}

#[test]
fn a_path_that_no_socket_can_have_is_an_error() {
    within(SOON, || {
        let runtime = current();
        let folder = Folder::new();
        let long = runtime.handle().serve_insight_at(folder.0.join("x".repeat(200))).unwrap_err();
        assert_eq!(long.kind(), ErrorKind::InvalidInput);
        let nowhere = runtime.handle().serve_insight_at(folder.0.join("nowhere/insight")).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    });
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// Runs `body` in a child whose default folder is in a folder of this test's own.
#[track_caller]
fn with_default_directory(test: &str, body: impl FnOnce(PathBuf)) {
    in_child(test, || {
        let folder = Folder::new();
        // SAFETY: the test's only thread so far.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", &folder.0) };
        body(folder.0.join("rt-insight"));
    });
}

#[test]
fn by_default_sockets_lie_in_a_folder_that_is_closed_to_others() {
    with_default_directory("by_default_sockets_lie_in_a_folder_that_is_closed_to_others", |directory| {
        let (first, second) = (current(), current());
        assert_eq!(InsightServer::default_directory(), directory);
        let first = first.handle().serve_insight().unwrap();
        let second = second.handle().serve_insight().unwrap();
        assert_eq!(first.path().parent(), Some(&*directory));
        let name = |server: &InsightServer| server.path().file_name().unwrap().to_str().unwrap().to_owned();
        let process = std::process::id();
        assert!(name(&first).ends_with(&format!(".{process}.sock")), "{first:?}");
        assert!(name(&second).ends_with(&format!(".{process}.2.sock")), "{second:?}");
        assert!(name(&first).starts_with("insight"), "it has the program's name: {first:?}");
        assert_eq!((mode(&directory), mode(first.path())), (0o700, 0o600));
    });
}

#[test]
fn a_default_folder_that_others_can_enter_is_refused() {
    with_default_directory("a_default_folder_that_others_can_enter_is_refused", |directory| {
        let runtime = current();
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        let refused = runtime.handle().serve_insight().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        fs::remove_dir(&directory).unwrap();
        std::os::unix::fs::symlink("/", &directory).unwrap();
        assert!(runtime.handle().serve_insight().unwrap_err().to_string().contains("is no folder"));
    });
}

#[test]
fn what_programs_have_left_in_the_default_folder_that_are_gone_is_removed() {
    with_default_directory("what_programs_have_left_in_the_default_folder_that_are_gone_is_removed", |directory| {
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        // No process has that number.
        let left = directory.join("old.2147483647.sock");
        drop(UnixListener::bind(&left).unwrap());
        let alive = directory.join(format!("other.{}.sock", std::process::id()));
        drop(UnixListener::bind(&alive).unwrap());
        fs::write(directory.join("old.2147483647.trace.json"), "").unwrap();
        let runtime = current();
        let _server = runtime.handle().serve_insight().unwrap();
        assert!(!left.exists() && alive.exists());
        assert!(directory.join("old.2147483647.trace.json").exists());
    });
}

#[test]
fn the_thread_ends_with_its_socket() {
    in_child("the_thread_ends_with_its_socket", || {
        let threads = || {
            let tasks = fs::read_dir("/proc/self/task").unwrap();
            let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
            names.filter(|name| name.trim() == "rt-insight").count()
        };
        let runtime = current();
        let (folder, server) = serve(&runtime);
        let other = runtime.handle().serve_insight_at(folder.0.join("other")).unwrap();
        eventually(SOON, || threads() == 2);
        drop(server);
        eventually(SOON, || threads() == 1);
        drop(runtime);
        eventually(SOON, || threads() == 0);
        drop(other);
    });
}

#[test]
fn other_users_are_refused_wherever_the_socket_lies() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can be played.
        return;
    }
    within(SOON, || {
        let runtime = current();
        let (folder, server) = serve(&runtime);
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
        // Even if somebody has opened it to all.
        fs::set_permissions(server.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = server.path().to_owned();
        let said = std::thread::spawn(move || {
            let nobody = rustix::process::Uid::from_raw(65534);
            // This thread's alone.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            let mut text = String::new();
            let mut socket = match UnixStream::connect(path) {
                // The folder for temporary files may be closed to others.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return "only the user".to_owned(),
                socket => socket.unwrap(),
            };
            let _ = socket.write_all(b"hello\n");
            let _ = socket.read_to_string(&mut text);
            text
        });
        let said = said.join().unwrap();
        assert!(said.contains("only the user"), "{said}");
        assert_eq!(Looker::new(server.path()).ask("hello")["reply"], "hello");
    });
}

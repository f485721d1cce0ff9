//! Contracts that can only be tested in a process of its own: the environment, the system's limits, what is written to
//! stderr, the end of threads and of the process, and what would abort the process if it failed.

mod support;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rt::runtime::{Builder, Handle, Runtime};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::child::{Child, in_child, is_child_of, wait_for_release};
use support::{DropCounter, Gate, SOON, current, eventually, multi, panic_message, within};

// The environment.

/// The child's part of the tests of the environment: says what became of the builder.
fn print_build(builder: &mut Builder) {
    match builder.build() {
        Ok(runtime) => println!("\nworkers: {}.", runtime.metrics().num_workers()),
        Err(error) => println!("\n{:?}: {error}.", error.kind()),
    }
}

/// Runs `test` in a child with these variables, and returns what it printed.
#[track_caller]
fn with_environment(test: &str, variables: &[(&str, &OsStr)]) -> String {
    Child::start(test, |command| {
        command.envs(variables.iter().copied());
    })
    .succeeds()
    .0
}

#[track_caller]
fn assert_workers(test: &str, variables: &[(&str, &str)], workers: usize) {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, OsStr::new(value))).collect();
    let printed = with_environment(test, &variables);
    assert!(printed.contains(&format!("workers: {workers}.")), "{variables:?}: {printed}");
}

#[test]
fn a_worker_count_in_the_environment_that_is_none_is_refused_by_name() {
    let test = "a_worker_count_in_the_environment_that_is_none_is_refused_by_name";
    if is_child_of(test) {
        return print_build(&mut Builder::new_multi_thread());
    }
    let refused = ["0", "abc", "", " ", "-1", "1.5", "0x10", "99999999999999999999999"];
    for variable in ["RT_WORKER_THREADS", "TOKIO_WORKER_THREADS"] {
        for value in refused.map(OsStr::new).into_iter().chain([OsStr::from_bytes(b"\xff4")]) {
            let printed = with_environment(test, &[(variable, value)]);
            let expected = format!(
                "InvalidInput: the environment variable {variable} is {value:?}; it must be a number of worker threads \
                 from 1 to 4096."
            );
            assert!(printed.contains(&expected), "{variable}={value:?}: {printed}");
        }
    }
}

#[test]
fn an_absurd_worker_count_in_the_environment_is_refused_by_name() {
    let test = "an_absurd_worker_count_in_the_environment_is_refused_by_name";
    if is_child_of(test) {
        return print_build(&mut Builder::new_multi_thread());
    }
    for variable in ["RT_WORKER_THREADS", "TOKIO_WORKER_THREADS"] {
        let printed = with_environment(test, &[(variable, OsStr::new("4097"))]);
        let expected = format!("InvalidInput: {variable} asks for 4097 workers; at most 4096 are possible.");
        assert!(printed.contains(&expected), "{printed}");
    }
}

#[test]
fn the_environment_sets_the_number_of_workers() {
    let test = "the_environment_sets_the_number_of_workers";
    if is_child_of(test) {
        return print_build(&mut Builder::new_multi_thread());
    }
    assert_workers(test, &[("RT_WORKER_THREADS", "3")], 3);
    assert_workers(test, &[("RT_WORKER_THREADS", " 3\n")], 3);
    assert_workers(test, &[("TOKIO_WORKER_THREADS", "5")], 5);
}

#[test]
fn our_own_variable_comes_before_tokios() {
    let test = "our_own_variable_comes_before_tokios";
    if is_child_of(test) {
        return print_build(&mut Builder::new_multi_thread());
    }
    assert_workers(test, &[("RT_WORKER_THREADS", "3"), ("TOKIO_WORKER_THREADS", "5")], 3);
    assert_workers(test, &[("RT_WORKER_THREADS", "3"), ("TOKIO_WORKER_THREADS", "abc")], 3);
}

#[test]
fn the_builder_comes_before_the_environment() {
    let test = "the_builder_comes_before_the_environment";
    if is_child_of(test) {
        return print_build(Builder::new_multi_thread().worker_threads(2));
    }
    assert_workers(test, &[("RT_WORKER_THREADS", "3"), ("TOKIO_WORKER_THREADS", "5")], 2);
    assert_workers(test, &[("RT_WORKER_THREADS", "abc"), ("TOKIO_WORKER_THREADS", "0")], 2);
}

#[test]
fn a_current_thread_runtime_does_not_ask_the_environment() {
    let test = "a_current_thread_runtime_does_not_ask_the_environment";
    if is_child_of(test) {
        return print_build(&mut Builder::new_current_thread());
    }
    assert_workers(test, &[("RT_WORKER_THREADS", "3")], 1);
    assert_workers(test, &[("RT_WORKER_THREADS", "abc")], 1);
}

// The system's limits.

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("list the open files").count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("list the threads").count()
}

/// Opens files until the process may not open any more.
fn use_up_files() -> Vec<std::fs::File> {
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    files
}

#[test]
fn building_without_a_file_descriptor_left_fails_and_says_so() {
    in_child("building_without_a_file_descriptor_left_fails_and_says_so", || {
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) })
            .expect("lower the limit");
        let mut files = use_up_files();
        // A poller, a handle to it and an event descriptor: each of them may be the one that is refused.
        for free in 0..3 {
            for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
                files.truncate(files.len() - free);
                let error = builder.worker_threads(2).enable_all().build().expect_err("no descriptor is left");
                let text = error.to_string();
                assert!(text.contains("cannot make the runtime's event poller"), "{free} left: {text}");
                assert!(text.contains("Too many open files"), "{free} left: {text}");
                let reopened = use_up_files();
                assert_eq!(reopened.len(), free, "what it had opened is not closed");
                files.extend(reopened);
            }
        }
        // Timers alone take no descriptor.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("build without I/O");
        runtime.block_on(async { rt::time::sleep(Duration::from_millis(1)).await });
        drop(runtime);
        files.clear();
        multi(2).block_on(async { rt::spawn(async {}).await.unwrap() });
    });
}

/// Leaves this process `more` bytes of address space.
fn limit_memory(more: u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("ask for the process's size");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("the size of the address space");
    let used: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    setrlimit(Resource::As, Rlimit { current: Some(used * 1024 + more), ..getrlimit(Resource::As) })
        .expect("set the limit");
}

const MIB: u64 = 1 << 20;

#[test]
fn a_worker_thread_that_the_system_refuses_fails_the_build_and_leaves_nothing_running() {
    in_child("a_worker_thread_that_the_system_refuses_fails_the_build_and_leaves_nothing_running", || {
        let (threads_before, files_before) = (threads(), open_files());
        limit_memory(1024 * MIB);
        for _ in 0..5 {
            let error = Builder::new_multi_thread()
                .worker_threads(64)
                .thread_stack_size(200 * MIB as usize)
                .enable_all()
                .build()
                .expect_err("there is memory for less than 64 stacks");
            let text = error.to_string();
            assert!(text.contains("the system refuses worker thread ") && text.contains(" of 64: "), "{text}");
            // Some had started.
            assert!(!text.contains("worker thread 1 of"), "{text}");
        }
        eventually(SOON, || threads() == threads_before && open_files() == files_before);
        multi(2).block_on(async { rt::spawn(async {}).await.unwrap() });
    });
}

#[test]
fn closures_for_which_the_system_refuses_more_threads_run_on_those_that_are_there() {
    in_child("closures_for_which_the_system_refuses_more_threads_run_on_those_that_are_there", || {
        let runtime =
            Builder::new_current_thread().thread_stack_size(200 * MIB as usize).build().expect("build a runtime");
        limit_memory(500 * MIB);
        let gate = Gate::new();
        let closures: Vec<_> = (0..16)
            .map(|number| {
                let gate = gate.clone();
                runtime.spawn_blocking(move || {
                    gate.pass();
                    number
                })
            })
            .collect();
        let metrics = runtime.metrics();
        assert!((1..16).contains(&metrics.num_blocking_threads()), "{metrics}");
        gate.open();
        for (number, closure) in closures.into_iter().enumerate() {
            assert_eq!(runtime.block_on(closure).unwrap(), number);
        }
    });
}

#[test]
fn two_hundred_runtimes_leave_no_thread_and_no_descriptor() {
    in_child("two_hundred_runtimes_leave_no_thread_and_no_descriptor", || {
        // What the standard library and the first runtime open for good.
        drop(multi(2));
        eventually(SOON, || threads() == 2);
        let (threads_before, files_before) = (threads(), open_files());
        for round in 0..200 {
            let runtime = if round % 4 == 0 { current() } else { multi(1 + round % 3) };
            let counter = DropCounter::new();
            let guards: Vec<_> = (0..5).map(|_| counter.guard()).collect();
            for guard in guards {
                runtime.spawn(async move {
                    let _guard = guard;
                    let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
                    rt::time::sleep(Duration::from_secs(3600)).await;
                    drop(listener);
                });
            }
            runtime.block_on(async {
                rt::spawn(async {}).await.unwrap();
                rt::task::spawn_blocking(|| {}).await.unwrap();
            });
            match round % 5 {
                0 => runtime.shutdown_background(),
                1 => runtime.shutdown_timeout(SOON),
                _ => drop(runtime),
            }
            eventually(SOON, || counter.drops() == 5);
        }
        eventually(SOON, || threads() == threads_before && open_files() == files_before);
    });
}

// What shutdown says.

/// A task that blocks its thread until the child is released, and where it is spawned.
fn spawn_stuck(runtime: &Runtime, name: Option<&str>) -> u32 {
    let (sender, receiver) = mpsc::channel();
    let stuck = async move {
        sender.send(()).unwrap();
        wait_for_release();
    };
    let builder = name.map_or(rt::task::Builder::new(), |name| rt::task::Builder::new().name(name));
    let line = line!() + 1;
    builder.spawn_on(stuck, runtime.handle()).expect("spawn the task");
    receiver.recv().expect("the task has begun");
    line
}

#[test]
fn a_drop_that_waits_for_a_stuck_task_names_it_after_a_second_and_goes_on_waiting() {
    let test = "a_drop_that_waits_for_a_stuck_task_names_it_after_a_second_and_goes_on_waiting";
    if is_child_of(test) {
        let runtime = multi(2);
        println!("\nline {}.", spawn_stuck(&runtime, Some("accept loop")));
        let started = Instant::now();
        drop(runtime);
        println!("\nended after {} ms.", started.elapsed().as_millis());
        return;
    }
    let mut child = Child::start(test, |_| {});
    child.reports("rt: the runtime is shutting down, and waits for threads that do not stop:");
    child.reports("is running");
    assert!(!child.stdout().contains("ended after"), "it did not wait");
    child.release();
    let (stdout, stderr) = child.succeeds();
    let line: u32 = number_after(&stdout, "line ");
    let expected = format!(" \"accept loop\", spawned at tests/processes.rs:{line}:");
    assert!(stderr.contains(&expected), "{expected}\n{stderr}");
    assert!(number_after::<u128>(&stdout, "ended after ") >= 1000, "{stdout}");
    assert_eq!(stderr.matches("is running").count(), 1, "it says so once, and names nobody else: {stderr}");
}

#[track_caller]
fn number_after<T: std::str::FromStr>(text: &str, label: &str) -> T {
    let (_, rest) = text.split_once(label).unwrap_or_else(|| panic!("{label:?} is missing: {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().unwrap_or_else(|| panic!("no number after {label:?}: {text}"))
}

#[test]
fn a_drop_that_waits_for_a_stuck_closure_names_it_after_a_second() {
    let test = "a_drop_that_waits_for_a_stuck_closure_names_it_after_a_second";
    if is_child_of(test) {
        for runtime in [multi(1), current()] {
            let (sender, receiver) = mpsc::channel();
            let closure = move || {
                sender.send(()).unwrap();
                wait_for_release();
            };
            let line = line!() + 1;
            rt::task::Builder::new().name("hashing").spawn_blocking_on(closure, runtime.handle()).expect("spawn it");
            receiver.recv().expect("the closure has begun");
            println!("\nline {line}.");
            drop(runtime);
            println!("\nended.");
        }
        return;
    }
    let mut child = Child::start(test, |_| {});
    child.reports("\"hashing\"");
    assert!(!child.stdout().contains("ended"), "it did not wait");
    child.release();
    let (stdout, stderr) = child.succeeds();
    let line: u32 = number_after(&stdout, "line ");
    let expected = format!(" \"hashing\", spawned at tests/processes.rs:{line}:");
    assert!(stderr.contains(&expected), "{stderr}");
}

#[test]
fn a_drop_that_waits_names_all_that_are_stuck_by_place_if_they_have_no_name() {
    let test = "a_drop_that_waits_names_all_that_are_stuck_by_place_if_they_have_no_name";
    if is_child_of(test) {
        let runtime = multi(3);
        let gate = Gate::new();
        for _ in 0..2 {
            let gate = gate.clone();
            runtime.spawn(async move { gate.pass() });
        }
        gate.await_waiting(2);
        spawn_stuck(&runtime, None);
        // It sits idle, and is not to be named.
        runtime.spawn(pending::<()>());
        let dropping = thread::spawn(move || drop(runtime));
        wait_for_gate_or_release(&gate);
        dropping.join().unwrap();
        return;
    }
    let mut child = Child::start(test, |_| {});
    child.reports("is running");
    child.release();
    let (_, stderr) = child.succeeds();
    let named: Vec<_> = stderr.lines().filter(|line| line.ends_with("is running")).collect();
    assert_eq!(named.len(), 3, "{stderr}");
    assert!(named.iter().all(|line| line.contains(", spawned at tests/processes.rs:")), "{stderr}");
}

/// The stuck task reads stdin; the others follow it.
fn wait_for_gate_or_release(gate: &Gate) {
    wait_for_release();
    gate.open();
}

#[test]
fn a_shutdown_that_has_nobody_to_wait_for_says_nothing() {
    let test = "a_shutdown_that_has_nobody_to_wait_for_says_nothing";
    if is_child_of(test) {
        for runtime in [multi(2), current()] {
            runtime.spawn(pending::<()>());
            runtime.block_on(async { rt::task::spawn_blocking(|| {}).await.unwrap() });
            drop(runtime);
        }
        let runtime = multi(2);
        runtime.spawn(pending::<()>());
        runtime.shutdown_timeout(SOON);
        multi(2).shutdown_background();
        return;
    }
    let (_, stderr) = Child::start(test, |_| {}).succeeds();
    assert!(!stderr.contains("rt:"), "{stderr}");
}

#[test]
fn a_shutdown_with_a_timeout_names_at_its_end_whom_it_leaves_behind() {
    let test = "a_shutdown_with_a_timeout_names_at_its_end_whom_it_leaves_behind";
    if is_child_of(test) {
        let runtime = multi(2);
        println!("\nline {}.", spawn_stuck(&runtime, Some("stubborn")));
        let started = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(50));
        assert!(started.elapsed() >= Duration::from_millis(50), "it did not wait");
        println!("\nended.");
        return;
    }
    // Never released: the end of the process does not wait for the task.
    let (stdout, stderr) = Child::start(test, |_| {}).succeeds();
    assert!(stdout.contains("ended."), "{stdout}");
    assert!(stderr.contains("rt: the runtime was shut down, but some threads have not stopped:"), "{stderr}");
    let line: u32 = number_after(&stdout, "line ");
    assert!(stderr.contains(&format!(" \"stubborn\", spawned at tests/processes.rs:{line}:")), "{stderr}");
}

#[test]
fn a_shutdown_that_cannot_report_to_stderr_is_none_the_worse_for_it() {
    let test = "a_shutdown_that_cannot_report_to_stderr_is_none_the_worse_for_it";
    if is_child_of(test) {
        let runtime = multi(2);
        spawn_stuck(&runtime, Some("stubborn"));
        let panicked = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_timeout(Duration::from_millis(10)))).is_err();
        println!("\npanicked: {panicked}.");
        return;
    }
    // A pipe that nobody reads.
    let (reader, writer) = std::io::pipe().expect("make a pipe");
    drop(reader);
    let (stdout, _) = Child::start(test, |command| {
        command.stderr(writer);
    })
    .succeeds();
    assert!(stdout.contains("panicked: false."), "{stdout}");
}

// The end of the process.

#[test]
fn a_process_ends_though_a_runtime_was_left_to_itself_with_a_stuck_task() {
    in_child("a_process_ends_though_a_runtime_was_left_to_itself_with_a_stuck_task", || {
        for _ in 0..2 {
            let runtime = multi(2);
            spawn_stuck(&runtime, None);
            runtime.spawn_blocking(wait_for_release);
            runtime.shutdown_background();
        }
    });
}

#[test]
fn a_runtime_in_a_static_does_not_keep_the_process_from_ending() {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| multi(2));
    in_child("a_runtime_in_a_static_does_not_keep_the_process_from_ending", || {
        RUNTIME.spawn(async {
            loop {
                rt::task::yield_now().await;
            }
        });
        RUNTIME.spawn(async { rt::time::sleep(Duration::from_secs(3600)).await });
        RUNTIME.spawn_blocking(wait_for_release);
        RUNTIME.block_on(async { rt::spawn(async {}).await.unwrap() });
    });
}

#[test]
fn a_task_can_end_the_process() {
    let test = "a_task_can_end_the_process";
    if is_child_of(test) {
        let runtime = multi(2);
        runtime.spawn(async {
            println!("\nends.");
            let _ = std::io::stdout().flush();
            std::process::exit(7);
        });
        return runtime.block_on(pending());
    }
    let mut child = Child::start(test, |_| {});
    assert_eq!(child.ends().code(), Some(7));
    assert!(child.stdout().contains("ends."));
}

// The end of threads. A panic in the destructor of a thread-local aborts the process.

/// Runs closures when it is dropped, in their order.
struct AtThreadExit(Vec<Box<dyn FnOnce()>>);

impl Drop for AtThreadExit {
    fn drop(&mut self) {
        for closure in self.0.drain(..) {
            closure();
        }
    }
}

/// Runs `closure` in a thread-local's destructor when this thread ends. The one that is registered first on a thread is
/// destroyed last, when the thread-locals of all libraries that were used later are gone.
fn at_thread_exit(closure: impl FnOnce() + 'static) {
    thread_local! {
        static AT_EXIT: RefCell<AtThreadExit> = const { RefCell::new(AtThreadExit(Vec::new())) };
    }
    AT_EXIT.with_borrow_mut(|at_exit| at_exit.0.push(Box::new(closure)));
}

/// Runs `exit` in a thread-local destructor of a thread that has used `runtime` after it registered the destructor.
fn in_destructor(runtime: &Handle, exit: impl FnOnce() + Send + 'static) {
    let runtime = runtime.clone();
    let thread = thread::spawn(move || {
        at_thread_exit(exit);
        let task = runtime.spawn(async { rt::time::sleep(Duration::from_millis(1)).await });
        runtime.block_on(task).unwrap();
        current().block_on(async { rt::spawn(async {}).await.unwrap() });
    });
    within(SOON, move || thread.join()).expect("the thread ends well");
}

/// A task that leaves its waker and is done once it is woken.
fn leaves_its_waker() -> (impl Future<Output = &'static str> + Send + 'static, Arc<Mutex<Option<Waker>>>) {
    let place = Arc::new(Mutex::new(None));
    let left = Arc::clone(&place);
    let mut polls = 0;
    let future = poll_fn(move |cx| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready("woken");
        }
        *left.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    });
    (future, place)
}

/// The waker, once the task has left it.
fn waker_in(place: &Mutex<Option<Waker>>) -> Waker {
    let mut waker = None;
    eventually(SOON, || {
        waker = place.lock().unwrap().take();
        waker.is_some()
    });
    waker.expect("it was left")
}

#[test]
fn a_wake_from_a_thread_local_destructor_reaches_its_task() {
    in_child("a_wake_from_a_thread_local_destructor_reaches_its_task", || {
        let runtime = multi(2);
        let (future, place) = leaves_its_waker();
        let task = runtime.spawn(future);
        let waker = waker_in(&place);
        in_destructor(runtime.handle(), move || waker.wake());
        assert_eq!(within(SOON, move || runtime.block_on(task)).unwrap(), "woken");
    });
}

#[test]
fn handles_can_be_dropped_in_a_thread_local_destructor() {
    in_child("handles_can_be_dropped_in_a_thread_local_destructor", || {
        let runtime = multi(2);
        let counter = DropCounter::new();
        let guard = counter.guard();
        let finished = runtime.spawn(async move { guard });
        eventually(SOON, || finished.is_finished());
        let (future, place) = leaves_its_waker();
        let running = runtime.spawn(future);
        let aborted = runtime.spawn(pending::<()>());
        let (abort, waker) = (aborted.abort_handle(), waker_in(&place));
        let (handle, metrics) = (runtime.handle().clone(), runtime.metrics());
        in_destructor(runtime.handle(), move || {
            drop((finished, running, waker, handle, metrics));
            abort.abort();
        });
        assert_eq!(counter.drops(), 1, "the output goes with its handle");
        let aborted = within(SOON, move || runtime.block_on(aborted));
        assert!(aborted.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_runtime_can_be_dropped_in_a_thread_local_destructor() {
    in_child("a_runtime_can_be_dropped_in_a_thread_local_destructor", || {
        let other = multi(1);
        for runtime in [multi(2), current()] {
            let counter = DropCounter::new();
            let (guard, unused) = (counter.guard(), counter.guard());
            runtime.spawn(async move {
                let _guard = guard;
                rt::time::sleep(Duration::from_secs(3600)).await;
            });
            runtime.block_on(rt::task::yield_now());
            runtime.spawn(async move { drop(unused) });
            in_destructor(other.handle(), move || drop(runtime));
            assert_eq!(counter.drops(), 2, "the drop waits for the threads");
        }
    });
}

#[test]
fn a_thread_local_destructor_can_spawn_and_wait() {
    in_child("a_thread_local_destructor_can_spawn_and_wait", || {
        let runtime = multi(2);
        let handle = runtime.handle().clone();
        let (sender, receiver) = mpsc::channel();
        in_destructor(runtime.handle(), move || {
            let task = handle.spawn(async { 1 });
            let closure = handle.spawn_blocking(|| 2);
            let sum = handle.block_on(async { task.await.unwrap() + closure.await.unwrap() });
            sender.send(sum).unwrap();
        });
        assert_eq!(receiver.recv(), Ok(3));
    });
}

#[test]
fn a_runtime_can_be_built_and_used_in_a_thread_local_destructor() {
    in_child("a_runtime_can_be_built_and_used_in_a_thread_local_destructor", || {
        let runtime = multi(2);
        let (sender, receiver) = mpsc::channel();
        in_destructor(runtime.handle(), move || {
            for runtime in [multi(2), current()] {
                let task = runtime.spawn(async {
                    rt::time::sleep(Duration::from_millis(1)).await;
                    rt::task::yield_now().await;
                    "done"
                });
                sender.send(runtime.block_on(task).unwrap()).unwrap();
            }
        });
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["done", "done"]);
    });
}

#[test]
fn asking_for_the_runtime_in_a_thread_local_destructor_finds_none_and_does_not_panic() {
    in_child("asking_for_the_runtime_in_a_thread_local_destructor_finds_none_and_does_not_panic", || {
        let (sender, receiver) = mpsc::channel();
        let runtime = multi(1);
        in_destructor(runtime.handle(), {
            let sender = sender.clone();
            move || sender.send(Handle::try_current().is_err()).unwrap()
        });
        let on_worker =
            runtime.spawn(async move { at_thread_exit(move || sender.send(Handle::try_current().is_err()).unwrap()) });
        runtime.block_on(on_worker).unwrap();
        drop(runtime);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [true, true]);
    });
}

#[test]
fn the_thread_local_destructors_of_a_worker_can_wake_spawn_and_drop_handles() {
    in_child("the_thread_local_destructors_of_a_worker_can_wake_spawn_and_drop_handles", || {
        let (sender, receiver) = mpsc::channel();
        let place: Arc<Mutex<Option<Waker>>> = Arc::default();
        let handle: Arc<Mutex<Option<Handle>>> = Arc::default();
        let hook = {
            let (sender, place, handle) = (Mutex::new(sender), Arc::clone(&place), Arc::clone(&handle));
            move || {
                let sender = sender.lock().unwrap().clone();
                let (place, handle) = (Arc::clone(&place), Arc::clone(&handle));
                at_thread_exit(move || {
                    let waker = place.lock().unwrap().clone().expect("a waker was left");
                    waker.wake_by_ref();
                    waker.wake();
                    let handle = handle.lock().unwrap().clone().expect("a handle was left");
                    let (task, closure) = (handle.spawn(async {}), handle.spawn_blocking(|| {}));
                    sender.send(task.is_finished() && closure.is_finished()).unwrap();
                });
            }
        };
        // Registered before anything else on the thread, so destroyed after everything else.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().on_thread_start(hook).build().unwrap();
        *handle.lock().unwrap() = Some(runtime.handle().clone());
        let (future, left) = leaves_its_waker();
        let task = runtime.spawn(future);
        *place.lock().unwrap() = Some(waker_in(&left));
        runtime.block_on(async { rt::spawn(async {}).await.unwrap() });
        within(SOON, move || drop(runtime));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [true, true], "refused at once: the runtime is gone");
        assert!(task.is_finished());
        // The hook, which the runtime's parts keep, has what keeps them.
        drop(handle.lock().unwrap().take());
    });
}

#[test]
fn the_thread_local_destructors_of_a_blocking_thread_can_use_the_runtime() {
    in_child("the_thread_local_destructors_of_a_blocking_thread_can_use_the_runtime", || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_keep_alive(Duration::ZERO)
            .build()
            .expect("build a runtime");
        let (future, place) = leaves_its_waker();
        let task = runtime.spawn(future);
        let (waker, handle) = (waker_in(&place), runtime.handle().clone());
        let (sender, receiver) = mpsc::channel();
        let closure = runtime.spawn_blocking(move || {
            at_thread_exit(move || {
                waker.wake();
                let closure = handle.spawn_blocking(|| "closure");
                let task = handle.spawn(async { "task" });
                let done = handle.block_on(async { (task.await.unwrap(), closure.await.unwrap()) });
                sender.send(done).unwrap();
            });
        });
        runtime.block_on(closure).unwrap();
        assert_eq!(receiver.recv_timeout(SOON), Ok(("task", "closure")));
        assert_eq!(within(SOON, move || runtime.block_on(task)).unwrap(), "woken");
    });
}

#[test]
fn the_last_reference_to_a_runtime_can_go_with_a_thread_of_its_own() {
    in_child("the_last_reference_to_a_runtime_can_go_with_a_thread_of_its_own", || {
        let counter = DropCounter::new();
        let runtime = Arc::new(
            Builder::new_multi_thread().worker_threads(1).thread_keep_alive(Duration::ZERO).build().expect("build it"),
        );
        let guard = counter.guard();
        runtime.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let last = Arc::clone(&runtime);
        let gate = Gate::new();
        let passes = gate.clone();
        runtime.spawn_blocking(move || {
            passes.pass();
            at_thread_exit(move || drop(last));
        });
        drop(runtime);
        gate.open();
        eventually(SOON, || counter.drops() == 1);
        // The main thread and that of the test.
        eventually(SOON, || threads() <= 2);
    });
}

#[test]
fn block_on_in_a_thread_local_destructor_of_a_worker_works_on_another_runtime() {
    in_child("block_on_in_a_thread_local_destructor_of_a_worker_works_on_another_runtime", || {
        let (runtime, other) = (multi(1), multi(1));
        let handle = other.handle().clone();
        let (sender, receiver) = mpsc::channel();
        let on_worker = runtime.spawn(async move {
            at_thread_exit(move || sender.send(handle.block_on(async { rt::spawn(async { 5 }).await })).unwrap());
        });
        runtime.block_on(on_worker).unwrap();
        within(SOON, move || drop(runtime));
        assert_eq!(receiver.recv_timeout(SOON).expect("the destructor ran").unwrap(), 5);
        assert!(panic_message(Handle::current).contains("there is no rt runtime on this thread"));
    });
}

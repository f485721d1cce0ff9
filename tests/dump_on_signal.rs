//! Dumps that a signal asks for. Each test has a signal of its own, or a process.

#![cfg(target_os = "linux")]

mod support;

use rt::runtime::{Builder, Handle, Runtime, TaskDump, TaskState};
use rt::signal::unix::{SignalKind, signal};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use support::child::{Child, in_child, is_child_of, wait_for_release};
use support::{Gate, OpenOnDrop, SOON, count, counter, eventually, within};

/// A signal that no other test has.
fn own_signal() -> SignalKind {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let number = libc::SIGRTMIN() + TAKEN.fetch_add(1, Ordering::Relaxed) as i32;
    assert!(number <= libc::SIGRTMAX(), "the system has no more");
    SignalKind::from_raw(number)
}

/// Sends a signal to a process.
fn kill(process: u32, kind: SignalKind) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::kill(process as i32, kind.as_raw_value()) }, 0);
}

fn raise(kind: SignalKind) {
    kill(std::process::id(), kind);
}

fn builders() -> [Builder; 2] {
    [Builder::new_multi_thread(), Builder::new_current_thread()]
}

/// A runtime that sends its dumps, printed, and what they arrive at.
fn reporting(builder: &mut Builder, kind: SignalKind) -> (Runtime, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let send = move |dump: &rt::runtime::Dump| sender.send(format!("{dump:#}")).expect("the test waits");
    let builder = builder.worker_threads(2).enable_all().dump_on_signal_with(kind, send);
    (builder.build().expect("build a runtime"), receiver)
}

#[test]
fn a_signal_has_the_tasks_told_of_each_time() {
    for mut builder in builders() {
        let kind = own_signal();
        let (runtime, dumps) = reporting(&mut builder, kind);
        for round in 1..=3 {
            drop(rt::task::Builder::new().name("waiting").spawn_on(pending::<()>(), runtime.handle()).unwrap());
            raise(kind);
            let dump = dumps.recv_timeout(SOON).expect("a dump");
            assert!(dump.starts_with(&format!("{round} task")), "{dump}");
            assert_eq!(dump.matches("\"waiting\"").count(), round, "{dump}");
        }
        assert!(dumps.try_recv().is_err(), "one for each signal");
    }
}

#[test]
fn the_tasks_are_told_of_while_all_workers_are_stuck_and_nobody_looks_after_them() {
    for (mut builder, workers) in builders().into_iter().zip([2, 1]) {
        let kind = own_signal();
        let (runtime, dumps) = reporting(builder.stall_after(None), kind);
        let handle = runtime.handle().clone();
        let gate = Gate::new();
        let open = OpenOnDrop(gate.clone());
        for _ in 0..workers {
            let gate = gate.clone();
            handle.spawn(async move { gate.pass() });
        }
        let (end, ended) = rt::sync::oneshot::channel::<()>();
        let driving = thread::spawn(move || runtime.block_on(ended));
        gate.await_waiting(workers);
        drop(handle.spawn(async {}));
        raise(kind);
        let dump = dumps.recv_timeout(SOON).expect("a dump");
        let expected = format!("{} tasks: {workers} running, 1 queued, 0 waiting", workers + 1);
        assert!(dump.starts_with(&expected) && dump.contains(" runs on worker 0"), "{dump}");
        drop(open);
        end.send(()).unwrap();
        driving.join().unwrap().unwrap();
    }
}

#[test]
fn a_runtime_that_nobody_drives_is_told_of() {
    let kind = own_signal();
    let (runtime, dumps) = reporting(&mut Builder::new_current_thread(), kind);
    drop(runtime.spawn(async {}));
    raise(kind);
    let dump = dumps.recv_timeout(SOON).expect("a dump");
    assert!(dump.starts_with("1 task: 0 running, 1 queued"), "{dump}");
}

#[test]
fn each_of_several_runtimes_tells_of_its_own() {
    let kind = own_signal();
    let all: Vec<_> = (0..4).map(|number| reporting(&mut builders()[number % 2], kind)).collect();
    for (number, (runtime, _)) in all.iter().enumerate() {
        (0..number).for_each(|_| drop(runtime.spawn(pending::<()>())));
    }
    raise(kind);
    for (number, (_, dumps)) in all.iter().enumerate() {
        let dump = dumps.recv_timeout(SOON).expect("a dump");
        assert!(dump.starts_with(&format!("{number} task")), "{dump}");
    }
}

#[test]
fn a_runtime_without_io_and_timers_tells_of_its_tasks() {
    let kind = own_signal();
    let (sender, dumps) = mpsc::channel();
    let send = move |dump: &rt::runtime::Dump| sender.send(dump.tasks().len()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).dump_on_signal_with(kind, send).build().unwrap();
    drop(runtime.spawn(pending::<()>()));
    raise(kind);
    assert_eq!(dumps.recv_timeout(SOON), Ok(1));
}

#[test]
fn several_signals_each_do_their_own_and_others_may_listen_to_them() {
    let (one, other) = (own_signal(), own_signal());
    let (ones, others) = (counter(), counter());
    let (one_count, other_count) = (ones.clone(), others.clone());
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .dump_on_signal_with(one, move |_| _ = one_count.fetch_add(1, Ordering::SeqCst))
        .dump_on_signal_with(other, move |_| _ = other_count.fetch_add(1, Ordering::SeqCst))
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut listener = signal(one).unwrap();
        raise(one);
        rt::time::timeout(SOON, listener.recv()).await.expect("it is heard");
    });
    eventually(SOON, || count(&ones) == 1);
    assert_eq!(count(&others), 0);
    raise(other);
    eventually(SOON, || count(&others) == 1);
    assert_eq!(count(&ones), 1);
}

#[test]
fn the_function_is_in_the_runtime_and_may_panic() {
    let kind = own_signal();
    let (sender, ids) = mpsc::channel();
    let receive = move |dump: &rt::runtime::Dump| {
        let running = dump.tasks().iter().filter(|task| matches!(task.state(), TaskState::Running { .. })).count();
        sender.send((Handle::current().id(), running)).unwrap();
        panic!("as announced");
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).dump_on_signal_with(kind, receive).build().unwrap();
    for _ in 0..2 {
        raise(kind);
        assert_eq!(ids.recv_timeout(SOON), Ok((runtime.handle().id(), 0)));
    }
}

#[test]
fn a_runtime_that_has_shut_down_is_not_told_of_and_its_signal_does_nothing() {
    for mut builder in builders() {
        let kind = own_signal();
        within(SOON, move || {
            let (runtime, dumps) = reporting(&mut builder, kind);
            drop((runtime, builder));
            // It would end the process.
            raise(kind);
            assert!(dumps.recv().is_err(), "whoever could send is gone");
        });
    }
}

#[test]
fn runtimes_with_dumps_leave_no_thread_and_no_descriptor() {
    in_child("runtimes_with_dumps_leave_no_thread_and_no_descriptor", || {
        let count = |of: &str| std::fs::read_dir(of).expect("list what is open").count();
        let open = || (count("/proc/self/task"), count("/proc/self/fd"));
        drop(reporting(&mut Builder::new_multi_thread(), own_signal()));
        eventually(SOON, || open().0 == 2);
        let before = open();
        let kind = own_signal();
        for round in 0..50 {
            let (runtime, _dumps) = reporting(&mut builders()[round % 2], kind);
            match round % 3 {
                0 => runtime.shutdown_background(),
                1 => runtime.shutdown_timeout(SOON),
                _ => drop(runtime),
            }
        }
        eventually(SOON, || open() == before);
    });
}

#[test]
fn a_signal_that_cannot_be_listened_to_fails_the_build() {
    for number in [0, libc::SIGKILL] {
        for mut builder in builders() {
            let error = builder.dump_on_signal(SignalKind::from_raw(number)).build().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::Other);
            let text = error.to_string();
            assert!(text.contains("no signal can ask for dumps: ") && text.contains(&number.to_string()), "{text}");
        }
    }
}

#[test]
fn two_runtimes_print_to_standard_error_whole_and_one_after_the_other() {
    let test = "two_runtimes_print_to_standard_error_whole_and_one_after_the_other";
    if is_child_of(test) {
        let runtimes = builders().map(|mut builder| {
            let builder = builder.worker_threads(2).enable_all().dump_on_signal(SignalKind::quit());
            builder.build().unwrap()
        });
        for (runtime, name) in runtimes.iter().zip(["sleeper", "waiter"]) {
            for _ in 0..3 {
                let task = rt::task::Builder::new().name(name).spawn_on(pending::<()>(), runtime.handle());
                drop(task.unwrap());
            }
        }
        // Else they would be in several states, and on as many lines.
        let is_waiting = |task: &TaskDump| matches!(task.state(), TaskState::Waiting { .. });
        eventually(SOON, || runtimes[0].handle().dump().tasks().iter().all(is_waiting));
        println!("\nready.");
        return wait_for_release();
    }
    let mut child = Child::start(test, |_| {});
    child.prints("ready.");
    for round in 1..=2 {
        kill(child.id(), SignalKind::quit());
        eventually(SOON, || child.stderr().matches(" asks what runtime ").count() == 2 * round);
        eventually(SOON, || child.stderr().matches("3 tasks \"").count() == 2 * round);
    }
    child.release();
    let (_, stderr) = child.succeeds();
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 8, "{stderr}");
    for dump in lines.chunks(2) {
        assert!(
            dump[0].starts_with("rt: signal 3 asks what runtime ") && dump[0].contains(" does: 3 tasks: "),
            "{stderr}"
        );
        let name = if dump[0].contains("3 queued") { "waiter" } else { "sleeper" };
        assert!(dump[1].starts_with(&format!("  3 tasks \"{name}\" spawned at tests/dump_on_signal.rs:")), "{stderr}");
    }
}

#[test]
fn a_shutdown_that_waits_for_a_stuck_task_can_be_asked_for_whom() {
    let kind = own_signal();
    let (runtime, dumps) = reporting(&mut Builder::new_multi_thread(), kind);
    let gate = Gate::new();
    let open = OpenOnDrop(gate.clone());
    let pass = gate.clone();
    runtime.spawn(async move { pass.pass() });
    gate.await_waiting(1);
    // The shutdown drops this one, and so has begun when it has gone.
    drop(runtime.spawn(pending::<()>()));
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_alive_tasks(), 2);
    let dropping = thread::spawn(move || drop(runtime));
    eventually(SOON, || metrics.num_alive_tasks() == 1);
    raise(kind);
    let dump = dumps.recv_timeout(SOON).expect("a dump");
    assert!(dump.starts_with("1 task: 1 running"), "{dump}");
    drop(open);
    dropping.join().unwrap();
}

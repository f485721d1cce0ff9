//! Children that are dropped: whatever goes first, child, runtime or process, the system's table has no entry of it in the end.

use crate::support::child::in_child;
use crate::support::{SOON, current, eventually, multi};
use crate::table::{children, expect_gone, expect_no_children, is_gone, kill, open_files, threads};
use crate::waits::ending;
use rt::process::{Child, Command};
use rt::runtime::Runtime;
use std::process::Stdio;
use std::time::Duration;

/// A process that ends when its input does.
fn waiting(kill_on_drop: bool) -> (Child, u32) {
    let mut command = Command::new("cat");
    let child = command.stdin(Stdio::piped()).kill_on_drop(kill_on_drop).spawn().expect("start a process");
    let number = child.id().expect("it runs");
    (child, number)
}

fn is_zombie(process: u32) -> bool {
    children().contains(&(process, 'Z'))
}

#[test]
fn a_child_that_is_dropped_goes_on_and_is_reaped_when_it_ends() {
    for runtime in [multi(1), current()] {
        runtime.block_on(async {
            let (mut child, number) = waiting(false);
            let stdin = child.stdin.take();
            drop(child);
            rt::time::sleep(Duration::from_millis(20)).await;
            assert!(!is_gone(number) && !is_zombie(number), "it runs");
            drop(stdin);
            expect_gone(number);
        });
    }
}

#[test]
fn a_child_that_is_killed_on_drop_is_reaped() {
    for runtime in [multi(1), current()] {
        let (mut child, number) = runtime.block_on(async { waiting(true) });
        let _stdin = child.stdin.take();
        drop(child);
        expect_gone(number);
    }
}

#[test]
fn a_child_that_has_ended_and_was_not_waited_for_is_reaped_at_once() {
    let runtime = multi(1);
    let mut child = runtime.block_on(async { ending(0) });
    let number = child.id().unwrap();
    eventually(SOON, || is_zombie(number));
    child.stdin = None;
    drop(child);
    assert!(is_gone(number));
}

#[test]
fn a_child_that_was_killed_and_dropped_is_reaped() {
    current().block_on(async {
        let (mut child, number) = waiting(false);
        let _stdin = child.stdin.take();
        child.start_kill().unwrap();
        drop(child);
        expect_gone(number);
    });
}

/// All orders of: the child is dropped, its runtime is dropped, the process ends.
#[test]
fn the_order_of_child_runtime_and_process_does_not_matter() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        DropChild,
        DropRuntime,
        EndProcess,
    }
    use Step::*;
    let orders = [
        [DropChild, DropRuntime, EndProcess],
        [DropChild, EndProcess, DropRuntime],
        [DropRuntime, DropChild, EndProcess],
        [DropRuntime, EndProcess, DropChild],
        [EndProcess, DropChild, DropRuntime],
        [EndProcess, DropRuntime, DropChild],
    ];
    let runtimes: [fn() -> Runtime; 2] = [|| multi(2), current];
    for order in orders {
        for (kill_on_drop, make) in
            [(false, runtimes[0]), (true, runtimes[0]), (false, runtimes[1]), (true, runtimes[1])]
        {
            let runtime = make();
            let (mut child, number) = runtime.block_on(async { waiting(kill_on_drop) });
            let (mut stdin, mut child, mut runtime) = (child.stdin.take(), Some(child), Some(runtime));
            for step in order {
                match step {
                    DropChild => drop(child.take()),
                    DropRuntime => drop(runtime.take()),
                    EndProcess => {
                        drop(stdin.take());
                        eventually(SOON, || is_gone(number) || is_zombie(number));
                    }
                }
            }
            eventually(SOON, || is_gone(number));
        }
    }
}

#[test]
fn a_child_in_a_task_that_is_cancelled_is_reaped() {
    let runtime = multi(2);
    let (sender, receiver) = std::sync::mpsc::channel();
    let task = runtime.spawn(async move {
        let (mut child, number) = waiting(true);
        let _stdin = child.stdin.take();
        sender.send(number).unwrap();
        child.wait().await
    });
    let number = receiver.recv().unwrap();
    task.abort();
    expect_gone(number);
}

#[test]
fn the_child_of_a_future_that_is_dropped_is_reaped_when_it_ends() {
    in_child("drops::the_child_of_a_future_that_is_dropped_is_reaped_when_it_ends", || {
        let runtime = current();
        let number = runtime.block_on(async {
            let mut command = Command::new("sleep");
            let status = command.arg("60").status();
            let waited = rt::time::timeout(Duration::from_millis(5), status).await;
            assert!(waited.is_err());
            let children = children();
            assert_eq!(children.len(), 1);
            children[0].0
        });
        drop(runtime);
        kill(number, libc::SIGKILL);
        expect_no_children();
    });
}

#[test]
fn many_children_without_anybody_are_all_reaped_and_the_thread_for_them_ends() {
    in_child("drops::many_children_without_anybody_are_all_reaped_and_the_thread_for_them_ends", || {
        // What the first runtime opens for good.
        drop(multi(1));
        eventually(SOON, || threads() == 2);
        let before = (threads(), open_files());
        for _ in 0..2 {
            let runtime = multi(1);
            let left: Vec<_> = runtime.block_on(async {
                (0..100)
                    .map(|_| {
                        let (mut child, _) = waiting(false);
                        child.stdin.take()
                    })
                    .collect()
            });
            drop(runtime);
            assert_eq!(children().len(), 100);
            assert!(children().iter().all(|(_, state)| *state != 'Z'));
            drop(left);
            expect_no_children();
            eventually(SOON, || (threads(), open_files()) == before);
        }
    });
}

#[test]
fn children_are_reaped_when_nobody_could_be_started_for_them_at_first() {
    in_child("drops::children_are_reaped_when_nobody_could_be_started_for_them_at_first", || {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let runtime = current();
        runtime.block_on(async {
            let (mut child, number) = waiting(false);
            let stdin = child.stdin.take();
            let usual = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(3), ..usual }).unwrap();
            drop(child);
            setrlimit(Resource::Nofile, usual).unwrap();
            drop(stdin);
            eventually(SOON, || is_zombie(number));
            // The next one brings help.
            assert!(Command::new("true").status().await.unwrap().success());
            expect_gone(number);
        });
    });
}

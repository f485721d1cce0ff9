//! The end of a process, and who learns of it.

use crate::support::child::in_child;
use crate::support::{SOON, current, eventually, multi, within};
use crate::table::{children, expect_gone, expect_no_children, is_gone, kill, open_files};
use rt::process::{Child, Command};
use rt::time::timeout;
use std::future::{Future, poll_fn};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub(crate) fn sleeping() -> Child {
    Command::new("sleep").arg("60").kill_on_drop(true).spawn().expect("start a process")
}

pub(crate) fn ending(code: i32) -> Child {
    Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().expect("start a process")
}

#[test]
fn exit_codes_and_signals_are_told_and_the_process_is_gone() {
    for runtime in [multi(2), current()] {
        runtime.block_on(async {
            for code in [0, 1, 42, 255] {
                let mut child = ending(code);
                let number = child.id().unwrap();
                let status = child.wait().await.unwrap();
                assert_eq!((status.code(), status.success(), status.signal()), (Some(code), code == 0, None));
                assert!(is_gone(number));
            }
            for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGUSR1, libc::SIGRTMIN() + 3] {
                let mut child = sleeping();
                kill(child.id().unwrap(), signal);
                let status = child.wait().await.unwrap();
                assert_eq!((status.code(), status.signal()), (None, Some(signal)));
            }
        });
    }
}

#[test]
fn a_core_dump_is_told_as_std_tells_it() {
    let abort = "ulimit -c 0 2>/dev/null; kill -ABRT $$";
    let expected = std::process::Command::new("sh").args(["-c", abort]).status().unwrap();
    let status = current().block_on(async { Command::new("sh").args(["-c", abort]).status().await }).unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (expected.signal(), expected.core_dumped()));
}

#[test]
fn the_end_is_told_again_and_again() {
    current().block_on(async {
        let mut child = ending(5);
        assert!(child.id().is_some());
        for _ in 0..3 {
            assert_eq!(child.wait().await.unwrap().code(), Some(5));
            assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(5));
            assert_eq!(child.id(), None);
            child.start_kill().unwrap();
            child.kill().await.unwrap();
        }
        assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(5));
    });
}

#[test]
fn a_process_can_be_asked_without_waiting() {
    current().block_on(async {
        let mut child = sleeping();
        assert_eq!(child.try_wait().unwrap(), None);
        child.start_kill().unwrap();
        let mut status = None;
        eventually(SOON, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().signal(), Some(libc::SIGKILL));
        assert_eq!(child.wait().await.unwrap(), status.unwrap());
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    for runtime in [multi(2), current()] {
        runtime.block_on(async {
            let mut child = sleeping();
            for _ in 0..5 {
                assert!(timeout(Duration::from_millis(1), child.wait()).await.is_err());
            }
            kill(child.id().unwrap(), libc::SIGTERM);
            // It ends while nobody waits.
            let number = child.id().unwrap();
            let stat = || std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
            eventually(SOON, || stat().contains(") Z "));
            rt::time::sleep(Duration::from_millis(5)).await;
            {
                let mut wait = pin!(child.wait());
                let _ = wait.as_mut();
            }
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
        });
    }
}

#[test]
fn whoever_polls_last_is_woken() {
    multi(2).block_on(async {
        let mut child = sleeping();
        {
            let mut wait = pin!(child.wait());
            assert!(poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
        }
        let number = child.id().unwrap();
        let task = rt::spawn(async move { child.wait().await });
        rt::time::sleep(Duration::from_millis(5)).await;
        kill(number, libc::SIGTERM);
        assert_eq!(task.await.unwrap().unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn a_process_that_stops_and_goes_on_has_not_ended() {
    current().block_on(async {
        let mut child = sleeping();
        for signal in [libc::SIGSTOP, libc::SIGCONT] {
            kill(child.id().unwrap(), signal);
            assert!(timeout(Duration::from_millis(20), child.wait()).await.is_err());
            assert_eq!(child.try_wait().unwrap(), None);
        }
        child.kill().await.unwrap();
    });
}

#[test]
fn a_kill_waits_for_the_end() {
    current().block_on(async {
        let mut child = sleeping();
        let number = child.id().unwrap();
        child.kill().await.unwrap();
        assert!(is_gone(number));
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_kill_that_is_dropped_kills_all_the_same() {
    current().block_on(async {
        let mut child = sleeping();
        {
            let mut killing = pin!(child.kill());
            let _ = poll_fn(|cx| Poll::Ready(killing.as_mut().poll(cx).is_ready())).await;
        }
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_child_that_somebody_else_has_reaped_is_an_error_and_nobody_else_is_hit() {
    current().block_on(async {
        let mut child = ending(0);
        let number = child.id().unwrap();
        let mut status = 0;
        // SAFETY: the pointer is valid.
        assert_eq!(unsafe { libc::waitpid(number as i32, &raw mut status, 0) }, number as i32);
        for _ in 0..2 {
            let error = timeout(SOON, child.wait()).await.unwrap().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            assert_eq!(child.try_wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
            assert_eq!(child.start_kill().unwrap_err().raw_os_error(), Some(libc::ESRCH));
        }
    });
}

#[test]
fn after_its_runtime_a_child_can_be_asked_and_killed_but_not_waited_for() {
    let runtime = multi(1);
    let (mut running, mut ended) = runtime.block_on(async { (sleeping(), ending(6)) });
    drop(runtime);
    current().block_on(async {
        let error = running.wait().await.unwrap_err();
        assert!(error.to_string().contains("shut down"), "{error}");
        assert_eq!(running.try_wait().unwrap(), None);
        running.start_kill().unwrap();
        eventually(SOON, || running.try_wait().unwrap().is_some());
        assert_eq!(running.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        let number = ended.id().unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
        eventually(SOON, || stat().contains(") Z "));
        assert_eq!(ended.wait().await.unwrap().code(), Some(6));
    });
}

#[test]
fn a_shutdown_does_not_wait_for_children() {
    within(SOON, || {
        let runtime = multi(2);
        let task = runtime.spawn(async { sleeping().wait().await });
        let number = runtime.block_on(async {
            let child = sleeping();
            let number = child.id().unwrap();
            rt::spawn(async move { child.wait_with_output().await });
            number
        });
        drop(runtime);
        assert!(current().block_on(task).unwrap_err().is_cancelled());
        expect_gone(number);
    });
}

#[test]
fn children_of_many_runtimes_at_once() {
    within(2 * SOON, || {
        let runtimes = [multi(2), multi(1)];
        let tasks: Vec<_> = (0..100)
            .map(|number| runtimes[number as usize % 2].spawn(async move { ending(number % 256).wait().await }))
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(runtimes[0].block_on(task).unwrap().unwrap().code(), Some(number as i32));
        }
    });
}

/// Waits that are given up at random moments, children that are dropped in all states, and none is left.
#[test]
fn a_crowd_of_children_leaves_neither_processes_nor_descriptors() {
    in_child("waits::a_crowd_of_children_leaves_neither_processes_nor_descriptors", || {
        let runtime = multi(2);
        let before = runtime.block_on(async { open_files() });
        let tasks: Vec<_> = (0..200_u64)
            .map(|number| {
                runtime.spawn(async move {
                    let mut command = Command::new("sh");
                    command.args(["-c", if number % 3 == 0 { "exit 3" } else { "sleep 0.0$1; exit 3" }, "sh"]);
                    command.arg((number % 10).to_string()).kill_on_drop(number % 5 == 0);
                    let mut child = command.spawn().unwrap();
                    rt::time::sleep(Duration::from_micros(number * 37 % 5000)).await;
                    match number % 4 {
                        0 => drop(child),
                        1 => drop(timeout(Duration::from_micros(number * 91 % 20_000), child.wait()).await),
                        2 => assert_eq!(child.wait().await.unwrap().code(), Some(3)),
                        _ => {
                            let _ = timeout(Duration::from_micros(number * 53 % 9000), child.wait()).await;
                            child.kill().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        expect_no_children();
        // The thread that reaped them stays for a while.
        eventually(SOON, || open_files() == before);
        assert_eq!(children(), []);
    });
}

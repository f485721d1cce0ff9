//! The same where the system gives no descriptors of processes: an old kernel, a filter of a container. Such a filter is what these tests put
//! on a process of their own.

use crate::support::child::in_child;
use crate::support::{SOON, current, eventually, multi, within};
use crate::table::{children, expect_gone, expect_no_children, kill, open_files, process_descriptors};
use crate::waits::{ending, sleeping};
use rt::process::Command;
use rt::time::timeout;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// From now on, for this thread and those it starts, there are no descriptors of processes.
fn forbid_descriptors(error: i32) {
    let step = |code: u32, jump_true, jump_false, constant| libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k: constant,
    };
    let mut program = [
        // The number of the call is the first word.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_pidfd_open as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program is valid, and copied.
    let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(filtered, 0, "{}", std::io::Error::last_os_error());
}

/// Runs `body` in a process without descriptors of processes; `test` is the name of the calling test.
fn without(test: &str, body: impl FnOnce()) {
    in_child(&format!("without_descriptors::{test}"), || {
        forbid_descriptors(libc::ENOSYS);
        body();
        assert_eq!(process_descriptors(), 0, "the filter does nothing");
    });
}

#[test]
fn there_are_descriptors_without_a_filter() {
    in_child("without_descriptors::there_are_descriptors_without_a_filter", || {
        current().block_on(async {
            let _child = sleeping();
            assert_eq!(process_descriptors(), 1);
        });
    });
}

#[test]
fn children_are_waited_for_killed_and_asked() {
    without("children_are_waited_for_killed_and_asked", || {
        for runtime in [multi(2), current()] {
            runtime.block_on(async {
                assert_eq!(ending(7).wait().await.unwrap().code(), Some(7));
                let mut child = sleeping();
                assert_eq!(process_descriptors(), 0);
                assert!(timeout(Duration::from_millis(5), child.wait()).await.is_err());
                assert_eq!(child.try_wait().unwrap(), None);
                let mut other = sleeping();
                kill(child.id().unwrap(), libc::SIGTERM);
                assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
                assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
                assert!(timeout(Duration::from_millis(5), other.wait()).await.is_err());
                other.kill().await.unwrap();
                let output = Command::new("sh").args(["-c", "echo hello"]).output().await.unwrap();
                assert_eq!(output.stdout, b"hello\n");
            });
        }
        expect_no_children();
    });
}

#[test]
fn a_filter_that_says_that_it_is_not_permitted_is_the_same() {
    in_child("without_descriptors::a_filter_that_says_that_it_is_not_permitted_is_the_same", || {
        forbid_descriptors(libc::EPERM);
        current().block_on(async { assert_eq!(ending(7).wait().await.unwrap().code(), Some(7)) });
    });
}

#[test]
fn children_that_end_at_once_are_all_noticed() {
    without("children_that_end_at_once_are_all_noticed", || {
        within(2 * SOON, || {
            let runtimes = [multi(2), multi(1)];
            for _ in 0..5 {
                let tasks: Vec<_> = (0..40)
                    .map(|code| runtimes[code as usize % 2].spawn(async move { ending(code).wait().await }))
                    .collect();
                for (code, task) in tasks.into_iter().enumerate() {
                    assert_eq!(runtimes[0].block_on(task).unwrap().unwrap().code(), Some(code as i32));
                }
            }
        });
    });
}

#[test]
fn children_that_are_dropped_are_reaped_with_and_without_a_runtime() {
    without("children_that_are_dropped_are_reaped_with_and_without_a_runtime", || {
        let runtime = multi(1);
        let before = runtime.block_on(async { open_files() });
        let number = runtime.block_on(async { sleeping().id().unwrap() });
        expect_gone(number);
        let left: Vec<_> = runtime.block_on(async {
            let start = |_| Command::new("sleep").arg("60").spawn().unwrap().id().unwrap();
            (0..10).map(start).collect()
        });
        eventually(SOON, || children().len() == 10);
        for &number in &left[..5] {
            kill(number, libc::SIGKILL);
        }
        left[..5].iter().for_each(|&number| expect_gone(number));
        drop(runtime);
        for &number in &left[5..] {
            kill(number, libc::SIGKILL);
        }
        expect_no_children();
        // The runtime is gone, and after a while the thread is.
        eventually(SOON, || open_files() < before);
    });
}

#[test]
fn a_wait_outlives_its_runtime() {
    without("a_wait_outlives_its_runtime", || {
        let runtime = multi(1);
        let mut child = runtime.block_on(async { sleeping() });
        drop(runtime);
        current().block_on(async {
            kill(child.id().unwrap(), libc::SIGTERM);
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
        });
    });
}

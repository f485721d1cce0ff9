//! What a command says about the process to come.

use crate::support::child::in_child;
use crate::support::{current, multi, panic_message};
use crate::table::{children, expect_no_children, open_files};
use rt::process::Command;
use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// What a shell prints.
async fn printed(command: &mut Command) -> String {
    let output = command.output().await.expect("run a command");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn arguments_environment_and_directory_reach_the_process() {
    current().block_on(async {
        let mut command = shell("echo $0 $1 $2; echo $ONE $TWO $THREE; pwd");
        command.arg("zero").args(["one  word", "2"]);
        command.env("ONE", "1").envs([("TWO", "2"), ("THREE", "3")]).env_remove("THREE").current_dir("/usr");
        assert_eq!(printed(&mut command).await, "zero one word 2\n1 2\n/usr\n");
        let mut bare = Command::new("/usr/bin/env");
        assert_eq!(printed(bare.env_clear().env("ONLY", "this")).await, "ONLY=this\n");
    });
}

#[test]
fn user_group_name_and_process_group_are_set() {
    current().block_on(async {
        let mut command = shell("ps -o pgid= -p $$ 2>/dev/null || cut -d ' ' -f 5 /proc/$$/stat; echo $$");
        let groups = printed(command.process_group(0)).await;
        let mut groups = groups.split_whitespace();
        assert_eq!(groups.next(), groups.next(), "it leads its own");
        let mut command = Command::new("sh");
        command.arg0("another name").args(["-c", "tr '\\0' '\\n' </proc/$$/cmdline | head -n 1"]);
        assert_eq!(printed(&mut command).await, "another name\n");
        // SAFETY: takes nothing.
        if unsafe { libc::geteuid() } == 0 {
            let mut command = shell("id -u; id -g");
            assert_eq!(printed(command.uid(12345).gid(54321)).await, "12345\n54321\n");
        }
    });
}

#[test]
fn a_function_is_called_in_the_new_process_before_it_is_the_program() {
    current().block_on(async {
        let mut command = shell("ulimit -n");
        let limit = || {
            let limit = libc::rlimit { rlim_cur: 77, rlim_max: 77 };
            // SAFETY: the pointer is valid.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
            Ok(())
        };
        // SAFETY: it makes one system call.
        assert_eq!(printed(unsafe { command.pre_exec(limit) }).await, "77\n");
        let mut command = shell("true");
        // SAFETY: it only returns.
        unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EACCES))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EACCES));
    });
}

#[test]
fn a_command_goes_from_std_and_back() {
    let mut std = std::process::Command::new("sh");
    std.args(["-c", "exit 7"]).process_group(0);
    let mut command = Command::from(std);
    assert!(!command.get_kill_on_drop());
    assert!(command.kill_on_drop(true).get_kill_on_drop());
    assert_eq!(command.as_std().get_program(), "sh");
    command.as_std_mut().arg("more");
    assert_eq!(command.as_std().get_args().count(), 3);
    current().block_on(async { assert_eq!(command.status().await.unwrap().code(), Some(7)) });
    assert_eq!(command.into_std().status().unwrap().code(), Some(7));
}

#[test]
fn one_command_can_be_run_many_times() {
    multi(2).block_on(async {
        let mut command = shell("exit 4");
        for _ in 0..5 {
            assert_eq!(command.status().await.unwrap().code(), Some(4));
        }
        assert_eq!(command.output().await.unwrap().status.code(), Some(4));
    });
}

#[test]
fn futures_of_commands_borrow_nothing_can_be_sent_and_begin_at_once() {
    fn sendable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let runtime = multi(2);
    let (status, output) = {
        let _entered = runtime.enter();
        let mut command = shell("echo $$; exit 3");
        command.stdout(Stdio::null());
        let status = sendable(command.status());
        let output = sendable(command.output());
        assert!(children().len() >= 2, "they have been started");
        (status, output)
    };
    assert_eq!(runtime.block_on(runtime.spawn(status)).unwrap().unwrap().code(), Some(3));
    assert_eq!(runtime.block_on(runtime.spawn(output)).unwrap().unwrap().status.code(), Some(3));
}

#[test]
fn types_can_be_sent_and_shared() {
    fn is<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    is::<Command>();
    is::<rt::process::Child>();
    is::<rt::process::ChildStdin>();
    is::<rt::process::ChildStdout>();
    is::<rt::process::ChildStderr>();
    fn reads<T: rt::io::AsyncRead + hyper::rt::Read + futures_io::AsyncRead>() {}
    reads::<rt::process::ChildStdout>();
    reads::<rt::process::ChildStderr>();
    fn writes<T: rt::io::AsyncWrite + hyper::rt::Write + futures_io::AsyncWrite>() {}
    writes::<rt::process::ChildStdin>();
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_leaves_nothing() {
    in_child("commands::a_program_that_is_not_there_is_an_error_and_leaves_nothing", || {
        current().block_on(async {
            let before = open_files();
            for _ in 0..10 {
                let mut command = Command::new("/no/such/program");
                assert_eq!(command.spawn().unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.status().await.unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.output().await.unwrap_err().kind(), ErrorKind::NotFound);
            }
            assert_eq!(open_files(), before);
            assert_eq!(children(), []);
        });
    });
}

#[test]
fn outside_a_runtime_nothing_is_started() {
    in_child("commands::outside_a_runtime_nothing_is_started", || {
        let message = panic_message(|| Command::new("sleep").arg("60").spawn());
        assert!(message.contains("no rt runtime on this thread"), "{message}");
        let without = rt::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let message = panic_message(|| without.block_on(async { Command::new("sleep").arg("60").spawn() }));
        assert!(message.contains("enable_io"), "{message}");
        assert_eq!(children(), []);
    });
}

#[test]
fn what_is_started_on_a_runtime_that_has_shut_down_is_killed() {
    in_child("commands::what_is_started_on_a_runtime_that_has_shut_down_is_killed", || {
        let runtime = multi(1);
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        for _ in 0..3 {
            let error = Command::new("sleep").arg("60").spawn().unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
        }
        expect_no_children();
    });
}

#[test]
fn a_function_of_ones_own_can_start_the_process() {
    current().block_on(async {
        let mut child = Command::new("sh").spawn_with(|std| std.args(["-c", "exit 9"]).spawn()).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(9));
        let error = Command::new("sh").spawn_with(|_| Err(ErrorKind::PermissionDenied.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

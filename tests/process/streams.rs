//! The standard streams of a process.

use crate::support::{SOON, current, multi};
use rt::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use rt::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use rt::time::timeout;
use rustix::fs::{OFlags, fcntl_getfl};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;
use std::time::Duration;

fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

#[test]
fn what_is_written_to_a_process_comes_back() {
    for runtime in [multi(2), current()] {
        runtime.block_on(async {
            let mut child = cat().spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let mut stdout = child.stdout.take().unwrap();
            for round in 0..20_u8 {
                stdin.write_all(&[round; 100]).await.unwrap();
                let mut back = [0; 100];
                stdout.read_exact(&mut back).await.unwrap();
                assert_eq!(back, [round; 100]);
            }
            drop(stdin);
            assert_eq!(stdout.read_to_end(&mut Vec::new()).await.unwrap(), 0);
            assert!(child.wait().await.unwrap().success());
        });
    }
}

#[test]
fn more_than_a_pipe_holds_goes_both_ways_at_once() {
    multi(2).block_on(async {
        let mut child = cat().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let data: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
        let sent = data.clone();
        let writing = rt::spawn(async move { stdin.write_all(&sent).await });
        let output = timeout(SOON, child.wait_with_output()).await.expect("it does not hang").unwrap();
        writing.await.unwrap().unwrap();
        assert!(output.stdout == data);
    });
}

#[test]
fn both_outputs_are_collected_whatever_their_order_and_size() {
    current().block_on(async {
        let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero; head -c 100 /dev/zero >&2; exit 1";
        let output = timeout(SOON, Command::new("sh").args(["-c", script]).output()).await.unwrap().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (200_000, 300_100));
        assert_eq!(output.status.code(), Some(1));
    });
}

#[test]
fn lines_are_read_as_they_come() {
    current().block_on(async {
        let script = "for i in 1 2 3; do echo line $i; read go; done";
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        while let Some(line) = lines.next_line().await.unwrap() {
            count += 1;
            assert_eq!(line, format!("line {count}"));
            stdin.write_all(b"go\n").await.unwrap();
        }
        assert_eq!(count, 3);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_wait_closes_the_input_and_asking_does_not() {
    current().block_on(async {
        let mut child = cat().spawn().unwrap();
        rt::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.stdin.is_some());
        assert!(timeout(SOON, child.wait()).await.expect("cat reads the end").unwrap().success());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn a_status_closes_all_streams() {
    current().block_on(async {
        let mut command = cat();
        command.stderr(Stdio::piped());
        assert!(timeout(SOON, command.status()).await.expect("cat reads the end").unwrap().success());
        // It is not stuck with output that nobody reads.
        let mut yes = Command::new("yes");
        assert!(!timeout(SOON, yes.stdout(Stdio::piped()).status()).await.expect("a broken pipe").unwrap().success());
    });
}

#[test]
fn streams_that_are_not_piped_are_not_there() {
    current().block_on(async {
        let child = Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        let output = child.wait_with_output().await.unwrap();
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    });
}

#[test]
fn writing_to_a_process_that_has_ended_is_a_broken_pipe() {
    current().block_on(async {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        assert_eq!(stdin.write_all(b"hello").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_output_of_one_is_the_input_of_another() {
    current().block_on(async {
        let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
        let echoed: Stdio = echo.stdout.take().unwrap().try_into().unwrap();
        let mut upper = Command::new("tr");
        upper.args(["a-z", "A-Z"]).stdin(echoed).stdout(Stdio::piped());
        let upper = upper.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(upper.stdout, b"HELLO\n");
        assert!(echo.wait().await.unwrap().success());
        // And the input of one is what another writes to.
        let mut sink = cat().spawn().unwrap();
        let into: Stdio = sink.stdin.take().unwrap().try_into().unwrap();
        assert!(Command::new("echo").arg("there").stdout(into).status().await.unwrap().success());
        assert_eq!(sink.wait_with_output().await.unwrap().stdout, b"there\n");
    });
}

#[test]
fn a_stream_as_a_descriptor_blocks_and_is_itself() {
    current().block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "read line; echo $line; echo oops >&2"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout, stderr) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
            assert!(fcntl_getfl(stream).unwrap().contains(OFlags::NONBLOCK));
        }
        let numbers = [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()];
        let descriptors =
            [stdin.into_owned_fd().unwrap(), stdout.into_owned_fd().unwrap(), stderr.into_owned_fd().unwrap()];
        assert_eq!(descriptors.each_ref().map(|descriptor| descriptor.as_raw_fd()), numbers);
        assert!(descriptors.iter().all(|descriptor| !fcntl_getfl(descriptor).unwrap().contains(OFlags::NONBLOCK)));
        let [mut stdin, mut stdout, mut stderr] = descriptors.map(std::fs::File::from);
        stdin.write_all(b"hello\n").unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).unwrap();
        stderr.read_to_string(&mut err).unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("hello\n", "oops\n"));
        child.wait().await.unwrap();
    });
}

#[test]
fn streams_of_stds_children_are_taken_over() {
    current().block_on(async {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "cat; echo done >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
        let mut stdout = ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut stderr = ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
        stdin.write_all(b"hello").await.unwrap();
        // Does nothing: the process reads the end when the stream is dropped.
        stdin.shutdown().await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).await.unwrap();
        stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("hello", "done\n"));
        child.wait().unwrap();
    });
}

#[test]
fn a_collection_that_is_dropped_takes_the_child_with_it_if_that_was_wanted() {
    current().block_on(async {
        let mut command = Command::new("sh");
        let child =
            command.args(["-c", "echo $$; exec sleep 60"]).kill_on_drop(true).stdout(Stdio::piped()).spawn().unwrap();
        let number = child.id().unwrap();
        assert!(timeout(Duration::from_millis(20), child.wait_with_output()).await.is_err());
        crate::table::expect_gone(number);
    });
}

//! Standard input, output and error. Each test runs in a process of its own, whose streams are pipes.

mod support;

use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rt::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Stderr, Stdin, Stdout, stderr, stdin, stdout};
use rt::runtime::Runtime;
use rt::time::timeout;
use support::child::{Child, is_child_of, wait_for_release};
use support::{SOON, current, eventually, multi, within};

/// Polls once.
fn once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn child(test: &str) -> Child {
    Child::start(test, |_| {})
}

fn runtimes() -> [Runtime; 2] {
    [current(), multi(2)]
}

// Standard input.

#[test]
fn input_is_read_to_its_end() {
    let test = "input_is_read_to_its_end";
    if is_child_of(test) {
        return runtimes()[1].block_on(async {
            let mut lines = BufReader::new(stdin()).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                println!("<{line}>");
            }
            println!("end");
            let mut more = Vec::new();
            assert_eq!(stdin().read_to_end(&mut more).await.unwrap(), 0, "the end stays the end");
        });
    }
    let mut child = child(test);
    child.send("one\ntw");
    child.prints("<one>");
    child.send("o\nGrüße");
    child.prints("<two>");
    child.end_input();
    let (stdout, _) = child.succeeds();
    assert!(stdout.contains("<Grüße>\nend"), "{stdout}");
}

#[test]
fn a_long_input_comes_in_order() {
    let test = "a_long_input_comes_in_order";
    const LENGTH: usize = 1_000_000;
    if is_child_of(test) {
        for runtime in runtimes().iter().take(1) {
            runtime.block_on(async {
                let mut bytes = Vec::new();
                stdin().read_to_end(&mut bytes).await.unwrap();
                let expected = (0..LENGTH).map(|index| b'a' + (index % 23) as u8);
                assert!(bytes.iter().copied().eq(expected), "{} bytes", bytes.len());
            });
        }
        return;
    }
    let mut child = child(test);
    let text: String = (0..LENGTH).map(|index| char::from(b'a' + (index % 23) as u8)).collect();
    child.send(&text);
    child.end_input();
    child.succeeds();
}

#[test]
fn a_read_that_waits_holds_up_neither_the_shutdown_nor_the_end_of_the_process() {
    let test = "a_read_that_waits_holds_up_neither_the_shutdown_nor_the_end_of_the_process";
    if is_child_of(test) {
        for runtime in runtimes() {
            let reading = runtime.spawn(async { stdin().read(&mut [0; 10]).await });
            runtime.block_on(async {
                let waited = timeout(Duration::from_millis(20), stdin().read(&mut [0; 10])).await;
                assert!(waited.is_err(), "there is no input");
            });
            within(SOON, move || drop(runtime));
            drop(reading);
            println!("shut down");
        }
        return;
    }
    // Its input stays open.
    let (stdout, stderr) = child(test).succeeds();
    assert_eq!(stdout.matches("shut down").count(), 2, "{stdout}");
    assert!(!stderr.contains("the runtime is shutting down"), "{stderr}");
}

#[test]
fn a_cancelled_read_loses_no_byte_also_across_runtimes() {
    let test = "a_cancelled_read_loses_no_byte_also_across_runtimes";
    if is_child_of(test) {
        let [first, second] = runtimes();
        let waits = first.spawn(async { stdin().read(&mut [0; 100]).await });
        first.block_on(async {
            rt::task::yield_now().await;
            assert!(once(stdin().read(&mut [0; 100])).is_pending());
        });
        drop(first);
        assert!(second.block_on(waits).unwrap_err().is_cancelled());
        println!("dropped");
        second.block_on(async {
            let mut input = stdin();
            let mut piece = [0; 3];
            input.read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, b"one");
            assert!(once(stdin().read(&mut [0; 1])).is_ready(), "the rest of it is there");
            let mut rest = String::new();
            BufReader::new(stdin()).read_line(&mut rest).await.unwrap();
            println!("<{}>", rest.trim_end());
        });
        return;
    }
    let mut child = child(test);
    child.prints("dropped");
    child.send("one two three\n");
    let (stdout, _) = child.succeeds();
    assert!(stdout.contains("<two three>"), "{stdout}");
}

#[test]
fn several_readers_get_each_byte_once() {
    let test = "several_readers_get_each_byte_once";
    if is_child_of(test) {
        return runtimes()[1].block_on(async {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    rt::spawn(async {
                        let (mut input, mut found, mut piece) = (stdin(), Vec::new(), [0; 7]);
                        loop {
                            match input.read(&mut piece).await.unwrap() {
                                0 => return found,
                                count => found.extend_from_slice(&piece[..count]),
                            }
                        }
                    })
                })
                .collect();
            let mut all = Vec::new();
            for reader in readers {
                all.extend(reader.await.unwrap());
            }
            all.sort_unstable();
            let mut expected: Vec<u8> = (0..10_000).map(|index| b'a' + (index % 26) as u8).collect();
            expected.sort_unstable();
            assert!(all == expected);
        });
    }
    let mut child = child(test);
    let text: String = (0..10_000).map(|index| char::from(b'a' + (index % 26) as u8)).collect();
    child.send(&text);
    child.end_input();
    child.succeeds();
}

#[test]
fn no_more_is_taken_than_what_std_would_take() {
    let test = "no_more_is_taken_than_what_std_would_take";
    if is_child_of(test) {
        current().block_on(async {
            let mut piece = [0; 4];
            stdin().read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, b"one\n");
        });
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        println!("<{}>", line.trim_end());
        return;
    }
    let mut child = child(test);
    child.send("one\ntwo\n");
    let (stdout, _) = child.succeeds();
    assert!(stdout.contains("<two>"), "{stdout}");
}

// Standard output and error.

#[test]
fn what_is_written_comes_out_in_order_also_if_nobody_flushes() {
    let test = "what_is_written_comes_out_in_order_also_if_nobody_flushes";
    if is_child_of(test) {
        for runtime in runtimes() {
            runtime.block_on(async {
                let mut out = stdout();
                out.write_all(b"\n<").await.unwrap();
                for number in 0..5000 {
                    out.write_all(format!("{number},").as_bytes()).await.unwrap();
                }
                out.write_all(b">\n").await.unwrap();
            });
        }
        return;
    }
    let (stdout, _) = child(test).succeeds();
    let numbers: String = (0..5000).map(|number| format!("{number},")).collect();
    assert_eq!(stdout.matches(&format!("<{numbers}>")).count(), 2, "{stdout}");
}

#[test]
fn a_flush_brings_out_the_last_part_of_a_line() {
    let test = "a_flush_brings_out_the_last_part_of_a_line";
    if is_child_of(test) {
        current().block_on(async {
            let (mut out, mut error) = (stdout(), stderr());
            out.write_all(b"asks: ").await.unwrap();
            out.flush().await.unwrap();
            error.write_all(b"says: ").await.unwrap();
            error.flush().await.unwrap();
            out.flush().await.unwrap();
            error.shutdown().await.unwrap();
        });
        return wait_for_release();
    }
    let mut child = child(test);
    child.prints("asks: ");
    child.reports("says: ");
    child.release();
    child.succeeds();
}

#[test]
fn a_large_write_comes_out_whole() {
    let test = "a_large_write_comes_out_whole";
    if is_child_of(test) {
        multi(1).block_on(async {
            let mut out = stdout();
            out.write_all("ä".repeat(3_000_000).as_bytes()).await.unwrap();
            out.write_all(b"\n").await.unwrap();
            out.flush().await.unwrap();
        });
        return;
    }
    let (stdout, _) = child(test).succeeds();
    // The reader of the parent's may see a part of a letter.
    let bytes = stdout.lines().map(|line| line.matches('ä').count()).max();
    assert!(bytes.is_some_and(|count| count > 2_990_000), "{bytes:?}");
}

#[test]
fn output_that_nobody_takes_is_an_error_of_the_next_flush_or_write() {
    let test = "output_that_nobody_takes_is_an_error_of_the_next_flush_or_write";
    if is_child_of(test) {
        // Only now, because the harness has something to say before.
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        rustix::stdio::dup2_stdout(&full).unwrap();
        current().block_on(async {
            let mut out = stdout();
            out.write_all(b"lost\n").await.unwrap();
            let error = out.flush().await.unwrap_err();
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::StorageFull, Some(28)));
            let endless = async {
                loop {
                    if let Err(error) = out.write(b"lost\n").await {
                        break error;
                    }
                }
            };
            let error = timeout(SOON, endless).await.unwrap();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            eprintln!("told twice");
        });
        // The harness would have more to say.
        std::process::exit(0);
    }
    let mut child = child(test);
    let status = child.ends();
    assert!(status.success() && child.stderr().contains("told twice"), "{status}: {}", child.stderr());
}

#[test]
fn a_shutdown_waits_until_the_output_is_out() {
    let test = "a_shutdown_waits_until_the_output_is_out";
    if is_child_of(test) {
        let runtime = multi(1);
        runtime.block_on(async {
            let mut out = stdout();
            out.write_all(&[b'x'; 300_000]).await.unwrap();
            out.write_all(b"\n").await.unwrap();
        });
        drop(runtime);
        // Without what std does at the end of a process.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        return;
    }
    let mut child = child(test);
    child.ends();
    eventually(SOON, || child.stdout().matches('x').count() >= 300_000);
}

#[test]
fn the_streams_have_the_descriptors_that_everybody_knows() {
    assert_eq!((stdin().as_raw_fd(), stdout().as_raw_fd(), stderr().as_raw_fd()), (0, 1, 2));
    assert_eq!(stdin().as_fd().as_raw_fd(), 0);
    assert_eq!(stdout().as_fd().as_raw_fd(), 1);
    assert_eq!(stderr().as_fd().as_raw_fd(), 2);
    assert_eq!(format!("{:?} {:?} {:?}", stdin(), stdout(), stderr()), "Stdin { .. } Stdout { .. } Stderr { .. }");
    fn is<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    is::<Stdin>();
    is::<Stdout>();
    is::<Stderr>();
}

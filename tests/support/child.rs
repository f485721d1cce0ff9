//! Tests that need a process of their own: for its environment, its limits, its stderr, or because failing would
//! abort it.
//!
//! Such a test runs the test binary once more, for the same test alone and with a variable set that tells it to be the
//! child.

use super::{SOON, eventually};
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// Names, in the child, the test that it is to run.
const CHILD_OF: &str = "RT_TEST_CHILD_OF";

/// Whether this process is the child of `test`.
pub fn is_child_of(test: &str) -> bool {
    std::env::var_os(CHILD_OF).is_some_and(|name| name == test)
}

/// Runs `body` in a child process, which must end well. `test` is the name of the calling test.
#[track_caller]
pub fn in_child(test: &str, body: impl FnOnce()) {
    if is_child_of(test) {
        return body();
    }
    Child::start(test, |_| {}).succeeds();
}

/// A child process that runs one test of this binary. Killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    stdin: Option<std::process::ChildStdin>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Child {
    /// Starts the child. `prepare` may set its environment.
    pub fn start(test: &str, prepare: impl FnOnce(&mut Command)) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("the path of the test binary"));
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(CHILD_OF, test)
            .env("RUST_BACKTRACE", "0")
            .env_remove("RT_WORKER_THREADS")
            .env_remove("TOKIO_WORKER_THREADS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut command);
        let mut process = command.spawn().expect("run the test binary");
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let mut readers = Vec::new();
        if let Some(pipe) = process.stdout.take() {
            readers.push(collect(pipe, Arc::clone(&stdout)));
        }
        if let Some(pipe) = process.stderr.take() {
            readers.push(collect(pipe, Arc::clone(&stderr)));
        }
        Child { stdin: process.stdin.take(), process, stdout, stderr, readers }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has reported so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until its stderr contains `text`.
    #[track_caller]
    pub fn reports(&self, text: &str) {
        eventually(SOON, || self.stderr().contains(text));
    }

    /// Waits until its stdout contains `text`.
    #[track_caller]
    pub fn prints(&self, text: &str) {
        eventually(SOON, || self.stdout().contains(text));
    }

    /// Writes to its standard input.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("its input has not ended");
        stdin.write_all(text.as_bytes()).expect("write to the child");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Lets [`wait_for_release`] in the child return.
    pub fn release(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            // It may have ended already.
            let _ = stdin.write_all(b"go on\n");
        }
    }

    /// Waits for its end, and returns its exit status.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually(2 * SOON, || {
            status = self.process.try_wait().expect("ask for the child's exit status");
            status.is_some()
        });
        for reader in self.readers.drain(..) {
            reader.join().expect("read what the child wrote");
        }
        status.expect("it has ended")
    }

    /// Waits for its end, which must be a good one, and returns what it printed and what it reported.
    #[track_caller]
    pub fn succeeds(mut self) -> (String, String) {
        let status = self.ends();
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert!(status.success(), "the child failed: {status}\n{stdout}\n{stderr}");
        assert!(stdout.contains("running 1 test"), "no test of that name: {stdout}");
        (stdout, stderr)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Does nothing if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Called in the child: blocks until the parent calls [`Child::release`], or is gone.
pub fn wait_for_release() {
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

fn collect(mut pipe: impl Read + Send + 'static, text: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) => text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
        }
    })
}

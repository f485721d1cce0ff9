//! A process that this one has started, and talks with line by line.

use crate::program;
use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// More than any measure takes. A child that says nothing for as long hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// It is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Child {
    name: String,
    process: process::Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Child {
    /// Starts this program with `arguments`. `name` is for messages.
    pub(super) fn start(name: String, arguments: &[String]) -> Result<Self, String> {
        let mut command = program::this_program()?;
        command.args(arguments);
        Child::start_command(name, command)
    }

    pub(super) fn start_command(name: String, mut command: Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = started.map_err(|error| format!("{name} does not start: {error}"))?;
        let output = process.stdout.take().expect("it is piped");
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            // Until it ends, or nobody wants to know.
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        Ok(Child { name, input: process.stdin.take(), process, lines })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that it prints.
    pub(super) fn line(&mut self) -> Result<String, String> {
        self.lines.recv_timeout(LIMIT).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("{} has said nothing for {} s", self.name, LIMIT.as_secs()),
            RecvTimeoutError::Disconnected => format!("{} has ended too early", self.name),
        })
    }

    /// The numbers of the next line that it prints.
    pub(super) fn numbers(&mut self) -> Result<Vec<f64>, String> {
        let line = self.line()?;
        let numbers = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>();
        numbers.ok_or_else(|| format!("{} said {line:?}", self.name))
    }

    /// Gives it a line to read.
    pub(super) fn say(&mut self, text: &str) -> Result<(), String> {
        let input = self.input.as_mut().expect("it is there until the end");
        writeln!(input, "{text}").map_err(|error| format!("{} does not listen: {error}", self.name))
    }

    /// Lets it end, which it does when there is nothing more to read for it.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.input = None;
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err(format!("{} does not end", self.name)),
            }
        }
        let status = self.process.wait().map_err(|error| format!("{}: {error}", self.name))?;
        if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", self.name)) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

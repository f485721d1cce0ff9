//! Child processes: starting them, talking to them, waiting for their end.
//!
//! [`Command`] is std's, with functions that wait without blocking a thread.
//!
//! ```
//! use rt::process::Command;
//!
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! let output = Command::new("echo").arg("hello").output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! Its output as it comes, and its input:
//!
//! ```
//! use rt::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
//! use rt::process::Command;
//! use std::process::Stdio;
//!
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//! let mut stdin = child.stdin.take().unwrap();
//! let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
//! // In a task of its own: a child whose output nobody reads may stop to read its input.
//! rt::spawn(async move { stdin.write_all(b"one\ntwo\n").await });
//! while let Some(line) = lines.next_line().await? {
//!     println!("{line}");
//! }
//! assert!(child.wait().await?.success());
//! # Ok(())
//! # }
//! ```
//!
//! The output of one as the input of another:
//!
//! ```
//! use rt::process::Command;
//! use std::process::Stdio;
//!
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
//! let echoed: Stdio = echo.stdout.take().unwrap().try_into()?;
//! let shout = Command::new("tr").args(["a-z", "A-Z"]).stdin(echoed).output().await?;
//! assert_eq!(shout.stdout, b"HELLO\n");
//! assert!(echo.wait().await?.success());
//! # Ok(())
//! # }
//! ```
//!
//! # A child that is dropped
//!
//! A [`Child`] that is dropped goes on, as std's does, unless [`kill_on_drop`](Command::kill_on_drop) was asked for. When it has ended, it
//! is *reaped*: the system keeps the number of a process that has ended, and with it an entry in its table, until somebody takes its exit status.
//! A thread sees to that which is there only while there are such children; it needs no runtime, so that no entry is left
//! whatever is dropped first. `docs/processes-and-signals.md` has the details.

mod child;
mod command;
mod orphans;
mod running;
mod stdio;
mod system;

pub use child::Child;
pub use command::Command;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};

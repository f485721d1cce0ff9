//! A child that was started.

use super::running::Running;
use super::{ChildStderr, ChildStdin, ChildStdout, orphans};
use crate::driver::Reactor;
use crate::io::{AsyncRead, AsyncReadExt};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A child process.
///
/// Dropping it does not end the process, unless [`kill_on_drop`](super::Command::kill_on_drop) was asked for; the process is reaped when it ends,
/// see the [module's page](crate::process#a-child-that-is-dropped).
#[derive(Debug)]
pub struct Child {
    state: State,
    /// Its standard input, if that is [piped](std::process::Stdio::piped). Take it out in order to use it beside the others, and to close it.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is piped.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is piped.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Ended(ExitStatus),
}

impl Child {
    /// # Errors
    ///
    /// What the system says. The process is killed then.
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool, reactor: &Arc<Reactor>) -> io::Result<Self> {
        orphans::retry();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut running = Running::new(child, reactor)?;
        // Until there is somebody who could wait for it.
        running.kill_on_drop = true;
        let stdin = stdin.map(|stdin| ChildStdin::new(stdin, reactor)).transpose()?;
        let stdout = stdout.map(|stdout| ChildStdout::new(stdout, reactor)).transpose()?;
        let stderr = stderr.map(|stderr| ChildStderr::new(stderr, reactor)).transpose()?;
        running.kill_on_drop = kill_on_drop;
        Ok(Child { state: State::Running(running), stdin, stdout, stderr })
    }

    /// The process's number; `None` once its end has been seen, because the number may be another's then.
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running) => Some(running.id()),
            State::Ended(_) => None,
        }
    }

    /// Kills the process (`SIGKILL`), and does not wait for its end. Nothing happens if that has been seen already.
    ///
    /// # Errors
    ///
    /// What the system says: `EPERM` if the process is another user's by now, for example.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(running) => {
                running.kill()?;
                running.kill_on_drop = false;
                Ok(())
            }
            State::Ended(_) => Ok(()),
        }
    }

    /// Kills the process, and waits for its end.
    ///
    /// ```
    /// use rt::process::Command;
    /// use rt::time::{Duration, timeout};
    ///
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// if timeout(Duration::from_millis(10), child.wait()).await.is_err() {
    ///     child.kill().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the process is killed all the same; wait for it again.
    ///
    /// # Errors
    ///
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Waits for the end of the process, and tells how it ended. Once it has, this says the same again and again.
    ///
    /// Its standard input is closed before, if it is still in [`stdin`](Self::stdin): a child that waits for more would never end.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = rt::process::Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// assert_eq!(child.wait().await?.code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: wait again.
    ///
    /// # Errors
    ///
    /// `ECHILD` if the process was reaped by somebody else: other code that waits for any child, or the system, if the program ignores `SIGCHLD`. Or that
    /// the runtime in which it was started has shut down; [`try_wait`](Self::try_wait) still works then.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| {
            let status = match &mut self.state {
                State::Running(running) => ready!(running.poll_wait(cx))?,
                State::Ended(status) => *status,
            };
            self.state = State::Ended(status);
            Poll::Ready(Ok(status))
        })
        .await
    }

    /// How the process ended, if it has, without waiting. Its standard input stays open.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait), but works without a runtime.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let running = match &mut self.state {
            State::Running(running) => running,
            State::Ended(status) => return Ok(Some(*status)),
        };
        let status = running.try_wait()?;
        if let Some(status) = status {
            self.state = State::Ended(status);
        }
        Ok(status)
    }

    /// Closes the standard input of the process, reads what it writes to those of its other streams that are piped, and waits for its end.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the child is dropped, and what was read is lost.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait), and what reading says.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) =
            all(self.wait(), read_to_end(stdout.as_mut()), read_to_end(stderr.as_mut())).await?;
        Ok(Output { status, stdout, stderr })
    }
}

async fn read_to_end<R: AsyncRead + Unpin>(stream: Option<&mut R>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The outputs of all three, or the first error.
async fn all<A, B, C>(
    one: impl Future<Output = io::Result<A>>,
    two: impl Future<Output = io::Result<B>>,
    three: impl Future<Output = io::Result<C>>,
) -> io::Result<(A, B, C)> {
    let (mut one, mut two, mut three) = (pin!(one), pin!(two), pin!(three));
    let (mut first, mut second, mut third) = (None, None, None);
    poll_fn(|cx| {
        poll_unless(&mut first, one.as_mut(), cx)?;
        poll_unless(&mut second, two.as_mut(), cx)?;
        poll_unless(&mut third, three.as_mut(), cx)?;
        match (first.take(), second.take(), third.take()) {
            (Some(first), Some(second), Some(third)) => Poll::Ready(Ok((first, second, third))),
            some => {
                (first, second, third) = some;
                Poll::Pending
            }
        }
    })
    .await
}

/// Polls a future whose output is not there yet.
fn poll_unless<T>(
    output: &mut Option<T>,
    future: Pin<&mut impl Future<Output = io::Result<T>>>,
    cx: &mut Context<'_>,
) -> io::Result<()> {
    if output.is_none()
        && let Poll::Ready(result) = future.poll(cx)
    {
        *output = Some(result?);
    }
    Ok(())
}

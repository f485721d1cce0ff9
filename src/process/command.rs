//! How a process is to be started.

use super::Child;
use crate::runtime::Handle;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

/// How a process is to be started: std's [`Command`](StdCommand), with functions that wait without blocking a thread.
///
/// Each function that starts one is to be called inside a runtime with I/O. Starting a process takes the thread for as long as the system takes for it,
/// mostly less than a millisecond; waiting for its end takes none.
#[derive(Debug)]
pub struct Command {
    std: StdCommand,
    kill_on_drop: bool,
}

impl Command {
    /// A program, by its path, or by its name, which is looked for in `PATH`: without arguments, and with this process's
    /// environment, directory and standard streams; [`output`](Self::output) makes pipes of the latter two of these.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command::from(StdCommand::new(program))
    }

    /// As std has it: for whatever asks what is set here, [`get_program`](StdCommand::get_program) and the like.
    pub fn as_std(&self) -> &StdCommand {
        &self.std
    }

    /// As std has it: for whatever can be set there.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// As std has it, without [`kill_on_drop`](Self::kill_on_drop), which std does not know.
    pub fn into_std(self) -> StdCommand {
        self.std
    }

    /// Adds an argument. It is one, whatever is in it: no shell takes it apart.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable in the environment of the process.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets several variables in the environment of the process.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Leaves a variable out of the environment of the process.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Leaves out all variables but those that are set after this.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// The directory that the process starts in. Whether a relative path of the program is looked for there or here depends on the system.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// Its standard input. Default: this process's.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdin(cfg);
        self
    }

    /// Its standard output. Default: this process's; for [`output`](Self::output) a pipe, whatever is set here.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdout(cfg);
        self
    }

    /// Its standard error. Default: this process's; for [`output`](Self::output) a pipe, whatever is set here.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stderr(cfg);
        self
    }

    /// Whether the process is killed (`SIGKILL`) when its [`Child`], or the future of [`status`](Self::status) or [`output`](Self::output), is dropped
    /// before it has ended. Default: false.
    ///
    /// It is reaped in the background then. To be sure that it has ended, use [`Child::kill`].
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// What was set by [`kill_on_drop`](Self::kill_on_drop).
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// The user that the process runs as, by number. See [`CommandExt::uid`].
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// The group that the process runs as, by number. See [`CommandExt::gid`].
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// What the process is told as its own name, its argument 0. Default: the program.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg0(arg);
        self
    }

    /// A function that is called in the new process before it becomes the program. If it fails, so does starting the process. Several
    /// are called in their order. With any, starting takes longer, because this process is copied first.
    ///
    /// # Safety
    ///
    /// As for [`CommandExt::pre_exec`]: the new process is a copy with one thread, in which locks may be held by nobody. What POSIX allows in a
    /// signal handler may be done, and little else: no allocation, no lock.
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: as asked of the caller.
        unsafe { self.std.pre_exec(f) };
        self
    }

    /// The process group of the process; 0: one of its own, which Ctrl-C at the terminal does not reach. Default: this process's. See
    /// [`CommandExt::process_group`].
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.std.process_group(pgroup);
        self
    }

    /// Starts the process.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = rt::process::Command::new("true").spawn()?;
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the system says: `NotFound` if there is no such program, `WouldBlock` (`EAGAIN`) if there are too many processes, for example.
    /// Then no process is left running.
    ///
    /// # Panics
    ///
    /// If this thread is in no runtime, or in one without I/O; no process is started then.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(StdCommand::spawn)
    }

    /// As [`spawn`](Self::spawn), with a function of your own that starts the process: one that uses what only std has, or a lock against
    /// others that start processes.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn), and what `with` says.
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut StdCommand) -> io::Result<std::process::Child>,
    ) -> io::Result<Child> {
        // Before there is a child that nobody could wait for.
        let reactor = Handle::current_reactor();
        Child::new(with(&mut self.std)?, self.kill_on_drop, &reactor)
    }

    /// Starts the process at once, and waits for its end in the future that is returned.
    ///
    /// Standard streams that are pipes are closed.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let status = rt::process::Command::new("sh").args(["-c", "exit 3"]).status().await?;
    /// assert_eq!(status.code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, so is the child: see [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    ///
    /// The future has those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            (child.stdin, child.stdout, child.stderr) = (None, None, None);
            child.wait().await
        }
    }

    /// Starts the process at once with pipes for its output, and collects that until its end in the future that is returned.
    ///
    /// Its standard output and error are pipes from then on, whatever was set before. Its standard input is this process's if nothing is set, in contrast to
    /// std's function of this name; if that is a pipe, it is closed.
    ///
    /// ```
    /// # #[rt::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let output = rt::process::Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]).output().await?;
    /// assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    /// assert_eq!(output.status.code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, so is the child, and what was read is lost: see [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    ///
    /// The future has those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped());
        self.std.stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Command {
        Command { std, kill_on_drop: false }
    }
}

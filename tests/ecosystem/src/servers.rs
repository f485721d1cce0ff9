//! Real servers, each started by the test that needs it and ended with it.

use crate::SOON;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The user and the group `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// The user of the database that [`Server::postgres`] makes, who needs no password, and the database's name.
pub const POSTGRES_USER: &str = "postgres";

/// A server's process. Ends when dropped, and with the thread that started it.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Server {
    /// A PostgreSQL server with an empty database.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed, or does not start.
    #[track_caller]
    pub fn postgres() -> Server {
        let folder = Folder::new();
        let programs = postgres_programs();
        let data = folder.0.join("data");
        let mut initdb = folder.command(&programs.join("initdb"));
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", POSTGRES_USER]);
        let output = initdb.arg("--pgdata").arg(&data).output().expect("run initdb");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let server = Server::start(folder, |folder, port| {
            let mut postgres = folder.command(&programs.join("postgres"));
            postgres
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(&folder.0)
                .args(["-h", "127.0.0.1", "-p"])
                .arg(port.to_string());
            // Nobody needs the data after a crash.
            postgres.args(["-c", "fsync=off", "-c", "shared_buffers=16MB"]);
            postgres
        });
        server.await_ready(|address| {
            let mut probe = Command::new(programs.join("pg_isready"));
            probe.args(["--quiet", "--host", "127.0.0.1", "--port"]).arg(address.port().to_string());
            probe.status().is_ok_and(|status| status.success())
        });
        server
    }

    /// A Redis server without data.
    ///
    /// # Panics
    ///
    /// If Redis is not installed, or does not start.
    #[track_caller]
    pub fn redis() -> Server {
        let program = find("redis-server", ["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
        let server = Server::start(Folder::new(), |folder, port| {
            let mut redis = folder.command(&program.join("redis-server"));
            redis.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]).arg(port.to_string());
            redis
        });
        server.await_ready(|address| {
            let mut answer = [0; 7];
            let asked = TcpStream::connect(address).and_then(|mut stream| {
                stream.set_read_timeout(Some(SOON))?;
                stream.write_all(b"PING\r\n")?;
                stream.read_exact(&mut answer)
            });
            asked.is_ok() && &answer == b"+PONG\r\n"
        });
        server
    }

    /// A NATS server, with JetStream, without data.
    ///
    /// # Panics
    ///
    /// If it is not installed, or does not start.
    #[track_caller]
    pub fn nats() -> Server {
        let program = find("nats-server", ["/usr/sbin", "/usr/local/bin"].map(PathBuf::from));
        let server = Server::start(Folder::new(), |folder, port| {
            let mut nats = folder.command(&program.join("nats-server"));
            nats.args(["--addr", "127.0.0.1", "--jetstream", "--store_dir", ".", "--port"]).arg(port.to_string());
            nats
        });
        server.await_ready(|address| {
            let mut greeting = [0; 5];
            let heard = TcpStream::connect(address).and_then(|mut stream| {
                stream.set_read_timeout(Some(SOON))?;
                stream.read_exact(&mut greeting)
            });
            heard.is_ok() && &greeting == b"INFO "
        });
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts what `command` gives for a port, and waits until it accepts connections there.
    #[track_caller]
    fn start(folder: Folder, command: impl Fn(&Folder, u16) -> Command) -> Server {
        for _ in 0..5 {
            let address = free_address();
            let log = File::create(folder.log()).expect("make a log");
            let mut command = command(&folder, address.port());
            command.stdout(log.try_clone().expect("share the log")).stderr(log);
            let mut process = command.spawn().expect("start a server");
            let began = Instant::now();
            while TcpStream::connect(address).is_err() {
                assert!(began.elapsed() < SOON, "no server at {address}: {}", text(&folder));
                thread::sleep(Duration::from_millis(5));
                if process.try_wait().expect("ask for the server").is_some() {
                    break;
                }
            }
            if process.try_wait().expect("ask for the server").is_none() {
                return Server { process, address, folder };
            }
            // Somebody else may have taken the port since; then another is tried.
        }
        panic!("the server does not start: {}", text(&folder));
    }

    #[track_caller]
    fn await_ready(&self, mut is_ready: impl FnMut(SocketAddr) -> bool) {
        let began = Instant::now();
        while !is_ready(self.address) {
            assert!(began.elapsed() < SOON, "the server does not get ready: {}", text(&self.folder));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The folder of PostgreSQL's programs, the newest if there are several.
#[track_caller]
fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    find("initdb", versions.into_iter().map(|version| version.join("bin")))
}

/// The folder that has `program`: one of `places`, or of those that `PATH` names.
#[track_caller]
fn find(program: &str, places: impl IntoIterator<Item = PathBuf>) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match places.into_iter().chain(std::env::split_paths(&path)).find(|folder| folder.join(program).is_file()) {
        Some(folder) => folder,
        None => panic!(
            "`{program}` is not there, and these tests need it: apt-get install postgresql redis-server nats-server"
        ),
    }
}

/// A folder that is removed when dropped, and that a server may write to.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rt-ecosystem-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("make a folder for a server");
        if geteuid().is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("give the folder away");
        }
        Folder(path)
    }

    /// A command that runs here, not as root, and ends with the thread that starts it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        // To PostgreSQL it means to end at once.
        command.args(["--pdeathsig", "QUIT"]);
        if geteuid().is_root() {
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args([&user, &group, "--clear-groups"]);
        }
        command.arg(program).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(folder: &Folder) -> String {
    fs::read_to_string(folder.log()).unwrap_or_default()
}

/// An address that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not by `kill`: killed, PostgreSQL would leave its shared memory behind.
        if let Some(pid) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process(pid, Signal::QUIT);
        }
        let began = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if began.elapsed() > SOON {
                let _ = self.process.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

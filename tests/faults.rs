//! What the system does to a program in bad moments: `docs/reliability.md` has the table of all such tests.

#![cfg(target_os = "linux")]

mod support;

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream, UdpSocket};
use rt::task::{spawn_blocking, yield_now};
use rt::time::{Instant, sleep, timeout};
use std::fs;
use std::io::ErrorKind;
use std::mem::zeroed;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use support::child::in_child;
use support::{SOON, current, multi, within};

/// Calls of the signal handler.
static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_interruption(_: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// Has a signal's handler called, and no system call that it interrupts begun again.
fn catch_without_restart(signal: libc::c_int) {
    // SAFETY: all zeros is a `sigaction` without flags that blocks no other signal.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = count_interruption as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does what a handler may: it counts.
    let result = unsafe { libc::sigaction(signal, &action, null_mut()) };
    assert_eq!(result, 0);
}

/// Sends it to every thread of this process but the calling one.
fn interrupt_all(signal: libc::c_int) {
    let process = std::process::id() as libc::pid_t;
    // SAFETY: no arguments, and no way to fail.
    let this = unsafe { libc::gettid() };
    for thread in fs::read_dir("/proc/self/task").expect("the threads of this process").flatten() {
        let thread: libc::pid_t = thread.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number");
        if thread != this {
            // SAFETY: numbers only. A thread that has ended meanwhile is an error that does not matter.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
        }
    }
}

/// Timers, sockets, closures and wakes between threads, for so long.
async fn a_bit_of_everything(time: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = rt::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(rt::spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            }));
        }
    });
    let end = Instant::now() + time;
    let mut round = 0_u8;
    while Instant::now() < end {
        round = round.wrapping_add(1);
        let pause = Duration::from_micros(u64::from(round) * 10);
        let began = Instant::now();
        sleep(pause).await;
        assert!(began.elapsed() >= pause, "a timer ends early");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[round]).await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, [round]);
        let closure = spawn_blocking(move || {
            thread::sleep(Duration::from_micros(u64::from(round)));
            round
        });
        assert_eq!(closure.await.unwrap(), round);
        assert_eq!(rt::spawn(async move { round }).await.unwrap(), round);
    }
    server.abort();
}

#[test]
fn signals_that_interrupt_system_calls_on_all_threads_harm_nobody() {
    in_child("signals_that_interrupt_system_calls_on_all_threads_harm_nobody", || {
        catch_without_restart(libc::SIGUSR1);
        let is_over = Arc::new(AtomicBool::new(false));
        let interrupting = {
            let is_over = is_over.clone();
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    interrupt_all(libc::SIGUSR1);
                    thread::sleep(Duration::from_micros(50));
                }
            })
        };
        for runtime in [multi(2), current()] {
            let outside = runtime.spawn(sleep_a_little());
            runtime.block_on(a_bit_of_everything(Duration::from_secs(1)));
            runtime.block_on(outside).unwrap();
            runtime.shutdown_timeout(SOON);
        }
        is_over.store(true, Ordering::Relaxed);
        interrupting.join().unwrap();
        let interruptions = INTERRUPTIONS.load(Ordering::Relaxed);
        assert!(interruptions > 100, "{interruptions} interruptions only");
    });
}

async fn sleep_a_little() {
    sleep(Duration::from_millis(100)).await;
}

/// What the reactor reports is gone when the task comes to read it.
#[test]
fn readiness_for_which_there_is_nothing_to_read_is_waited_for_again() {
    within(SOON, || {
        multi(2).block_on(async {
            let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let mine = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            mine.set_nonblocking(true).unwrap();
            sender.connect(mine.local_addr().unwrap()).unwrap();
            let thief = mine.try_clone().unwrap();
            let mine = UdpSocket::from_std(mine).unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let stealing = {
                let is_over = is_over.clone();
                thread::spawn(move || {
                    let mut stolen = 0_u64;
                    while !is_over.load(Ordering::SeqCst) {
                        match thief.recv(&mut [0; 8]) {
                            Ok(_) => stolen += 1,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                        }
                    }
                    stolen
                })
            };
            let reader = rt::spawn(async move {
                let mut received = 0_u64;
                let mut letter = [0; 8];
                loop {
                    let length = mine.recv(&mut letter).await.unwrap();
                    match &letter[..length] {
                        b"the end" => return received,
                        _ => received += 1,
                    }
                }
            });
            for _ in 0..2000 {
                sender.send(b"?").unwrap();
                yield_now().await;
            }
            is_over.store(true, Ordering::SeqCst);
            let stolen = spawn_blocking(|| stealing.join().unwrap()).await.unwrap();
            sender.send(b"the end").unwrap();
            let received = timeout(SOON, reader).await.expect("the reader still listens").unwrap();
            // The system may have thrown some away; how many each got is left to chance.
            assert!(stolen + received <= 2000);
        });
    });
}

#[test]
fn a_runtime_that_is_built_after_a_fork_works() {
    in_child("a_runtime_that_is_built_after_a_fork_works", || {
        let parents = multi(2);
        parents.block_on(async { rt::spawn(sleep_a_little()).await.unwrap() });
        // SAFETY: the other threads of this process hold no lock that the child needs: they sleep, and the allocator has handlers for forks.
        match unsafe { libc::fork() } {
            0 => {
                std::mem::forget(parents);
                let childs = multi(2);
                let works = childs.block_on(async {
                    let timed = rt::spawn(sleep_a_little()).await.is_ok();
                    let blocked = spawn_blocking(|| 1).await.is_ok();
                    timed && blocked && UdpSocket::bind("127.0.0.1:0").await.is_ok()
                });
                drop(childs);
                // SAFETY: always fine; the destructors of a parent's are not for the child.
                unsafe { libc::_exit(if works { 0 } else { 1 }) }
            }
            child => {
                assert!(child > 0, "the system refuses to fork");
                let mut status = 0;
                // SAFETY: the pointer is to a status that outlives the call.
                assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                assert_eq!(status, 0, "the child has failed");
                // The parent's goes on.
                parents.block_on(async { rt::spawn(sleep_a_little()).await.unwrap() });
            }
        }
    });
}

/// All files of a folder and those below it.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] });
    files.filter(|path| path.to_str().is_some_and(|path| path.ends_with(ending))).collect()
}

#[test]
fn no_wall_clock_is_read() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&source, ".rs");
    assert!(files.len() > 100, "the sources are where they are looked for");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Examples are the user's code.
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for clock in ["SystemTime::now", "CLOCK_REALTIME", "ClockId::Realtime"] {
            assert!(!text.contains(clock), "{clock} in {}", file.display());
        }
    }
}

#[test]
fn every_fault_in_the_table_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let sources: String =
        files(&root.join("tests"), ".rs").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let table = page.split("## Faults").nth(1).expect("the page has the table");
    let names: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 20, "the table is where it is looked for");
    for name in names {
        assert!(sources.contains(&format!("fn {name}()")), "no test is called {name}");
    }
}

//! Many of everything: a thousand runtimes one after the other, ten thousand threads that spawn at once, five million tasks that are alive at a time.
//! Afterwards there are as many threads, descriptors and bytes as before.
//!
//! ```text
//! cargo run --release --example crowds
//! ```
//!
//! It takes some ten seconds and 1.5 GB.

#[path = "support/machine.rs"]
mod machine;

use machine::{Now, now};
use rt::net::UdpSocket;
use rt::runtime::{Builder, Runtime};
use rt::sync::Notify;
use rt::time::sleep;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const RUNTIMES: usize = 1_000;
const THREADS: usize = 10_000;
const TASKS: usize = 5_000_000;

type Crowd = fn() -> Result<(), String>;

/// What std and the system's libraries keep for themselves, once.
const ROOM: i64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);
/// When all threads have ended, what they had has gone with them.
const SETTLED: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let crowds: [(&str, Crowd); 3] = [
        ("1 000 runtimes, each with tasks, a timer and a socket", || (0..RUNTIMES).try_for_each(|_| live_and_die())),
        ("10 000 threads that spawn at once", threads),
        ("5 000 000 tasks alive", tasks),
    ];
    // Whatever is there once and for all.
    let warmed = live_and_die();
    for (name, crowd) in crowds {
        let began = Instant::now();
        match warmed.clone().and_then(|()| leaving_nothing(crowd)) {
            Ok(()) => println!("{name}: {:.2} s, and nothing is left of them", began.elapsed().as_secs_f64()),
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs it until there is as much afterwards as before, which is the first or the second time: tables of the process, as those of threads that wait for locks,
/// may grow with a crowd, by doubling, but not with each.
fn leaving_nothing(crowd: Crowd) -> Result<(), String> {
    const DOUBLINGS: usize = 4;
    let mut outcome = Ok(());
    for _ in 0..DOUBLINGS {
        let before = now();
        // A thread of its own takes with it what it keeps of tasks for the next ones.
        thread::spawn(crowd).join().unwrap_or_else(|_| Err(String::from("it panicked")))?;
        outcome = settle(&before);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Waits until everything is as before.
fn settle(before: &Now) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let after = now();
        let is_as_before = after.threads <= before.threads && after.descriptors <= before.descriptors;
        match is_as_before {
            true if after.bytes <= before.bytes + ROOM => return Ok(()),
            // A thread that has ended is still there for a moment.
            _ if began.elapsed() < if is_as_before { SETTLED } else { PATIENCE } => {
                thread::sleep(Duration::from_millis(5))
            }
            _ => return Err(format!("{after} instead of {before}")),
        }
    }
}

fn build() -> Result<Runtime, String> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| error.to_string())
}

fn live_and_die() -> Result<(), String> {
    let runtime = build()?;
    for _ in 0..10 {
        drop(runtime.spawn(async { sleep(Duration::from_secs(3600)).await }));
    }
    runtime.block_on(async {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|error| error.to_string())?;
        // Waits for ever, in the reactor.
        drop(rt::spawn(async move { socket.recv(&mut [0]).await }));
        rt::task::spawn_blocking(|| ()).await.map_err(|error| error.to_string())?;
        sleep(Duration::from_micros(1)).await;
        Ok(())
    })
}

fn threads() -> Result<(), String> {
    let runtime = build()?;
    let barrier = Arc::new(Barrier::new(THREADS));
    let ran = Arc::new(AtomicUsize::new(0));
    let spawning = (0..THREADS)
        .map(|_| {
            let (handle, barrier, ran) = (runtime.handle().clone(), barrier.clone(), ran.clone());
            let spawn = move || {
                barrier.wait();
                handle.spawn(async move { _ = ran.fetch_add(1, Ordering::Relaxed) })
            };
            thread::Builder::new().stack_size(64 * 1024).spawn(spawn)
        })
        .collect::<Result<Vec<_>, _>>();
    // Those that were started wait for the others for ever, so the program ends.
    let spawning = spawning.unwrap_or_else(|error| panic!("the system has not so many threads: {error}"));
    let tasks: Vec<_> = spawning.into_iter().map(|thread| thread.join().expect("it only spawns")).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    })?;
    match ran.load(Ordering::Relaxed) {
        THREADS => Ok(()),
        fewer => Err(format!("{fewer} tasks have run")),
    }
}

fn tasks() -> Result<(), String> {
    let runtime = build()?;
    let (gate, ran) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    runtime.block_on(async {
        for _ in 0..TASKS {
            let (gate, ran) = (gate.clone(), ran.clone());
            drop(rt::spawn(async move {
                let opened = gate.notified();
                ran.fetch_add(1, Ordering::Relaxed);
                opened.await;
                ran.fetch_sub(1, Ordering::Relaxed);
            }));
        }
        let all_are = async |number: usize| {
            while ran.load(Ordering::Relaxed) != number {
                sleep(Duration::from_millis(1)).await;
            }
        };
        all_are(TASKS).await;
        println!("  {} with all of them alive", now());
        gate.notify_waiters();
        all_are(0).await;
    });
    Ok(())
}

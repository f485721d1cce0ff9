//! A program to look at: a bit of everything that a runtime does, in waves.
//!
//! ```text
//! cargo run --release -p rt-top --bin busy [-- --idle N] [--socket PATH]
//! ```

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Builder, Handle};
use rt::sync::mpsc;
use rt::task::Builder as Task;
use rt::time::{interval, sleep};
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

/// From calm to busy and back.
const WAVE: f64 = 24.0;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut idle, mut socket) = (200, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--idle", Some(number)) => idle = number.parse()?,
            ("--socket", Some(path)) => socket = Some(path),
            _ => return Err("usage: busy [--idle N] [--socket PATH]".into()),
        }
    }
    let mut builder = Builder::new_multi_thread();
    // One who looks wants to know whose time it is. The reports of those who are careless are there to be seen in rt_top.
    builder.worker_threads(2).enable_all().enable_task_busy_time().report_stalls_after(None);
    let runtime = builder.build()?;
    let insight = match socket {
        Some(path) => runtime.handle().serve_insight_at(path)?,
        None => runtime.handle().serve_insight()?,
    };
    println!("look at it with `rt_top {}`", insight.path().display());
    runtime.block_on(work(idle))?;
    Ok(())
}

async fn work(idle: usize) -> io::Result<()> {
    for _ in 0..idle {
        named("sleeper", sleep(Duration::from_secs(86_400)))?;
    }
    for pair in 1..=3 {
        play(pair)?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    named("echo server", serve(listener))?;
    for client in 1..=4 {
        named(&format!("echo client {client}"), async move {
            // It has nobody to tell when the program ends.
            let _ = talk(address).await;
        })?;
    }
    named("ticker", tick())?;
    named("cruncher", crunch())?;
    named("careless", block())?;
    named("archivist", archive())?;
    named("load", load(Instant::now()))?.await.map_err(io::Error::other)
}

/// A task with a name, of the place where this is called.
#[track_caller]
fn named<F>(name: &str, future: F) -> io::Result<rt::task::JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    Task::new().name(name).spawn(future)
}

/// How busy to be now: 0 to 1.
fn tide(start: Instant) -> f64 {
    let turn = start.elapsed().as_secs_f64() / WAVE * std::f64::consts::TAU;
    0.5 - 0.5 * turn.cos()
}

fn compute(time: Duration) {
    let start = Instant::now();
    let mut number = 1u64;
    while start.elapsed() < time {
        (0..200).for_each(|_| number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)));
    }
}

/// Two tasks that throw a ball to each other.
fn play(pair: u32) -> io::Result<()> {
    let (ping, mut from_ping) = mpsc::channel::<u32>(1);
    let (pong, mut from_pong) = mpsc::channel::<u32>(1);
    named(&format!("ping {pair}"), async move {
        let mut ball = 0;
        while ping.send(ball).await.is_ok() {
            let Some(back) = from_pong.recv().await else { return };
            ball = back.wrapping_add(1);
            if ball.is_multiple_of(50) {
                sleep(Duration::from_millis(u64::from(pair))).await;
            }
        }
    })?;
    named(&format!("pong {pair}"), async move {
        while let Some(ball) = from_ping.recv().await {
            if pong.send(ball).await.is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = named("echo", echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length]).await?,
        }
    }
}

async fn talk(address: std::net::SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let mut buffer = [0; 64];
    loop {
        stream.write_all(&buffer).await?;
        stream.read_exact(&mut buffer).await?;
        sleep(Duration::from_millis(2)).await;
    }
}

async fn tick() {
    let mut ticks = interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
    }
}

/// Computes, but gives way now and then.
async fn crunch() {
    loop {
        for _ in 0..20 {
            compute(Duration::from_micros(900));
            rt::task::yield_now().await;
        }
        sleep(Duration::from_millis(60)).await;
    }
}

/// What nobody should do, and somebody always does.
async fn block() {
    loop {
        sleep(Duration::from_millis(2500)).await;
        std::thread::sleep(Duration::from_millis(120));
    }
}

/// Has others block for it.
async fn archive() {
    loop {
        let written = Handle::current().spawn_blocking(|| std::thread::sleep(Duration::from_millis(150)));
        let _ = written.await;
        sleep(Duration::from_millis(300)).await;
    }
}

/// Requests that come in waves, each a task of its own.
async fn load(start: Instant) {
    let mut ticks = interval(Duration::from_millis(10));
    let mut number = 0u64;
    loop {
        ticks.tick().await;
        let requests = 2.0 + 14.0 * tide(start);
        for _ in 0..requests as usize {
            number = number.wrapping_add(1);
            rt::spawn(request(number));
        }
    }
}

async fn request(number: u64) {
    compute(Duration::from_micros(20 + number % 13 * 10));
    sleep(Duration::from_millis(5 + number % 40)).await;
    compute(Duration::from_micros(30));
}

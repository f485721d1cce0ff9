//! The three runtimes.

use crate::Peer;
use smol::io::AsyncReadExt;
use smol::stream::StreamExt;
use std::fmt;
use std::future::{self, Future};
use std::io;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

/// One of each, started.
#[derive(Debug)]
pub struct Peers {
    /// `rt`.
    pub rt: Rt,
    /// tokio.
    pub tokio: Tokio,
    /// smol.
    pub smol: Smol,
}

impl Peers {
    /// Starts all of them, each with that many worker threads. Call it once in a process.
    pub fn start(workers: usize) -> Self {
        Peers { rt: Rt::start(workers), tokio: Tokio::start(workers), smol: Smol::start(workers) }
    }
}

/// A join handle whose error is a panic.
#[derive(Debug)]
pub struct Unwrapped<H>(H);

impl<H, T, E> Future for Unwrapped<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
    E: fmt::Debug,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|joined| joined.expect("a task of a workload does not panic"))
    }
}

/// Set in the environment of a process whose `rt` is to run without its monitor.
pub(crate) const UNWATCHED: &str = "RT_BENCHES_UNWATCHED";

/// `rt`, with its multi-thread scheduler.
#[derive(Debug)]
pub struct Rt {
    runtime: rt::runtime::Runtime,
}

impl Rt {
    /// Without the monitor, which takes the slowness of an instrumented program for stalls.
    pub fn start_unwatched(workers: usize) -> Self {
        Rt::build(workers, |builder| _ = builder.stall_after(None))
    }

    fn build(workers: usize, configure: impl FnOnce(&mut rt::runtime::Builder)) -> Self {
        let mut builder = rt::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers).enable_all();
        configure(&mut builder);
        Rt { runtime: builder.build().expect("start rt") }
    }
}

impl Peer for Rt {
    const NAME: &'static str = "rt";

    type Join<T: Send + 'static> = Unwrapped<rt::task::JoinHandle<T>>;
    type Sleep = rt::time::Sleep;
    type Elapsed = rt::time::error::Elapsed;

    fn start(workers: usize) -> Self {
        match std::env::var_os(UNWATCHED) {
            Some(_) => Rt::start_unwatched(workers),
            None => Rt::build(workers, |_| ()),
        }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(rt::spawn(future))
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(self.runtime.spawn(future))
    }

    fn spawn_blocking<F, T>(closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Unwrapped(rt::task::spawn_blocking(closure))
    }

    fn spawn_blocking_from_outside<F, T>(&self, closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Unwrapped(self.runtime.spawn_blocking(closure))
    }

    fn detach<T: Send + 'static>(task: Self::Join<T>) {
        drop(task);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        rt::task::yield_now()
    }

    async fn ticks(period: Duration, count: u64) {
        let mut interval = rt::time::interval(period);
        for _ in 0..count {
            interval.tick().await;
        }
    }

    async fn each_tick<F: FnMut(Instant) + Send + 'static>(period: Duration, count: u64, mut on_tick: F) {
        let mut interval = rt::time::interval(period);
        for _ in 0..count {
            on_tick(interval.tick().await.into_std());
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        rt::time::sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Instant) {
        sleep.reset(rt::time::Instant::from_std(deadline));
    }

    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        rt::time::timeout(duration, future)
    }

    async fn first<A, B>(one: A, other: B) -> A::Output
    where
        A: Future + Send,
        B: Future<Output = A::Output> + Send,
    {
        rt::select! {
            output = one => output,
            output = other => output,
        }
    }

    async fn join<A, B, C>(one: A, two: B, three: C) -> (A::Output, B::Output, C::Output)
    where
        A: Future<Output: Send> + Send,
        B: Future<Output: Send> + Send,
        C: Future<Output: Send> + Send,
    {
        rt::join!(one, two, three)
    }

    async fn each_byte<F: FnMut() + Send + 'static>(connection: TcpStream, mut on_byte: F) {
        let connection = rt::net::TcpStream::from_std(connection).expect("rt takes the connection");
        loop {
            connection.readable().await.expect("rt waits for the connection");
            match connection.try_read(&mut [0]) {
                Ok(0) => return,
                Ok(_) => on_byte(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("rt reads from the connection: {error}"),
            }
        }
    }

    fn block_on_in_task<F: Future>(future: F) -> F::Output {
        rt::runtime::Handle::current().block_on(future)
    }

    fn account(&self) -> Option<String> {
        Some(self.runtime.metrics().to_string())
    }
}

/// tokio, with its multi-thread scheduler.
#[derive(Debug)]
pub struct Tokio {
    runtime: tokio::runtime::Runtime,
}

impl Peer for Tokio {
    const NAME: &'static str = "tokio";

    type Join<T: Send + 'static> = Unwrapped<tokio::task::JoinHandle<T>>;
    type Sleep = tokio::time::Sleep;
    type Elapsed = tokio::time::error::Elapsed;

    fn start(workers: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
        Tokio { runtime: runtime.expect("start tokio") }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(tokio::spawn(future))
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(self.runtime.spawn(future))
    }

    fn spawn_blocking<F, T>(closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Unwrapped(tokio::task::spawn_blocking(closure))
    }

    fn spawn_blocking_from_outside<F, T>(&self, closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Unwrapped(self.runtime.spawn_blocking(closure))
    }

    fn detach<T: Send + 'static>(task: Self::Join<T>) {
        drop(task);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    async fn ticks(period: Duration, count: u64) {
        let mut interval = tokio::time::interval(period);
        for _ in 0..count {
            interval.tick().await;
        }
    }

    async fn each_tick<F: FnMut(Instant) + Send + 'static>(period: Duration, count: u64, mut on_tick: F) {
        let mut interval = tokio::time::interval(period);
        for _ in 0..count {
            on_tick(interval.tick().await.into_std());
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Instant) {
        sleep.reset(tokio::time::Instant::from_std(deadline));
    }

    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        tokio::time::timeout(duration, future)
    }

    async fn first<A, B>(one: A, other: B) -> A::Output
    where
        A: Future + Send,
        B: Future<Output = A::Output> + Send,
    {
        tokio::select! {
            output = one => output,
            output = other => output,
        }
    }

    async fn join<A, B, C>(one: A, two: B, three: C) -> (A::Output, B::Output, C::Output)
    where
        A: Future<Output: Send> + Send,
        B: Future<Output: Send> + Send,
        C: Future<Output: Send> + Send,
    {
        tokio::join!(one, two, three)
    }

    async fn each_byte<F: FnMut() + Send + 'static>(connection: TcpStream, mut on_byte: F) {
        let connection = tokio::net::TcpStream::from_std(connection).expect("tokio takes the connection");
        loop {
            connection.readable().await.expect("tokio waits for the connection");
            match connection.try_read(&mut [0]) {
                Ok(0) => return,
                Ok(_) => on_byte(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("tokio reads from the connection: {error}"),
            }
        }
    }

    fn block_on_in_task<F: Future>(future: F) -> F::Output {
        tokio::runtime::Handle::current().block_on(future)
    }
}

/// smol, put together as `smol::spawn` puts it together, except that the number of threads is given here. smol takes it
/// from the environment, which a program cannot set for itself without `unsafe`.
#[derive(Debug)]
pub struct Smol {
    _private: (),
}

/// smol's timer, which otherwise tells when it went off.
#[derive(Debug)]
pub struct SmolSleep(smol::Timer);

impl Future for SmolSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

static EXECUTOR: async_executor::Executor<'static> = async_executor::Executor::new();
static IS_STARTED: AtomicBool = AtomicBool::new(false);

impl Peer for Smol {
    const NAME: &'static str = "smol";

    type Join<T: Send + 'static> = async_executor::Task<T>;
    type Sleep = SmolSleep;
    type Elapsed = io::Error;

    fn start(workers: usize) -> Self {
        // A second start would add threads to the same executor, and nobody would see why it is so fast.
        assert!(!IS_STARTED.swap(true, Ordering::Relaxed), "smol was started before in this process");
        for number in 1..=workers {
            let run = || {
                loop {
                    // A panic has been reported by the hook, and ends the task, not the thread.
                    let run = AssertUnwindSafe(|| smol::block_on(EXECUTOR.run(future::pending::<()>())));
                    let _ = catch_unwind(run);
                }
            };
            thread::Builder::new().name(format!("smol-{number}")).spawn(run).expect("start smol");
        }
        Smol { _private: () }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn spawn_blocking<F, T>(closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(closure)
    }

    fn spawn_blocking_from_outside<F, T>(&self, closure: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(closure)
    }

    fn detach<T: Send + 'static>(task: Self::Join<T>) {
        task.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn ticks(period: Duration, count: u64) {
        let mut interval = smol::Timer::interval_at(Instant::now(), period);
        for _ in 0..count {
            interval.next().await;
        }
    }

    async fn each_tick<F: FnMut(Instant) + Send + 'static>(period: Duration, count: u64, mut on_tick: F) {
        let mut interval = smol::Timer::interval_at(Instant::now(), period);
        for _ in 0..count {
            on_tick(interval.next().await.expect("an interval has no end"));
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        SmolSleep(smol::Timer::after(duration))
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Instant) {
        sleep.get_mut().0.set_at(deadline);
    }

    /// There is none in smol; its documentation puts it together like this.
    async fn timeout<F>(duration: Duration, future: F) -> Result<F::Output, Self::Elapsed>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let time_is_up = async {
            smol::Timer::after(duration).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        smol::future::or(async { Ok(future.await) }, time_is_up).await
    }

    /// There is no `select!` in smol. This has no order that is drawn; the other is always the second.
    fn first<A, B>(one: A, other: B) -> impl Future<Output = A::Output> + Send
    where
        A: Future + Send,
        B: Future<Output = A::Output> + Send,
    {
        smol::future::or(one, other)
    }

    /// There is no `join!` in smol.
    async fn join<A, B, C>(one: A, two: B, three: C) -> (A::Output, B::Output, C::Output)
    where
        A: Future<Output: Send> + Send,
        B: Future<Output: Send> + Send,
        C: Future<Output: Send> + Send,
    {
        let ((one, two), three) = smol::future::zip(smol::future::zip(one, two), three).await;
        (one, two, three)
    }

    async fn each_byte<F: FnMut() + Send + 'static>(connection: TcpStream, mut on_byte: F) {
        let mut connection = smol::Async::try_from(connection).expect("smol takes the connection");
        while connection.read(&mut [0]).await.expect("smol reads from the connection") > 0 {
            on_byte();
        }
    }

    fn block_on_in_task<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }
}

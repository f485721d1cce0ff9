//! Threads that are no workers, which wake tasks and drop what belongs to the runtime.

use crate::actor::microseconds;
use crate::children;
use crate::round::World;
use fastrand::Rng;
use rt::time::sleep;
use std::any::Any;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

enum Favour {
    /// So often, and at least once.
    Wake(Arc<AtomicBool>, Waker, u32),
    Drop(Box<dyn Any + Send>),
}

/// The threads. They end when this is dropped.
pub(crate) struct Foreigners {
    inbox: mpsc::Sender<Favour>,
}

/// With one alone, nothing would happen between its favours.
const THREADS: usize = 3;

impl Foreigners {
    pub(crate) fn new() -> Self {
        let (inbox, favours) = mpsc::channel::<Favour>();
        let favours = Arc::new(Mutex::new(favours));
        for number in 0..THREADS {
            let favours = favours.clone();
            thread::Builder::new()
                .name(format!("foreigner-{number}"))
                .spawn(move || {
                    loop {
                        let favour = favours.lock().unwrap().recv();
                        match favour {
                            Ok(favour) => favour.grant(),
                            Err(mpsc::RecvError) => return,
                        }
                    }
                })
                .expect("there is room for a thread");
        }
        Foreigners { inbox }
    }

    fn ask(&self, favour: Favour) {
        self.inbox.send(favour).expect("the threads live as long as this");
    }
}

impl Favour {
    fn grant(self) {
        match self {
            Favour::Wake(is_called, waker, times) => {
                if times.is_multiple_of(5) {
                    thread::sleep(Duration::from_micros(u64::from(times) * 10));
                }
                is_called.store(true, Ordering::SeqCst);
                let clones: Vec<_> = (0..times % 4).map(|_| waker.clone()).collect();
                clones.into_iter().for_each(Waker::wake);
                match times % 2 {
                    0 => waker.wake(),
                    _ => waker.wake_by_ref(),
                }
            }
            Favour::Drop(thing) => drop(thing),
        }
    }
}

/// Waits to be woken by one of them, some times.
pub(crate) async fn woken(world: &Arc<World>, random: &mut Rng) {
    for _ in 0..random.u32(1..6) {
        let times = random.u32(..20);
        let mut called: Option<Arc<AtomicBool>> = None;
        poll_fn(|cx| {
            if let Some(is_called) = &called {
                // Whatever it was polled for else.
                return if is_called.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending };
            }
            let is_called = called.insert(Arc::default()).clone();
            world.books.wakes.out(1);
            world.foreigners.ask(Favour::Wake(is_called, cx.waker().clone(), times));
            Poll::Pending
        })
        .await;
        world.books.wakes.back(1);
    }
}

/// Has things dropped there that have been used here: a timer that is armed, a task's handle, a socket that is waited for.
pub(crate) async fn dropped(world: &Arc<World>, random: &mut Rng) {
    match random.u32(..3) {
        0 => {
            let mut timer = Box::pin(sleep(microseconds(random, 3000)));
            let _ = poll_once(timer.as_mut()).await;
            world.foreigners.ask(Favour::Drop(Box::new(timer)));
        }
        1 => {
            let time = microseconds(random, 3000);
            let child = children::spawn(world, sleep(time));
            world.foreigners.ask(Favour::Drop(Box::new(child)));
        }
        _ => {
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            let socket = rt::net::UdpSocket::bind(loopback).await.expect("there is a port");
            let mut reading = Box::pin(async move { socket.recv(&mut [0]).await });
            let _ = poll_once(reading.as_mut()).await;
            world.foreigners.ask(Favour::Drop(Box::new(reading as Pin<Box<dyn Future<Output = _> + Send>>)));
        }
    }
}

async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx: &mut Context<'_>| Poll::Ready(future.as_mut().poll(cx))).await
}

//! A task that does one random thing after the other.

use crate::round::World;
use crate::{children, churn, echo, foreign};
use fastrand::Rng;
use rt::sync::{Notify, mpsc, oneshot};
use rt::task::{block_in_place, spawn_blocking, yield_now};
use rt::time::{Instant, interval, sleep, timeout};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What an actor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Timers,
    Yields,
    Channels,
    Locks,
    Tree,
    Scope,
    Abort,
    Panic,
    Blocking,
    Stuck,
    Foreign,
    DroppedOutside,
    Echo,
    Churn,
}

static COUNTS: [AtomicU64; Shape::ALL.len()] = [const { AtomicU64::new(0) }; Shape::ALL.len()];

impl Shape {
    pub(crate) const ALL: [Shape; 14] = [
        Shape::Timers,
        Shape::Yields,
        Shape::Channels,
        Shape::Locks,
        Shape::Tree,
        Shape::Scope,
        Shape::Abort,
        Shape::Panic,
        Shape::Blocking,
        Shape::Stuck,
        Shape::Foreign,
        Shape::DroppedOutside,
        Shape::Echo,
        Shape::Churn,
    ];

    /// How often it was chosen.
    pub(crate) fn count(self) -> u64 {
        COUNTS[self as usize].load(Ordering::Relaxed)
    }

    fn choose(random: &mut Rng) -> Shape {
        // What holds up whole workers, or builds others, is rare: it would be all that happens.
        let shape = match random.u32(..1000) {
            0 => Shape::Churn,
            1 => Shape::Stuck,
            _ => Shape::ALL[random.usize(..Shape::ALL.len())],
        };
        match shape {
            Shape::Stuck | Shape::Churn if random.u32(..64) > 0 => Shape::Yields,
            shape => shape,
        }
    }
}

/// Acts until the round is over.
pub(crate) async fn act(world: Arc<World>, number: usize, mut random: Rng) {
    let _mark = world.books.futures.mark();
    let slot = &world.stage.slots[number];
    while !world.stage.is_over.load(Ordering::Relaxed) {
        let shape = Shape::choose(&mut random);
        slot.begins(shape);
        COUNTS[shape as usize].fetch_add(1, Ordering::Relaxed);
        match shape {
            Shape::Timers => timers(&mut random).await,
            Shape::Yields => {
                for _ in 0..random.u32(..50) {
                    yield_now().await;
                }
            }
            Shape::Channels => channels(&world, &mut random).await,
            Shape::Locks => locks(&world, &mut random).await,
            Shape::Tree => children::tree(&world, &mut random).await,
            Shape::Scope => children::scopes(&world, &mut random).await,
            Shape::Abort => children::aborted(&world, &mut random).await,
            Shape::Panic => children::panicking(&world, &mut random).await,
            Shape::Blocking => blocking(&world, &mut random).await,
            Shape::Stuck => thread::sleep(Duration::from_millis(random.u64(1..30))),
            Shape::Foreign => foreign::woken(&world, &mut random).await,
            Shape::DroppedOutside => foreign::dropped(&world, &mut random).await,
            Shape::Echo => echo::talk(&world, &mut random).await,
            Shape::Churn => churn::runtime(&world, &mut random).await,
        }
    }
    slot.rests();
}

pub(crate) fn microseconds(random: &mut Rng, most: u64) -> Duration {
    Duration::from_micros(random.u64(..most))
}

async fn timers(random: &mut Rng) {
    let time = microseconds(random, 5000);
    let began = Instant::now();
    match random.u32(..5) {
        0 => {
            sleep(time).await;
            assert!(began.elapsed() >= time, "a timer ends early");
        }
        1 => {
            // Dropped before it is due, mostly.
            let _ = timeout(time / 4, sleep(time)).await;
        }
        2 => {
            assert!(timeout(time, pending::<()>()).await.is_err());
            assert!(began.elapsed() >= time, "a timeout ends early");
        }
        3 => {
            let mut ticks = interval(Duration::from_micros(200) + time / 10);
            for _ in 0..random.u32(..5) {
                ticks.tick().await;
            }
        }
        _ => {
            let mut sleeping = pin!(sleep(time));
            let _ = timeout(time / 2, sleeping.as_mut()).await;
            let later = Instant::now() + microseconds(random, 3000);
            sleeping.as_mut().reset(later);
            sleeping.await;
            assert!(Instant::now() >= later, "a timer that was reset ends early");
        }
    }
}

async fn channels(world: &Arc<World>, random: &mut Rng) {
    let (numbers, capacity) = (random.u64(..100), random.usize(1..8));
    let (send, mut receive) = mpsc::channel(capacity);
    let (answer, sum) = oneshot::channel();
    world.books.joins.out(1);
    let reader = children::spawn(world, async move {
        let mut sum = 0;
        while let Some(number) = receive.recv().await {
            sum += number;
        }
        // Nobody may wait for it.
        let _ = answer.send(sum);
    });
    for number in 0..numbers {
        send.send(number).await.expect("the reader reads to the end");
    }
    drop(send);
    assert_eq!(sum.await, Ok(numbers * numbers.saturating_sub(1) / 2));
    reader.await.expect("the reader ends");
    world.books.joins.back(1);

    // A permit that was given beforehand, and one that comes.
    let notify = Arc::new(Notify::new());
    let other = notify.clone();
    children::detach(world, async move { other.notify_one() });
    notify.notified().await;
}

async fn locks(world: &Arc<World>, random: &mut Rng) {
    let permit = world.permits.acquire_many(random.u32(1..4)).await.expect("nobody closes it");
    if random.bool() {
        yield_now().await;
    }
    drop(permit);
    // Given up while others hold it, sometimes.
    if let Ok(mut number) = timeout(microseconds(random, 500), world.number.lock()).await {
        let before = *number;
        *number = before + 1;
        if random.u32(..8) == 0 {
            yield_now().await;
        }
        assert_eq!(*number, before + 1, "two had the lock");
    }
}

async fn blocking(world: &Arc<World>, random: &mut Rng) {
    let (mark, number, time) = (world.books.closures.mark(), random.u64(..), microseconds(random, 300));
    world.books.joins.out(1);
    let closure = spawn_blocking(move || {
        let _mark = mark;
        if number.is_multiple_of(8) {
            thread::sleep(time);
        }
        number
    });
    match random.u32(..4) {
        0 => {
            closure.abort();
            match closure.await {
                Ok(answer) => assert_eq!(answer, number),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        1 => drop(closure),
        _ => assert_eq!(closure.await.expect("it does not panic"), number),
    }
    world.books.joins.back(1);
    if random.u32(..64) == 0 {
        block_in_place(|| thread::sleep(time));
    }
}

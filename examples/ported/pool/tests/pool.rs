//! What a pool promises, in time that stands still, with connections that only count themselves.

use mini_pool::{AcquireError, Manager, Options, Pool, Status};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::select;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, advance, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Counts what is open, and does as it is told.
#[derive(Clone, Default)]
struct Counting(Arc<State>);

#[derive(Debug, Default)]
struct State {
    made: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    checks: AtomicUsize,
    refuses: AtomicBool,
    /// From now on those there are fail their checks.
    good_from: AtomicUsize,
    delay: Mutex<Duration>,
}

#[derive(Debug)]
struct Connection {
    number: usize,
    state: Arc<State>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, SeqCst);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Manager for Counting {
    type Connection = Connection;
    type Error = Refused;

    async fn connect(&self) -> Result<Connection, Refused> {
        self.delay().await;
        if self.0.refuses.load(SeqCst) {
            return Err(Refused);
        }
        let number = self.0.made.fetch_add(1, SeqCst);
        let open = self.0.open.fetch_add(1, SeqCst) + 1;
        self.0.most_open.fetch_max(open, SeqCst);
        Ok(Connection { number, state: self.0.clone() })
    }

    async fn check(&self, connection: &mut Connection) -> Result<(), Refused> {
        self.0.checks.fetch_add(1, SeqCst);
        self.delay().await;
        if connection.number < self.0.good_from.load(SeqCst) { Err(Refused) } else { Ok(()) }
    }
}

impl Counting {
    async fn delay(&self) {
        let delay = *self.0.delay.lock().unwrap();
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    fn set_delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    fn open(&self) -> usize {
        self.0.open.load(SeqCst)
    }

    fn made(&self) -> usize {
        self.0.made.load(SeqCst)
    }
}

fn options(max_size: usize) -> Options {
    Options { max_size, ..Options::default() }
}

fn pool(options: Options) -> (Pool<Counting>, Counting) {
    let manager = Counting::default();
    (Pool::new(manager.clone(), options), manager)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_given_back_is_used_again() {
    let (pool, manager) = pool(options(2));
    for _ in 0..10 {
        let connection = pool.acquire().await.unwrap();
        assert_eq!(connection.number, 0);
    }
    let first = pool.acquire().await.unwrap();
    let second = pool.acquire().await.unwrap();
    assert_eq!((first.number, second.number, manager.open()), (0, 1, 2));
    drop((first, second));
    assert_eq!(pool.status(), Status { size: 2, idle: 2 });
    pool.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so_and_not_before() {
    let (pool, _) = pool(Options { acquire_timeout: 3 * SECOND, ..options(1) });
    let held = pool.acquire().await.unwrap();
    let began = Instant::now();
    assert_eq!(pool.acquire().await.unwrap_err(), AcquireError::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 3);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    sleep(2 * SECOND).await;
    drop(held);
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_to_connect_counts_too() {
    let (pool, manager) = pool(Options { acquire_timeout: SECOND, ..options(1) });
    manager.set_delay(2 * SECOND);
    assert_eq!(pool.acquire().await.unwrap_err(), AcquireError::TimedOut);
    assert_eq!(pool.status().size, 0);
    manager.set_delay(Duration::ZERO);
    pool.acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_is_first() {
    let (pool, _) = pool(options(2));
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let (pool, order) = (pool.clone(), order.clone());
        tasks.spawn(async move {
            let connection = pool.acquire().await.unwrap();
            order.lock().unwrap().push(n);
            yield_now().await;
            drop(connection);
        });
        // Each is in the queue before the next comes.
        yield_now().await;
    }
    drop(held);
    // Somebody who comes now, and again and again, waits as the others do.
    pool.acquire().await.unwrap();
    assert_eq!(order.lock().unwrap().len(), 20);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_acquire_that_is_given_up_leaves_nothing_wherever_it_was() {
    let (check_after, maintenance_interval) = (Duration::ZERO, Duration::from_secs(1_000_000));
    let (pool, manager) = pool(Options { check_after, maintenance_interval, ..options(2) });
    manager.set_delay(10 * SECOND);
    // While it connects.
    for _ in 0..100 {
        assert!(timeout(SECOND, pool.acquire()).await.is_err());
        assert_eq!(pool.status(), Status { size: 0, idle: 0 });
    }
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    // While it waits.
    for _ in 0..100 {
        assert!(timeout(SECOND, pool.acquire()).await.is_err());
    }
    drop(held);
    assert_eq!(pool.status(), Status { size: 2, idle: 2 });
    // While it checks: what is in the middle of a check is of no use any more.
    assert!(timeout(SECOND, pool.acquire()).await.is_err());
    assert_eq!(pool.status(), Status { size: 1, idle: 1 });
    assert_eq!(manager.open(), 1);
    // All places are there.
    manager.set_delay(Duration::ZERO);
    let _held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert_eq!(manager.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_does_not_take_the_next_ones_turn_along() {
    let (pool, _) = pool(options(1));
    let held = pool.acquire().await.unwrap();
    let impatient = tokio::spawn({
        let pool = pool.clone();
        async move { timeout(SECOND, pool.acquire()).await.is_err() }
    });
    yield_now().await;
    let patient = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    assert!(impatient.await.unwrap());
    drop(held);
    patient.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_least_is_there_without_being_asked_for() {
    let (pool, manager) = pool(Options { min_size: 3, ..options(5) });
    sleep(2 * SECOND).await;
    assert_eq!(pool.status(), Status { size: 3, idle: 3 });
    // Also after some were lost.
    pool.acquire().await.unwrap().discard();
    sleep(2 * SECOND).await;
    assert_eq!(pool.status(), Status { size: 3, idle: 3 });
    // And when the other side is away for a while.
    manager.0.refuses.store(true, SeqCst);
    pool.acquire().await.unwrap().discard();
    sleep(10 * SECOND).await;
    assert_eq!(pool.status().size, 2);
    manager.0.refuses.store(false, SeqCst);
    sleep(2 * SECOND).await;
    assert_eq!(pool.status(), Status { size: 3, idle: 3 });
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_long_is_closed_down_to_the_least() {
    let (pool, manager) = pool(Options { min_size: 1, idle_timeout: 60 * SECOND, ..options(4) });
    let held = [(); 4].map(|()| pool.clone());
    let mut connections = Vec::new();
    for pool in &held {
        connections.push(pool.acquire().await.unwrap());
    }
    // It is not idle while somebody has it.
    sleep(120 * SECOND).await;
    assert_eq!(manager.open(), 4);
    drop(connections);
    sleep(58 * SECOND).await;
    assert_eq!(manager.open(), 4);
    sleep(4 * SECOND).await;
    assert_eq!(pool.status(), Status { size: 1, idle: 1 });
    assert_eq!(manager.open(), 1);
    sleep(1000 * SECOND).await;
    assert_eq!(manager.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_replaced_but_not_while_it_is_used() {
    let (pool, manager) = pool(Options { max_lifetime: 60 * SECOND, ..options(1) });
    let connection = pool.acquire().await.unwrap();
    sleep(100 * SECOND).await;
    assert_eq!(connection.age().as_secs(), 100);
    assert_eq!(manager.open(), 1);
    drop(connection);
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    // And if nobody asks, it goes.
    sleep(62 * SECOND).await;
    assert_eq!(manager.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_used_for_a_while_is_checked_before_somebody_gets_it() {
    let never = Duration::from_secs(1_000_000);
    let (pool, manager) = pool(Options { check_after: 5 * SECOND, maintenance_interval: never, ..options(2) });
    // The pool looks after its connections once now.
    sleep(SECOND).await;
    drop([pool.acquire().await.unwrap(), pool.acquire().await.unwrap()]);
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    assert_eq!(manager.0.checks.load(SeqCst), 0);
    advance(6 * SECOND).await;
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    assert_eq!(manager.0.checks.load(SeqCst), 1);
    // All that are not good are passed over, and a new one is made.
    advance(6 * SECOND).await;
    manager.0.good_from.store(2, SeqCst);
    assert_eq!(pool.acquire().await.unwrap().number, 2);
    assert_eq!(pool.status(), Status { size: 1, idle: 1 });
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_checked_in_the_background_and_replaced() {
    let (pool, manager) = pool(Options { min_size: 2, check_after: 5 * SECOND, ..options(2) });
    sleep(20 * SECOND).await;
    assert_eq!(manager.made(), 2);
    assert!((4..=8).contains(&manager.0.checks.load(SeqCst)), "{}", manager.0.checks.load(SeqCst));
    manager.0.good_from.store(2, SeqCst);
    sleep(10 * SECOND).await;
    assert_eq!((manager.made(), manager.open()), (4, 2));
    assert_eq!(pool.status(), Status { size: 2, idle: 2 });
}

#[tokio::test(start_paused = true)]
async fn an_error_of_connect_is_told_and_the_place_is_free_again() {
    let (pool, manager) = pool(options(1));
    manager.0.refuses.store(true, SeqCst);
    for _ in 0..3 {
        assert_eq!(pool.acquire().await.unwrap_err(), AcquireError::Connect(Refused));
    }
    manager.0.refuses.store(false, SeqCst);
    pool.acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_closed_waits_for_what_somebody_has() {
    let (pool, manager) = pool(options(2));
    let held = pool.acquire().await.unwrap();
    drop(pool.acquire().await.unwrap());
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    sleep(SECOND).await;
    assert_eq!(pool.acquire().await.unwrap_err(), AcquireError::Closed);
    assert!(!closing.is_finished());
    assert_eq!(manager.open(), 1);
    drop(held);
    closing.await.unwrap();
    assert_eq!(manager.open(), 0);
    // Again, as others may do.
    pool.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_pool_is_closed_is_told_so() {
    let (pool, _) = pool(options(1));
    let held = pool.acquire().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    yield_now().await;
    tokio::join!(pool.close(), async {
        assert_eq!(waiting.await.unwrap(), Err(AcquireError::Closed));
        drop(held);
    });
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_nobody_has_any_more_closes_what_is_idle() {
    let (pool, manager) = pool(Options { min_size: 2, ..options(3) });
    sleep(2 * SECOND).await;
    let held = pool.acquire().await.unwrap();
    drop(pool);
    assert_eq!(manager.open(), 2);
    // What somebody has still keeps the pool, and works.
    assert_eq!(held.number, 1);
    drop(held);
    sleep(SECOND).await;
    assert_eq!(manager.open(), 0);
    // And the task that looked after it is gone, with the manager.
    assert_eq!(Arc::strong_count(&manager.0), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_gives_back_what_it_had() {
    let (pool, _) = pool(options(1));
    let panicking = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _connection = pool.acquire().await.unwrap();
            panic!("as planned");
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(pool.acquire().await.unwrap().number, 0);
}

/// In real time, on several threads: some give up, some lose their connection, some panic.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_are_never_more_than_the_most_whatever_happens() {
    let (pool, manager) = pool(Options {
        min_size: 2,
        check_after: Duration::ZERO,
        maintenance_interval: Duration::from_micros(300),
        idle_timeout: Duration::from_micros(500),
        max_lifetime: Duration::from_millis(2),
        ..options(5)
    });
    manager.set_delay(Duration::from_micros(50));
    let all = Arc::new(Barrier::new(50));
    let mut tasks = JoinSet::new();
    for task in 0..50_u64 {
        let (pool, all) = (pool.clone(), all.clone());
        tasks.spawn(async move {
            all.wait().await;
            for round in 0..100_u64 {
                let patience = Duration::from_micros((task * 7 + round * 13) % 400);
                let connection = select! {
                    connection = pool.acquire() => connection.unwrap(),
                    () = sleep(patience) => continue,
                };
                if round % 3 == 0 {
                    sleep(Duration::from_micros(20)).await;
                }
                match round % 10 {
                    0 => connection.discard(),
                    1 => drop(tokio::spawn(async move { drop(connection) }).await),
                    _ => drop(connection),
                }
            }
        });
    }
    while let Some(ended) = timeout(60 * SECOND, tasks.join_next()).await.unwrap() {
        ended.unwrap();
    }
    assert!(manager.0.most_open.load(SeqCst) <= 5, "{} were open", manager.0.most_open.load(SeqCst));
    timeout(30 * SECOND, pool.close()).await.unwrap();
    assert_eq!(manager.open(), 0);
    assert_eq!(pool.status(), Status { size: 0, idle: 0 });
}

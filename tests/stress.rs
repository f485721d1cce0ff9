//! Random programs from fixed seeds, under a watch that fails when nothing moves any more.
//!
//! `RT_STRESS_SEED=<number>` adds to the seeds, for other programs; a failure names the seed it happened with.

mod support;

use std::any::Any;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::{Handle, Runtime, RuntimeMetrics};
use rt::sync::{Notify, Semaphore, mpsc as async_mpsc, oneshot};
use rt::task::{JoinHandle, JoinSet, spawn_blocking, try_id, try_scope, yield_now};
use rt::time::{Sleep, sleep, timeout};
use support::{DropCounter, current, eventually, multi};

/// So long may nothing move. A hundred times what a step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sebastiano Vigna's splitmix64: small, and good enough to choose the next step.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One for a task of its own.
    fn fork(&mut self) -> Random {
        Random(self.next())
    }
}

/// What the watch looks at.
#[derive(Default)]
struct Progress {
    steps: AtomicU64,
    metrics: Mutex<Option<RuntimeMetrics>>,
}

impl Progress {
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `workload` with `seed` on a thread of its own, and fails with a report if it does not move for too long.
#[track_caller]
fn watched(workers: impl Display, seed: u64, workload: impl FnOnce(Random, Arc<Progress>) + Send + 'static) {
    let added = std::env::var("RT_STRESS_SEED").ok().map_or(0, |text| text.parse().expect("a number"));
    let seed = seed.wrapping_add(added);
    let progress = Arc::new(Progress::default());
    let thread = {
        let progress = progress.clone();
        thread::spawn(move || workload(Random(seed), progress))
    };
    let (mut steps, mut moved) = (0, Instant::now());
    while !thread.is_finished() {
        thread::sleep(Duration::from_millis(2));
        let now = progress.steps.load(Ordering::Relaxed);
        if now != steps {
            (steps, moved) = (now, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            let metrics = progress.metrics.lock().unwrap().as_ref().map(ToString::to_string).unwrap_or_default();
            panic!("seed {seed}, {workers} workers: nothing has moved for {PATIENCE:?} after {steps} steps\n{metrics}");
        }
    }
    if let Err(panic) = thread.join() {
        eprintln!("seed {seed}, {workers} workers: failed after {steps} steps");
        std::panic::resume_unwind(panic);
    }
}

/// Threads that are no workers and wake tasks, now or a little later, or drop what would wake them.
struct Foreigners {
    inbox: mpsc::Sender<(u64, Favour)>,
}

enum Favour {
    Answer(oneshot::Sender<u64>),
    Wake(Waker),
}

impl Foreigners {
    fn new(threads: usize, progress: &Arc<Progress>) -> Foreigners {
        let (inbox, favours) = mpsc::channel();
        let favours = Arc::new(Mutex::new(favours));
        for _ in 0..threads {
            let (favours, progress) = (favours.clone(), progress.clone());
            thread::spawn(move || {
                loop {
                    let favour = favours.lock().unwrap().recv();
                    let Ok((number, favour)) = favour else { return };
                    match number % 4 {
                        0 => thread::sleep(Duration::from_micros(number % 64)),
                        1 => thread::yield_now(),
                        _ => {}
                    }
                    match favour {
                        Favour::Answer(sender) if number % 8 == 7 => drop(sender),
                        // The task may have been aborted.
                        Favour::Answer(sender) => _ = sender.send(number),
                        Favour::Wake(waker) if number % 2 == 0 => {
                            let clone = waker.clone();
                            (0..number % 5).for_each(|_| waker.wake_by_ref());
                            clone.wake();
                        }
                        Favour::Wake(waker) => waker.wake(),
                    }
                    progress.step();
                }
            });
        }
        Foreigners { inbox }
    }

    fn ask(&self, number: u64, favour: Favour) {
        self.inbox.send((number, favour)).expect("the threads are there as long as somebody asks");
    }
}

/// What all tasks of one program share.
struct World {
    progress: Arc<Progress>,
    /// Tasks that may still be spawned.
    fuel: AtomicI64,
    drops: DropCounter,
    foreigners: Foreigners,
    permits: Semaphore,
    mail: async_mpsc::UnboundedSender<u64>,
    notify: Notify,
}

type Program = Pin<Box<dyn Future<Output = u64> + Send>>;

/// A task that does a random number of random things.
fn program(world: Arc<World>, mut random: Random) -> Program {
    let guard = world.drops.guard();
    Box::pin(async move {
        let _guard = guard;
        let mut sum = 0_u64;
        let spawn = |random: &mut Random| -> Option<JoinHandle<u64>> {
            let is_left = world.fuel.fetch_sub(1, Ordering::Relaxed) > 0;
            is_left.then(|| rt::spawn(program(world.clone(), random.fork())))
        };
        for _ in 0..random.below(12) {
            world.progress.step();
            match random.below(16) {
                0 | 1 => yield_now().await,
                2..=4 => {
                    let children: Vec<_> = (0..random.below(4)).filter_map(|_| spawn(&mut random)).collect();
                    for child in children {
                        sum = sum.wrapping_add(child.await.unwrap_or(1));
                    }
                }
                5 => drop(spawn(&mut random)),
                6 => {
                    if let Some(child) = spawn(&mut random) {
                        if random.below(2) == 0 {
                            yield_now().await;
                        }
                        let abort = child.abort_handle();
                        if random.below(2) == 0 {
                            child.abort();
                        } else {
                            abort_from_a_task(&world, abort);
                        }
                        match child.await {
                            Ok(output) => sum = sum.wrapping_add(output),
                            Err(error) => assert!(error.is_cancelled() || error.is_panic()),
                        }
                    }
                }
                7 => {
                    // Polls the handle, and lets go of it.
                    if let Some(child) = spawn(&mut random) {
                        let _ = select(child, std::pin::pin!(yield_now())).await;
                    }
                }
                8 if random.below(4) == 0 => std::panic::resume_unwind(Box::new("as told")),
                8 | 9 => {
                    let (send, receive) = oneshot::channel();
                    world.foreigners.ask(random.next(), Favour::Answer(send));
                    sum = sum.wrapping_add(receive.await.unwrap_or(2));
                }
                10 => {
                    // Woken at least once by a foreign thread, perhaps before it returns from this poll.
                    let mut asked = false;
                    let number = random.next();
                    poll_fn(|cx| {
                        if std::mem::replace(&mut asked, true) {
                            return Poll::Ready(());
                        }
                        world.foreigners.ask(number, Favour::Wake(cx.waker().clone()));
                        Poll::Pending
                    })
                    .await;
                }
                11 => {
                    let permit = world.permits.acquire().await.unwrap();
                    if random.below(2) == 0 {
                        yield_now().await;
                    }
                    drop(permit);
                }
                12 => _ = world.mail.send(random.next()),
                13 => sleep(Duration::from_micros(random.below(300))).await,
                14 => {
                    // Somebody notifies, or the time is over.
                    world.notify.notify_one();
                    let _ = timeout(Duration::from_micros(random.below(200)), world.notify.notified()).await;
                }
                _ if random.below(8) == 0 => {
                    let number = random.next();
                    let handle = Handle::current();
                    let closure = spawn_blocking(move || {
                        if number.is_multiple_of(4) {
                            handle.block_on(async { rt::spawn(async { 3 }).await.unwrap_or(4) })
                        } else {
                            number
                        }
                    });
                    if number.is_multiple_of(3) {
                        closure.abort();
                    }
                    sum = sum.wrapping_add(closure.await.unwrap_or(5));
                }
                _ => sum = sum.wrapping_add(random.next()),
            }
        }
        sum
    })
}

/// Aborts from a task of its own, so that it races with everything.
fn abort_from_a_task(world: &Arc<World>, abort: rt::task::AbortHandle) {
    let guard = world.drops.guard();
    drop(rt::spawn(async move {
        let _guard = guard;
        abort.abort();
    }));
}

/// Programs of about `tasks` tasks on `runtime`; to their end, or into the middle of a shutdown.
fn run_programs(runtime: Runtime, mut random: Random, progress: &Arc<Progress>, tasks: i64, to_the_end: bool) {
    *progress.metrics.lock().unwrap() = Some(runtime.metrics());
    let (mail, mut letters) = async_mpsc::unbounded_channel();
    let world = Arc::new(World {
        progress: progress.clone(),
        fuel: AtomicI64::new(tasks),
        drops: DropCounter::new(),
        foreigners: Foreigners::new(2, progress),
        permits: Semaphore::new(3),
        mail,
        notify: Notify::new(),
    });
    let reader = runtime.spawn(async move {
        let mut read = 0_u64;
        while letters.recv().await.is_some() {
            read += 1;
        }
        read
    });
    let drops = world.drops.clone();
    while world.fuel.load(Ordering::Relaxed) > 0 {
        let roots: Vec<_> = (0..20)
            .map(|_| {
                world.fuel.fetch_sub(1, Ordering::Relaxed);
                runtime.spawn(program(world.clone(), random.fork()))
            })
            .collect();
        let half = world.fuel.load(Ordering::Relaxed) < tasks / 2;
        if half && !to_the_end {
            runtime.block_on(yield_now());
            break;
        }
        runtime.block_on(async {
            for root in roots {
                if let Err(error) = root.await {
                    assert!(is_as_told(error.into_panic()));
                }
            }
        });
    }
    drop(world);
    if to_the_end {
        // Detached tasks still run; the mail ends with the last of them.
        runtime.block_on(reader).unwrap();
        let metrics = runtime.metrics();
        eventually(PATIENCE, || {
            runtime.block_on(yield_now());
            metrics.num_alive_tasks() == 0
        });
    }
    drop(runtime);
    eventually(PATIENCE, || drops.drops() == drops.guards());
}

fn is_as_told(panic: Box<dyn Any + Send>) -> bool {
    panic.downcast_ref::<&str>() == Some(&"as told")
}

fn build(workers: usize) -> Runtime {
    if workers == 0 { current() } else { multi(workers) }
}

#[test]
fn random_programs_on_a_current_thread_runtime_end() {
    watched("no", 1, |random, progress| run_programs(build(0), random, &progress, 4000, true));
}

#[test]
fn random_programs_on_one_worker_end() {
    watched(1, 2, |random, progress| run_programs(build(1), random, &progress, 4000, true));
}

#[test]
fn random_programs_on_two_workers_end() {
    watched(2, 3, |random, progress| run_programs(build(2), random, &progress, 4000, true));
}

#[test]
fn random_programs_on_eight_workers_end() {
    watched(8, 4, |random, progress| run_programs(build(8), random, &progress, 4000, true));
}

#[test]
fn a_runtime_shuts_down_in_the_middle_of_random_programs() {
    for round in 0..40 {
        let workers = [0, 1, 2, 8][round % 4];
        watched(workers, 100 + round as u64, move |random, progress| {
            run_programs(build(workers), random, &progress, 200, false);
        });
    }
}

#[test]
fn threads_that_spawn_while_the_runtime_shuts_down_lose_nothing() {
    for round in 0..40 {
        let workers = [0, 1, 2, 8][round % 4];
        watched(workers, 200 + round as u64, move |mut random, progress| {
            let runtime = build(workers);
            *progress.metrics.lock().unwrap() = Some(runtime.metrics());
            let drops = DropCounter::new();
            let enough = Arc::new(AtomicBool::new(false));
            let spawning: Vec<_> = (0..3)
                .map(|_| {
                    let (handle, drops, progress) = (runtime.handle().clone(), drops.clone(), progress.clone());
                    let (enough, mut random) = (enough.clone(), random.fork());
                    thread::spawn(move || {
                        let mut handles = Vec::new();
                        while !enough.load(Ordering::SeqCst) {
                            let guard = drops.guard();
                            let turns = random.below(4);
                            handles.push(handle.spawn(async move {
                                let _guard = guard;
                                for _ in 0..turns {
                                    yield_now().await;
                                }
                                if turns == 3 {
                                    std::future::pending::<()>().await;
                                }
                            }));
                            progress.step();
                            if random.below(8) == 0 {
                                let guard = drops.guard();
                                drop(handle.spawn_blocking(move || drop(guard)));
                            }
                            if random.below(64) == 0 {
                                thread::yield_now();
                            }
                        }
                        handles
                    })
                })
                .collect();
            runtime.block_on(async { sleep(Duration::from_micros(random.below(3000))).await });
            match round % 3 {
                0 => drop(runtime),
                1 => runtime.shutdown_timeout(PATIENCE),
                _ => runtime.shutdown_background(),
            }
            // They go on for a while after the shutdown.
            thread::sleep(Duration::from_micros(random.below(500)));
            enough.store(true, Ordering::SeqCst);
            let handles: Vec<_> = spawning.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            eventually(PATIENCE, || handles.iter().all(JoinHandle::is_finished));
            let survivor = current();
            for handle in handles {
                if let Err(error) = survivor.block_on(handle) {
                    assert!(error.is_cancelled());
                }
            }
            eventually(PATIENCE, || drops.drops() == drops.guards());
        });
    }
}

#[test]
fn wakes_by_many_threads_while_tasks_come_and_go_are_not_lost() {
    for workers in [0, 1, 2, 8] {
        watched(workers, 300, move |mut random, progress| {
            let runtime = build(workers);
            *progress.metrics.lock().unwrap() = Some(runtime.metrics());
            let foreigners = Arc::new(Foreigners::new(4, &progress));
            let tasks: Vec<_> = (0..40)
                .map(|_| {
                    let (foreigners, mut random) = (foreigners.clone(), random.fork());
                    let (mut left, due) = (50, Arc::new(AtomicUsize::new(1)));
                    runtime.spawn(poll_fn(move |cx| {
                        // Spurious polls are fine; a missing one is not.
                        if due.swap(0, Ordering::SeqCst) == 0 {
                            return Poll::Pending;
                        }
                        left -= 1;
                        if left == 0 {
                            return Poll::Ready(());
                        }
                        due.store(1, Ordering::SeqCst);
                        foreigners.ask(random.next(), Favour::Wake(cx.waker().clone()));
                        Poll::Pending
                    }))
                })
                .collect();
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}

#[test]
fn sets_of_tasks_that_are_used_at_random_lose_no_member() {
    watched(4, 0x5e75, |mut random, progress| {
        let runtime = multi(4);
        let drops = DropCounter::new();
        let workloads: Vec<_> = (0..4)
            .map(|_| {
                let (mut random, progress, drops) = (random.fork(), progress.clone(), drops.clone());
                runtime.spawn(async move {
                    let (mut set, mut in_it) = (JoinSet::new(), 0);
                    for number in 0..20_000_u64 {
                        progress.step();
                        match random.below(16) {
                            0..8 => {
                                let (guard, yields) = (drops.guard(), random.below(4));
                                let member = async move {
                                    for _ in 0..yields {
                                        yield_now().await;
                                    }
                                    (guard, try_id())
                                };
                                let abort = set.spawn(member);
                                in_it += 1;
                                if number % 32 == 0 {
                                    abort.abort();
                                }
                            }
                            8..11 => match set.join_next_with_id().await {
                                Some(Ok((id, (_guard, told)))) => {
                                    assert_eq!(told, Some(id));
                                    in_it -= 1;
                                }
                                Some(Err(error)) => {
                                    assert!(error.is_cancelled());
                                    in_it -= 1;
                                }
                                None => assert_eq!(in_it, 0),
                            },
                            11..14 => in_it -= usize::from(set.try_join_next().is_some()),
                            14 => yield_now().await,
                            _ => match random.below(64) {
                                0 => set.abort_all(),
                                1 => {
                                    set.detach_all();
                                    in_it = 0;
                                }
                                2 => {
                                    set.shutdown().await;
                                    in_it = 0;
                                }
                                3 => {
                                    set = JoinSet::new();
                                    in_it = 0;
                                }
                                _ => {}
                            },
                        }
                        assert_eq!(set.len(), in_it);
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for workload in workloads {
                workload.await.unwrap();
            }
        });
        eventually(PATIENCE, || drops.drops() == drops.guards());
    });
}

#[test]
fn timers_that_are_armed_reset_and_dropped_at_random_all_end() {
    for workers in [0, 2, 8] {
        watched(workers, 400, move |mut random, progress| {
            let runtime = build(workers);
            *progress.metrics.lock().unwrap() = Some(runtime.metrics());
            let tasks: Vec<_> = (0..60)
                .map(|_| {
                    let (mut random, progress) = (random.fork(), progress.clone());
                    runtime.spawn(async move {
                        for _ in 0..25 {
                            let mut timer = Box::pin(sleep(Duration::from_micros(random.below(2000))));
                            match random.below(4) {
                                0 => timer.await,
                                1 => drop(select(timer, std::pin::pin!(yield_now())).await),
                                2 => {
                                    let later = Duration::from_micros(random.below(1000));
                                    if let Either::Right(((), mut timer)) = select(timer, Box::pin(yield_now())).await {
                                        timer.as_mut().reset(rt::time::Instant::now() + later);
                                        timer.await;
                                    }
                                }
                                _ => {
                                    let _ = poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx))).await;
                                    // Ends on whichever worker runs that task.
                                    rt::spawn(timer).await.unwrap();
                                }
                            }
                            progress.step();
                        }
                    })
                })
                .collect();
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}

/// Timers that pass from task to task: each is made on one worker, armed on another, postponed, moved to the front, or dropped on a third,
/// often while it fires.
#[test]
fn timers_that_wander_from_task_to_task_never_end_early_and_always_end() {
    type Wanderer = (Pin<Box<Sleep>>, u64);

    async fn wander(
        mut random: Random,
        mail: Vec<async_mpsc::UnboundedSender<Wanderer>>,
        mut inbox: async_mpsc::UnboundedReceiver<Wanderer>,
        progress: Arc<Progress>,
    ) {
        // Dropped in the end, or the others would wait for ever.
        let mut mail = Some(mail);
        for _ in 0..3 {
            for other in mail.iter().flatten() {
                let _ = other.send((Box::pin(sleep(Duration::from_micros(random.below(3000)))), 20));
            }
        }
        let mut left = 400_u32;
        loop {
            let received = poll_fn(|cx| inbox.poll_recv(cx)).await;
            let Some((mut sleeping, lives)) = received else { return };
            progress.step();
            let deadline = sleeping.deadline();
            match random.below(8) {
                0 => drop(std::mem::replace(&mut sleeping, Box::pin(sleep(Duration::from_micros(random.below(500)))))),
                1 => sleeping.as_mut().reset(deadline + Duration::from_micros(random.below(2000))),
                2 => sleeping.as_mut().reset(rt::time::Instant::now() + Duration::from_micros(random.below(100))),
                3 => {
                    sleeping.as_mut().await;
                    assert!(rt::time::Instant::now() >= deadline, "a timer ends early");
                }
                4 => {
                    // To its end by another task, which wakes this one no more.
                    let progress = progress.clone();
                    drop(rt::spawn(async move {
                        sleeping.await;
                        progress.step();
                    }));
                    sleeping = Box::pin(sleep(Duration::from_micros(random.below(300))));
                }
                _ => {
                    let ended = poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx).is_ready())).await;
                    assert!(!ended || rt::time::Instant::now() >= deadline, "a timer ends early");
                }
            }
            left -= 1;
            match &mail {
                Some(others) if left > 0 && lives > 0 => {
                    let next = random.below(others.len() as u64) as usize;
                    let _ = others[next].send((sleeping, lives - 1));
                }
                _ => drop(sleeping),
            }
            if left == 0 || inbox.is_empty() {
                mail = None;
            }
        }
    }

    for seed in 0..3 {
        watched(4, seed, |mut random, progress| {
            let runtime = build(4);
            *progress.metrics.lock().unwrap() = Some(runtime.metrics());
            runtime.block_on(async {
                let (mail, inboxes): (Vec<_>, Vec<_>) = (0..16).map(|_| async_mpsc::unbounded_channel()).unzip();
                let wander = |inbox| rt::spawn(wander(random.fork(), mail.clone(), inbox, progress.clone()));
                let tasks: Vec<_> = inboxes.into_iter().map(wander).collect();
                drop(mail);
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}

#[test]
fn sockets_that_talk_stop_and_close_at_random_all_end() {
    for workers in [0, 2, 8] {
        watched(workers, 500, move |mut random, progress| {
            let runtime = build(workers);
            *progress.metrics.lock().unwrap() = Some(runtime.metrics());
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let server = rt::spawn({
                    let progress = progress.clone();
                    async move {
                        loop {
                            let (mut stream, _) = listener.accept().await.unwrap();
                            let progress = progress.clone();
                            drop(rt::spawn(async move {
                                let mut buffer = [0; 512];
                                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                                    progress.step();
                                    if stream.write_all(&buffer[..read]).await.is_err() {
                                        break;
                                    }
                                }
                            }));
                        }
                    }
                });
                let clients: Vec<_> = (0..30)
                    .map(|_| {
                        let (mut random, progress) = (random.fork(), progress.clone());
                        rt::spawn(async move {
                            for _ in 0..8 {
                                let mut stream = TcpStream::connect(address).await.unwrap();
                                for _ in 0..random.below(6) {
                                    let data: Vec<u8> = (0..random.below(2000)).map(|_| random.next() as u8).collect();
                                    stream.write_all(&data).await.unwrap();
                                    let mut echo = vec![0; data.len()];
                                    match random.below(4) {
                                        // Gives up in the middle, and never hears of the rest.
                                        0 => {
                                            let patience = Duration::from_micros(random.below(100));
                                            if timeout(patience, stream.read_exact(&mut echo)).await.is_err() {
                                                break;
                                            }
                                        }
                                        1 => {
                                            let reading = rt::spawn(async move {
                                                stream.read_exact(&mut echo).await.unwrap();
                                                (stream, echo)
                                            });
                                            (stream, echo) = reading.await.unwrap();
                                        }
                                        _ => _ = stream.read_exact(&mut echo).await.unwrap(),
                                    }
                                    assert!(echo == data);
                                    progress.step();
                                }
                            }
                        })
                    })
                    .collect();
                for client in clients {
                    client.await.unwrap();
                }
                server.abort();
            });
        });
    }
}

/// Counts whoever has one, from when it was made until it is dropped.
struct Inside(Arc<AtomicI64>);

impl Inside {
    fn of(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Inside(count.clone())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A scope whose children fail, cancel it, are aborted, and are such scopes themselves. Some are given up. Of those that are not, nothing is left
/// when they have ended.
fn branch(mut random: Random, depth: u32, progress: Arc<Progress>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let inside = Arc::new(AtomicI64::new(0));
        let impatience = (random.below(5) == 0).then(|| Duration::from_micros(random.below(500)));
        let children = inside.clone();
        let run = try_scope(async move |scope| {
            for _ in 0..random.below(8) {
                let (mut own, guard, siblings) = (random.fork(), Inside::of(&children), scope.clone());
                let (inner, below) = (progress.clone(), depth > 0);
                let child = scope.spawn(async move {
                    let _guard = guard;
                    for _ in 0..own.below(4) {
                        yield_now().await;
                    }
                    inner.step();
                    match own.below(12) {
                        0 => return Err(own.next()),
                        1 => siblings.cancel(),
                        2 => sleep(Duration::from_micros(own.below(300))).await,
                        3 => drop(timeout(Duration::from_micros(own.below(300)), siblings.cancelled()).await),
                        _ if below => branch(own, depth - 1, inner).await,
                        _ => {}
                    }
                    Ok(())
                });
                match random.below(6) {
                    0 => child.abort(),
                    1 => drop(child.await),
                    _ => {}
                }
            }
            // For those that wait for it.
            yield_now().await;
            scope.cancel();
            Ok(())
        });
        match impatience {
            Some(patience) => drop(timeout(patience, run).await),
            None => {
                let _ = run.await;
                assert_eq!(inside.load(Ordering::Relaxed), 0, "a child has outlived its scope");
            }
        }
    })
}

#[test]
fn scopes_in_scopes_end_with_all_that_is_in_them_and_are_drained() {
    for (workers, seed) in [(1, 0x5c0b_e001), (2, 0x5c0b_e002), (4, 0x5c0b_e003)] {
        watched(workers, seed, move |mut random, progress| {
            for _ in 0..10 {
                let runtime = multi(workers);
                let trees: Vec<_> =
                    (0..40).map(|_| runtime.spawn(branch(random.fork(), 3, progress.clone()))).collect();
                let cut = random.below(3) == 0;
                let drained = runtime.drain(if cut { Duration::ZERO } else { PATIENCE });
                assert!(drained.stuck().is_empty() && (cut || drained.is_clean()), "{drained}");
                for tree in trees {
                    match current().block_on(tree) {
                        Ok(()) => {}
                        Err(error) => assert!(cut && error.is_cancelled(), "{error}"),
                    }
                }
                progress.step();
            }
        });
    }
}

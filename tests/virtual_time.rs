//! Time that stands still, and moves when nothing else can happen.

mod support;

use rt::runtime::{Builder, Runtime};
use rt::task::{JoinHandle, spawn_blocking, yield_now};
use rt::time::{
    self, Duration, Instant, MissedTickBehavior, advance, interval, pause, resume, sleep, sleep_until, timeout,
};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use support::within;

const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// What takes no time takes less than this.
const SOON: Duration = Duration::from_secs(20);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Runs `future` in paused time.
fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    within(SOON, move || paused().block_on(future))
}

async fn is_ready<F: Future + ?Sized>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

fn panic_message(result: std::thread::Result<()>) -> String {
    let payload = result.expect_err("it does not panic");
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap()
}

#[test]
fn a_sleep_takes_its_time_to_the_nanosecond_and_no_real_time() {
    run(async {
        for duration in [HOUR, 137 * MILLISECOND / 1000, NANOSECOND, HOUR + 3 * NANOSECOND] {
            let start = Instant::now();
            sleep(duration).await;
            assert_eq!(start.elapsed(), duration);
        }
    });
}

#[test]
fn paused_time_stands_still_while_anything_can_run() {
    run(async {
        let start = Instant::now();
        let _sleeping = rt::spawn(sleep(MILLISECOND));
        for _ in 0..1000 {
            yield_now().await;
        }
        std::thread::sleep(5 * MILLISECOND);
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines_to_the_nanosecond() {
    run(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now() + HOUR;
        let tasks: Vec<_> = (0..50_u32)
            .map(|n| n * 19 % 50)
            .map(|n| {
                let order = order.clone();
                rt::spawn(async move {
                    sleep_until(start + n * NANOSECOND).await;
                    assert_eq!(Instant::now(), start + n * NANOSECOND);
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.lock().unwrap().iter().copied().eq(0..50));
    });
}

/// A task that sleeps and then counts; it sleeps when this returns.
async fn counting_sleeper(duration: Duration, count: &Arc<AtomicUsize>) -> JoinHandle<()> {
    let count = count.clone();
    let (tell, told) = rt::sync::oneshot::channel();
    let task = rt::spawn(async move {
        let mut sleeping = pin!(sleep(duration));
        assert!(!is_ready(sleeping.as_mut()).await);
        tell.send(()).unwrap();
        sleeping.await;
        count.fetch_add(1, Ordering::Relaxed);
    });
    told.await.unwrap();
    task
}

#[test]
fn when_advance_returns_every_task_whose_timer_came_due_has_been_polled() {
    run(async {
        // From the future of `block_on`, and from a task.
        for in_task in [false, true] {
            let work = async {
                let count = Arc::new(AtomicUsize::new(0));
                for _ in 0..1000 {
                    drop(counting_sleeper(10 * MILLISECOND, &count).await);
                }
                drop(counting_sleeper(11 * MILLISECOND, &count).await);
                advance(9 * MILLISECOND).await;
                assert_eq!(count.load(Ordering::Relaxed), 0);
                advance(MILLISECOND).await;
                assert_eq!(count.load(Ordering::Relaxed), 1000);
                advance(MILLISECOND).await;
                assert_eq!(count.load(Ordering::Relaxed), 1001);
            };
            match in_task {
                false => work.await,
                true => rt::spawn(work).await.unwrap(),
            }
        }
    });
}

#[test]
fn advance_moves_time_by_just_what_is_asked_for() {
    run(async {
        let start = Instant::now();
        advance(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        advance(Duration::ZERO).await;
        assert_eq!(start.elapsed(), HOUR);
        // Beyond a timer: it is told of the time after the jump.
        let task = rt::spawn(async {
            sleep(MILLISECOND).await;
            Instant::now()
        });
        yield_now().await;
        advance(HOUR).await;
        assert_eq!(task.await.unwrap(), start + 2 * HOUR);
    });
}

#[test]
fn a_sleep_that_was_made_before_time_was_moved_beyond_it_completes_at_its_first_poll() {
    run(async {
        let mut sleeping = pin!(sleep(MILLISECOND));
        advance(MILLISECOND).await;
        assert!(is_ready(sleeping.as_mut()).await);
    });
}

#[test]
fn a_timer_that_is_not_there_any_more_does_not_move_time() {
    within(SOON, || {
        let runtime = paused();
        let (tell, told) = mpsc::channel();
        runtime.block_on(async {
            let start = Instant::now();
            assert_eq!(timeout(HOUR, async { yield_now().await }).await, Ok(()));
            let mut sleeping = Box::pin(sleep(HOUR));
            assert!(!is_ready(sleeping.as_mut()).await);
            drop(sleeping);
            // Nothing is left to wait for but another thread.
            let (answer, question) = rt::sync::oneshot::channel();
            std::thread::spawn(move || {
                told.recv().unwrap();
                std::thread::sleep(20 * MILLISECOND);
                answer.send(()).unwrap();
            });
            tell.send(()).unwrap();
            question.await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
        });
    });
}

#[test]
fn time_does_not_move_by_itself_while_a_closure_blocks() {
    run(async {
        let start = Instant::now();
        let (go, gone) = mpsc::channel::<()>();
        let blocking = spawn_blocking(move || {
            std::thread::sleep(20 * MILLISECOND);
            gone.recv().unwrap();
            Instant::now()
        });
        let task = rt::spawn(async move {
            sleep(HOUR).await;
            Instant::now()
        });
        yield_now().await;
        go.send(()).unwrap();
        assert_eq!(blocking.await.unwrap(), start, "the closure sees the runtime's time");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(task.await.unwrap(), start + HOUR);
    });
}

#[test]
fn time_moves_again_when_a_closure_that_nobody_waits_for_has_ended() {
    run(async {
        let start = Instant::now();
        drop(spawn_blocking(|| std::thread::sleep(20 * MILLISECOND)));
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn what_a_closure_sends_before_it_ends_comes_before_time_moves() {
    run(async {
        for _ in 0..200 {
            let blocking = spawn_blocking(|| ());
            let waited = timeout(HOUR, blocking).await;
            assert!(waited.is_ok(), "time moved although the closure had ended");
        }
    });
}

#[test]
fn intervals_tick_in_virtual_time() {
    run(async {
        let start = Instant::now();
        let mut ticks = interval(HOUR);
        for n in 0..24 {
            assert_eq!(ticks.tick().await, start + n * HOUR);
            assert_eq!(Instant::now(), start + n * HOUR);
        }
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        advance(5 * HOUR / 2).await;
        assert_eq!(ticks.tick().await, start + 24 * HOUR);
        assert_eq!(ticks.tick().await, start + 26 * HOUR);
    });
}

#[test]
fn a_timeout_of_what_never_comes_takes_no_real_time() {
    run(async {
        let start = Instant::now();
        assert!(timeout(HOUR, pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn a_sleep_that_is_reset_in_virtual_time_ends_at_its_new_deadline() {
    run(async {
        let start = Instant::now();
        let mut sleeping = pin!(sleep(HOUR));
        assert!(!is_ready(sleeping.as_mut()).await);
        sleeping.as_mut().reset(start + 2 * HOUR);
        advance(HOUR).await;
        assert!(!is_ready(sleeping.as_mut()).await);
        sleeping.as_mut().reset(start + HOUR + MILLISECOND);
        sleeping.as_mut().await;
        assert_eq!(start.elapsed(), HOUR + MILLISECOND);
    });
}

#[test]
fn time_goes_on_from_where_it_stands() {
    within(SOON, || {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            pause();
            let start = Instant::now();
            advance(HOUR).await;
            resume();
            let resumed = start.elapsed();
            assert!(HOUR <= resumed && resumed < HOUR + SOON);
            sleep(2 * MILLISECOND).await;
            assert!(start.elapsed() >= resumed + 2 * MILLISECOND);
            pause();
            let again = Instant::now();
            sleep(HOUR).await;
            assert_eq!(again.elapsed(), HOUR);
        });
    });
}

#[test]
fn a_timer_that_was_armed_before_the_pause_fires_after_it_too() {
    within(SOON, || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let start = Instant::now();
            let task = rt::spawn(sleep(HOUR));
            yield_now().await;
            pause();
            task.await.unwrap();
            assert!(start.elapsed() >= HOUR);
        });
    });
}

#[test]
fn each_runtime_has_a_time_of_its_own() {
    within(SOON, || {
        let (one, other) = (paused(), paused());
        let start = one.block_on(async {
            let start = Instant::now();
            advance(HOUR).await;
            start
        });
        assert!(other.block_on(async { Instant::now() }) < start + HOUR);
        assert!(Instant::now() < start + HOUR, "outside, it is the machine's");
    });
}

#[test]
fn a_far_deadline_does_not_come_early_and_an_endless_advance_reaches_it() {
    run(async {
        let mut sleeping = pin!(sleep(Duration::MAX));
        assert!(!is_ready(sleeping.as_mut()).await);
        advance(20 * 365 * 24 * HOUR).await;
        assert!(!is_ready(sleeping.as_mut()).await);
        advance(20 * 365 * 24 * HOUR).await;
        assert!(is_ready(sleeping.as_mut()).await);
        advance(Duration::MAX).await;
    });
}

#[test]
fn a_day_of_a_thousand_tasks_that_tick_each_minute_passes_quickly() {
    run(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                rt::spawn(async {
                    let mut ticks = interval(HOUR / 60);
                    for _ in 0..24 * 60 {
                        ticks.tick().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(start.elapsed(), 24 * HOUR - HOUR / 60);
    });
}

#[test]
fn what_is_asked_of_time_that_does_not_stand_still_is_refused_with_a_reason() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let advanced = catch_unwind(AssertUnwindSafe(|| runtime.block_on(advance(HOUR))));
    assert!(panic_message(advanced).contains("time is not paused"));
    let resumed = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { resume() })));
    assert!(panic_message(resumed).contains("time is not paused"));
    let paused = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            pause();
            pause();
        });
    }));
    assert!(panic_message(paused).contains("time is paused already"));
}

#[test]
fn only_the_time_of_a_current_thread_runtime_with_timers_can_be_paused() {
    let multi = Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let paused = catch_unwind(AssertUnwindSafe(|| multi.block_on(async { pause() })));
    assert!(panic_message(paused).contains("only the time of a current-thread runtime"));
    let timeless = Builder::new_current_thread().build().unwrap();
    let paused = catch_unwind(AssertUnwindSafe(|| timeless.block_on(async { pause() })));
    assert!(panic_message(paused).contains("no timers"));
    assert!(panic_message(catch_unwind(pause)).contains("no rt runtime"));
    let refused = Builder::new_multi_thread().enable_all().start_paused(true).build().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    let refused = Builder::new_current_thread().start_paused(true).build().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_sleep_that_another_thread_polls_moves_paused_time_too() {
    within(SOON, || {
        let runtime = paused();
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            let start = Instant::now();
            let (answer, question) = rt::sync::oneshot::channel();
            std::thread::spawn(move || {
                let _entered = handle.enter();
                let mut sleeping = Box::pin(sleep(HOUR));
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                // By now the runtime may have nothing to wait for.
                std::thread::sleep(5 * MILLISECOND);
                while sleeping.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    std::thread::park();
                }
                answer.send(()).unwrap();
            });
            question.await.unwrap();
            assert_eq!(start.elapsed(), HOUR);
        });
    });
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[rt::test(start_paused = true)]
async fn a_test_may_start_in_paused_time() {
    let start = Instant::now();
    time::sleep(HOUR).await;
    assert_eq!(start.elapsed(), HOUR);
}

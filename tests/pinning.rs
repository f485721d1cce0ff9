//! A future never moves after its first poll, and is dropped where it lies.
//!
//! Each kind of future goes through each kind of life. They note where they were polled first, and count it when a later
//! poll or their drop finds them elsewhere. This file is also run under AddressSanitizer, which sees what they cannot:
//! `RUSTFLAGS=-Zsanitizer=address cargo +nightly test --target x86_64-unknown-linux-gnu --test pinning`.

mod support;

use std::future::{Future, poll_fn};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use rt::runtime::Runtime;
use rt::task::yield_now;
use support::{SOON, current, eventually, multi, unwatched, within};

/// What happened to the futures of a test.
#[derive(Default)]
struct Watch {
    polls: AtomicUsize,
    drops: AtomicUsize,
    moved: AtomicUsize,
    misaligned: AtomicUsize,
    last_thread: Mutex<Option<ThreadId>>,
    waker: Mutex<Option<Waker>>,
}

impl Watch {
    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn assert_all_stayed(&self, futures: usize) {
        assert_eq!(self.drops(), futures, "each future is dropped once");
        assert_eq!(self.moved.load(Ordering::SeqCst), 0, "a future has moved");
        assert_eq!(self.misaligned.load(Ordering::SeqCst), 0, "a future lies where its type may not");
    }
}

/// What a future does with its life.
#[derive(Clone, Copy)]
enum Script {
    /// Is ready at so many polls, and wakes itself in those before.
    Ready(usize),
    /// Panics at so many polls, and wakes itself in those before.
    Panic(usize),
    /// Wakes itself for ever.
    Endless,
    /// Waits for a wake of the waker that it leaves in its watch; ready at so many polls.
    Woken(usize),
}

/// The life of one future, and where it is spent.
struct Life {
    watch: Arc<Watch>,
    script: Script,
    /// 0 before the first poll.
    place: AtomicUsize,
    polls: AtomicUsize,
}

impl Life {
    fn new(watch: &Arc<Watch>, script: Script) -> Life {
        Life { watch: watch.clone(), script, place: AtomicUsize::new(0), polls: AtomicUsize::new(0) }
    }

    /// A poll of the future that lies at `future`.
    fn poll<T>(&self, future: &T, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
        if poll == 1 {
            self.place.store(address(future), Ordering::SeqCst);
        }
        self.look(future);
        *self.watch.last_thread.lock().unwrap() = Some(thread::current().id());
        self.watch.polls.fetch_add(1, Ordering::SeqCst);
        match self.script {
            Script::Ready(last) | Script::Woken(last) if poll == last => return Poll::Ready(()),
            // Without the panic hook and its message.
            Script::Panic(last) if poll == last => std::panic::resume_unwind(Box::new("as told")),
            Script::Woken(_) => *self.watch.waker.lock().unwrap() = Some(cx.waker().clone()),
            Script::Ready(_) | Script::Panic(_) | Script::Endless => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }

    /// Compares the future's place with that of its first poll.
    fn look<T>(&self, future: &T) {
        let place = self.place.load(Ordering::SeqCst);
        if place != 0 && place != address(future) {
            self.watch.moved.fetch_add(1, Ordering::SeqCst);
        }
        if !address(future).is_multiple_of(align_of::<T>()) {
            self.watch.misaligned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.watch.drops.fetch_add(1, Ordering::SeqCst);
    }
}

fn address<T>(place: &T) -> usize {
    std::ptr::from_ref(place).addr()
}

// The kinds of futures.

/// A future that carries a `T` along.
struct Carrying<T> {
    life: Life,
    _cargo: T,
    _pinned: PhantomPinned,
}

impl<T: Default> Carrying<T> {
    fn new(watch: &Arc<Watch>, script: Script) -> Self {
        Carrying { life: Life::new(watch, script), _cargo: T::default(), _pinned: PhantomPinned }
    }
}

impl<T> Future for Carrying<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.life.poll(&*self, cx)
    }
}

impl<T> Drop for Carrying<T> {
    fn drop(&mut self) {
        self.life.look(self);
    }
}

#[derive(Default)]
#[repr(align(128))]
struct Aligned(u8);

struct Big([u8; 16 * 1024]);

impl Default for Big {
    fn default() -> Self {
        Big([7; 16 * 1024])
    }
}

/// A future without a byte; what it knows is in `ZERO`, so there is one at a time.
struct Zero(PhantomPinned);

static ZERO: Mutex<Option<Life>> = Mutex::new(None);

fn zero() -> MutexGuard<'static, Option<Life>> {
    ZERO.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Zero {
    fn new(watch: &Arc<Watch>, script: Script) -> Self {
        let before = zero().replace(Life::new(watch, script));
        assert!(before.is_none(), "the zero-sized future before has not been dropped");
        Zero(PhantomPinned)
    }
}

impl Future for Zero {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        zero().as_ref().expect("it is not dropped yet").poll(&*self, cx)
    }
}

impl Drop for Zero {
    fn drop(&mut self) {
        zero().take().expect("it is dropped once").look(self);
    }
}

/// Reads, at its end, what it borrows from the same future.
struct Borrowing<'a> {
    numbers: &'a [u64; 64],
    life: &'a Life,
}

impl Drop for Borrowing<'_> {
    fn drop(&mut self) {
        self.life.look(self.numbers);
        assert!(self.numbers.iter().copied().eq(0..64));
    }
}

/// A block that borrows from itself over its awaits.
fn self_referential(watch: &Arc<Watch>, script: Script) -> impl Future<Output = ()> + Send + use<> {
    let life = Life::new(watch, script);
    async move {
        let numbers: [u64; 64] = std::array::from_fn(|n| n as u64);
        let borrowing = Borrowing { numbers: &numbers, life: &life };
        poll_fn(|cx| borrowing.life.poll(borrowing.numbers, cx)).await;
        assert_eq!(address(borrowing.numbers), address(&numbers));
    }
}

// The kinds of lives.

/// The runtimes on which a life is spent.
fn runtimes() -> [Runtime; 3] {
    [current(), multi(1), multi(4)]
}

fn until_it_is_done<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for runtime in runtimes() {
        let watch = Arc::new(Watch::default());
        let handles: Vec<_> = (0..futures).map(|_| runtime.spawn(make(&watch, Script::Ready(10)))).collect();
        runtime.block_on(async {
            for handle in handles {
                handle.await.unwrap();
            }
        });
        watch.assert_all_stayed(futures);
        assert_eq!(watch.polls(), 10 * futures);
    }
}

fn when_nobody_joins_it<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for runtime in runtimes() {
        let watch = Arc::new(Watch::default());
        (0..futures).for_each(|_| drop(runtime.spawn(make(&watch, Script::Ready(3)))));
        runtime.block_on(async {
            while watch.drops() < futures {
                yield_now().await;
            }
        });
        watch.assert_all_stayed(futures);
    }
}

fn when_it_panics<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for (runtime, polls) in runtimes().iter().flat_map(|runtime| [(runtime, 1), (runtime, 4)]) {
        let watch = Arc::new(Watch::default());
        let handles: Vec<_> = (0..futures).map(|_| runtime.spawn(make(&watch, Script::Panic(polls)))).collect();
        runtime.block_on(async {
            for handle in handles {
                assert!(handle.await.unwrap_err().is_panic());
            }
        });
        watch.assert_all_stayed(futures);
    }
}

fn when_it_is_aborted<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for runtime in runtimes() {
        // While it waits; while it is queued or polled; at any time, before its first poll too.
        for (script, polls) in [(Script::Woken(2), futures), (Script::Endless, 50 * futures), (Script::Endless, 0)] {
            let watch = Arc::new(Watch::default());
            let handles: Vec<_> = (0..futures).map(|_| runtime.spawn(make(&watch, script))).collect();
            runtime.block_on(async {
                while watch.polls() < polls {
                    yield_now().await;
                }
                handles.iter().for_each(|handle| handle.abort());
                for handle in handles {
                    assert!(handle.await.unwrap_err().is_cancelled());
                }
            });
            // The last waker of a task that waits must not keep its future.
            watch.assert_all_stayed(futures);
        }
    }
}

fn when_its_runtime_shuts_down<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for (script, polls) in [(Script::Woken(2), futures), (Script::Endless, 50 * futures), (Script::Endless, 0)] {
        for runtime in runtimes() {
            let watch = Arc::new(Watch::default());
            let handles: Vec<_> = (0..futures).map(|_| runtime.spawn(make(&watch, script))).collect();
            runtime.block_on(async {
                while watch.polls() < polls {
                    yield_now().await;
                }
            });
            drop(runtime);
            watch.assert_all_stayed(futures);
            assert!(handles.iter().all(|handle| handle.is_finished()));
        }
        let runtime = multi(2);
        let watch = Arc::new(Watch::default());
        (0..futures).for_each(|_| drop(runtime.spawn(make(&watch, script))));
        eventually(SOON, || watch.polls() >= polls);
        runtime.shutdown_background();
        eventually(SOON, || watch.drops() == futures);
        watch.assert_all_stayed(futures);
    }
}

/// Keeps a worker of `runtime` in a poll until something is sent, or the sender dropped; returns the worker's thread.
fn occupy(runtime: &Runtime) -> (mpsc::Sender<()>, mpsc::Receiver<ThreadId>) {
    let (release, released) = mpsc::channel();
    let (enter, entered) = mpsc::channel();
    drop(runtime.spawn(async move {
        enter.send(thread::current().id()).unwrap();
        let _ = released.recv_timeout(SOON);
    }));
    (release, entered)
}

/// Each poll on another worker than the one before.
fn while_it_changes_workers<F>(_: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    const POLLS: usize = 20;
    let runtime = unwatched(2);
    let watch = Arc::new(Watch::default());
    let handle = runtime.spawn(make(&watch, Script::Woken(POLLS)));
    for polls in 1..POLLS {
        eventually(SOON, || watch.polls() == polls && watch.waker.lock().unwrap().is_some());
        let waker = watch.waker.lock().unwrap().take().unwrap();
        let last = watch.last_thread.lock().unwrap().unwrap();
        // Both workers are stuck; the one that had the future is so until it is polled again.
        let mut stuck = [occupy(&runtime), occupy(&runtime)].map(|(release, entered)| {
            let thread = entered.recv_timeout(SOON).expect("both workers take a task");
            (thread, release)
        });
        stuck.sort_by_key(|(thread, _)| *thread == last);
        let [(free, release), (kept, _until_the_end)] = stuck;
        assert!(free != last && kept == last);
        drop(release);
        waker.wake();
        eventually(SOON, || watch.polls() == polls + 1);
        assert_eq!(watch.last_thread.lock().unwrap().unwrap(), free);
    }
    runtime.block_on(handle).unwrap();
    watch.assert_all_stayed(1);
}

/// From the deque of a worker that is stuck, by the others.
fn while_it_is_stolen<F>(futures: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = unwatched(3);
    let watch = Arc::new(Watch::default());
    let made: Vec<_> = (0..futures).map(|_| make(&watch, Script::Ready(20))).collect();
    let seen = watch.clone();
    let spawner = runtime.spawn(async move {
        // The last spawned may wait in this worker's slot; the others are stolen.
        let handles: Vec<_> = made.into_iter().map(rt::spawn).collect();
        drop(rt::spawn(async {}));
        drop(rt::spawn(async {}));
        eventually(SOON, || seen.drops() == futures);
        handles
    });
    runtime.block_on(async {
        for handle in spawner.await.unwrap() {
            handle.await.unwrap();
        }
    });
    watch.assert_all_stayed(futures);
    let metrics = runtime.metrics();
    let stolen: u64 = (0..metrics.num_workers()).map(|worker| metrics.worker_steal_count(worker)).sum();
    assert!(stolen > 0);
}

fn in_block_on<F>(_: usize, make: impl Fn(&Arc<Watch>, Script) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for runtime in runtimes() {
        let watch = Arc::new(Watch::default());
        runtime.block_on(make(&watch, Script::Ready(10)));
        watch.assert_all_stayed(1);
        runtime.handle().block_on(make(&watch, Script::Ready(10)));
        watch.assert_all_stayed(2);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(make(&watch, Script::Panic(3)));
        }));
        assert!(panic.is_err());
        watch.assert_all_stayed(3);
    }
}

/// A module of tests for each kind of future: its name, how many of it live at once, how one is made.
macro_rules! kinds {
    ($($kind:ident: $futures:expr, $make:expr;)*) => {$(
        mod $kind {
            use super::*;

            /// One at a time, for the future that keeps its life in a static.
            static TURN: Mutex<()> = Mutex::new(());

            fn live<F: Fn() + Send + 'static>(life: F) {
                let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                within(SOON * 2, life);
            }

            #[test]
            fn stays_in_place_until_it_is_done() {
                live(|| until_it_is_done($futures, $make));
            }

            #[test]
            fn stays_in_place_when_nobody_joins_it() {
                live(|| when_nobody_joins_it($futures, $make));
            }

            #[test]
            fn is_dropped_in_place_when_it_panics() {
                live(|| when_it_panics($futures, $make));
            }

            #[test]
            fn is_dropped_in_place_when_it_is_aborted() {
                live(|| when_it_is_aborted($futures, $make));
            }

            #[test]
            fn is_dropped_in_place_when_its_runtime_shuts_down() {
                live(|| when_its_runtime_shuts_down($futures, $make));
            }

            #[test]
            fn stays_in_place_while_it_changes_workers() {
                live(|| while_it_changes_workers($futures, $make));
            }

            #[test]
            fn stays_in_place_while_it_is_stolen() {
                live(|| while_it_is_stolen($futures, $make));
            }

            #[test]
            fn stays_in_place_in_block_on() {
                live(|| in_block_on($futures, $make));
            }
        }
    )*};
}

kinds! {
    a_small_future: 50, Carrying::<()>::new;
    a_big_future: 50, Carrying::<Big>::new;
    a_future_aligned_to_128: 50, Carrying::<Aligned>::new;
    a_self_referential_future: 50, self_referential;
    a_zero_sized_future: 1, Zero::new;
}

#[test]
fn the_kinds_are_what_they_are_called() {
    assert_eq!(size_of::<Zero>(), 0);
    assert_eq!(align_of::<Carrying<Aligned>>(), 128);
    assert!(size_of::<Carrying<Big>>() >= 16 * 1024);
    let future = self_referential(&Arc::new(Watch::default()), Script::Ready(1));
    assert!(size_of_val(&future) >= size_of::<[u64; 64]>(), "what it borrows is its own");
}

#[test]
fn outputs_of_any_size_and_alignment_reach_their_joiner() {
    within(SOON, || {
        for runtime in runtimes() {
            runtime.block_on(async {
                let big = rt::spawn(async { Big::default() }).await.unwrap();
                assert!(big.0.iter().all(|byte| *byte == 7));
                let aligned = rt::spawn(async { Aligned(9) }).await.unwrap();
                assert_eq!(aligned.0, 9);
                let slow = rt::spawn(async {
                    let cargo = (Aligned(1), Big::default());
                    yield_now().await;
                    cargo
                });
                let (aligned, big) = slow.await.unwrap();
                assert!(aligned.0 == 1 && big.0[100] == 7);
                rt::spawn(async {}).await.unwrap();
                let closure = rt::task::spawn_blocking(|| (Big::default(), Aligned(3))).await.unwrap();
                assert!(closure.0.0[16_000] == 7 && closure.1.0 == 3);
                // Dropped where it waits, when nobody takes it.
                drop(rt::spawn(async { (Aligned(1), Big::default()) }));
            });
        }
    });
}

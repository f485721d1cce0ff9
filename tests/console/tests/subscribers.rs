//! What a subscriber of `tracing` is told of tasks and timers, and that none can harm the runtime, whatever it does.

#[path = "../../support/mod.rs"]
mod support;

use rt::runtime::{Builder, Handle, Runtime};
use rt::task::{self, AbortHandle, LocalSet, yield_now};
use rt::time::{Duration, sleep};
use std::collections::HashMap;
use std::fmt;
use std::future::{pending, poll_fn};
use std::mem::forget;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use support::child::in_child;
use support::{DropCounter, SOON, count, counter, current, eventually, multi, panic_message, within};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_default, with_default};
use tracing::{Event, Metadata, Subscriber};

/// What was told of spans, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    New(&'static str, Fields),
    Enter,
    Exit,
    /// An operation on a waker of the task.
    Waker(String),
    Close,
}

type Fields = HashMap<&'static str, String>;

/// What a subscriber does when it is called, beside writing down what it is told.
type Whim = Box<dyn Fn(Call) + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Enabled,
    New,
    Enter,
    Exit,
    Event,
    Close,
}

const CALLS: [Call; 6] = [Call::Enabled, Call::New, Call::Enter, Call::Exit, Call::Event, Call::Close];

#[derive(Default)]
struct Listener {
    spans: Mutex<HashMap<u64, Vec<Told>>>,
    last: AtomicU64,
    whim: Option<Whim>,
    deaf: bool,
}

/// A subscriber, and what it has heard.
#[derive(Clone, Default)]
struct Ear(Arc<Listener>);

impl Ear {
    /// One that does something of its own.
    fn with(whim: impl Fn(Call) + Send + Sync + 'static) -> Self {
        Ear(Arc::new(Listener { whim: Some(Box::new(whim)), ..Listener::default() }))
    }

    fn note(&self, id: u64, told: Told) {
        self.0.spans.lock().unwrap().entry(id).or_default().push(told);
    }

    fn is_called(&self, call: Call) {
        if let Some(whim) = &self.0.whim {
            whim(call);
        }
    }

    /// What was told of the task with this id of the runtime's.
    fn story(&self, task: task::Id) -> Vec<Told> {
        let spans = self.0.spans.lock().unwrap();
        let task = task.to_string();
        let is_its = |told: &&Vec<Told>| match &told[0] {
            Told::New("runtime.spawn", fields) => fields.get("task.id") == Some(&task),
            _ => false,
        };
        spans.values().find(is_its).cloned().unwrap_or_default()
    }

    /// What was told of tasks, or what is like one, of that kind.
    fn of_kind(&self, kind: &str) -> Vec<Vec<Told>> {
        let is_of_it = |told: &Vec<Told>| match &told[0] {
            Told::New("runtime.spawn", fields) => fields["kind"] == kind,
            _ => false,
        };
        self.stories().into_iter().filter(is_of_it).collect()
    }

    fn stories(&self) -> Vec<Vec<Told>> {
        self.0.spans.lock().unwrap().values().cloned().collect()
    }
}

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Ear {
    // Asked under a lock of tracing's own, which a panic would spoil for all that use it.
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        self.is_called(Call::Enabled);
        !self.0.deaf
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert!(span.is_root() || span.parent().is_some(), "a span has no parent by chance");
        let id = self.0.last.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = Fields::new();
        span.record(&mut Fill(&mut fields));
        self.note(id, Told::New(span.metadata().name(), fields));
        self.is_called(Call::New);
        Id::from_u64(id)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        if event.metadata().target() == "tokio::task::waker" {
            self.note(fields["task.id"].parse().unwrap(), Told::Waker(fields["op"].clone()));
        }
        self.is_called(Call::Event);
    }

    fn enter(&self, span: &Id) {
        self.note(span.into_u64(), Told::Enter);
        self.is_called(Call::Enter);
    }

    fn exit(&self, span: &Id) {
        self.note(span.into_u64(), Told::Exit);
        self.is_called(Call::Exit);
    }

    fn try_close(&self, span: Id) -> bool {
        self.note(span.into_u64(), Told::Close);
        self.is_called(Call::Close);
        true
    }
}

fn waker(operation: &str) -> Told {
    Told::Waker(format!("waker.{operation}"))
}

/// Runtimes of each kind whose threads have `ear` as their subscriber.
fn runtimes(ear: &Ear) -> [Runtime; 3] {
    [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_multi_thread()].map(|mut builder| {
        static WORKERS: AtomicUsize = AtomicUsize::new(1);
        let ear = ear.clone();
        builder.on_thread_start(move || forget(set_default(ear.clone())));
        builder.worker_threads(1 + WORKERS.fetch_xor(1, Ordering::SeqCst)).enable_all().build().unwrap()
    })
}

/// Runs `test` on each of those runtimes, on a thread that has `ear` as its subscriber.
#[track_caller]
fn on_each_runtime(ear: impl Fn() -> Ear + Send + 'static, test: impl Fn(&Runtime, &Ear) + Send + 'static) {
    within(3 * SOON, move || {
        let ear = ear();
        with_default(ear.clone(), || runtimes(&ear).iter().for_each(|runtime| test(runtime, &ear)));
    });
}

/// Some tasks that do all that there is to do, and their outputs.
async fn work() -> usize {
    let yielding = rt::spawn(async {
        yield_now().await;
        1
    });
    let sleeping = rt::spawn(async {
        sleep(Duration::from_millis(2)).await;
        2
    });
    let blocking = task::spawn_blocking(|| 4);
    let joining = rt::spawn(async { yielding.await.unwrap() + sleeping.await.unwrap() });
    let aborted = rt::spawn(pending::<()>());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    assert!(rt::spawn(async { panic!("as told") }).await.unwrap_err().is_panic());
    joining.await.unwrap() + blocking.await.unwrap()
}

#[test]
fn a_subscriber_is_told_of_a_task_from_its_spawn_to_its_end() {
    on_each_runtime(Ear::default, |runtime, ear| {
        let task = task::Builder::new().name("polite").spawn_on(yield_now(), runtime.handle()).unwrap();
        let (line, id) = (line!() - 1, task.id());
        runtime.block_on(task).unwrap();
        // Who has joined it knows that it was closed.
        let told = ear.story(id);
        assert_eq!(told[1..], [Told::Enter, waker("wake_by_ref"), Told::Exit, Told::Enter, Told::Exit, Told::Close]);
        let Told::New("runtime.spawn", fields) = &told[0] else { panic!("no span of a task: {told:?}") };
        let expected = [("kind", "task"), ("task.name", "polite"), ("loc.file", file!())];
        for (name, value) in expected {
            assert_eq!(fields[name], value, "{name}");
        }
        assert_eq!(fields["task.id"], id.to_string());
        assert_eq!(fields["loc.line"], line.to_string());
        assert_eq!(fields["size.bytes"], size_of_val(&yield_now()).to_string());
    });
}

#[test]
fn the_first_task_of_a_program_is_told_of_too() {
    in_child("the_first_task_of_a_program_is_told_of_too", || {
        let ear = Ear::default();
        with_default(ear.clone(), || {
            let runtime = current();
            let task = runtime.spawn(yield_now());
            assert_eq!(ear.story(task.id()).len(), 1, "its span was opened");
            runtime.block_on(async { sleep(Duration::from_millis(1)).await });
            assert!(ear.stories().iter().any(|told| matches!(told[0], Told::New("runtime.resource", _))));
        });
    });
}

#[test]
fn a_wake_is_told_though_its_thread_has_no_subscriber() {
    in_child("a_wake_is_told_though_its_thread_has_no_subscriber", || {
        let ear = Ear::default();
        let runtime = multi(1);
        // On the worker, which has none.
        let task = with_default(ear.clone(), || runtime.spawn(yield_now()));
        let id = task.id();
        runtime.block_on(task).unwrap();
        let expected = [Told::Enter, waker("wake_by_ref"), Told::Exit, Told::Enter, Told::Exit, Told::Close];
        assert_eq!(ear.story(id)[1..], expected);
    });
}

#[test]
fn the_future_in_block_on_is_told_of_as_a_task_without_an_id() {
    on_each_runtime(Ear::default, |runtime, ear| {
        let before = ear.of_kind("block_on").len();
        let line = line!() + 1;
        runtime.block_on(yield_now());
        let mut told = ear.of_kind("block_on");
        assert_eq!(told.len(), before + 1);
        let place = |told: &Vec<Told>| match &told[0] {
            Told::New(_, fields) => {
                (fields["loc.file"].clone(), fields["loc.line"].clone(), fields.get("task.id").cloned())
            }
            _ => unreachable!("it begins so"),
        };
        let here = (file!().to_owned(), line.to_string(), None);
        told.retain(|told| place(told) == here);
        let polls = [Told::Enter, waker("wake_by_ref"), Told::Exit, Told::Enter, Told::Exit, Told::Close];
        // One for each runtime that this ear has heard.
        assert!(told.iter().all(|told| told[1..] == polls), "{told:?}");
        assert!(!told.is_empty());
    });
    within(SOON, || {
        for runtime in [current(), multi(1)] {
            let ear = Ear::default();
            let late = with_default(ear.clone(), || {
                let late = runtime.block_on(async {
                    sleep(Duration::from_millis(1)).await;
                    poll_fn(|context| Poll::Ready(context.waker().clone())).await
                });
                assert!(panic_message(|| runtime.block_on(async { panic!("as told") })).contains("as told"));
                late
            });
            let told = ear.of_kind("block_on");
            for told in &told {
                assert_eq!(told.last(), Some(&Told::Close));
            }
            let number = |operation| told.iter().flatten().filter(|told| **told == waker(operation)).count();
            assert_eq!(number("clone"), number("drop") + number("wake") + 1);
            // The one that is left wakes nobody, and tells nothing.
            late.wake_by_ref();
            let other = late.clone();
            other.wake();
            drop(late);
            assert_eq!(ear.of_kind("block_on").iter().flatten().count(), told.iter().flatten().count());
        }
    });
}

#[test]
fn each_operation_on_a_waker_is_told_until_the_task_has_ended() {
    on_each_runtime(Ear::default, |runtime, ear| {
        let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
        let own = slot.clone();
        let mut polls = 0;
        let task = runtime.spawn(poll_fn(move |context| {
            polls += 1;
            *own.lock().unwrap() = Some(context.waker().clone());
            if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
        }));
        let id = task.id();
        let exits = |told: &[Told]| told.iter().filter(|told| **told == Told::Exit).count();
        let poll_so_often = |polls| {
            eventually(SOON, || {
                runtime.block_on(yield_now());
                exits(&ear.story(id)) == polls
            });
        };
        poll_so_often(1);
        let first = slot.lock().unwrap().take().unwrap();
        assert!(first.will_wake(&first.clone()), "clones are known to wake the same");
        first.wake();
        poll_so_often(2);
        let second = slot.lock().unwrap().take().unwrap();
        second.wake_by_ref();
        drop(second);
        poll_so_often(3);
        let third = slot.lock().unwrap().take().unwrap();
        third.wake();
        runtime.block_on(task).unwrap();
        let told = ear.story(id);
        let mut wakers: Vec<_> = told.iter().filter(|told| matches!(told, Told::Waker(_))).cloned().collect();
        // The second waker was dropped beside the third poll.
        wakers[6..8].sort_by_key(|told| format!("{told:?}"));
        let polls: [&[&str]; 4] =
            [&["clone"], &["clone", "drop", "wake", "clone"], &["wake_by_ref", "clone", "drop"], &["wake", "clone"]];
        assert_eq!(wakers, polls.concat().into_iter().map(waker).collect::<Vec<_>>());
        assert_eq!(exits(&told), 4);
        assert_eq!(told.last(), Some(&Told::Close));
        // One that outlives its task tells nothing, and does no harm.
        let late = slot.lock().unwrap().take().unwrap();
        let other = late.clone();
        other.wake();
        late.wake_by_ref();
        drop(late);
        assert_eq!(ear.story(id), told);
    });
}

#[test]
fn each_span_is_entered_and_left_in_pairs_and_closed_once() {
    within(SOON, || {
        let ear = Ear::default();
        with_default(ear.clone(), || {
            for runtime in runtimes(&ear) {
                assert_eq!(runtime.block_on(work()), 7);
                assert_eq!(runtime.block_on(runtime.spawn(work())).unwrap(), 7);
                let set = LocalSet::new();
                assert_eq!(set.block_on(&runtime, async { task::spawn_local(async { 8 }).await.unwrap() }), 8);
                // Those that a shutdown ends.
                runtime.spawn(pending::<()>());
                runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
                runtime.block_on(runtime.spawn(async {})).unwrap();
            }
        });
        assert!(ear.stories().len() > 3 * 17);
        for told in ear.stories() {
            let told: Vec<_> = told.into_iter().filter(|told| !matches!(told, Told::Waker(_))).collect();
            assert!(matches!(told.first(), Some(Told::New(..))), "{told:?}");
            assert_eq!(told.last(), Some(&Told::Close), "{told:?}");
            let (pairs, rest) = told[1..told.len() - 1].as_chunks::<2>();
            assert!(pairs.iter().all(|pair| *pair == [Told::Enter, Told::Exit]) && rest.is_empty(), "{told:?}");
        }
    });
}

#[test]
fn a_future_is_dropped_inside_its_tasks_span() {
    struct Note(Ear, task::Id);

    impl Drop for Note {
        fn drop(&mut self) {
            assert_eq!(self.0.story(self.1).last(), Some(&Told::Enter));
        }
    }

    on_each_runtime(Ear::default, |runtime, ear| {
        let drops = DropCounter::new();
        let spawn = |end: fn() -> Poll<()>| {
            let (guard, ear) = (drops.guard(), ear.clone());
            runtime.spawn(async move {
                let _note = (Note(ear, task::id()), guard);
                poll_fn(|_| end()).await;
            })
        };
        runtime.block_on(spawn(|| Poll::Ready(()))).unwrap();
        assert!(runtime.block_on(spawn(|| panic!("as told"))).unwrap_err().is_panic());
        let aborted = spawn(|| Poll::Pending);
        runtime.block_on(runtime.spawn(async {})).unwrap();
        aborted.abort();
        let result = runtime.block_on(aborted);
        // A panic of the note would be seen here.
        assert!(result.as_ref().is_err_and(rt::task::JoinError::is_cancelled), "{result:?}");
        assert_eq!(drops.drops(), 3);
    });
}

#[test]
fn the_subscriber_of_the_spawning_thread_is_told_whoever_polls_and_wakes() {
    within(SOON, || {
        let runtime = multi(2);
        let (one, other) = (Ear::default(), Ear::default());
        let (sender, receiver) = rt::sync::oneshot::channel();
        let first = with_default(one.clone(), || runtime.spawn(receiver));
        let id = first.id();
        eventually(SOON, || one.story(id).contains(&Told::Exit));
        with_default(other.clone(), || sender.send(()).unwrap());
        runtime.block_on(first).unwrap().unwrap();
        assert!(one.story(id).contains(&waker("wake_by_ref")) || one.story(id).contains(&waker("wake")));
        assert_eq!(one.story(id).last(), Some(&Told::Close));
        assert!(other.stories().is_empty());
    });
}

#[test]
fn a_subscriber_that_wants_nothing_so_fine_is_told_nothing() {
    struct Coarse(Arc<AtomicUsize>);

    impl Subscriber for Coarse {
        fn max_level_hint(&self) -> Option<LevelFilter> {
            Some(LevelFilter::INFO)
        }
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::INFO
        }
        fn new_span(&self, _span: &Attributes<'_>) -> Id {
            self.0.fetch_add(1, Ordering::SeqCst);
            Id::from_u64(1)
        }
        fn record(&self, _span: &Id, _values: &Record<'_>) {}
        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
        fn event(&self, _event: &Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _span: &Id) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn exit(&self, _span: &Id) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    within(SOON, || {
        let told = counter();
        with_default(Coarse(told.clone()), || {
            for runtime in [current(), multi(2)] {
                assert_eq!(runtime.block_on(work()), 7);
            }
        });
        assert_eq!(count(&told), 0);
    });
}

#[test]
fn a_subscriber_that_does_not_want_these_spans_is_told_nothing() {
    let deaf = || Ear(Arc::new(Listener { deaf: true, ..Listener::default() }));
    on_each_runtime(deaf, |runtime, ear| {
        assert_eq!(runtime.block_on(work()), 7);
        assert!(ear.stories().is_empty());
    });
}

#[test]
fn a_subscriber_that_panics_does_not_change_what_tasks_do() {
    for call in CALLS {
        let panics = counter();
        let seen = panics.clone();
        let ear = move || {
            let seen = seen.clone();
            Ear::with(move |called| {
                if called == call {
                    seen.fetch_add(1, Ordering::SeqCst);
                    panic!("a subscriber's panic in {call:?}");
                }
            })
        };
        on_each_runtime(ear, move |runtime, _| {
            assert_eq!(runtime.block_on(work()), 7);
            assert_eq!(runtime.block_on(runtime.spawn(work())).unwrap(), 7);
        });
        assert!(count(&panics) > 0, "{call:?} was never called");
    }
}

#[test]
fn a_subscriber_may_spawn_tasks() {
    for call in CALLS {
        let runs = counter();
        let ran = runs.clone();
        let ear = move || {
            let ran = ran.clone();
            Ear::with(move |called| {
                if called == call
                    && let Ok(handle) = Handle::try_current()
                {
                    let ran = ran.clone();
                    handle.spawn(async move {
                        yield_now().await;
                        ran.fetch_add(1, Ordering::SeqCst);
                    });
                }
            })
        };
        on_each_runtime(ear, |runtime, _| {
            let _inside = runtime.enter();
            assert_eq!(runtime.block_on(runtime.spawn(work())).unwrap(), 7);
        });
        assert!(count(&runs) > 0, "{call:?}");
    }
}

#[test]
fn a_subscriber_may_wake_tasks_and_abort_them() {
    for call in CALLS {
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let aborts: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let (to_wake, to_abort) = (wakers.clone(), aborts.clone());
        let ear = move || {
            let (to_wake, to_abort) = (to_wake.clone(), to_abort.clone());
            Ear::with(move |called| {
                if called == call {
                    let wakers: Vec<_> = to_wake.lock().unwrap().clone();
                    wakers.iter().for_each(Waker::wake_by_ref);
                    if let Some(abort) = { to_abort.lock().unwrap().pop() } {
                        abort.abort();
                    }
                }
            })
        };
        on_each_runtime(ear, move |runtime, _| {
            let noted = wakers.clone();
            let woken = runtime.spawn(poll_fn(move |context| {
                let waker = context.waker().clone();
                noted.lock().unwrap().push(waker);
                Poll::<()>::Pending
            }));
            let aborted = runtime.spawn(pending::<()>());
            runtime.block_on(runtime.spawn(async {})).unwrap();
            aborts.lock().unwrap().push(aborted.abort_handle());
            assert_eq!(runtime.block_on(runtime.spawn(work())).unwrap(), 7);
            assert!(runtime.block_on(aborted).unwrap_err().is_cancelled(), "{call:?}");
            woken.abort();
            assert!(runtime.block_on(woken).unwrap_err().is_cancelled());
            wakers.lock().unwrap().clear();
        });
    }
}

#[test]
fn a_subscriber_with_a_lock_of_its_own_does_not_wait_for_itself() {
    let lock = Arc::new(Mutex::new(()));
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let to_wake = wakers.clone();
    let ear = move || {
        let (lock, to_wake) = (lock.clone(), to_wake.clone());
        Ear::with(move |called| {
            // What is called meanwhile on this thread would stop here.
            let _locked = lock.lock().unwrap();
            if called != Call::Enabled {
                to_wake.lock().unwrap().iter().for_each(Waker::wake_by_ref);
            }
        })
    };
    on_each_runtime(ear, move |runtime, _| {
        let noted = wakers.clone();
        let mut waker = None;
        let woken = runtime.spawn(poll_fn(move |context| {
            if waker.is_none() {
                waker = Some(());
                let waker = context.waker().clone();
                noted.lock().unwrap().push(waker);
            }
            Poll::<()>::Pending
        }));
        assert_eq!(runtime.block_on(runtime.spawn(work())).unwrap(), 7);
        woken.abort();
        assert!(runtime.block_on(woken).unwrap_err().is_cancelled());
        wakers.lock().unwrap().clear();
    });
}

#[test]
fn a_task_that_is_refused_is_not_told_of() {
    within(SOON, || {
        let ear = Ear::default();
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let tasks = with_default(ear.clone(), || [handle.spawn(async {}), handle.spawn_blocking(|| ())]);
        for task in tasks {
            assert!(current().block_on(task).unwrap_err().is_cancelled());
        }
        assert!(ear.stories().is_empty(), "{:?}", ear.stories());
    });
}

#[test]
fn handles_are_unwind_safe_as_without_the_feature() {
    fn check<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}

    check::<AbortHandle>();
    check::<task::JoinHandle<()>>();
}

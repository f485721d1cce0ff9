//! Signals. Each test has a signal of its own, one of those that the system has no use for; those that need one with a meaning run in a
//! process of their own.

#![cfg(target_os = "linux")]

mod support;

use rt::runtime::{Builder, Runtime};
use rt::signal::ctrl_c;
use rt::signal::unix::{Signal, SignalKind, signal};
use std::future::{Future, poll_fn};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use support::child::{Child, in_child, is_child_of};
use support::{SOON, count, counter, current, eventually, multi, panic_message, within};

/// A signal that no other test has.
fn own_signal() -> SignalKind {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let number = libc::SIGRTMIN() + TAKEN.fetch_add(1, Ordering::Relaxed) as i32;
    assert!(number <= libc::SIGRTMAX(), "the system has no more");
    SignalKind::from_raw(number)
}

/// Sends a signal to a process.
fn kill(process: u32, kind: SignalKind) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::kill(process as i32, kind.as_raw_value()) }, 0);
}

/// Sends a signal to this process.
fn raise(kind: SignalKind) {
    kill(std::process::id(), kind);
}

/// Waits for a signal, but not for ever.
async fn hears(signal: &mut Signal) {
    let heard = rt::time::timeout(SOON, signal.recv()).await;
    assert_eq!(heard.expect("the signal is heard"), Some(()));
}

/// Whether there is a signal now.
async fn hears_at_once(signal: &mut Signal) -> bool {
    poll_fn(|cx| Poll::Ready(signal.poll_recv(cx).is_ready())).await
}

fn flavours() -> [Runtime; 2] {
    [multi(2), current()]
}

#[test]
fn a_listener_hears_its_signal_again_and_again() {
    for runtime in flavours() {
        let kind = own_signal();
        runtime.block_on(async {
            let mut listener = signal(kind).unwrap();
            for _ in 0..100 {
                assert!(!hears_at_once(&mut listener).await);
                raise(kind);
                hears(&mut listener).await;
            }
        });
    }
}

#[test]
fn a_task_that_waits_already_hears_the_signal() {
    for runtime in flavours() {
        let kind = own_signal();
        let waiting = counter();
        let mut listener = runtime.block_on(async { signal(kind) }).unwrap();
        let polled = waiting.clone();
        let task = runtime.spawn(async move {
            let mut wait = pin!(hears(&mut listener));
            poll_fn(|cx| {
                let poll = wait.as_mut().poll(cx);
                polled.fetch_add(1, Ordering::SeqCst);
                poll
            })
            .await;
        });
        let sender = thread::spawn(move || {
            eventually(SOON, || count(&waiting) == 1);
            raise(kind);
        });
        runtime.block_on(task).unwrap();
        sender.join().unwrap();
    }
}

#[test]
fn signals_that_came_before_the_listener_are_not_heard() {
    let kind = own_signal();
    current().block_on(async {
        let mut first = signal(kind).unwrap();
        raise(kind);
        hears(&mut first).await;
        let mut second = signal(kind).unwrap();
        assert!(!hears_at_once(&mut second).await);
        raise(kind);
        hears(&mut second).await;
        hears(&mut first).await;
    });
}

#[test]
fn signals_that_nobody_has_taken_are_one_and_a_later_one_is_another() {
    let kind = own_signal();
    current().block_on(async {
        let mut listener = signal(kind).unwrap();
        for _ in 0..3 {
            (0..10).for_each(|_| raise(kind));
            hears(&mut listener).await;
            assert!(!hears_at_once(&mut listener).await);
        }
    });
}

#[test]
fn each_of_many_listeners_on_many_runtimes_hears_each_signal() {
    let kind = own_signal();
    let runtimes = [multi(2), multi(1), current(), multi(3)];
    let heard = counter();
    let start = |runtime: &Runtime, rounds: usize| {
        let listeners: Vec<_> = runtime.block_on(async { (0..50).map(|_| signal(kind).unwrap()).collect() });
        for mut listener in listeners {
            let heard = heard.clone();
            runtime.spawn(async move {
                for _ in 0..rounds {
                    hears(&mut listener).await;
                    heard.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    };
    runtimes.iter().for_each(|runtime| start(runtime, 5));
    let [.., driven, _] = &runtimes;
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || {
            driven.block_on(async {
                while !is_over.load(Ordering::SeqCst) {
                    rt::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        for round in 1..=5 {
            raise(kind);
            eventually(SOON, || count(&heard) == round * 200);
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_listener_hears_only_its_own_signal() {
    let (one, other) = (own_signal(), own_signal());
    current().block_on(async {
        let (mut ones, mut others) = (signal(one).unwrap(), signal(other).unwrap());
        raise(one);
        hears(&mut ones).await;
        assert!(!hears_at_once(&mut others).await);
        raise(other);
        hears(&mut others).await;
        assert!(!hears_at_once(&mut ones).await);
    });
}

#[test]
fn a_wait_that_is_dropped_loses_no_signal() {
    let kind = own_signal();
    current().block_on(async {
        let mut listener = signal(kind).unwrap();
        let wait = rt::time::timeout(Duration::from_millis(1), listener.recv()).await;
        assert!(wait.is_err());
        raise(kind);
        // Until the reactor has seen it.
        rt::time::sleep(Duration::from_millis(10)).await;
        // Not polled.
        drop(listener.recv());
        hears(&mut listener).await;
    });
}

#[test]
fn the_last_waker_of_a_listener_is_woken() {
    let kind = own_signal();
    let runtime = multi(1);
    runtime.block_on(async {
        let mut listener = signal(kind).unwrap();
        assert!(listener.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
        // On the worker, with another waker.
        let task = rt::spawn(async move { hears(&mut listener).await });
        rt::time::sleep(Duration::from_millis(5)).await;
        raise(kind);
        task.await.unwrap();
    });
}

#[test]
fn when_nobody_listens_any_more_the_signal_does_nothing() {
    let kind = own_signal();
    let runtime = multi(1);
    drop(runtime.block_on(async { signal(kind) }).unwrap());
    // It would end the process.
    raise(kind);
    drop(runtime);
    raise(kind);
    current().block_on(async {
        let mut listener = signal(kind).unwrap();
        assert!(!hears_at_once(&mut listener).await);
        raise(kind);
        hears(&mut listener).await;
    });
}

#[test]
fn a_listener_outlives_its_runtime_and_hears_by_the_next_one() {
    for (first, second) in [(multi(1), current()), (current(), multi(2)), (current(), current())] {
        let kind = own_signal();
        let mut listener = first.block_on(async { signal(kind) }).unwrap();
        drop(first);
        raise(kind);
        second.block_on(async {
            hears(&mut listener).await;
            assert!(!hears_at_once(&mut listener).await);
            raise(kind);
            hears(&mut listener).await;
        });
    }
}

#[test]
fn a_listener_hears_by_the_runtime_that_it_is_polled_in() {
    let kind = own_signal();
    // Nobody drives it while the other runs.
    let idle = current();
    let mut listener = idle.block_on(async { signal(kind) }).unwrap();
    for _ in 0..3 {
        multi(1).block_on(async {
            raise(kind);
            hears(&mut listener).await;
        });
        idle.block_on(async {
            raise(kind);
            hears(&mut listener).await;
        });
    }
}

#[test]
fn a_listener_without_any_runtime_says_so_and_does_not_hang() {
    let kind = own_signal();
    let runtime = multi(1);
    let mut listener = runtime.block_on(async { signal(kind) }).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_recv(&mut cx).is_pending(), "its own is there");
    drop(runtime);
    assert_eq!(listener.poll_recv(&mut cx), Poll::Ready(None));
    current().block_on(async {
        assert!(!hears_at_once(&mut listener).await);
        raise(kind);
        hears(&mut listener).await;
    });
}

#[test]
fn a_task_that_waits_for_a_signal_does_not_hold_up_a_shutdown() {
    let kind = own_signal();
    within(SOON, move || {
        let runtime = multi(2);
        let task = runtime.spawn(async move { signal(kind).unwrap().recv().await });
        drop(runtime);
        assert!(current().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn signals_that_cannot_be_listened_to_are_refused() {
    current().block_on(async {
        for number in [-1, 0, 128, i32::MAX, libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE] {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::Other);
            assert!(error.to_string().contains(&format!("signal {number}")), "{error}");
        }
        // The C library's own.
        let error = signal(SignalKind::from_raw(33)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn to_listen_takes_a_runtime_with_io() {
    let kind = own_signal();
    let message = panic_message(|| signal(kind));
    assert!(message.contains("no rt runtime on this thread"), "{message}");
    let without = Builder::new_current_thread().enable_time().build().unwrap();
    let message = panic_message(|| without.block_on(async { signal(kind) }));
    assert!(message.contains("enable_io"), "{message}");
}

#[test]
fn a_runtime_that_has_shut_down_refuses_a_listener() {
    let kind = own_signal();
    let runtime = multi(1);
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    assert!(signal(kind).unwrap_err().to_string().contains("shut down"));
}

#[test]
fn kinds_are_the_systems_numbers() {
    for (kind, number) in [
        (SignalKind::alarm(), libc::SIGALRM),
        (SignalKind::child(), libc::SIGCHLD),
        (SignalKind::hangup(), libc::SIGHUP),
        (SignalKind::interrupt(), libc::SIGINT),
        (SignalKind::io(), libc::SIGIO),
        (SignalKind::pipe(), libc::SIGPIPE),
        (SignalKind::quit(), libc::SIGQUIT),
        (SignalKind::terminate(), libc::SIGTERM),
        (SignalKind::user_defined1(), libc::SIGUSR1),
        (SignalKind::user_defined2(), libc::SIGUSR2),
        (SignalKind::window_change(), libc::SIGWINCH),
    ] {
        assert_eq!(kind.as_raw_value(), number);
        assert_eq!(SignalKind::from(number), kind);
        assert_eq!(i32::from(kind), number);
    }
}

#[test]
fn a_listener_can_be_sent_and_shared() {
    fn is<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    is::<Signal>();
    fn future<F: Future + Send>(_: F) {}
    future(ctrl_c());
}

#[test]
fn a_child_process_starts_without_our_handlers_and_its_signals_are_its_own() {
    let kind = own_signal();
    current().block_on(async {
        let mut listener = signal(kind).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        kill(child.id(), kind);
        assert_eq!(child.wait().unwrap().signal(), Some(kind.as_raw_value()));
        rt::time::sleep(Duration::from_millis(5)).await;
        assert!(!hears_at_once(&mut listener).await);
    });
}

#[test]
fn ctrl_c_is_heard() {
    let test = "ctrl_c_is_heard";
    if is_child_of(test) {
        for runtime in flavours() {
            runtime.block_on(async {
                let mut first = pin!(ctrl_c());
                assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
                println!("\nready.");
                first.await.unwrap();
                println!("\nheard.");
            });
        }
        return;
    }
    let child = Child::start(test, |_| {});
    for round in 1..=2 {
        eventually(SOON, || child.stdout().matches("ready.").count() == round);
        kill(child.id(), SignalKind::interrupt());
        eventually(SOON, || child.stdout().matches("heard.").count() == round);
    }
    child.succeeds();
}

#[test]
fn what_ends_a_process_does_not_when_it_is_listened_to() {
    let test = "what_ends_a_process_does_not_when_it_is_listened_to";
    if is_child_of(test) {
        return multi(2).block_on(async {
            let kinds =
                [SignalKind::terminate(), SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::quit()];
            let mut listeners = kinds.map(|kind| signal(kind).unwrap());
            for (listener, kind) in listeners.iter_mut().zip(kinds) {
                raise(kind);
                hears(listener).await;
            }
        });
    }
    Child::start(test, |_| {}).succeeds();
}

#[test]
fn a_handler_that_was_there_before_is_called_too() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handler(_signal: libc::c_int) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    let kind = own_signal();
    let handler = handler as extern "C" fn(libc::c_int);
    // SAFETY: the handler only adds to an atomic.
    assert_ne!(unsafe { libc::signal(kind.as_raw_value(), handler as libc::sighandler_t) }, libc::SIG_ERR);
    current().block_on(async {
        let mut listener = signal(kind).unwrap();
        raise(kind);
        hears(&mut listener).await;
        assert_eq!(CALLS.load(Ordering::SeqCst), 1);
    });
}

/// How many files this process has open, but for those of `/proc`: the monitor of a runtime keeps some of threads that it has looked at.
fn open_files() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("list the open files").flatten();
    links.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| !path.starts_with("/proc"))).count()
}

#[test]
fn a_runtime_has_one_descriptor_for_each_signal_that_is_listened_to() {
    in_child("a_runtime_has_one_descriptor_for_each_signal_that_is_listened_to", || {
        let runtime = multi(2);
        runtime.block_on(async {
            let before = open_files();
            let sources = || rt::runtime::Handle::current().metrics().snapshot().registered_sources;
            let registered = sources();
            let ones: Vec<_> = (0..50).map(|_| signal(SignalKind::user_defined1()).unwrap()).collect();
            assert_eq!(open_files(), before + 1);
            let twos: Vec<_> = (0..50).map(|_| signal(SignalKind::user_defined2()).unwrap()).collect();
            assert_eq!(open_files(), before + 2);
            drop(ones);
            assert_eq!(open_files(), before + 1);
            let ones = signal(SignalKind::user_defined1()).unwrap();
            drop((ones, twos));
            assert_eq!(open_files(), before);
            assert_eq!(sources(), registered + 3);
        });
    });
}

#[test]
fn without_a_descriptor_left_listening_fails_and_says_so() {
    in_child("without_a_descriptor_left_listening_fails_and_says_so", || {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        current().block_on(async {
            let mut known = signal(SignalKind::user_defined1()).unwrap();
            let usual = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..usual }).unwrap();
            let error = signal(SignalKind::user_defined2()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            // Another that is there needs none, and hears.
            let mut more = signal(SignalKind::user_defined1()).unwrap();
            raise(SignalKind::user_defined1());
            hears(&mut known).await;
            hears(&mut more).await;
            // What looks for leaks at the end needs some.
            setrlimit(Resource::Nofile, usual).unwrap();
        });
    });
}

/// Threads send signals all the time, while listeners come, go and move. Each that waits hears.
#[test]
fn nobody_misses_a_signal_while_others_come_and_go() {
    let kind = own_signal();
    within(4 * SOON, move || {
        let runtimes: Arc<[Runtime]> = Arc::new([multi(2), multi(1)]);
        let is_over = Arc::new(AtomicBool::new(false));
        // Before the first signal, which would end the process.
        let _keep = runtimes[0].block_on(async { signal(kind) }).unwrap();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let is_over = is_over.clone();
                thread::spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        raise(kind);
                        thread::yield_now();
                    }
                })
            })
            .collect();
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let runtimes = runtimes.clone();
                runtimes[number % 2].handle().clone().spawn(async move {
                    for round in 0..200 {
                        let mut listener = signal(kind).unwrap();
                        for _ in 0..round % 4 {
                            hears(&mut listener).await;
                        }
                        if round % 7 == number % 7 {
                            let other = runtimes[(number + 1) % 2].handle();
                            other.spawn(async move { hears(&mut listener).await }).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            runtimes[0].block_on(task).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// One signal at a time, each of which all must hear: a wake-up that is lost is not made good by the next.
#[test]
fn each_single_signal_is_heard_by_all_who_wait_at_that_moment() {
    let kind = own_signal();
    within(4 * SOON, move || {
        let runtime = multi(2);
        let heard = counter();
        for _ in 0..4 {
            let heard = heard.clone();
            let mut listener = runtime.block_on(async { signal(kind) }).unwrap();
            runtime.spawn(async move {
                loop {
                    hears(&mut listener).await;
                    heard.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 1..=500 {
            raise(kind);
            eventually(SOON, || count(&heard) == 4 * round);
        }
    });
}

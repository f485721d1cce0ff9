use super::*;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex as Lock, mpsc};
use std::time::Instant;

/// How long a thread may wait for a core on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);

/// A thread that registers, runs `body` until it is told to stop, and ends.
struct Subject {
    thread: OsThread,
    stop: Arc<AtomicBool>,
    join: thread::JoinHandle<()>,
}

impl Subject {
    fn start(body: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        let join = thread::spawn({
            let stop = stop.clone();
            move || {
                let registered = register_this_thread();
                sender.send(registered.thread()).unwrap();
                body(&stop);
            }
        });
        Subject { thread: receiver.recv().unwrap(), stop, join }
    }

    /// Ends the thread, which must end well.
    fn end(self) -> OsThread {
        self.stop.store(true, Ordering::Relaxed);
        self.join.join().unwrap();
        self.thread
    }
}

/// The first trace for which `wanted` holds.
#[track_caller]
fn captured(thread: OsThread, mut wanted: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let deadline = Instant::now() + SOON;
    loop {
        let trace = capture(thread);
        match trace {
            Some(trace) if wanted(&trace) => return trace,
            trace => {
                assert!(Instant::now() < deadline, "the last trace was {:?}", trace.map(|trace| symbolise(&trace)))
            }
        }
    }
}

#[inline(never)]
fn spin_in_the_function_of_this_name(stop: &AtomicBool) {
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        // Most of the time is spent here, in no other function, even where nothing is inlined.
        let end = count + black_box(100_000);
        while count < end {
            count += 1 + count % 2;
        }
    }
}

fn set_errno(value: i32) {
    // SAFETY: takes nothing and cannot fail.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's.
    unsafe { errno.write(value) };
}

#[test]
fn a_spinning_thread_is_found_in_the_function_that_spins_and_keeps_its_errno() {
    let subject = Subject::start(|stop| {
        set_errno(4321);
        spin_in_the_function_of_this_name(stop);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(4321));
    });
    let mut text = String::new();
    captured(subject.thread, |trace| {
        text = symbolise(&trace[..1]);
        // Some instructions are of no line.
        text.contains("spin_in_the_function_of_this_name\n             at ")
    });
    assert!(text.starts_with("   0: ") && text.contains("tests.rs:"), "{text}");
    subject.end();
}

#[test]
fn a_sleeping_thread_answers_and_sleeps_on() {
    const NAP: Duration = Duration::from_millis(100);
    let subject = Subject::start(|stop| {
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            thread::sleep(NAP);
            assert!(began.elapsed() >= NAP);
        }
    });
    assert!(!captured(subject.thread, |_| true).is_empty());
    subject.end();
}

#[test]
fn a_thread_that_waits_for_a_lock_is_found_with_its_callers_in_std_and_gets_the_lock() {
    let lock = Arc::new(Lock::new(0));
    let held = lock.lock().unwrap();
    let subject = Subject::start({
        let lock = lock.clone();
        move |_| *lock.lock().unwrap() += 1
    });
    // It waits in the C library, called by std, which keeps frame pointers.
    captured(subject.thread, |trace| {
        let text = symbolise(trace);
        text.split_once("   1: ").is_some_and(|(_, callers)| callers.contains("mutex"))
    });
    drop(held);
    subject.end();
    assert_eq!(*lock.lock().unwrap(), 1);
}

#[test]
fn two_hundred_captures_leave_a_thread_that_allocates_and_locks_unharmed() {
    let subject = Subject::start(|stop| {
        let lock = Lock::new(Vec::new());
        let mut round = 0_usize;
        while !stop.load(Ordering::Relaxed) {
            let mut kept = lock.lock().unwrap();
            kept.push(vec![round; round % 1000]);
            if kept.len() == 100 {
                assert!(kept.drain(..).all(|words| words.iter().all(|&word| word % 1000 == words.len())));
            }
            round += 1;
        }
    });
    for _ in 0..200 {
        let trace = captured(subject.thread, |_| true);
        assert!((1..=exchange::FRAMES).contains(&trace.len()));
    }
    subject.end();
}

#[test]
fn threads_that_are_asked_in_turn_answer_each_for_itself() {
    let first = Subject::start(spin_in_the_function_of_this_name);
    let second = Subject::start(|stop| {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_micros(10));
        }
    });
    for _ in 0..50 {
        captured(first.thread, |trace| {
            let text = symbolise(trace);
            assert!(!text.contains("sleep"), "{text}");
            true
        });
        captured(second.thread, |trace| {
            let text = symbolise(trace);
            assert!(!text.contains("spin_in"), "{text}");
            true
        });
    }
    first.end();
    second.end();
}

#[test]
fn a_thread_that_asks_for_itself_answers() {
    let registered = register_this_thread();
    captured(registered.thread(), |_| true);
}

#[test]
fn a_thread_that_has_ended_has_no_trace() {
    let ended = Subject::start(|_| {}).end();
    assert_eq!(capture(ended), None);
}

#[test]
fn a_thread_that_never_registered_or_does_so_no_longer_has_no_trace() {
    let subject = Subject::start(|stop| {
        drop(register_this_thread());
        while !stop.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
    let stranger = OsThread { registration: u64::MAX >> 2, ..subject.thread };
    assert_eq!(capture(stranger), None);
    // From the moment on when the second registration is over.
    let deadline = Instant::now() + SOON;
    while capture(subject.thread).is_some() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(capture(subject.thread), None);
    subject.end();
}

/// Blocks the signal on this thread, or lets it through.
fn mask(how: libc::c_int) {
    // SAFETY: a set of signals is integers, for which zeros are a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for writes.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGURG) };
    // SAFETY: the first pointer is valid, the second may be null.
    assert_eq!(unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) }, 0);
}

#[test]
fn a_signal_that_comes_too_late_answers_nobody() {
    let (sender, receiver) = mpsc::channel();
    let (let_through, may_let_through) = mpsc::channel();
    let late = Subject::start(move |stop| {
        mask(libc::SIG_BLOCK);
        sender.send(()).unwrap();
        may_let_through.recv().unwrap();
        // The pending signal comes here.
        mask(libc::SIG_UNBLOCK);
        sender.send(()).unwrap();
        spin_in_the_function_of_this_name(stop);
    });
    receiver.recv().unwrap();
    assert_eq!(capture(late.thread), None);
    let other = Subject::start(spin_in_the_function_of_this_name);
    captured(other.thread, |_| true);
    let_through.send(()).unwrap();
    receiver.recv().unwrap();
    captured(late.thread, |trace| symbolise(&trace[..1]).contains("spin_in_the_function_of_this_name"));
    late.end();
    other.end();
}

#[test]
fn a_handler_of_the_programs_own_stays_and_there_are_no_traces() {
    const CHILD: &str = "RT_TEST_OWN_HANDLER";
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn own_handler(_signal: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    if std::env::var_os(CHILD).is_none() {
        let name = "primitives::backtrace::tests::a_handler_of_the_programs_own_stays_and_there_are_no_traces";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("running 1 test"), "{output:?}");
        return;
    }
    let registered = register_this_thread();
    let own_handler = own_handler as extern "C" fn(libc::c_int);
    // Twice: before ours was ever there, and in its place.
    for round in 1..=2 {
        // SAFETY: the handler only adds to an atomic.
        let before = unsafe { libc::signal(libc::SIGURG, own_handler as libc::sighandler_t) };
        assert_ne!(before, libc::SIG_ERR);
        assert_eq!(capture(registered.thread()), None);
        // SAFETY: takes a number only.
        unsafe { libc::raise(libc::SIGURG) };
        assert_eq!(SIGNALS.load(Ordering::Relaxed), round);
        // SAFETY: the default action has no obligations.
        let before = unsafe { libc::signal(libc::SIGURG, libc::SIG_DFL) };
        assert_eq!(before, own_handler as libc::sighandler_t);
        captured(registered.thread(), |_| true);
    }
}

#[test]
fn an_address_that_belongs_to_nothing_is_printed_as_it_is() {
    assert_eq!(symbolise(&[0x10, 0x20]), "   0: 0x10\n   1: 0x20\n");
}

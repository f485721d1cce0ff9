//! What the system says of a thread: whether it is blocked, and for how long it has had a processor.
//!
//! A thread whose poll goes on and on may be blocked, or computing, or ready to run while others have the processors. Only the first two
//! are held up by the poll; and a second thread helps much in the first case, a little in the second and not at all in the
//! third, which on a crowded machine is the most frequent. Linux tells, in two small files for each thread. They are read for
//! suspects only, some 25 us each time.

use std::time::Duration;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits for something, and needs no processor.
    Waits,
    /// It runs, or would if it had a processor. So much time it has had one since it began, if the system tells.
    Runs(Option<Duration>),
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use super::{Doing, Duration};
    use std::fs;

    /// This thread's number; 0 if it cannot be known.
    pub(crate) fn current() -> u32 {
        // "PID/task/TID"
        let link = fs::read_link("/proc/thread-self").unwrap_or_default();
        link.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
    }

    /// What the thread of that number does.
    pub(crate) fn doing(thread: u32) -> Doing {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
        // "TID (name) S ...": the name may have brackets too.
        let state = read("stat").ok().and_then(|stat| stat[stat.rfind(')')? + 1..].trim_start().chars().next());
        if matches!(state, Some('S' | 'D')) {
            return Doing::Waits;
        }
        // "on a processor, waiting for one, ...", in nanoseconds.
        let time = read("schedstat").ok().and_then(|text| text.split(' ').next()?.parse().ok());
        Doing::Runs(time.map(Duration::from_nanos))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use super::Doing;

    /// This thread's number; 0 where the system tells none.
    pub(crate) fn current() -> u32 {
        0
    }

    /// What the thread of that number does. Unknown, so the case in which less is done is assumed.
    pub(crate) fn doing(_thread: u32) -> Doing {
        Doing::Runs(None)
    }
}

pub(crate) use imp::{current, doing};

#[cfg(all(test, target_os = "linux", not(rt_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    /// Much longer than it takes.
    const SOON: Duration = Duration::from_secs(30);

    fn eventually(mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < SOON);
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_waits_is_seen_to_wait() {
        let (number, numbers) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let waiting = thread::spawn(move || {
            number.send(current()).unwrap();
            let _ = ended.recv();
        });
        let thread = numbers.recv().unwrap();
        eventually(|| doing(thread) == Doing::Waits);
        drop(end);
        waiting.join().unwrap();
    }

    #[test]
    fn a_thread_that_computes_is_seen_to_use_its_processor() {
        static IS_OVER: AtomicBool = AtomicBool::new(false);
        let (number, numbers) = mpsc::channel();
        let computing = thread::spawn(move || {
            number.send(current()).unwrap();
            while !IS_OVER.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let thread = numbers.recv().unwrap();
        let Doing::Runs(Some(before)) = doing(thread) else { panic!("it does not wait") };
        eventually(|| matches!(doing(thread), Doing::Runs(Some(now)) if now > before + Duration::from_millis(5)));
        IS_OVER.store(true, Ordering::Relaxed);
        computing.join().unwrap();
    }
}

//! What the system says of a thread: whether it is blocked, and for how long it has had a processor.
//!
//! A thread whose poll goes on and on may be blocked, or computing, or ready to run while others have the processors. Only the first two
//! are held up by the poll; and a second thread helps much in the first case, a little in the second and not at all in the
//! third, which on a crowded machine is the most frequent. Linux tells, in two small files for each thread. They are read for
//! suspects only.

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
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    /// This thread's number; 0 if it cannot be known.
    pub(crate) fn current() -> u32 {
        // "PID/task/TID"
        let link = fs::read_link("/proc/thread-self").unwrap_or_default();
        link.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
    }

    /// Tells what one thread does, by two system calls each time: its files stay open.
    #[derive(Debug)]
    pub(crate) struct Observer {
        stat: Option<File>,
        times: Option<File>,
    }

    /// More than either file has in what is read of it; the kernel's own limits keep it so.
    const ENOUGH: usize = 512;

    impl Observer {
        /// Of the thread of that number. Tells nothing of one that has ended, also if another has its number by then.
        pub(crate) fn new(thread: u32) -> Self {
            let open = |file: &str| File::open(format!("/proc/self/task/{thread}/{file}")).ok();
            Observer { stat: open("stat"), times: open("schedstat") }
        }

        /// What the thread does.
        pub(crate) fn doing(&self) -> Doing {
            let mut place = [0; ENOUGH];
            // "TID (name) S ...": the name may have brackets too.
            let stat = self.stat.as_ref().and_then(|file| read(file, &mut place));
            let state = stat.and_then(|stat| {
                let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
                stat[name_ends + 1..].iter().copied().find(|byte| !byte.is_ascii_whitespace())
            });
            if matches!(state, Some(b'S' | b'D')) {
                return Doing::Waits;
            }
            // "on a processor, waiting for one, ...", in nanoseconds.
            let times = self.times.as_ref().and_then(|file| read(file, &mut place));
            let time = times.and_then(|text| std::str::from_utf8(text).ok()?.split(' ').next()?.parse().ok());
            Doing::Runs(time.map(Duration::from_nanos))
        }
    }

    /// What is in the file now.
    fn read<'a>(file: &File, place: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = file.read_at(place, 0).ok()?;
        Some(&place[..length])
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use super::Doing;

    /// This thread's number; 0 where the system tells none.
    pub(crate) fn current() -> u32 {
        0
    }

    /// Tells nothing: the system does not.
    #[derive(Debug)]
    pub(crate) struct Observer;

    impl Observer {
        pub(crate) fn new(_thread: u32) -> Self {
            Observer
        }

        /// Unknown, so the case in which less is done is assumed.
        pub(crate) fn doing(&self) -> Doing {
            Doing::Runs(None)
        }
    }
}

pub(crate) use imp::{Observer, current};

/// What the thread of that number does. For whoever asks once: to open and to close the files are four system calls more.
pub(crate) fn doing(thread: u32) -> Doing {
    Observer::new(thread).doing()
}

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
    fn an_observer_sees_each_time_what_the_thread_does_now_and_nothing_of_one_that_has_ended() {
        let (number, numbers) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel::<()>();
        let changing = thread::spawn(move || {
            number.send(current()).unwrap();
            let _ = begun.recv();
            while ended.try_recv().is_err() {
                std::hint::spin_loop();
            }
        });
        let observer = Observer::new(numbers.recv().unwrap());
        eventually(|| observer.doing() == Doing::Waits);
        begin.send(()).unwrap();
        eventually(|| matches!(observer.doing(), Doing::Runs(Some(time)) if time > Duration::ZERO));
        end.send(()).unwrap();
        changing.join().unwrap();
        eventually(|| observer.doing() == Doing::Runs(None));
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

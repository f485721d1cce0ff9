//! What the kernel has counted of this process and its threads.

use std::time::Duration;

/// Counts of all threads of this process since it began, of those that have ended too.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on a processor, in the program and in the kernel on its behalf.
    pub processor_time: Duration,
    /// How often a thread lost its processor, because it waited or because it had to.
    pub context_switches: u64,
}

impl Usage {
    /// The counts by now; `None` where the system does not tell.
    #[cfg(unix)]
    pub fn now() -> Option<Self> {
        let mut usage = std::mem::MaybeUninit::uninit();
        // SAFETY: the pointer is to memory that is ours and large enough for what the call writes.
        let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
        if result != 0 {
            return None;
        }
        // SAFETY: a call that succeeds has written all of it.
        let usage = unsafe { usage.assume_init() };
        let time = |time: libc::timeval| {
            let whole = Duration::from_secs(time.tv_sec.try_into().ok()?);
            Some(whole + Duration::from_micros(time.tv_usec.try_into().ok()?))
        };
        Some(Usage {
            processor_time: time(usage.ru_utime)? + time(usage.ru_stime)?,
            context_switches: u64::try_from(usage.ru_nvcsw + usage.ru_nivcsw).ok()?,
        })
    }

    /// The counts by now; `None` where the system does not tell.
    #[cfg(not(unix))]
    pub fn now() -> Option<Self> {
        None
    }

    /// What has been added since `earlier`.
    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            // A kernel that estimates how much of the time was its own may correct itself by a few microseconds.
            processor_time: self.processor_time.saturating_sub(earlier.processor_time),
            context_switches: self.context_switches - earlier.context_switches,
        }
    }
}

/// How long this thread has been on a processor; `None` where the system does not tell.
#[cfg(unix)]
pub fn thread_time() -> Option<Duration> {
    let mut time = std::mem::MaybeUninit::uninit();
    // SAFETY: the pointer is to memory that is ours and large enough for what the call writes.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) };
    if result != 0 {
        return None;
    }
    // SAFETY: a call that succeeds has written all of it.
    let time = unsafe { time.assume_init() };
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// How long this thread has been on a processor; `None` where the system does not tell.
#[cfg(not(unix))]
pub fn thread_time() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Usage, thread_time};
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn a_thread_that_computes_uses_processor_time() {
        let before = Usage::now().expect("this system tells");
        let start = Instant::now();
        while Usage::now().expect("this system tells").since(before).processor_time < Duration::from_millis(5) {
            assert!(start.elapsed() < Duration::from_secs(60), "the time does not grow");
        }
    }

    #[test]
    fn the_time_of_a_thread_is_its_own() {
        let time = || thread_time().expect("this system tells");
        let before = time();
        while time() < before + Duration::from_millis(5) {}
        thread::spawn(move || assert!(time() < before + Duration::from_millis(5))).join().expect("it is new");
    }

    #[test]
    fn a_thread_that_sleeps_loses_its_processor() {
        let before = Usage::now().expect("this system tells");
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(Usage::now().expect("this system tells").since(before).context_switches >= 10);
    }
}

//! What the monitor sleeps by: a thread waits for it, and any thread sets it without waking the one that waits.
//!
//! A worker that wakes up while nobody is at work has to make sure that the monitor looks a few milliseconds later. To wake the monitor's
//! thread for that, so that it can go back to sleep for so long, would cost two switches of context each time; a Linux timer that is
//! a file (`timerfd`) is set by one short system call. Elsewhere the thread is woken.

pub(super) use imp::Alarm;

#[cfg(all(target_os = "linux", not(rt_loom)))]
mod imp {
    use rustix::fd::OwnedFd;
    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::time::Duration;

    /// See the module's page.
    #[derive(Debug)]
    pub(in super::super) struct Alarm(OwnedFd);

    impl Alarm {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Alarm(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?))
        }

        /// Goes off once, after `delay`, and not at the time for which it was set before.
        pub(in super::super) fn set(&self, delay: Duration) {
            // A zero would switch it off.
            let nanoseconds = delay.as_nanos().clamp(1, i64::MAX as u128) as i64;
            let value = Timespec { tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000 };
            self.settle(value);
        }

        /// Does not go off until it is set again.
        pub(in super::super) fn clear(&self) {
            self.settle(Timespec { tv_sec: 0, tv_nsec: 0 });
        }

        fn settle(&self, value: Timespec) {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let timer = Itimerspec { it_interval: never, it_value: value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &timer).expect("the time is one, and the file a timer");
        }

        /// Waits until it goes off.
        pub(in super::super) fn wait(&self) {
            loop {
                match rustix::io::read(&self.0, &mut [0; 8]) {
                    Err(Errno::INTR) => {}
                    Ok(_) => return,
                    Err(error) => panic!("the monitor cannot wait: {error}"),
                }
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(rt_loom))))]
mod imp {
    use crate::primitives::{Condvar, Mutex, clock};
    use std::io;
    use std::time::{Duration, Instant};

    /// See the module's page.
    #[derive(Debug)]
    pub(in super::super) struct Alarm {
        at: Mutex<Option<Instant>>,
        changed: Condvar,
    }

    impl Alarm {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Alarm { at: Mutex::new(None), changed: Condvar::new() })
        }

        /// Goes off once, after `delay`, and not at the time for which it was set before.
        pub(in super::super) fn set(&self, delay: Duration) {
            *self.at.lock() = clock::now().checked_add(delay);
            self.changed.notify_one();
        }

        /// Does not go off until it is set again.
        pub(in super::super) fn clear(&self) {
            *self.at.lock() = None;
        }

        /// Waits until it goes off.
        pub(in super::super) fn wait(&self) {
            let mut at = self.at.lock();
            while at.is_none_or(|at| clock::now() < at) {
                match *at {
                    None => self.changed.wait(&mut at),
                    Some(until) => drop(self.changed.wait_until(&mut at, until)),
                }
            }
            *at = None;
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::Alarm;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn an_alarm_goes_off_when_it_was_last_set_for() {
        let alarm = Alarm::new().unwrap();
        alarm.set(LONG);
        alarm.set(SHORT);
        let start = Instant::now();
        alarm.wait();
        assert!(start.elapsed() >= SHORT);
    }

    #[test]
    fn another_thread_sets_the_alarm_of_one_that_waits() {
        let alarm = Arc::new(Alarm::new().unwrap());
        alarm.set(LONG);
        alarm.clear();
        let waiting = thread::spawn({
            let alarm = alarm.clone();
            move || alarm.wait()
        });
        alarm.set(Duration::ZERO);
        waiting.join().unwrap();
    }
}

//! What the monitor sleeps by: a thread waits for it, and any thread sets it without waking the one that waits.
//!
//! A worker that wakes up while nobody is at work has to make sure that the monitor looks a few milliseconds later. To wake the monitor's
//! thread for that, so that it can go back to sleep for so long, would cost two switches of context each time; a Linux timer that is
//! a file (`timerfd`) is set by one short system call. Elsewhere, and where no file can be opened any more, the thread is woken.

use crate::primitives::{Condvar, Mutex, clock};
#[cfg(all(target_os = "linux", not(rt_loom)))]
use file::TimerFile;
use std::time::{Duration, Instant};

/// See the module's page.
#[derive(Debug)]
pub(super) enum Alarm {
    #[cfg(all(target_os = "linux", not(rt_loom)))]
    File(TimerFile),
    Clock(WakingClock),
}

impl Alarm {
    pub(super) fn new() -> Self {
        #[cfg(all(target_os = "linux", not(rt_loom)))]
        if let Ok(file) = TimerFile::new() {
            return Alarm::File(file);
        }
        Alarm::Clock(WakingClock::default())
    }

    /// Goes off once, after `delay`, and not at the time for which it was set before.
    pub(super) fn set(&self, delay: Duration) {
        match self {
            #[cfg(all(target_os = "linux", not(rt_loom)))]
            Alarm::File(file) => file.set(Some(delay)),
            Alarm::Clock(clock) => clock.set(Some(delay)),
        }
    }

    /// Does not go off until it is set again.
    pub(super) fn clear(&self) {
        match self {
            #[cfg(all(target_os = "linux", not(rt_loom)))]
            Alarm::File(file) => file.set(None),
            Alarm::Clock(clock) => clock.set(None),
        }
    }

    /// Waits until it goes off.
    pub(super) fn wait(&self) {
        match self {
            #[cfg(all(target_os = "linux", not(rt_loom)))]
            Alarm::File(file) => file.wait(),
            Alarm::Clock(clock) => clock.wait(),
        }
    }
}

#[cfg(all(target_os = "linux", not(rt_loom)))]
mod file {
    use rustix::fd::OwnedFd;
    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::time::Duration;

    #[derive(Debug)]
    pub(in super::super) struct TimerFile(OwnedFd);

    impl TimerFile {
        pub(super) fn new() -> io::Result<Self> {
            Ok(TimerFile(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?))
        }

        pub(super) fn set(&self, delay: Option<Duration>) {
            // A zero switches it off.
            let nanoseconds = delay.map_or(0, |delay| delay.as_nanos().clamp(1, i64::MAX as u128) as i64);
            let value = Timespec { tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000 };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once).expect("the time is one, and the file a timer");
        }

        pub(super) fn wait(&self) {
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

/// An alarm that wakes the thread that waits to tell it the time.
#[derive(Debug)]
pub(super) struct WakingClock {
    at: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Default for WakingClock {
    fn default() -> Self {
        WakingClock { at: Mutex::new(None), changed: Condvar::new() }
    }
}

impl WakingClock {
    fn set(&self, delay: Option<Duration>) {
        *self.at.lock() = delay.and_then(|delay| clock::now().checked_add(delay));
        self.changed.notify_one();
    }

    fn wait(&self) {
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

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::{Alarm, WakingClock};
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(5);

    /// One of each kind.
    fn alarms() -> [Alarm; 2] {
        [Alarm::new(), Alarm::Clock(WakingClock::default())]
    }

    #[test]
    fn an_alarm_goes_off_when_it_was_last_set_for() {
        for alarm in alarms() {
            let start = Instant::now();
            alarm.set(LONG);
            alarm.set(SHORT);
            alarm.wait();
            assert!(start.elapsed() >= SHORT);
        }
    }

    #[test]
    fn another_thread_sets_the_alarm_of_one_that_waits() {
        for alarm in alarms().map(Arc::new) {
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
}

//! What wakes tasks from outside: sockets and timers. This folder knows nothing of tasks, only of wakers.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Driver`]: one thread waits for everything |
//! | `post` | who waits, and what if somebody else wanted to |
//! | `reactor` | mio's poller and the table of registered sources |
//! | `readiness` | what a source is ready for, and who waits for it |
//! | `socket` | the seam that every socket operation passes |
//! | `timers` | deadlines, in shards that anyone may fire |
//!
//! # Who waits
//!
//! Whoever gets the [`Post`], and nobody waits for that. The waiter turns events and due timers into a
//! list of wakers, **gives the post back, and wakes them then**: no task ever runs under it, so none can hold sockets or
//! timers hostage. While all workers are busy, each of them makes a [`turn`](Driver::turn) now and then, and so does the monitor.

mod post;
#[cfg(feature = "net")]
mod reactor;
#[cfg(feature = "net")]
mod readiness;
#[cfg(feature = "net")]
pub(crate) mod socket;
#[cfg_attr(not(feature = "time"), path = "no_timers.rs")]
mod timers;

#[cfg(feature = "net")]
pub(crate) use reactor::Reactor;
#[cfg(feature = "net")]
pub(crate) use readiness::{Direction, Interest};

use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::{CachePadded, Condvar, Mutex, clock};
use crate::task::wake_contained;
use post::Post;
use std::io;
#[cfg(any(feature = "net", feature = "time"))]
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use timers::Timers;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Driver {
    post: Post<Waiter>,
    timers: Option<Timers>,
    #[cfg(feature = "net")]
    reactor: Option<Arc<Reactor>>,
    bell: Bell,
    /// Empty; kept for its capacity.
    spare_list: Mutex<Vec<Waker>>,
    started: Instant,
    /// When a turn was last made, in nanoseconds since the start.
    turned: CachePadded<AtomicU64>,
}

/// How long sockets and timers may wait behind workers that are all busy, if their polls are short. Longer would be felt;
/// shorter makes the system call of a turn a visible part of the price of short polls.
const TURN_INTERVAL: Duration = Duration::from_micros(50);

#[derive(Debug)]
struct Waiter {
    #[cfg(feature = "net")]
    poller: Option<reactor::Poller>,
    /// Empty between two waits or turns.
    woken: Vec<Waker>,
}

/// Where the waiter blocks if there is no reactor.
#[derive(Debug)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Driver {
    /// A driver for `shards` threads that arm timers.
    ///
    /// # Errors
    ///
    /// What the OS says to a new poller, `EMFILE` for example.
    pub(crate) fn new(io: bool, time: bool, shards: usize) -> io::Result<Self> {
        #[cfg(not(feature = "net"))]
        let _ = io;
        #[cfg(feature = "net")]
        let (poller, reactor) = match io {
            true => Reactor::new().map(|(poller, reactor)| (Some(poller), Some(reactor)))?,
            false => (None, None),
        };
        Ok(Driver {
            post: Post::new(Waiter {
                #[cfg(feature = "net")]
                poller,
                woken: Vec::new(),
            }),
            timers: Timers::enabled(time, shards),
            #[cfg(feature = "net")]
            reactor,
            bell: Bell { rung: Mutex::new(false), ring: Condvar::new() },
            spare_list: Mutex::new(Vec::new()),
            started: clock::now(),
            turned: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// Whether there is anything to wait for.
    pub(crate) fn is_enabled(&self) -> bool {
        #[cfg(feature = "net")]
        if self.reactor.is_some() {
            return true;
        }
        self.timers.is_some()
    }

    #[cfg(feature = "net")]
    pub(crate) fn reactor(&self) -> Option<&Arc<Reactor>> {
        self.reactor.as_ref()
    }

    /// A timer, not yet armed. `shard` is a number of the calling thread. `None`: this driver has no timers.
    #[cfg(feature = "time")]
    pub(crate) fn timer(self: &Arc<Self>, shard: usize, deadline: Instant) -> Option<Timer> {
        let entry = timers::Entry::new(self.timers.as_ref()?, shard, deadline);
        Some(Timer { driver: self.clone(), entry })
    }

    /// Wakes what is due, without waiting. False: it has done nothing, because another thread waits or is at it, or was a moment ago.
    ///
    /// Calls `call` if a thread wanted to wait meanwhile and sleeps elsewhere now: it has to be woken.
    pub(crate) fn turn(&self, call: &mut dyn FnMut()) -> bool {
        let now = clock::now().saturating_duration_since(self.started).as_nanos() as u64;
        // Ordering: Relaxed; at worst there is a turn more.
        if now.saturating_sub(self.turned.load(Ordering::Relaxed)) < TURN_INTERVAL.as_nanos() as u64 {
            return false;
        }
        let Some(mut waiter) = self.post.try_turn() else {
            // Whoever waits may sleep until a deadline that it was told of, but it is not hindered by any task.
            return false;
        };
        self.turned.store(now, Ordering::Relaxed);
        self.poll(&mut waiter, Some(Duration::ZERO));
        let woken = self.collect(&mut waiter);
        if self.post.end_turn(waiter) {
            call();
        }
        self.wake(woken);
        true
    }

    /// Waits until something is due, and wakes it. Returns false at once if another thread waits already, or is making a turn, after
    /// which it has somebody called.
    ///
    /// `begin` is called when nobody else can wait any more; if it returns false this only looks.
    pub(crate) fn wait(&self, begin: &mut dyn FnMut() -> bool) -> bool {
        let Some(mut waiter) = self.post.try_wait() else {
            return false;
        };
        let limit = match (begin(), &self.timers) {
            (false, _) => Some(Duration::ZERO),
            (true, None) => None,
            (true, Some(timers)) => timers.begin_wait(clock::now()),
        };
        self.poll(&mut waiter, limit);
        if let Some(timers) = &self.timers {
            timers.end_wait();
        }
        let woken = self.collect(&mut waiter);
        self.post.end_wait(waiter);
        self.wake(woken);
        true
    }

    /// Ends a `wait`, or the next one.
    pub(crate) fn interrupt(&self) {
        #[cfg(feature = "net")]
        if let Some(reactor) = &self.reactor {
            return reactor.interrupt();
        }
        *self.bell.rung.lock() = true;
        self.bell.ring.notify_one();
    }

    fn poll(&self, waiter: &mut Waiter, limit: Option<Duration>) {
        #[cfg(feature = "net")]
        if let (Some(poller), Some(reactor)) = (&mut waiter.poller, &self.reactor) {
            return poller.poll(reactor, limit, &mut waiter.woken);
        }
        let _ = waiter;
        self.bell.wait(limit);
    }

    /// Adds the timers that are due, and takes the whole list.
    fn collect(&self, waiter: &mut Waiter) -> Vec<Waker> {
        if let Some(timers) = &self.timers {
            timers.fire(clock::now(), &mut waiter.woken);
        }
        if waiter.woken.is_empty() {
            // As mostly, and then without the lock.
            return Vec::new();
        }
        std::mem::replace(&mut waiter.woken, std::mem::take(&mut *self.spare_list.lock()))
    }

    /// Wakes without any lock: wakers may be the user's own code.
    fn wake(&self, mut woken: Vec<Waker>) {
        if woken.is_empty() {
            return;
        }
        woken.drain(..).for_each(wake_contained);
        *self.spare_list.lock() = woken;
    }

    /// Tells whoever still waits for a socket or a timer that nobody will serve it any more.
    pub(crate) fn shut_down(&self) {
        let mut woken = Vec::new();
        if let Some(timers) = &self.timers {
            timers.shut_down(&mut woken);
        }
        #[cfg(feature = "net")]
        if let Some(reactor) = &self.reactor {
            reactor.shut_down(&mut woken);
        }
        woken.into_iter().for_each(wake_contained);
    }
}

/// A timer of a driver. Disarmed when dropped.
#[cfg(feature = "time")]
#[derive(Debug)]
pub(crate) struct Timer {
    driver: Arc<Driver>,
    entry: timers::Entry,
}

#[cfg(feature = "time")]
fn of(driver: &Driver) -> &Timers {
    driver.timers.as_ref().expect("a timer is made by a driver that has timers")
}

#[cfg(feature = "time")]
impl Timer {
    /// Wakes `waker`, and no other, at the deadline.
    ///
    /// # Panics
    ///
    /// If the driver has shut down, because nobody would ever wake it.
    #[track_caller]
    pub(crate) fn arm(&mut self, waker: &Waker) {
        let timers = of(&self.driver);
        if self.entry.arm(timers, waker) {
            self.driver.interrupt();
        }
        assert!(!timers.is_shut_down(), "the runtime of this timer has shut down: nobody would ever wake its task");
    }

    /// Another deadline, for which the timer has to be armed again.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        let timers = of(&self.driver);
        self.entry.reset(timers, deadline);
    }
}

#[cfg(feature = "time")]
impl Drop for Timer {
    fn drop(&mut self) {
        let timers = of(&self.driver);
        self.entry.disarm(timers);
    }
}

impl Bell {
    fn wait(&self, limit: Option<Duration>) {
        let mut rung = self.rung.lock();
        let deadline = limit.map(|limit| clock::now() + limit);
        while !*rung {
            match deadline {
                None => self.ring.wait(&mut rung),
                Some(deadline) => {
                    if self.ring.wait_until(&mut rung, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        *rung = false;
    }
}

//! What wakes tasks from outside: sockets and timers. This folder knows nothing of tasks, only of wakers.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Driver`]: one thread waits for everything |
//! | `post` | who waits, and what if somebody else wanted to |
//! | `bell` | how to end that wait |
//! | `clock` | what time it is for this runtime |
//! | `pause` | what happens while that stands still |
//! | `reactor` | mio's poller |
//! | `table` | places for registered sources |
//! | `readiness` | what a source is ready for, and who waits for it |
//! | `registration` | a source's place in the reactor: waiting for it, trying what may block |
//! | `entry` | whether the poller knows a source yet |
//! | `interest` | the sets of what can be waited for |
//! | `signals` | signals as sources in the reactor |
//! | `socket` | the seam that every socket operation passes |
//! | `timers/` | deadlines, in a wheel for each worker that anyone may turn |
//!
//! # Who waits
//!
//! Whoever gets the [`Post`], and nobody waits for that. The waiter turns events and due timers into a
//! list of wakers, **gives the post back, and wakes them then**: no task ever runs under it, so none can hold sockets or
//! timers hostage. While all workers are busy, each of them makes a [`turn`](Driver::turn) now and then, and so does the monitor.

mod bell;
#[cfg(feature = "time")]
mod clock;
#[cfg(feature = "net")]
mod entry;
#[cfg(feature = "net")]
mod interest;
#[cfg(feature = "test-util")]
mod pause;
mod post;
#[cfg(feature = "net")]
mod reactor;
#[cfg(feature = "net")]
mod readiness;
#[cfg(feature = "net")]
mod registration;
#[cfg(all(unix, feature = "signal"))]
mod signals;
#[cfg(feature = "net")]
pub(crate) mod socket;
#[cfg(feature = "net")]
mod table;
#[cfg_attr(not(feature = "time"), path = "no_timers.rs")]
mod timers;

#[cfg(feature = "net")]
pub(crate) use interest::Direction;
#[cfg(feature = "net")]
pub use interest::{Interest, Ready};
#[cfg(feature = "net")]
pub(crate) use reactor::{Reactor, is_shut_down};
#[cfg(all(feature = "net", unix))]
pub(crate) use readiness::Seen;
#[cfg(all(feature = "net", unix))]
pub(crate) use registration::Registration;
#[cfg(all(unix, feature = "signal"))]
pub(crate) use signals::Listener;
#[cfg(all(unix, feature = "signal"))]
pub use signals::SignalKind;

#[cfg(feature = "time")]
use crate::primitives::clock::Time;
use crate::primitives::counter::Counter;
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::{CachePadded, Mutex, clock as machine};
use crate::task::wait::Cause;
use crate::task::wake_contained;
use bell::Bell;
use post::Post;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
#[cfg(feature = "time")]
pub(crate) use timers::Timer;
#[cfg(all(fuzzing, feature = "time"))]
pub(crate) use timers::model::run as run_timer_model;
use timers::{TimerStatistics, Timers};

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Driver {
    post: Post<Waiter>,
    /// Without shards if there are none.
    timers: Timers,
    #[cfg(feature = "net")]
    reactor: Option<Arc<Reactor>>,
    bell: Arc<Bell>,
    #[cfg(feature = "test-util")]
    hold: pause::Hold,
    /// Empty; kept for its capacity.
    spare_list: Mutex<Vec<Waker>>,
    started: Instant,
    /// When a turn was last made, in nanoseconds since the start.
    turned: CachePadded<AtomicU64>,
    /// Turns and waits. Written by who has the post.
    looks: Counter,
    /// What they found of sockets. As above.
    events: Counter,
}

/// What a driver has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    /// Turns, and ends of waits.
    pub(crate) turns: u64,
    pub(crate) events: u64,
    pub(crate) registered: u64,
    pub(crate) deregistered: u64,
    pub(crate) timers: TimerStatistics,
}

/// How long sockets and timers may wait behind workers that are all busy, if their polls are short. Longer would be felt;
/// shorter makes the system call of a turn a visible part of the price of short polls.
const TURN_INTERVAL: Duration = Duration::from_micros(50);

/// How many events are taken at once, at most.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "there are none"))]
pub(crate) struct Batches {
    /// By a call that waits.
    pub(crate) waiting: usize,
    /// By a worker that is busy and only looks.
    pub(crate) looking: usize,
}

#[derive(Debug)]
struct Waiter {
    #[cfg(feature = "net")]
    poller: Option<reactor::Poller>,
    /// Empty between two waits or turns.
    woken: Vec<Waker>,
    /// How many of them wait for sources. They come first.
    sources: usize,
}

/// What a look has found.
struct Found {
    /// Those who wait for sources, and then those who wait for timers.
    woken: Vec<Waker>,
    /// How many of the former.
    sources: usize,
}

impl Driver {
    /// A driver, of sockets if they are told in batches, for `shards` threads that arm timers.
    ///
    /// # Errors
    ///
    /// What the OS says to a new poller, `EMFILE` for example.
    pub(crate) fn new(io: Option<Batches>, time: bool, shards: usize) -> io::Result<Self> {
        #[cfg(not(feature = "net"))]
        let _ = io;
        #[cfg(feature = "net")]
        let (poller, reactor) = match io {
            Some(batches) => Reactor::new(batches).map(|(poller, reactor)| (Some(poller), Some(reactor)))?,
            None => (None, None),
        };
        let bell = Arc::new(Bell::new(
            #[cfg(feature = "net")]
            reactor.clone(),
        ));
        Ok(Driver {
            post: Post::new(Waiter {
                #[cfg(feature = "net")]
                poller,
                woken: Vec::new(),
                sources: 0,
            }),
            timers: Timers::new(if time { shards } else { 0 }, &bell),
            #[cfg(feature = "net")]
            reactor,
            bell,
            #[cfg(feature = "test-util")]
            hold: pause::Hold::default(),
            spare_list: Mutex::new(Vec::new()),
            started: machine::now(),
            turned: CachePadded::new(AtomicU64::new(0)),
            looks: Counter::default(),
            events: Counter::default(),
        })
    }

    /// Whether there is anything to wait for.
    pub(crate) fn is_enabled(&self) -> bool {
        #[cfg(feature = "net")]
        if self.reactor.is_some() {
            return true;
        }
        self.timers.is_enabled()
    }

    #[cfg(any(feature = "test-util", all(feature = "net", feature = "time")))]
    pub(crate) fn has_timers(&self) -> bool {
        self.timers.is_enabled()
    }

    #[cfg(feature = "net")]
    pub(crate) fn reactor(&self) -> Option<&Arc<Reactor>> {
        self.reactor.as_ref()
    }

    /// A timer, not yet armed. `home` is the calling thread's number, if it has one, and `wait` the time from now to the deadline, if the
    /// caller knows; else the timer looks when it is armed. `None`: this driver has no timers.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn timer(&self, home: Option<usize>, deadline: Time, wait: Option<u64>) -> Option<Timer> {
        self.timers.timer(home, deadline, wait)
    }

    /// What time it is for this runtime.
    #[cfg(feature = "test-util")]
    pub(crate) fn now(&self) -> Time {
        self.timers.clock().now()
    }

    /// Wakes what is due, without waiting. False: it has done nothing, because another thread waits or is at it, or was a moment ago.
    ///
    /// Calls `call` if a thread wanted to wait meanwhile and sleeps elsewhere now: it has to be woken. Calls `wakes` before it wakes anybody: with how
    /// many wait for sources that are ready, then, if there are any, with how many wait for timers that are due.
    pub(crate) fn turn(&self, call: &mut dyn FnMut(), wakes: &mut dyn FnMut(Cause, usize)) -> bool {
        let now = machine::now();
        machine::Tick::advance(now);
        let now = now.saturating_duration_since(self.started).as_nanos() as u64;
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
        let found = self.collect(&mut waiter);
        if self.post.end_turn(waiter) {
            call();
        }
        self.wake(found, wakes);
        true
    }

    /// Waits until something is due, and wakes it. Returns false at once if another thread waits already, or is making a turn, after
    /// which it has somebody called.
    ///
    /// `begin` is called when nobody else can wait any more; if it returns false this only looks. `wakes` is called behind the wait, as by
    /// [`turn`](Self::turn).
    pub(crate) fn wait(&self, begin: &mut dyn FnMut() -> bool, wakes: &mut dyn FnMut(Cause, usize)) -> bool {
        let Some(mut waiter) = self.post.try_wait() else {
            return false;
        };
        match begin() {
            false => _ = self.poll(&mut waiter, Some(Duration::ZERO)),
            #[cfg(feature = "test-util")]
            true if self.timers.clock().is_paused() => self.wait_in_paused_time(&mut waiter),
            true => _ = self.poll(&mut waiter, self.timers.begin_wait()),
        }
        self.timers.end_wait();
        let found = self.collect(&mut waiter);
        self.post.end_wait(waiter);
        self.wake(found, wakes);
        true
    }

    /// Ends a `wait`, or the next one.
    pub(crate) fn interrupt(&self) {
        self.bell.ring();
    }

    pub(crate) fn statistics(&self) -> Statistics {
        #[cfg(feature = "net")]
        let (registered, deregistered) = self.reactor.as_ref().map_or((0, 0), |reactor| reactor.sources());
        #[cfg(not(feature = "net"))]
        let (registered, deregistered) = (0, 0);
        Statistics {
            turns: self.looks.get(),
            events: self.events.get(),
            registered,
            deregistered,
            timers: self.timers.statistics(),
        }
    }

    /// Waits for events. True: it was interrupted.
    fn poll(&self, waiter: &mut Waiter, limit: Option<Duration>) -> bool {
        self.looks.add(1);
        #[cfg(feature = "net")]
        if let (Some(poller), Some(reactor)) = (&mut waiter.poller, &self.reactor) {
            let found = poller.poll(reactor, limit, &mut waiter.woken);
            self.events.add(found.events);
            waiter.sources = waiter.woken.len();
            return found.is_interrupted;
        }
        let _ = waiter;
        self.bell.wait(limit)
    }

    /// Adds the timers that are due, and takes the whole list.
    fn collect(&self, waiter: &mut Waiter) -> Found {
        let sources = std::mem::take(&mut waiter.sources);
        self.timers.fire(&mut waiter.woken);
        if waiter.woken.is_empty() {
            // As mostly, and then without the lock.
            return Found { woken: Vec::new(), sources: 0 };
        }
        let spare = std::mem::take(&mut *self.spare_list.lock());
        Found { woken: std::mem::replace(&mut waiter.woken, spare), sources }
    }

    /// Wakes without any lock: wakers may be the user's own code.
    fn wake(&self, Found { mut woken, sources }: Found, wakes: &mut dyn FnMut(Cause, usize)) {
        let timers = woken.len() - sources;
        wakes(Cause::Source, sources);
        if woken.is_empty() {
            return;
        }
        let mut all = woken.drain(..);
        all.by_ref().take(sources).for_each(wake_contained);
        if timers > 0 {
            wakes(Cause::Timer, timers);
        }
        all.for_each(wake_contained);
        *self.spare_list.lock() = woken;
    }

    /// Tells whoever still waits for a socket or a timer that nobody will serve it any more.
    pub(crate) fn shut_down(&self) {
        let mut woken = Vec::new();
        self.timers.shut_down(&mut woken);
        #[cfg(feature = "net")]
        if let Some(reactor) = &self.reactor {
            reactor.shut_down(&mut woken);
        }
        woken.into_iter().for_each(wake_contained);
    }
}

//! Futures that stay on their thread: a small scheduler inside one future.
//!
//! | file | subject |
//! |---|---|
//! | this | [`Set`]: the tasks of one set, how they are queued, run and ended |
//! | `set` | [`LocalSet`], what users see of it |
//! | `remote` | what other threads reach of it |
//! | `current` | which set this thread is in |
//! | `list` | all sets, for dumps |
//!
//! A set belongs to the thread that made it, its *owner*, and does nothing by itself: futures on that thread poll it, its
//! *pollers*, mostly one. Its tasks' futures need not be `Send`, because only the owner runs or drops a run token of theirs.
//! Other threads may win a token, by a wake or an abort. They do nothing with it but queue it here.
//!
//! # Queues
//!
//! The owner's queue is a plain one that no other thread can reach. What the owner wakes goes there, and what others wake to
//! `remote`, under a lock, from where it is moved at the beginning of each turn. A turn runs a bounded number of tasks; if
//! some are left, the poller wakes itself and lets others run first.
//!
//! # How a set that rests learns of work
//!
//! Under the lock of `remote` are the queue and the wakers of the pollers.
//!
//! | | another thread | | a poller |
//! |---|---|---|---|
//! | 1 | queues the token | 3 | leaves its waker |
//! | 2 | takes the wakers, in the same critical section, and wakes them behind it | 4 | takes what is queued, in the same critical section |
//! | | | 5 | runs a turn, and returns `Pending` if nothing is left |
//!
//! Could a token lie there, and nobody come? If 1 is before 4, the poller takes the token. Else 3 is before 2: the waker is
//! there, and is woken, or another thread has taken it after 3 and wakes it; then the poller comes back behind that, and its next
//! step 4 takes both tokens. What matters is that 3 is not behind 4, or the other thread could do its part between the two.
//!
//! The owner itself, when it wakes a task outside of a turn, calls the pollers in the same way, once until the next
//! turn. Inside a turn it need not, because the turn looks at the queue before it ends.
//!
//! All pollers are called, not one: a future may not be polled again for reasons of its own, in a `select!` for example. And one
//! that goes while tasks are queued calls the others.
//!
//! # The end of a set
//!
//! The owner closes the registry, so that later spawns are refused, marks every task as cancelled, and wakes it. Then it
//! drops each token that it finds until no task is left. One may be missing: another thread has just won it and not queued it yet. It
//! does so within a few instructions, with no code of the user's between, so the owner waits for it. When no task is
//! left there are no tokens, and never will be: a complete task's waker does nothing. So a task may keep a bare pointer to its set.

mod current;
mod list;
#[cfg(all(test, rt_loom))]
mod models;
mod remote;
mod set;

pub(crate) use current::{Entered, hide};
pub(crate) use list::sets_of;
pub use set::{LocalEnterGuard, LocalSet};

use super::{Id, Running};
use crate::primitives::clock::Tick;
use crate::primitives::contain::contain;
use crate::primitives::owner::Owned;
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};
use crate::task::{Ending, JoinHandle, Look, Meta, Progress, Registry, RunToken, Schedule, TaskRef, Whose, budget};
use remote::{Place, Remote, Wakers};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

/// Polls in a turn. Half as many make the poller return to its own executor twice as often, which costs as much as some polls; twice as
/// many let what is beside the set wait twice as long. tokio takes the same.
const TURN: u32 = 61;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Set {
    id: Id,
    own: Owned<Own>,
    remote: Remote<RunToken>,
    registry: Registry,
    /// For dumps, written by the owner: the scheduler for which its thread last polled the set; 0 for none.
    driver: AtomicU64,
    /// The same: the place in the registry of the task that is being polled, or 0.
    polled: AtomicU64,
}

/// What only the owner reaches.
#[derive(Debug, Default)]
struct Own {
    /// Never borrowed while a token is run or dropped.
    queue: RefCell<VecDeque<RunToken>>,
    /// A turn is under way, and will look at the queue before it ends.
    in_turn: Cell<bool>,
    /// The pollers have been called, and none has come yet.
    called: Cell<bool>,
    /// Tasks that have not ended.
    alive: Cell<usize>,
}

impl Own {
    fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    fn push(&self, token: RunToken) {
        self.queue.borrow_mut().push_back(token);
    }

    fn pop(&self) -> Option<RunToken> {
        self.queue.borrow_mut().pop_front()
    }

    /// Takes what other threads have queued.
    fn take(&self, queue: &mut VecDeque<RunToken>) {
        self.queue.borrow_mut().append(queue);
    }
}

impl Set {
    fn new() -> Arc<Self> {
        let own = Owned::new(Own::default());
        let (driver, polled) = (AtomicU64::new(0), AtomicU64::new(0));
        let set = Set { id: Id::next(), own, remote: Remote::new(), registry: Registry::new(1), driver, polled };
        let set = Arc::new(set);
        list::add(&set);
        set
    }

    /// For the owner.
    fn own(&self) -> &Own {
        self.own.get().expect("a local set does not leave its thread")
    }

    /// Spawns a task. After the set has ended the task is cancelled at once. For the owner.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let own = self.own();
        own.alive.set(own.alive.get() + 1);
        // SAFETY: `Arc::as_ptr` never returns null.
        let this = unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut()) };
        // SAFETY: a set that ends waits until its tasks are gone, and one that never ends is never freed; a task that is refused
        // below has a reference until it is. This is the owner's thread, and no other runs or drops a token of this set: see `schedule`.
        let (token, handle) = unsafe { crate::task::new_bound(future, meta.traced_local(size_of::<F>()), this) };
        if !self.registry.insert(0, &token) {
            let _alive = self.clone();
            token.cancel();
            return handle;
        }
        token.tell_spawned();
        own.push(token);
        self.pollers_to_call(own).wake();
        handle
    }

    /// Called when the owner has queued something. No code of the user's runs here, but the wakers are that.
    fn pollers_to_call(&self, own: &Own) -> Wakers {
        if own.in_turn.get() || own.called.replace(true) {
            return Wakers::default();
        }
        self.remote.call()
    }

    /// A turn of a poller, who leaves its waker. Steps 3 and 4; the rest is up to `f`. Inside, `spawn_local` finds this set.
    fn turn<R>(self: &Arc<Self>, place: &mut Option<Place>, waker: &Waker, f: impl FnOnce(&Turn<'_>) -> R) -> R {
        let own = self.own();
        self.remote.enter(place, waker, |queue| own.take(queue));
        own.called.set(false);
        own.in_turn.set(true);
        // Ordering: Relaxed; for dumps.
        self.driver.store(super::current::drives().map_or(0, Id::as_u64), Ordering::Relaxed);
        let turn = Turn { set: self, own };
        current::inside(self, || f(&turn))
    }

    /// Ends a poller.
    fn leave(&self, place: Place) {
        self.remote.leave(place);
        if !self.own().is_empty() {
            // It may have been the only one that knew.
            self.remote.call().wake();
        }
    }

    /// Shows each task as [`Shared::visit`](super::Shared::visit) does, from any thread.
    pub(crate) fn visit(&self, mut f: impl FnMut(Look<'_>, Tick, Option<Running>)) {
        // Ordering: Relaxed; what is seen may be over.
        let polled = self.polled.load(Ordering::Relaxed);
        self.registry.visit(|look, born| {
            let is_polled = look.place == polled && look.progress == Progress::Woken;
            let running = is_polled.then_some(Running { worker: None, since: None });
            f(look, born, running);
        });
    }

    /// Whether all tasks have ended.
    fn is_done(&self) -> bool {
        self.own().alive.get() == 0
    }

    /// Drops all futures; see the module's page. For the owner, when nobody polls.
    fn end(self: &Arc<Self>) {
        current::inside(self, || self.drop_all());
    }

    fn drop_all(&self) {
        let own = self.own();
        let _scope = crate::task::poll_scope();
        budget::lift();
        // What the futures' drops wake is found below, so that nobody needs to be called any more.
        own.in_turn.set(true);
        for task in self.registry.close() {
            task.abort();
        }
        loop {
            while let Some(token) = own.pop() {
                let _whose = Whose::Task(token.id()).begin();
                token.cancel();
            }
            if self.is_done() || !planted::keeps(Step::EndWaits) {
                break;
            }
            self.remote.wait(|queue| own.take(queue));
        }
        let pollers = self.remote.call();
        contain(|| drop(pollers));
    }
}

/// A turn of a poller.
struct Turn<'a> {
    set: &'a Set,
    own: &'a Own,
}

impl Turn<'_> {
    /// Step 5. True: some tasks are left, and the poller is to come back.
    fn run(&self) -> bool {
        let _scope = crate::task::poll_scope();
        let whose = Whose::Nobody.begin();
        for _ in 0..TURN {
            let Some(token) = self.own.pop() else {
                return false;
            };
            whose.set(Whose::Task(token.id()));
            // Ordering: Relaxed; for dumps.
            self.set.polled.store(token.place(), Ordering::Relaxed);
            budget::refill();
            if let Some(token) = token.run() {
                self.own.push(token);
            }
        }
        if self.own.is_empty() {
            return false;
        }
        // The worker below, if there is one, counts this turn as one poll.
        super::current::with_any(|worker| worker.map(super::Worker::hurry_events));
        true
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.own.in_turn.set(false);
        // Ordering: Relaxed; for dumps.
        self.set.polled.store(0, Ordering::Relaxed);
    }
}

impl Schedule for Set {
    unsafe fn schedule(this: NonNull<Self>, token: RunToken) {
        // SAFETY: the caller promises that `this` is live until `token` is queued. On the owner's thread it is until a waker is called.
        let set = unsafe { this.as_ref() };
        if let Some(own) = set.own.get() {
            own.push(token);
            set.pollers_to_call(own).wake();
            return;
        }
        // The owner can run the task and end the set as soon as the token is queued, so what follows needs a reference of its own.
        // SAFETY: live, as above. It came from `Arc::as_ptr`.
        unsafe { Arc::increment_strong_count(this.as_ptr()) };
        // SAFETY: that reference is ours.
        let set = unsafe { Arc::from_raw(this.as_ptr()) };
        set.remote.push(token).wake();
    }

    fn let_go(&self, task: &Ending) -> bool {
        // On the owner's thread, as every run.
        let own = self.own();
        own.alive.set(own.alive.get() - 1);
        self.registry.let_go(Some(0), task)
    }

    // A set is its owner's own business, and shuts nothing down.
    fn panicked(&self, _task: &TaskRef) {}

    fn give_back(&self, _task: Ending) {
        unreachable!("the registry of a local set has one shard, and lets go of every task");
    }
}

/// Spawns onto the set that this thread is in; gives everything back if it is in none.
#[inline]
pub(crate) fn spawn<F>(future: F, meta: Meta) -> Result<JoinHandle<F::Output>, (F, Meta)>
where
    F: Future + 'static,
    F::Output: 'static,
{
    current::with(|set| match set {
        Some(set) => Ok(set.spawn(future, meta)),
        None => Err((future, meta)),
    })
}

//! One worker: what it runs next, and what it does when there is nothing to run.
//!
//! A turn of the loop:
//!
//! 1. a `block_on` on this worker polls its own future if that was woken;
//! 2. the next task: the LIFO slot, then the deque, then the injector; now and then the injector first, and a look at
//!    events (see `pace`);
//! 3. none: search the injector and the peers; none: sleep;
//! 4. if this worker has made tasks visible and some are still in its deque: tell a sleeper;
//! 5. poll the task. Woken meanwhile, it goes to the back of the deque.
//!
//! What a task wakes goes to the LIFO slot, with one exception: a task that came out of the deque and has ended sends its
//! joiner to the back of the deque. Who spawned many and joins them in order would else be polled in vain between any two of
//! them. A task that came out of the slot, right after who spawned it, hands over to its joiner at once.
//!
//! While it polls, a worker holds nothing but that task: its deque and its slot are open to thieves, no lock is held. What it wakes
//! while it is known to be stuck in a poll goes to the injector.

mod attention;
mod detour;
mod pace;
mod recording;
mod sampling;
mod stuck;
mod watched;

pub(crate) use stuck::Blocking;

use super::appetite::Appetite;
use super::current;
use super::monitor::current_thread;
use super::pulse::Pulse;
use super::recorder::{By, Event};
use super::seats::{Remote, Seat};
use super::sleep::Retracted;
use super::{Counters, Patience, Shared, call};
use crate::primitives::atomic::{Ordering, fence};
use crate::primitives::backtrace::{Registered, register_this_thread};
use crate::primitives::clock::{self, Tick};
use crate::primitives::deque::{self, settle};
use crate::primitives::plain::Ordering as PlainOrdering;
use crate::primitives::random;
use crate::task::wait::Cause;
use crate::task::{Ending, Id, Returns, RunToken, Whose, budget, poll_scope, trim_memory};
use attention::Attention;
use detour::Detour;
use pace::Pace;
use sampling::Sampling;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

/// The future that a thread in `block_on` polls besides being a worker.
pub(crate) trait Main {
    /// Polls the future if it was woken. True: it is done, leave the loop.
    fn poll(&mut self) -> bool;

    /// Whether it was woken.
    fn is_woken(&self) -> bool;

    /// Whether its last poll has woken it, and so lets others go first.
    #[inline]
    fn has_yielded(&self) -> bool {
        false
    }
}

/// So many polls of tasks come before a main future that has yielded, if there are as many to do: as many as tokio lets go first, and tests
/// that yield once until others have done their part count on it. Half as many, and such a test fails; twice as many, and a
/// main future that yields in a loop is slower beside busy tasks.
const POLLS_BEFORE_MAIN: u32 = 61;

/// A worker thread has none; it leaves when the runtime has shut down.
pub(crate) struct NoMain;

impl Main for NoMain {
    fn poll(&mut self) -> bool {
        false
    }

    fn is_woken(&self) -> bool {
        false
    }
}

/// See the module's page.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// The address of that. From the `Arc` it would have to be computed at every wake and at every end of a task.
    address: usize,
    index: usize,
    /// The shard of the registry and of the timers that this worker uses. A spare shares that of a worker of the pool.
    home: usize,
    queue: deque::Worker<RunToken>,
    /// What others can reach of this worker.
    own: Arc<Remote>,
    pace: Pace,
    /// Polls from the LIFO slot in a row.
    lifo_run: Cell<u32>,
    detour: Detour,
    /// Which maintenance turns end with a sample, and which batches of events begin with one.
    turns: Sampling,
    batches: Sampling,
    /// What `Shared::stamped_outside` was when this last took from the injector.
    seen_stamped: Cell<u64>,
    /// What this worker put into its deque since it last told a sleeper.
    untold: Cell<Untold>,
    attention: Attention,
    /// For what is in the deques of others.
    appetite: Appetite,
    /// For what comes from outside. It is learned from how fast that comes.
    outside: Appetite,
    patience: Patience,
    /// Who wakes what is woken here now, for the flight recorder.
    waker: Cell<By>,
    /// In `Events`: wakes go to the deque, and nobody is told yet.
    in_events: Cell<bool>,
    /// Complete tasks of other workers, on their way home.
    returns: RefCell<Returns>,
    random: RefCell<random::Rng>,
    /// What the futures that this worker polls draw from.
    chances: random::Source,
}

/// Tasks in a worker's deque of which no sleeper has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untold {
    Nothing,
    /// Pushed one by one, each before the worker took its next task.
    Pushed,
    /// A batch, which becomes visible only after the next task was taken with it.
    Batch,
}

/// Polls in a row from the LIFO slot. Without a bound, two tasks that wake each other would starve the rest; a lower one
/// breaks conversations apart, a higher one makes the rest wait longer. tokio takes the same.
const LIFO_RUN: u32 = 3;

/// Passes over all peers before a search gives up. The last one also takes from LIFO slots. A pass costs about 20 ns a
/// peer; with the rests between passes it is about 1 us in all, a fraction of what waking a thread costs.
const SEARCH_PASSES: u32 = 4;

/// How long a worker that is listed as asleep looks for a pusher's notification before it blocks.
const LONGEST_LOOK: Duration = Duration::from_micros(8);

/// Longer than clients take, of which there are some hundreds, to read their answers and to ask again; shorter than a system lets a thread run that computes.
const LOST_TURN: Duration = Duration::from_millis(3);

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, seat: Seat) -> Self {
        let Seat { index, queue } = seat;
        let seed = shared.config.seed.wrapping_add(index as u64);
        let detour = Detour::new(!shared.config.lifo_slot, shared.config.time_all_delays);
        Worker {
            pace: Pace::new(shared.config.event_interval, shared.config.global_queue_interval),
            own: shared.seats.get(index).clone(),
            home: index % shared.workers,
            address: Arc::as_ptr(&shared).addr(),
            shared,
            index,
            queue,
            lifo_run: Cell::new(0),
            detour,
            turns: Sampling::new(),
            batches: Sampling::new(),
            seen_stamped: Cell::new(0),
            untold: Cell::new(Untold::Nothing),
            attention: Attention::default(),
            appetite: Appetite::default(),
            outside: Appetite::default(),
            patience: Patience::wary(LONGEST_LOOK, LOST_TURN),
            waker: Cell::new(By::Nobody),
            in_events: Cell::new(false),
            returns: RefCell::default(),
            random: RefCell::new(random::Rng::with_seed(seed)),
            chances: random::Source::new(seed),
        }
    }

    #[inline]
    pub(super) fn home(&self) -> usize {
        self.home
    }

    #[inline]
    pub(super) fn is_of(&self, scheduler: *const Shared) -> bool {
        self.address == scheduler.addr()
    }

    #[inline]
    fn counters(&self) -> &Counters {
        &self.own.counters
    }

    #[inline]
    fn pulse(&self) -> &Pulse {
        self.own.pulse()
    }

    /// The task that is being polled has ended.
    #[inline]
    pub(super) fn task_ended(&self) {
        self.counters().ended.add(1);
        if self.lifo_run.get() == 0 {
            self.detour.set_to_deque();
        }
    }

    /// Takes a complete task that is at home elsewhere.
    pub(super) fn give_back(&self, task: Ending) {
        self.shared.registry.give_back(&mut self.returns.borrow_mut(), task);
    }

    fn set_in_events(&self, in_events: bool) {
        self.in_events.set(in_events);
        self.detour.reset();
        if in_events {
            self.detour.set_to_deque();
            if self.batches.is_due() {
                self.detour.stamp_next();
            }
        } else {
            self.has_served();
        }
    }

    fn send_home(&self) {
        self.shared.registry.flush(&mut self.returns.borrow_mut());
    }

    /// A task was woken or spawned on this thread that is not this worker's to run.
    pub(super) fn has_scheduled_elsewhere(&self) {
        self.counters().remote_schedules.add(1);
    }

    /// Looks at events before the next task: a poll that goes on now was in truth many.
    pub(super) fn hurry_events(&self) {
        self.pace.hurry_events();
    }

    /// Runs tasks until `main` is done, or until the runtime has shut down.
    pub(crate) fn run(&self, main: &mut impl Main) {
        let _registered = self.shared.watch.as_ref().and_then(|watch| self.be_known(watch.tuning.backtraces));
        let leash = self.shared.watch.as_ref().map(|_| &self.own.leash);
        budget::on_leash(leash, || self.work(main));
    }

    #[inline]
    fn work(&self, main: &mut impl Main) {
        let _entered = current::enter(self);
        let _whose = Whose::Polled.begin();
        let _scope = poll_scope();
        let _chances = self.chances.lend();
        // Also when the main future panics.
        let _leave = Leave(self);
        self.attention.set_times(self.shared.config.time_all_polls);
        self.attention.set_calls_hooks(self.shared.config.hooks.see_polls());
        if self.detour.stamps_all() {
            self.attention.seek(1);
        }
        self.wakes_up();
        let mut before_main = 0;
        loop {
            if before_main > 0 {
                before_main -= 1;
            } else if main.poll() {
                break;
            } else if main.has_yielded() {
                before_main = POLLS_BEFORE_MAIN - 1;
            }
            let next = match self.next() {
                // Its own future is all that there is to do.
                None if main.is_woken() => {
                    before_main = 0;
                    continue;
                }
                None => self.search(main),
                next => next,
            };
            match next {
                Some(token) => self.poll(token),
                None if self.shared.is_finished() => break,
                None => self.park(main),
            }
        }
    }

    /// The id of the task that this worker polls.
    ///
    /// A waker of the user's that a task wakes as it ends is outside it, and finds nobody; but if another task has taken the place
    /// already, that one.
    pub(super) fn polled_id(&self) -> Option<Id> {
        if self.in_events.get() {
            return None;
        }
        let task = self.shared.registry.find(self.pulse().beat()?.task)?;
        (!task.is_complete()).then(|| task.id())
    }

    /// Tells the monitor which thread this is.
    fn be_known(&self, traceable: bool) -> Option<Registered> {
        self.own.set_thread(current_thread());
        let registered = traceable.then(register_this_thread);
        self.own.set_traceable(registered.as_ref().map(Registered::thread));
        registered
    }

    /// Steps 4 and 5.
    // Always: the loop is compiled for each kind of `Main`, and out of line this costs 15 instructions more at every poll.
    #[inline(always)]
    fn poll(&self, token: RunToken) {
        if self.attention.is_needed() {
            return self.poll_attentively(token);
        }
        self.run_task(token, RunToken::run);
    }

    #[inline(always)]
    fn run_task(&self, token: RunToken, run: impl FnOnce(RunToken) -> Option<RunToken>) {
        // Step 4. A worker that sleeps must learn of tasks that would wait for this poll.
        let is_work_left = || !self.queue.is_empty();
        let sleeper = match self.untold.replace(Untold::Nothing) {
            Untold::Nothing => None,
            Untold::Pushed => self.shared.sleep.notify_behind_rmw(is_work_left),
            Untold::Batch => self.shared.sleep.notify(is_work_left),
        };
        if let Some(worker) = sleeper {
            self.shared.unpark(worker);
        }
        self.pulse().begin_poll(token.place());
        budget::refill();
        let again = run(token);
        self.detour.reset();
        if self.pulse().is_stuck() {
            self.is_back();
        }
        if let Some(token) = again {
            // Nobody is told if this worker runs it next. But what it woke into the slot comes first.
            self.queue.push(token);
            self.untold.set(Untold::Pushed);
        }
    }

    /// Takes in a task that was woken or spawned on this thread.
    #[inline]
    pub(super) fn push(&self, token: RunToken) {
        self.counters().local_schedules.add(1);
        if self.pulse().is_stuck() {
            return self.push_to_others(token);
        }
        if self.detour.is_needed() {
            self.push_on_detour(token);
        } else if let Some(displaced) = self.own.lifo_slot.replace(token) {
            self.push_to_deque(displaced);
        }
    }

    // Never: the way into an empty slot would save and restore registers for it.
    #[inline(never)]
    fn push_to_deque(&self, token: RunToken) {
        self.queue.push(token);
        self.untold.set(Untold::Pushed);
        if !self.in_events.get()
            && let Some(worker) = self.shared.sleep.notify_cheaply(|| true)
        {
            self.shared.unpark(worker);
        }
    }

    /// Step 2. The one place that chooses the next task of this worker.
    #[inline]
    fn next(&self) -> Option<RunToken> {
        if self.pace.count_poll()
            && let Some(token) = self.look_round()
        {
            return Some(token);
        }
        self.take_own().or_else(|| self.take_injected())
    }

    /// Looks at what [`Pace`] says is due; a task if the injector comes first.
    #[inline(never)]
    fn look_round(&self) -> Option<RunToken> {
        let due = self.pace.due(self.shared.injector.is_empty());
        if due.events {
            self.heed_recorder();
            self.maintain();
            if self.turns.is_due() {
                self.attention.set_times(true);
            }
        }
        if due.injector { self.take_injected() } else { None }
    }

    #[inline]
    fn take_own(&self) -> Option<RunToken> {
        if let Some(token) = self.own.lifo_slot.take() {
            if self.lifo_run.get() < LIFO_RUN {
                self.lifo_run.set(self.lifo_run.get() + 1);
                self.counters().lifo_polls.add(1);
                return Some(token);
            }
            self.queue.push(token);
            self.untold.set(Untold::Pushed);
        }
        self.lifo_run.set(0);
        self.queue.pop()
    }

    /// Takes a batch from the injector. What it does not run now is in its deque, for everyone.
    fn take_injected(&self) -> Option<RunToken> {
        if self.shared.injector.is_empty() {
            return None;
        }
        let token = settle(|| self.shared.injector.steal_batch_and_pop(&self.queue))?;
        self.untold.set(Untold::Batch);
        let taken = 1 + self.queue.len();
        self.outside.took(taken);
        self.heed_recorder();
        self.note(Event::Takes { tasks: taken as u64 });
        // Ordering: Relaxed; at worst a sample is missed.
        let stamped = self.shared.stamped_outside.load(PlainOrdering::Relaxed);
        if self.seen_stamped.replace(stamped) != stamped {
            self.attention.seek(taken as u32);
        }
        Some(token)
    }

    /// Step 3.
    fn search(&self, main: &impl Main) -> Option<RunToken> {
        self.pulse().end_polls();
        self.send_home();
        self.appetite.ran_dry();
        if self.shared.seats.len() == 1 && self.outside.is_eager() {
            return None;
        }
        if !self.attention.searches() {
            if !self.shared.sleep.try_search() {
                return None;
            }
            self.attention.set_searches(true);
        }
        // One nap at most, or a worker that finds little with each of many peers would take one for each.
        let napped = Cell::new(false);
        let nap = |appetite: &Appetite| {
            if !napped.replace(true) {
                appetite.nap();
            }
        };
        // If no worker is at work, then something can come from outside only, and whoever pushes that wakes a worker.
        let is_one_enough = !self.patience.is_great() && self.outside.is_eager() && !self.shared.sleep.anyone_runs();
        let passes = if is_one_enough { 1 } else { SEARCH_PASSES };
        for pass in 1..=passes {
            if let Some(token) = self.take_part(nap).or_else(|| self.steal(pass == passes, nap)) {
                return Some(token);
            }
            if pass < passes {
                self.outside.rest(|| main.is_woken());
            }
        }
        None
    }

    /// Takes from the injector what is not left to others.
    fn take_part(&self, nap: impl Fn(&Appetite)) -> Option<RunToken> {
        if self.shared.injector.is_empty() {
            return None;
        }
        if self.shared.sleep.anyone_runs() {
            nap(&self.outside);
        }
        self.take_injected()
    }

    fn steal(&self, slots_too: bool, nap: impl Fn(&Appetite)) -> Option<RunToken> {
        let seats = &self.shared.seats;
        let count = seats.len();
        let start = self.random.borrow_mut().usize(..count);
        let victims = || (start..count).chain(0..start).filter(|&victim| victim != self.index);
        let robbed = Cell::new(0);
        let stolen = victims().find_map(|victim| {
            let stealer = &seats.get(victim).stealer;
            // `steal` pins an epoch first, with a fence; the look is half the price.
            if stealer.is_empty() {
                return None;
            }
            robbed.set(victim);
            let limit = match seats.get(victim).pulse().is_stuck() {
                // It takes nothing of that itself.
                true => Appetite::BATCH,
                false => {
                    nap(&self.appetite);
                    self.appetite.limit()
                }
            };
            settle(|| stealer.steal_batch_with_limit_and_pop(&self.queue, limit))
        });
        if let Some(token) = stolen {
            let taken = 1 + self.queue.len();
            self.counters().steals.add(1);
            self.counters().stolen.add(taken as u64);
            self.appetite.took(taken);
            self.attention.seek(taken as u32);
            self.untold.set(Untold::Batch);
            self.has_stolen(robbed.get(), taken);
            return Some(token);
        }
        if !slots_too {
            return None;
        }
        let (victim, token) =
            victims().find_map(|victim| seats.get(victim).lifo_slot.steal().map(|token| (victim, token)))?;
        self.counters().steals.add(1);
        self.counters().stolen.add(1);
        self.has_stolen(victim, 1);
        Some(token)
    }

    /// Leaves the search with work found; "Leaving a search with work" in `sleep/README.md`.
    fn end_search(&self) {
        self.attention.set_searches(false);
        if self.shared.sleep.end_search() && self.shared.has_visible_work() {
            self.shared.notify();
        }
    }

    /// "Going to sleep" in `sleep/README.md`.
    fn park(&self, main: &impl Main) {
        self.shared.registry.collect(self.home());
        trim_memory();
        let was_searching = self.attention.searches();
        self.attention.set_searches(false);
        let sees_work = || self.shared.has_visible_work() || main.is_woken();
        if !self.shared.sleep.prepare(self.index, was_searching, sees_work) {
            self.attention.set_searches(true);
            return;
        }
        if self.pulse().is_stuck() {
            // A verdict on the last poll, passed when it had ended.
            self.is_back();
        }
        let polls = self.counters().polls();
        self.counters().parks_and_returns.add(1);
        call(self.shared.config.on_park.as_ref());
        // The hook may have woken a task into the slot, where nobody else may look.
        let has_blocked = self.own.lifo_slot.is_empty() && self.block();
        let is_notified = self.shared.sleep.retract(self.index, false) == Retracted::Notified;
        self.counters().parks_and_returns.add(1);
        if has_blocked {
            self.wakes_up();
            self.patience.learn(is_notified);
        }
        if is_notified {
            self.attention.set_searches(true);
        } else if polls == self.counters().polls() && self.queue.is_empty() {
            self.counters().idle_wakes.add(1);
        }
        self.shared.be_watched();
        // Watched already: a hook that blocks keeps this worker from what it was woken for.
        call(self.shared.config.on_unpark.as_ref());
    }

    fn wakes_up(&self) {
        let now = clock::now();
        Tick::advance(now);
        self.counters().wakes_up(self.shared.nanoseconds(now));
        self.heed_recorder();
    }

    fn falls_asleep(&self) {
        self.count_yields();
        self.counters().falls_asleep(self.shared.nanoseconds(clock::now()));
    }

    /// Blocks: in the reactor if nobody else does. False: it was not necessary.
    fn block(&self) -> bool {
        let parker = &self.own.parker;
        if self.patience.look(|| parker.consume()) {
            return false;
        }
        self.falls_asleep();
        self.note(Event::Parks);
        if let Some(watch) = &self.shared.watch {
            watch.set_off(&self.shared.sleep);
        }
        if let Some(events) = &self.shared.events {
            self.set_in_events(true);
            let mut begin = || {
                self.shared.sleep.watches_events(self.index);
                parker.begin_watch()
            };
            let waited = events.wait(&mut begin, &mut |cause, found| {
                if cause == Cause::Source {
                    // The first thing that is said.
                    self.note(Event::Unparks);
                }
                self.serves(cause, found);
            });
            self.set_in_events(false);
            if waited {
                parker.end_watch();
                return true;
            }
        }
        parker.park();
        self.note(Event::Unparks);
        true
    }

    /// The maintenance turn: what has to be looked at even if the queues never run dry.
    fn maintain(&self) {
        self.count_yields();
        self.send_home();
        self.shared.registry.collect(self.home());
        if let Some(events) = &self.shared.events {
            self.set_in_events(true);
            events.turn(&mut || self.shared.call_somebody(), &mut |cause, found| self.serves(cause, found));
            self.set_in_events(false);
        }
    }

    fn count_yields(&self) {
        self.counters().budget_yields.add(budget::take_yields().into());
    }

    /// Leaves the loop with the scheduler's books in order, and tells others what is left.
    fn leave(&self) {
        self.falls_asleep();
        self.pulse().end_polls();
        // A verdict that is being passed sees that, or is seen here.
        fence(Ordering::SeqCst);
        self.is_back();
        self.send_home();
        if let Some(token) = self.own.lifo_slot.take() {
            self.queue.push(token);
        }
        if self.index >= self.shared.workers {
            // Nobody will come back to this deque.
            while let Some(token) = self.queue.pop() {
                self.shared.injector.push(token);
            }
        }
        if self.attention.searches() {
            self.end_search();
        }
        if self.shared.has_visible_work() {
            self.shared.notify();
        }
        if self.shared.is_finished() {
            // The last task may have ended here: the others sleep, and have nothing to wake them but this.
            self.shared.unpark_all();
        }
    }
}

/// Ends a worker's loop when dropped.
struct Leave<'a>(&'a Worker);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

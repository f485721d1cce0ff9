//! Which tasks are alive: the list that shutdown and dumps walk.
//!
//! One shard for each worker, and some for threads that are no workers, so that a spawn takes an uncontended lock on a
//! line of the spawning worker. A task that is in a shard is not retired, and that keeps its cell.
//!
//! A task's *place* is one word: in the high half its shard plus one, in the low half the slot. A task that was refused has 0.
//!
//! # Return lists
//!
//! A task that completes on its home worker is taken out there and then. One that is completed by another thread is not: that
//! thread does not take the home shard's lock, nor touch its lines for each task, but gathers what it completes in a chain
//! ([`Returns`]) and pushes it on the shard's *return list*, a stack linked through the cells, by one compare-and-swap for
//! the whole chain. Whoever takes the shard's lock next, mostly the home worker at its next spawn or in its
//! maintenance turn, empties the list with one swap. A list that has grown long is emptied by whoever notices.
//! The stack is only ever emptied as a whole, so a compare-and-swap that succeeds cannot have missed a removal.
//!
//! # Closing
//!
//! Shutdown closes each shard under its lock and takes a reference to each task in it. A spawn looks under the same
//! lock, so a task is either in the list that shutdown cancels, or it is refused. A drain first only *guards* shards: what is
//! spawned there is taken in if who spawns it is inside, which is asked only then.

use super::header::{Ending, Listed, Look, RunToken, TaskRef};
use super::id::Block;
use super::places::Places;
use crate::primitives::atomic;
use crate::primitives::clock::Tick;
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::planted::{self, Step};
use crate::primitives::{CachePadded, Mutex, MutexGuard};
use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

#[cfg(all(test, rt_loom))]
mod models;

/// All live tasks of one scheduler.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: Box<[Shard]>,
    /// Set when the first shard is guarded.
    inside: OnceLock<Inside>,
}

/// Whether the calling thread is in code that the runtime runs.
pub(crate) struct Inside(pub(crate) Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inside")
    }
}

#[derive(Debug)]
struct Shard {
    live: CachePadded<Mutex<Live>>,
    /// The return list: the slot of its first task plus one in the low half (0: empty), its length in the high half. On a
    /// line of its own, which other threads write.
    returned: CachePadded<atomic::AtomicU64>,
}

#[derive(Debug, Default)]
struct Live {
    places: Places,
    ids: Block,
    first_place: u64,
    /// Ids given to tasks that were refused.
    refused: u64,
    gate: Gate,
}

/// Which tasks a shard takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    #[default]
    Open,
    /// Those spawned from inside.
    Guarded,
    Closed,
}

/// Complete tasks of one home, on their way there. Flush it before it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Returns(Option<Chain>);

#[derive(Debug)]
struct Chain {
    home: u32,
    /// The slot of the task given back last, plus one.
    first: u32,
    /// The task given back first.
    last: Ending,
    length: u64,
}

/// A chain of this length is sent home. Half as long doubles how often a thread takes the line of another's return list;
/// twice as long doubles the memory of complete tasks that a busy thread may hold up.
const SENT: u64 = 32;

/// A return list of this length is emptied by whoever makes it so.
///
/// Half as long doubles how often a foreign thread takes the owner's lock; twice as long doubles the memory of complete
/// tasks that a sleeping owner may leave uncollected, some 10 KiB.
const LONG: u64 = 64;

/// Tasks seen under one lock: some 20 us. Half of it locks twice as often; with more, a spawn waits longer.
const AT_A_TIME: usize = 256;

/// The place of a task that was refused.
const NOWHERE: u64 = 0;

impl Ending {
    /// Whether the registry took the task in.
    pub(super) fn was_taken_in(&self) -> bool {
        self.place() != NOWHERE
    }
}

/// The place in a shard that comes first.
#[inline]
fn first_place(shard: usize) -> u64 {
    (shard as u64 + 1) << 32
}

/// The shard and the slot of a place that is one.
fn unpack(place: u64) -> (u32, u32) {
    (((place >> 32) as u32).wrapping_sub(1), place as u32)
}

impl Registry {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = |shard| Shard {
            live: CachePadded::new(Mutex::new(Live { first_place: first_place(shard), ..Live::default() })),
            returned: CachePadded::new(atomic::AtomicU64::new(0)),
        };
        Registry { shards: (0..shards).map(shard).collect(), inside: OnceLock::new() }
    }

    /// Takes in a task and gives it its id. False: the shard is closed, or it is guarded and this thread is not inside; the task has its id
    /// all the same.
    #[inline]
    pub(crate) fn insert(&self, shard: usize, task: &RunToken) -> bool {
        let mut live = self.lock(shard);
        let id = live.ids.next();
        if live.gate != Gate::Open && planted::keeps(Step::SpawnSeesTheGate) && self.refuses(live.gate) {
            task.listed().register(id, NOWHERE);
            live.refused += 1;
            return false;
        }
        let slot = live.places.insert(task.listed(), Tick::now());
        task.listed().register(id, live.first_place | u64::from(slot));
        true
    }

    /// Takes out a task that is about to complete, if `here` is its home, or if it has none.
    #[inline]
    pub(crate) fn let_go(&self, here: Option<usize>, task: &Ending) -> bool {
        let place = task.place();
        if let Some(here) = here {
            // Without its high half if that is the same.
            let slot = place ^ first_place(here);
            if slot <= u64::from(u32::MAX) {
                self.shards[here].live.lock().places.remove(slot as u32);
                return true;
            }
        }
        place == NOWHERE
    }

    /// Takes out a task that is about to complete, wherever it is at home. Takes that shard's lock.
    pub(crate) fn remove(&self, task: &Ending) {
        let place = task.place();
        if place != NOWHERE {
            let (shard, slot) = unpack(place);
            self.shards[shard as usize].live.lock().places.remove(slot);
        }
    }

    /// One of so many shards, for a thread that has none of its own.
    pub(crate) fn shard_of_this_thread(shards: usize) -> usize {
        thread_local! {
            static NUMBER: Cell<u32> = const { Cell::new(u32::MAX) };
        }
        if NUMBER.get() == u32::MAX {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            // Ordering: Relaxed; it only spreads.
            NUMBER.set((NEXT.fetch_add(1, Ordering::Relaxed) % u64::from(u32::MAX)) as u32);
        }
        NUMBER.get() as usize % shards
    }

    /// Puts a complete task on its way home, which it reaches when `returns` is flushed.
    pub(crate) fn give_back(&self, returns: &mut Returns, task: Ending) {
        let (home, slot) = unpack(task.place());
        if returns.0.as_ref().is_some_and(|chain| chain.home != home || chain.length >= SENT) {
            self.flush(returns);
        }
        match &mut returns.0 {
            Some(chain) => {
                task.set_next_returned(chain.first);
                chain.first = slot + 1;
                chain.length += 1;
            }
            None => returns.0 = Some(Chain { home, first: slot + 1, last: task, length: 1 }),
        }
    }

    /// Sends home what is on its way.
    pub(crate) fn flush(&self, returns: &mut Returns) {
        if let Some(chain) = returns.0.take() {
            let home = chain.home as usize;
            if self.shards[home].push_returned(&chain) >= LONG {
                self.collect(home);
            }
        }
    }

    /// Empties the return list of `shard` unless its lock is taken, in which case its holder may have done so.
    pub(crate) fn collect(&self, shard: usize) {
        let shard = &self.shards[shard];
        // Ordering: Relaxed; a list that is missed now is found by the next look.
        if shard.returned.load(Ordering::Relaxed) != 0
            && let Some(mut live) = shard.live.try_lock()
        {
            shard.take_returned(&mut live);
        }
    }

    /// Refuses all further tasks, and returns those that are alive.
    pub(crate) fn close(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for shard in 0..self.shards.len() {
            let mut live = self.lock(shard);
            live.gate = Gate::Closed;
            tasks.extend(live.places.tasks().map(|task| task.task_ref()));
        }
        tasks
    }

    #[cold]
    fn refuses(&self, gate: Gate) -> bool {
        match gate {
            Gate::Open => false,
            Gate::Guarded => self.inside.get().is_none_or(|inside| !(inside.0)()),
            Gate::Closed => true,
        }
    }

    /// Takes in only what is spawned from inside, on the shards from `first` on.
    pub(crate) fn guard(&self, first: usize, inside: Inside) {
        // The first one says the same.
        let _ = self.inside.set(inside);
        for shard in first..self.shards.len() {
            let mut live = self.lock(shard);
            live.gate = live.gate.max(Gate::Guarded);
        }
    }

    /// Refuses all further tasks.
    pub(crate) fn shut(&self) {
        for shard in 0..self.shards.len() {
            self.lock(shard).gate = Gate::Closed;
        }
    }

    /// Whether a task has not ended, besides `excluded`.
    pub(crate) fn has_left(&self, excluded: &[u64]) -> bool {
        (0..self.shards.len()).any(|shard| {
            let live = self.lock(shard);
            live.incomplete().any(|task| !excluded.contains(&task.id()))
        })
    }

    /// The tasks that have not ended, besides `excluded`.
    pub(crate) fn left(&self, excluded: &[u64]) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for shard in 0..self.shards.len() {
            let live = self.lock(shard);
            let wanted = live.incomplete().filter(|task| !excluded.contains(&task.id()));
            tasks.extend(wanted.map(|task| task.task_ref()));
        }
        tasks
    }

    /// How many tasks that were taken in have ended.
    pub(crate) fn ended(&self) -> u64 {
        let ended = |live: &Live| live.ids.drawn() - live.refused - live.incomplete().count() as u64;
        (0..self.shards.len()).map(|shard| ended(&self.lock(shard))).sum()
    }

    /// Whether every task has left.
    pub(crate) fn is_empty(&self) -> bool {
        (0..self.shards.len()).all(|shard| self.lock(shard).places.is_empty())
    }

    /// How many tasks were ever made: those that were taken in, and those that were refused.
    pub(crate) fn made(&self) -> u64 {
        self.shards.iter().map(|shard| shard.live.lock().ids.drawn()).sum()
    }

    /// How many tasks were ever taken in.
    pub(crate) fn spawned(&self) -> u64 {
        let spawned = |live: &Live| live.ids.drawn() - live.refused;
        self.shards.iter().map(|shard| spawned(&shard.live.lock())).sum()
    }

    /// The task at a place. Whoever was there when the caller learned of the place may have gone, and another come.
    pub(crate) fn find(&self, place: u64) -> Option<TaskRef> {
        let (shard, slot) = unpack(place);
        let live = self.shards.get(shard as usize)?.live.lock();
        live.places.with(slot as usize, |task, _| task.task_ref())
    }

    /// Shows each task that has not ended, and when it was spawned. Not all at one instant: the lock of a shard is given back now and then, so that
    /// nobody waits long to spawn.
    pub(crate) fn visit(&self, mut f: impl FnMut(Look<'_>, Tick)) {
        for shard in 0..self.shards.len() {
            let mut next = 0;
            loop {
                let live = self.lock(shard);
                if next >= live.places.len() {
                    break;
                }
                let end = live.places.len().min(next + AT_A_TIME);
                for slot in next..end {
                    live.places.with(slot, |task, born| task.look().map(|look| f(look, born)));
                }
                next = end;
            }
        }
    }

    #[inline]
    fn lock(&self, shard: usize) -> MutexGuard<'_, Live> {
        let shard = &self.shards[shard];
        let mut live = shard.live.lock();
        // Ordering: Relaxed; a list that is missed now is found by the next look.
        if shard.returned.load(Ordering::Relaxed) != 0 {
            shard.take_returned(&mut live);
        }
        live
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Their handles may outlive the registry.
        (0..self.shards.len()).for_each(|shard| drop(self.lock(shard)));
    }
}

impl Shard {
    /// Pushes a chain on the return list; returns the list's length.
    fn push_returned(&self, chain: &Chain) -> u64 {
        // Ordering: Relaxed; the exchange below decides.
        let mut head = self.returned.load(Ordering::Relaxed);
        loop {
            chain.last.set_next_returned(head as u32);
            let length = (head >> 32) + chain.length;
            // Ordering: Release publishes the links, and all that the runner did to the tasks, to the Acquire swap in
            // `take_returned`, after which the cells may be freed.
            match self.returned.compare_exchange_weak(
                head,
                (length << 32) | u64::from(chain.first),
                planted::ordering(Step::ReturnPublishes, Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return length,
                Err(now) => head = now,
            }
        }
    }

    #[cold]
    fn take_returned(&self, live: &mut Live) {
        // Ordering: Acquire pairs with the Release in `push_returned`.
        let mut next = self.returned.swap(0, planted::ordering(Step::CollectorAcquires, Ordering::Acquire)) as u32;
        while next != 0 {
            let task = live.places.remove(next - 1);
            next = task.next_returned();
            // What may be freed here runs no code of the user's under the lock; see `cell::free`.
            task.retire();
        }
    }
}

impl Live {
    /// Those that have not ended. The others are on their way home.
    fn incomplete(&self) -> impl Iterator<Item = Listed> + '_ {
        self.places.tasks().filter(|task| !task.is_complete())
    }
}

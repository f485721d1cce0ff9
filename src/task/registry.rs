//! Which tasks are alive: the list that shutdown and dumps walk.
//!
//! One shard for each worker, and some for threads that are no workers, so that a spawn takes an uncontended lock on a
//! line of the spawning worker. A shard holds the *life reference* of each of its tasks.
//!
//! # Return lists
//!
//! A task is often completed by another thread than the one that spawned it. That thread does not take the home
//! shard's lock: it pushes the task on the shard's *return list*, a stack linked through the cells, by one
//! compare-and-swap. Whoever takes the shard's lock next, mostly the home worker at its next spawn or in its
//! maintenance turn, empties the list with one swap. A list that has grown long is emptied by whoever notices.
//! The stack is only ever emptied as a whole, so a compare-and-swap that succeeds cannot have missed a removal.
//!
//! # Closing
//!
//! Shutdown closes each shard under its lock and takes a reference to each task in it. A spawn looks under the same
//! lock, so a task is either in the list that shutdown cancels, or it is refused.

use super::header::{Completed, TaskRef};
use super::id::Block;
use crate::primitives::plain::{AtomicU64, Ordering};
use crate::primitives::{CachePadded, Mutex, MutexGuard};

/// All live tasks of one scheduler.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: Box<[CachePadded<Shard>]>,
}

#[derive(Debug)]
struct Shard {
    live: Mutex<Live>,
    /// The return list: the slot of its first task plus one in the low half (0: empty), its length in the high half.
    returned: AtomicU64,
    /// Tasks that were ever inserted; written under the lock.
    spawned: AtomicU64,
    /// Tasks in `live`, those on the return list included; written under the lock.
    alive: AtomicU64,
}

#[derive(Debug, Default)]
struct Live {
    tasks: Vec<Option<TaskRef>>,
    free: Vec<u32>,
    ids: Block,
    closed: bool,
}

/// A return list of this length is emptied by whoever makes it so.
///
/// Half as long doubles how often a foreign thread takes the owner's lock; twice as long doubles the memory of complete
/// tasks that a sleeping owner may leave uncollected, some 10 KiB.
const LONG: u64 = 64;

/// The home of a task that was refused.
const NOWHERE: u32 = u32::MAX;

impl Registry {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = || {
            CachePadded::new(Shard {
                live: Mutex::new(Live::default()),
                returned: AtomicU64::new(0),
                spawned: AtomicU64::new(0),
                alive: AtomicU64::new(0),
            })
        };
        Registry { shards: (0..shards).map(|_| shard()).collect() }
    }

    /// Takes in a task's life reference and gives the task its id. `Err`: the registry is closed; the task has its id
    /// all the same.
    #[inline]
    pub(crate) fn insert(&self, shard: usize, life: TaskRef) -> Result<(), TaskRef> {
        let mut live = self.lock(shard);
        let id = live.ids.next();
        if live.closed {
            life.register(id, NOWHERE, 0);
            return Err(life);
        }
        match live.free.pop() {
            Some(slot) => {
                life.register(id, shard as u32, slot);
                live.tasks[slot as usize] = Some(life);
            }
            None => {
                let slot = u32::try_from(live.tasks.len()).expect("at most 2^32 tasks are alive in one shard");
                life.register(id, shard as u32, slot);
                live.tasks.push(Some(life));
            }
        }
        self.shards[shard].add(1, 1);
        Ok(())
    }

    /// Lets go of a completed task; `here` is the caller's own shard.
    #[inline]
    pub(crate) fn retire(&self, here: Option<usize>, task: Completed) {
        let (home, slot) = task.home();
        if home == NOWHERE {
            return;
        }
        if here == Some(home as usize) {
            let mut live = self.lock(home as usize);
            let life = live.remove(slot);
            self.shards[home as usize].add(0, -1);
            drop(live);
            drop(life);
            return;
        }
        if self.shards[home as usize].give_back(&task, slot) >= LONG {
            self.collect(home as usize);
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
            live.closed = true;
            tasks.extend(live.tasks.iter().flatten().cloned());
        }
        tasks
    }

    /// Whether every task has been retired.
    pub(crate) fn is_empty(&self) -> bool {
        (0..self.shards.len()).all(|shard| self.lock(shard).is_empty())
    }

    /// How many tasks are alive, about.
    pub(crate) fn alive(&self) -> usize {
        let alive = |shard: &CachePadded<Shard>| {
            let returned = shard.returned.load(Ordering::Relaxed) >> 32;
            shard.alive.load(Ordering::Relaxed).saturating_sub(returned)
        };
        self.shards.iter().map(alive).sum::<u64>() as usize
    }

    /// How many tasks were ever spawned.
    pub(crate) fn spawned(&self) -> u64 {
        self.shards.iter().map(|shard| shard.spawned.load(Ordering::Relaxed)).sum()
    }

    /// Looks a live task up by its id. Walks all of them.
    pub(crate) fn find(&self, id: u64) -> Option<TaskRef> {
        (0..self.shards.len()).find_map(|shard| {
            let live = self.lock(shard);
            live.tasks.iter().flatten().find(|task| task.id().as_u64() == id).cloned()
        })
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

impl Shard {
    /// Pushes a task on the return list; returns the list's length.
    fn give_back(&self, task: &Completed, slot: u32) -> u64 {
        // Ordering: Relaxed; the exchange below decides.
        let mut head = self.returned.load(Ordering::Relaxed);
        loop {
            task.set_next_returned(head as u32);
            let length = (head >> 32) + 1;
            // Ordering: Release publishes the link, and all that the runner did to the task, to the Acquire swap in
            // `take_returned`, after which the cell may be freed.
            match self.returned.compare_exchange_weak(
                head,
                (length << 32) | (u64::from(slot) + 1),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return length,
                Err(now) => head = now,
            }
        }
    }

    #[cold]
    fn take_returned(&self, live: &mut Live) {
        // Ordering: Acquire pairs with the Release in `give_back`.
        let mut next = self.returned.swap(0, Ordering::Acquire) as u32;
        let mut taken = 0;
        while next != 0 {
            // A complete task's cell holds nothing of the user's any more but what its handle will take, so dropping
            // this reference runs no code of the user's under the lock.
            let life = live.remove(next - 1);
            next = life.next_returned();
            taken += 1;
        }
        self.add(0, -taken);
    }

    /// Called under the lock.
    #[inline]
    fn add(&self, spawned: u64, alive: i64) {
        // Ordering: Relaxed; statistics. Written under the lock only, so load and store do not lose an update.
        self.spawned.store(self.spawned.load(Ordering::Relaxed) + spawned, Ordering::Relaxed);
        self.alive.store(self.alive.load(Ordering::Relaxed).wrapping_add_signed(alive), Ordering::Relaxed);
    }
}

impl Live {
    fn remove(&mut self, slot: u32) -> TaskRef {
        let life = self.tasks[slot as usize].take().expect("a task is retired once");
        self.free.push(slot);
        life
    }

    fn is_empty(&self) -> bool {
        self.tasks.len() == self.free.len()
    }
}

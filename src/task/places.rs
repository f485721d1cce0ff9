//! The places of one shard of the registry: a slab, in which what is free is a list through the free places themselves.
//!
//! A place is 12 bytes: the task's address, whose lowest bit is clear, or else the next free place; and when the task came. To take a place
//! or to leave it touches nothing but that place.

use super::header::Listed;
use crate::primitives::clock::Tick;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    /// The first free place, plus one; 0 for none.
    free: u32,
}

/// Packed, or a sixth of it would be padding. All its fields are copied in and out, never borrowed.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Place {
    word: *mut (),
    born: u32,
}

// SAFETY: a `Place` stands for a `Listed`, which is `Send`.
unsafe impl Send for Places {}

impl Place {
    #[inline(always)]
    fn taken(task: Listed, born: Tick) -> Self {
        Place { word: task.into_raw(), born: born.as_raw() }
    }

    /// As a free place before `next` on the list.
    fn link(next: u32) -> *mut () {
        std::ptr::without_provenance_mut((next as usize) << 1 | 1)
    }

    fn is_free(self) -> bool {
        self.word.addr() & 1 != 0
    }

    /// Of a free place.
    fn next(self) -> u32 {
        debug_assert!(self.is_free(), "what is on the list is free");
        (self.word.addr() >> 1) as u32
    }

    /// The task that is here. There is one `Listed` for each task; this is a second one as long as it is looked at.
    fn task(self) -> Option<Listed> {
        // SAFETY: a word that is no link came from `into_raw`, and its task has not left, so it has not been retired.
        (!self.is_free()).then(|| unsafe { Listed::from_raw(self.word) })
    }
}

impl Places {
    /// Takes in a task; returns its place.
    #[inline]
    pub(super) fn insert(&mut self, task: Listed, born: Tick) -> u32 {
        let slot = self.free.wrapping_sub(1);
        // None is free if that is no place at all.
        let Some(free) = self.places.get_mut(slot as usize) else { return self.add(task, born) };
        self.free = free.next();
        *free = Place::taken(task, born);
        slot
    }

    // Never: the way to a free place would save and restore registers for it.
    #[inline(never)]
    fn add(&mut self, task: Listed, born: Tick) -> u32 {
        let slot = u32::try_from(self.places.len()).ok().filter(|&slot| slot < u32::MAX);
        self.places.push(Place::taken(task, born));
        slot.expect("less than 2^32 tasks are alive in one shard")
    }

    /// Takes out the task of a place.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) -> Listed {
        let place = &mut self.places[slot as usize];
        let task = place.task().expect("a task leaves once");
        place.word = Place::link(self.free);
        self.free = slot + 1;
        task
    }

    /// Whether all are free. Looks for one that is not.
    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(|place| place.is_free())
    }

    /// How many places there are, free ones too.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// All tasks: each a second `Listed`, to be looked at only.
    pub(super) fn tasks(&self) -> impl Iterator<Item = Listed> + '_ {
        self.places.iter().filter_map(|place| place.task())
    }

    /// Calls `f` with the task of a place and when it came.
    pub(super) fn with<R>(&self, slot: usize, f: impl FnOnce(&Listed, Tick) -> R) -> Option<R> {
        let place = *self.places.get(slot)?;
        place.task().map(|task| f(&task, Tick::from_raw(place.born)))
    }
}

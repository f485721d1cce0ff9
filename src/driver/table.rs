//! Places for registered sources.
//!
//! A place is found by its number without a lock: the poller does so for each event, a socket for each operation. Taking
//! one and giving it back takes the lock of one shard, and each thread has a shard that few others use; so registering, which is on
//! the way of every connection, meets no lock that all threads share.
//!
//! Places are never freed while the reactor lives, and used again in the order in which they were given back, last first. A shard's pages
//! double in size.

use super::interest::Ready;
use super::reactor::shut_down;
use super::readiness::{GENERATION_WIDTH, Readiness};
use crate::primitives::plain::{AtomicUsize, Ordering};
use crate::primitives::{CachePadded, Mutex};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::task::Waker;

pub(super) struct Table {
    shards: [CachePadded<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    pages: [OnceLock<Box<[Readiness]>>; PAGES],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Given back.
    places: Vec<u32>,
    /// Never used, from here on.
    fresh: u32,
    is_shut_down: bool,
    /// Places that were taken, and that were given back.
    taken: u64,
    left: u64,
}

/// Twice as many would be twice as much memory at the start; with half as many, sixteen threads would meet.
const SHARDS: usize = 16;
const FIRST_PAGE: u32 = 32;
/// With the first they hold 2^27 places of a shard: more than there can be descriptors.
const PAGES: usize = 22;
const PLACE_BITS: u32 = usize::BITS - GENERATION_WIDTH;
/// Places of a shard. Where a word has 32 bits, a token names fewer than the pages could hold.
const LIMIT: usize = {
    let named = (1 << PLACE_BITS) / SHARDS;
    let held = FIRST_PAGE as usize * ((1 << PAGES) - 1);
    // One place less, whose token would be another's: that of the poller's own waker.
    if named < held { named - 1 } else { held - 1 }
};

/// A place, and which of the sources that are there one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(mio::Token);

impl Token {
    fn new(place: usize, generation: u32) -> Self {
        Token(mio::Token(place | (generation as usize) << PLACE_BITS))
    }

    fn place(self) -> usize {
        self.0.0 & ((1 << PLACE_BITS) - 1)
    }

    fn generation(self) -> u32 {
        (self.0.0 >> PLACE_BITS) as u32
    }

    pub(super) fn to_mio(self) -> mio::Token {
        self.0
    }
}

impl From<mio::Token> for Token {
    fn from(token: mio::Token) -> Self {
        Token(token)
    }
}

/// The page of a place within its shard, and the place within that page.
fn page(place: u32) -> (usize, usize) {
    let page = (place / FIRST_PAGE + 1).ilog2();
    (page as usize, (place - FIRST_PAGE * ((1 << page) - 1)) as usize)
}

impl Table {
    pub(super) fn new() -> Self {
        Table { shards: Default::default() }
    }

    /// Takes a place.
    ///
    /// # Errors
    ///
    /// If the reactor has shut down; `OutOfMemory` if all places are taken.
    pub(super) fn insert(&self) -> io::Result<Token> {
        let number = shard_of_this_thread();
        let shard = &self.shards[number];
        let mut free = shard.free.lock();
        if free.is_shut_down {
            return Err(shut_down());
        }
        let place = match free.places.pop() {
            Some(place) => place,
            None if free.fresh as usize >= LIMIT => return Err(io::ErrorKind::OutOfMemory.into()),
            None => {
                free.fresh += 1;
                free.fresh - 1
            }
        };
        free.taken += 1;
        let (page, index) = page(place);
        let page = shard.pages[page].get_or_init(|| (0..FIRST_PAGE << page).map(|_| Readiness::new()).collect());
        Ok(Token::new(place as usize * SHARDS + number, page[index].generation()))
    }

    /// What is known of the source at a place.
    pub(super) fn get(&self, token: Token) -> Option<&Readiness> {
        let place = token.place();
        let (page, index) = page(u32::try_from(place / SHARDS).ok()?);
        self.shards[place % SHARDS].pages.get(page)?.get()?.get(index)
    }

    /// Tells of an event.
    pub(super) fn set(&self, token: Token, ready: Ready, woken: &mut Vec<Waker>) {
        if let Some(readiness) = self.get(token) {
            readiness.set(token.generation(), ready, woken);
        }
    }

    /// Gives a place back. Whoever took it does so once.
    pub(super) fn remove(&self, token: Token) {
        let place = token.place();
        self.get(token).expect("it has been taken").abandon();
        let mut free = self.shards[place % SHARDS].free.lock();
        free.places.push((place / SHARDS) as u32);
        free.left += 1;
    }

    /// How many places were ever taken, and how many were given back.
    pub(super) fn sources(&self) -> (u64, u64) {
        self.shards.iter().fold((0, 0), |(taken, left), shard| {
            let free = shard.free.lock();
            (taken + free.taken, left + free.left)
        })
    }

    pub(super) fn shut_down(&self, woken: &mut Vec<Waker>) {
        for shard in &self.shards {
            shard.free.lock().is_shut_down = true;
            for readiness in shard.pages.iter().filter_map(OnceLock::get).flatten() {
                readiness.set_any(Ready::SHUT_DOWN, woken);
            }
        }
    }
}

fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    match SHARD.get() {
        usize::MAX => {
            // Ordering: Relaxed; a number, for spreading.
            let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            SHARD.set(shard);
            shard
        }
        shard => shard,
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_place_is_on_one_page_and_pages_double() {
        let places: HashSet<_> = (0..100_000).map(page).collect();
        assert_eq!(places.len(), 100_000);
        assert_eq!([page(0), page(31), page(32), page(95), page(96)], [(0, 0), (0, 31), (1, 0), (1, 63), (2, 0)]);
        assert!(page(LIMIT as u32 - 1).0 < PAGES && (LIMIT - 1) * SHARDS + SHARDS - 1 < (1 << PLACE_BITS) - 1);
    }

    #[test]
    fn an_event_for_a_source_that_is_gone_does_not_reach_its_successor() {
        let table = Table::new();
        let old = table.insert().unwrap();
        table.remove(old);
        let new = table.insert().unwrap();
        assert_eq!(old.place(), new.place(), "the place is used again");
        assert_ne!(old, new);
        table.set(old, Ready::READABLE, &mut Vec::new());
        assert!(table.get(new).unwrap().seen(super::super::Interest::READABLE).is_none());
        table.set(new, Ready::READABLE, &mut Vec::new());
        assert!(table.get(new).unwrap().seen(super::super::Interest::READABLE).is_some());
    }

    #[test]
    fn a_token_has_room_for_every_generation() {
        let last = (1 << GENERATION_WIDTH) - 1;
        let token = Token::new(5, last);
        assert_eq!((token.place(), token.generation()), (5, last));
    }

    #[test]
    fn a_token_that_was_never_given_out_is_nobodys() {
        let table = Table::new();
        let far = Token::new((1 << PLACE_BITS) - 1, 7);
        assert!(table.get(far).is_none());
        assert!(table.get(Token::from(mio::Token(usize::MAX))).is_none());
    }

    #[test]
    fn after_the_shutdown_no_place_is_given_out() {
        let table = Table::new();
        let token = table.insert().unwrap();
        table.shut_down(&mut Vec::new());
        assert!(table.insert().is_err());
        assert!(table.get(token).unwrap().seen(super::super::Interest::WRITABLE).is_some());
        table.remove(token);
    }

    #[test]
    fn many_places_are_all_different() {
        let table = Table::new();
        let tokens: Vec<_> = (0..5000).map(|_| table.insert().unwrap()).collect();
        assert_eq!(tokens.iter().map(|token| token.place()).collect::<HashSet<_>>().len(), 5000);
        tokens.into_iter().for_each(|token| table.remove(token));
        assert!(table.insert().unwrap().place() < 5000 * SHARDS);
    }
}

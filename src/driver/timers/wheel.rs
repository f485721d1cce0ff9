//! A hierarchical timing wheel: timers by deadline, put in and taken out in constant time.
//!
//! The scheme is Varghese and Lauck's ("Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7). A deadline is a number of
//! nine digits to the base 256, in sixteenths of a nanosecond, and so is `elapsed`, the time up to which everything has been taken out. A timer
//! lies on the level of the highest digit in which the two differ, in the slot of its own digit there:
//!
//! - On one level, then, slots are in the order of time, and all that lies on a level is due before what lies on a higher one. The
//!   first slot with a timer on the lowest level that has one is the next.
//! - Once the time of a slot has come, it is *opened*: its timers become *pending*, `elapsed` becomes the slot's beginning, and each pending
//!   timer is fired if it is due then, or is put into a slot of a lower level. So they fire in the order of their deadlines. A timer moves down eight
//!   times at most, and only if nobody takes it out before; most timers are.
//! - Pending timers come before all slots. Opening and firing may stop between any two of them, so that a slot with a million timers holds
//!   up nobody.
//!
//! A timer that was *postponed* stays where it is, and is put where it belongs when its slot is opened or searched. A timer that is taken out only
//! leaves its list: whether a slot is empty shows when it is looked for.

use super::list::{Entry, Node};
use super::word::Fire;
use crate::primitives::prefetch;
use std::fmt;
use std::ptr::NonNull;
use std::task::Waker;

/// Bits of a digit. With two less, a timer that waits for some milliseconds is moved once more before it fires, which takes as long as all else that
/// is done with it, because its memory is cold by then; with two more, a wheel takes 150 KB instead of 40.
///
/// In models it is less, because they have no room for so many cells.
const DIGIT: u32 = if cfg!(rt_loom) { 6 } else { 8 };
const SLOTS: usize = 1 << DIGIT;
/// So many bits less has the lowest digit. Thus the slots of level 3 begin at whole 2^20 ns, to which most deadlines are rounded, and such timers
/// need not be moved to level 2.
const OFFSET: u32 = 4;
/// Enough digits for 64 bits.
const LEVELS: usize = (u64::BITS + OFFSET).div_ceil(DIGIT) as usize;
/// Slots that one word tells of.
const WORD: usize = u64::BITS as usize;
/// The place of what is pending, after all slots.
const PENDING: usize = LEVELS * SLOTS;

/// How many timers of a slot are looked at to find the earliest; and how many that were postponed are put where they belong meanwhile. With
/// fewer a thread may wake for nothing before it is due; more take longer under the lock.
const LOOK_AT: usize = 8;

pub(super) const NEVER: u64 = u64::MAX;

/// See the module's page.
pub(super) struct Wheel {
    /// When the wheel is closed, the end of time: nothing is armed then, and this is what the hot path looks at anyway.
    elapsed: u64,
    /// The slots that may have timers, a bit each, level by level.
    used: [u64; PENDING / WORD],
    /// Each slot's timers, level by level, and what is pending.
    lists: Box<[Node; PENDING + 1]>,
    pub(super) statistics: TimerStatistics,
}

/// What has become of timers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimerStatistics {
    pub(crate) armed: u64,
    pub(crate) fired: u64,
    /// Taken out before that.
    pub(crate) cancelled: u64,
}

// SAFETY: the entries that it points to are `Send` and `Sync`, and its own by what `insert` demands; the heads are its own.
unsafe impl Send for Wheel {}

impl Wheel {
    pub(super) fn new(now: u64) -> Self {
        let lists: Box<[Node; PENDING + 1]> = Box::new(std::array::from_fn(|_| Node::new()));
        for head in &*lists {
            // SAFETY: it stays in its box, which is dropped with the wheel; entries that are armed keep that alive.
            unsafe { head.become_head() };
        }
        Wheel { elapsed: now, used: [0; PENDING / WORD], lists, statistics: TimerStatistics::default() }
    }

    /// The time up to which everything has been taken out.
    #[inline]
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Whether nobody serves this wheel any more. All time has elapsed then.
    pub(super) fn is_closed(&self) -> bool {
        self.elapsed == NEVER
    }

    /// Puts in a timer. It wakes `waker` at `deadline`.
    ///
    /// # Safety
    ///
    /// The entry is not armed, the caller owns it, it stays where it is until it was taken out of this wheel, and the wheel is not dropped before.
    #[inline]
    pub(super) unsafe fn insert(&mut self, entry: &Entry, deadline: u64, waker: Waker) {
        // SAFETY: the entry is not armed, so it has none, and its owner calls.
        unsafe { entry.put_waker(waker) };
        entry.word.arm(deadline);
        self.statistics.armed += 1;
        // SAFETY: it is live and in no list, and stays live, as the caller promises.
        unsafe { self.link(NonNull::from(entry), deadline) };
    }

    /// Takes out a timer, and returns its waker.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel.
    pub(super) unsafe fn remove(&mut self, entry: &Entry) -> Waker {
        // SAFETY: as the caller promises.
        let waker = unsafe { self.remove_for_good(entry) };
        entry.word.rest();
        waker
    }

    /// As `remove`, of a timer that is being dropped: its word is left as it is.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel, and is not used any more.
    #[inline]
    pub(super) unsafe fn remove_for_good(&mut self, entry: &Entry) -> Waker {
        self.statistics.cancelled += 1;
        // SAFETY: as the caller promises.
        unsafe { Entry::leave(NonNull::from(entry)) };
        // SAFETY: it has one, and is out of the wheel.
        unsafe { entry.take_waker() }
    }

    /// Gives a timer another deadline.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel.
    pub(super) unsafe fn move_to(&mut self, entry: &Entry, deadline: u64) {
        // SAFETY: as the caller promises.
        unsafe { Entry::leave(NonNull::from(entry)) };
        entry.word.arm(deadline);
        // SAFETY: it is live and has just been taken out, and stays live while it is in the wheel.
        unsafe { self.link(NonNull::from(entry), deadline) };
    }

    /// Whether a timer wakes `waker` already.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel.
    pub(super) unsafe fn will_wake(&mut self, entry: &Entry, waker: &Waker) -> bool {
        // SAFETY: this has the wheel that the entry is in.
        unsafe { entry.will_wake(waker) }
    }

    /// Gives a timer another waker. Returns the one before.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel.
    pub(super) unsafe fn replace_waker(&mut self, entry: &Entry, waker: Waker) -> Waker {
        // SAFETY: this has the wheel that the entry is in.
        let before = unsafe { entry.take_waker() };
        // SAFETY: as above, and it has none now.
        unsafe { entry.put_waker(waker) };
        before
    }

    /// Fires what is due at `now`, and moves its wakers to `fired`. Each timer that is touched draws one of `allowed`; if that runs out,
    /// [`next`](Self::next) is due already.
    pub(super) fn advance(&mut self, now: u64, allowed: &mut usize, fired: &mut Vec<Waker>) {
        // Up to when pending timers fire.
        let mut until = self.elapsed;
        loop {
            // Timers lie anywhere in memory, and the address of one is in the one before. From the other end the processor can fetch some at the
            // same time, for later.
            // SAFETY: it is a head, and this has the wheel.
            let mut behind = unsafe { self.lists[PENDING].last() };
            while let Some(entry) = self.first_of(PENDING) {
                if *allowed == 0 {
                    return;
                }
                *allowed -= 1;
                behind = self.before(behind, entry);
                // SAFETY: it is in a list of this wheel.
                fired.extend(unsafe { self.fire(entry, until) });
            }
            match self.first() {
                Some((place, begin)) if begin <= now => until = self.open(place, begin).min(now),
                _ => break,
            }
        }
        // No slot begins before. Above the digit of its level, `now` is as `elapsed` was, so each timer lies where it belongs.
        self.elapsed = self.elapsed.max(now);
    }

    /// When [`advance`](Self::advance) is to be called next: never later than the first timer is due, and earlier only if many are due
    /// about then, or were to be before they were postponed.
    pub(super) fn next(&mut self) -> u64 {
        let mut may_move = LOOK_AT;
        loop {
            let pending = self.first_of(PENDING).map(|_| (PENDING, self.elapsed));
            let Some((place, begin)) = pending.or_else(|| self.first()) else {
                return NEVER;
            };
            match self.earliest(place, begin, &mut may_move) {
                Earliest::At(deadline) => return deadline,
                Earliest::Elsewhere => {}
                Earliest::Unknown => return begin.max(self.elapsed),
            }
        }
    }

    /// Takes out all timers for good, and moves their wakers to `woken`.
    pub(super) fn close(&mut self, woken: &mut Vec<Waker>) {
        self.elapsed = NEVER;
        for place in 0..=PENDING {
            while let Some(entry) = self.first_of(place) {
                // SAFETY: it is in a list of this wheel.
                unsafe { Entry::leave(entry) };
                // SAFETY: it is live until its word says that it was closed.
                let entry = unsafe { entry.as_ref() };
                // SAFETY: this has the wheel that the entry is in.
                woken.push(unsafe { entry.take_waker() });
                entry.word.close();
            }
        }
    }

    /// Fires a timer that is due at `until`, and returns its waker; or puts it where it belongs.
    ///
    /// # Safety
    ///
    /// The entry is in this wheel.
    unsafe fn fire(&mut self, entry: NonNull<Entry>, until: u64) -> Option<Waker> {
        // SAFETY: as the caller promises.
        unsafe { Entry::leave(entry) };
        // SAFETY: it is live until its word says that it has fired.
        let timer = unsafe { entry.as_ref() };
        // SAFETY: this has the wheel that the entry is in. The waker first, because with `fire` the entry may be gone.
        let waker = unsafe { timer.take_waker() };
        let Fire::Later(deadline) = timer.word.fire(until) else {
            self.statistics.fired += 1;
            // Soon to be woken.
            prefetch(waker.data());
            return Some(waker);
        };
        // SAFETY: it is armed still, so this has it, and without a waker.
        unsafe { timer.put_waker(waker) };
        // SAFETY: it is live and has been taken out, and stays live while it is armed.
        unsafe { self.link(entry, deadline) };
        None
    }

    fn first_of(&self, place: usize) -> Option<NonNull<Entry>> {
        // SAFETY: they are heads, and whoever has the wheel holds its lock.
        unsafe { self.lists[place].first() }
    }

    /// The pending timer before one of them, which is brought near, unless that is `first` already.
    fn before(&self, timer: Option<NonNull<Entry>>, first: NonNull<Entry>) -> Option<NonNull<Entry>> {
        let timer = timer.filter(|timer| *timer != first)?;
        // SAFETY: nothing behind the first has been taken out of that list.
        let before = unsafe { self.lists[PENDING].before(timer) }.filter(|before| *before != first)?;
        prefetch(before.as_ptr());
        Some(before)
    }

    /// The earliest timer of a list that has one. Those that were postponed, and so do not belong there, leave it; each draws one of `may_move`.
    fn earliest(&mut self, place: usize, begin: u64, may_move: &mut usize) -> Earliest {
        let end = begin | low_digits(place);
        let mut may_look = LOOK_AT;
        let mut earliest = NEVER;
        let mut at = self.first_of(place);
        while let Some(entry) = at {
            // SAFETY: it is in the list of this head.
            at = unsafe { self.lists[place].after(entry) };
            // SAFETY: what is in a list is live.
            let deadline = unsafe { entry.as_ref() }.word.deadline();
            let left = if deadline > end { &mut *may_move } else { &mut may_look };
            if *left == 0 {
                return Earliest::Unknown;
            }
            *left -= 1;
            if deadline > end {
                // SAFETY: it is in this wheel.
                unsafe { Entry::leave(entry) };
                // It comes after all that may stay here.
                // SAFETY: it is live and has just been taken out, and stays live while it is armed.
                unsafe { self.link(entry, deadline) };
            } else {
                earliest = earliest.min(deadline);
            }
        }
        if earliest == NEVER { Earliest::Elsewhere } else { Earliest::At(earliest) }
    }

    /// The first slot that has a timer, and when it begins.
    fn first(&mut self) -> Option<(usize, u64)> {
        for word in 0..self.used.len() {
            while self.used[word] != 0 {
                let place = word * WORD + self.used[word].trailing_zeros() as usize;
                if self.first_of(place).is_none() {
                    self.used[word] &= self.used[word] - 1;
                    continue;
                }
                let (shift, slot) = (shift((place / SLOTS) as u32), (place % SLOTS) as u64);
                // The highest digit is cut off by the width of the word.
                let above = u64::MAX.checked_shl(shift + DIGIT).unwrap_or(0);
                return Some((place, self.elapsed & above | slot << shift));
            }
        }
        None
    }

    /// Makes the timers of the first slot pending. None is before. Returns up to when they may fire without being put into lower levels.
    fn open(&mut self, place: usize, begin: u64) -> u64 {
        let (slot, pending) = (&self.lists[place], &self.lists[PENDING]);
        // SAFETY: they are heads, and whoever has the wheel holds its lock.
        unsafe { slot.append_to(pending) };
        self.elapsed = self.elapsed.max(begin);
        // SAFETY: as above, and the entry is in that list.
        let second = self.first_of(PENDING).and_then(|first| unsafe { pending.after(first) });
        // What is not in the slot comes after it. So one timer alone is the first of all.
        if second.is_none() { begin | low_digits(place) } else { self.elapsed }
    }

    /// Puts an entry where it belongs.
    ///
    /// # Safety
    ///
    /// As for [`Node::push`] with the entry.
    #[inline]
    unsafe fn link(&mut self, entry: NonNull<Entry>, deadline: u64) {
        let mut place = PENDING;
        if deadline > self.elapsed {
            // They differ, and with this the compiler knows it.
            let highest = ((self.elapsed ^ deadline) | 1).ilog2();
            let level = (highest + OFFSET) / DIGIT;
            let slot = (deadline >> shift(level)) as usize % SLOTS;
            place = level as usize * SLOTS + slot;
            self.used[place / WORD] |= 1 << (place % WORD);
        }
        // SAFETY: a head, whose lock the caller holds; the entry is as the caller promises.
        unsafe { self.lists[place].push(entry) };
    }
}

/// Where a level's digit is.
#[inline]
fn shift(level: u32) -> u32 {
    (level * DIGIT).saturating_sub(OFFSET)
}

/// All bits of the digits below the level of a slot; none for what is pending.
fn low_digits(place: usize) -> u64 {
    if place == PENDING { 0 } else { (1 << shift((place / SLOTS) as u32)) - 1 }
}

/// What a search for the earliest timer of a list came to.
enum Earliest {
    At(u64),
    /// None belonged there.
    Elsewhere,
    /// There are too many.
    Unknown,
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("elapsed", &self.elapsed).finish_non_exhaustive()
    }
}

//! The wheel beside a sorted map: any sequence of operations does the same to both.
//!
//! A sequence is read from bytes, so that a fuzzer can look for one that does not.

use super::list::Entry;
use super::wheel::{NEVER, Wheel};
use super::word::{LAST, State};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

/// Timers at a time. Enough for slots with more timers than a search looks at.
const TIMERS: usize = 96;

struct Note {
    timer: usize,
    notes: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.notes.lock().unwrap().push(self.timer);
    }
}

/// Both, and the operations on both.
struct Pair {
    wheel: Wheel,
    entries: Vec<Pin<Box<Entry>>>,
    /// Deadline and timer of those that are armed.
    armed: BTreeSet<(u64, usize)>,
    now: u64,
    notes: Arc<Mutex<Vec<usize>>>,
}

impl Pair {
    fn new() -> Self {
        Pair {
            wheel: Wheel::new(0),
            entries: (0..TIMERS).map(|_| Box::pin(Entry::new(0))).collect(),
            armed: BTreeSet::new(),
            now: 0,
            notes: Arc::default(),
        }
    }

    fn deadline(&self, timer: usize) -> Option<u64> {
        let armed = self.armed.iter().find(|(_, armed)| *armed == timer);
        armed.map(|(deadline, _)| *deadline)
    }

    fn arm(&mut self, timer: usize, deadline: u64) {
        match self.deadline(timer) {
            None => {
                if self.entries[timer].word.state() == State::Fired {
                    self.entries[timer].word.rest();
                }
                let waker = Waker::from(Arc::new(Note { timer, notes: self.notes.clone() }));
                // SAFETY: the entry is not armed, and boxed until the end, where it is taken out.
                unsafe { self.wheel.insert(&self.entries[timer], deadline, waker) };
            }
            Some(before) => {
                self.armed.remove(&(before, timer));
                if !self.entries[timer].word.postpone(deadline) {
                    assert!(deadline < before, "an armed timer can be postponed");
                    // SAFETY: it is armed, so it is in the wheel.
                    unsafe { self.wheel.move_to(&self.entries[timer], deadline) };
                }
            }
        }
        self.armed.insert((deadline, timer));
    }

    fn disarm(&mut self, timer: usize) {
        if let Some(deadline) = self.deadline(timer) {
            self.armed.remove(&(deadline, timer));
            // SAFETY: it is armed, so it is in the wheel.
            drop(unsafe { self.wheel.remove(&self.entries[timer]) });
            assert_eq!(self.entries[timer].word.state(), State::Idle(0));
        }
    }

    /// Lets time pass, and timers fire, at most `allowed` steps at a time.
    fn advance(&mut self, by: u64, allowed: usize) {
        let before = self.now;
        self.now = self.now.saturating_add(by).min(LAST);
        let mut fired = Vec::new();
        let mut rounds = 0;
        loop {
            let mut left = allowed;
            self.wheel.advance(self.now, &mut left, &mut fired);
            if left > 0 || self.wheel.next() > self.now {
                break;
            }
            rounds += 1;
            assert!(rounds * allowed <= TIMERS * 12, "no timer moves for ever");
        }
        fired.into_iter().for_each(Waker::wake);
        let notes = std::mem::take(&mut *self.notes.lock().unwrap());
        let mut latest = before;
        for timer in notes {
            let deadline = self.deadline(timer).expect("a timer that fires was armed");
            assert!(deadline <= self.now, "a timer fires early");
            if deadline > before {
                assert!(deadline >= latest, "timers fire in the order of their deadlines");
                latest = deadline;
            }
            assert_eq!(self.entries[timer].word.state(), State::Fired);
            self.armed.remove(&(deadline, timer));
        }
        assert!(
            self.armed.first().is_none_or(|(deadline, _)| *deadline > self.now),
            "a timer that is due has not fired"
        );
    }

    fn look(&mut self) {
        let next = self.wheel.next();
        match self.armed.first() {
            None => assert_eq!(next, NEVER, "nothing is armed"),
            Some((deadline, _)) => {
                assert!(next <= (*deadline).max(self.now), "somebody would sleep too long");
                if self.armed.len() <= 8 && *deadline > self.now {
                    assert_eq!(next, *deadline, "somebody would wake for nothing");
                }
            }
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The wheel is not to be trusted any more.
            std::mem::take(&mut self.entries).into_iter().for_each(std::mem::forget);
            return;
        }
        let mut woken = Vec::new();
        self.wheel.close(&mut woken);
        assert_eq!(woken.len(), self.armed.len());
        for (_, timer) in &self.armed {
            assert_eq!(self.entries[*timer].word.state(), State::Closed);
        }
        assert_eq!(self.wheel.next(), NEVER);
    }
}

/// Does what the bytes say to both, and compares.
///
/// # Panics
///
/// If the wheel differs from the map.
pub(crate) fn run(bytes: &[u8]) {
    let mut pair = Pair::new();
    for operation in bytes.chunks_exact(4) {
        let timer = usize::from(operation[1]) % TIMERS;
        // Of every order of magnitude.
        let distance = u64::from(operation[2]) << (operation[3] % 58);
        match operation[0] % 8 {
            0..=2 => pair.arm(timer, pair.now.saturating_add(1 + distance).min(LAST)),
            // Close together.
            3 => pair.arm(timer, (pair.now + 1 + u64::from(operation[2])).min(LAST)),
            4 => pair.disarm(timer),
            5 => pair.advance(distance, 1 + usize::from(operation[1] % 4)),
            6 => {
                // To the next, as whoever sleeps until then.
                let next = pair.wheel.next();
                if next != NEVER {
                    pair.advance(next.saturating_sub(pair.now), usize::MAX);
                }
            }
            _ => pair.arm(timer, pair.now.saturating_sub(distance)),
        }
        pair.look();
    }
}

#[cfg(test)]
mod tests {
    use super::{Pair, TIMERS, run};
    use crate::primitives::random::Rng;

    #[test]
    fn the_wheel_does_as_a_sorted_map_whatever_is_done_to_it() {
        for seed in 0..300 {
            let mut random = Rng::with_seed(seed);
            let bytes: Vec<u8> = (0..4000).map(|_| random.u8(..)).collect();
            let caught = std::panic::catch_unwind(|| run(&bytes));
            assert!(caught.is_ok(), "with seed {seed}");
        }
    }

    #[test]
    fn many_timers_of_one_slot_fire_a_few_at_a_time() {
        let mut pair = Pair::new();
        for timer in 0..TIMERS {
            pair.arm(timer, 1_000_000_000 + timer as u64 % 3);
        }
        pair.look();
        pair.advance(999_999_999, 1);
        assert_eq!(pair.armed.len(), TIMERS);
        pair.advance(2, 1);
        assert_eq!(pair.armed.len(), TIMERS / 3);
        pair.advance(1, 7);
        assert!(pair.armed.is_empty());
    }

    #[test]
    fn a_timer_that_is_alone_is_known_to_the_nanosecond_however_far() {
        for digits in 0..62 {
            let mut pair = Pair::new();
            pair.arm(0, (1 << digits) + 12345);
            assert_eq!(pair.wheel.next(), (1 << digits) + 12345);
            pair.advance((1 << digits) + 12344, 1);
            assert_eq!(pair.armed.len(), 1);
            pair.advance(1, usize::MAX);
            assert!(pair.armed.is_empty());
        }
    }

    #[test]
    fn a_postponed_timer_wakes_nobody_for_nothing() {
        let mut pair = Pair::new();
        pair.arm(0, 1000);
        pair.arm(0, 1 << 40);
        assert_eq!(pair.wheel.next(), 1 << 40);
        pair.arm(1, 1 << 30);
        assert_eq!(pair.wheel.next(), 1 << 30);
    }

    #[test]
    fn a_search_that_meets_postponed_timers_finds_the_earliest_all_the_same() {
        for stay in 0..=8 {
            let mut pair = Pair::new();
            for timer in 0..8 {
                pair.arm(timer, (1 << 30) + 8 - timer as u64);
            }
            for timer in stay..8 {
                pair.arm(timer, (1 << 40) + 8 - timer as u64);
            }
            pair.look();
            pair.advance(1 << 41, usize::MAX);
        }
    }
}

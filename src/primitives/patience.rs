//! How long a thread looks for what it waits for before it blocks.
//!
//! Blocking and being woken costs both sides several microseconds, and much more if the processor has gone to sleep meanwhile.
//! A thread that expects an answer soon does better to look for a while. It does not know how soon, so it learns: it begins
//! with the longest look; each that was in vain halves the time, each that was not doubles it.
//!
//! A thread that waits for several things should only look if it is the looked-for that mostly comes. If the wait after a look in vain
//! was ended by something else, it looks no more, until one is ended by that. It still gives way once before it blocks: a server that shares a processor
//! with its clients has more to do then when it wakes up, so that it sleeps and wakes half as often, and its slowest answers come in two thirds of the time.
//!
//! Between looks the thread gives way to others. If one of them computes, it then has the processor for milliseconds, while a thread that blocks would have
//! been woken at once. A *wary* thread that has lost a turn so neither looks nor gives way the next time it waits, and twice as often not each time that it
//! happens again. What a lost turn is depends on whom the thread waits for. A worker of a server that shares a processor with its clients comes back to more work
//! the longer they had: with a limit of 0.2 ms such a server answered a fifth less, its limit is what only those take who compute.

use super::{clock, spin_loop, thread};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Patience {
    now: Cell<Duration>,
    longest: Duration,
    /// Giving way for so long is to have lost a turn.
    turn: Duration,
    /// Looks to be left out.
    left_out: Cell<u32>,
    /// So many are left out the next time.
    penalty: Cell<u32>,
}

/// About a fifth of what blocking costs. Less cannot be measured; more would be felt by threads that wait for long each time.
const SHORTEST: Duration = Duration::from_micros(1);
/// Half as many, and on a crowded machine twice as many turns are lost; with more, it takes longer until looks are tried again on one that is crowded no more.
const MOST_LEFT_OUT: u32 = 1024;
/// Looks between two readings of the clock, which costs as much as one or two of them.
const LOOKS: usize = 16;

impl Patience {
    /// For a thread that never loses a turn.
    pub(crate) fn new(longest: Duration) -> Self {
        Patience::wary(longest, Duration::MAX)
    }

    /// For a thread that has lost a turn when it gave way for so long.
    pub(crate) fn wary(longest: Duration, turn: Duration) -> Self {
        Patience { now: Cell::new(longest), longest, turn, left_out: Cell::new(0), penalty: Cell::new(1) }
    }

    /// Looks for it; false if it has not come.
    pub(crate) fn look(&self, mut has_come: impl FnMut() -> bool) -> bool {
        if let Some(left) = self.left_out.get().checked_sub(1) {
            self.left_out.set(left);
            return has_come();
        }
        if self.now.get().is_zero() {
            return has_come() || {
                // Not to look, but to let those go first who bring the next work: there is more of it then to wake up for.
                if self.give_way(clock::now()).is_some() {
                    self.forgive();
                }
                has_come()
            };
        }
        let began = clock::now();
        let mut before = began;
        loop {
            for _ in 0..LOOKS {
                if has_come() {
                    self.now.set(self.longest.min(self.now.get() * 2));
                    return true;
                }
                spin_loop();
            }
            // Whom this waits for may be waiting for this very processor: systems like to wake a thread where its waker runs.
            let Some(now) = self.give_way(before) else {
                return has_come();
            };
            if now.saturating_duration_since(began) >= self.now.get() {
                self.now.set(SHORTEST.max(self.now.get() / 2));
                self.forgive();
                return false;
            }
            before = now;
        }
    }

    /// The time when the processor is back, or `None` if a turn was lost.
    fn give_way(&self, before: Instant) -> Option<Instant> {
        thread::yield_now();
        let now = clock::now();
        if now.saturating_duration_since(before) < self.turn {
            return Some(now);
        }
        self.left_out.set(self.penalty.get());
        self.penalty.set(MOST_LEFT_OUT.min(2 * self.penalty.get()));
        None
    }

    fn forgive(&self) {
        self.penalty.set(1.max(self.penalty.get() / 2));
    }

    /// Whether looking has paid off lately.
    pub(crate) fn is_great(&self) -> bool {
        self.now.get() > SHORTEST
    }

    /// What the thread waited for after a look in vain was what it had looked for, or not.
    pub(crate) fn learn(&self, it_has_come: bool) {
        match (it_has_come, self.now.get()) {
            (true, Duration::ZERO) => self.now.set(SHORTEST),
            (false, SHORTEST) => self.now.set(Duration::ZERO),
            _ => {}
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    /// On a machine that is never crowded.
    fn undisturbed(longest: Duration) -> Patience {
        Patience::new(longest)
    }

    #[test]
    fn looks_after_a_lost_turn_are_left_out_and_more_after_the_next() {
        let patience = Patience::wary(SHORTEST, Duration::ZERO);
        let looks = Cell::new(0);
        let look = || patience.look(|| looks.replace(looks.get() + 1) == usize::MAX);
        for left_out in [1, 2, 4, 8] {
            looks.set(0);
            assert!(!look());
            assert_eq!(looks.replace(0), LOOKS + 1, "once more after the lost turn");
            (0..left_out).for_each(|_| assert!(!look()));
            assert_eq!(looks.get(), left_out);
        }
    }

    #[test]
    fn whoever_looks_no_more_does_not_give_way_either_after_a_lost_turn() {
        let patience = Patience::wary(SHORTEST, Duration::ZERO);
        patience.learn(false);
        let looks = Cell::new(0);
        let look = || patience.look(|| looks.replace(looks.get() + 1) == usize::MAX);
        assert!(!look());
        assert_eq!(looks.replace(0), 2, "before it gives way, and after");
        assert!(!look());
        assert_eq!(looks.get(), 1);
    }

    #[test]
    fn looks_in_vain_make_the_next_shorter_and_others_longer() {
        let patience = undisturbed(4 * SHORTEST);
        assert!(!patience.look(|| false));
        assert_eq!(patience.now.get(), 2 * SHORTEST);
        assert!(!patience.look(|| false));
        assert!(!patience.look(|| false));
        assert_eq!(patience.now.get(), SHORTEST);
        (0..3).for_each(|_| assert!(patience.look(|| true)));
        assert_eq!(patience.now.get(), 4 * SHORTEST);
    }

    #[test]
    fn whoever_is_woken_by_something_else_looks_no_more() {
        let patience = undisturbed(2 * SHORTEST);
        let looks = Cell::new(0);
        let look = || patience.look(|| looks.replace(looks.get() + 1) > 1);
        patience.learn(false);
        assert!(!patience.look(|| false), "one wait tells nothing");
        patience.learn(false);
        assert!(!look());
        assert_eq!(looks.replace(0), 2, "before it gives way, and after");
        patience.learn(true);
        assert!(look());
    }
}

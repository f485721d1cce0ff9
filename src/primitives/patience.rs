//! How long a thread looks for what it waits for before it blocks.
//!
//! Blocking and being woken costs both sides several microseconds, and much more if the processor has gone to sleep meanwhile.
//! A thread that expects an answer soon does better to look for a while. It does not know how soon, so it learns: it begins
//! with the longest look; each that was in vain halves the time, each that was not doubles it.
//!
//! A thread that waits for several things should only look if it is the looked-for that mostly comes. If the wait after a look in vain
//! was ended by something else, it looks no more, until one is ended by that.

use super::{clock, spin_loop, thread};
use std::cell::Cell;
use std::time::Duration;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Patience {
    now: Cell<Duration>,
    longest: Duration,
}

/// About a fifth of what blocking costs. Less cannot be measured; more would be felt by threads that wait for long each time.
const SHORTEST: Duration = Duration::from_micros(1);
/// Looks between two readings of the clock, which costs as much as one or two of them.
const LOOKS: usize = 16;

impl Patience {
    pub(crate) fn new(longest: Duration) -> Self {
        Patience { now: Cell::new(longest), longest }
    }

    /// Looks for it; false if it has not come.
    pub(crate) fn look(&self, mut has_come: impl FnMut() -> bool) -> bool {
        if self.now.get().is_zero() {
            return has_come();
        }
        let began = clock::now();
        loop {
            for _ in 0..LOOKS {
                if has_come() {
                    self.now.set(self.longest.min(self.now.get() * 2));
                    return true;
                }
                spin_loop();
            }
            // Whom this waits for may be waiting for this very processor: systems like to wake a thread where its waker runs.
            thread::yield_now();
            if clock::now().saturating_duration_since(began) >= self.now.get() {
                self.now.set(SHORTEST.max(self.now.get() / 2));
                return false;
            }
        }
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

    #[test]
    fn looks_in_vain_make_the_next_shorter_and_others_longer() {
        let patience = Patience::new(4 * SHORTEST);
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
        let patience = Patience::new(2 * SHORTEST);
        let looks = Cell::new(0);
        let look = || patience.look(|| looks.replace(looks.get() + 1) > 0);
        patience.learn(false);
        assert!(!patience.look(|| false), "one wait tells nothing");
        patience.learn(false);
        assert!(!look());
        assert_eq!(looks.replace(0), 1);
        patience.learn(true);
        assert!(look());
    }
}

//! The one door to chance.
//!
//! Each worker has two generators of its own, seeded from the runtime's seed, so that a deterministic flavour can choose
//! the seed: one for what the scheduler draws, and one for what the futures draw that it polls. The latter is lent to the thread meanwhile, where
//! whoever draws finds it. So what a scheduler draws depends on no future, and a worker that moves from thread to thread takes its chances along.
//! A thread that is in no runtime has a generator too.

use std::cell::Cell;

pub(crate) use fastrand::Rng;

/// A seed that differs from run to run.
pub(crate) fn seed() -> u64 {
    fastrand::u64(..)
}

thread_local! {
    /// The state of the thread's generator; 0 if it has drawn nothing yet. Without a destructor.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A number below `bound`, from the generator of this thread.
#[cfg(feature = "macros")]
#[inline]
pub(crate) fn below(bound: u32) -> u32 {
    let state = match STATE.get() {
        0 => begin(),
        state => state,
    };
    let mut generator = Rng::with_seed(state);
    let drawn = generator.u32(..);
    STATE.set(generator.get_seed());
    // The high half of the product: even but for some 2^-32, and without a division.
    ((u64::from(drawn) * u64::from(bound)) >> 32) as u32
}

#[cfg(feature = "macros")]
#[cold]
fn begin() -> u64 {
    seed()
}

/// A generator that can be lent to the thread.
#[derive(Debug)]
pub(crate) struct Source(Cell<u64>);

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Source(Cell::new(Rng::with_seed(seed).u64(..)))
    }

    /// Makes it the thread's until the guard is dropped.
    pub(crate) fn lend(&self) -> Lent<'_> {
        Lent { source: self, before: STATE.replace(self.0.get()) }
    }
}

/// Takes the generator back when dropped, and restores the one before.
pub(crate) struct Lent<'a> {
    source: &'a Source,
    before: u64,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.source.0.set(STATE.replace(self.before));
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests {
    use super::*;

    fn ten() -> Vec<u32> {
        (0..10).map(|_| below(1000)).collect()
    }

    #[test]
    fn what_a_source_gives_depends_on_its_seed_alone() {
        let drawn = |source: &Source| {
            let _lent = source.lend();
            ten()
        };
        let (one, same, other) = (Source::new(7), Source::new(7), Source::new(8));
        let first = drawn(&one);
        ten();
        let second = drawn(&one);
        assert_ne!(first, second, "it goes on where it was");
        assert_eq!((first, second), (drawn(&same), drawn(&same)));
        assert_ne!(drawn(&one), drawn(&other));
    }

    #[test]
    fn a_source_inside_another_leaves_that_alone() {
        let outer = Source::new(7);
        let expected = {
            let source = Source::new(7);
            let _lent = source.lend();
            ten()
        };
        let _lent = outer.lend();
        {
            let inner = Source::new(9);
            let _lent = inner.lend();
            ten();
        }
        assert_eq!(ten(), expected);
    }

    #[test]
    fn every_number_below_the_bound_is_drawn_about_as_often() {
        let source = Source::new(1);
        let _lent = source.lend();
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[below(5) as usize] += 1);
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_thread_outside_of_any_runtime_draws_too() {
        let draws = |_| std::thread::spawn(ten).join().unwrap();
        assert_ne!(draws(1), draws(2));
    }
}

//! The one door to chance.
//!
//! Each worker has a generator of its own, seeded from the runtime's seed, so that a deterministic flavour can choose
//! the seed.

pub(crate) use fastrand::Rng;

/// A seed that differs from run to run.
pub(crate) fn seed() -> u64 {
    fastrand::u64(..)
}

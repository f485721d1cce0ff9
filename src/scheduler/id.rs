//! Identifiers of runtimes and local sets.

use crate::primitives::plain::{AtomicU64, Ordering};
use std::fmt;
use std::num::NonZeroU64;

/// Identifies a runtime, or a [`LocalSet`](crate::task::LocalSet), among all of this process. None is used twice.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let here = rt::runtime::Handle::current().id();
/// let other = rt::runtime::Runtime::new().unwrap();
/// assert_ne!(here, other.handle().id());
/// println!("runtime {here}");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Ordering: Relaxed, only uniqueness matters.
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Id(NonZeroU64::new(next).expect("2^64 runtimes take longer than anybody waits"))
    }

    /// As a number, which is not 0.
    pub(super) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

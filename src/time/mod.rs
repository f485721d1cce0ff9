//! Waiting for a time: sleeps, timeouts, intervals.
//!
//! ```
//! use rt::time::{Duration, sleep, timeout};
//!
//! # #[rt::main]
//! # async fn main() {
//! sleep(Duration::from_millis(1)).await;
//! assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
//! # }
//! ```
//!
//! Nothing here completes early. How late it completes is up to the system's timers and to how busy the workers are:
//! usually under 2 ms. A deadline that has passed already completes at once. Durations too long to be represented are
//! taken as about 30 years.

mod instant;
mod interval;
#[cfg(feature = "test-util")]
mod pause;
mod sleep;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
#[cfg(feature = "test-util")]
pub use pause::{advance, pause, resume};
pub use sleep::{Sleep, sleep, sleep_until};
#[doc(no_inline)]
pub use std::time::Duration;
pub use timeout::{Timeout, timeout, timeout_at};

/// What goes wrong with timers.
pub mod error {
    pub use super::timeout::Elapsed;
}

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
//! Nothing here completes early. A timer is late by less than a sixteenth of its wait, or up to 16 us if the wait is short, and less than
//! 1.05 ms, so that many may share one wake-up, and by what the system's timers and busy workers add: usually 0.1 ms, or up to a millisecond if the wait is longer than 16 ms.
//! The clock is the machine's monotonic one: it does not jump, and on Linux it does not count the time that the machine is suspended.
//!
//! A deadline that has passed already completes at once. Durations too long to be represented are taken as about 30 years.
//!
//! In tests time can stand still: `pause`, `advance` and `resume`, with the feature `test-util`.

pub mod error;
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

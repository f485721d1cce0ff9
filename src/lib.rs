#![doc = include_str!("../README.md")]

// `::rt` also inside this crate, for what the macros expand to in its own tests.
#[cfg(test)]
extern crate self as rt;

mod blocking;
mod driver;
#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(any(feature = "fs", feature = "io-std", feature = "io-util", feature = "net"))]
pub mod io;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod macros;
#[cfg(feature = "net")]
#[macro_use]
pub mod net;
mod primitives;
#[cfg(all(unix, feature = "process"))]
pub mod process;
pub mod runtime;
mod scheduler;
#[cfg(all(unix, feature = "signal"))]
pub mod signal;
pub mod task;
#[cfg(feature = "time")]
pub mod time;
#[cfg_attr(not(feature = "tracing"), path = "no_trace.rs")]
mod trace;

#[cfg(rt_count)]
#[doc(hidden)]
pub use primitives::counted::{Foreign, take_foreign};

/// For `tests/fuzz`: what a fuzzer may run.
#[cfg(all(fuzzing, feature = "time"))]
#[doc(hidden)]
pub mod fuzzing {
    /// # Panics
    ///
    /// If the timing wheel differs from a sorted map.
    pub fn timers(data: &[u8]) {
        crate::driver::run_timer_model(data);
    }
}

pub use task::spawn;

#[cfg(feature = "macros")]
pub use rt_macros::{main, test};

/// Channels and locks for async code: tokio's own, which work on any runtime.
#[cfg(feature = "sync")]
pub use tokio::sync;

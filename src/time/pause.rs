//! Time that stands still.

use crate::runtime::Handle;
use std::time::Duration;

/// Lets the time of this runtime stand still: [`Instant::now`](super::Instant::now) returns the same from now on, and only [`advance`] moves it;
/// or it moves by itself, when the runtime has nothing to run and waits.
///
/// Then it jumps to the next deadline at once, so that a program which sleeps for hours takes no time. It waits with that while closures are
/// with [`spawn_blocking`](crate::task::spawn_blocking), but not for sockets, other processes, or threads that the runtime does not know: what they do
/// takes real time, and none passes here.
///
/// In paused time, and once it was paused, timers are exact to the nanosecond. On threads outside the runtime time goes on as ever. Needs the feature
/// `test-util`.
///
/// ```
/// use rt::time::{self, Duration, Instant};
///
/// # #[rt::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3600)).await; // takes no time
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # }
/// ```
///
/// # Panics
///
/// If time stands still already, or if this thread is not in a current-thread runtime with timers: with several workers nobody could say
/// when nothing else can happen.
#[track_caller]
pub fn pause() {
    if !Handle::with_pausable(|driver| driver.pause_time()) {
        panic!("time is paused already");
    }
}

/// Lets the time of this runtime go on, from where it stands.
///
/// # Panics
///
/// If time does not stand still, or as [`pause`] does.
#[track_caller]
pub fn resume() {
    if !Handle::with_pausable(|driver| driver.resume_time()) {
        panic!("{NOT_PAUSED}");
    }
}

/// Moves the paused time of this runtime.
///
/// When it returns, each task that waited for a timer whose deadline has been reached was polled at least once. What these tasks do next may take
/// more polls. Time jumps: a task that wakes sees the time after the jump, not its deadline; one that then sleeps anew does so from there.
///
/// ```
/// use rt::time::{self, Duration};
///
/// # #[rt::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let task = rt::spawn(time::sleep(Duration::from_millis(10)));
/// rt::task::yield_now().await; // it begins to sleep
/// time::advance(Duration::from_millis(9)).await;
/// assert!(!task.is_finished());
/// time::advance(Duration::from_millis(1)).await;
/// assert!(task.is_finished());
/// # }
/// ```
///
/// # Cancel safety
///
/// The time is moved at the first poll. Dropping the future afterwards means not to wait for those tasks.
///
/// # Panics
///
/// If time does not stand still, or as [`pause`] does.
pub async fn advance(duration: Duration) {
    if !Handle::with_pausable(|driver| driver.advance_time(duration)) {
        panic!("{NOT_PAUSED}");
    }
    // On one thread, tasks run in the order in which they were woken: this one after those. If the runtime shuts down meanwhile, so does the caller.
    let _ = crate::spawn(async {}).await;
}

const NOT_PAUSED: &str = "time is not paused: call `time::pause`, or `start_paused` on the runtime's builder, first";

//! Stands in for `timers` where the feature `time` is off: there are none.

use super::bell::Bell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Timers;

/// As of `timers`: all zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimerStatistics {
    pub(crate) armed: u64,
    pub(crate) fired: u64,
    pub(crate) cancelled: u64,
}

impl Timers {
    pub(super) fn new(_shards: usize, _bell: &Arc<Bell>) -> Self {
        Timers
    }

    pub(super) fn is_enabled(&self) -> bool {
        false
    }

    pub(super) fn begin_wait(&self) -> Option<Duration> {
        None
    }

    pub(super) fn end_wait(&self) {}

    pub(super) fn fire(&self, _woken: &mut [Waker]) {}

    pub(super) fn statistics(&self) -> TimerStatistics {
        TimerStatistics::default()
    }

    pub(super) fn shut_down(&self, _woken: &mut [Waker]) {}
}

//! Stands in for `timers` where the feature `time` is off: there are none.

use std::task::Waker;
use std::time::{Duration, Instant};

/// Cannot be made.
#[derive(Debug)]
pub(super) enum Timers {}

impl Timers {
    pub(super) fn enabled(_wanted: bool, _shards: usize) -> Option<Self> {
        None
    }

    pub(super) fn begin_wait(&self, _now: Instant) -> Option<Duration> {
        match *self {}
    }

    pub(super) fn end_wait(&self) {
        match *self {}
    }

    pub(super) fn fire(&self, _now: Instant, _woken: &mut [Waker]) {
        match *self {}
    }

    pub(super) fn shut_down(&self, _woken: &mut [Waker]) {
        match *self {}
    }
}

//! What all clones of a pool share, and how it is counted.

use crate::{Manager, Options, Status};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) struct Shared<M: Manager> {
    pub(crate) manager: M,
    pub(crate) options: Options,
    /// Fair: tokio's semaphore serves who came first. Closed with the pool.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) closed: CancellationToken,
    /// Those that nobody uses; the last is the one that was used last, and the next to be used again.
    idle: Mutex<Vec<Idle<M>>>,
    /// How many slots are taken.
    size: watch::Sender<usize>,
}

/// The place of a connection among the pool's, which is free again when this is dropped.
pub(crate) struct Slot(watch::Sender<usize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.send_modify(|size| *size -= 1);
    }
}

/// A connection that nobody uses.
pub(crate) struct Idle<M: Manager> {
    // Dropped before the slot: a place is not free as long as the connection is open.
    pub(crate) connection: M::Connection,
    made: Instant,
    used: Instant,
    /// When somebody last knew that it was good.
    proven: Instant,
    slot: Slot,
}

impl<M: Manager> Idle<M> {
    pub(crate) fn new(connection: M::Connection, slot: Slot) -> Idle<M> {
        Idle::from_parts(connection, Instant::now(), slot)
    }

    pub(crate) fn from_parts(connection: M::Connection, made: Instant, slot: Slot) -> Idle<M> {
        let now = Instant::now();
        Idle { connection, made, used: now, proven: now, slot }
    }

    pub(crate) fn into_parts(self) -> (M::Connection, Instant, Slot) {
        (self.connection, self.made, self.slot)
    }

    /// It was looked at, which is not to use it.
    pub(crate) fn note_proven(&mut self) {
        self.proven = Instant::now();
    }
}

pub(crate) enum Found<M: Manager> {
    /// Good as far as anybody knows.
    Fresh(Idle<M>),
    /// To be checked first.
    Doubtful(Idle<M>),
    /// A place for a new one.
    Nothing(Slot),
    /// The pool has been closed.
    Closed,
}

impl<M: Manager> Shared<M> {
    pub(crate) fn new(manager: M, options: Options) -> Shared<M> {
        let permits = Arc::new(Semaphore::new(options.max_size));
        let (idle, size) = (Mutex::new(Vec::new()), watch::Sender::new(0));
        Shared { manager, options, permits, closed: CancellationToken::new(), idle, size }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<M>>> {
        // A connection whose `drop` panics is none of the pool's, nor of who comes next.
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// For who has a permit. There is a place if nothing is idle: all others are with those who have the other permits.
    pub(crate) fn find(&self) -> Found<M> {
        let found = {
            let mut idle = self.idle();
            if self.closed.is_cancelled() {
                return Found::Closed;
            }
            // Taken under the lock, as everything is that changes what is idle and what is not.
            idle.pop().ok_or_else(|| self.take_slot())
        };
        let now = Instant::now();
        match found {
            Err(slot) => Found::Nothing(slot),
            Ok(old) if now.duration_since(old.made) >= self.options.max_lifetime => {
                // Closed here, and a new one takes its place at once.
                let (connection, _, slot) = old.into_parts();
                drop(connection);
                Found::Nothing(slot)
            }
            Ok(idle) if now.duration_since(idle.proven) >= self.options.check_after => Found::Doubtful(idle),
            Ok(idle) => Found::Fresh(idle),
        }
    }

    fn take_slot(&self) -> Slot {
        self.size.send_modify(|size| *size += 1);
        Slot(self.size.clone())
    }

    /// A place for one more connection that nobody has asked for, if there are fewer than there should be.
    pub(crate) fn slot_below_min(&self) -> Option<Slot> {
        let _idle = self.idle();
        // In a statement of its own: what `borrow` returns is a lock on the value that `take_slot` changes.
        let size = *self.size.borrow();
        (size < self.options.min_size).then(|| self.take_slot())
    }

    /// To be called before the permit is given back, so that who gets it finds the connection.
    pub(crate) fn put(&self, idle: Idle<M>) {
        let mut list = self.idle();
        if !self.closed.is_cancelled() {
            list.push(idle);
        }
    }

    /// Takes out one that is too old, or that nobody has used for too long. For who has a permit, as the next.
    pub(crate) fn take_expired(&self) -> Option<Idle<M>> {
        let (now, options) = (Instant::now(), &self.options);
        let mut idle = self.idle();
        let is_spare = *self.size.borrow() > options.min_size;
        let place = idle.iter().position(|idle| {
            let is_old = now.duration_since(idle.made) >= options.max_lifetime;
            is_old || (is_spare && now.duration_since(idle.used) >= options.idle_timeout)
        })?;
        Some(idle.remove(place))
    }

    /// Takes out one of which nobody has known for too long whether it is good.
    pub(crate) fn take_doubtful(&self) -> Option<Idle<M>> {
        let now = Instant::now();
        let mut idle = self.idle();
        let place = idle.iter().position(|idle| now.duration_since(idle.proven) >= self.options.check_after)?;
        Some(idle.remove(place))
    }

    /// Puts one back that was looked at, where it was: in the order of use.
    pub(crate) fn put_back(&self, checked: Idle<M>) {
        let mut idle = self.idle();
        if !self.closed.is_cancelled() {
            let place = idle.partition_point(|idle| idle.used <= checked.used);
            idle.insert(place, checked);
        }
    }

    pub(crate) fn status(&self) -> Status {
        let idle = self.idle().len();
        Status { size: *self.size.borrow(), idle }
    }

    pub(crate) fn close(&self) {
        self.permits.close();
        // Under the lock: whoever gives one back later sees it.
        let idle = {
            let mut idle = self.idle();
            self.closed.cancel();
            std::mem::take(&mut *idle)
        };
        drop(idle);
    }

    pub(crate) async fn is_empty(&self) {
        let mut size = self.size.subscribe();
        // An error would say that the sender is gone, and it is here.
        let _ = size.wait_for(|size| *size == 0).await;
    }
}

impl<M: Manager> Drop for Shared<M> {
    fn drop(&mut self) {
        // For the maintenance.
        self.closed.cancel();
    }
}

//! A connection that somebody has.

use crate::Manager;
use crate::shared::{Idle, Shared, Slot};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// A connection of one's own. Dropped, it goes back to the pool.
pub struct Pooled<M: Manager> {
    /// None: it has gone back, or was taken out.
    connection: Option<(M::Connection, Slot)>,
    made: Instant,
    shared: Arc<Shared<M>>,
    /// Given back after the connection, as fields are dropped after `drop`.
    _permit: OwnedSemaphorePermit,
}

impl<M: Manager> Pooled<M> {
    pub(crate) fn new(idle: Idle<M>, shared: Arc<Shared<M>>, permit: OwnedSemaphorePermit) -> Pooled<M> {
        let (connection, made, slot) = idle.into_parts();
        Pooled { connection: Some((connection, slot)), made, shared, _permit: permit }
    }

    /// Closes it. For one that has failed, or that somebody left in the middle of something.
    pub fn discard(mut self) {
        self.connection = None;
    }

    /// How long ago it was made.
    pub fn age(&self) -> std::time::Duration {
        self.made.elapsed()
    }
}

const THERE: &str = "it is there until it is dropped";

impl<M: Manager> Deref for Pooled<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.connection.as_ref().expect(THERE).0
    }
}

impl<M: Manager> DerefMut for Pooled<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.connection.as_mut().expect(THERE).0
    }
}

impl<M: Manager> Drop for Pooled<M> {
    fn drop(&mut self) {
        if let Some((connection, slot)) = self.connection.take() {
            self.shared.put(Idle::from_parts(connection, self.made, slot));
        }
    }
}

impl<M: Manager<Connection: fmt::Debug>> fmt::Debug for Pooled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}

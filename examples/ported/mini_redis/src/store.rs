//! Keys and values, and when they expire.
//!
//! A value is gone when its time has come, whoever asks; [`Store::purge`] frees the memory of those nobody asks for.

use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Shared by all connections: clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct Store(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    // No lock is held over an `await`, so std's does.
    state: Mutex<State>,
    /// The first deadline has changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Bytes, Entry>,
    /// Of all entries that have one, the first first.
    deadlines: BTreeSet<(Instant, Bytes)>,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    deadline: Option<Instant>,
}

/// A time to live that reaches beyond what the clock can say.
#[derive(Debug)]
pub struct TooLong;

impl Store {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nobody panics with the lock")
    }

    /// The value of `key`, unless there is none, or its time has come.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let state = self.state();
        let entry = state.entries.get(key)?;
        entry.deadline.is_none_or(|deadline| Instant::now() < deadline).then(|| entry.value.clone())
    }

    /// Gives `key` a value, and with it a new time to live, or none.
    ///
    /// # Errors
    ///
    /// If the time to live is too long for this machine's clock.
    pub fn set(&self, key: Bytes, value: Bytes, expires_in: Option<Duration>) -> Result<(), TooLong> {
        let deadline = match expires_in {
            Some(time) => Some(Instant::now().checked_add(time).ok_or(TooLong)?),
            None => None,
        };
        let mut state = self.state();
        let first = state.first_deadline();
        state.remove(&key);
        if let Some(deadline) = deadline {
            state.deadlines.insert((deadline, key.clone()));
        }
        state.entries.insert(key, Entry { value, deadline });
        let changed = state.first_deadline() != first;
        drop(state);
        if changed {
            self.0.changed.notify_one();
        }
        Ok(())
    }

    /// Removes `key`. True: it was there.
    pub fn remove(&self, key: &[u8]) -> bool {
        let now = Instant::now();
        self.state().remove(key).is_some_and(|entry| entry.deadline.is_none_or(|deadline| now < deadline))
    }

    /// How many values take up memory.
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes what has expired, for ever. One such future for each store is enough.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: another one goes on.
    pub async fn purge(&self) {
        loop {
            let next = self.state().remove_expired(Instant::now());
            // A change that came since is not missed: a permit of the `Notify` is left for us.
            match next {
                Some(deadline) => select! {
                    () = sleep_until(deadline) => {}
                    () = self.0.changed.notified() => {}
                },
                None => self.0.changed.notified().await,
            }
        }
    }
}

impl State {
    fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        Some(entry)
    }

    /// Returns the next deadline.
    fn remove_expired(&mut self, now: Instant) -> Option<Instant> {
        while let Some((deadline, _)) = self.deadlines.first() {
            if *deadline > now {
                return Some(*deadline);
            }
            if let Some((_, key)) = self.deadlines.pop_first() {
                self.entries.remove(&key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    fn set(store: &Store, key: &'static str, expires_in: Option<Duration>) {
        store.set(key.into(), "value".into(), expires_in).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_there_until_its_time_has_come_and_not_longer() {
        let store = Store::default();
        set(&store, "key", Some(SECOND));
        advance(SECOND - Duration::from_millis(1)).await;
        assert!(store.get(b"key").is_some());
        advance(Duration::from_millis(1)).await;
        assert!(store.get(b"key").is_none());
        assert!(!store.remove(b"key"), "it was not there any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_value_has_a_new_time_to_live() {
        let store = Store::default();
        set(&store, "key", Some(SECOND));
        set(&store, "key", Some(3 * SECOND));
        advance(2 * SECOND).await;
        assert!(store.get(b"key").is_some());
        set(&store, "key", None);
        advance(2 * SECOND).await;
        assert!(store.get(b"key").is_some());
        assert!(store.set("key".into(), "value".into(), Some(Duration::MAX)).is_err());
        assert!(store.get(b"key").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_expired_is_freed_although_nobody_asks() {
        let store = Store::default();
        let purging = tokio::spawn({
            let store = store.clone();
            async move { store.purge().await }
        });
        // The later one first: the sooner one must wake who waits for it.
        set(&store, "late", Some(3 * SECOND));
        yield_now().await;
        set(&store, "soon", Some(SECOND));
        set(&store, "never", None);
        yield_now().await;
        for left in [2, 2, 1, 1] {
            tokio::time::sleep(SECOND).await;
            // It may be woken after this task is.
            yield_now().await;
            assert_eq!(store.len(), left);
        }
        assert!(!purging.is_finished());
        purging.abort();
    }
}

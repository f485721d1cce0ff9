//! All local sets of this process, for dumps.
//!
//! A dump may look at a set from any thread: what it sees of a task is in the registry, behind a lock, and in the part of the cell that many
//! threads share. It touches no future, and no queue.

use super::Set;
use crate::primitives::Mutex;
use crate::primitives::plain::Ordering;
use crate::scheduler::Id;
use std::sync::{Arc, OnceLock, Weak};

fn list() -> &'static Mutex<Vec<Weak<Set>>> {
    static SETS: OnceLock<Mutex<Vec<Weak<Set>>>> = OnceLock::new();
    SETS.get_or_init(Mutex::default)
}

pub(super) fn add(set: &Arc<Set>) {
    // A lock of loom's belongs to one run of one model.
    if cfg!(rt_loom) {
        return;
    }
    let mut sets = list().lock();
    if sets.len() == sets.capacity() {
        // Before it grows, those that have gone are forgotten.
        sets.retain(|set| set.strong_count() > 0);
    }
    sets.push(Arc::downgrade(set));
}

/// Those that are there.
fn sets() -> Vec<Arc<Set>> {
    list().lock().iter().filter_map(Weak::upgrade).collect()
}

/// Those that were last driven by a thread of this scheduler, or in its `block_on`.
pub(crate) fn sets_of(scheduler: Id) -> Vec<Arc<Set>> {
    let mut sets = sets();
    // Ordering: Relaxed; it may be driven elsewhere by the time that anybody looks.
    sets.retain(|set| set.driver.load(Ordering::Relaxed) == scheduler.as_u64());
    sets
}

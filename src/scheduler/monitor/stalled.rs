//! How many polls of a task took too long, of those tasks that had one lately.
//!
//! Hardly a task ever has one, so that a word in each would be memory for nothing: they are in a table, of the last so many.

use crate::primitives::Mutex;
use crate::task::Id;
use std::collections::{HashMap, VecDeque};

/// Tasks in the table. Half as many, and a program that stalls much forgets what is still there; twice as many take some 40 KiB more.
const MOST: usize = 1024;

/// See the module's page.
#[derive(Debug, Default)]
pub(in super::super) struct Stalled(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: HashMap<Id, u64>,
    /// In the order of their first.
    order: VecDeque<Id>,
}

impl Stalled {
    /// A poll of the task has begun to take too long.
    pub(super) fn count(&self, task: Id) {
        let mut state = self.0.lock();
        if let Some(count) = state.counts.get_mut(&task) {
            *count += 1;
            return;
        }
        if state.order.len() == MOST
            && let Some(first) = state.order.pop_front()
        {
            state.counts.remove(&first);
        }
        state.order.push_back(task);
        state.counts.insert(task, 1);
    }

    /// The counts of all that are in the table.
    pub(in super::super) fn counts(&self) -> HashMap<Id, u64> {
        self.0.lock().counts.clone()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn id(number: u64) -> Id {
        Id::from_number(std::num::NonZeroU64::new(number).unwrap())
    }

    #[test]
    fn the_last_so_many_tasks_are_kept() {
        let stalled = Stalled::default();
        for number in 1..=MOST as u64 + 2 {
            stalled.count(id(number));
            stalled.count(id(number));
        }
        let counts = stalled.counts();
        assert_eq!(counts.len(), MOST);
        assert_eq!((counts.get(&id(2)), counts.get(&id(3))), (None, Some(&2)));
    }
}

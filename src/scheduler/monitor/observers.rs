//! What the monitor keeps open to ask the system what suspects do.
//!
//! A pool whose polls are often long has the same few suspects again and again. To ask of one is two system calls if its files are open, and
//! six if not. When nobody is at work any more, all are closed.

use crate::primitives::os_thread::{self, Doing, Observer};

/// By worker: the thread that it was by the last question.
#[derive(Debug, Default)]
pub(super) struct Observers(Vec<Option<(u32, Observer)>>);

/// So many workers' files are kept open, two each. Beyond that are mostly spares, which may be hundreds, and a program has but a thousand files
/// by default; with fewer, large pools pay for each question.
const MOST: usize = 64;

impl Observers {
    /// What that worker does, which is the thread of that number now.
    pub(super) fn doing(&mut self, worker: usize, thread: u32) -> Doing {
        if worker >= MOST {
            return os_thread::doing(thread);
        }
        if self.0.len() <= worker {
            self.0.resize_with(worker + 1, || None);
        }
        let place = &mut self.0[worker];
        // A worker may have ended on one thread and begun on another.
        place.take_if(|(known, _)| *known != thread);
        let doing = place.get_or_insert_with(|| (thread, Observer::new(thread))).1.doing();
        if doing != Doing::Runs(None) {
            return doing;
        }
        // That thread may have ended, and another one have got its number.
        place.insert((thread, Observer::new(thread))).1.doing()
    }

    /// Closes all files.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(all(test, target_os = "linux", not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn files_are_opened_once_for_each_thread_of_a_worker_and_of_not_too_many() {
        let mut observers = Observers::default();
        let here = os_thread::current();
        for worker in [2, 2, MOST] {
            assert!(matches!(observers.doing(worker, here), Doing::Runs(Some(_))));
        }
        assert_eq!(observers.0.iter().flatten().count(), 1);
        assert_eq!(observers.doing(2, u32::MAX), Doing::Runs(None), "there is no such thread");
        assert_eq!(observers.0[2].as_ref().map(|(thread, _)| *thread), Some(u32::MAX));
        observers.clear();
        assert_eq!(observers.0.iter().flatten().count(), 0);
    }
}

//! Which task asks.

use crate::scheduler;
use crate::task::{Id, Whose};

/// The identifier of the task that calls this.
///
/// Also while its future or an output that nobody took is dropped, and in a closure of [`spawn_blocking`](crate::task::spawn_blocking). The
/// future of [`block_on`](crate::runtime::Runtime::block_on) is no task of its own: inside a task it is a part of that, elsewhere of none.
///
/// Costs a task nothing until it asks; this call is some tens of nanoseconds.
///
/// ```
/// # #[rt::main]
/// # async fn main() {
/// let task = rt::spawn(async { rt::task::id() });
/// let id = task.id();
/// assert_eq!(task.await.unwrap(), id);
/// # }
/// ```
///
/// # Panics
///
/// Outside a task. [`try_id`] does not panic.
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => panic!(
            "`task::id` was called outside a task: the future of `block_on` and of `#[rt::main]` is none, and has no id. Spawn it, or use \
             `task::try_id`"
        ),
    }
}

/// The identifier of the task that calls this, or `None` outside a task; see [`id`].
///
/// ```
/// assert_eq!(rt::task::try_id(), None);
/// ```
pub fn try_id() -> Option<Id> {
    match Whose::now() {
        Whose::Polled => scheduler::polled(),
        Whose::Task(id) => Some(id),
        Whose::Nobody => None,
    }
}

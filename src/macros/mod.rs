//! What `select!`, `join!`, `try_join!` and `pin!` expand to. The macros themselves are at the crate's root; nothing here is meant
//! to be named by anybody else.
//!
//! Inside: each macro gives every future a name of its own, which the user cannot write, and stores all of them in one tuple behind a
//! reference. That they are pinned there is the one promise that the expansions make by themselves; what is to be decided, at which
//! future to begin above all, is decided by the functions here.

mod join;
mod pin;
mod select;

pub use join::{Always, InOrder, InTurn, Lap, Slot};
pub use rt_macros::explain_select;
pub use select::{from_any, in_order, poll_budget};
pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::pin::{Pin, pin};
pub use std::result::Result::{self, Err, Ok};
pub use std::task::Poll;

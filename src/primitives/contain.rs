//! Keeping panics of the user's code out of the runtime's.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code` of the user's. A panic in it ends here: the panic hook has reported it, and there is nobody to hand it to.
pub(crate) fn contain(code: impl FnOnce()) {
    discard(catch_unwind(AssertUnwindSafe(code)));
}

/// Lets go of what a panic carried, which may panic once more when it is dropped. What that panic carries is leaked:
/// dropping it could go on so for ever.
pub(crate) fn discard<T>(result: std::thread::Result<T>) {
    if let Err(payload) = result
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}

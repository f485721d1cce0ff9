//! Keeping panics of the user's code out of the runtime's.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code` of the user's. A panic in it ends here: the panic hook has reported it, and there is nobody to hand it to.
pub(crate) fn contain(code: impl FnOnce()) {
    discard(catch_unwind(AssertUnwindSafe(code)));
}

/// How often what a panic carried may panic when it is dropped. One that always does would go on so for ever.
const DEPTH: usize = 8;

/// Lets go of what a panic carried, which may panic once more when it is dropped, and so on; the rest is leaked then.
pub(crate) fn discard<T>(result: std::thread::Result<T>) {
    let mut payload = result.err();
    for _ in 0..DEPTH {
        let Some(carried) = payload else {
            return;
        };
        payload = catch_unwind(AssertUnwindSafe(|| drop(carried))).err();
    }
    std::mem::forget(payload);
}

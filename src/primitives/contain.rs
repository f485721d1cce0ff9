//! Keeping panics of the user's code out of the runtime's.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code` of the user's. A panic in it ends here: the panic hook has reported it, and there is nobody to hand it to.
#[inline]
pub(crate) fn contain(code: impl FnOnce()) {
    discard(catch_unwind(AssertUnwindSafe(code)));
}

/// How often what a panic carried may panic when it is dropped. One that always does would go on so for ever.
const DEPTH: usize = 8;

/// Lets go of what a panic carried, if there was one.
#[inline]
pub(crate) fn discard<T>(result: std::thread::Result<T>) {
    if let Err(payload) = result {
        discard_payload(payload);
    }
}

/// The payload may panic once more when it is dropped, and so on; the rest is leaked then.
#[cold]
fn discard_payload(payload: Box<dyn Any + Send>) {
    let mut payload = Some(payload);
    for _ in 0..DEPTH {
        let Some(carried) = payload else {
            return;
        };
        payload = catch_unwind(AssertUnwindSafe(|| drop(carried))).err();
    }
    std::mem::forget(payload);
}

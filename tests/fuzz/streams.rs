//! Random operations at both ends of a stream, beside a model of it.
//!
//!     cargo +nightly fuzz run --fuzz-dir tests/fuzz streams -- -max_total_time=60

#![no_main]

#[path = "../support/streams.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use std::cell::OnceCell;

thread_local! {
    static RUNTIME: OnceCell<rt::runtime::Runtime> = const { OnceCell::new() };
}

/// Rust's own start of a program does that; libFuzzer's is another. Without it, a vectored write to a stream that has ended kills
/// the process.
fn ignore_broken_pipes() {
    // SAFETY: `SIG_IGN` is no handler that could do anything wrong.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fuzz_target!(init: ignore_broken_pipes(), |script: &[u8]| {
    RUNTIME.with(|runtime| {
        let new = || rt::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.get_or_init(new).block_on(model::run(script));
    });
});

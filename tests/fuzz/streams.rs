//! Random operations at both ends of a stream, beside a model of it.

#![no_main]

#[path = "../support/streams.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use std::cell::OnceCell;

thread_local! {
    static RUNTIME: OnceCell<rt::runtime::Runtime> = const { OnceCell::new() };
}

fuzz_target!(|script: &[u8]| {
    RUNTIME.with(|runtime| {
        let new = || rt::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.get_or_init(new).block_on(model::run(script));
    });
});

//! The timing wheel beside a sorted map: any sequence of operations does the same to both. What the bytes mean says
//! `src/driver/timers/model.rs`.
//!
//!     cargo +nightly fuzz run --fuzz-dir tests/fuzz timers -- -max_total_time=60

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rt::fuzzing::timers(data));

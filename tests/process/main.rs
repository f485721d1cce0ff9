//! Child processes: starting, talking, waiting, killing; and that none is left in the system's table, whatever is dropped first.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod drops;
mod streams;
mod table;
mod waits;
mod without_descriptors;

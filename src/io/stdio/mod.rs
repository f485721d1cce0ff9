//! Standard input, output and error.

mod output;
mod stdin;

pub use output::{Stderr, Stdout, stderr, stdout};
pub use stdin::{Stdin, stdin};

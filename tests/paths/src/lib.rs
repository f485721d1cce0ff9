//! Compares what this crate shows with what tokio shows.
//!
//! `tokio.txt` is the list of tokio's stable public items, made from its documentation:
//!
//! ```text
//! cargo doc --no-deps -p tokio          # somewhere, with the features `full` and `test-util`
//! cargo run -p rt-paths -- list target/doc/tokio path/to/tokio/Cargo.toml >tests/paths/tokio.txt
//! ```
//!
//! Ours is read from our documentation and manifest in the same way: `bash .ci/run paths`. What tokio has and we have not, or otherwise, has to be in one of the tables of
//! `docs/porting-from-tokio.md` that say so, with the reason; and what is in these tables has to be a difference.

mod compare;
mod html;
mod signature;
mod surface;

pub use compare::{Differences, Excuses};
pub use surface::{Fact, Surface};

//! Tests of the feature `tokio-compat`: see `tests/`.

/// What the page says compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tokio-compat.md")]
pub struct Page;

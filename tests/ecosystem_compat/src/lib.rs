//! Tests of the feature `tokio-compat`: see `tests/`.

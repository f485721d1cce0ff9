//! Stands in for `compat.rs` where the feature `tokio-compat` is off: there is nothing, and it costs nothing.

use super::handle::Inner;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {}

impl Wanted {
    pub(super) fn enable(&mut self) {}

    pub(super) fn start(&self, _inner: &Arc<Inner>) -> io::Result<Keep> {
        Ok(Keep {})
    }
}

#[derive(Debug, Default)]
pub(super) struct Compat {}

#[derive(Debug, Default)]
pub(super) struct Entered<'a>(PhantomData<&'a ()>);

impl Compat {
    pub(super) fn enter(&self) -> Entered<'_> {
        Entered::default()
    }

    pub(super) fn keep(&self) -> Keep {
        Keep {}
    }
}

#[derive(Debug)]
pub(super) struct Keep {}

impl Keep {
    pub(super) fn release(self) {}
}

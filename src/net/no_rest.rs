//! Without timers a listener does not rest.

use std::io;
use std::task::{Context, Poll};

#[derive(Debug, Default)]
pub(super) struct Rest(());

impl Rest {
    pub(super) fn after(&self, _error: &io::Error) {}

    pub(super) async fn wait(&self) {}

    pub(super) fn poll_wait(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

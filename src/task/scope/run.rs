//! The parent of a scope: polls the body, and ends when everything has.

use super::child::Judge;
use super::members::Seen;
use super::shared::{Failure, Shared};
use crate::task::wait;
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pin_project! {
    /// Runs a body until it and all children have ended. Gives what the body returned, or what went wrong.
    ///
    /// Dropped before that, it aborts the children, and takes no more.
    pub(super) struct Run<F: Future, T, E> {
        #[pin]
        body: Option<F>,
        judge: Judge<F::Output, T, E>,
        output: Option<T>,
        scope: Arc<Shared<E>>,
        grace: Grace,
    }

    impl<F: Future, T, E> PinnedDrop for Run<F, T, E> {
        fn drop(this: Pin<&mut Self>) {
            this.scope.members.abandon();
        }
    }
}

impl<F: Future, T, E> Run<F, T, E> {
    pub(super) fn new(scope: Arc<Shared<E>>, grace: Grace, body: F, judge: Judge<F::Output, T, E>) -> Self {
        Run { body: Some(body), judge, output: None, scope, grace }
    }

    /// Polls the body, if it is still there.
    fn poll_body(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => match (this.judge)(output) {
                Ok(output) => *this.output = Some(output),
                Err(error) => this.scope.fail(Failure::Error(error)),
            },
            Err(payload) => this.scope.fail(Failure::Panic(payload)),
        }
        drop_in_place(this.body, this.scope);
    }
}

fn drop_in_place<F, E>(mut future: Pin<&mut Option<F>>, scope: &Shared<E>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        scope.fail(Failure::Panic(payload));
    }
}

impl<F: Future, T, E> Future for Run<F, T, E> {
    type Output = Result<T, E>;

    /// # Panics
    ///
    /// With what the body or a child panicked with.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let mut has_polled = false;
        loop {
            let this = self.as_mut().project();
            let seen = this.scope.members.watch(cx.waker(), this.body.is_none());
            match seen {
                Seen::Ended => break,
                Seen::Aborted { has_failed: true } if this.body.is_some() => {
                    drop_in_place(this.body, this.scope);
                    continue;
                }
                _ => {}
            }
            if this.body.is_some() && !std::mem::replace(&mut has_polled, true) {
                self.as_mut().poll_body(cx);
                // What it has done, or others meanwhile, is seen by another look.
                continue;
            }
            if seen != Seen::Cancelled || this.grace.poll_over(cx).is_pending() {
                if this.body.is_none() {
                    wait::note_tasks(this.scope.members.len());
                }
                return Poll::Pending;
            }
            this.scope.members.end_grace();
        }
        let this = self.project();
        match this.scope.take_fatal() {
            Some(Failure::Panic(payload)) => resume_unwind(payload),
            Some(Failure::Error(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(this.output.take().expect("a body that has ended well has left its output"))),
        }
    }
}

/// How long children may go on once they are cancelled.
pub(super) struct Grace {
    #[cfg(feature = "time")]
    sleep: Option<Sleeping>,
}

impl Grace {
    pub(super) fn none() -> Self {
        Grace {
            #[cfg(feature = "time")]
            sleep: None,
        }
    }

    pub(super) fn is_some(&self) -> bool {
        #[cfg(feature = "time")]
        return self.sleep.is_some();
        #[cfg(not(feature = "time"))]
        false
    }
}

#[cfg(feature = "time")]
struct Sleeping {
    duration: std::time::Duration,
    has_begun: bool,
    sleep: Pin<Box<crate::time::Sleep>>,
}

#[cfg(feature = "time")]
impl Grace {
    /// # Panics
    ///
    /// If this thread is in no runtime with timers.
    #[track_caller]
    pub(super) fn new(duration: std::time::Duration) -> Self {
        // A sleep that is not awaited costs nothing, and one that cannot be had is known before it is needed.
        let sleep = Box::pin(crate::time::sleep(duration));
        Grace { sleep: Some(Sleeping { duration, has_begun: false, sleep }) }
    }

    /// `Ready` when the grace is over, which begins with the first call.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleeping) = &mut self.sleep else {
            return Poll::Ready(());
        };
        if !std::mem::replace(&mut sleeping.has_begun, true) {
            let now = crate::time::Instant::now();
            if let Some(end) = now.checked_add(sleeping.duration) {
                sleeping.sleep.as_mut().reset(end);
            }
        }
        sleeping.sleep.as_mut().poll(cx)
    }
}

#[cfg(not(feature = "time"))]
impl Grace {
    fn poll_over(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

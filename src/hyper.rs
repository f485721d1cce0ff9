//! What hyper asks of a runtime: [`Executor`] and [`Timer`]. Its I/O traits are on [`TcpStream`](crate::net::TcpStream).
//!
//! ```
//! use hyper::server::conn::http1;
//! # async fn serve<S, B>(stream: rt::net::TcpStream, service: S) -> hyper::Result<()>
//! # where
//! #     S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
//! #     S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
//! #     B: hyper::body::Body + 'static,
//! #     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
//! # {
//! http1::Builder::new().timer(rt::hyper::Timer::new()).serve_connection(stream, service).await
//! # }
//! ```

use crate::time;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Spawns hyper's futures with [`rt::spawn`](crate::spawn).
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor(());

impl Executor {
    /// An executor.
    pub fn new() -> Self {
        Executor(())
    }
}

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(crate::spawn(future));
    }
}

/// Gives hyper its timeouts, by [`rt::time`](crate::time).
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer(());

impl Timer {
    /// A timer.
    pub fn new() -> Self {
        Timer(())
    }
}

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep(Box::pin(time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep(Box::pin(time::sleep_until(deadline.into()))))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().0.as_mut().reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }

    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }
}

/// `Unpin`, so that hyper can hand it back to be reset.
struct Sleep(Pin<Box<time::Sleep>>);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl ::hyper::rt::Sleep for Sleep {}

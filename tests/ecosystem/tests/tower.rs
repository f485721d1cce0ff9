//! tower's services and layers: those that need no timer of tokio's, and a timeout by this runtime's time.

use rt::sync::{Barrier, Semaphore};
use rt::time::{Duration, error::Elapsed, timeout};
use rt_ecosystem::{SOON, all, assert_no_tokio, soon, without_tokio};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tower::load_shed::error::Overloaded;
use tower::retry::Policy;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn};

/// Fails a call that takes longer, as tower's layer of this name does with tokio's timers.
#[derive(Clone)]
struct Timeout<S> {
    inner: S,
    after: Duration,
}

impl<S> Timeout<S> {
    fn layer(after: Duration) -> impl Layer<S, Service = Timeout<S>> + Clone {
        layer_fn(move |inner| Timeout { inner, after })
    }
}

impl<S, Request> Service<Request> for Timeout<S>
where
    S: Service<Request, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = timeout(self.after, self.inner.call(request));
        Box::pin(async move { answer.await?.map_err(Into::into) })
    }
}

#[test]
fn no_more_calls_run_at_once_than_the_limit_allows() {
    without_tokio(|| async {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let meeting = Arc::new(Barrier::new(4));
        let counting = most.clone();
        let service = ServiceBuilder::new().concurrency_limit(4).service_fn(move |n: usize| {
            let (running, most, meeting) = (running.clone(), counting.clone(), meeting.clone());
            async move {
                assert_no_tokio();
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // As many as are allowed do run at once.
                meeting.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, BoxError>(2 * n)
            }
        });
        let calls = (0..100).map(|n| {
            let service = service.clone();
            rt::spawn(async move { assert_eq!(service.oneshot(n).await.unwrap(), 2 * n) })
        });
        all(calls.collect::<Vec<_>>()).await;
        assert_eq!(most.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn what_is_too_much_is_shed() {
    without_tokio(|| async {
        let gate = Arc::new(Semaphore::new(0));
        let passing = gate.clone();
        let mut service = ServiceBuilder::new().load_shed().concurrency_limit(1).service_fn(move |()| {
            let gate = passing.clone();
            async move { gate.acquire().await.map(drop) }
        });
        let held = service.ready().await.unwrap().call(());
        let shed = service.ready().await.unwrap().call(()).await.unwrap_err();
        assert!(shed.is::<Overloaded>(), "{shed}");
        gate.add_permits(1);
        soon(held).await.unwrap();
        soon(service.ready().await.unwrap().call(())).await.unwrap();
    });
}

/// Repeats a call that failed, as often as there are attempts left.
#[derive(Clone)]
struct Again(usize);

impl<R: Clone, T, E> Policy<R, T, E> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut R, result: &mut Result<T, E>) -> Option<Self::Future> {
        self.0 = self.0.checked_sub(usize::from(result.is_err()))?;
        result.is_err().then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

#[test]
fn a_stack_of_layers_is_a_service_that_can_be_cloned_boxed_and_called_from_tasks() {
    without_tokio(|| async {
        let service = ServiceBuilder::new()
            .boxed_clone()
            .map_request(|text: &'static str| (text, Arc::new(AtomicUsize::new(0))))
            .map_response(|length: usize| length + 1)
            .load_shed()
            .concurrency_limit(64)
            .retry(Again(2))
            .layer(Timeout::layer(SOON))
            .service(service_fn(|(text, attempts): (&'static str, Arc<AtomicUsize>)| async move {
                rt::task::yield_now().await;
                if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
                    return Err(BoxError::from("not now"));
                }
                Ok(text.len())
            }));
        let calls = (0..30).map(|_| rt::spawn(service.clone().oneshot("hello")));
        assert!(all(calls.collect::<Vec<_>>()).await.into_iter().all(|answer| answer.unwrap() == 6));
    });
}

#[test]
fn a_call_that_takes_too_long_ends_by_our_time() {
    without_tokio(|| async {
        let never = service_fn(|()| std::future::pending::<Result<(), Infallible>>());
        let service = ServiceBuilder::new().layer(Timeout::layer(Duration::from_millis(10))).service(never);
        let error = soon(service.oneshot(())).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{error}");
    });
}

/// Why there is a layer of our own above.
#[test]
fn the_timeout_of_tower_itself_needs_a_runtime_of_tokio() {
    without_tokio(|| async {
        let never = service_fn(|()| std::future::pending::<Result<(), Infallible>>());
        let service = ServiceBuilder::new().timeout(Duration::from_secs(1)).service(never);
        let error = rt::spawn(async { service.oneshot(()).await }).await.unwrap_err();
        assert!(error.is_panic());
    });
}

//! tower's layers that have tokio's timers or tasks in them.

use rt_ecosystem::{all, on_each_flavor, soon};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tower::timeout::error::Elapsed;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

#[test]
fn a_call_that_takes_too_long_ends() {
    on_each_flavor(|| async {
        let never = service_fn(|()| std::future::pending::<Result<(), Infallible>>());
        let service = ServiceBuilder::new().timeout(Duration::from_millis(10)).service(never);
        let error = soon(service.oneshot(())).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{error}");
    });
}

#[test]
fn a_buffer_shares_a_service_that_cannot_be_cloned() {
    on_each_flavor(|| async {
        let mut calls = 0;
        let count = service_fn(move |()| {
            calls += 1;
            std::future::ready(Ok::<_, BoxError>(calls))
        });
        let service = ServiceBuilder::new().buffer(8).service(count);
        let tasks = (0..100).map(|_| {
            let mut service = service.clone();
            rt::spawn(async move { service.ready().await.unwrap().call(()).await.unwrap() })
        });
        let mut counts = all(tasks.collect::<Vec<_>>()).await;
        counts.sort();
        assert_eq!(counts, (1..=100).collect::<Vec<_>>());
    });
}

#[test]
fn a_rate_is_not_exceeded() {
    on_each_flavor(|| async {
        let period = Duration::from_millis(20);
        let mut service = ServiceBuilder::new()
            .rate_limit(2, period)
            .service(service_fn(|()| std::future::ready(Ok::<_, Infallible>(()))));
        let began = Instant::now();
        for _ in 0..5 {
            service.ready().await.unwrap().call(()).await.unwrap();
        }
        assert!(began.elapsed() >= 2 * period);
    });
}

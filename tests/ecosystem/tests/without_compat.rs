//! What a crate that insists on tokio does without the feature `tokio-compat`: it panics, as docs/tokio-compat.md says.

use rt_ecosystem::{soon, without_tokio};
use std::convert::Infallible;
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const PAGE: &str = include_str!("../../../docs/tokio-compat.md");

/// Ends with its task, and with nothing else.
async fn panics_as_the_page_says<F: Future<Output: Send> + Send + 'static>(what: &str, insists: F) {
    let error = match soon(rt::spawn(insists)).await {
        Ok(_) => panic!("{what} works without tokio"),
        Err(error) => error.into_panic(),
    };
    let message = match (error.downcast_ref::<String>(), error.downcast_ref::<&str>()) {
        (Some(message), _) => message,
        (_, Some(message)) => *message,
        _ => panic!("{what} panics without a message"),
    };
    assert!(
        PAGE.lines().any(|line| line == message),
        "{what} panics with a message that is not on the page: {message}"
    );
}

#[test]
fn crates_that_insist_on_tokio_panic_with_the_message_that_the_page_explains() {
    without_tokio(|| async {
        let (_listener, address) = rt_ecosystem::listen().await;
        let redis = redis::Client::open(format!("redis://{address}/")).unwrap();
        panics_as_the_page_says("redis", async move { redis.get_multiplexed_async_connection().await }).await;
        let never = service_fn(|()| std::future::pending::<Result<(), Infallible>>());
        let service = ServiceBuilder::new().timeout(Duration::from_secs(1)).service(never);
        panics_as_the_page_says("tower", service.oneshot(())).await;
        panics_as_the_page_says("tokio::spawn", async { drop(tokio::spawn(async {})) }).await;
    });
}

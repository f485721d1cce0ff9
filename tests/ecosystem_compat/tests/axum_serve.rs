//! `axum::serve` as it is in every tutorial, and reqwest as its client, in plain tasks of this runtime.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use rt::sync::{Semaphore, oneshot};
use rt_ecosystem::{all, on_each_flavor, soon};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Numbers(Vec<i64>);

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/sorted", post(sorted)).route("/socket", any(socket))
}

/// Does what is slow elsewhere, as tasks of this runtime. It runs on tokio's thread itself.
async fn sorted(Json(mut numbers): Json<Numbers>) -> Json<Numbers> {
    rt::time::sleep(Duration::from_micros(100)).await;
    let sorting = rt::task::spawn_blocking(move || {
        numbers.0.sort();
        numbers
    });
    Json(sorting.await.unwrap())
}

async fn socket(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let text @ Message::Text(_) = message {
                socket.send(text).await.unwrap();
            }
        }
    })
}

/// Serves in a task of this runtime, with tokio's listener.
async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(rt::spawn(async { axum::serve(listener, router).await.unwrap() }));
    address
}

#[test]
fn reqwest_gets_and_posts_from_many_tasks_at_once() {
    on_each_flavor(|| async {
        let address = serve(router()).await;
        let client = reqwest::Client::new();
        let tasks = (0..50).map(|n| {
            let client = client.clone();
            rt::spawn(async move {
                let greeting = client.get(format!("http://{address}/")).send().await.unwrap();
                assert_eq!(greeting.text().await.unwrap(), "hello");
                let request = client.post(format!("http://{address}/sorted")).json(&Numbers(vec![3, n, 2]));
                let answer: Numbers = request.send().await.unwrap().json().await.unwrap();
                let mut expected = vec![3, n, 2];
                expected.sort();
                assert_eq!(answer, Numbers(expected));
            })
        });
        all(tasks.collect::<Vec<_>>()).await;
    });
}

#[test]
fn reqwest_gives_up_a_server_that_does_not_answer() {
    on_each_flavor(|| async {
        let (_listener, address) = rt_ecosystem::listen().await;
        let client = reqwest::Client::builder().timeout(Duration::from_millis(20)).build().unwrap();
        let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    });
}

#[test]
fn websockets_of_axum_echo() {
    on_each_flavor(|| async {
        let address = serve(router()).await;
        let stream = rt::net::TcpStream::connect(address).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/socket"), stream).await.unwrap();
        for n in 0..20 {
            let message = tokio_tungstenite::tungstenite::Message::text(format!("message {n}"));
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
    });
}

/// This runtime's listener under `axum::serve`, so that connections are accepted and read by this runtime.
struct Listener(rt::net::TcpListener);

impl axum::serve::Listener for Listener {
    type Io = rt::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                // The system is out of something, most likely.
                Err(_) => rt::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[test]
fn a_listener_of_this_runtime_is_served_until_a_graceful_shutdown() {
    on_each_flavor(|| async {
        let (listener, address) = rt_ecosystem::listen().await;
        let (here, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (arrived, passing) = (here.clone(), gate.clone());
        let wait = move || async move {
            arrived.add_permits(1);
            passing.acquire().await.unwrap().forget();
            "waited"
        };
        let router = router().route("/wait", get(wait));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = rt::spawn(async move {
            let stopped = async { stopped.await.unwrap() };
            axum::serve(Listener(listener), router).with_graceful_shutdown(stopped).await
        });
        let wait = rt::spawn(async move { reqwest::get(format!("http://{address}/wait")).await?.text().await });
        soon(here.acquire()).await.unwrap().forget();
        stop.send(()).unwrap();
        // The listener is gone once connections are refused.
        soon(async { while rt::net::TcpStream::connect(address).await.is_ok() {} }).await;
        assert!(!serving.is_finished());
        gate.add_permits(1);
        assert_eq!(soon(wait).await.unwrap().unwrap(), "waited");
        soon(serving).await.unwrap().unwrap();
    });
}

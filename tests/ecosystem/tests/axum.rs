//! An axum router under hyper-util's server: JSON, streams, WebSockets, and a shutdown that is graceful.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{StatusCode, header};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rt::hyper::{Executor, Timer};
use rt::net::{TcpListener, TcpStream};
use rt::sync::{Semaphore, oneshot};
use rt_ecosystem::{all, assert_no_tokio, ended, listen, soon, without_tokio};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

#[derive(Serialize, Deserialize)]
struct Sum {
    terms: Vec<i64>,
    sum: Option<i64>,
}

/// What requests wait for at `/wait`, and how many have come there.
#[derive(Clone)]
struct Waiting {
    here: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

fn router(waiting: Waiting) -> Router {
    Router::new()
        .route("/hello/{name}", get(|Path(name): Path<String>| async move { format!("hello {name}") }))
        .route("/sum", post(add))
        .route("/count/{frames}", get(count))
        .route("/echo", post(|request: Request| async { Body::new(request.into_body()) }))
        .route("/socket", any(socket))
        .route("/wait", get(wait))
        .with_state(waiting)
}

async fn add(Json(mut sum): Json<Sum>) -> Json<Sum> {
    assert_no_tokio();
    sum.sum = Some(sum.terms.iter().sum());
    Json(sum)
}

/// A body of so many frames, with a pause before each.
async fn count(Path(frames): Path<u32>) -> Body {
    Body::from_stream(stream::iter(0..frames).then(|n| async move {
        rt::time::sleep(Duration::from_micros(100)).await;
        Ok::<_, Infallible>(format!("{n};"))
    }))
}

async fn wait(State(waiting): State<Waiting>) -> &'static str {
    waiting.here.add_permits(1);
    waiting.gate.acquire().await.unwrap().forget();
    "waited"
}

/// Echoes over a WebSocket. axum's own `ws` spawns with tokio, so the handshake is done here.
async fn socket(mut request: Request) -> Response {
    let key = request.headers()[header::SEC_WEBSOCKET_KEY].clone();
    let upgrade = hyper::upgrade::on(&mut request);
    drop(rt::spawn(async move {
        let parts = auto::upgrade::downcast::<TcpStream>(upgrade.await.unwrap()).unwrap();
        let (stream, early) = (parts.io, parts.read_buf.to_vec());
        let mut socket = WebSocketStream::from_partially_read(stream, early, Role::Server, None).await;
        while let Some(message) = socket.next().await {
            match message.unwrap() {
                text @ Message::Text(_) => socket.send(text).await.unwrap(),
                _ => continue,
            }
        }
    }));
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "websocket");
    let response = response.header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()));
    response.body(Body::empty()).unwrap()
}

/// Serves until told to stop, and then until the requests under way are answered.
async fn serve(listener: TcpListener, router: Router, mut stop: oneshot::Receiver<()>) -> io::Result<()> {
    let mut server = auto::Builder::new(Executor::new());
    server.http1().timer(Timer::new()).http2().timer(Timer::new());
    let graceful = GracefulShutdown::new();
    loop {
        let stream = match futures_util::future::select(Box::pin(listener.accept()), &mut stop).await {
            futures_util::future::Either::Left((accepted, _)) => accepted?.0,
            futures_util::future::Either::Right(_) => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection_with_upgrades(stream, service).into_owned();
        let connection = graceful.watch(connection);
        drop(rt::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection of the server ended with {error}");
            }
        }));
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// A running server.
struct Server {
    address: SocketAddr,
    waiting: Waiting,
    stop: oneshot::Sender<()>,
    serving: rt::task::JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start() -> Server {
        let (listener, address) = listen().await;
        let waiting = Waiting { here: Arc::new(Semaphore::new(0)), gate: Arc::new(Semaphore::new(0)) };
        let (stop, stopped) = oneshot::channel();
        let serving = rt::spawn(serve(listener, router(waiting.clone()), stopped));
        Server { address, waiting, stop, serving }
    }
}

async fn connect_http1(address: SocketAddr) -> http1::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(stream).await.unwrap();
    drop(rt::spawn(async { ended("the client's connection", connection.await) }));
    sender
}

async fn connect_http2(address: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(Executor::new(), stream).await.unwrap();
    drop(rt::spawn(async { ended("the client's connection", connection.await) }));
    sender
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> hyper::Request<Full<Bytes>> {
    let request = hyper::Request::builder().method(method).uri(format!("http://localhost{path}"));
    let request = request.header(header::HOST, "localhost").header(header::CONTENT_TYPE, "application/json");
    request.body(Full::new(body.into())).unwrap()
}

async fn whole(response: hyper::Response<Incoming>) -> Bytes {
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap().to_bytes()
}

#[test]
fn json_goes_in_and_out_over_both_versions_of_http() {
    without_tokio(|| async {
        let server = Server::start().await;
        let sum = || request("POST", "/sum", r#"{"terms":[20,20,2]}"#);
        let mut sender = connect_http1(server.address).await;
        let answer = whole(sender.send_request(sum()).await.unwrap()).await;
        assert_eq!(answer, r#"{"terms":[20,20,2],"sum":42}"#);

        let sender = connect_http2(server.address).await;
        let clients = (0..50).map(|n| {
            let mut sender = sender.clone();
            rt::spawn(async move {
                let greeting = sender.send_request(request("GET", &format!("/hello/{n}"), "")).await.unwrap();
                assert_eq!(whole(greeting).await, format!("hello {n}"));
                let answer = whole(sender.send_request(sum()).await.unwrap()).await;
                assert_eq!(answer, r#"{"terms":[20,20,2],"sum":42}"#);
            })
        });
        all(clients.collect::<Vec<_>>()).await;

        let mut sender = connect_http2(server.address).await;
        let wrong = sender.send_request(request("POST", "/sum", "no JSON")).await.unwrap();
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    });
}

#[test]
fn bodies_are_streamed_both_ways() {
    without_tokio(|| async {
        let server = Server::start().await;
        let mut sender = connect_http1(server.address).await;
        let response = sender.send_request(request("GET", "/count/20", "")).await.unwrap();
        assert_eq!(response.headers()[header::TRANSFER_ENCODING], "chunked");
        let expected: String = (0..20).map(|n| format!("{n};")).collect();
        assert_eq!(whole(response).await, expected);

        let data: Bytes = (0..512 * 1024_usize).map(|n| (n ^ (n >> 8)) as u8).collect();
        sender.ready().await.unwrap();
        let echo = whole(sender.send_request(request("POST", "/echo", data.clone())).await.unwrap()).await;
        assert!(echo == data, "what comes back is what was sent");
    });
}

#[test]
fn a_websocket_echoes() {
    without_tokio(|| async {
        let server = Server::start().await;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let url = format!("ws://{}/socket", server.address);
        let (mut socket, _response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        for n in 0..20 {
            let message = Message::text(format!("message {n}"));
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
    });
}

#[test]
fn a_shutdown_ends_the_requests_under_way_and_refuses_new_ones() {
    without_tokio(|| async {
        let server = Server::start().await;
        let address = server.address;
        let waits: Vec<_> = (0..5)
            .map(|n| {
                rt::spawn(async move {
                    let wait = request("GET", "/wait", "");
                    let response = if n % 2 == 0 {
                        connect_http1(address).await.send_request(wait).await
                    } else {
                        connect_http2(address).await.send_request(wait).await
                    };
                    whole(response.unwrap()).await
                })
            })
            .collect();
        // Idle, and to be closed by the server.
        let mut idle = connect_http1(address).await;
        whole(idle.send_request(request("GET", "/hello/idle", "")).await.unwrap()).await;
        soon(server.waiting.here.acquire_many(5)).await.unwrap().forget();

        server.stop.send(()).unwrap();
        // The listener is gone once connections are refused.
        soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
        soon(async {
            while idle.ready().await.is_ok() {
                rt::task::yield_now().await
            }
        })
        .await;
        assert!(!server.serving.is_finished());

        server.waiting.gate.add_permits(5);
        assert!(all(waits).await.iter().all(|answer| answer == "waited"));
        soon(server.serving).await.unwrap().unwrap();
    });
}

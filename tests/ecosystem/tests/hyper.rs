//! hyper 1, both sides: HTTP/1 and HTTP/2 on this runtime's sockets, tasks and timers.

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1 as client_http1, http2 as client_http2};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use rt::hyper::{Executor, Timer};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::TcpStream;
use rt::sync::Barrier;
use rt_ecosystem::{all, assert_no_tokio, ended, listen, soon, without_tokio};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

type AnyBody = BoxBody<Bytes, hyper::Error>;

fn body(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// Greets, and echoes what is posted. `/meet` answers once `meeting` is complete.
async fn answer(request: Request<Incoming>, meeting: Arc<Barrier>) -> Result<Response<AnyBody>, hyper::Error> {
    assert_no_tokio();
    let answer = match (request.method(), request.uri().path()) {
        (&Method::POST, _) => request.into_body().boxed(),
        (_, "/meet") => {
            meeting.wait().await;
            body("met")
        }
        (_, path) => body(format!("hello {path}")),
    };
    Ok(Response::new(answer))
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// A server, where `meeting` requests can meet. Gives its address and the number of its connections.
async fn serve(version: Version, meeting: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let meeting = Arc::new(Barrier::new(meeting));
    let connections = Arc::new(AtomicUsize::new(0));
    let counting = connections.clone();
    drop(rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.fetch_add(1, Ordering::SeqCst);
            let meeting = meeting.clone();
            let service = service_fn(move |request| answer(request, meeting.clone()));
            drop(rt::spawn(async move {
                let result = match version {
                    Version::One => http1::Builder::new().timer(Timer::new()).serve_connection(stream, service).await,
                    Version::Two => {
                        let mut builder = http2::Builder::new(Executor::new());
                        let builder = builder.timer(Timer::new()).keep_alive_interval(Duration::from_secs(1));
                        builder.serve_connection(stream, service).await
                    }
                };
                ended("a connection of the server", result);
            }));
        }
    }));
    (address, connections)
}

async fn connect_http1(address: SocketAddr) -> client_http1::SendRequest<AnyBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = client_http1::handshake(stream).await.unwrap();
    drop(rt::spawn(async { ended("the client's connection", connection.await) }));
    sender
}

async fn connect_http2(address: SocketAddr) -> client_http2::SendRequest<AnyBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = client_http2::Builder::new(Executor::new()).timer(Timer::new()).clone();
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    drop(rt::spawn(async { ended("the client's connection", connection.await) }));
    sender
}

fn get(path: &str) -> Request<AnyBody> {
    Request::get(format!("http://localhost{path}")).header(header::HOST, "localhost").body(body("")).unwrap()
}

fn post(data: Bytes) -> Request<AnyBody> {
    Request::post("http://localhost/").header(header::HOST, "localhost").body(body(data)).unwrap()
}

async fn whole(response: Response<Incoming>) -> Bytes {
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap().to_bytes()
}

fn a_megabyte() -> Bytes {
    (0..1024 * 1024_usize).map(|n| (n ^ (n >> 8)) as u8).collect()
}

#[test]
fn http1_keeps_a_connection_alive_and_carries_bodies_both_ways() {
    without_tokio(|| async {
        let (address, connections) = serve(Version::One, 1).await;
        let mut sender = connect_http1(address).await;
        for n in 0..50 {
            sender.ready().await.unwrap();
            let response = sender.send_request(get(&format!("/{n}"))).await.unwrap();
            assert_eq!(whole(response).await, format!("hello /{n}"));
        }
        sender.ready().await.unwrap();
        let echo = whole(sender.send_request(post(a_megabyte())).await.unwrap()).await;
        assert!(echo == a_megabyte(), "what comes back is what was sent");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn http1_serves_connections_at_once() {
    without_tokio(|| async {
        let (address, connections) = serve(Version::One, 32).await;
        let clients = (0..32).map(|_| {
            rt::spawn(async move {
                // Nobody is answered before all have asked.
                let mut sender = connect_http1(address).await;
                whole(sender.send_request(get("/meet")).await.unwrap()).await
            })
        });
        assert!(all(clients.collect::<Vec<_>>()).await.iter().all(|answer| answer == "met"));
        assert_eq!(connections.load(Ordering::SeqCst), 32);
    });
}

#[test]
fn http2_serves_requests_of_one_connection_at_once() {
    without_tokio(|| async {
        let (address, connections) = serve(Version::Two, 100).await;
        let sender = connect_http2(address).await;
        let clients = (0..100).map(|_| {
            let mut sender = sender.clone();
            rt::spawn(async move { whole(sender.send_request(get("/meet")).await.unwrap()).await })
        });
        assert!(all(clients.collect::<Vec<_>>()).await.iter().all(|answer| answer == "met"));
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn http2_carries_large_bodies_both_ways_side_by_side() {
    without_tokio(|| async {
        let (address, _) = serve(Version::Two, 1).await;
        let sender = connect_http2(address).await;
        let echoes = (0..4).map(|_| {
            let mut sender = sender.clone();
            async move { whole(sender.send_request(post(a_megabyte())).await.unwrap()).await }
        });
        for echo in join_all(echoes).await {
            assert!(echo == a_megabyte(), "what comes back is what was sent");
        }
    });
}

#[test]
fn http2_gives_up_a_peer_that_does_not_answer_pings() {
    without_tokio(|| async {
        let (listener, address) = listen().await;
        let silent = rt::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // An empty SETTINGS frame, and from then on nothing.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = client_http2::Builder::new(Executor::new());
        builder.timer(Timer::new()).keep_alive_interval(Duration::from_millis(5));
        builder.keep_alive_timeout(Duration::from_millis(5)).keep_alive_while_idle(true);
        let (sender, connection) = builder.handshake::<_, AnyBody>(stream).await.unwrap();
        let error = soon(connection).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        drop(sender);
        soon(silent).await.unwrap();
    });
}

#[test]
fn a_connection_is_upgraded_to_another_protocol() {
    async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, hyper::Error> {
        let upgraded = hyper::upgrade::on(&mut request);
        drop(rt::spawn(async move {
            let parts = upgraded.await.unwrap().downcast::<TcpStream>().unwrap();
            let (mut stream, mut received) = (parts.io, parts.read_buf.to_vec());
            stream.read_to_end(&mut received).await.unwrap();
            received.reverse();
            stream.write_all(&received).await.unwrap();
        }));
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        Ok(response
            .header(header::UPGRADE, "backwards")
            .header(header::CONNECTION, "upgrade")
            .body(Empty::new())
            .unwrap())
    }

    without_tokio(|| async {
        let (listener, address) = listen().await;
        let server = rt::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            http1::Builder::new().serve_connection(stream, service_fn(upgrade)).with_upgrades().await
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = client_http1::handshake(stream).await.unwrap();
        let connection = rt::spawn(connection.with_upgrades());
        let request = Request::get("/").header(header::UPGRADE, "backwards").header(header::CONNECTION, "upgrade");
        let response = sender.send_request(request.body(body("")).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = hyper::upgrade::on(response).await.unwrap().downcast::<TcpStream>().unwrap().io;
        stream.write_all(b"desserts").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "stressed");
        server.await.unwrap().unwrap();
        connection.await.unwrap().unwrap();
    });
}

/// Connects the pooled client of hyper-util.
#[derive(Clone)]
struct Connector;

/// What hyper-util asks of a connection: whether it is one to a proxy, and which protocol was negotiated.
struct PooledStream(TcpStream);

impl Connection for PooledStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for PooledStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        hyper::rt::Read::poll_read(Pin::new(&mut self.0), cx, buffer)
    }
}

impl hyper::rt::Write for PooledStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        hyper::rt::Write::poll_write(Pin::new(&mut self.0), cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        hyper::rt::Write::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        hyper::rt::Write::poll_shutdown(Pin::new(&mut self.0), cx)
    }
}

impl tower::Service<Uri> for Connector {
    type Response = PooledStream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<PooledStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let authority = uri.authority().expect("an absolute URI").as_str();
            Ok(PooledStream(TcpStream::connect(authority).await?))
        })
    }
}

#[test]
fn the_pooled_client_of_hyper_util_uses_a_connection_again() {
    without_tokio(|| async {
        let (address, connections) = serve(Version::One, 1).await;
        let client: Client<_, AnyBody> =
            Client::builder(Executor::new()).timer(Timer::new()).pool_timer(Timer::new()).build(Connector);
        for n in 0..20 {
            let uri: Uri = format!("http://{address}/{n}").parse().unwrap();
            assert_eq!(whole(client.get(uri).await.unwrap()).await, format!("hello /{n}"));
        }
        // Not 1: a connection may come back to the pool after the next request has looked for one.
        assert!(connections.load(Ordering::SeqCst) < 20);
    });
}

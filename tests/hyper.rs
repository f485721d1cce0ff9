//! HTTP/1 by hyper on this runtime's sockets, timers and tasks.

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::rt::{Executor as _, Timer as _};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, header, server};
use rt::hyper::{Executor, Timer};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::Runtime;
use rt::sync::oneshot;
use rt::time::{Instant, sleep};
use support::{SOON, current, multi, within};

/// Runs `test` on a runtime of each kind.
#[track_caller]
fn on_each_flavor(test: impl Fn(&Runtime) + Send + 'static) {
    within(SOON, move || [current(), multi(1), multi(2)].iter().for_each(test));
}

/// A body of some frames, with a pause before each.
struct Slowly {
    left: u32,
    pause: Pin<Box<rt::time::Sleep>>,
}

impl Slowly {
    fn new(frames: u32) -> Self {
        Slowly { left: frames, pause: Box::pin(sleep(Duration::from_micros(100))) }
    }
}

impl Body for Slowly {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.as_mut().poll(cx));
        let next = Instant::now() + Duration::from_micros(100);
        self.pause.as_mut().reset(next);
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("frame {};", self.left))))))
    }
}

type AnyBody = http_body_util::combinators::BoxBody<Bytes, hyper::Error>;

fn text(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// Echoes what is posted, streams slowly at `/slowly`, and greets.
async fn serve(request: Request<Incoming>) -> Result<Response<AnyBody>, hyper::Error> {
    let body = match (request.method(), request.uri().path()) {
        (&Method::POST, _) => request.into_body().boxed(),
        (_, "/slowly") => Slowly::new(5).map_err(|never| match never {}).boxed(),
        (_, path) => text(format!("hello {path}")),
    };
    Ok(Response::new(body))
}

/// A server that counts its connections.
async fn start_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counting = connections.clone();
    drop(rt::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, Ordering::SeqCst);
            drop(rt::spawn(async move {
                let connection =
                    server::conn::http1::Builder::new().timer(Timer::new()).serve_connection(stream, service_fn(serve));
                connection.await.unwrap();
            }));
        }
    }));
    (address, connections)
}

/// A client's connection, which its own task keeps going.
async fn connect(address: SocketAddr) -> client::conn::http1::SendRequest<AnyBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
    Executor::new().execute(connection);
    sender
}

fn get(path: &str) -> Request<AnyBody> {
    Request::get(path).header(header::HOST, "localhost").body(text("")).unwrap()
}

async fn ask(sender: &mut client::conn::http1::SendRequest<AnyBody>, request: Request<AnyBody>) -> (StatusCode, Bytes) {
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

#[test]
fn many_requests_go_over_one_connection_that_is_kept_alive() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (address, connections) = start_server().await;
            let mut sender = connect(address).await;
            for n in 0..200 {
                let (status, body) = ask(&mut sender, get(&format!("/{n}"))).await;
                assert_eq!((status, body), (StatusCode::OK, Bytes::from(format!("hello /{n}"))));
            }
            assert_eq!(connections.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn requests_that_are_sent_together_are_answered_in_their_order() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (address, connections) = start_server().await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut requests = String::new();
            for n in 0..20 {
                requests += &format!("GET /{n} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            }
            requests += "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(requests.as_bytes()).await.unwrap();
            let mut answers = String::new();
            stream.read_to_string(&mut answers).await.unwrap();
            let greetings: Vec<_> = answers.match_indices("hello /").map(|(place, _)| &answers[place..]).collect();
            assert_eq!(greetings.len(), 21);
            for (n, greeting) in greetings[..20].iter().enumerate() {
                assert!(greeting.starts_with(&format!("hello /{n}HTTP/1.1 200 OK")));
            }
            assert!(answers.ends_with("hello /last"));
            assert_eq!(connections.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn a_body_of_unknown_length_comes_in_chunks() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (address, _) = start_server().await;
            let mut sender = connect(address).await;
            for _ in 0..3 {
                sender.ready().await.unwrap();
                let response = sender.send_request(get("/slowly")).await.unwrap();
                assert_eq!(response.headers()[header::TRANSFER_ENCODING], "chunked");
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, "frame 4;frame 3;frame 2;frame 1;frame 0;");
            }
            // And goes so, too.
            let body = Slowly::new(20).map_err(|never| match never {}).boxed();
            let request = Request::post("/").header(header::HOST, "localhost").body(body).unwrap();
            let (_, echo) = ask(&mut sender, request).await;
            assert!(echo.starts_with(b"frame 19;") && echo.ends_with(b"frame 0;"));
        });
    });
}

#[test]
fn a_large_body_goes_to_the_server_and_back() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (address, _) = start_server().await;
            let mut sender = connect(address).await;
            let data: Bytes = (0..2 * 1024 * 1024_usize).map(|n| (n ^ (n >> 8)) as u8).collect();
            let request = Request::post("/").header(header::HOST, "localhost").body(text(data.clone())).unwrap();
            let (status, echo) = ask(&mut sender, request).await;
            assert_eq!(status, StatusCode::OK);
            assert!(echo == data, "what came back is what was sent");
        });
    });
}

#[test]
fn sixty_four_clients_are_served_at_once() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let (address, connections) = start_server().await;
            let meeting = Arc::new(rt::sync::Barrier::new(64));
            let clients: Vec<_> = (0..64)
                .map(|client| {
                    let meeting = meeting.clone();
                    rt::spawn(async move {
                        let mut sender = connect(address).await;
                        let (_, body) = ask(&mut sender, get("/")).await;
                        assert_eq!(body, "hello /");
                        // All are connected.
                        meeting.wait().await;
                        for n in 0..10 {
                            let (_, body) = ask(&mut sender, get(&format!("/{client}/{n}"))).await;
                            assert_eq!(body, format!("hello /{client}/{n}"));
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            assert_eq!(connections.load(Ordering::SeqCst), 64);
        });
    });
}

#[test]
fn a_client_that_sends_no_header_is_given_up() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let patience = Duration::from_millis(20);
            let serving = rt::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let start = Instant::now();
                let connection = server::conn::http1::Builder::new()
                    .timer(Timer::new())
                    .header_read_timeout(patience)
                    .serve_connection(stream, service_fn(serve));
                let error = connection.await.unwrap_err();
                (error, start.elapsed())
            });
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
            let (error, elapsed) = serving.await.unwrap();
            assert!(error.is_timeout(), "{error}");
            assert!(elapsed >= patience, "{elapsed:?}");
            let mut rest = Vec::new();
            silent.read_to_end(&mut rest).await.unwrap();
        });
    });
}

#[test]
fn a_server_stops_gracefully_once_the_request_under_way_is_answered() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let serving = rt::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = std::pin::pin!(
                    server::conn::http1::Builder::new().timer(Timer::new()).serve_connection(stream, service_fn(serve))
                );
                let early = futures_util::future::select(connection.as_mut(), stopped.fuse()).await;
                assert!(matches!(early, futures_util::future::Either::Right(_)));
                connection.as_mut().graceful_shutdown();
                connection.await.unwrap();
            });
            let mut sender = connect(address).await;
            let response = sender.send_request(get("/slowly")).await.unwrap();
            stop.send(()).unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.ends_with(b"frame 0;"));
            serving.await.unwrap();
            assert!(sender.ready().await.is_err(), "the connection is not kept alive");
        });
    });
}

#[test]
fn the_timer_sleeps_and_resets_its_sleeps() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let timer = Timer::new();
            let start = timer.now();
            timer.sleep(Duration::from_millis(2)).await;
            assert!(timer.now() >= start + Duration::from_millis(2));
            timer.sleep_until(start).await;
            let mut far = timer.sleep(Duration::from_secs(3600));
            assert!((&mut far).now_or_never().is_none());
            let soon = timer.now() + Duration::from_millis(2);
            timer.reset(&mut far, soon);
            far.await;
            assert!(timer.now() >= soon);
            timer.sleep(Duration::ZERO).await;
        });
    });
}

#[test]
fn the_executor_runs_what_it_is_given() {
    on_each_flavor(|runtime| {
        let ran = runtime.block_on(async {
            let (send, receive) = oneshot::channel();
            Executor::new().execute(async move { send.send("ran").unwrap() });
            receive.await.unwrap()
        });
        assert_eq!(ran, "ran");
    });
}

/// HTTP/2 needs an executor and timers that can be shared and cloned.
#[test]
fn the_executor_and_the_timer_are_as_free_as_they_can_be() {
    fn free<T: Clone + Copy + Default + Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    free::<Executor>();
    free::<Timer>();
}

//! An HTTP server, and the clients that keep it busy.

use crate::figures::{Histogram, Meter, Moment, grouped, rounded, span};
use crate::screen::{Frame, Row, Screen};
use crate::workers::Workers;
use crate::{Failure, Outcome, join_all};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use rt::net::{TcpListener, TcpStream};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 32;
const GREETING: &str = "Hello from the tour!\n";

struct Load {
    address: SocketAddr,
    latency: Histogram,
    stop: AtomicBool,
}

/// Serves its own clients, and shows how fast.
pub(crate) async fn show(screen: &mut Screen, lasting: Duration) -> Outcome {
    screen.headline(&format!("HTTP/1.1: hyper answers {CONNECTIONS} keep-alive connections of this same process"))?;
    let listener =
        TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("cannot listen on the loopback: {error}"))?;
    let address = listener.local_addr()?;
    let server = rt::spawn(serve(listener));
    let load = Arc::new(Load { address, latency: Histogram::new(), stop: AtomicBool::new(false) });
    let mut workers = Workers::new();
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| rt::spawn(ask(load.clone()))).collect();

    let mut meter = Meter::default();
    let frame = |moment: Moment| {
        let latency = load.latency.summary();
        let rate = rounded(meter.rate(moment, latency.count));
        let times = format!("p50 {}, p99 {}, max {}", span(latency.p50), span(latency.p99), span(latency.longest));
        let (bars, _) = workers.report(moment);
        let mut rows = vec![
            Row::Text(format!("{rate} requests/s, {} answered", grouped(latency.count))),
            Row::Text(format!("latency {times}")),
            Row::Spread(latency.spread),
        ];
        rows.extend(bars);
        Frame { line: format!("{rate} requests/s, latency {times}"), rows }
    };
    let line = screen.watch("http", lasting, frame).await?;

    load.stop.store(true, Ordering::Relaxed);
    // If the server has given up, what its clients have to say is only what follows from it.
    if !server.is_finished() {
        join_all("an HTTP client", clients).await?;
        server.abort();
    }
    match server.await {
        Err(error) if error.is_cancelled() => Ok(line),
        Err(error) => Err(format!("the HTTP server failed: {error}").into()),
        Ok(Err(error)) => Err(format!("the HTTP server failed: {error}").into()),
    }
}

/// Accepts connections until it is aborted. Those that it has accepted end with their clients.
async fn serve(listener: TcpListener) -> Result<Infallible, Failure> {
    loop {
        let (stream, _peer) = listener.accept().await.map_err(|error| format!("cannot accept: {error}"))?;
        stream.set_nodelay(true)?;
        let connection = server::conn::http1::Builder::new()
            .timer(rt::hyper::Timer::new())
            .serve_connection(stream, service_fn(answer));
        // Whatever ends it early, the client at its other end will say so.
        drop(rt::spawn(connection));
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}

/// Sends one request after the other, and looks at each answer.
async fn ask(load: Arc<Load>) -> Result<(), Failure> {
    let stream = TcpStream::connect(load.address)
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", load.address))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let connection = rt::spawn(connection);
    while !load.stop.load(Ordering::Relaxed) {
        let request = Request::get("/").header(HOST, "localhost").body(Empty::<Bytes>::new())?;
        let sent = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        load.latency.record(sent.elapsed());
        if status != StatusCode::OK || body != GREETING {
            return Err(format!("the HTTP server answered {status} with {} bytes", body.len()).into());
        }
        sender.ready().await?;
    }
    drop(sender);
    Ok(connection.await??)
}

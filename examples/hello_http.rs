//! "Hello, world!" over HTTP/1.1, by hyper on `rt`.
//!
//! ```text
//! cargo run --release --example hello_http [ADDRESS]
//! curl http://127.0.0.1:3000/
//! wrk -t1 -c64 -d5s http://127.0.0.1:3000/
//! ```

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use rt::net::{TcpListener, TcpStream, lookup_host};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: hello_http [ADDRESS]

Serves HTTP/1.1 until it is killed. ADDRESS is a host or an IP address, and a port: 0.0.0.0:8080, localhost:3000,
[::1]:3000. Port 0 lets the system choose. Default: 127.0.0.1:3000.";

/// A failing `accept` fails again at once if the process is out of file descriptors: without a pause the loop would take
/// a whole CPU, and the connections that could give some back would run slower. Clients wait in the backlog meanwhile.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

#[rt::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let address = match (arguments.next(), arguments.next()) {
        (None, _) => "127.0.0.1:3000".to_owned(),
        (Some(argument), None) => match argument.into_string() {
            Ok(text) if text == "-h" || text == "--help" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Ok(text) => text,
            Err(raw) => return misused(&format!("{raw:?} is no address")),
        },
        (Some(_), Some(_)) => return misused("more than one argument"),
    };
    let candidates: Vec<SocketAddr> = match lookup_host(address.as_str()).await {
        Ok(found) => found.collect(),
        Err(error) => return misused(&format!("{address:?} is no address: {error}")),
    };

    let listener = match TcpListener::bind(&candidates[..]).await {
        Ok(listener) => listener,
        Err(error) => return failed(&format!("cannot listen at {address}: {error}")),
    };
    match listener.local_addr() {
        Ok(local) => println!("listening at http://{local}/"),
        Err(error) => return failed(&format!("cannot tell the address of the socket at {address}: {error}")),
    }
    serve(listener).await
}

fn misused(message: &str) -> ExitCode {
    eprintln!("hello_http: {message}\n{USAGE}");
    ExitCode::from(2)
}

fn failed(message: &str) -> ExitCode {
    eprintln!("hello_http: {message}");
    ExitCode::FAILURE
}

/// A task for each connection.
async fn serve(listener: TcpListener) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => drop(rt::spawn(serve_connection(stream))),
            Err(error) => {
                eprintln!("hello_http: cannot accept a connection: {error}");
                rt::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream) {
    // Answers are small: one that waited to be joined by the next would only be late. If the peer has gone already, the
    // first read will find out.
    let _ = stream.set_nodelay(true);
    let served = http1::Builder::new()
        .timer(rt::hyper::Timer::new())
        .keep_alive(true)
        .serve_connection(stream, service_fn(answer))
        .await;
    // What can go wrong is the peer's doing: it went away, was too slow or spoke no HTTP, and hyper has told it so if it
    // still listens. A server that logged it would let strangers fill its log.
    drop(served);
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "Hello, world!\n"),
        _ => (StatusCode::NOT_FOUND, "There is nothing here. Try /\n"),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

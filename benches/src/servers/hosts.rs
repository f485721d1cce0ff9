//! The services, on each runtime as its users would write them.

use super::service::{ECHO, GREETING, Service};
use crate::{Peer, Rt, Smol, Tokio};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;

/// A runtime with sockets.
pub(super) trait Host: Peer {
    type Listener: Send + Sync;
    type Stream: Send + 'static;

    /// Takes a listener that does not block over into the runtime, from inside of it.
    fn listener(listener: TcpListener) -> io::Result<Self::Listener>;

    /// The next connection, with Nagle's algorithm off: answers are small, and one that waited to be joined by the next
    /// would only be late.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    fn echo(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static;

    fn http(stream: Self::Stream) -> impl Future<Output = Result<(), hyper::Error>> + Send + 'static;

    fn read_and_close(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static;
}

/// Accepts connections, each of which gets a task of its own, until it cannot. What a task ends with is the client's doing.
/// This is a task too: in `block_on` it would be run by a third thread, and smol's would help the workers.
pub(super) async fn serve<H: Host>(listener: TcpListener, service: Service) -> io::Result<Infallible> {
    let listener = H::listener(listener)?;
    loop {
        let stream = H::accept(&listener).await?;
        match service {
            Service::Echo => H::detach(H::spawn(H::echo(stream))),
            Service::Http => H::detach(H::spawn(H::http(stream))),
            Service::Close => H::detach(H::spawn(H::read_and_close(stream))),
        }
    }
}

impl Host for Rt {
    type Listener = rt::net::TcpListener;
    type Stream = rt::net::TcpStream;

    fn listener(listener: TcpListener) -> io::Result<Self::Listener> {
        rt::net::TcpListener::from_std(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn echo(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static {
        with_tokio_traits::echo(stream)
    }

    fn http(stream: Self::Stream) -> impl Future<Output = Result<(), hyper::Error>> + Send + 'static {
        http1::Builder::new().timer(rt::hyper::Timer::new()).serve_connection(stream, service_fn(answer))
    }

    fn read_and_close(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static {
        with_tokio_traits::read_and_close(stream)
    }
}

impl Host for Tokio {
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;

    fn listener(listener: TcpListener) -> io::Result<Self::Listener> {
        tokio::net::TcpListener::from_std(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn echo(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static {
        with_tokio_traits::echo(stream)
    }

    fn http(stream: Self::Stream) -> impl Future<Output = Result<(), hyper::Error>> + Send + 'static {
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(answer))
    }

    fn read_and_close(stream: Self::Stream) -> impl Future<Output = io::Result<()>> + Send + 'static {
        with_tokio_traits::read_and_close(stream)
    }
}

impl Host for Smol {
    type Listener = smol::net::TcpListener;
    type Stream = smol::net::TcpStream;

    fn listener(listener: TcpListener) -> io::Result<Self::Listener> {
        Ok(smol::Async::try_from(listener)?.into())
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(mut stream: Self::Stream) -> io::Result<()> {
        use smol::io::{AsyncReadExt, AsyncWriteExt};
        let mut buffer = [0; ECHO];
        loop {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..read]).await?;
        }
    }

    fn http(stream: Self::Stream) -> impl Future<Output = Result<(), hyper::Error>> + Send + 'static {
        http1::Builder::new().timer(SmolTimer::new()).serve_connection(FuturesIo::new(stream), service_fn(answer))
    }

    async fn read_and_close(mut stream: Self::Stream) -> io::Result<()> {
        use smol::io::AsyncReadExt;
        stream.read(&mut [0; ECHO]).await.map(|_| ())
    }
}

/// What is the same to the letter on `rt` and tokio.
mod with_tokio_traits {
    use super::ECHO;
    use std::io;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

    pub(super) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
        let mut buffer = [0; ECHO];
        loop {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..read]).await?;
        }
    }

    pub(super) async fn read_and_close<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<()> {
        stream.read(&mut [0; ECHO]).await.map(|_| ())
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(GREETING));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

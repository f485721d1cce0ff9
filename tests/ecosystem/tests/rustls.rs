//! tokio-rustls, both sides, with a certificate that the test makes.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rt::hyper::{Executor, Timer};
use rt::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use rt::net::TcpStream;
use rt_ecosystem::{all, assert_no_tokio, ended, listen, soon, without_tokio};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Both sides of a connection to `localhost`, where the client trusts nobody but this server.
fn configuration() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key.into()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server, client)
}

/// A server that echoes until the client has said all.
async fn serve(configuration: ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let (listener, address) = listen().await;
    drop(rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            drop(rt::spawn(async move { ended("a connection of the server", echo(acceptor, stream).await) }));
        }
    }));
    address
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    assert_no_tokio();
    let (mut reader, mut writer) = split(acceptor.accept(stream).await?);
    copy(&mut reader, &mut writer).await?;
    writer.shutdown().await
}

async fn connect(configuration: ClientConfig, address: SocketAddr, name: &str) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(configuration)).connect(name.to_owned().try_into().unwrap(), stream).await
}

#[test]
fn what_is_sent_comes_back_and_the_connection_is_closed_in_order() {
    without_tokio(|| async {
        let (server, client) = configuration();
        let address = serve(server).await;
        let mut stream = connect(client, address, "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        stream.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
        stream.shutdown().await.unwrap();
        // A connection that is cut, and not closed, is an error.
        assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
    });
}

#[test]
fn many_records_go_both_ways_over_connections_side_by_side() {
    without_tokio(|| async {
        let (server, client) = configuration();
        let address = serve(server).await;
        let data: Arc<Vec<u8>> = Arc::new((0..512 * 1024_usize).map(|n| (n ^ (n >> 8)) as u8).collect());
        let clients = (0..8).map(|_| {
            let (client, data) = (client.clone(), data.clone());
            rt::spawn(async move {
                let (mut reader, mut writer) = split(connect(client, address, "localhost").await.unwrap());
                let sent = data.clone();
                let writing = rt::spawn(async move {
                    writer.write_all(&sent).await.unwrap();
                    writer.shutdown().await.unwrap();
                });
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await.unwrap();
                writing.await.unwrap();
                assert!(received == *data, "what comes back is what was sent");
            })
        });
        all(clients.collect::<Vec<_>>()).await;
    });
}

#[test]
fn hyper_serves_over_tls() {
    async fn greet(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
        Ok(Response::new(format!("hello {}", request.uri().path())))
    }

    without_tokio(|| async {
        let (server, client) = configuration();
        let (listener, address) = listen().await;
        drop(rt::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = TlsAcceptor::from(Arc::new(server)).accept(stream).await.unwrap();
            let mut builder = auto::Builder::new(Executor::new());
            builder.http1().timer(Timer::new()).http2().timer(Timer::new());
            builder.serve_connection(TokioIo::new(stream), service_fn(greet)).await.unwrap();
        }));
        let stream = connect(client, address, "localhost").await.unwrap();
        let (sender, connection) = http2::handshake(Executor::new(), TokioIo::new(stream)).await.unwrap();
        drop(rt::spawn(async { ended("the client's connection", connection.await) }));
        let requests = (0..20).map(|n| {
            let mut sender = sender.clone();
            rt::spawn(async move {
                let request = Request::get(format!("https://localhost/{n}")).body(String::new()).unwrap();
                let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
                assert_eq!(body.to_bytes(), format!("hello /{n}"));
            })
        });
        all(requests.collect::<Vec<_>>()).await;
    });
}

#[test]
fn a_server_under_another_name_is_refused() {
    without_tokio(|| async {
        let (server, client) = configuration();
        let address = serve(server).await;
        let error = soon(connect(client, address, "elsewhere")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    });
}

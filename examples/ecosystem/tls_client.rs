//! A TLS client with tokio-rustls: gets a page by HTTPS and prints what comes, head and all.
//!
//! ```text
//! cargo run --release -p rt-examples --bin tls_client [URL [CERTIFICATES]]
//! cargo run --release -p rt-examples --bin tls_client https://localhost:8443/ my-ca.pem
//! ```
//!
//! CERTIFICATES is a PEM file of whom to trust instead of those whom the system trusts. `--self-test` runs it against a
//! server of its own, once with the server's certificate and once with another.

#[path = "../support/mod.rs"]
mod support;

use http::Uri;
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::time::{Duration, timeout};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use support::{Failure, arguments, within_a_minute};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([url, certificates]) = arguments("[URL [CERTIFICATES]]", ["https://www.rust-lang.org/", ""]) else {
        return within_a_minute(self_test()).await;
    };
    let roots = if certificates.is_empty() { trusted_by_system()? } else { trusted_by_file(certificates.as_ref())? };
    Ok(fetch(&url, roots, &mut io::stdout()).await?)
}

fn trusted_by_system() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system may have some that rustls finds wrong, and the others are as good without them.
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => Err(io::Error::other(format!(
            "the system has no certificates to trust ({:?}); install its package of them, or name a file as the second argument",
            found.errors
        ))),
        _ => Ok(roots),
    }
}

fn trusted_by_file(path: &Path) -> io::Result<RootCertStore> {
    let wrong = |error| io::Error::other(format!("cannot read PEM certificates from {}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there are none in it".to_owned())) } else { Ok(roots) }
}

/// Writes the answer to `output` as it comes.
async fn fetch(url: &str, roots: RootCertStore, output: &mut impl Write) -> io::Result<()> {
    let uri: Uri = url.parse().map_err(|error| wrong_url(url, error))?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong_url(url, "it must begin with https:// and a host"));
    };
    let connecting = connect(authority.host(), authority.port_u16().unwrap_or(443), roots);
    let Ok(connected) = timeout(CONNECT_TIMEOUT, connecting).await else {
        let message = format!("{authority} does not answer within {CONNECT_TIMEOUT:?}; is the port right?");
        return Err(io::Error::new(io::ErrorKind::TimedOut, message));
    };
    let mut stream = connected?;

    // By HTTP/1.0 a server ends the body by closing the connection, so there is nothing to be decoded here.
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = format!("GET {path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: rt-examples\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return output.flush(),
            read => output.write_all(&buffer[..read])?,
        }
    }
}

fn wrong_url(url: &str, error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("cannot take {url:?} for a URL: {error}"))
}

async fn connect(host: &str, port: u16, roots: RootCertStore) -> io::Result<TlsStream<TcpStream>> {
    // In a URL an IPv6 address has brackets.
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| wrong_url(host, error))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect((host, port)).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        let advice = match error.get_ref().and_then(|cause| cause.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(_)) => {
                "; if you know the server, name a file with its certificate as the second argument"
            }
            _ => "",
        };
        io::Error::new(error.kind(), format!("no TLS with {host}:{port}: {error}{advice}"))
    })
}

async fn self_test() -> io::Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let path = std::env::temp_dir().join(format!("rt-tls-client-{}.pem", std::process::id()));
    std::fs::write(&path, made.cert.pem())?;
    let trusted = trusted_by_file(&path);
    std::fs::remove_file(&path)?;

    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.into()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}/page?of=two", listener.local_addr()?);
    let server = rt::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await?.0).await?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await?;
        stream.write_all("page two\n".repeat(10_000).as_bytes()).await?;
        stream.shutdown().await?;
        let refused = acceptor.accept(listener.accept().await?.0).await;
        Ok::<_, io::Error>((request, refused.is_err()))
    });

    let mut page = Vec::new();
    fetch(&url, trusted?, &mut page).await?;
    assert!(page.starts_with(b"HTTP/1.0 200 OK") && page.len() > 90_000, "{} bytes came", page.len());
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(other.cert.into()).map_err(io::Error::other)?;
    let error = fetch(&url, roots, &mut io::sink()).await.expect_err("a server that nobody knows");
    assert!(error.to_string().contains("file with its certificate"), "{error}");
    let (request, refused) = server.await??;
    assert!(request.starts_with(b"GET /page?of=two HTTP/1.0\r\nHost: 127.0.0.1:") && refused);
    Ok(())
}

//! QUIC by quinn, both sides, on this runtime's UDP sockets, tasks and timers.

mod runtime;

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, Incoming, ServerConfig, TransportConfig,
    VarInt,
};
use rt_ecosystem::{all, assert_no_tokio, soon, without_tokio};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(runtime::Runtime)).unwrap()
}

/// A server that echoes each stream, and a client that trusts it, with how it was configured.
fn start() -> (Endpoint, SocketAddr, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = endpoint(Some(ServerConfig::with_single_cert(vec![certificate.clone()], key.into()).unwrap()));
    let address = server.local_addr().unwrap();
    drop(rt::spawn(async move {
        while let Some(incoming) = server.accept().await {
            drop(rt::spawn(serve(incoming)));
        }
    }));

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = endpoint(None);
    let config = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    client.set_default_client_config(config.clone());
    (client, address, config)
}

async fn serve(incoming: Incoming) {
    assert_no_tokio();
    let connection = incoming.await.unwrap();
    while let Ok((mut sender, mut receiver)) = connection.accept_bi().await {
        drop(rt::spawn(async move {
            // Ends early when the client does.
            let _ = rt::io::copy(&mut receiver, &mut sender).await;
            let _ = sender.finish();
        }));
    }
}

async fn echo(connection: &Connection, data: &[u8]) -> Vec<u8> {
    let (mut sender, mut receiver) = connection.open_bi().await.unwrap();
    let (sent, received) = futures_util::future::join(
        async {
            sender.write_all(data).await?;
            sender.finish().unwrap();
            Ok::<_, quinn::WriteError>(())
        },
        receiver.read_to_end(data.len() + 1),
    )
    .await;
    sent.unwrap();
    received.unwrap()
}

#[test]
fn streams_of_a_connection_echo_side_by_side() {
    without_tokio(|| async {
        let (client, address, _) = start();
        let connection = soon(client.connect(address, "localhost").unwrap()).await.unwrap();
        let streams = (0..32).map(|n| {
            let connection = connection.clone();
            rt::spawn(async move {
                let message = format!("message {n}").into_bytes();
                assert_eq!(echo(&connection, &message).await, message);
            })
        });
        soon(all(streams.collect::<Vec<_>>())).await;
        connection.close(VarInt::from_u32(7), b"enough");
        assert_eq!(connection.closed().await, ConnectionError::LocallyClosed);
        soon(client.wait_idle()).await;
    });
}

#[test]
fn megabytes_go_both_ways_over_connections_side_by_side() {
    without_tokio(|| async {
        let (client, address, _) = start();
        let data: Arc<Vec<u8>> = Arc::new((0..1024 * 1024_usize).map(|n| (n ^ (n >> 8)) as u8).collect());
        let connections = (0..4).map(|_| {
            let (client, data) = (client.clone(), data.clone());
            rt::spawn(async move {
                let connection = client.connect(address, "localhost").unwrap().await.unwrap();
                assert!(echo(&connection, &data).await == *data, "what comes back is what was sent");
            })
        });
        soon(all(connections.collect::<Vec<_>>())).await;
    });
}

#[test]
fn a_peer_that_falls_silent_is_given_up() {
    without_tokio(|| async {
        let (client, _, mut config) = start();
        // Nobody reads here.
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(Some(VarInt::from_u32(50).into()));
        transport.initial_rtt(Duration::from_millis(5));
        config.transport_config(Arc::new(transport));
        let connecting = client.connect_with(config, silent.local_addr().unwrap(), "localhost").unwrap();
        assert_eq!(soon(connecting).await.unwrap_err(), ConnectionError::TimedOut);
    });
}

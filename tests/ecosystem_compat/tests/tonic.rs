//! tonic's own transport, both sides, in plain tasks of this runtime.

use rt::sync::oneshot;
use rt_ecosystem::{all, on_each_flavor, soon};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[test]
fn a_server_and_a_channel_of_tonic_talk_until_a_graceful_shutdown() {
    on_each_flavor(|| async {
        let (reporter, service) = tonic_health::server::health_reporter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = rt::spawn(async move {
            let stopped = async { stopped.await.unwrap() };
            Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, stopped).await
        });

        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client = HealthClient::new(endpoint.connect().await.unwrap());
        let checks = (0..50).map(|_| {
            let mut client = client.clone();
            rt::spawn(async move { client.check(HealthCheckRequest::default()).await.unwrap().into_inner().status })
        });
        assert!(all(checks.collect::<Vec<_>>()).await.iter().all(|status| *status == ServingStatus::Serving as i32));

        let mut watch = client.clone().watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert_eq!(soon(watch.message()).await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        reporter.set_service_status("", ServingStatus::NotServing).await;
        assert_eq!(soon(watch.message()).await.unwrap().unwrap().status, ServingStatus::NotServing as i32);

        drop((watch, client));
        stop.send(()).unwrap();
        soon(serving).await.unwrap().unwrap();
    });
}

//! gRPC by tonic: generated code and calls of all kinds, over hyper and not over tonic's own transport.

use futures_util::{Stream, StreamExt, stream};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, Uri};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rt::hyper::{Executor, Timer};
use rt::net::TcpStream;
use rt_ecosystem::{all, assert_no_tokio, listen, soon, without_tokio};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::{ClientStreamingService, Grpc, StreamingService, UnaryService};
use tonic::{Code, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt};

/// Serves a tower service, which is what tonic makes of a `.proto` file.
async fn serve<S>(service: S) -> SocketAddr
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (listener, address) = listen().await;
    let service = service.map_request(|request: Request<hyper::body::Incoming>| request.map(Body::new));
    drop(rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            drop(rt::spawn(async move {
                let mut builder = auto::Builder::new(Executor::new()).http2_only();
                builder.http2().timer(Timer::new());
                if let Err(error) = builder.serve_connection(stream, service).await {
                    eprintln!("a connection of the server ended with {error}");
                }
            }));
        }
    }));
    address
}

/// A connection for tonic's clients, which can be cloned.
#[derive(Clone)]
struct Channel(SendRequest<Body>);

impl Channel {
    async fn connect(address: SocketAddr) -> Channel {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::handshake(Executor::new(), stream).await.unwrap();
        drop(rt::spawn(async move { rt_ecosystem::ended("the client's connection", connection.await) }));
        Channel(sender)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

fn origin(address: SocketAddr) -> Uri {
    format!("http://{address}").parse().unwrap()
}

#[test]
fn a_generated_service_answers_calls_and_streams() {
    without_tokio(|| async {
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_service_status("rt", ServingStatus::Serving).await;
        let address = serve(service).await;
        let client = HealthClient::with_origin(Channel::connect(address).await, origin(address));
        let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };

        let checks = (0..50).map(|_| {
            let mut client = client.clone();
            rt::spawn(async move { client.check(ask("rt")).await.unwrap().into_inner().status })
        });
        assert!(all(checks.collect::<Vec<_>>()).await.iter().all(|status| *status == ServingStatus::Serving as i32));
        let error = client.clone().check(ask("nobody")).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);

        let mut watch = client.clone().watch(ask("rt")).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        for status in [ServingStatus::NotServing, ServingStatus::Serving, ServingStatus::NotServing] {
            reporter.set_service_status("rt", status).await;
            assert_eq!(soon(watch.message()).await.unwrap().unwrap().status, status as i32);
        }
    });
}

#[derive(Clone, PartialEq, prost::Message)]
struct Number {
    #[prost(int64, tag = "1")]
    value: i64,
}

fn number(value: i64) -> Number {
    Number { value }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;
type Numbers = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

/// `rpc Double(Number) returns (Number)`; fails for negative ones.
struct Double;

impl UnaryService<Number> for Double {
    type Response = Number;
    type Future = Answer<Number>;

    fn call(&mut self, request: tonic::Request<Number>) -> Self::Future {
        Box::pin(async move {
            assert_no_tokio();
            match request.into_inner().value {
                value if value < 0 => Err(Status::out_of_range(format!("{value} is too little"))),
                value => Ok(tonic::Response::new(number(2 * value))),
            }
        })
    }
}

/// `rpc Sum(stream Number) returns (Number)`
struct Sum;

impl ClientStreamingService<Number> for Sum {
    type Response = Number;
    type Future = Answer<Number>;

    fn call(&mut self, request: tonic::Request<Streaming<Number>>) -> Self::Future {
        Box::pin(async move {
            let (mut numbers, mut sum) = (request.into_inner(), 0);
            while let Some(number) = numbers.message().await? {
                sum += number.value;
            }
            Ok(tonic::Response::new(number(sum)))
        })
    }
}

/// `rpc Sums(stream Number) returns (stream Number)`: the sum so far, after each number.
struct Sums;

impl StreamingService<Number> for Sums {
    type Response = Number;
    type ResponseStream = Numbers;
    type Future = Answer<Numbers>;

    fn call(&mut self, request: tonic::Request<Streaming<Number>>) -> Self::Future {
        let sums = stream::unfold((request.into_inner(), 0), |(mut numbers, sum)| async move {
            match numbers.message().await {
                Ok(Some(next)) => Some((Ok(number(sum + next.value)), (numbers, sum + next.value))),
                Ok(None) => None,
                Err(status) => Some((Err(status), (numbers, sum))),
            }
        });
        Box::pin(async move { Ok(tonic::Response::new(Box::pin(sums) as Numbers)) })
    }
}

async fn calculate(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut grpc = Grpc::new(ProstCodec::<Number, Number>::default());
    Ok(match request.uri().path() {
        "/rt.Calculator/Double" => grpc.unary(Double, request).await,
        "/rt.Calculator/Sum" => grpc.client_streaming(Sum, request).await,
        "/rt.Calculator/Sums" => grpc.streaming(Sums, request).await,
        path => Status::unimplemented(path.to_owned()).into_http(),
    })
}

/// What is generated for a client, but for the messages' types.
struct Calculator(tonic::client::Grpc<Channel>);

impl Calculator {
    async fn connect() -> Calculator {
        let address = serve(tower::service_fn(calculate)).await;
        Calculator(tonic::client::Grpc::with_origin(Channel::connect(address).await, origin(address)))
    }

    async fn double(&mut self, value: i64) -> Result<i64, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/rt.Calculator/Double");
        let request = tonic::Request::new(number(value));
        let answer = self.0.unary(request, path, ProstCodec::<Number, Number>::default()).await?;
        Ok(answer.into_inner().value)
    }

    async fn sum(&mut self, numbers: impl Stream<Item = Number> + Send + 'static) -> Result<i64, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/rt.Calculator/Sum");
        let request = tonic::Request::new(numbers);
        let answer = self.0.client_streaming(request, path, ProstCodec::<Number, Number>::default()).await?;
        Ok(answer.into_inner().value)
    }

    async fn sums(
        &mut self,
        numbers: impl Stream<Item = Number> + Send + 'static,
    ) -> Result<Streaming<Number>, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/rt.Calculator/Sums");
        let request = tonic::Request::new(numbers);
        Ok(self.0.streaming(request, path, ProstCodec::<Number, Number>::default()).await?.into_inner())
    }
}

#[test]
fn a_call_returns_its_answer_or_its_status() {
    without_tokio(|| async {
        let mut calculator = Calculator::connect().await;
        assert_eq!(calculator.double(21).await.unwrap(), 42);
        let status = calculator.double(-1).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::OutOfRange, "-1 is too little"));
    });
}

#[test]
fn a_client_streams_to_the_server() {
    without_tokio(|| async {
        let mut calculator = Calculator::connect().await;
        assert_eq!(calculator.sum(stream::iter(1..=1000).map(number)).await.unwrap(), 500_500);
        assert_eq!(calculator.sum(stream::empty()).await.unwrap(), 0);
    });
}

#[test]
fn both_sides_stream_at_once() {
    without_tokio(|| async {
        let mut calculator = Calculator::connect().await;
        let (sender, receiver) = rt::sync::mpsc::channel(1);
        let numbers = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        let mut sums = calculator.sums(numbers).await.unwrap();
        let mut sum = 0;
        for value in 1..=100 {
            // The next number is sent only after the answer to this one.
            sender.send(number(value)).await.unwrap();
            sum += value;
            assert_eq!(soon(sums.message()).await.unwrap().unwrap(), number(sum));
        }
        drop(sender);
        assert_eq!(soon(sums.message()).await.unwrap(), None);
    });
}

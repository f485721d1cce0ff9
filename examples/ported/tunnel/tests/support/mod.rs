//! Both sides of a tunnel, a local server behind it, and a link between them that can be cut and frozen.

// Each test file is a crate of its own, and none uses all of it.
#![allow(dead_code)]

use mini_tunnel::client::Denied;
use mini_tunnel::wire::Secret;
use mini_tunnel::{Client, Server, State, Timing};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// After this long a test has failed. A machine that is busy with other things needs some.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("this takes too long")
}

pub(crate) const SECRET: &str = "open sesame";

/// Impatient, where a test has to wait for it.
pub(crate) fn timing() -> Timing {
    let (first_pause, longest_pause) = (Duration::from_millis(5), Duration::from_millis(50));
    Timing { first_pause, longest_pause, ..Timing::default() }
}

/// A tunnel's server in a task.
pub(crate) struct RunningServer {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl RunningServer {
    pub(crate) async fn start(timing: Timing) -> RunningServer {
        RunningServer::at("127.0.0.1:0".parse().unwrap(), timing).await
    }

    pub(crate) async fn at(address: SocketAddr, timing: Timing) -> RunningServer {
        let server = Server::bind(address, Secret::new(SECRET), timing).await.unwrap();
        let (address, (stop, stopped)) = (server.local_addr().unwrap(), oneshot::channel::<()>());
        RunningServer { address, stop, serving: tokio::spawn(server.serve(stopped)) }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        soon(self.serving).await.unwrap();
    }

    /// As if its machine had gone: no connection lives on.
    pub(crate) async fn kill(self) {
        self.serving.abort();
        assert!(soon(self.serving).await.unwrap_err().is_cancelled());
    }
}

/// A tunnel's client in a task.
pub(crate) struct RunningClient {
    pub(crate) state: watch::Receiver<State>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Denied>>,
}

impl RunningClient {
    pub(crate) fn start(server: SocketAddr, local: SocketAddr, timing: Timing) -> RunningClient {
        RunningClient::with(Client::new(server.to_string(), local.to_string(), 0, Secret::new(SECRET), timing))
    }

    pub(crate) fn with(client: Client) -> RunningClient {
        let (sender, state) = watch::channel(State::Connecting);
        let (stop, stopped) = oneshot::channel::<()>();
        RunningClient { state, stop, running: tokio::spawn(client.run(sender, stopped)) }
    }

    /// Where visitors are awaited, once they are.
    pub(crate) async fn open(&mut self) -> SocketAddr {
        let state = soon(self.state.wait_for(|state| matches!(state, State::Open(_)))).await.unwrap();
        match *state {
            State::Open(port) => ([127, 0, 0, 1], port).into(),
            State::Connecting => unreachable!("it was waited for"),
        }
    }

    pub(crate) async fn lost(&mut self) {
        soon(self.state.wait_for(|state| *state == State::Connecting)).await.unwrap();
    }

    pub(crate) async fn stop(self) -> Result<(), Denied> {
        // Or it has ended already.
        let _ = self.stop.send(());
        soon(self.running).await.unwrap()
    }
}

/// A local server that says back what it is told.
pub(crate) async fn echo() -> SocketAddr {
    serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    })
    .await
}

/// A local server.
pub(crate) async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut answers = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answers.spawn(answer(stream));
        }
    });
    address
}

/// Says `bytes`, and that this is all, and returns the answer.
pub(crate) async fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = soon(TcpStream::connect(address)).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let asking = async {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    soon(async { tokio::join!(asking, reader.read_to_end(&mut answer)) }).await.1.unwrap();
    answer
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Nothing comes through, and nobody is told.
    Frozen,
    /// Connections are broken off.
    Cut,
}

/// A link to `far` that has weather.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
}

impl Link {
    pub(crate) async fn to(far: SocketAddr) -> Link {
        let (weather, seen) = watch::channel(Weather::Fine);
        let address = serve(move |near| link(near, far, seen.clone())).await;
        Link { address, weather }
    }

    pub(crate) fn freeze(&self) {
        self.weather.send_replace(Weather::Frozen);
    }

    pub(crate) fn thaw(&self) {
        self.weather.send_replace(Weather::Fine);
    }

    pub(crate) fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }
}

async fn link(mut near: TcpStream, far: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let mut far = TcpStream::connect(far).await.unwrap();
    let (mut near_reader, mut near_writer) = near.split();
    let (mut far_reader, mut far_writer) = far.split();
    let (mut there, mut back) = ([0; 4096], [0; 4096]);
    let (mut near_speaks, mut far_speaks) = (true, true);
    while near_speaks || far_speaks {
        if weather.wait_for(|weather| *weather != Weather::Frozen).await.is_err() || *weather.borrow() == Weather::Cut {
            return;
        }
        let copied = select! {
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = near_reader.read(&mut there), if near_speaks => match read {
                Ok(0) => {
                    near_speaks = false;
                    far_writer.shutdown().await
                }
                Ok(length) => far_writer.write_all(&there[..length]).await,
                Err(_) => return,
            },
            read = far_reader.read(&mut back), if far_speaks => match read {
                Ok(0) => {
                    far_speaks = false;
                    near_writer.shutdown().await
                }
                Ok(length) => near_writer.write_all(&back[..length]).await,
                Err(_) => return,
            },
        };
        if copied.is_err() {
            return;
        }
    }
}

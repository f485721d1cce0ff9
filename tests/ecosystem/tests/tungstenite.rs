//! WebSockets by tokio-tungstenite, both sides.

use futures_util::{SinkExt, StreamExt};
use rt::net::TcpStream;
use rt_ecosystem::{all, assert_no_tokio, ended, listen, without_tokio};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// A server that echoes texts and binary messages.
async fn serve() -> SocketAddr {
    let (listener, address) = listen().await;
    drop(rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(rt::spawn(async move { ended("a connection of the server", echo(stream).await) }));
        }
    }));
    address
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    assert_no_tokio();
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn connect(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _response) = client_async(format!("ws://{address}/"), stream).await.unwrap();
    socket
}

#[test]
fn messages_come_back_in_their_order_and_the_end_is_agreed_on() {
    without_tokio(|| async {
        let mut socket = connect(serve().await).await;
        for n in 0..100 {
            socket.send(Message::text(format!("message {n}"))).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("message {n}")));
        }
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        assert!(socket.next().await.is_none());
    });
}

#[test]
fn large_messages_go_both_ways_over_sockets_side_by_side() {
    without_tokio(|| async {
        let address = serve().await;
        let clients = (0..8_u8).map(|client| {
            rt::spawn(async move {
                let (mut sender, mut receiver) = connect(address).await.split();
                let message = Message::binary(vec![client; 300 * 1024]);
                let sent = message.clone();
                let sending = rt::spawn(async move {
                    for _ in 0..4 {
                        sender.send(sent.clone()).await.unwrap();
                    }
                });
                for _ in 0..4 {
                    assert!(receiver.next().await.unwrap().unwrap() == message, "what comes back is what was sent");
                }
                sending.await.unwrap();
            })
        });
        all(clients.collect::<Vec<_>>()).await;
    });
}

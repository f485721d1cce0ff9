//! The tunnel's two programs.
//!
//! ```text
//! TUNNEL_SECRET=... mini-tunnel server ADDRESS
//! TUNNEL_SECRET=... mini-tunnel client SERVER LOCAL [PORT]
//! ```
//!
//! Both end, with grace, at ctrl-c and SIGTERM.

use mini_tunnel::{Client, Server, State, Timing, wire::Secret};
use std::error::Error;
use tokio::select;
use tokio::signal::{ctrl_c, unix};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let secret =
        || std::env::var("TUNNEL_SECRET").map_err(|_| "TUNNEL_SECRET says what both sides know, and is not set");
    match arguments.as_slice() {
        ["server", address] => serve(address, Secret::new(&secret()?)).await,
        ["client", server, local] => keep(server, local, 0, Secret::new(&secret()?)).await,
        ["client", server, local, port] => keep(server, local, port.parse()?, Secret::new(&secret()?)).await,
        _ => Err("usage: mini-tunnel server ADDRESS\n       mini-tunnel client SERVER LOCAL [PORT]".into()),
    }
}

async fn serve(address: &str, secret: Secret) -> Result<(), Box<dyn Error>> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let server = Server::bind(address, secret, Timing::default()).await?;
    println!("listening at {}", server.local_addr()?);
    server
        .serve(async {
            select! {
                _ = ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        })
        .await;
    Ok(())
}

async fn keep(server: &str, local: &str, port: u16, secret: Secret) -> Result<(), Box<dyn Error>> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let (sender, mut state) = watch::channel(State::Connecting);
    let client = Client::new(server, local, port, secret, Timing::default());
    let shutdown = async {
        loop {
            select! {
                _ = ctrl_c() => return,
                _ = terminate.recv() => return,
                Ok(()) = state.changed() => if let State::Open(port) = *state.borrow_and_update() {
                    println!("open at port {port}");
                },
            }
        }
    };
    client.run(sender, shutdown).await?;
    Ok(())
}

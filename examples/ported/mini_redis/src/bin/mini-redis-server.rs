//! The server. Ends, with grace, at ctrl-c.
//!
//! ```text
//! cargo run -p mini-redis --bin mini-redis-server [ADDRESS]
//! ```

use mini_redis::{Options, Server};
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6380".to_owned());
    let server = Server::bind(address, Options::default()).await?;
    println!("listening at {}", server.local_addr()?);
    let served = server.serve(ctrl_c()).await;
    println!("served {} connections, and had to cut off {}", served.connections, served.cut_off);
    Ok(())
}

//! Sockets.
//!
//! They implement tokio's I/O traits, and with the feature `hyper` also hyper's. A socket belongs to the runtime it was made
//! in, and can be used from any task and any thread.
//!
//! ```
//! use rt::io::{AsyncReadExt, AsyncWriteExt};
//! use rt::net::{TcpListener, TcpStream};
//!
//! # #[rt::main]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! rt::spawn(async move {
//!     let (mut stream, _peer) = listener.accept().await?;
//!     stream.write_all(b"hello").await
//! });
//! let mut greeting = String::new();
//! TcpStream::connect(address).await?.read_to_string(&mut greeting).await?;
//! assert_eq!(greeting, "hello");
//! # Ok(())
//! # }
//! ```

mod addr;
mod tcp_listener;
mod tcp_stream;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;

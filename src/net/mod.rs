//! Sockets.
//!
//! They implement tokio's I/O traits, and with the features `hyper` and `futures-io` also theirs. A socket belongs to the
//! runtime it was made in, and can be used from any task and any thread.
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
pub(crate) mod fill;
#[macro_use]
mod methods;
#[macro_use]
mod traits;
#[macro_use]
mod halves;
#[macro_use]
mod datagrams;
#[cfg_attr(not(feature = "time"), path = "no_rest.rs")]
mod rest;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{listener::TcpListener, socket::TcpSocket, stream::TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{datagram::UnixDatagram, listener::UnixListener, socket::UnixSocket, stream::UnixStream};

//! What only Unix has: sockets with paths for addresses, and pipes.

mod address;
mod credentials;
pub(super) mod datagram;
pub(super) mod listener;
pub mod pipe;
pub(super) mod socket;
pub(super) mod stream;

pub use address::SocketAddr;
pub use credentials::UCred;
use datagram::UnixDatagram;
use listener::UnixListener;
use stream::UnixStream;
pub use stream::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

/// A user's number.
#[allow(non_camel_case_types, reason = "tokio's name, and the system's")]
pub type uid_t = u32;

/// A group's number.
#[allow(non_camel_case_types, reason = "tokio's name, and the system's")]
pub type gid_t = u32;

/// A process's number.
#[allow(non_camel_case_types, reason = "tokio's name, and the system's")]
pub type pid_t = i32;

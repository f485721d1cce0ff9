//! TCP: listening, connecting, and the halves of a connection.

pub(super) mod listener;
pub(super) mod socket;
pub(super) mod stream;

use listener::TcpListener;
use stream::TcpStream;
pub use stream::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

//! Two connections that become one.

use std::io;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

/// Copies in both directions until both have ended. The end of one is passed on at once, while the other goes on. `first` is what was read from
/// `far` already.
pub(crate) async fn splice(mut near: TcpStream, mut far: TcpStream, first: &[u8]) -> io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    near.write_all(first).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

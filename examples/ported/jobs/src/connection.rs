//! Connections to a Redis server, over TCP or a Unix socket.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Connects to `HOST:PORT`, or to the socket at a path.
///
/// The crate is given the stream, and no timeouts, which would be timers of the tokio that it was built with; who wants one has
/// `tokio::time::timeout`.
///
/// # Errors
///
/// If there is no server.
pub async fn connect(address: &str) -> RedisResult<MultiplexedConnection> {
    if address.contains('/') {
        drive(UnixStream::connect(address).await?).await
    } else {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        drive(stream).await
    }
}

async fn drive(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let info = RedisConnectionInfo::default();
    let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    // Ends with the last clone of the connection, or with the connection.
    tokio::spawn(driver);
    Ok(connection)
}

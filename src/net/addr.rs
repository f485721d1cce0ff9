//! Names to addresses.

use crate::task::spawn_blocking;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What can be turned into addresses: an address, several, or a name and a port.
///
/// Names, and text that is no address, are looked up by the system's resolver, on the blocking pool. This trait is
/// implemented for what [`std::net::ToSocketAddrs`] is, and cannot be implemented elsewhere.
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// Looks up the addresses of a host.
///
/// ```
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// for address in rt::net::lookup_host("localhost:80").await? {
///     assert!(address.ip().is_loopback());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the system's resolver says.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    host.resolve().await.map(Vec::into_iter)
}

/// Tries `attempt` with each address of `host`, and returns the first success or the last error. `purpose` is for the
/// message: "connect to".
pub(super) async fn each_addr<T, A>(
    purpose: &'static str,
    host: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> A,
) -> io::Result<T>
where
    A: Future<Output = io::Result<T>>,
{
    let mut last = None;
    for address in host.resolve().await? {
        match attempt(address).await {
            Ok(success) => return Ok(success),
            Err(error) => last = Some(naming(purpose, &address)(error)),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no addresses")))
}

/// Adds to an error what was tried with which address, if the error is about that. Its kind stays, and it is the
/// [`source`](std::error::Error::source) of the new one.
pub(super) fn naming(purpose: &'static str, address: &dyn fmt::Debug) -> impl FnOnce(io::Error) -> io::Error {
    use io::ErrorKind::*;
    move |error| match error.kind() {
        AddrInUse | AddrNotAvailable | ConnectionRefused | ConnectionReset | TimedOut | HostUnreachable
        | NetworkUnreachable | PermissionDenied | NotFound | AlreadyExists | InvalidInput => {
            io::Error::new(error.kind(), AddressError { purpose, address: format!("{address:?}"), error })
        }
        // Not of this address: no more descriptors, no memory. The number of such an error says more than its kind.
        _ => error,
    }
}

#[derive(Debug)]
struct AddressError {
    purpose: &'static str,
    address: String,
    error: io::Error,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.purpose, self.address, self.error)
    }
}

impl std::error::Error for AddressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

async fn look_up(host: String) -> io::Result<Vec<SocketAddr>> {
    // An address needs no resolver.
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    look_up_blocking(move || {
        std::net::ToSocketAddrs::to_socket_addrs(&host).map(Iterator::collect).map_err(unknown(&host))
    })
    .await
}

/// Adds the name to what the resolver says.
fn unknown(host: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| {
        let kind = error.kind();
        io::Error::new(kind, AddressError { purpose: "look up", address: format!("{host:?}"), error })
    }
}

async fn look_up_blocking(
    resolver: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    spawn_blocking(resolver).await?
}

mod sealed {
    use super::*;

    pub trait Resolve {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
    }

    macro_rules! ready {
        ($($type:ty),*) => {$(
            impl Resolve for $type {
                fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
                    std::future::ready(Ok(vec![SocketAddr::from(*self)]))
                }
            }
        )*};
    }

    ready!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

    impl Resolve for [SocketAddr] {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            std::future::ready(Ok(self.to_vec()))
        }
    }

    impl Resolve for str {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            look_up(self.to_owned())
        }
    }

    impl Resolve for String {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            look_up(self.clone())
        }
    }

    fn look_up_host(host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<> {
        let host = host.to_owned();
        async move {
            if let Ok(ip) = host.parse::<IpAddr>() {
                return Ok(vec![SocketAddr::new(ip, port)]);
            }
            let name = (host, port);
            look_up_blocking(move || {
                std::net::ToSocketAddrs::to_socket_addrs(&(name.0.as_str(), name.1))
                    .map(Iterator::collect)
                    .map_err(unknown(&name.0))
            })
            .await
        }
    }

    impl Resolve for (&str, u16) {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            look_up_host(self.0, self.1)
        }
    }

    impl Resolve for (String, u16) {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            look_up_host(&self.0, self.1)
        }
    }

    impl<T: Resolve + ?Sized> Resolve for &T {
        fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
            (**self).resolve()
        }
    }
}

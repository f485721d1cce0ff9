//! Which auto traits the futures of `async` functions have, which no documentation lists.

use rt_same_meaning::{Seen, auto_traits, same};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

type Ready = std::future::Ready<u32>;
type Local = std::future::Ready<Rc<u32>>;

same! {
    fn futures_of_tasks_and_runtimes() {
        let seen = Seen::new();
        auto_traits!(
            seen,
            |()| runtime::task::yield_now(),
            |()| runtime::task::coop::consume_budget(),
            |future: Ready| runtime::task::coop::cooperative(future),
            |future: Local| runtime::task::coop::cooperative(future),
            |future: Ready| runtime::task::coop::unconstrained(future),
            |set: &'static mut runtime::task::JoinSet<u32>| set.join_next(),
            |set: &'static mut runtime::task::JoinSet<u32>| set.join_next_with_id(),
            |set: &'static mut runtime::task::JoinSet<u32>| set.shutdown(),
            |set: runtime::task::JoinSet<u32>| set.join_all(),
            |set: &'static mut runtime::task::JoinSet<Cell<u32>>| set.join_next(),
            |set: &'static mut runtime::task::JoinSet<Rc<u32>>| set.join_next(),
            |set: &'static runtime::task::LocalSet| set.run_until(std::future::ready(1)),
            |key: &'static runtime::task::LocalKey<u32>| key.scope(1, std::future::ready(1)),
            |key: &'static runtime::task::LocalKey<Cell<u32>>| key.scope(Cell::new(1), std::future::ready(1)),
            |key: &'static runtime::task::LocalKey<Rc<u32>>| key.scope(Rc::new(1), std::future::ready(1)),
            |handle: runtime::task::JoinHandle<u32>| handle,
            |handle: runtime::task::JoinHandle<Cell<u32>>| handle,
            |handle: runtime::task::JoinHandle<Rc<u32>>| handle,
        );
        seen
    }

    fn futures_of_timers() {
        let seen = Seen::new();
        auto_traits!(
            seen,
            |()| runtime::time::sleep(Duration::ZERO),
            |()| runtime::time::advance(Duration::ZERO),
            |future: Ready| runtime::time::timeout(Duration::ZERO, future),
            |future: Local| runtime::time::timeout(Duration::ZERO, future),
            |interval: &'static mut runtime::time::Interval| interval.tick(),
        );
        seen
    }

    fn futures_of_tcp_and_udp() {
        let seen = Seen::new();
        auto_traits!(
            seen,
            |()| runtime::net::lookup_host("localhost:0"),
            |address: std::net::SocketAddr| runtime::net::TcpListener::bind(address),
            |()| runtime::net::TcpListener::bind("localhost:0"),
            |listener: &'static runtime::net::TcpListener| listener.accept(),
            |address: std::net::SocketAddr| runtime::net::TcpStream::connect(address),
            |()| runtime::net::TcpStream::connect("localhost:0"),
            |socket: runtime::net::TcpSocket| socket.connect(([127, 0, 0, 1], 0).into()),
            |stream: &'static runtime::net::TcpStream| stream.ready(runtime::io::Interest::READABLE),
            |stream: &'static runtime::net::TcpStream| stream.readable(),
            |stream: &'static runtime::net::TcpStream| stream.writable(),
            |stream: &'static runtime::net::TcpStream| stream.peek(&mut []),
            |stream: &'static runtime::net::TcpStream| stream.async_io(runtime::io::Interest::READABLE, || Ok(1)),
            |half: &'static mut runtime::net::tcp::OwnedReadHalf| half.peek(&mut []),
            |half: &'static runtime::net::tcp::OwnedReadHalf| half.readable(),
            |half: &'static runtime::net::tcp::OwnedWriteHalf| half.writable(),
            |address: std::net::SocketAddr| runtime::net::UdpSocket::bind(address),
            |socket: &'static runtime::net::UdpSocket| socket.connect("localhost:0"),
            |socket: &'static runtime::net::UdpSocket| socket.send(&[]),
            |socket: &'static runtime::net::UdpSocket| socket.send_to(&[], "localhost:0"),
            |socket: &'static runtime::net::UdpSocket| socket.recv(&mut []),
            |socket: &'static runtime::net::UdpSocket| socket.recv_from(&mut []),
            |socket: &'static runtime::net::UdpSocket| socket.peek_from(&mut []),
            |socket: &'static runtime::net::UdpSocket| socket.peek_sender(),
            |socket: &'static runtime::net::UdpSocket| socket.readable(),
        );
        seen
    }

    fn futures_of_unix_sockets_and_descriptors() {
        let seen = Seen::new();
        auto_traits!(
            seen,
            |()| runtime::net::UnixStream::connect("path"),
            |listener: &'static runtime::net::UnixListener| listener.accept(),
            |stream: &'static runtime::net::UnixStream| stream.ready(runtime::io::Interest::READABLE),
            |stream: &'static runtime::net::UnixStream| stream.readable(),
            |socket: &'static runtime::net::UnixDatagram| socket.send(&[]),
            |socket: &'static runtime::net::UnixDatagram| socket.send_to(&[], "path"),
            |socket: &'static runtime::net::UnixDatagram| socket.recv(&mut []),
            |socket: &'static runtime::net::UnixDatagram| socket.recv_from(&mut []),
            |pipe: &'static runtime::net::unix::pipe::Sender| pipe.writable(),
            |pipe: &'static runtime::net::unix::pipe::Receiver| pipe.readable(),
            |fd: &'static runtime::io::unix::AsyncFd<std::fs::File>| fd.readable(),
            |fd: &'static mut runtime::io::unix::AsyncFd<std::fs::File>| fd.readable_mut(),
            |fd: &'static runtime::io::unix::AsyncFd<std::fs::File>| {
                fd.async_io(runtime::io::Interest::READABLE, |_| Ok(1))
            },
        );
        seen
    }

    fn what_macros_make() {
        // Of functions of their own: of a block nobody knows yet, where it is written.
        async fn select<F: Future>(future: F) -> F::Output {
            runtime::select! { one = future => one }
        }
        async fn join<F: Future>(future: F) -> (F::Output, u32) {
            runtime::join!(future, std::future::ready(1))
        }
        async fn try_join<T, E>(future: std::future::Ready<Result<T, E>>) -> Result<(T,), E> {
            runtime::try_join!(future)
        }
        let seen = Seen::new();
        auto_traits!(
            seen,
            |future: Ready| select(future),
            |future: Local| select(future),
            |future: Ready| join(future),
            |future: Local| join(future),
            |future: std::future::Ready<Result<u32, Cell<u32>>>| try_join(future),
            |future: std::future::Ready<Result<u32, Rc<u32>>>| try_join(future),
        );
        seen
    }
}

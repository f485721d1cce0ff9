//! Unix sockets and pipes.

use super::*;

#[test]
fn unix_sockets_connect_by_path_and_know_who_is_there() {
    on_each_flavor(async || {
        let folder = Folder::new("path");
        let path = folder.path("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        let (client, accepted) = join(UnixStream::connect(&path), listener.accept()).await;
        let (mut client, (mut server, peer)) = (client.unwrap(), accepted.unwrap());
        assert!(peer.is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
        let credentials = client.peer_cred().unwrap();
        assert_eq!(credentials.pid(), Some(std::process::id() as pid_t));
        assert_eq!(credentials.uid(), rustix::process::getuid().as_raw());
        assert_eq!(credentials.gid(), rustix::process::getgid().as_raw());
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        let (reader, writer) = client.into_split();
        assert!(reader.reunite(writer).is_ok());
    });
}

#[test]
fn unix_sockets_have_abstract_names() {
    on_each_flavor(async || {
        let name = format!("\0rt-test-{}-{:?}", std::process::id(), std::thread::current().id());
        let listener = UnixListener::bind(&name).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(&name.as_bytes()[1..]));
        let (client, accepted) = join(UnixStream::connect_addr(&address), listener.accept()).await;
        assert!(client.is_ok() && accepted.is_ok());
        assert!(join(UnixStream::connect(&name), listener.accept()).await.0.is_ok());
    });
}

#[test]
fn unix_datagrams_have_paths_or_no_address() {
    on_each_flavor(async || {
        let folder = Folder::new("datagram");
        let server = UnixDatagram::bind(folder.path("server")).unwrap();
        let client = UnixDatagram::bind(folder.path("client")).unwrap();
        let nobody = UnixDatagram::unbound().unwrap();
        client.send_to(b"abc", folder.path("server")).await.unwrap();
        let mut buffer = [0; 8];
        let (length, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((length, sender.as_pathname()), (3, Some(folder.path("client").as_path())));

        nobody.connect(folder.path("server")).unwrap();
        nobody.send(b"de").await.unwrap();
        let mut grown = Vec::with_capacity(8);
        let (length, sender) = server.recv_buf_from(&mut grown).await.unwrap();
        assert!(length == 2 && sender.is_unnamed());

        client.send_to(b"fgh", folder.path("server")).await.unwrap();
        server.readable().await.unwrap();
        grown.clear();
        let (length, sender) = server.try_recv_buf_from(&mut grown).unwrap();
        assert_eq!((length, sender.as_pathname()), (3, Some(folder.path("client").as_path())));
        nobody.shutdown(Shutdown::Both).unwrap();
        assert_eq!(nobody.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_full_queue_of_datagrams_makes_the_sender_wait() {
    on_each_flavor(async || {
        let (one, two) = UnixDatagram::pair().unwrap();
        let mut sent = 0;
        while one.try_send(&[0; 1000]).is_ok() {
            sent += 1;
        }
        let mut sending = pin!(one.send(&[1; 1000]));
        assert!(sending.as_mut().now_or_never().is_none());
        let mut buffer = [0; 1000];
        for _ in 0..sent {
            assert_eq!(two.recv(&mut buffer).await.unwrap(), 1000);
        }
        assert_eq!(sending.await.unwrap(), 1000);
    });
}

#[test]
fn a_unix_socket_is_bound_before_it_is_used() {
    on_each_flavor(async || {
        let folder = Folder::new("socket");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(folder.path("server")).unwrap();
        let listener = socket.listen(4).unwrap();
        let client = UnixSocket::new_stream().unwrap();
        client.bind(folder.path("client")).unwrap();
        let (client, accepted) = join(client.connect(folder.path("server")), listener.accept()).await;
        client.unwrap();
        assert_eq!(accepted.unwrap().1.as_pathname(), Some(folder.path("client").as_path()));

        let datagrams = UnixSocket::new_datagram().unwrap();
        datagrams.bind(folder.path("datagrams")).unwrap();
        assert!(datagrams.datagram().is_ok());
        let wrong = UnixSocket::new_datagram().unwrap().listen(1).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixSocket::new_stream().unwrap().datagram().unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_pipe_carries_bytes_and_its_end() {
    on_each_flavor(async || {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let writing = rt::spawn(async move {
            sender.write_all(&[3; 200_000]).await.unwrap();
        });
        let mut all = Vec::new();
        receiver.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 200_000);
        writing.await.unwrap();

        let (mut sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        assert_eq!(sender.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_pipe_with_a_name_is_opened_at_both_ends() {
    on_each_flavor(async || {
        let folder = Folder::new("fifo");
        let path = folder.path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let nobody = pipe::OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()));
        let mut receiver = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        let mut sender = pipe::OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"abc").await.unwrap();
        let mut buffer = [0; 3];
        receiver.read_exact(&mut buffer).await.unwrap();
        drop(sender);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0, "nobody sends any more");

        let mut both = pipe::OpenOptions::new().read_write(true).open_receiver(&path).unwrap();
        assert!(both.read(&mut buffer).now_or_never().is_none(), "it counts as a sender itself");

        std::fs::write(folder.path("file"), b"x").unwrap();
        let wrong = pipe::OpenOptions::new().open_receiver(folder.path("file")).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_pipe_of_somebody_elses_is_taken_over_and_given_back() {
    on_each_flavor(async || {
        let (reader, writer) = std::io::pipe().unwrap();
        let wrong = pipe::Sender::from_owned_fd(reader.try_clone().unwrap().into()).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        let mut receiver = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut sender = pipe::Sender::from_owned_fd(writer.into()).unwrap();
        sender.write_all(b"ab").await.unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 2);
        let mut blocking = std::fs::File::from(sender.into_blocking_fd().unwrap());
        blocking.write_all(b"c").unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 1);
        let reading = std::fs::File::from(receiver.into_nonblocking_fd().unwrap());
        assert_eq!((&reading).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

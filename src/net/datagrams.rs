//! Methods that datagram sockets of both families have word for word. Each has a `socket()`.

/// Sending and receiving on a connected socket; and receiving on any, where `$from` turns the system's address into ours.
macro_rules! datagram_methods {
    ($address:ty, $receive_from:path) => {
        ready_method!();
        readable_method!();
        writable_method!();
        poll_ready_method!(
            /// Polls for something to receive.
            poll_recv_ready,
            Read
        );
        poll_ready_method!(
            /// Polls for room to send.
            poll_send_ready,
            Write
        );
        own_io_methods!();

        /// Sends a datagram to the address this is connected to. Returns how many bytes were sent: all of them.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was sent.
        ///
        /// # Errors
        ///
        /// What the system says; if this is not connected, or the datagram is too long, for example.
        pub async fn send(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.socket().io($crate::io::Interest::WRITABLE, |socket| socket.send(buf)).await
        }

        /// As [`send`](Self::send), polled. Only the last task to poll for sending is woken.
        ///
        /// # Errors
        ///
        /// As [`send`](Self::send).
        pub fn poll_send(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.socket().poll_io($crate::driver::Direction::Write, cx, |socket| socket.send(buf))
        }

        /// As [`send`](Self::send), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no room; else as [`send`](Self::send).
        pub fn try_send(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.socket().try_io($crate::io::Interest::WRITABLE, |socket| socket.send(buf))
        }

        /// Receives a datagram, from the address this is connected to if it is connected. Returns its length.
        ///
        /// What does not fit into `buf` is lost.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was received.
        ///
        /// # Errors
        ///
        /// What the system says.
        pub async fn recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.socket().io($crate::io::Interest::READABLE, |socket| socket.recv(buf)).await
        }

        /// As [`recv`](Self::recv), polled. Only the last task to poll for receiving is woken.
        ///
        /// # Errors
        ///
        /// As [`recv`](Self::recv).
        pub fn poll_recv(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let read = |room: &mut _| self.socket().poll_receive(cx, room).map_ok(|filled| (filled, ()));
            $crate::net::fill::read_buf(buf, read)
        }

        /// As [`recv`](Self::recv), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there; else as [`recv`](Self::recv).
        pub fn try_recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.socket().try_io($crate::io::Interest::READABLE, |socket| socket.recv(buf))
        }

        /// As [`recv`](Self::recv), into the free room of a buffer that grows, which need not be initialised.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was received.
        ///
        /// # Errors
        ///
        /// As [`recv`](Self::recv).
        #[cfg(feature = "io-util")]
        #[cfg_attr(docsrs, doc(cfg(feature = "io-util")))]
        pub async fn recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            let socket = self.socket();
            let receive = |source: &_| {
                let read = |room: &mut _| $crate::driver::socket::Receive::receive(source, room).map(|filled| (filled, ()));
                $crate::net::fill::buf(buf, read)
            };
            socket.io($crate::io::Interest::READABLE, receive).await.map(|(count, ())| count)
        }

        /// As [`recv_buf`](Self::recv_buf), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there; else as [`recv`](Self::recv).
        #[cfg(feature = "io-util")]
        #[cfg_attr(docsrs, doc(cfg(feature = "io-util")))]
        pub fn try_recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            let read = |room: &mut _| self.socket().try_receive(room).map(|filled| (filled, ()));
            $crate::net::fill::buf(buf, read).map(|(count, ())| count)
        }

        /// Receives a datagram, and tells who sent it.
        ///
        /// What does not fit into `buf` is lost.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was received.
        ///
        /// # Errors
        ///
        /// What the system says.
        pub async fn recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, $address)> {
            let received = self.socket().io($crate::io::Interest::READABLE, |socket| socket.recv_from(buf)).await?;
            Ok((received.0, received.1.into()))
        }

        /// As [`recv_from`](Self::recv_from), polled. Only the last task to poll for receiving is woken.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        pub fn poll_recv_from(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<$address>> {
            let read = |room: &mut _| {
                self.socket().poll_io($crate::driver::Direction::Read, cx, |socket| $receive_from(socket, room))
            };
            $crate::net::fill::read_buf(buf, read).map_ok(Into::into)
        }

        /// As [`recv_from`](Self::recv_from), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there; else as [`recv_from`](Self::recv_from).
        pub fn try_recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, $address)> {
            let received = self.socket().try_io($crate::io::Interest::READABLE, |socket| socket.recv_from(buf))?;
            Ok((received.0, received.1.into()))
        }

        /// As [`recv_from`](Self::recv_from), into the free room of a buffer that grows, which need not be initialised.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was received.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        #[cfg(feature = "io-util")]
        #[cfg_attr(docsrs, doc(cfg(feature = "io-util")))]
        pub async fn recv_buf_from<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<(usize, $address)> {
            let receive = |source: &_| $crate::net::fill::buf(buf, |room| $receive_from(source, room));
            let (count, sender) = self.socket().io($crate::io::Interest::READABLE, receive).await?;
            Ok((count, sender.into()))
        }

        /// As [`recv_buf_from`](Self::recv_buf_from), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there; else as [`recv_from`](Self::recv_from).
        #[cfg(feature = "io-util")]
        #[cfg_attr(docsrs, doc(cfg(feature = "io-util")))]
        pub fn try_recv_buf_from<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<(usize, $address)> {
            let receive = |source: &_| $crate::net::fill::buf(buf, |room| $receive_from(source, room));
            let (count, sender) = self.socket().try_io($crate::io::Interest::READABLE, receive)?;
            Ok((count, sender.into()))
        }
    };
}

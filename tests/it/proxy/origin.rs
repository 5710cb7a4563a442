//! A service of the test's own making: it accepts, reads and writes when the test says so, which shows what the
//! gateway passes on at once and what it holds back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

/// The listener.
pub struct Origin(TcpListener);

impl Origin {
    pub async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// One that takes no connection: its queue is full.
    pub async fn full() -> (Self, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = Self(socket.listen(1).unwrap());
        let mut waiting = Vec::new();
        // Until one is not answered any more.
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(300), TcpStream::connect(full.address())).await
        {
            waiting.push(stream);
        }
        (full, waiting)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection of the gateway.
    pub async fn accept(&self) -> Wire {
        let (stream, _) = timeout(DEADLINE, self.0.accept()).await.expect("the gateway connects").unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, buffer: Vec::new() }
    }
}

/// One end of a connection.
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await.expect("in time").unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await.expect("in time").unwrap();
    }

    /// Whether the bytes, or some of them, are taken at once. Not: the other side reads nothing any more.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        timeout(Duration::from_millis(300), self.stream.write(bytes)).await.is_ok_and(|wrote| wrote.is_ok())
    }

    /// Everything up to and with `end`.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end.as_bytes()) {
                return String::from_utf8_lossy(&self.buffer.drain(..at + end.len()).collect::<Vec<_>>())
                    .into_owned();
            }
            assert!(self.more().await > 0, "closed before {end:?}, after {}", self.buffer.escape_ascii());
        }
    }

    /// Whether `size` bytes come before the end; they are thrown away.
    pub async fn takes(&mut self, size: usize) -> bool {
        while self.buffer.len() < size {
            if self.more().await == 0 {
                return false;
            }
        }
        self.buffer.drain(..size);
        true
    }

    /// The next `size` bytes; none when the other side closes before.
    pub async fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < size {
            if self.more().await == 0 {
                return None;
            }
        }
        Some(self.buffer.drain(..size).collect())
    }

    /// Whether the other side takes these bytes.
    pub async fn put(&mut self, bytes: &[u8]) -> bool {
        timeout(DEADLINE, self.stream.write_all(bytes)).await.is_ok_and(|wrote| wrote.is_ok())
    }

    /// Reads and throws away `size` bytes.
    pub async fn skip(&mut self, size: usize) {
        let mut left = size;
        loop {
            let now = left.min(self.buffer.len());
            left -= now;
            self.buffer.drain(..now);
            if left == 0 {
                return;
            }
            assert!(self.more().await > 0, "closed {left} bytes early");
        }
    }

    /// Reads until the other side closes; how many bytes came before.
    pub async fn until_closed(&mut self) -> usize {
        let mut before = self.buffer.len();
        self.buffer.clear();
        loop {
            match self.more().await {
                0 => return before,
                size => before += size,
            }
            self.buffer.clear();
        }
    }

    /// A reset counts as closed.
    async fn more(&mut self) -> usize {
        let mut part = vec![0; 64 * 1024];
        let size = timeout(DEADLINE, self.stream.read(&mut part)).await.expect("bytes come, or the end");
        let size = size.unwrap_or(0);
        self.buffer.extend_from_slice(&part[..size]);
        size
    }
}

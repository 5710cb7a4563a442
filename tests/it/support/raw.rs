//! A client that sends exactly the bytes it is told to, and reads answers without repairing them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// For everything that should be prompt.
const DEADLINE: Duration = Duration::from_secs(10);

/// One answer.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// From the status line.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// The content, without the framing of chunks.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The values of all header lines of this name, whatever its case.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }
}

/// Why there was no answer.
#[derive(Debug)]
pub enum NoResponse {
    /// The connection closed before a byte of it.
    Closed,
    /// The connection closed in the middle of it; what had come.
    CutOff(Vec<u8>),
    /// Nothing more came within the deadline; what had come.
    TimedOut(Vec<u8>),
    /// It is no HTTP answer.
    Malformed(Vec<u8>),
}

/// What bytes travel on.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// A connection.
pub struct RawClient {
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
}

impl RawClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await.expect("connected in time");
        let stream = stream.unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_nodelay(true).expect("a socket takes the option");
        Self::over(stream)
    }

    /// On a connection that is there.
    pub fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Connects from this loopback address, which Linux has all of 127.0.0.0/8 for.
    pub async fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).unwrap_or_else(|error| panic!("not from {source}: {error}"));
        let stream = timeout(DEADLINE, socket.connect(address)).await.expect("connected in time");
        Self::over(stream.expect("a connection"))
    }

    /// Sends bytes. `false`: the other side closed, or took nothing for the deadline.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        // Over TLS the last record may wait in the session until it is flushed.
        let sent = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        matches!(timeout(DEADLINE, sent).await, Ok(Ok(())))
    }

    /// Sends bytes one by one with a pause before each. How many were taken.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> usize {
        for (sent, byte) in bytes.as_ref().iter().enumerate() {
            tokio::time::sleep(pause).await;
            if !self.send([*byte]).await {
                return sent;
            }
        }
        bytes.as_ref().len()
    }

    /// Sends a pattern over and over, up to `total` bytes. How many were taken before the other side
    /// closed or stopped reading.
    pub async fn flood(&mut self, pattern: &[u8], total: usize) -> usize {
        let block = pattern.repeat((64 * 1024 / pattern.len().max(1)).max(1));
        let mut sent = 0;
        while sent < total {
            let now = block.len().min(total - sent);
            if !self.send(&block[..now]).await {
                break;
            }
            sent += now;
        }
        sent
    }

    /// Says that no more bytes will come (half-close).
    pub async fn finish_sending(&mut self) {
        // Fails if the other side has gone, which is for the test to find out.
        let _ = self.stream.shutdown().await;
    }

    /// Reads the answer to a request that was not `HEAD`. An interim answer (1xx) counts as one.
    pub async fn read_response(&mut self) -> Result<RawResponse, NoResponse> {
        self.read_response_within(DEADLINE, true).await
    }

    /// Reads the answer to a `HEAD`: whatever its length says, no content follows.
    pub async fn read_response_to_head(&mut self) -> Result<RawResponse, NoResponse> {
        self.read_response_within(DEADLINE, false).await
    }

    async fn read_response_within(
        &mut self,
        deadline: Duration,
        with_content: bool,
    ) -> Result<RawResponse, NoResponse> {
        match timeout(deadline, self.response(with_content)).await {
            Ok(result) => result,
            Err(_) => Err(NoResponse::TimedOut(std::mem::take(&mut self.buffer))),
        }
    }

    /// Whether the other side closes within this time. Bytes that come before count as not closing.
    pub async fn closes_within(&mut self, time: Duration) -> bool {
        self.buffer.is_empty() && matches!(timeout(time, self.read()).await, Ok(false))
    }

    /// Whatever comes until the other side closes or the time is over.
    pub async fn read_rest(&mut self, time: Duration) -> Vec<u8> {
        let _ = timeout(time, async { while self.read().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    async fn response(&mut self, with_content: bool) -> Result<RawResponse, NoResponse> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
            .ok_or_else(|| NoResponse::Malformed(head.clone().into_bytes()))?;
        let mut response = RawResponse { status, head, body: Vec::new() };
        if with_content && status >= 200 && status != 204 && status != 304 {
            response.body = self.content(&response).await.map_err(|problem| match problem {
                NoResponse::Closed => NoResponse::CutOff(response.head.clone().into_bytes()),
                other => other,
            })?;
        }
        Ok(response)
    }

    async fn content(&mut self, response: &RawResponse) -> Result<Vec<u8>, NoResponse> {
        let length = response.header("content-length").first().map(|value| value.parse::<usize>());
        if response.header("transfer-encoding").contains(&"chunked") {
            self.chunks().await
        } else if let Some(length) = length {
            let length = length.map_err(|_| NoResponse::Malformed(response.head.clone().into_bytes()))?;
            self.exactly(length).await
        } else {
            while self.read().await {}
            Ok(std::mem::take(&mut self.buffer))
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, NoResponse> {
        let mut content = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?;
            let size = String::from_utf8_lossy(&line);
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| NoResponse::Malformed(line.clone()))?;
            if size == 0 {
                while self.until(b"\r\n").await? != b"\r\n" {} // trailers
                return Ok(content);
            }
            content.extend(self.exactly(size).await?);
            self.until(b"\r\n").await?;
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, NoResponse> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, size: usize) -> Result<Vec<u8>, NoResponse> {
        while self.buffer.len() < size {
            self.more().await?;
        }
        Ok(self.buffer.drain(..size).collect())
    }

    async fn more(&mut self) -> Result<(), NoResponse> {
        match (self.read().await, self.buffer.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(NoResponse::Closed),
            (false, false) => Err(NoResponse::CutOff(std::mem::take(&mut self.buffer))),
        }
    }

    /// Whether more bytes came. A reset counts as closed.
    async fn read(&mut self) -> bool {
        let mut part = [0; 16 * 1024];
        let size = self.stream.read(&mut part).await.unwrap_or(0);
        self.buffer.extend_from_slice(&part[..size]);
        size > 0
    }
}

/// Sends bytes on a new connection and reads one answer.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Result<RawResponse, NoResponse> {
    let mut client = RawClient::connect(address).await;
    client.send(bytes).await; // a refusal may come, and the connection close, before all was taken
    client.read_response().await
}

/// Sends each case on a connection of its own, one after the other: its name and what came back.
pub async fn exchange_each<'a>(
    address: SocketAddr,
    cases: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
) -> Vec<(&'a str, Result<RawResponse, NoResponse>)> {
    let mut outcomes = Vec::new();
    for (name, bytes) in cases {
        outcomes.push((name, exchange(address, bytes).await));
    }
    outcomes
}

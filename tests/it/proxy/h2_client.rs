//! Clients of HTTP/2: one that keeps to the rules, and one that sends the frames it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::front::Front;
use super::origin::Wire;
use crate::support::app::TestApp;

const DEADLINE: Duration = Duration::from_secs(10);

/// A gateway that takes HTTP/2 without TLS, and somebody logged in.
pub async fn front() -> Front {
    front_with("").await
}

/// The same with more configuration.
pub async fn front_with(config: &str) -> Front {
    Front::with(&format!("server.h2c = true\n{config}")).await
}

/// The same in front of this service.
pub async fn front_of(upstream: SocketAddr, config: &str) -> Front {
    let builder = TestApp::embedded().upstream(&upstream.to_string());
    Front::of(builder.config(&format!("server.h2c = true\n{config}"))).await
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection that keeps to the rules.
pub struct Client {
    send: SendRequest<Bytes>,
    connection: JoinSet<Result<(), h2::Error>>,
    base: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over_tcp(TcpStream::connect(address).await.unwrap()).await
    }

    /// The same from this loopback address.
    pub async fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Self::over_tcp(socket.connect(address).await.unwrap()).await
    }

    async fn over_tcp(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self::over(tcp, "http://front.example").await
    }

    /// Over this stream. `base`: scheme and authority of requests that say none.
    pub async fn over<S>(stream: S, base: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // A stream that is not read must not use up the window of its siblings.
        let (send, connection) = h2::client::Builder::new()
            .initial_connection_window_size(16 * 1024 * 1024)
            .handshake(stream)
            .await
            .unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Self { send, connection: driver, base: base.to_owned() }
    }

    /// Opens a stream. `line` is method and path, or method and a whole address.
    pub async fn open(
        &mut self,
        line: &str,
        fields: &[(&str, &str)],
        end: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut send =
            timeout(DEADLINE, self.send.clone().ready()).await.expect("room for a stream").unwrap();
        send.send_request(request(&self.base, line, fields), end).unwrap()
    }

    /// Opens a stream, unless the connection has ended.
    pub async fn try_open(&mut self, line: &str) -> Option<(ResponseFuture, SendStream<Bytes>)> {
        let mut send = timeout(DEADLINE, self.send.clone().ready()).await.expect("room for a stream").ok()?;
        send.send_request(request(&self.base, line, &[]), true).ok()
    }

    /// Sends a request without a body; the answer.
    pub async fn get(&mut self, line: &str, fields: &[(&str, &str)]) -> Answer {
        let (answer, _) = self.open(line, fields, true).await;
        whole(answer).await.unwrap()
    }

    /// Sends a request with a body; the answer.
    pub async fn post(&mut self, line: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let (answer, mut stream) = self.open(line, fields, false).await;
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
        whole(answer).await.unwrap()
    }

    /// How the connection ended.
    pub async fn ended(&mut self) -> Result<(), h2::Error> {
        timeout(DEADLINE, self.connection.join_next()).await.expect("it ends").unwrap().unwrap()
    }
}

fn request(base: &str, line: &str, fields: &[(&str, &str)]) -> Request<()> {
    let (method, path) = line.split_once(' ').unwrap();
    let base = if path.starts_with('/') { base } else { "" };
    let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The answer to its end.
pub async fn whole(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let read = async {
        let (head, mut body) = answer.await?.into_parts();
        let mut content = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            content.extend_from_slice(&data);
        }
        assert!(body.trailers().await?.is_none());
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: content.freeze() })
    };
    timeout(DEADLINE, read).await.expect("an answer comes")
}

/// The head of an answer.
pub async fn head(answer: ResponseFuture) -> Response<RecvStream> {
    timeout(DEADLINE, answer).await.expect("an answer comes").unwrap()
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An answer with this status, if it is one of HPACK's own (200, 204, 206, 304, 400, 404, 500), else 0.
    Answered(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// The connection ended, with this code of GOAWAY if there was one.
    Closed(Option<u32>),
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header block without compression: whatever these bytes are.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // RFC 7541 section 5.1, with a prefix of seven bits.
            if text.len() < 127 {
                block.push(text.len() as u8);
            } else {
                block.push(127);
                let mut left = text.len() - 127;
                while left >= 128 {
                    block.push((left % 128) as u8 | 128);
                    left /= 128;
                }
                block.push(left as u8);
            }
            block.extend_from_slice(text);
        }
    }
    block
}

/// The fields of an ordinary request.
pub fn usual(path: &[u8]) -> Vec<(&[u8], &[u8])> {
    vec![(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"front.example"), (b":path", path)]
}

/// A connection that sends what it is told to.
pub struct Raw {
    pub wire: Wire,
    goaway: Option<u32>,
}

impl Raw {
    /// Preface and empty SETTINGS.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address).await;
        wire.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.write(frame(SETTINGS, 0, 0, b"")).await;
        Self { wire, goaway: None }
    }

    /// Opens a stream with these fields, and ends it.
    pub async fn send(&mut self, stream: u32, fields: &[(&[u8], &[u8])]) {
        self.wire.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))).await;
    }

    /// The next frame; none when the connection is closed.
    pub async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head = self.wire.take(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.wire.take(length as usize).await?;
        if head[3] == GOAWAY {
            self.goaway = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        Some((head[3], head[4], stream, payload))
    }

    /// What becomes of a stream.
    pub async fn fate(&mut self, wanted: u32) -> Fate {
        while let Some((kind, _, stream, payload)) = self.next().await {
            match kind {
                HEADERS if stream == wanted => {
                    let status = match payload[0] {
                        0x88 => 200,
                        0x89 => 204,
                        0x8a => 206,
                        0x8b => 304,
                        0x8c => 400,
                        0x8d => 404,
                        0x8e => 500,
                        _ => 0,
                    };
                    return Fate::Answered(status);
                }
                RST_STREAM if stream == wanted => {
                    return Fate::Reset(u32::from_be_bytes(payload[..4].try_into().unwrap()));
                }
                _ => {}
            }
        }
        Fate::Closed(self.goaway)
    }

    /// Whether the gateway has said so far that it takes no more streams.
    pub async fn is_winding_up(&mut self) -> bool {
        self.wire.write(frame(PING, 0, 0, b"how goes")).await;
        while let Some((kind, _, _, payload)) = self.next().await {
            if kind == PING && payload == b"how goes" {
                break;
            }
        }
        self.goaway.is_some()
    }

    /// Reads until the other side closes; the code of its GOAWAY.
    pub async fn until_closed(&mut self) -> Option<u32> {
        while self.next().await.is_some() {}
        self.goaway
    }

    /// Sends these bytes over and over until the other side closes, or `times`. How often they were taken.
    pub async fn flood(&mut self, bytes: &[u8], times: usize) -> usize {
        for sent in 0..times {
            if !self.wire.put(bytes).await {
                return sent;
            }
        }
        times
    }
}

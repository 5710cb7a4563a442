//! A recording upstream: the oracle of "what did the service behind the gateway see?".
//!
//! Raw TCP on purpose: an HTTP library would repair, join or refuse what the tests want to look at.
//! It runs on a thread of its own, so it answers while a test blocks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use super::recorder_reply::Reply;
use super::recorder_reply::{After, answer};

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct RecordedRequest {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// The request line and header lines with their line ends, and the empty line.
    pub raw_head: Vec<u8>,
    /// The content, without the framing of chunks. Grows while the request is still arriving.
    pub body: Vec<u8>,
    /// The content as it was on the wire.
    pub raw_body: Vec<u8>,
    /// Whether the whole body has arrived.
    pub complete: bool,
    /// From the request line.
    pub method: String,
    /// From the request line, untouched.
    pub target: String,
}

impl RecordedRequest {
    /// The values of all header lines of this name (whatever its case), in order.
    pub fn header(&self, name: &str) -> Vec<String> {
        let headers = self.headers().into_iter();
        headers.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// All header lines, names as they were written.
    pub fn headers(&self) -> Vec<(String, String)> {
        String::from_utf8_lossy(&self.raw_head)
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    fn parse(connection: usize, raw_head: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&raw_head).into_owned();
        let mut words = text.lines().next().unwrap_or_default().split(' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        Self { connection, method: next(), target: next(), raw_head, ..Self::default() }
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn content_length(&self) -> usize {
        self.header("content-length").first().and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// What the connection tasks share with the test.
#[derive(Default)]
struct Shared {
    requests: Vec<RecordedRequest>,
    /// Every byte received, per connection: also what was no request at all.
    connections: Vec<Vec<u8>>,
    /// The first whose prefix fits wins.
    replies: Vec<(String, Reply)>,
}

/// The upstream. Closes its port and all connections on drop.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Listens on a free loopback port.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        Self::on(listener)
    }

    /// Listens on this address: a service that comes up late, or again.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::on(std::net::TcpListener::bind(address).expect("the address is free"))
    }

    fn on(listener: std::net::TcpListener) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (stop, stopped) = oneshot::channel();
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async move {
                tokio::select! {
                    () = accept(listener, for_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens, as `host:port` of an upstream.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, answer like this to every target without a rule of its own.
    pub fn reply(&self, reply: Reply) {
        self.reply_at("", reply);
    }

    /// From now on, answer like this to targets that begin with `prefix`.
    pub fn reply_at(&self, prefix: &str, reply: Reply) {
        let mut shared = self.shared.lock().expect("no holder panicked");
        shared.replies.retain(|(other, _)| other != prefix);
        shared.replies.push((prefix.to_owned(), reply));
        shared.replies.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    /// Every request so far, in the order of their heads.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().expect("no holder panicked").requests.clone()
    }

    /// The newest request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> RecordedRequest {
        self.requests().pop().expect("the upstream received a request")
    }

    /// How many requests it received.
    pub fn count(&self) -> usize {
        self.shared.lock().expect("no holder panicked").requests.len()
    }

    /// How many connections it accepted.
    pub fn connection_count(&self) -> usize {
        self.shared.lock().expect("no holder panicked").connections.len()
    }

    /// Every byte it received, per connection; also what formed no request.
    pub fn raw_bytes(&self) -> Vec<Vec<u8>> {
        self.shared.lock().expect("no holder panicked").connections.clone()
    }

    /// Forgets what was received so far. Not while a request is arriving.
    pub fn forget(&self) {
        let mut shared = self.shared.lock().expect("no holder panicked");
        shared.requests.clear();
        shared.connections.iter_mut().for_each(Vec::clear);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Mutex<Shared>>) {
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Else every answer in two writes waits for a delayed acknowledgement, some 40 ms.
        let _gone = stream.set_nodelay(true);
        let connection = {
            let mut shared = shared.lock().expect("no holder panicked");
            shared.connections.push(Vec::new());
            shared.connections.len() - 1
        };
        let incoming = Incoming { stream, buffer: Vec::new(), connection, shared: Arc::clone(&shared) };
        tokio::spawn(incoming.serve());
    }
}

/// One connection and what was read ahead from it.
struct Incoming {
    stream: TcpStream,
    buffer: Vec<u8>,
    connection: usize,
    shared: Arc<Mutex<Shared>>,
}

impl Incoming {
    /// Answers requests until the other side or a reply closes. Errors mean that it has gone.
    async fn serve(mut self) {
        let mut fresh = true;
        while let Ok(Some(index)) = self.head().await {
            let (mut request, mut reply) = self.look(index);
            if reply == Reply::CloseReused && !std::mem::take(&mut fresh) {
                reply = Reply::Close;
            }
            fresh = false;
            // `100-continue` is for the service to send; ours always wants the body.
            if !request.header("expect").is_empty() && reply != Reply::Close {
                let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
                if tokio::io::AsyncWriteExt::write_all(&mut self.stream, interim).await.is_err() {
                    return;
                }
            }
            if !matches!(reply, Reply::Close | Reply::Raw(_)) {
                if self.body(index, &request).await.is_err() {
                    return;
                }
                request = self.look(index).0;
            }
            match answer(&mut self.stream, &request, &reply).await {
                Ok(After::NextRequest) => {}
                Ok(After::WebSocket) => {
                    return super::recorder_reply::echo_websocket(self.stream, self.buffer).await;
                }
                Ok(After::Close) | Err(_) => return,
            }
        }
    }

    fn look(&self, index: usize) -> (RecordedRequest, Reply) {
        let shared = self.shared.lock().expect("no holder panicked");
        let request = shared.requests.get(index).cloned().unwrap_or_default();
        let rule = shared.replies.iter().find(|(prefix, _)| request.target.starts_with(prefix.as_str()));
        let reply = rule.map_or(Reply::Describe, |(_, reply)| reply.clone());
        (request, reply)
    }

    /// Reads a head and records it; its index. `None`: no more requests.
    async fn head(&mut self) -> std::io::Result<Option<usize>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read().await? {
                return Ok(None);
            }
        };
        let head = self.buffer.drain(..end).collect();
        let request = RecordedRequest::parse(self.connection, head);
        let mut shared = self.shared.lock().expect("no holder panicked");
        shared.requests.push(request);
        Ok(Some(shared.requests.len() - 1))
    }

    async fn body(&mut self, index: usize, request: &RecordedRequest) -> std::io::Result<()> {
        if request.is_chunked() {
            loop {
                let line = self.line().await?;
                self.record(index, &line, &[]);
                let size = String::from_utf8_lossy(&line);
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(std::io::Error::other)?;
                if size == 0 {
                    break;
                }
                self.content(index, size).await?;
                let line_end = self.line().await?;
                self.record(index, &line_end, &[]);
            }
            // Trailer lines up to the empty one.
            loop {
                let line = self.line().await?;
                self.record(index, &line, &[]);
                if line == b"\r\n" {
                    break;
                }
            }
        } else {
            self.content(index, request.content_length()).await?;
        }
        if let Some(request) = self.shared.lock().expect("no holder panicked").requests.get_mut(index) {
            request.complete = true;
        }
        Ok(())
    }

    /// Moves `size` bytes of content from the connection to the record, as they come.
    async fn content(&mut self, index: usize, size: usize) -> std::io::Result<()> {
        let mut left = size;
        while left > 0 {
            if self.buffer.is_empty() && !self.read().await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let part: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
            left -= part.len();
            self.record(index, &part, &part);
        }
        Ok(())
    }

    async fn line(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                return Ok(self.buffer.drain(..at + 2).collect());
            }
            if !self.read().await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn record(&self, index: usize, raw: &[u8], content: &[u8]) {
        if let Some(request) = self.shared.lock().expect("no holder panicked").requests.get_mut(index) {
            request.raw_body.extend_from_slice(raw);
            request.body.extend_from_slice(content);
        }
    }

    /// Whether more bytes came.
    async fn read(&mut self) -> std::io::Result<bool> {
        let mut part = [0; 16 * 1024];
        let size = self.stream.read(&mut part).await?;
        self.buffer.extend_from_slice(&part[..size]);
        let mut shared = self.shared.lock().expect("no holder panicked");
        shared.connections[self.connection].extend_from_slice(&part[..size]);
        Ok(size > 0)
    }
}

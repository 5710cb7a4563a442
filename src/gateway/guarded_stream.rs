//! A client's connection as the proxy library sees it: it never gets a byte of a body that was not judged.
//!
//! The library decodes bodies and bounds each silence by itself. What it lacks is done here, on the bytes on
//! their way to it: chunks are read strictly ([`Chunks`]), and bodies and answers have a least speed
//! ([`Pace`]). What is wrong becomes an I/O error that carries a [`Violation`], which ends the request and, since
//! nobody knows what comes next, the connection.
//!
//! Heads are not looked at (see `head_reader`), nor anything behind a handshake for a WebSocket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client_connection::WANTED;
use super::pace::Pace;
use super::request::{BadChunk, Body, CanonicalRequest, Chunks, Upgrade};

/// What a client did wrong behind the head of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Its body is not well formed.
    #[error("{0}")]
    BadChunk(BadChunk),
    /// It sends its body too slowly.
    #[error("the request body arrives too slowly")]
    SlowBody,
    /// Its body has more bytes than its route takes: so many.
    #[error("the request body is larger than {0} bytes")]
    LargeBody(u64),
    /// It goes on sending a body that nobody wants.
    #[error("the body of an answered request goes on and on")]
    UnwantedBody,
    /// It takes the answer too slowly.
    #[error("the answer is read too slowly")]
    SlowReader,
}

impl Violation {
    /// The violation behind an error of the proxy library.
    pub fn behind(error: &pingora::Error) -> Option<Self> {
        error.root_cause().downcast_ref::<io::Error>()?.get_ref()?.downcast_ref().copied()
    }
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        let kind = match violation {
            Violation::SlowBody | Violation::SlowReader => io::ErrorKind::TimedOut,
            Violation::BadChunk(_) | Violation::LargeBody(_) | Violation::UnwantedBody => {
                io::ErrorKind::InvalidData
            }
        };
        Self::new(kind, violation)
    }
}

/// What of the current body has not been read.
#[derive(Debug)]
enum Rest {
    /// Nothing: there was none, or it has ended.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Whatever comes until its last chunk.
    Chunked(Chunks),
}

/// The connection. Unguarded until [`GuardedStream::expect`].
#[derive(Debug)]
pub struct GuardedStream {
    inner: L4Stream,
    rest: Rest,
    /// Whether a byte of the body has come. Before, the client may have been told to wait with it.
    begun: bool,
    reading: Pace,
    /// Bytes that may still be read of a body that nobody wants, see [`super::client_connection`].
    unwanted: Arc<AtomicU64>,
    /// None: the answer may take its time.
    writing: Option<Pace>,
}

impl GuardedStream {
    /// Around a connection.
    pub fn new(inner: L4Stream) -> Self {
        let (reading, unwanted) = (Pace::new(Duration::MAX), Arc::new(WANTED.into()));
        Self { inner, rest: Rest::Nothing, begun: false, reading, unwanted, writing: None }
    }

    /// Where it stands how much of a body may still be read.
    pub fn follow(&mut self, unwanted: Arc<AtomicU64>) {
        self.unwanted = unwanted;
    }

    /// The same connection, when the proxy library gives it back.
    pub fn back(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// From here on it is the body of this request that comes; `received` was read together with its head.
    /// The graces are those of [`Pace`], for the body and for the answer.
    ///
    /// # Errors
    /// What was received is already wrong. The stream is unguarded then, for the last words.
    pub fn expect(
        &mut self,
        request: &CanonicalRequest,
        received: &[u8],
        body_grace: Duration,
        write_grace: Duration,
    ) -> Result<(), Violation> {
        self.rest = match request.body() {
            Body::None | Body::Length(0) => Rest::Nothing,
            Body::Length(length) => Rest::Length(length),
            Body::Chunked => Rest::Chunked(Chunks::default()),
        };
        self.begun = false;
        self.reading = Pace::new(body_grace);
        // A socket that the service does not open after all is bounded by the deadline of each write alone.
        self.writing = (request.upgrade() != Upgrade::WebSocket).then(|| Pace::new(write_grace));
        self.judge(received).inspect_err(|_| {
            self.rest = Rest::Nothing;
            self.writing = None;
        })
    }

    /// Whether no byte of a body is outstanding: what comes next is a head.
    pub fn body_ended(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    fn judge(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.rest {
            Rest::Nothing => return Ok(()),
            Rest::Length(left) => {
                *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.rest = Rest::Nothing;
                }
            }
            Rest::Chunked(chunks) => {
                chunks.feed(bytes).map_err(Violation::BadChunk)?;
                if chunks.ended() {
                    self.rest = Rest::Nothing;
                }
            }
        }
        self.begun = true;
        // One task writes and reads it.
        let left = self.unwanted.load(Ordering::Relaxed);
        if left != WANTED {
            let left = left.checked_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.unwanted.store(left.ok_or(Violation::UnwantedBody)?, Ordering::Relaxed);
        }
        let fast = self.reading.moved(bytes.len());
        if fast || self.body_ended() { Ok(()) } else { Err(Violation::SlowBody) }
    }

    /// What a write or a flush came to, with the bytes that were taken.
    fn wrote<T>(&mut self, poll: Poll<io::Result<T>>, taken: fn(&T) -> usize) -> Poll<io::Result<T>> {
        let Some(pace) = &mut self.writing else { return poll };
        match &poll {
            Poll::Pending => pace.wait(),
            Poll::Ready(Ok(done)) => {
                if !pace.moved(taken(done)) {
                    return Poll::Ready(Err(Violation::SlowReader.into()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        poll
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        if self.body_ended() {
            return poll;
        }
        match poll {
            Poll::Pending => {
                if self.begun {
                    self.reading.wait();
                }
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                let judged = self.judge(buf.filled().get(before..).unwrap_or_default());
                if judged.is_err() {
                    buf.set_filled(before);
                }
                Poll::Ready(judged.map_err(io::Error::from))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(poll, |taken| *taken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(poll, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(poll, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for GuardedStream {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut self.inner).await;
    }
}

#[async_trait]
impl Peek for GuardedStream {
    // Not supported: peeked bytes would pass unjudged, or be judged twice.
}

impl UniqueID for GuardedStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for GuardedStream {}

impl GetTimingDigest for GuardedStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for GuardedStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for GuardedStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, socket_digest: SocketDigest) {
        self.inner.set_socket_digest(socket_digest);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use pingora::{Error, ErrorType};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::advance;

    use super::*;
    use crate::gateway::request::HeadLimits;

    const GRACE: Duration = Duration::from_secs(30);
    const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// A connection on which this head, and then `received`, has come.
    async fn guarded(head: &str, received: &[u8]) -> (GuardedStream, Result<(), Violation>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = GuardedStream::new(L4Stream::from(tcp));
        let limits = HeadLimits { max_header_bytes: 4096, max_headers: 20, max_target_bytes: 100 };
        let request = CanonicalRequest::parse(head.as_bytes(), &limits).unwrap();
        let expected = stream.expect(&request, received, GRACE, GRACE);
        (stream, expected)
    }

    fn violation(error: io::Error) -> Option<Violation> {
        Violation::behind(&Error::because(ErrorType::WriteError, "as pingora reports it", error))
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_is_hardly_taken_is_given_up_but_not_a_websocket() {
        let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for (head, expected) in [(plain, Some(Violation::SlowReader)), (WEBSOCKET, None)] {
            let (mut stream, _) = guarded(head, b"").await;
            assert!(stream.wrote(Poll::Pending, |taken| *taken).is_pending());
            advance(GRACE + Duration::from_secs(1)).await;
            let Poll::Ready(done) = stream.wrote(Poll::Ready(Ok(100)), |taken| *taken) else {
                panic!("it is ready")
            };
            assert_eq!(done.err().and_then(violation), expected, "{head}");
        }
    }

    #[tokio::test]
    async fn end_of_a_body_is_known() {
        let length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (head, received, ended) in [
            (length, "", false),
            (length, "hell", false),
            (length, "hello", true),
            (length, "helloGET /", true),
            (chunked, "", false),
            (chunked, "0\r\n", false),
            (chunked, "0\r\n\r\nGET /", true),
            (WEBSOCKET, "frame", true),
        ] {
            let (stream, expected) = guarded(head, received.as_bytes()).await;
            assert_eq!((expected, stream.body_ended()), (Ok(()), ended), "{head}{received}");
        }
        let (_, expected) = guarded(chunked, b"\r\n\r\n").await;
        assert!(matches!(expected, Err(Violation::BadChunk(_))), "{expected:?}");
    }
}

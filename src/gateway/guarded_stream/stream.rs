//! The connection, and what is read and written through it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::write_buffer::WriteBuffer;
use crate::gateway::client_connection::WANTED;
use crate::gateway::client_socket::ClientSocket;
use crate::gateway::pace::Pace;
use crate::gateway::request::{Body, CanonicalRequest, Chunks, Upgrade};
use crate::gateway::violation::Violation;

/// Bytes of next requests that are read while a request is answered. More wait in the socket; what the library
/// reads in one piece with the end of a body may be more, once.
pub(super) const READ_AHEAD: usize = 8 * 1024;
/// At a time.
pub(super) const AHEAD_PIECE: usize = 1024;

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

/// Whose the bytes behind the body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// The reader's: there is no request, or it is about to become a WebSocket.
    Reader,
    /// The next request's.
    NextRequest,
}

/// The connection. Unguarded until [`GuardedStream::expect`].
#[derive(Debug)]
pub struct GuardedStream {
    pub(super) inner: ClientSocket,
    rest: Rest,
    behind: Behind,
    /// Bytes of the next request, which has not begun.
    ahead: BytesMut,
    /// Whether a byte of the body has come. Before, the client may have been told to wait with it.
    begun: bool,
    reading: Pace,
    /// Bytes that may still be read of a body that nobody wants, see [`crate::gateway::client_connection`].
    unwanted: Arc<AtomicU64>,
    /// None: the answer may take its time.
    writing: Option<Pace>,
    /// Of the answer.
    unsent: WriteBuffer,
}

impl GuardedStream {
    /// Around a connection.
    pub fn new(socket: impl Into<ClientSocket>) -> Self {
        Self {
            inner: socket.into(),
            rest: Rest::Nothing,
            behind: Behind::Reader,
            ahead: BytesMut::new(),
            begun: false,
            reading: Pace::new(Duration::MAX),
            unwanted: Arc::new(WANTED.into()),
            writing: None,
            unsent: WriteBuffer::default(),
        }
    }

    /// Where it stands how much of a body may still be read.
    pub fn follow(&mut self, unwanted: Arc<AtomicU64>) {
        self.unwanted = unwanted;
    }

    /// The same connection, when the proxy library gives it back.
    pub fn back(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// From here on it is the body of this request that comes; `received` was read together with its head. Returns
    /// what of it belongs to this request. The graces are those of [`Pace`], for the body and for the answer.
    ///
    /// # Errors
    /// What was received is already wrong. The stream is unguarded then, for the last words.
    pub fn expect(
        &mut self,
        request: &CanonicalRequest,
        mut received: BytesMut,
        body_grace: Duration,
        write_grace: Duration,
    ) -> Result<BytesMut, Violation> {
        self.rest = match request.body() {
            Body::None | Body::Length(0) => Rest::Nothing,
            Body::Length(length) => Rest::Length(length),
            Body::Chunked => Rest::Chunked(Chunks::default()),
        };
        let websocket = request.upgrade() == Upgrade::WebSocket;
        self.behind = if websocket { Behind::Reader } else { Behind::NextRequest };
        self.begun = false;
        self.reading = Pace::new(body_grace);
        // A socket that the service does not open after all is bounded by the deadline of each write alone.
        self.writing = (!websocket).then(|| Pace::new(write_grace));
        match self.judge(&received) {
            Ok(ours) => {
                self.ahead = received.split_off(ours);
                Ok(received)
            }
            Err(violation) => {
                self.rest = Rest::Nothing;
                self.behind = Behind::Reader;
                self.writing = None;
                Err(violation)
            }
        }
    }

    /// The request is answered: what comes next is a head, of which these bytes are there. None: bytes of its body
    /// are outstanding.
    pub fn next_head(&mut self) -> Option<BytesMut> {
        if !self.body_ended() {
            return None;
        }
        self.behind = Behind::Reader;
        Some(std::mem::take(&mut self.ahead))
    }

    /// Whether no byte of a body is outstanding.
    fn body_ended(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Judges bytes that have come; how many of them are this request's.
    fn judge(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let of_body = match &mut self.rest {
            _ if bytes.is_empty() => 0,
            Rest::Nothing => 0,
            Rest::Length(left) => {
                let of_body = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(u64::try_from(of_body).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.rest = Rest::Nothing;
                }
                of_body
            }
            Rest::Chunked(chunks) => {
                let of_body = chunks.feed(bytes).map_err(Violation::BadChunk)?;
                if chunks.ended() {
                    self.rest = Rest::Nothing;
                }
                of_body
            }
        };
        if of_body > 0 {
            self.begun = true;
            // One task writes and reads it.
            let left = self.unwanted.load(Ordering::Relaxed);
            if left != WANTED {
                let left = left.checked_sub(u64::try_from(of_body).unwrap_or(u64::MAX));
                self.unwanted.store(left.ok_or(Violation::UnwantedBody)?, Ordering::Relaxed);
            }
            let fast = self.reading.moved(of_body);
            if !fast && !self.body_ended() {
                return Err(Violation::SlowBody);
            }
        }
        match self.behind {
            Behind::NextRequest => Ok(of_body),
            Behind::Reader => Ok(bytes.len()),
        }
    }

    /// Reads some of the next request while this one is answered. Nobody gets it; an end or an error is told.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = [0; AHEAD_PIECE];
        while self.ahead.len() < READ_AHEAD {
            let mut buf = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.ahead.extend_from_slice(buf.filled()),
                other => return other,
            }
        }
        // Not woken again: that it reads no more is what bounds it.
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.unsent.poll_send(&mut self.inner, cx);
        self.wrote(poll, |()| 0)
    }

    /// What a write or a flush came to, with the bytes that were taken.
    pub(super) fn wrote<T>(
        &mut self,
        poll: Poll<io::Result<T>>,
        taken: fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
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
        // Whoever waits for the client has nothing to add to what the client waits for.
        if !self.unsent.is_empty()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(error));
        }
        if self.body_ended() {
            return match self.behind {
                Behind::Reader => Pin::new(&mut self.inner).poll_read(cx, buf),
                Behind::NextRequest => self.poll_ahead(cx),
            };
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => {
                if self.begun {
                    self.reading.wait();
                }
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                let came = buf.filled().get(before..).unwrap_or_default();
                let judged = self.judge(came);
                let ours = judged.unwrap_or(0);
                if judged.is_ok() {
                    self.ahead.extend_from_slice(came.get(ours..).unwrap_or_default());
                }
                buf.set_filled(before + ours);
                Poll::Ready(judged.map(drop).map_err(io::Error::from))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let poll = this.unsent.poll_write(&mut this.inner, cx, buf);
        self.wrote(poll, |taken| *taken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(poll, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What was written and not flushed is sent, if the client takes it at once.
impl Drop for GuardedStream {
    fn drop(&mut self) {
        // Nobody is left to be told of a failure.
        let _sent = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }
}

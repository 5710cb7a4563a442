//! One stream of HTTP/2 as the proxy library sees it: a connection of HTTP/1.1 that carries one request.
//!
//! Its head was handed over already; what is read here is the body, and, when that has ended, nothing until the
//! client gives the stream up. What is written is the answer. Both directions are bounded by the windows of the
//! stream, and have a least speed as on a connection of HTTP/1.1 ([`Pace`]).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, Ssl, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::{AnswerReader, Piece, for_http2};
use crate::gateway::client_connection::ClientConnection;
use crate::gateway::guarded_stream::Violation;
use crate::gateway::pace::Pace;
use crate::gateway::request::{Body, CanonicalRequest};

/// A stream.
pub(super) struct Exchange {
    id: UniqueIDType,
    body: RecvStream,
    chunked: bool,
    /// Bytes of the body that are not read yet, in the form of HTTP/1.1.
    unread: VecDeque<Bytes>,
    /// Whether all of the body is in `unread` or read.
    whole: bool,
    /// Whether a byte of the body has come. Before, the client may have been told to wait with it.
    begun: bool,
    respond: SendResponse<Bytes>,
    /// None: the head of the answer is not out.
    send: Option<SendStream<Bytes>>,
    answer: AnswerReader,
    ended: bool,
    connection: Arc<ClientConnection>,
    reading: Pace,
    writing: Pace,
}

impl Exchange {
    /// A stream with this request, whose trailers, should its answer have some, `connection` will hold. The
    /// graces are those of [`Pace`], for the body and for the answer.
    pub(super) fn new(
        request: &CanonicalRequest,
        body: RecvStream,
        respond: SendResponse<Bytes>,
        connection: Arc<ClientConnection>,
        (body_grace, write_grace): (Duration, Duration),
    ) -> Self {
        Self {
            id: UniqueIDType::try_from(respond.stream_id().as_u32()).unwrap_or_default(),
            chunked: request.body() == Body::Chunked,
            whole: matches!(request.body(), Body::None),
            body,
            unread: VecDeque::new(),
            begun: false,
            answer: AnswerReader::to(request.method()),
            respond,
            send: None,
            ended: false,
            connection,
            reading: Pace::new(body_grace),
            writing: Pace::new(write_grace),
        }
    }

    /// Takes what the client has sent next. Pending, if there is nothing.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.body.poll_data(cx) {
            Poll::Pending => {
                if self.begun {
                    self.reading.wait();
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(data))) => {
                self.body.flow_control().release_capacity(data.len()).map_err(broken)?;
                self.begun = true;
                if !self.reading.moved(data.len()) {
                    return Poll::Ready(Err(Violation::SlowBody.into()));
                }
                if self.chunked && !data.is_empty() {
                    self.unread.push_back(Bytes::from(format!("{:x}\r\n", data.len())));
                    self.unread.push_back(data);
                    self.unread.push_back(Bytes::from_static(b"\r\n"));
                } else {
                    self.unread.push_back(data);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(broken(error))),
            // Trailers of a request go no further, as in HTTP/1.1.
            Poll::Ready(None) => {
                self.whole = true;
                if self.chunked {
                    self.unread.push_back(Bytes::from_static(b"0\r\n\r\n"));
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Ready when the client has given the stream up.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let gone = match &mut self.send {
            Some(send) => ready!(send.poll_reset(cx)),
            None => ready!(self.respond.poll_reset(cx)),
        };
        Poll::Ready(match gone {
            Ok(_) => io::ErrorKind::ConnectionReset.into(),
            Err(error) => broken(error),
        })
    }

    /// Sends of these bytes what the windows let through.
    fn poll_send(&mut self, cx: &mut Context<'_>, content: &[u8]) -> Poll<io::Result<usize>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        send.reserve_capacity(content.len());
        while send.capacity() == 0 {
            match send.poll_capacity(cx) {
                Poll::Pending => {
                    self.writing.wait();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let part = content.get(..send.capacity()).unwrap_or(content);
        let last = self.answer.ends_with(part.len());
        send.send_data(Bytes::copy_from_slice(part), last).map_err(broken)?;
        self.ended |= last;
        self.answer.took(part.len());
        let fast = self.writing.moved(part.len());
        Poll::Ready(if fast { Ok(part.len()) } else { Err(Violation::SlowReader.into()) })
    }

    /// Says that the answer is whole, with its trailers.
    fn end(&mut self) -> io::Result<()> {
        let Some(send) = self.send.as_mut().filter(|_| !self.ended) else { return Ok(()) };
        self.ended = true;
        match self.connection.take_trailers() {
            Some(trailers) => send.send_trailers(for_http2(trailers)),
            None => send.send_data(Bytes::new(), true),
        }
        .map_err(broken)
    }
}

impl AsyncRead for Exchange {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(next) = self.unread.front_mut() {
                let part = next.len().min(buf.remaining());
                buf.put_slice(next.get(..part).unwrap_or_default());
                next.advance(part);
                if next.is_empty() {
                    self.unread.pop_front();
                }
                // Nothing read would be the end of the connection.
                if part > 0 || buf.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
            } else if self.whole {
                return self.poll_gone(cx).map(Err);
            } else {
                ready!(self.poll_body(cx))?;
            }
        }
    }
}

impl AsyncWrite for Exchange {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut taken = 0;
        while let Some(rest) = buf.get(taken..).filter(|rest| !rest.is_empty()) {
            let (used, piece) = this.answer.next(rest)?;
            taken += used;
            match piece {
                Piece::Framing => {}
                Piece::Interim(head) => this.respond.send_informational(head).map_err(broken)?,
                Piece::Head(head, whole) => {
                    this.send = Some(this.respond.send_response(head, whole).map_err(broken)?);
                    this.ended = whole;
                }
                Piece::Content(there) => match this.poll_send(cx, rest.get(..there).unwrap_or_default()) {
                    Poll::Ready(sent) => taken += sent?,
                    // The task is called when there is room.
                    Poll::Pending if taken > 0 => return Poll::Ready(Ok(taken)),
                    Poll::Pending => return Poll::Pending,
                },
                Piece::End => this.end()?,
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// An answer that has not ended by its own framing is not ended by this either.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("stream", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Exchange {
    async fn shutdown(&mut self) {}
}

#[async_trait]
impl Peek for Exchange {}

impl UniqueID for Exchange {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for Exchange {}

impl GetTimingDigest for Exchange {
    fn get_timing_digest(&self) -> Vec<Option<pingora::protocols::TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Exchange {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Exchange {
    fn get_socket_digest(&self) -> Option<Arc<pingora::protocols::SocketDigest>> {
        None
    }
}

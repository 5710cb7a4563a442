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
use crate::gateway::pace::Pace;
use crate::gateway::request::{Body, CanonicalRequest};
use crate::gateway::violation::Violation;

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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Request};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinSet;

    use super::*;
    use crate::gateway::request::{HeadLimits, Received};
    use crate::live::OpenRequests;

    const GRACE: Duration = Duration::from_secs(30);
    const LIMITS: HeadLimits = HeadLimits { max_header_bytes: 4096, max_headers: 20, max_target_bytes: 100 };

    /// A stream, what its answer's trailers are put into, and the client's side of it.
    struct Both {
        exchange: Exchange,
        connection: Arc<ClientConnection>,
        answer: h2::client::ResponseFuture,
        send: SendStream<Bytes>,
        _drivers: JoinSet<()>,
    }

    async fn both(length: Option<&str>) -> Both {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let mut drivers = JoinSet::new();
        let (opened, accepted) = tokio::join!(h2::client::handshake(client), h2::server::handshake(server));
        let ((mut requests, client), mut server) = (opened.unwrap(), accepted.unwrap());
        drivers.spawn(async move { client.await.unwrap_or_default() });
        let mut request = Request::post("http://a/x");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let (answer, send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        let (request, respond) = server.accept().await.unwrap().unwrap();
        drivers.spawn(async move { while server.accept().await.is_some() {} });
        let (parts, body) = request.into_parts();
        let received = Received { scheme: "http", ended: false, fragment: false };
        let request = CanonicalRequest::from_http2(&parts, received, &LIMITS).unwrap();
        let connection = Arc::new(ClientConnection::new(&OpenRequests::default()));
        let exchange = Exchange::new(&request, body, respond, Arc::clone(&connection), (GRACE, GRACE));
        Both { exchange, connection, answer, send, _drivers: drivers }
    }

    #[tokio::test]
    async fn bodies_are_read_in_the_form_of_http1() {
        for (length, expected) in
            [(None, "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"), (Some("12"), "hello, world")]
        {
            let Both { mut exchange, mut send, _drivers, .. } = both(length).await;
            send.send_data(Bytes::from_static(b"hello"), false).unwrap();
            send.send_data(Bytes::new(), false).unwrap();
            send.send_data(Bytes::from_static(b", world"), true).unwrap();
            let mut body = vec![0; expected.len()];
            exchange.read_exact(&mut body).await.unwrap();
            assert_eq!(body.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
            // Then nothing, for as long as the client stays; the end of a connection would give up the request.
            let more = tokio::time::timeout(Duration::from_millis(50), exchange.read_u8()).await;
            assert!(more.is_err(), "{more:?}");
            send.send_reset(h2::Reason::CANCEL);
            let gone = tokio::time::timeout(GRACE, exchange.read_u8()).await.unwrap();
            assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn trailers_follow_the_answer() {
        let Both { mut exchange, connection, answer, _drivers, .. } = both(None).await;
        exchange
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
            .await
            .unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("connection", HeaderValue::from_static("close"));
        connection.set_trailers(trailers);
        exchange.write_all(b"0\r\n\r\n").await.unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "hi");
        assert!(body.data().await.is_none());
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers.len(), 1, "what belongs to a connection is none");
        assert_eq!(trailers["grpc-status"], "0");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_reset() {
        let Both { mut exchange, answer, _drivers, .. } = both(None).await;
        exchange.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi").await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut exchange).await.unwrap();
        drop(exchange);
        let mut body = answer.await.unwrap().into_body();
        let end = loop {
            match body.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        assert!(end.is_some_and(|error| error.is_reset()));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_and_slow_readers_are_given_up() {
        let Both { mut exchange, mut send, _drivers, .. } = both(None).await;
        let mut sink = [0; 64];
        let end = loop {
            send.send_data(Bytes::from_static(b"x"), false).unwrap();
            match exchange.read(&mut sink).await {
                Ok(_) => tokio::time::advance(Duration::from_secs(1)).await,
                Err(error) => break error,
            }
            // The wait begins when there is nothing to read.
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut buf = ReadBuf::new(&mut sink);
            while Pin::new(&mut exchange).poll_read(&mut cx, &mut buf).is_ready() {
                buf.clear();
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        };
        assert_eq!(end.get_ref().and_then(|cause| cause.downcast_ref()), Some(&Violation::SlowBody));
    }
}

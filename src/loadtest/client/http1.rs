//! One connection of HTTP/1.1: request, answer, request, answer.
//!
//! It must cost little, since it competes with the gateway for the machine: one write and one read a request, the
//! request's bytes put together from three pieces, nothing allocated.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, timeout};

use super::answer::{Body, Chunks, head};
use super::connect::{Connector, Stream};
use super::deadline::Deadline;
use crate::loadtest::judge::{Failure, Outcome};
use crate::loadtest::options::Options;

/// For a head, and for as much of a body as is read at once.
const BUFFER: usize = 32 * 1024;

/// The bytes of a request around its token.
#[derive(Debug)]
pub(in crate::loadtest) struct RequestText {
    before: Vec<u8>,
    to_head: bool,
}

impl RequestText {
    /// Of this run.
    pub(in crate::loadtest) fn new(options: &Options) -> Self {
        let (method, address) = (&options.method, &options.address);
        let before = format!(
            "{method} {} HTTP/1.1\r\nhost: {}\r\nuser-agent: gateward-loadtest\r\naccept: */*\r\n",
            address.path(),
            address.authority()
        );
        Self { before: before.into_bytes(), to_head: *method == http::Method::HEAD }
    }

    /// Puts a request into `out`; `credentials` is the value of `Authorization`.
    fn write(&self, credentials: Option<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.before);
        if let Some(credentials) = credentials {
            out.extend_from_slice(b"authorization: ");
            out.extend_from_slice(credentials);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A connection, made anew when it is lost.
pub(in crate::loadtest) struct Http1Lane {
    connector: Connector,
    text: Arc<RequestText>,
    limit: Duration,
    deadline: Deadline,
    stream: Option<Stream>,
    out: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Http1Lane {
    /// Not connected yet.
    pub(in crate::loadtest) fn new(
        connector: Connector,
        text: Arc<RequestText>,
        limit: Duration,
        now: Instant,
    ) -> Self {
        let deadline = Deadline::new(limit, now);
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { connector, text, limit, deadline, stream: None, out: Vec::new(), buffer }
    }

    /// Sends a request and reads its whole answer.
    pub(in crate::loadtest) async fn exchange(
        &mut self,
        credentials: Option<&[u8]>,
        now: Instant,
    ) -> Outcome {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => match timeout(self.limit, self.connector.dial()).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(_)) | Err(_) => return Outcome::Failed(Failure::Connect),
            },
        };
        self.deadline.begin(now);
        self.text.write(credentials, &mut self.out);
        match self.on(&mut stream).await {
            Ok((status, last)) => {
                if !last {
                    self.stream = Some(stream);
                }
                Outcome::Answered(status)
            }
            Err(outcome) => outcome,
        }
    }

    /// Status, and whether the connection ends with it.
    async fn on(&mut self, stream: &mut Stream) -> Result<(u16, bool), Outcome> {
        self.send(stream).await?;
        let mut filled = 0;
        let head = loop {
            let bytes = self.buffer.get(..filled).unwrap_or_default();
            match head(bytes, self.text.to_head).map_err(|_| Outcome::Misframed)? {
                // An interim answer: the answer is still to come, and may be here already.
                Some(head) if head.status < 200 && head.status != 101 => {
                    self.buffer.copy_within(head.length..filled, 0);
                    filled -= head.length;
                    continue;
                }
                Some(head) => break head,
                None if filled == self.buffer.len() => return Err(Outcome::Misframed),
                None => {}
            }
            match self.read(stream, filled).await? {
                0 if filled > 0 => return Err(Outcome::Misframed),
                0 => return Err(Outcome::Failed(Failure::Closed)),
                got => filled += got,
            }
        };
        let there = filled - head.length;
        match head.body {
            Body::Length(length) => self.fixed(stream, length, there).await?,
            Body::Chunked => self.chunked(stream, head.length, there).await?,
            Body::UntilClose => while self.read(stream, 0).await? > 0 {},
        }
        Ok((head.status, head.last))
    }

    /// A body of known length, of which so many bytes are here.
    async fn fixed(&mut self, stream: &mut Stream, length: u64, there: usize) -> Result<(), Outcome> {
        let mut left = i128::from(length) - there as i128;
        while left > 0 {
            match self.read(stream, 0).await? {
                0 => return Err(Outcome::Misframed),
                got => left -= got as i128,
            }
        }
        // More than was said: nothing was asked that could be answered by it.
        if left < 0 { Err(Outcome::Misframed) } else { Ok(()) }
    }

    async fn chunked(&mut self, stream: &mut Stream, start: usize, there: usize) -> Result<(), Outcome> {
        let mut chunks = Chunks::default();
        let (mut start, mut there) = (start, there);
        loop {
            let bytes = self.buffer.get(start..start + there).unwrap_or_default();
            let (used, over) = chunks.take(bytes).map_err(|_| Outcome::Misframed)?;
            if over {
                return if used < there { Err(Outcome::Misframed) } else { Ok(()) };
            }
            (start, there) = (0, self.read(stream, 0).await?);
            if there == 0 {
                return Err(Outcome::Misframed);
            }
        }
    }

    async fn send(&mut self, stream: &mut Stream) -> Result<(), Outcome> {
        let (out, deadline) = (&self.out, &mut self.deadline);
        let mut sent = 0;
        while let Some(rest) = out.get(sent..).filter(|rest| !rest.is_empty()) {
            let part = poll_fn(|context| {
                within(deadline, context, |context| Pin::new(&mut *stream).poll_write(context, rest))
            });
            sent += part.await?;
        }
        // TLS keeps records until it is told.
        poll_fn(|context| within(deadline, context, |context| Pin::new(&mut *stream).poll_flush(context)))
            .await
    }

    /// Reads into the buffer from `at` on; 0 when the connection has ended.
    async fn read(&mut self, stream: &mut Stream, at: usize) -> Result<usize, Outcome> {
        let (buffer, deadline) = (&mut self.buffer, &mut self.deadline);
        poll_fn(|context| {
            within(deadline, context, |context| {
                let mut room = ReadBuf::new(buffer.get_mut(at..).unwrap_or_default());
                Pin::new(&mut *stream).poll_read(context, &mut room).map_ok(|()| room.filled().len())
            })
        })
        .await
    }
}

/// The step's result, or that it takes too long.
fn within<T>(
    deadline: &mut Deadline,
    context: &mut Context<'_>,
    step: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<Result<T, Outcome>> {
    match step(context) {
        Poll::Ready(result) => Poll::Ready(result.map_err(|_| Outcome::Failed(Failure::Closed))),
        Poll::Pending => deadline.poll(context).map(|()| Err(Outcome::Failed(Failure::Late))),
    }
}

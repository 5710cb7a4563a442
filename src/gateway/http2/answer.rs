//! The proxy library's answer, read from the bytes of HTTP/1.1 that it writes.
//!
//! The writer is ours and well formed, so this reader is short: anything unexpected is an error that ends the
//! stream. An answer counts as whole only when its own framing says so; one that breaks off becomes a reset, never
//! a shorter answer.

use std::io;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use memchr::memmem;

/// Header lines that an answer may have: what the proxy library takes from a service.
const MOST_HEADERS: usize = 256;
/// Bytes of an answer's head: far above what the proxy library takes from a service.
const LARGEST_HEAD: usize = 2 * 1024 * 1024;

/// What the next bytes are.
#[derive(Debug)]
pub(super) enum Piece {
    /// Framing, which HTTP/2 has in another form.
    Framing,
    /// A head with a status of 1xx.
    Interim(Response<()>),
    /// The head, and whether it is the whole answer.
    Head(Response<()>, bool),
    /// So many bytes of content.
    Content(usize),
    /// The end.
    End,
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkSize(u64),
    ChunkSizeLf(u64),
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    LastCr,
    LastLf,
    /// What comes now is not for the client.
    Ended,
}

/// Reads one answer.
#[derive(Debug)]
pub(super) struct AnswerReader {
    state: State,
    head: BytesMut,
    /// The answer to HEAD has no content, whatever its head says.
    to_head: bool,
}

impl AnswerReader {
    /// Of the answer to this method.
    pub(super) fn to(method: &Method) -> Self {
        Self { state: State::Head, head: BytesMut::new(), to_head: *method == Method::HEAD }
    }

    /// What `bytes` begin with, and how many of them that is. Content counts only when it is [`Self::took`].
    ///
    /// # Errors
    /// It is no answer.
    pub(super) fn next(&mut self, bytes: &[u8]) -> io::Result<(usize, Piece)> {
        let Some(byte) = bytes.first().copied() else { return Ok((0, Piece::Framing)) };
        let (next, piece) = match (self.state, byte) {
            (State::Head, _) => return self.head(bytes),
            (State::Ended, _) => return Ok((bytes.len(), Piece::Framing)),
            (State::Length(left) | State::Chunk(left), _) => {
                let there = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                return Ok((0, Piece::Content(there)));
            }
            (State::ChunkSize(size), b'\r') => (State::ChunkSizeLf(size), Piece::Framing),
            (State::ChunkSize(size), digit) => {
                let digit = char::from(digit).to_digit(16).ok_or_else(|| bad("size of a chunk"))?;
                let size = size.checked_mul(16).ok_or_else(|| bad("size of a chunk"))?;
                (State::ChunkSize(size + u64::from(digit)), Piece::Framing)
            }
            (State::ChunkSizeLf(0), b'\n') => (State::LastCr, Piece::Framing),
            (State::ChunkSizeLf(size), b'\n') => (State::Chunk(size), Piece::Framing),
            (State::ChunkCr, b'\r') => (State::ChunkLf, Piece::Framing),
            (State::ChunkLf, b'\n') => (State::ChunkSize(0), Piece::Framing),
            (State::LastCr, b'\r') => (State::LastLf, Piece::Framing),
            (State::LastLf, b'\n') => (State::Ended, Piece::End),
            (State::ChunkSizeLf(_) | State::ChunkCr | State::ChunkLf | State::LastCr | State::LastLf, _) => {
                return Err(bad("chunks"));
            }
        };
        self.state = next;
        Ok((1, piece))
    }

    /// Whether these bytes of content are the last ones.
    pub(super) fn ends_with(&self, content: usize) -> bool {
        matches!(self.state, State::Length(left) if u64::try_from(content) == Ok(left))
    }

    /// So many bytes of content are on their way to the client.
    pub(super) fn took(&mut self, content: usize) {
        let content = u64::try_from(content).unwrap_or(u64::MAX);
        self.state = match self.state {
            State::Length(left) if left <= content => State::Ended,
            State::Length(left) => State::Length(left - content),
            State::Chunk(left) if left <= content => State::ChunkCr,
            State::Chunk(left) => State::Chunk(left - content),
            other => other,
        };
    }

    fn head(&mut self, bytes: &[u8]) -> io::Result<(usize, Piece)> {
        let before = self.head.len();
        // The end may have begun in what came before.
        let from = before.saturating_sub(3);
        self.head.extend_from_slice(bytes);
        let Some(end) = self.head.get(from..).and_then(|rest| memmem::find(rest, b"\r\n\r\n")) else {
            return if self.head.len() > LARGEST_HEAD {
                Err(bad("a head of that size"))
            } else {
                Ok((bytes.len(), Piece::Framing))
            };
        };
        let head = self.head.split_to(from + end + 4);
        self.head.clear();
        let used = head.len() - before;
        let (status, headers) = parse(&head)?;
        let mut response = Response::new(());
        *response.status_mut() = status;
        if status.is_informational() {
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(bad("101"));
            }
            *response.headers_mut() = for_http2(headers);
            return Ok((used, Piece::Interim(response)));
        }
        self.state = self.content(status, &headers)?;
        *response.headers_mut() = for_http2(headers);
        Ok((used, Piece::Head(response, self.state == State::Ended)))
    }

    fn content(&self, status: StatusCode, headers: &HeaderMap) -> io::Result<State> {
        if self.to_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Ok(State::Ended);
        }
        // gRPC's "trailers-only" answer must end with its head, and has no content (gRPC over HTTP/2, Responses).
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if is_grpc(headers) && headers.contains_key("grpc-status") && length.unwrap_or(0) == 0 {
            return Ok(State::Ended);
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok(State::ChunkSize(0));
        }
        match length {
            Some(0) => Ok(State::Ended),
            Some(length) => Ok(State::Length(length)),
            None => Err(bad("content without an end")),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    media.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}

fn parse(head: &[u8]) -> io::Result<(StatusCode, HeaderMap)> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut lines);
    answer.parse(head).map_err(|_| bad("head"))?;
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| bad("status"))?;
    let mut headers = HeaderMap::with_capacity(answer.headers.len());
    for line in &*answer.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| bad("header"))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| bad("header"))?;
        headers.append(name, value);
    }
    Ok((status, headers))
}

/// Without what HTTP/2 forbids (RFC 9113 section 8.2.2).
pub(super) fn for_http2(mut headers: HeaderMap) -> HeaderMap {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        headers.remove(name);
    }
    headers
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an answer: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, content and whether it ended, however the bytes are cut.
    fn read(method: &Method, answer: &[u8], step: usize) -> (Vec<u16>, Vec<u8>, bool) {
        let mut reader = AnswerReader::to(method);
        let (mut statuses, mut content, mut ended) = (Vec::new(), Vec::new(), false);
        for part in answer.chunks(step) {
            let mut at = 0;
            while at < part.len() {
                let (used, piece) = reader.next(&part[at..]).unwrap();
                at += used;
                match piece {
                    Piece::Framing => {}
                    Piece::Interim(head) => statuses.push(head.status().as_u16()),
                    Piece::Head(head, whole) => {
                        statuses.push(head.status().as_u16());
                        assert!(!head.headers().contains_key("connection"));
                        assert!(!head.headers().contains_key("transfer-encoding"));
                        ended = whole;
                    }
                    Piece::Content(there) => {
                        ended |= reader.ends_with(there);
                        content.extend_from_slice(&part[at..at + there]);
                        reader.took(there);
                        at += there;
                    }
                    Piece::End => ended = true,
                }
            }
        }
        (statuses, content, ended)
    }

    #[test]
    fn answers_are_read_to_their_end_and_no_further() {
        for (method, answer, statuses, content, ended) in [
            (
                Method::GET,
                &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"[..],
                &[200][..],
                &b"hello"[..],
                true,
            ),
            (Method::GET, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", &[200], b"hell", false),
            (Method::GET, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &[200], b"", true),
            (Method::HEAD, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", &[200], b"", true),
            (Method::GET, b"HTTP/1.1 204 No Content\r\n\r\n", &[204], b"", true),
            (Method::GET, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", &[304], b"", true),
            (
                Method::GET,
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nB\r\n, the world\r\n0\r\n\r\n",
                &[200],
                b"hello, the world",
                true,
            ),
            (
                Method::GET,
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
                &[200],
                b"hello",
                false,
            ),
            (
                Method::POST,
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\n\
                content-length: 1\r\n\r\nx",
                &[100, 103, 200],
                b"x",
                true,
            ),
            (
                Method::POST,
                b"HTTP/1.1 200 OK\r\ngrpc-status: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                &[200],
                b"",
                true,
            ),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                let read = read(&method, answer, step);
                assert_eq!(read, (statuses.to_vec(), content.to_vec(), ended), "{}", answer.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
        ] {
            let mut reader = AnswerReader::to(&Method::GET);
            let mut at = 0;
            let failed = loop {
                match reader.next(&answer[at..]) {
                    Ok((0, _)) => break false,
                    Ok((used, _)) => at += used,
                    Err(_) => break true,
                }
            };
            assert!(failed, "{}", answer.escape_ascii());
        }
    }
}

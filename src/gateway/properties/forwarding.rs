//! The bytes decided on are the bytes forwarded.
//!
//! The oracle is the proxy library itself: its session reads the accepted bytes exactly as the edge has it do, and
//! its client writes the request that a service would get.
#![expect(clippy::expect_used, clippy::panic, reason = "a property that does not hold panics")]

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use http::Version;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::authority::validate_request_authority;
use pingora::protocols::http::v1::client::http_req_header_to_wire;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::request::{
    Body, CanonicalRequest, HeadLimits, HeadProgress, Oddity, Upgrade, find_head_end,
};

const LIMITS: HeadLimits =
    HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8192 };

/// For any head that is accepted: `httparse`, the proxy library's session, and the request that this library writes to
/// a service all have the same method, target, version and header lines, end at the same byte, and agree on whether
/// a body follows. Returns whether it was accepted.
pub fn decided_is_forwarded(head: &[u8]) -> bool {
    let Ok(request) = CanonicalRequest::parse_odd(head, &LIMITS) else { return false };
    assert_eq!(
        CanonicalRequest::parse(head, &LIMITS).is_ok(),
        !request.oddities().any(),
        "odd ones are told apart"
    );
    if !request.oddities().has(Oddity::EmptySegment) {
        assert_eq!(request.head(), head, "the head that is kept is the head that came");
    }
    assert!(!request.path().contains("//"), "there is no path but the merged one");
    // From here on, the bytes that go on: those that came, but for merged slashes.
    let head: &[u8] = request.head();
    assert_eq!(find_head_end(head, 0), Ok(HeadProgress::Complete { head_len: head.len() }));

    let method = request.method().as_str();
    let target = request
        .query()
        .map_or_else(|| request.path().to_owned(), |query| format!("{}?{query}", request.path()));
    let version = if request.version() == Version::HTTP_11 { "HTTP/1.1" } else { "HTTP/1.0" };
    let first_line = format!("{method} {target} {version}\r\n");
    let lines = head.strip_prefix(first_line.as_bytes()).expect("the parts decided on are the first line");
    let lines = lines_of(lines);

    as_httparse_reads_it(head, &request, &target, &lines);

    let mut session = session_of(head);
    let header = session.req_header();
    assert_eq!((header.method.as_str(), header.version), (method, request.version()));
    assert_eq!(header.raw_path(), target.as_bytes());
    assert_eq!(header.uri.path(), request.path());
    assert!(validate_request_authority(header).is_ok(), "one authority");

    let wire = http_req_header_to_wire(header).expect("an accepted request can be written");
    let written = wire.strip_prefix(first_line.as_bytes()).expect("the same first line is written");
    assert_eq!(in_groups(lines_of(written)), in_groups(lines), "the same lines are written");

    // An upgrade that is not taken is removed before the body is read.
    if request.upgrade() == Upgrade::None {
        let empty = matches!(request.body(), Body::None | Body::Length(0));
        assert_eq!(session.is_body_empty(), empty, "whether a body follows");
    }
    true
}

type Line<'a> = (&'a [u8], &'a [u8]);

/// Name and value of each line up to the empty one, split the plainest way there is.
fn lines_of(text: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("every line ends in CRLF");
        let (line, behind) = rest.split_at(end);
        if line.is_empty() {
            assert_eq!(behind, b"\r\n", "nothing comes behind the empty line");
            return lines;
        }
        let colon = line.iter().position(|byte| *byte == b':').expect("every line has a colon");
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or_default();
        lines.push((name, value.trim_ascii()));
        rest = behind.strip_prefix(b"\r\n").unwrap_or_default();
    }
}

/// The order between lines of different names means nothing (RFC 9110 section 5.3); that of one name is kept.
fn in_groups(mut lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    lines.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    lines
}

fn as_httparse_reads_it(head: &[u8], request: &CanonicalRequest, target: &str, lines: &[Line<'_>]) {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut other = httparse::Request::new(&mut headers);
    assert_eq!(other.parse(head), Ok(httparse::Status::Complete(head.len())));
    assert_eq!((other.method, other.path), (Some(request.method().as_str()), Some(target)));
    assert_eq!(other.version, Some(u8::from(request.version() == Version::HTTP_11)));
    let theirs: Vec<Line<'_>> = other.headers.iter().map(|line| (line.name.as_bytes(), line.value)).collect();
    assert_eq!(theirs, lines);

    let values = |wanted: &str| -> Vec<&[u8]> {
        theirs
            .iter()
            .filter(|line| line.0.eq_ignore_ascii_case(wanted.as_bytes()))
            .map(|line| line.1)
            .collect()
    };
    assert_eq!(values("host"), [request.host().as_bytes()]);
    if let Some(token) = request.bearer_token() {
        // The scheme in any letter case (RFC 9110 section 11.1), the token as it is.
        let [value] = values("authorization")[..] else { panic!("one line of credentials") };
        let (scheme, sent) = value.split_at("Bearer ".len());
        assert!(scheme.eq_ignore_ascii_case(b"Bearer ") && sent == token.as_bytes());
    }
    let length = match request.body() {
        Body::None => (vec![], vec![]),
        Body::Length(length) => (vec![length.to_string()], vec![]),
        Body::Chunked => (vec![], vec!["chunked".to_owned()]),
    };
    let text = |name| -> Vec<String> {
        values(name).into_iter().map(|value| String::from_utf8_lossy(value).to_ascii_lowercase()).collect()
    };
    assert_eq!((text("content-length"), text("transfer-encoding")), length, "one framing");
}

/// The session as the edge makes it: the judged bytes and nothing else.
fn session_of(head: &[u8]) -> ServerSession {
    let nothing_more = VirtualSocketStream::new(Box::new(NothingMore));
    let mut session = ServerSession::new_http1(Box::new(L4Stream::from(nothing_more)));
    session.set_pipelined_prefix(BytesMut::from(head));
    let read = {
        let mut reading = pin!(session.read_request());
        match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("the library waits for more"),
        }
    };
    match read {
        Ok(true) => session,
        Ok(false) => panic!("the library has read no request"),
        Err(error) => panic!("the library refuses what was accepted: {error}"),
    }
}

/// A connection on which nothing comes.
#[derive(Debug)]
struct NothingMore;

impl VirtualSocket for NothingMore {
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for NothingMore {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        panic!("the library reads beyond the head")
    }
}

impl AsyncWrite for NothingMore {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

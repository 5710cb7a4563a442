use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use pingora::{Error, ErrorType};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::advance;

use super::stream::{AHEAD_PIECE, GuardedStream, READ_AHEAD};
use crate::gateway::request::{CanonicalRequest, HeadLimits};
use crate::gateway::violation::Violation;

const GRACE: Duration = Duration::from_secs(30);
const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection on which this head, and then `received`, has come.
async fn guarded(head: &str, received: &[u8]) -> (GuardedStream, Result<BytesMut, Violation>) {
    let (stream, expected, _client) = guarded_with_client(head, received).await;
    (stream, expected)
}

async fn guarded_with_client(
    head: &str,
    received: &[u8],
) -> (GuardedStream, Result<BytesMut, Violation>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (client, _) = listener.accept().await.unwrap();
    let mut stream = GuardedStream::new(tcp);
    let limits = HeadLimits { max_header_bytes: 4096, max_headers: 20, max_target_bytes: 100 };
    let request = CanonicalRequest::parse(head.as_bytes(), &limits).unwrap();
    let expected = stream.expect(&request, BytesMut::from(received), GRACE, GRACE);
    (stream, expected, client)
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
    let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, received, ours, next) in [
        (length, "", "", None),
        (length, "hell", "hell", None),
        (length, "hello", "hello", Some("")),
        (length, "helloGET /", "hello", Some("GET /")),
        (chunked, "", "", None),
        (chunked, "0\r\n", "0\r\n", None),
        (chunked, "0\r\n\r\nGET /", "0\r\n\r\n", Some("GET /")),
        (plain, "", "", Some("")),
        (plain, "GET /", "", Some("GET /")),
        // Frames, if they are: not for us to read.
        (WEBSOCKET, "frame", "frame", Some("")),
    ] {
        let (mut stream, expected) = guarded(head, received.as_bytes()).await;
        let seen = (expected, stream.next_head());
        let next = next.map(BytesMut::from);
        assert_eq!(seen, (Ok(BytesMut::from(ours)), next), "{head}{received}");
    }
    let (_, expected) = guarded(chunked, b"\r\n\r\n").await;
    assert!(matches!(expected, Err(Violation::BadChunk(_))), "{expected:?}");
}

#[tokio::test]
async fn reader_gets_the_body_and_not_a_byte_behind_it() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let (mut stream, _, mut client) = guarded_with_client(head, b"he").await;
    client.write_all(b"lloGET /").await.unwrap();
    let mut body = [0; 100];
    let mut read = 0;
    while read < 3 {
        read += stream.read(&mut body[read..]).await.unwrap();
    }
    assert_eq!(&body[..read], b"llo");
    // A flood of next requests: a bounded part is read, none is given.
    let flood = vec![b'x'; 10 * READ_AHEAD];
    tokio::select! {
        given = stream.read(&mut body) => panic!("{given:?}"),
        sent = client.write_all(&flood) => sent.unwrap(),
    }
    assert!(given_at_once(&mut stream).is_none());
    let ahead = stream.next_head().unwrap();
    assert!(ahead.starts_with(b"GET /") && ahead.len() < READ_AHEAD + AHEAD_PIECE, "{}", ahead.len());
    // Now it is for us to read.
    assert!(stream.read(&mut body).await.unwrap() > 0);
}

/// What a read gives at once.
fn given_at_once(stream: &mut GuardedStream) -> Option<io::Result<()>> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut buf = [0; 10];
    match Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut buf)) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

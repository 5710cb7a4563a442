//! What HTTP/2 lets a client say and nobody may: refused on its stream, nothing forwarded, and the streams beside it
//! are served.

use super::front::PROMPT;
use super::h2_client::{
    Client, DATA, END_HEADERS, END_STREAM, Fate, HEADERS, Raw, block, frame, front, front_of, usual, whole,
};
use super::origin::Origin;
use crate::support::wait::eventually;

const PROTOCOL_ERROR: u32 = 1;
const NO_ERROR: u32 = 0;

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

const NO_FIELDS: [&str; 13] = [
    "unknown pseudo field",
    "upper case name",
    "name with a space",
    "name with a colon",
    "name with LF",
    "empty name",
    "value with LF",
    "value with CR",
    "value with CRLF",
    "value with NUL",
    "method with a space",
    "status",
    "path beyond ASCII",
];

/// An ordinary request with one more field.
fn with<'a>(name: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    let mut fields = usual(b"/public/x");
    fields.push((name, value));
    fields
}

/// An ordinary request in which one field is another.
fn instead<'a>(name: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    let mut fields = usual(b"/public/x");
    fields.retain(|(found, _)| *found != name);
    fields.push((name, value));
    fields
}

fn without(name: &[u8]) -> Fields<'_> {
    let mut fields = usual(b"/public/x");
    fields.retain(|(found, _)| *found != name);
    fields
}

#[tokio::test]
async fn ambiguous_requests_are_refused_each_on_its_stream() {
    let front = front().await;
    let long = vec![b'a'; 9000];
    let long_path = [b"/".as_slice(), &long].concat();
    let cases: Vec<(&str, Fields<'_>)> = vec![
        ("no authority", without(b":authority")),
        ("no authority but host", {
            let mut fields = without(b":authority");
            fields.push((b"host", b"front.example"));
            fields
        }),
        ("another host", with(b"host", b"evil.example")),
        ("host in another case", with(b"host", b"FRONT.example")),
        ("two hosts", {
            let mut fields = with(b"host", b"front.example");
            fields.push((b"host", b"front.example"));
            fields
        }),
        ("user info", instead(b":authority", b"user@front.example")),
        ("empty authority", instead(b":authority", b"")),
        ("authority with a port of nothing", instead(b":authority", b"front.example:")),
        ("authority with a path", instead(b":authority", b"front.example/x")),
        ("two authorities", with(b":authority", b"front.example")),
        ("two paths", with(b":path", b"/private")),
        ("two methods", with(b":method", b"GET")),
        ("no path", without(b":path")),
        ("empty path", instead(b":path", b"")),
        ("no scheme", without(b":scheme")),
        ("no method", without(b":method")),
        ("other scheme", instead(b":scheme", b"https")),
        ("odd scheme", instead(b":scheme", b"ftp")),
        ("unknown pseudo field", with(b":x", b"y")),
        ("status", with(b":status", b"200")),
        ("protocol without CONNECT", with(b":protocol", b"websocket")),
        ("connection", with(b"connection", b"close")),
        ("connection names a header of ours", with(b"connection", b"x-forwarded-user")),
        ("keep-alive", with(b"keep-alive", b"timeout=5")),
        ("proxy-connection", with(b"proxy-connection", b"keep-alive")),
        ("transfer-encoding", with(b"transfer-encoding", b"chunked")),
        ("upgrade", with(b"upgrade", b"websocket")),
        ("te", with(b"te", b"gzip")),
        ("te beside trailers", with(b"te", b"trailers, gzip")),
        ("upper case name", with(b"X-Upper", b"y")),
        ("name with a space", with(b"x y", b"z")),
        ("name with a colon", with(b"x:y", b"z")),
        ("name with LF", with(b"x\ny", b"z")),
        ("empty name", with(b"", b"z")),
        ("value with LF", with(b"x", b"y\nx-forwarded-user: evil")),
        ("value with CR", with(b"x", b"y\rz")),
        ("value with CRLF", with(b"x", b"y\r\n\r\nGET /private HTTP/1.1\r\nhost: a\r\n\r\n")),
        ("value with NUL", with(b"x", b"y\0z")),
        ("value with a space before", with(b"x", b" y")),
        ("value with a tab behind", with(b"x", b"y\t")),
        ("fragment", instead(b":path", b"/public/x#y")),
        ("fragment in the query", instead(b":path", b"/public/x?y#z")),
        ("nothing but a fragment", instead(b":path", b"#")),
        ("path with a space", instead(b":path", b"/public/x HTTP/1.1")),
        ("path with CRLF", instead(b":path", b"/public HTTP/1.1\r\nx: y\r\n\r\n")),
        ("path with LF", instead(b":path", b"/public\nx")),
        ("path with NUL", instead(b":path", b"/public\0")),
        ("path with dots", instead(b":path", b"/public/../private")),
        ("path with encoded dots", instead(b":path", b"/public/%2e%2e/private")),
        ("path with an encoded slash", instead(b":path", b"/public%2fx")),
        ("path with two slashes", instead(b":path", b"/public//x")),
        ("path with a parameter", instead(b":path", b"/public;x")),
        ("path with a backslash", instead(b":path", b"/public\\x")),
        ("absolute path", instead(b":path", b"http://evil.example/private")),
        ("asterisk", instead(b":path", b"*")),
        ("path without a slash", instead(b":path", b"public")),
        ("path beyond ASCII", instead(b":path", b"/public/\xc3\xa9")),
        ("method with a space", instead(b":method", b"GET /private HTTP/1.1\r\n")),
        ("method in lower case", instead(b":method", b"get")),
        ("two lengths", {
            let mut fields = with(b"content-length", b"0");
            fields.push((b"content-length", b"0"));
            fields
        }),
        ("length that is no number", with(b"content-length", b"+0")),
        ("length without a body", with(b"content-length", b"5")),
        ("alias of a length", with(b"content_length", b"0")),
        ("pseudo field behind others", {
            let mut fields = without(b":path");
            fields.push((b"x", b"y"));
            fields.push((b":path", b"/public"));
            fields
        }),
    ];
    // Of those that follow, the status is not one of HPACK's own.
    let others: Vec<(&str, Fields<'_>)> = vec![
        ("CONNECT", vec![(b":method", b"CONNECT"), (b":authority", b"front.example:443")]),
        ("CONNECT with a path", instead(b":method", b"CONNECT")),
        ("extended CONNECT", {
            let mut fields = instead(b":method", b"CONNECT");
            fields.push((b":protocol", b"websocket"));
            fields
        }),
        ("TRACE", instead(b":method", b"TRACE")),
        ("long path", instead(b":path", &long_path)),
        ("expectation", with(b"expect", b"x")),
    ];
    front.app.recorder.forget();
    for (case, fields, plain) in cases
        .iter()
        .map(|(case, fields)| (case, fields, true))
        .chain(others.iter().map(|(c, f)| (c, f, false)))
    {
        let mut client = Raw::connect(front.app.address).await;
        client.send(1, fields).await;
        let fate = client.fate(1).await;
        let refused = match fate {
            Fate::Answered(400) => true,
            Fate::Answered(status) => status == 0 && !plain,
            Fate::Reset(code) => code == PROTOCOL_ERROR,
            // A field that is none at all: the library gives up the connection.
            Fate::Closed(code) => code == Some(PROTOCOL_ERROR) && NO_FIELDS.contains(case),
        };
        assert!(refused, "{case}: {fate:?}");
        front.assert_nothing_forwarded(case);
        if NO_FIELDS.contains(case) {
            continue;
        }
        client.send(3, &usual(b"/public/sibling")).await;
        assert_eq!(client.fate(3).await, Fate::Answered(200), "after {case}");
        front.app.recorder.forget();
    }
    front.assert_serves("refusals").await;
}

/// RFC 9113 section 8.1: an answer may come before the request is whole; the rest is given up without an error.
#[tokio::test]
async fn refused_bodies_are_given_up_and_never_requests() {
    let front = front().await;
    let inner = b"POST /public/smuggled HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    for length in [Some("1000000"), None] {
        let mut client = Raw::connect(front.app.address).await;
        let mut fields = usual(b"/private/x");
        fields[0].1 = b"POST";
        fields.extend(length.map(|length| (b"content-length".as_slice(), length.as_bytes())));
        client.wire.write(frame(HEADERS, END_HEADERS, 1, &block(&fields))).await;
        client.wire.write(frame(DATA, 0, 1, inner)).await;
        assert_eq!(client.fate(1).await, Fate::Answered(0), "401, {length:?}");
        assert_eq!(client.fate(1).await, Fate::Reset(NO_ERROR), "{length:?}");
        front.assert_nothing_forwarded("a refused body");
        client.send(3, &usual(b"/public/sibling")).await;
        assert_eq!(client.fate(3).await, Fate::Answered(200));
        front.assert_never_forwarded("smuggled", "a refused body");
        front.app.recorder.forget();
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_said_is_no_request() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    for (length, body) in [(&b"5"[..], &b"hello, and more"[..]), (b"50", b"hello")] {
        let mut client = Raw::connect(front.app.address).await;
        let mut fields = usual(b"/public/x");
        fields[0].1 = b"POST";
        fields.push((b"content-length", length));
        client.wire.write(frame(HEADERS, END_HEADERS, 1, &block(&fields))).await;
        client.wire.write(frame(DATA, END_STREAM, 1, body)).await;
        assert!(matches!(client.fate(1).await, Fate::Reset(_) | Fate::Answered(400)));
    }
}

/// Also the answer to a refused head is one of HTTP/2: no field of a connection, and none for HEAD's content.
#[tokio::test]
async fn refusals_have_the_shape_of_the_api() {
    let front = front().await;
    let mut client = Client::connect(front.app.address).await;
    let answer = client.get("GET /public/../x", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
    assert_eq!(answer.json()["code"], "dot_segment");
    assert_eq!(answer.header("connection"), None);
    assert!(answer.header("x-request-id").is_some());
    let answer = client.get("HEAD /public//x", &[]).await;
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    let answer = client.get("TRACE /public/x", &[]).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").is_some());
    let line = front.app.wait_for_log(|line| line.contains("reason=\"empty_segment\"")).await;
    assert!(line.contains("http=\"2\"") && line.contains("outcome=\"refused\""), "{line}");
}

#[tokio::test]
async fn head_bounds_are_those_of_http1() {
    let front = super::h2_client::front_with("server.max_headers = 10\nserver.max_header_bytes = 4096").await;
    let mut client = Client::connect(front.app.address).await;
    let names: Vec<String> = (0..10).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    let answer = client.get("GET /public/x", &many).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (431, Some("too_many_headers")));
    assert_eq!(client.get("GET /public/x", &many[..9]).await.status, 200);
    // Beyond what the library takes, it answers itself.
    let value = "y".repeat(5000);
    let (answer, _) = client.open("GET /public/x", &[("x", &value)], true).await;
    match whole(answer).await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
    front.app.recorder.forget();
    assert_eq!(client.get("GET /public/x", &[]).await.status, 200, "the connection goes on");
    assert_eq!(front.app.recorder.requests().len(), 1);
}

#[tokio::test]
async fn one_refused_head_after_the_other_ends_the_connection() {
    let front = front().await;
    let mut client = Client::connect(front.app.address).await;
    let mut served = 0;
    for _ in 0..150 {
        let Some((answer, _)) = client.try_open("GET /public/../x").await else { break };
        match whole(answer).await {
            Ok(_) => served += 1,
            Err(_) => break,
        }
    }
    assert!((100..=110).contains(&served), "{served}");
    let counted = eventually(PROMPT, || async {
        let text = front.app.get_admin("/metrics").await.text().await.unwrap();
        text.contains("gateward_http2_connections_closed_total{reason=\"refused_heads\"} 1")
    });
    assert!(counted.await);
}

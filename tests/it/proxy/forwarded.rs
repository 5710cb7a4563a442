//! What was authorised is what is forwarded: method, target, `Host` and headers.

use super::front::{Front, head};

#[tokio::test]
async fn method_and_target_arrive_byte_for_byte() {
    let front = Front::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X-own"] {
        for target in [
            "/",
            "/a/b.c/",
            "/caf%C3%A9/%e2%82%ac",
            "/a%20b+c",
            "/100%25",
            "/a:b@c!$&'()*+,=-_~[x]",
            "/q?",
            "/q?a=b&&a=c&%zz=%2f../..//;x={|}^`\\",
            "/q??",
            "/.../a..b",
        ] {
            let line = format!("{method} {target}");
            let (_, request) = front.forwarded(front.head(&line, &[])).await;
            let expected = format!("{line} HTTP/1.1\r\n");
            assert!(
                request.raw_head.starts_with(expected.as_bytes()),
                "{line}: {}",
                request.raw_head.escape_ascii()
            );
        }
    }
}

#[tokio::test]
async fn host_arrives_as_sent() {
    let front = Front::start().await;
    for host in ["front.example", "Front.EXAMPLE:8080", "127.0.0.1", "[::1]:80", "a_b", "trailing."] {
        let head = format!("GET /public HTTP/1.1\r\nHost:  {host} \r\n\r\n");
        let (_, request) = front.forwarded(head).await;
        assert_eq!(request.header("host"), [host]);
        assert_eq!(request.header("x-forwarded-host"), [host]);
    }
}

#[tokio::test]
async fn other_headers_arrive_with_all_their_values() {
    let front = Front::start().await;
    let lines = [
        ("Accept", "text/html"),
        ("Accept", "*/*;q=0.8"),
        ("Cookie", "a=b"),
        ("Cookie", "c=\"d e\"; f"),
        ("X-Custom", "  spaced  out  "),
        ("X-Empty", ""),
        ("X-Api-Key", "k"),
        ("User-Agent", "tests/1"),
        ("Referer", "http://front.example/x"),
        ("Origin", "null"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"x\", W/\"y\""),
        ("Accept-Encoding", "gzip, br"),
        ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("X-Latin", "caf\u{e9}"),
    ];
    let sent: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    for line in ["GET /private", "GET /public"] {
        let (_, request) = front.forwarded(front.head(line, &sent)).await;
        for (name, _) in lines {
            let expected: Vec<&str> =
                lines.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.trim()).collect();
            assert_eq!(request.header(name), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn headers_of_the_connection_end_here() {
    let front = Front::start().await;
    let lines = [
        "Connection: keep-alive, X-Named, x-other-named, TE",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic c2VjcmV0",
        "TE: gzip",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
        "X-Named: evil",
        "X-Other-Named: evil",
        "X-Kept: kept",
    ];
    let (_, request) = front.forwarded(head("GET /public", &lines)).await;
    for gone in [
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
        "http2-settings",
        "x-named",
        "x-other-named",
    ] {
        assert!(request.header(gone).is_empty(), "{gone}: {}", request.raw_head.escape_ascii());
    }
    assert_eq!(request.header("x-kept"), ["kept"]);
    assert!(request.header("connection").iter().all(|value| value == "keep-alive"));
}

/// The service may use them as it likes: they are of the answer, not of the request.
#[tokio::test]
async fn answers_arrive_with_their_headers_but_those_of_the_connection() {
    let front = Front::start().await;
    let answer = b"HTTP/1.1 201 Made\r\nConnection: close, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\n\
        Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nLocation: /elsewhere\r\nX-Request-Id: theirs\r\n\
        Content-Length: 2\r\n\r\nok";
    front.app.recorder.reply(crate::support::recorder::Reply::Raw(answer.to_vec()));
    let answer = front.send(head("GET /public", &[])).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("set-cookie"), ["a=b", "c=d"]);
    assert_eq!(answer.header("location"), ["/elsewhere"]);
    assert_eq!(answer.header("connection"), ["keep-alive"], "the client's connection is another one");
    assert_eq!(answer.header("x-hop"), <[&str; 0]>::default());
    assert_eq!(answer.header("keep-alive"), <[&str; 0]>::default());
    assert_eq!(answer.header("x-request-id"), front.app.recorder.last().header("x-request-id"));
    assert_eq!(answer.body, b"ok");
}

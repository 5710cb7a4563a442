//! Chunked bodies that are not well formed, and trailers.

use super::front::{Front, PROMPT, head};

#[tokio::test]
async fn malformed_chunks_are_refused_and_never_complete_at_the_service() {
    let front = Front::start().await;
    for body in [
        &b"x\r\nabc\r\n0\r\n\r\n"[..],
        b"-1\r\na\r\n0\r\n\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1 1\r\na\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\na\r\n0\r\n\r\n",
        b"1\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"1\nabc\r\n0\r\n\r\n",
    ] {
        for target in ["/public/chunks", "/auth/login"] {
            let case = format!("{} to {target}", body.escape_ascii());
            front.app.recorder.forget();
            let mut client = front.connect().await;
            let head = head(
                &format!("POST {target}"),
                &["Transfer-Encoding: chunked", "Content-Type: application/json"],
            );
            client.send([head.as_bytes(), body].concat()).await;
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{case}: {none:?}"));
            assert_eq!(answer.status, 400, "{case}: {}", answer.text());
            assert_eq!(answer.json()["code"], "bad_chunk", "{case}");
            assert!(client.closes_within(PROMPT).await, "{case}");
            assert!(front.app.recorder.requests().iter().all(|request| !request.complete), "{case}");
        }
    }
    front.assert_serves("after all of them").await;
}

#[tokio::test]
async fn trailers_do_not_reach_the_service() {
    let front = Front::start().await;
    let trailers = "5\r\nhello\r\n0\r\nX-Forwarded-User: evil\r\nX_Forwarded_Email: evil\r\nAuthorization: evil\r\n\
                    Content-Length: 666\r\nX-Other: evil\r\n\r\n";
    for line in ["POST /public/trailers", "POST /private/trailers"] {
        let head =
            front.head(line, &["Transfer-Encoding: chunked", "Trailer: X-Forwarded-User", "TE: trailers"]);
        let (_, request) = front.forwarded(head + trailers).await;
        assert_eq!(request.body, b"hello", "{line}");
        assert!(request.complete, "{line}");
        front.assert_never_forwarded("evil", line);
    }
    front.assert_serves("afterwards").await;
}

#[tokio::test]
async fn extensions_of_chunks_do_not_reach_the_service() {
    let front = Front::start().await;
    let head = head("POST /public/extensions", &["Transfer-Encoding: chunked"]);
    let (_, request) = front.forwarded(head + "5;evil=\"1\"\r\nhello\r\n0;evil\r\n\r\n").await;
    assert_eq!(request.body, b"hello");
    front.assert_never_forwarded("evil", "extensions");
}

/// A last chunk without its empty line: what is behind it is no trailer and no request.
#[tokio::test]
async fn nothing_behind_the_end_of_a_body_is_a_request() {
    let front = Front::start().await;
    for end in ["", "0", "00", "0;x"] {
        front.app.recorder.forget();
        let mut client = front.connect().await;
        let head = head("POST /public/chunks", &["Transfer-Encoding: chunked"]);
        client.send(head + end + "\r\nGET /public/smuggled HTTP/1.1\r\nHost: front.example\r\n\r\n").await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{end:?}: {none:?}"));
        assert_eq!(answer.status, 400, "{end:?}: {}", answer.head);
        client.send(super::front::head("GET /public/next", &["Connection: close"])).await;
        let rest = String::from_utf8_lossy(&client.read_rest(PROMPT).await).into_owned();
        assert!(!rest.contains("smuggled"), "{end:?}: {rest}");
        front.assert_never_forwarded("smuggled", end);
    }
}

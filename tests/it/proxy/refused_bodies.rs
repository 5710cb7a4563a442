//! The body of a refused request is never parsed as a request.

use super::front::{Front, PROMPT, chunked, head};
use crate::support::raw::NoResponse;

const SMUGGLED: &[u8] = b"GET /public/smuggled HTTP/1.1\r\nHost: front.example\r\n\r\n";

/// The ways a body can be announced, with the bytes that follow the head.
fn framings() -> [(&'static str, String, Vec<u8>); 4] {
    let length = format!("Content-Length: {}", SMUGGLED.len());
    let chunks = "Transfer-Encoding: chunked".to_owned();
    [
        ("one piece", length, SMUGGLED.to_vec()),
        ("one chunk", chunks.clone(), chunked(SMUGGLED, 1000)),
        ("small chunks", chunks.clone(), chunked(SMUGGLED, 3)),
        ("trailers", chunks, b"1\r\nx\r\n0\r\nX-Forwarded-User: evil\r\n\r\n".to_vec()),
    ]
}

/// Routes for people and everybody, and none for the rest.
async fn front() -> Front {
    let app = crate::support::app::TestApp::embedded().without_routes();
    Front::of(app.route("/private", "authenticated").route("/public", "public")).await
}

#[tokio::test]
async fn body_of_a_refused_request_is_never_a_request() {
    let front = front().await;
    for (line, status) in [
        ("POST /private/x", 401),
        ("PUT /private/x", 401),
        ("GET /private/x", 401),
        ("POST /nowhere", 404),
        ("POST /auth/me", 405),
        ("POST /auth/nothing", 404),
        ("GET /auth/me", 401),
        ("POST /auth/login", 422),
    ] {
        for (framing, announced, body) in framings() {
            for together in [true, false] {
                let case = format!("{line}, {framing}, together: {together}");
                front.app.recorder.forget();
                let mut client = front.connect().await;
                let head = head(line, &[&announced, "Content-Type: application/json"]);
                let answer = if together {
                    client.send([head.as_bytes(), &body].concat()).await;
                    client.read_response().await
                } else {
                    // The body comes when the refusal is out, unless the refusal needs the body.
                    client.send(&head).await;
                    if line.contains("/auth") {
                        client.send(&body).await;
                        client.read_response().await
                    } else {
                        let answer = client.read_response().await;
                        client.send(&body).await;
                        answer
                    }
                };
                let answer = answer.unwrap_or_else(|none| panic!("{case}: {none:?}"));
                let expected = if line == "POST /auth/login" { &[400, 422][..] } else { &[status][..] };
                assert!(expected.contains(&answer.status), "{case}: {} {}", answer.status, answer.text());
                // In sync: the next request is answered as itself. Or closed.
                client.send(super::front::head("GET /public/next", &[])).await;
                match client.read_response().await {
                    Ok(next) => {
                        assert_eq!(next.status, 200, "{case}: {}", next.text());
                        assert_eq!(next.json()["target"], "/public/next", "{case}");
                        assert_eq!(front.app.recorder.count(), 1, "{case}");
                    }
                    Err(NoResponse::Closed) => {}
                    Err(other) => panic!("{case}: {other:?}"),
                }
                front.assert_never_forwarded("smuggled", &case);
                front.assert_never_forwarded("evil", &case);
            }
        }
    }
    front.assert_serves("after all of them").await;
}

#[tokio::test]
async fn request_behind_a_refused_one_is_judged_by_itself() {
    let front = front().await;
    for (first, status) in [
        (head("GET /private/x", &[]), 401),
        (head("GET /nowhere", &[]), 404),
        (head("GET /auth/me", &[]), 401),
    ] {
        for (second, passes) in [("GET /private/behind", false), ("GET /public/behind", true)] {
            let case = format!("{second} behind {first:?}");
            front.app.recorder.forget();
            let mut client = front.connect().await;
            client.send([first.as_bytes(), head(second, &[]).as_bytes()].concat()).await;
            assert_eq!(client.read_response().await.unwrap().status, status, "{case}");
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
            assert_eq!(answer.status, if passes { 200 } else { 401 }, "{case}");
            if !passes {
                front.assert_nothing_forwarded(&case);
            }
        }
    }
    front.assert_serves("after all of them").await;
}

/// A client that waits for `100 Continue` and is refused sends no body: its next request must not be taken
/// for one.
#[tokio::test]
async fn refusal_instead_of_a_continue_ends_the_connection() {
    let front = front().await;
    for line in ["POST /private/x", "POST /nowhere"] {
        front.app.recorder.forget();
        let mut client = front.connect().await;
        client.send(head(line, &["Content-Length: 1000", "Expect: 100-continue"])).await;
        let answer = client.read_response().await.unwrap();
        assert!([401, 404].contains(&answer.status), "{line}: {}", answer.head);
        assert_eq!(answer.header("connection"), ["close"], "{line}");
        assert!(client.closes_within(PROMPT).await, "{line}");
        front.assert_nothing_forwarded(line);
    }
    front.assert_serves("after both").await;
}

/// However the body of a refused request comes, what is behind it is the next request, and nothing in it.
#[tokio::test]
async fn body_of_a_refused_request_may_come_later_and_in_any_pieces() {
    let front = front().await;
    for (line, status) in [("POST /private/x", 401), ("POST /nowhere", 404), ("POST /auth/me", 405)] {
        for (framing, announced, body) in framings() {
            let request = [head(line, &[&announced]).as_bytes(), &body].concat();
            let next = head("GET /public/next", &[]);
            let bytes = [&request[..], next.as_bytes()].concat();
            // Within the head, behind it, within the body, before its last byte, within the next request.
            let head_len = request.len() - body.len();
            for cut in
                [head_len - 3, head_len, head_len + 7, request.len() - 1, request.len(), request.len() + 5]
            {
                let case = format!("{line}, {framing}, cut at {cut}");
                front.app.recorder.forget();
                let mut client = front.connect().await;
                client.send(&bytes[..cut]).await;
                if cut >= head_len && !line.contains("/auth") {
                    // The answer is out before the rest is sent.
                    assert_eq!(client.read_response().await.unwrap().status, status, "{case}");
                    client.send(&bytes[cut..]).await;
                } else {
                    tokio::task::yield_now().await;
                    client.send(&bytes[cut..]).await;
                    assert_eq!(client.read_response().await.unwrap().status, status, "{case}");
                }
                let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
                assert_eq!(answer.json()["target"], "/public/next", "{case}");
                assert_eq!(front.app.recorder.count(), 1, "{case}");
                front.assert_never_forwarded("smuggled", &case);
            }
        }
    }
    front.assert_serves("after all of them").await;
}

/// A client that waits for `100 Continue`, is refused, and sends its body nevertheless.
#[tokio::test]
async fn body_behind_a_refused_expectation_is_never_a_request() {
    let front = front().await;
    for (framing, announced, body) in framings() {
        for (line, status) in [("POST /private/x", 401), ("POST /nowhere", 404)] {
            for together in [true, false] {
                let case = format!("{line}, {framing}, together: {together}");
                front.app.recorder.forget();
                let mut client = front.connect().await;
                let head = head(line, &[&announced, "Expect: 100-continue"]);
                let behind = [&body, SMUGGLED].concat();
                if together {
                    client.send([head.as_bytes(), &behind].concat()).await;
                } else {
                    client.send(head).await;
                }
                let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
                assert_eq!((answer.status, answer.header("connection")), (status, vec!["close"]), "{case}");
                client.send(behind).await;
                assert!(client.closes_within(PROMPT).await, "{case}");
                front.assert_nothing_forwarded(&case);
            }
        }
        // Where the body is asked for, it is read to its end, and what is behind it is a request of its own.
        front.app.recorder.forget();
        let mut client = front.connect().await;
        client.send(head("POST /auth/nothing", &[&announced, "Expect: 100-continue"])).await;
        assert_eq!(client.read_response().await.unwrap().status, 100, "{framing}");
        client.send([&body, SMUGGLED].concat()).await;
        assert_eq!(client.read_response().await.unwrap().status, 404, "{framing}");
        assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/smuggled", "{framing}");
        assert_eq!(front.app.recorder.count(), 1, "{framing}");
    }
    front.assert_serves("after all of them").await;
}

#[tokio::test]
async fn refused_body_is_not_waited_for_without_end() {
    let front = front().await;
    let refused = ["Content-Length: 1000000", "Transfer-Encoding: chunked"].map(|announced| {
        let front = &front;
        async move {
            let mut client = front.connect().await;
            client.send(head("POST /private/x", &[announced])).await;
            assert_eq!(client.read_response().await.unwrap().status, 401, "{announced}");
            assert!(client.closes_within(PROMPT).await, "{announced}: the body never came");
        }
    });
    futures_util::future::join_all(refused).await;
    front.assert_serves("after both").await;
}

/// The service answers before it has the body; what is left of the body belongs to nobody else.
#[tokio::test]
async fn rest_of_a_body_that_the_service_did_not_want_is_never_a_request() {
    let front = front().await;
    let early = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n".to_vec();
    front.app.recorder.reply_at("/public/early", crate::support::recorder::Reply::Raw(early));
    let mut client = front.connect().await;
    let length = format!("Content-Length: {}", SMUGGLED.len() + 1000);
    client.send(head("POST /public/early", &[&length])).await;
    client.send([b'x'; 1000]).await;
    let answer = client.read_response().await.unwrap();
    assert!([413, 502].contains(&answer.status), "{}", answer.head);
    client.send(SMUGGLED).await;
    let rest = client.read_rest(PROMPT).await;
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    assert!(!front.app.recorder.requests().iter().any(|request| request.target == "/public/smuggled"));
    front.assert_serves("afterwards").await;
}

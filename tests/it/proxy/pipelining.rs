//! Requests that are sent before the answer to the one before (RFC 9112 section 9.3.2): answered in order, each
//! judged by itself.

use std::time::Duration;

use super::front::{Front, PROMPT, chunked, head};
use crate::support::raw::NoResponse;
use crate::support::recorder::Reply;
use crate::support::wait::eventually;

/// Requests of every kind, the status of each, and what the service gets of it.
fn requests(front: &Front) -> Vec<(Vec<u8>, u16, Option<String>)> {
    let smuggled = head("GET /public/smuggled", &[]);
    let mut requests = Vec::new();
    for round in 0..3 {
        let to = |way: &str, target: &str| format!("{way} {target}/{round}");
        let all: [(String, &[u8], u16); 8] = [
            (head(&to("GET", "/public/a"), &[]), b"", 200),
            (front.head(&to("POST", "/private/b"), &["Content-Length: 5"]), b"hello", 200),
            (head(&to("GET", "/private/c"), &[]), b"", 401),
            (
                head(&to("POST", "/private/d"), &[&format!("Content-Length: {}", smuggled.len())]),
                smuggled.as_bytes(),
                401,
            ),
            (
                head(&to("PUT", "/public/e"), &["Transfer-Encoding: chunked"]),
                b"5\r\nhello\r\n0\r\nA: b\r\n\r\n",
                200,
            ),
            (head(&to("POST", "/private/f"), &["Transfer-Encoding: chunked"]), b"1\r\nx\r\n0\r\n\r\n", 401),
            (head("GET /auth/me", &[]), b"", 401),
            (head("POST /auth/login", &["Content-Length: 1", "Content-Type: application/json"]), b"{", 400),
        ];
        for (head, body, status) in all {
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            requests.push(([head.as_bytes(), body].concat(), status, (status == 200).then_some(target)));
        }
    }
    requests
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let front = Front::start().await;
    let requests = requests(&front);
    let all: Vec<u8> = requests.iter().flat_map(|(bytes, ..)| bytes.clone()).collect();
    // At once, and in pieces that fit nothing.
    for piece in [all.len(), 1000, 77] {
        front.app.recorder.forget();
        let mut client = front.connect().await;
        for part in all.chunks(piece) {
            assert!(client.send(part).await, "{piece}");
        }
        for (bytes, status, target) in &requests {
            let case = format!("{} in pieces of {piece}", bytes.escape_ascii());
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
            assert_eq!(answer.status, *status, "{case}: {}", answer.text());
            assert_eq!(answer.header("connection"), ["keep-alive"], "{case}");
            if let Some(target) = target {
                assert_eq!(answer.json()["target"], *target, "{case}");
            }
        }
        let got: Vec<_> = front.app.recorder.requests().into_iter().map(|request| request.target).collect();
        let expected: Vec<_> = requests.iter().filter_map(|(_, _, target)| target.clone()).collect();
        assert_eq!(got, expected, "in pieces of {piece}");
        client.send(head("GET /public/last", &[])).await;
        assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/last");
    }
    front.assert_never_forwarded("smuggled", "bodies");
    front.assert_serves("after all of them").await;
}

/// The next request comes while the service thinks: it neither disturbs the answer nor is it lost.
#[tokio::test]
async fn request_that_comes_during_an_answer_waits_for_its_turn() {
    let front = Front::start().await;
    front.app.recorder.reply_at("/public/slow", Reply::Delay(Duration::from_millis(400)));
    let mut client = front.connect().await;
    client.send(head("GET /public/slow", &[])).await;
    client.send(head("GET /private/behind", &[])).await;
    client.send("GET /public/half").await;
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/slow");
    assert_eq!(client.read_response().await.unwrap().status, 401);
    assert_eq!(front.app.recorder.count(), 1);
    client.send(" HTTP/1.1\r\nHost: front.example\r\n\r\n").await;
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/half");
}

#[tokio::test]
async fn what_comes_behind_a_closing_answer_is_dropped() {
    let front = Front::start().await;
    let behind = head("GET /public/behind", &[]);
    for (first, status) in [
        (head("GET /public/first", &["Connection: close"]), 200),
        (head("GET /private/first", &["Connection: close"]), 401),
        ("GET /public/first HTTP/1.0\r\nHost: front.example\r\n\r\n".to_owned(), 200),
        (head("GET /public/first/../x", &[]), 400),
        (head("GET /public//first", &[]), 400),
        (head("GET /public/first", &["Content-Length: 1", "Transfer-Encoding: chunked"]), 400),
        (head("POST /public/first", &["Transfer-Encoding: chunked"]) + "x\r\n", 400),
        (head("POST /private/first", &["Content-Length: 1000", "Expect: 100-continue"]), 401),
        (head("POST /private/first", &["Content-Length: 70000"]), 401),
        (head("POST /auth/login", &["Content-Length: 70000", "Content-Type: application/json"]), 413),
    ] {
        for good_first in [false, true] {
            let case = format!("{first}, behind a good one: {good_first}");
            front.app.recorder.forget();
            let mut client = front.connect().await;
            if good_first {
                client.send(head("GET /public/good", &[]) + &first + &behind).await;
                assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/good", "{case}");
            } else {
                client.send(first.clone() + &behind).await;
            }
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
            assert_eq!((answer.status, answer.header("connection")), (status, vec!["close"]), "{case}");
            assert!(client.closes_within(PROMPT).await, "{case}");
            front.assert_never_forwarded("/public/behind", &case);
        }
    }
    front.assert_serves("after all of them").await;
}

/// A head behind another one has the bounds of every head, and is judged like every head.
#[tokio::test]
async fn bad_head_behind_a_good_request_is_refused_as_such() {
    let front = Front::with("server.head_timeout = '1s'").await;
    let long = format!("GET /public HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(40_000));
    for (behind, status) in [
        ("GET /public HTTP/1.1\nHost: a\r\n\r\n", 400),
        ("\r\nGET /public HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /public HTTP/1.1\r\n\r\n", 400),
        ("get /public HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        (long.as_str(), 431),
        ("GET /public HTTP/1.1\r\nHost: a\r\nNever: ends", 408),
    ] {
        let case = behind.get(..60).unwrap_or(behind);
        front.app.recorder.forget();
        let mut client = front.connect().await;
        let good = head("POST /public/good", &["Transfer-Encoding: chunked"]).into_bytes();
        client.send([&good[..], &chunked(b"body", 2), behind.as_bytes()].concat()).await;
        assert_eq!(client.read_response().await.unwrap().json()["body_length"], 4, "{case}");
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
        assert_eq!((answer.status, answer.header("connection")), (status, vec!["close"]), "{case}");
        assert!(client.closes_within(PROMPT).await, "{case}");
        assert_eq!(front.app.recorder.count(), 1, "{case}");
    }
    front.assert_serves("after all of them").await;
}

/// What a client sends ahead is not collected: it waits in the socket.
#[tokio::test]
async fn flood_of_pipelined_requests_is_taken_as_fast_as_it_is_answered() {
    let front = Front::start().await;
    front.app.recorder.reply_at("/public/slow", Reply::Delay(Duration::from_secs(2)));
    let mut client = front.connect().await;
    client.send(head("GET /public/slow", &[])).await;
    let next = head("GET /public/next", &[]);
    let sent = client.flood(next.as_bytes(), 64 * 1024 * 1024);
    let sent = tokio::time::timeout(Duration::from_secs(1), sent).await;
    assert!(sent.is_err(), "64 MiB were taken while one request waited");
    drop(client);
    front.assert_serves("afterwards").await;
}

/// Whoever leaves takes the requests along that were not begun.
#[tokio::test]
async fn client_that_has_gone_is_not_served_further() {
    let front = Front::start().await;
    front.app.recorder.reply_at("/public/slow", Reply::Delay(Duration::from_millis(300)));
    let mut client = front.connect().await;
    client.send(head("GET /public/slow", &[]) + &head("POST /public/behind", &["Content-Length: 0"])).await;
    // The service has it: a request that is recorded late would be taken for one of the next.
    assert!(eventually(Duration::from_secs(20), async || front.app.recorder.count() == 1).await);
    client.finish_sending().await;
    match client.read_response().await {
        Ok(_) | Err(NoResponse::Closed | NoResponse::CutOff(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
    front.app.wait_for_log(|line| line.contains("/public/slow")).await;
    front.assert_never_forwarded("/public/behind", "half closed");
    front.assert_serves("afterwards").await;
}

//! Connections to services are kept, and what happens when a service has just closed one.

use super::front::{Front, head};
use crate::support::recorder::{RecordedRequest, Reply};
use crate::support::wait::eventually;

async fn one_of_these(front: &Front, target: &str, count: usize) -> Vec<RecordedRequest> {
    let seen = || front.app.recorder.requests().into_iter().filter(|request| request.target == target);
    assert!(eventually(super::front::PROMPT, || std::future::ready(seen().count() >= count)).await);
    seen().collect()
}

#[tokio::test]
async fn connections_to_the_service_are_reused() {
    let front = Front::start().await;
    let mut client = front.connect().await;
    for _ in 0..10 {
        client.send(head("GET /public/x", &[])).await;
        assert_eq!(client.read_response().await.unwrap().status, 200);
    }
    assert_eq!(front.app.recorder.connection_count(), 1, "one after the other needs one");
}

/// A request without consequences is sent again when a kept connection turns out to be closed.
#[tokio::test]
async fn get_survives_a_kept_connection_that_the_service_closes() {
    let front = Front::start().await;
    front.app.recorder.reply(Reply::CloseReused);
    // One connection: its next request is read when the service's connection is back in the pool.
    let mut client = front.connect().await;
    for number in 0..5 {
        client.send(head(&format!("GET /public/{number}"), &[])).await;
        assert_eq!(client.read_response().await.unwrap().status, 200, "request {number}");
    }
    let twice = one_of_these(&front, "/public/1", 2).await;
    assert_eq!(twice.len(), 2, "once on the kept connection, once on a new one");
    assert_ne!(twice[0].connection, twice[1].connection);
}

/// The service may have acted on it: whoever sent it decides.
#[tokio::test]
async fn post_is_never_sent_twice() {
    let front = Front::start().await;
    front.app.recorder.reply(Reply::CloseReused);
    for (number, framing, body) in [
        (0, "Content-Length: 5", "hello"),
        (1, "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        (2, "Content-Length: 0", ""),
    ] {
        for method in ["POST", "PATCH", "X-own"] {
            let mut client = front.connect().await;
            // Leaves a connection behind.
            client.send(head("GET /public/first", &[])).await;
            assert_eq!(client.read_response().await.unwrap().status, 200);
            let target = format!("/public/{method}/{number}");
            client.send(head(&format!("{method} {target}"), &[framing]) + body).await;
            assert_eq!(client.read_response().await.unwrap().status, 502, "{target}");
            assert_eq!(one_of_these(&front, &target, 1).await.len(), 1, "{target}");
        }
    }
}

/// Closed while it was idle: noticed before anything is sent.
#[tokio::test]
async fn connection_that_was_closed_while_idle_is_not_used() {
    let front = Front::start().await;
    let once = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    front.app.recorder.reply(Reply::Raw(once));
    let (mut answered, mut met_the_end) = (0, 0);
    while answered < 10 {
        let answer = front.send(head("POST /public/x", &["Content-Length: 0"])).await;
        // A request that leaves in the very moment in which the service closes is lost, and not sent again.
        match answer.status {
            200 => answered += 1,
            502 if met_the_end < 10 => met_the_end += 1,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(front.app.recorder.count(), 10, "{met_the_end} met the end of a connection");
}

/// What a service sends unasked belongs to no later request.
#[tokio::test]
async fn answer_with_bytes_behind_it_poisons_no_other_request() {
    let front = Front::start().await;
    let two =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            .to_vec();
    front.app.recorder.reply_at("/public/two", Reply::Raw(two));
    for _ in 0..5 {
        assert_eq!(front.send(head("GET /public/two", &[])).await.text(), "ok");
        let next = front.send(head("GET /public/next", &[])).await;
        assert_eq!(next.json()["target"], "/public/next");
    }
}

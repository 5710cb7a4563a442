//! Connections: kept, closed, old, and answers without a body.

use std::time::Duration;

use serde_json::json;

use super::front::{Front, PROMPT, head};
use super::origin::Origin;
use crate::support::app::TestApp;
use crate::support::recorder::Reply;

#[tokio::test]
async fn one_connection_carries_requests_of_every_outcome() {
    let front = Front::start().await;
    let mut client = front.connect().await;
    let json = json!({"email": "nobody@example.com", "password": "wrong-but-long"}).to_string();
    let login = format!(
        "{}{json}",
        head(
            "POST /auth/login",
            &["Content-Type: application/json", &format!("Content-Length: {}", json.len())]
        )
    );
    for (request, status) in [
        (front.head("GET /private", &[]), 200),
        (head("GET /private", &[]), 401),
        (head("GET /public", &[]), 200),
        (head("GET /auth/nothing", &[]), 404),
        (head("GET /.well-known/jwks.json", &[]), 200),
        (login, 401),
        (front.head("GET /auth/me", &[]), 200),
        (head("POST /private", &["Content-Length: 3"]) + "abc", 401),
        (head("POST /public", &["Transfer-Encoding: chunked"]) + "3\r\nabc\r\n0\r\n\r\n", 200),
        (front.head("GET /private", &["Connection: keep-alive"]), 200),
    ] {
        assert!(client.send(&request).await);
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?} to {request}"));
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
        assert_ne!(answer.header("connection"), ["close"], "{request}");
    }
    client.send(head("GET /public", &["Connection: close"])).await;
    let last = client.read_response().await.unwrap();
    assert_eq!(last.header("connection"), ["close"]);
    assert!(client.closes_within(PROMPT).await);
}

#[tokio::test]
async fn connection_close_is_honoured_whoever_answers() {
    let front = Front::start().await;
    for (line, status) in [
        ("GET /public", 200),
        ("GET /private", 401),
        ("GET /auth/me", 401),
        ("GET /.well-known/jwks.json", 200),
    ] {
        for close in ["Connection: close", "Connection: keep-alive, Close"] {
            let mut client = front.connect().await;
            client.send(head(line, &[close])).await;
            let answer = client.read_response().await.unwrap();
            assert_eq!(
                (answer.status, answer.header("connection")),
                (status, vec!["close"]),
                "{line}, {close}"
            );
            assert!(client.closes_within(PROMPT).await, "{line}, {close}");
        }
    }
}

/// An HTTP/1.0 client knows neither chunks nor kept connections.
#[tokio::test]
async fn http_1_0_is_answered_in_its_own_terms() {
    let front = Front::start().await;
    front
        .app
        .recorder
        .reply_at("/public/events", Reply::Events { count: 2, pause: Duration::from_millis(10) });
    for (target, status, body) in [
        ("/public/x", 200, "/public/x"),
        ("/public/events", 200, "data: 0\n\ndata: 1\n\n"),
        ("/private", 401, "no_credentials"),
        ("/auth/me", 401, "no_credentials"),
    ] {
        for more in ["", "Connection: keep-alive\r\n"] {
            let case = format!("{target} {more:?}");
            let mut client = front.connect().await;
            client.send(format!("GET {target} HTTP/1.0\r\nHost: front.example\r\n{more}\r\n")).await;
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{case}: {none:?}"));
            assert_eq!(answer.status, status, "{case}");
            assert_eq!(answer.header("transfer-encoding"), <[&str; 0]>::default(), "{case}");
            assert!(answer.text().contains(body), "{case}: {:?}", answer.text());
            assert!(client.closes_within(PROMPT).await, "{case}");
        }
    }
    let last = front.app.recorder.last();
    assert!(
        last.raw_head.starts_with(b"GET /public/events HTTP/1.1\r\n"),
        "our own version towards the service"
    );
}

#[tokio::test]
async fn head_is_answered_without_a_body_and_with_its_length() {
    let front = Front::start().await;
    front.app.recorder.reply_at("/public/big", Reply::Big(70_000));
    let mut client = front.connect().await;
    for (target, authorized) in [
        ("/public/big", false),
        ("/private", false),
        ("/private", true),
        ("/.well-known/jwks.json", false),
        ("/nowhere", false),
    ] {
        let of = |method: &str| {
            let line = format!("{method} {target}");
            if authorized { front.head(&line, &[]) } else { head(&line, &[]) }
        };
        client.send(of("HEAD")).await;
        let without = client.read_response_to_head().await.unwrap();
        client.send(of("GET")).await;
        let with = client.read_response().await.unwrap_or_else(|none| panic!("{target}: {none:?}"));
        assert_eq!(without.status, with.status, "{target}");
        if !authorized {
            // The recorder's description names the method, so its length differs by one.
            assert_eq!(without.header("content-length"), [with.body.len().to_string()], "{target}");
        }
        assert_eq!(without.header("www-authenticate"), with.header("www-authenticate"), "{target}");
    }
}

#[tokio::test]
async fn answers_without_content_leave_the_connection_in_step() {
    let front = Front::start().await;
    let mut client = front.connect().await;
    for status in [204, 304, 200, 404, 500] {
        let target = format!("/public/{status}");
        front.app.recorder.reply_at(&target, Reply::Status(status));
        client.send(head(&format!("GET {target}"), &[])).await;
        let answer = client.read_response().await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.body.is_empty(), "{status}");
        if status == 204 {
            assert_eq!(answer.header("content-length"), <[&str; 0]>::default());
        }
        client.send(head("GET /public/next", &[])).await;
        assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/next", "after {status}");
    }
}

#[tokio::test]
async fn continue_comes_before_the_body_and_from_the_one_who_takes_it() {
    let front = Front::start().await;
    let json = json!({"email": "nobody@example.com", "password": "wrong-but-long"}).to_string();
    for (line, body, status) in [("POST /auth/login", json.as_str(), 401), ("POST /private/x", "hello", 200)]
    {
        front.app.recorder.forget();
        let mut client = front.connect().await;
        let length = format!("Content-Length: {}", body.len());
        client
            .send(front.head(line, &["Expect: 100-continue", &length, "Content-Type: application/json"]))
            .await;
        assert_eq!(client.read_response().await.unwrap().status, 100, "{line}");
        if status == 200 {
            assert_eq!(front.app.recorder.last().header("expect"), ["100-continue"]);
            assert!(!front.app.recorder.last().complete);
        }
        client.send(body).await;
        assert_eq!(client.read_response().await.unwrap().status, status, "{line}");
        client.send(head("GET /public/next", &[])).await;
        assert_eq!(client.read_response().await.unwrap().status, 200, "after {line}");
    }
}

#[tokio::test]
async fn body_that_is_too_large_for_us_is_refused_before_it_is_read() {
    let front = Front::start().await;
    let too_much = format!("5000\r\n{}\r\n", "x".repeat(0x5000));
    let cases = [
        ("Content-Length: 10737418240", ""),
        ("Content-Length: 16385", ""),
        ("Content-Length: 10737418240\r\nExpect: 100-continue", ""),
        ("Transfer-Encoding: chunked", too_much.as_str()),
    ];
    let refused = cases.map(|(more, body)| {
        let front = &front;
        async move {
            let mut client = front.connect().await;
            let lines: Vec<&str> = more.split("\r\n").chain(["Content-Type: application/json"]).collect();
            client.send(head("POST /auth/login", &lines) + body).await;
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{more}: {none:?}"));
            assert_eq!(answer.status, 413, "{more}");
            assert_eq!(answer.json()["code"], "body_too_large", "{more}");
            assert!(client.closes_within(PROMPT).await, "{more}: the rest never comes");
        }
    });
    futures_util::future::join_all(refused).await;
    front.assert_serves("after all of them").await;
}

/// Closing with unread bytes would reset the connection, and take the answer with it.
#[tokio::test]
async fn client_that_sends_on_still_gets_its_refusal() {
    let front = Front::start().await;
    for (path, status) in [("/private/upload", 401), ("/auth/login", 413), ("/auth/nothing", 413)] {
        for _ in 0..3 {
            let request = front.app.request(reqwest::Method::POST, path).body(vec![b'x'; 8 * 1024 * 1024]);
            let answer = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
            assert_eq!(answer.status(), status, "{path}");
        }
    }
    front.assert_nothing_forwarded("refused uploads");
}

/// The interim answer is not the answer.
#[tokio::test]
async fn failure_behind_a_continue_is_still_told() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string());
    let front = Front::of(builder.config("server.body_timeout = '500ms'")).await;
    let lines = ["Expect: 100-continue", "Content-Length: 5", "Content-Type: application/json"];
    let mut client = front.connect().await;
    client.send(front.head("POST /private", &lines)).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.read_response().await.unwrap().status, 100);
    drop(service);
    assert_eq!(client.read_response().await.unwrap().status, 502);

    let mut client = front.connect().await;
    client.send(head("POST /auth/login", &lines)).await;
    assert_eq!(client.read_response().await.unwrap().status, 100);
    assert_eq!(client.read_response().await.unwrap().status, 408);
}

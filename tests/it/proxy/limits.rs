//! Everything has a bound and a deadline.

use std::time::Duration;

use tokio::time::Instant;

use super::front::{Front, PROMPT, head};

const SHORT: &str = "server.head_timeout = '1s'\nserver.keepalive_timeout = '1s'\nserver.body_timeout = '1s'";
/// Each of the deadlines above, on a busy machine.
const SHORTLY: Duration = Duration::from_secs(4);

#[tokio::test]
async fn head_has_one_deadline_however_its_bytes_come() {
    let front = Front::with(SHORT).await;
    // The rest never comes.
    let mut stuck = front.connect().await;
    stuck.send("GET /public HTTP/1.1\r\nHost: front.example\r\n").await;
    // A byte now and then, which starts no deadline afresh.
    let mut trickling = front.connect().await;
    // Not even a first byte.
    let mut silent = front.connect().await;
    let started = Instant::now();
    let (answer, sent, closed) = tokio::join!(
        stuck.read_response(),
        trickling
            .send_slowly(head("GET /public/slow-head", &[&"X: ".repeat(50)]), Duration::from_millis(150)),
        silent.closes_within(SHORTLY),
    );
    let answer = answer.expect("a slow client is told");
    assert_eq!(answer.status, 408);
    assert_eq!(answer.json()["code"], "head_timeout");
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(closed, "silent");
    assert!(sent < 60, "{sent} bytes were taken in {:?}", started.elapsed());
    assert!(stuck.closes_within(PROMPT).await);
    front.assert_nothing_forwarded("slow heads");
    front.assert_serves("afterwards").await;
}

#[tokio::test]
async fn kept_connection_has_its_own_deadline() {
    let front = Front::with(SHORT).await;
    let mut client = front.connect().await;
    for line in ["GET /public", "GET /private", "GET /auth/me"] {
        client.send(head(line, &[])).await;
        assert!(client.read_response().await.is_ok(), "{line}");
    }
    assert!(client.closes_within(SHORTLY).await, "idle");
}

#[tokio::test]
async fn slow_bodies_are_given_up() {
    let front = Front::with(SHORT).await;
    let head = |target: &str| {
        front.head(&format!("POST {target}"), &["Content-Length: 100", "Content-Type: application/json"])
    };
    let mut to_us = front.connect().await;
    to_us.send(head("/auth/login")).await;
    let mut to_service = front.connect().await;
    to_service.send(head("/private/x")).await;
    // Bytes that come one by one are no whole body either: for ours the deadline is one for all.
    let mut trickling = front.connect().await;
    trickling.send(head("/auth/login")).await;
    let (ours, service, sent) = tokio::join!(
        to_us.read_response(),
        to_service.read_response(),
        trickling.send_slowly([b'x'; 60], Duration::from_millis(150)),
    );
    for (name, answer) in [("ours", ours), ("the service's", service)] {
        let answer = answer.unwrap_or_else(|none| panic!("{name}: {none:?}"));
        assert_eq!(answer.status, 408, "{name}");
        assert_eq!(answer.json()["code"], "body_timeout", "{name}");
    }
    assert!(to_us.closes_within(PROMPT).await && to_service.closes_within(PROMPT).await);
    assert!(sent < 60, "a trickling body was read to its end");
    assert!(front.app.recorder.requests().iter().all(|request| !request.complete));
    for (path, route) in [("/auth/login", "gateward"), ("/private/x", "/")] {
        let late = |line: &str| line.contains(&format!("path=\"{path}\"")) && line.contains("status=408");
        let said = front.app.wait_for_log(late).await;
        let told = format!("route=\"{route}\"");
        let blamed = "outcome=\"refused\" reason=\"body_timeout\"";
        assert!(said.contains(&told) && said.contains(blamed), "the client was at fault: {said}");
    }
    front.assert_serves("afterwards").await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let limits = "server.max_header_bytes = 4096\nserver.max_headers = 20\nserver.max_target_bytes = 512";
    let front = Front::with(limits).await;
    let get = |target: usize, lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        head(&format!("GET /public/{}", "x".repeat(target - "/public/".len())), &lines)
    };
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: a")).collect::<Vec<_>>();
    let long = |size: usize| vec![format!("X: {}", "a".repeat(size))];
    for (case, bytes, expected) in [
        ("longest target", get(512, &[]), None),
        ("target too long", get(513, &[]), Some((414, "target_too_long"))),
        ("far too long", get(100_000, &[]), Some((414, "target_too_long"))),
        ("most headers", get(20, &many(19)), None),
        ("too many headers", get(20, &many(20)), Some((431, "too_many_headers"))),
        ("large header", get(20, &long(3900)), None),
        ("too large header", get(20, &long(4096)), Some((431, "head_too_large"))),
        ("endless header", get(20, &long(150_000)), Some((431, "head_too_large"))),
        ("long name", get(20, &[format!("{}: a", "x".repeat(257))]), Some((431, "header_name_too_long"))),
    ] {
        front.app.recorder.forget();
        let answer = front.send(&bytes).await;
        match expected {
            None => assert_eq!((answer.status, front.app.recorder.count()), (200, 1), "{case}"),
            Some((status, code)) => {
                assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{case}");
                front.assert_nothing_forwarded(case);
            }
        }
    }
    front.assert_serves("after all of them").await;
}

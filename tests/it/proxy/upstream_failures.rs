//! A service in trouble: who is to blame is said at once, and in the shape of every problem.

use std::time::Duration;

use tokio::time::Instant;

use super::front::{Front, PROMPT, head};
use super::origin::Origin;
use crate::support::app::TestApp;
use crate::support::ports::free_address;
use crate::support::raw::RawResponse;
use crate::support::recorder::{Recorder, Reply};

fn assert_problem(answer: &RawResponse, status: u16, code: &str, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.text());
    assert_eq!(answer.header("content-type"), ["application/problem+json"], "{case}");
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{case}");
    assert_eq!(answer.header("x-request-id"), [problem["request_id"].as_str().unwrap()], "{case}");
    for inside in ["127.0.0.1", "recorder", "pingora", "onnect"] {
        assert!(!answer.text().contains(inside), "{case}: {}", answer.text());
    }
}

fn post(front: &Front, target: &str) -> String {
    front.head(&format!("POST {target}"), &["Content-Length: 5"]) + "hello"
}

#[tokio::test]
async fn service_that_is_down_gives_502_until_it_is_back() {
    let address = free_address();
    let front = Front::of(TestApp::embedded().upstream(&address.to_string())).await;
    for bytes in [front.head("GET /private", &[]), post(&front, "/private"), head("GET /public", &[])] {
        let started = Instant::now();
        assert_problem(&front.send(&bytes).await, 502, "upstream_failed", &bytes);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    assert_eq!(front.send(head("GET /private", &[])).await.status, 401, "nothing of it is told to nobody");
    let service = Recorder::start_at(address);
    assert_eq!(front.send(front.head("GET /private/back", &[])).await.status, 200);
    assert_eq!(service.last().target, "/private/back");
    drop(service);
    assert_eq!(front.send(front.head("GET /private", &[])).await.status, 502);
}

#[tokio::test]
async fn service_that_takes_no_connection_gives_502_within_the_deadline() {
    let (full, _waiting) = Origin::full().await;
    let config = format!(
        "[[upstream]]\nname = 'full'\nservers = ['{}']\nconnect_timeout = '300ms'\n\
         [[route]]\npath = '/full'\nupstream = 'full'\naccess = 'public'",
        full.address()
    );
    let front = Front::with(&config).await;
    let started = Instant::now();
    assert_problem(&front.send(head("GET /full", &[])).await, 502, "upstream_failed", "full");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    front.assert_serves("another service").await;
}

#[tokio::test]
async fn service_that_fails_is_named_so() {
    let recorder = Recorder::start();
    let front = Front::with(&format!(
        "[[upstream]]\nname = 'hasty'\nservers = ['{}']\nread_timeout = '500ms'\n\
         [[route]]\npath = '/hasty'\nupstream = 'hasty'\naccess = 'public'",
        recorder.address()
    ))
    .await;
    for (target, reply, status, code) in [
        ("/hasty/silent", Reply::Delay(Duration::from_secs(30)), 504, "upstream_timeout"),
        ("/hasty/close", Reply::Close, 502, "upstream_failed"),
        (
            "/hasty/unasked",
            Reply::Raw(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
                    .to_vec(),
            ),
            502,
            "upstream_failed",
        ),
        ("/hasty/garbage", Reply::Raw(b"garbage\r\n\r\n".to_vec()), 502, "upstream_failed"),
        ("/hasty/tls", Reply::Raw(b"\x15\x03\x01\x00\x02\x02\x0a".to_vec()), 502, "upstream_failed"),
        ("/hasty/half", Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()), 502, "upstream_failed"),
        ("/hasty/status", Reply::Raw(b"HTTP/1.1 2x0 OK\r\n\r\n".to_vec()), 502, "upstream_failed"),
        (
            "/hasty/lengths",
            Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_vec()),
            502,
            "upstream_failed",
        ),
        (
            "/hasty/huge",
            Reply::Raw([&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 2 << 20]].concat()),
            502,
            "upstream_failed",
        ),
    ] {
        recorder.reply_at(target, reply);
        for method in ["GET", "POST"] {
            let case = format!("{method} {target}");
            recorder.forget();
            let started = Instant::now();
            let body = if method == "POST" { "hello" } else { "" };
            let length = format!("Content-Length: {}", body.len());
            assert_problem(&front.send(head(&case, &[&length]) + body).await, status, code, &case);
            assert!(started.elapsed() < PROMPT, "{case}: {:?}", started.elapsed());
            assert_eq!(recorder.count(), 1, "{case}: not again on a new connection");
        }
    }
    front.assert_serves("another service").await;
}

/// The deadline is one of silence: an answer that goes on may take longer.
#[tokio::test]
async fn slow_answer_that_goes_on_is_no_silence() {
    let recorder = Recorder::start();
    let front = Front::with(&format!(
        "[[upstream]]\nname = 'slow'\nservers = ['{}']\nread_timeout = '1s'\n\
         [[route]]\npath = '/slow'\nupstream = 'slow'\naccess = 'public'",
        recorder.address()
    ))
    .await;
    let parts = vec![b"part".to_vec(); 5];
    recorder.reply(Reply::Slow { parts, pause: Duration::from_millis(300) });
    assert_eq!(front.send(head("GET /slow", &[])).await.text(), "part".repeat(5));
}

#[tokio::test]
async fn one_server_of_two_is_enough() {
    let (up, down) = (Recorder::start(), free_address());
    let front = Front::with(&format!(
        "[[upstream]]\nname = 'pair'\nservers = ['{down}', '{}']\n\
         [[route]]\npath = '/pair'\nupstream = 'pair'\n",
        up.address()
    ))
    .await;
    for number in 0..20 {
        let bytes = if number % 2 == 0 { front.head("GET /pair", &[]) } else { post(&front, "/pair") };
        let answer = front.send(bytes).await;
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
    }
    assert_eq!(up.count(), 20, "each once");
    let bodies = up.requests().into_iter().filter(|request| request.method == "POST");
    assert!(bodies.map(|request| request.body).all(|body| body == b"hello"));
    // Both take their turn once both are there.
    let second = Recorder::start_at(down);
    for _ in 0..10 {
        assert_eq!(front.send(front.head("GET /pair", &[])).await.status, 200);
    }
    assert!(second.count() >= 4 && up.count() >= 24, "{} and {}", second.count(), up.count());
}

#[tokio::test]
async fn connection_to_the_client_survives_or_ends_honestly() {
    let front = Front::start().await;
    front.app.recorder.reply_at("/public/close", Reply::Close);
    let mut client = front.connect().await;
    client.send(head("GET /public/close", &[])).await;
    let answer = client.read_response().await.unwrap();
    assert_problem(&answer, 502, "upstream_failed", "kept");
    if answer.header("connection") == ["close"] {
        assert!(client.closes_within(PROMPT).await);
    } else {
        client.send(head("GET /public/next", &[])).await;
        assert_eq!(client.read_response().await.unwrap().status, 200);
    }
}

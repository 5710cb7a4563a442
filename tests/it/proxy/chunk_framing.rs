//! Chunked bodies that the proxy library would forgive: refused, and nothing behind them is a request.

use std::time::Duration;

use super::front::{Front, PROMPT, chunked, head, noise};
use crate::support::raw::NoResponse;
use crate::support::wait::eventually;

const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: front.example\r\n\r\n";
const LINES: [&str; 2] = ["Transfer-Encoding: chunked", "Content-Type: application/json"];

/// Bodies that end, or break off, in a way that somebody forgives.
fn bad_bodies() -> Vec<String> {
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(20_000));
    let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(33));
    [
        "\r\n\r\n",
        " \r\n\r\n",
        "\t\r\n\r\n",
        ";a=b\r\n\r\n",
        "5\r\nhello\r\n\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "0\n\n",
        "0\r\nX Y\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: y\r\n folded\r\n\r\n",
        "0\r\n\n",
        &long,
        &many,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test]
async fn body_that_somebody_could_read_otherwise_is_refused() {
    let front = Front::start().await;
    for body in bad_bodies() {
        for target in ["/public/chunks", "/private/chunks", "/auth/login"] {
            let start = &body.as_bytes()[..body.len().min(40)];
            let case = format!("{} to {target}", start.escape_ascii());
            let head = front.head(&format!("POST {target}"), &LINES);
            for together in [true, false] {
                front.app.recorder.forget();
                let mut client = front.connect().await;
                if together {
                    client.send(format!("{head}{body}{SMUGGLED}")).await;
                } else {
                    client.send(&head).await;
                    // Elsewhere the head is on its way before the body comes; here it may come together.
                    if target != "/auth/login" {
                        let on_its_way = || async { !front.app.recorder.raw_bytes().concat().is_empty() };
                        assert!(eventually(PROMPT, on_its_way).await, "{case}");
                    }
                    client.send(format!("{body}{SMUGGLED}")).await;
                }
                let answer = client.read_response().await.unwrap_or_else(|none| panic!("{case}: {none:?}"));
                assert_eq!(answer.status, 400, "{case}: {}", answer.text());
                assert_eq!(answer.json()["code"], "bad_chunk", "{case}");
                assert_eq!(answer.header("connection"), ["close"], "{case}");
                let rest = client.read_rest(PROMPT).await;
                assert!(rest.is_empty(), "{case}: {}", rest.escape_ascii());
                front.assert_never_forwarded("smuggled", &case);
                assert!(front.app.recorder.requests().iter().all(|request| !request.complete), "{case}");
                if together {
                    front.assert_nothing_forwarded(&case);
                }
            }
        }
    }
    for path in ["/public/chunks", "/private/chunks", "/auth/login"] {
        let of_path = |line: &str| line.contains(&format!("path=\"{path}\"")) && line.contains("status=400");
        let said = front.app.wait_for_log(of_path).await;
        assert!(said.contains("outcome=\"refused\" reason=\"bad_chunk\""), "{said}");
    }
    front.assert_serves("after all of them").await;
}

/// The answer is out before the body comes: what is read away of it must end where it ends.
#[tokio::test]
async fn bad_body_behind_a_refusal_closes_the_connection() {
    let front = Front::start().await;
    for body in bad_bodies() {
        for line in ["POST /private/chunks", "POST /auth/nothing"] {
            let case = format!("{} to {line}", body.as_bytes()[..body.len().min(40)].escape_ascii());
            front.app.recorder.forget();
            let mut client = front.connect().await;
            client.send(head(line, &["Transfer-Encoding: chunked"])).await;
            if line.starts_with("POST /private") {
                assert_eq!(client.read_response().await.unwrap().status, 401, "{case}");
                client.send(&body).await;
            } else {
                client.send(&body).await;
                assert_eq!(client.read_response().await.unwrap().status, 400, "{case}");
            }
            client.send(SMUGGLED).await;
            match client.read_response().await {
                Err(NoResponse::Closed) => {}
                other => panic!("{case}: {other:?}"),
            }
            front.assert_nothing_forwarded(&case);
        }
    }
    front.assert_serves("after all of them").await;
}

#[tokio::test]
async fn well_formed_bodies_arrive_however_they_are_cut() {
    let front = Front::start().await;
    for line in ["POST /public/chunks", "POST /private/chunks"] {
        let head = front.head(line, &["Transfer-Encoding: chunked"]);
        for (body, content) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("005;a=\"b c\";d\r\nhello\r\n000;last\r\n\r\n", "hello"),
            ("2\r\nhe\r\n3;x\r\nllo\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\n", "hello"),
            ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
        ] {
            for slowly in [false, true] {
                front.app.recorder.forget();
                let mut client = front.connect().await;
                if slowly {
                    client.send(&head).await;
                    client.send_slowly(body, Duration::from_millis(3)).await;
                } else {
                    client.send(format!("{head}{body}")).await;
                }
                assert_eq!(client.read_response().await.unwrap().status, 200, "{line} {body:?}");
                let request = front.app.recorder.last();
                assert!(request.complete, "{line} {body:?}");
                assert_eq!(request.body, content.as_bytes(), "{line} {body:?}");
                // In sync.
                client.send(super::front::head("GET /public/next", &[])).await;
                let next = client.read_response().await;
                assert_eq!(next.unwrap().json()["target"], "/public/next", "{line} {body:?}");
            }
        }
    }
    let large = noise(5 * 1024 * 1024);
    for size in [1000, 16_384, 1_000_000] {
        let head = front.head("POST /private/large", &["Transfer-Encoding: chunked"]);
        let (_, request) = front.forwarded([head.as_bytes(), &chunked(&large, size)].concat()).await;
        assert!(request.complete && request.body == large, "chunks of {size}");
    }
}

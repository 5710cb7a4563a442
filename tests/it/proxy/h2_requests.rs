//! HTTP/2 from clients: what a service and a client see is what they see over HTTP/1.1.

use bytes::Bytes;
use serde_json::json;

use super::front::{PROMPT, head, noise};
use super::h2_client::{Client, front, front_of, front_with, whole};
use super::origin::Origin;
use crate::support::app::PASSWORD;
use crate::support::raw::RawClient;
use crate::support::recorder::Reply;
use crate::support::wait::eventually;

#[tokio::test]
async fn a_person_logs_in_and_calls_a_service() {
    let front = front().await;
    let mut client = Client::connect(front.app.address).await;
    let body = json!({"email": front.email, "password": PASSWORD}).to_string();
    let answer =
        client.post("POST /auth/login", &[("content-type", "application/json")], body.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());

    let answer = client.get("GET /private/x", &[]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some() && answer.header("connection").is_none());
    front.assert_nothing_forwarded("no token");

    let answer = client.get("GET /private/x?y=z", &[("authorization", &token)]).await;
    assert_eq!(
        (answer.status, answer.header("connection"), answer.header("transfer-encoding")),
        (200, None, None)
    );
    let [request] = &front.app.recorder.requests()[..] else { panic!("one request") };
    assert_eq!(request.target, "/private/x?y=z");
    let line = front
        .app
        .wait_for_log(|line| line.contains("path=\"/private/x\"") && line.contains("status=200"))
        .await;
    for said in ["http=\"2\"", "method=\"GET\"", "outcome=\"forwarded\"", "account=", "route=\"/\""] {
        assert!(line.contains(said), "{said}: {line}");
    }
}

/// The whole head, byte for byte, but for the id and the version that the client spoke.
#[tokio::test]
async fn a_service_reads_the_same_head_as_over_http1() {
    let front = front().await;
    let authorization = format!("Bearer {}", front.token);
    let lines = [
        "accept: a/b",
        "x-twice: 1",
        "x-twice: 2",
        "X_Forwarded_User: evil",
        "x-forwarded-for: 6.6.6.6",
        "cookie: a=b; c=d",
        "te: trailers",
    ];
    let (_, old) = front.forwarded(front.head("GET /private/x?a=b&c", &lines)).await;

    front.app.recorder.forget();
    let mut client = Client::connect(front.app.address).await;
    let fields = [
        ("authorization", authorization.as_str()),
        ("accept", "a/b"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x_forwarded_user", "evil"),
        ("x-forwarded-for", "6.6.6.6"),
        ("cookie", "a=b"),
        ("cookie", "c=d"),
        ("te", "trailers"),
    ];
    assert_eq!(client.get("GET /private/x?a=b&c", &fields).await.status, 200);
    let [new] = &front.app.recorder.requests()[..] else { panic!("one request") };
    let lines = |raw: &[u8]| -> Vec<String> {
        let text = String::from_utf8(raw.to_vec()).unwrap().to_lowercase();
        let mut lines: Vec<_> =
            text.lines().filter(|line| !line.starts_with("x-request-id")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let expected: Vec<_> = lines(&old.raw_head)
        .into_iter()
        .map(|line| line.replace("via: 1.1 gateward", "via: 2.0 gateward"))
        .collect();
    let mut got = lines(&new.raw_head);
    let mut expected = expected;
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    assert_eq!(new.header("x-twice"), ["1", "2"], "in their order");
    assert_eq!(new.header("x-forwarded-user"), old.header("x-forwarded-user"));
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let front = front().await;
    let content = noise(300_000);
    let length = content.len().to_string();
    let authorization = format!("Bearer {}", front.token);
    for fields in [&[][..], &[("content-length", length.as_str())]] {
        front.app.recorder.forget();
        let mut client = Client::connect(front.app.address).await;
        let fields: Vec<_> =
            fields.iter().copied().chain([("authorization", authorization.as_str())]).collect();
        let (answer, mut stream) = client.open("POST /private/up", &fields, false).await;
        for part in content.chunks(10_000) {
            stream.send_data(Bytes::copy_from_slice(part), false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(whole(answer).await.unwrap().status, 200);
        let [request] = &front.app.recorder.requests()[..] else { panic!("one request") };
        assert!(request.complete && request.body == content, "{fields:?}");
        let framing = if fields.len() > 1 { "content-length" } else { "transfer-encoding" };
        assert_eq!(request.header(framing).len(), 1);
    }
    front.app.recorder.reply_at("/private/big", Reply::Big(3_000_000));
    let mut client = Client::connect(front.app.address).await;
    let answer = client.get("GET /private/big", &[("authorization", &authorization)]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 3_000_000));
    let answer = client.get("HEAD /private/big", &[("authorization", &authorization)]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn answers_without_a_length_end_or_break_off() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    for (answer, whole_answer) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false),
    ] {
        let mut client = Client::connect(front.app.address).await;
        let (response, _) = client.open("GET /public/x", &[], true).await;
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        service.write(answer).await;
        drop(service);
        let got = whole(response).await;
        match got {
            Ok(got) => assert!(whole_answer && got.body == "hello"[..], "{answer}"),
            Err(error) => assert!(!whole_answer && error.is_reset(), "{answer}: {error}"),
        }
    }
}

#[tokio::test]
async fn events_arrive_as_they_are_sent_and_interim_answers_too() {
    let origin = Origin::start().await;
    let front = front_of(origin.address(), "").await;
    let mut client = Client::connect(front.app.address).await;
    let (response, _) = client.open("GET /public/events", &[], true).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let mut body = super::h2_client::head(response).await.into_body();
    for number in 1..=3 {
        let event = format!("data: {number}\n\n");
        service.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
        let data = tokio::time::timeout(PROMPT, body.data()).await.unwrap().unwrap().unwrap();
        assert_eq!(data, event.as_bytes());
    }
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_continue() {
    let front = front().await;
    let mut client = Client::connect(front.app.address).await;
    let body = json!({"email": front.email, "password": PASSWORD}).to_string();
    let length = body.len().to_string();
    let fields = [
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
        ("expect", "100-continue"),
    ];
    let (mut answer, mut stream) = client.open("POST /auth/login", &fields, false).await;
    let told = std::future::poll_fn(|cx| answer.poll_informational(cx));
    let told = tokio::time::timeout(PROMPT, told).await.unwrap().unwrap().unwrap();
    assert_eq!(told.status(), 100);
    stream.send_data(Bytes::from(body), true).unwrap();
    assert_eq!(whole(answer).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_hundred_streams_are_served_at_once() {
    let front = front().await;
    let authorization = format!("Bearer {}", front.token);
    let mut client = Client::connect(front.app.address).await;
    let mut answers = Vec::new();
    for number in 0..100 {
        let line = format!("GET /private/{number}");
        answers.push(client.open(&line, &[("authorization", &authorization)], true).await.0);
    }
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = whole(answer).await.unwrap();
        assert_eq!(
            (answer.status, answer.json()["target"].as_str().unwrap()),
            (200, format!("/private/{number}").as_str())
        );
    }
    assert_eq!(front.app.recorder.requests().len(), 100);
}

#[tokio::test]
async fn without_the_setting_prior_knowledge_is_refused_and_upgrades_are_never_made() {
    let front = super::front::Front::start().await;
    let answer = front.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(answer.status, 505);
    let front = front_with("").await;
    let upgrade = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    let (answer, _) = front.forwarded(head("GET /public/x", &upgrade)).await;
    assert_eq!(answer.status, 200, "answered as HTTP/1.1");
    // And HTTP/1.1 is served beside it, byte by byte too.
    let mut client = RawClient::connect(front.app.address).await;
    client.send_slowly(head("GET /public/x", &[]), std::time::Duration::from_millis(1)).await;
    assert_eq!(client.read_response().await.unwrap().status, 200);
    let served = eventually(PROMPT, || async { !front.app.recorder.requests().is_empty() }).await;
    assert!(served);
}

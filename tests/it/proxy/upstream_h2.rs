//! Services that speak HTTP/2, for clients of HTTP/1.1.

use std::time::Duration;

use h2::server::Builder;

use super::front::{Front, PROMPT, head};
use super::origin::Wire;
use super::upstream_tls::upstream;
use crate::support::h2_service::{H2Service, fields};
use crate::support::raw::RawResponse;
use crate::support::wait::eventually;

/// `/h2` for everybody, `/own` for people.
pub async fn front_of(service: &H2Service) -> Front {
    front_with(service, "").await
}

pub async fn front_with(service: &H2Service, lines: &str) -> Front {
    let route = "[[route]]\npath = '/own'\nupstream = 'h2'\nforward_authorization = false\n";
    let lines = format!("protocol = 'http2'\n{lines}");
    Front::with(&(upstream("h2", service.address, &lines) + route)).await
}

pub fn assert_problem(answer: &RawResponse, status: u16, code: &str, case: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{case}");
}

#[tokio::test]
async fn request_arrives_with_its_own_fields_and_those_of_the_gateway_once() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = front.connect().await;
    let lines = [
        "Content-Length: 5",
        "Cookie: a=b; c=d",
        "Connection: keep-alive, X-Hop",
        "X-Hop: x",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic aHVudGVyMg==",
        "TE: trailers",
        "Trailer: x",
        "Upgrade: h2c",
        "X-Forwarded-Email: evil@example.org",
        "x_forwarded_email: evil@example.org",
        "Accept: */*",
    ];
    client.send(front.head("POST /own/a%20b?q=1", &lines) + "hello").await;
    let mut call = service.call().await;
    assert_eq!(call.body().await, b"hello");
    let uri = call.request.uri();
    assert_eq!(call.request.method(), "POST");
    assert_eq!(uri.to_string(), "http://front.example/own/a%20b?q=1", "scheme, authority and path");
    for (name, values) in [
        ("host", &[][..]),
        ("authorization", &[]),
        ("connection", &[]),
        ("x-hop", &[]),
        ("keep-alive", &[]),
        ("proxy-connection", &[]),
        ("proxy-authorization", &[]),
        ("te", &[]),
        ("trailer", &[]),
        ("upgrade", &[]),
        ("transfer-encoding", &[]),
        ("x_forwarded_email", &[]),
        ("accept", &["*/*"]),
        ("cookie", &["a=b; c=d"]),
        ("content-length", &["5"]),
        ("x-forwarded-email", &[front.email.as_str()]),
        ("x-forwarded-host", &["front.example"]),
        ("x-forwarded-proto", &["http"]),
        ("x-forwarded-for", &["127.0.0.1"]),
    ] {
        assert_eq!(call.header(name), values, "{name}");
    }
    call.answer(201, &[("x-own", "1"), ("set-cookie", "a=b"), ("set-cookie", "c=d")], "done");
    let answer = client.read_response().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (201, "done"));
    assert_eq!(answer.header("x-own"), ["1"]);
    assert!(!answer.header("x-request-id").is_empty());
    // Without a token nothing goes there.
    assert_eq!(front.send(head("GET /own", &[])).await.status, 401);
    service.assert_no_call("without a token");
}

#[tokio::test]
async fn many_requests_share_a_connection_one_after_the_other_and_at_once() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = front.connect().await;
    for number in 0..5 {
        client.send(head(&format!("GET /h2/{number}"), &[])).await;
        service.call().await.answer(200, &[], "ok");
        assert_eq!(client.read_response().await.unwrap().text(), "ok");
    }
    assert_eq!(service.connections(), 1);
    let mut clients = Vec::new();
    let mut calls = Vec::new();
    // The first is open before the others come, so that there is a connection to share.
    for number in 0..20 {
        let mut client = front.connect().await;
        client.send(head(&format!("GET /h2/{number}"), &[])).await;
        calls.push(service.call().await);
        clients.push(client);
    }
    assert_eq!(service.connections(), 1);
    for call in calls.into_iter().rev() {
        let path = call.request.uri().path().to_owned();
        call.answer(200, &[], path);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read_response().await.unwrap().text(), format!("/h2/{number}"));
    }
}

/// As many streams as the service allows, and then another connection.
#[tokio::test]
async fn requests_at_once_on_a_connection_are_bounded() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(4);
    for (mut service, bound) in [(H2Service::with(builder).await, 4), (H2Service::start().await, 100)] {
        let front = front_of(&service).await;
        let mut open = Vec::new();
        for _ in 0..=bound {
            let mut client = front.connect().await;
            client.send(head("GET /h2/x", &[])).await;
            open.push((client, service.call().await));
        }
        let on = |number: usize| open.iter().filter(|(_, call)| call.connection == number).count();
        assert_eq!((service.connections(), on(1), on(2)), (2, bound, 1));
    }
}

#[tokio::test]
async fn every_kind_of_answer_reaches_clients_of_old_versions() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = front.connect().await;
    for (method, status, fields, body) in [
        ("GET", 200, &[("content-length", "2")][..], "ok"),
        ("GET", 200, &[], "ok"),
        ("GET", 200, &[], ""),
        ("GET", 204, &[], ""),
        ("GET", 304, &[("etag", "\"x\"")], ""),
        ("HEAD", 200, &[("content-length", "2")], ""),
        ("HEAD", 200, &[], ""),
        ("GET", 404, &[("content-length", "0")], ""),
        ("GET", 426, &[], "no"),
        ("GET", 503, &[("retry-after", "1")], "later"),
    ] {
        let case = format!("{method} {status} {fields:?} {body:?}");
        client.send(head(&format!("{method} /h2/x"), &[])).await;
        let call = service.call().await;
        if body.is_empty() {
            call.answer_head(status, fields);
        } else {
            call.answer(status, fields, body);
        }
        let answer = match method {
            "HEAD" => client.read_response_to_head().await.unwrap(),
            _ => client.read_response().await.unwrap(),
        };
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{case}");
        for (name, value) in fields {
            assert_eq!(answer.header(name), [*value], "{case}");
        }
    }
    // A client of HTTP/1.0 knows no chunks.
    for fields in [&[("content-length", "2")][..], &[]] {
        let mut old = front.connect().await;
        old.send("GET /h2/old HTTP/1.0\r\nHost: front.example\r\n\r\n").await;
        service.call().await.answer(200, fields, "ok");
        let answer = String::from_utf8(old.read_rest(PROMPT).await).unwrap();
        assert!(answer.ends_with("\r\n\r\nok"), "{fields:?}: {answer:?}");
        assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer:?}");
    }
}

/// RFC 9110 section 6.5.1: who cannot pass trailers on drops them.
#[tokio::test]
async fn trailers_and_interim_answers_end_here_for_clients_of_http_1() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = front.connect().await;
    for te in ["TE: trailers", "Accept: */*"] {
        client.send(head("GET /h2/x", &[te])).await;
        let mut call = service.call().await;
        let mut stream = call.begin(200, &[("content-type", "application/grpc")]);
        stream.send_data("message".into(), false).unwrap();
        stream.send_trailers(fields(&[("grpc-status", "0"), ("content-length", "99")])).unwrap();
        let answer = client.read_response().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "message"));
        assert!(answer.header("grpc-status").is_empty());
    }
    client.send(head("GET /h2/behind", &[])).await;
    service.call().await.answer_head(200, &[("grpc-status", "16")]);
    let answer = client.read_response().await.unwrap();
    assert_eq!(answer.header("grpc-status"), ["16"], "in the head it is a field like any other");
}

#[tokio::test]
async fn uploads_arrive_as_they_are_sent_and_the_answer_may_come_before_their_end() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(head("POST /h2/up", &["Transfer-Encoding: chunked"])).await;
    let mut call = service.call().await;
    let mut stream = call.begin(200, &[]);
    client.read_until("\r\n\r\n").await;
    for number in 1..=5 {
        let part = format!("part {number}");
        client.write(format!("{:x}\r\n{part}\r\n", part.len())).await;
        assert_eq!(call.part().await.unwrap(), part);
        stream.send_data(part.clone().into(), false).unwrap();
        client.read_until(&part).await;
    }
    client.write("0\r\n\r\n").await;
    assert!(call.part().await.is_none());
    stream.send_data("end".into(), true).unwrap();
    client.read_until("end").await;
}

/// Both would wait for each other: the proxy library hears no interim answer over HTTP/2.
#[tokio::test]
async fn client_that_waits_for_100_continue_gets_it() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(head("POST /h2/x", &["Content-Length: 5", "Expect: 100-continue"])).await;
    client.read_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.write("hello").await;
    let mut call = service.call().await;
    assert_eq!(call.header("expect"), Vec::<String>::new());
    assert_eq!(call.body().await, b"hello");
    call.answer(200, &[], "thanks");
    client.read_until("thanks").await;
}

/// What a slow client does not take stays with the service.
#[tokio::test]
async fn client_that_does_not_read_holds_back_its_own_answer_only() {
    const OFFERED: usize = 16 << 20;
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let mut slow = Wire::connect(front.app.address).await;
    slow.write(head("GET /h2/big", &[])).await;
    let mut call = service.call().await;
    let mut stream = call.begin(200, &[]);
    let mut sent = 0;
    stream.reserve_capacity(OFFERED);
    while let Ok(Some(Ok(room))) =
        tokio::time::timeout(Duration::from_millis(500), std::future::poll_fn(|cx| stream.poll_capacity(cx)))
            .await
    {
        stream.send_data(vec![b'x'; room].into(), false).unwrap();
        sent += room;
        if sent >= OFFERED {
            break;
        }
        stream.reserve_capacity(OFFERED - sent);
    }
    assert!(sent < OFFERED, "{sent} bytes went somewhere");
    let mut client = front.connect().await;
    client.send(head("GET /h2/small", &[])).await;
    let call = service.call().await;
    assert_eq!(call.connection, 1);
    call.answer(200, &[], vec![b'y'; 100_000]);
    assert_eq!(client.read_response().await.unwrap().body.len(), 100_000);
}

#[tokio::test]
async fn websocket_to_a_service_of_http_2_is_refused_by_the_gateway() {
    let mut service = H2Service::start().await;
    let front = front_of(&service).await;
    let handshake = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let answer = front.send(head("GET /h2/ws", &handshake)).await;
    assert_problem(&answer, 501, "upgrade_not_supported", "public");
    assert_eq!(front.send(head("GET /own/ws", &handshake)).await.status, 401, "who asks is asked first");
    assert_problem(
        &front.send(front.head("GET /own/ws", &handshake)).await,
        501,
        "upgrade_not_supported",
        "own",
    );
    service.assert_no_call("a handshake");
    assert!(eventually(PROMPT, || async { service.connections() == 0 }).await);
}

//! Behind the handshake everything is as without TLS: accounts, kept connections, bodies, WebSockets, ends.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::front::{Front, PROMPT, noise};
use super::origin::Origin;
use super::tls_front::{HOST, TlsFront, answer, head, post};
use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::recorder::Reply;

const MIB: usize = 1024 * 1024;
const HSTS: &str = "strict-transport-security";

#[tokio::test]
async fn a_whole_session_lives_over_tls_on_one_connection() {
    let front = TlsFront::start().await;
    let (token, refresh_token) = front.person().await;
    let mut client = front.connect().await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let with = |line: &str, token: &str| head(line, &[&bearer(token)]);
    assert_eq!(answer(&mut client, head("GET /private/x", &[])).await.status, 401);
    assert_eq!(answer(&mut client, with("GET /private/x", &token)).await.status, 200);
    assert_eq!(front.app.recorder.last().header("x-forwarded-proto"), ["https"]);
    assert_eq!(answer(&mut client, with("GET /auth/me", &token)).await.status, 200);
    let refreshed =
        answer(&mut client, post("/auth/refresh", &json!({"refresh_token": refresh_token}).to_string()))
            .await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let token = refreshed.json()["access_token"].as_str().unwrap().to_owned();
    let body = "{}";
    let logout =
        [bearer(&token), "Content-Type: application/json".into(), format!("Content-Length: {}", body.len())];
    let logout: Vec<&str> = logout.iter().map(String::as_str).collect();
    assert_eq!(answer(&mut client, head("POST /auth/logout", &logout) + body).await.status, 204);
    assert_eq!(answer(&mut client, with("GET /private/x", &token)).await.status, 401);
}

#[tokio::test]
async fn discovery_names_the_https_address() {
    let front = TlsFront::start().await;
    let document = front.send(head("GET /.well-known/oauth-authorization-server", &[])).await.json();
    let address = format!("https://{}/auth/token", front.app.address);
    assert_eq!(document["token_endpoint"], address, "{document}");
}

#[tokio::test]
async fn hsts_is_on_every_answer_when_asked_for_and_never_otherwise() {
    let front = TlsFront::with("tls.hsts = '365d'\ntls.hsts_include_subdomains = true").await;
    let own = "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\ncontent-length: 0\r\n\r\n";
    front.app.recorder.reply_at("/public/own", Reply::Raw(own.into()));
    front.app.recorder.reply_at("/public/gone", Reply::Close);
    for (request, status) in [
        (head("GET /public/x", &[]), 200),
        (head("GET /public/own", &[]), 200),
        (head("GET /public/gone", &[]), 502),
        (head("GET /private/x", &[]), 401),
        (head("GET /auth/me", &[]), 401),
        (head("GET /.well-known/jwks.json", &[]), 200),
        (head("GET /public//x", &[]), 400),
        (head("TRACE /public/x", &[]), 405),
        (head("POST /public/x", &["Transfer-Encoding: chunked"]) + "nonsense\r\n", 400),
    ] {
        let got = front.send(&request).await;
        assert_eq!(got.status, status, "{request}");
        assert_eq!(got.header(HSTS), ["max-age=31536000; includeSubDomains"], "{request}");
    }
    let without = TlsFront::start().await;
    assert!(without.send(head("GET /private/x", &[])).await.header(HSTS).is_empty());
    assert!(Front::start().await.send(head("GET /public/x", &[])).await.header(HSTS).is_empty());
}

#[tokio::test]
async fn large_bodies_pass_unchanged_both_ways() {
    let front = TlsFront::start().await;
    let body = noise(5 * MIB);
    let length = format!("Content-Length: {}", body.len());
    let mut client = front.connect().await;
    for _ in 0..2 {
        front.app.recorder.forget();
        client.send(head("POST /public/up", &[&length])).await;
        assert!(client.send(&body).await);
        assert_eq!(client.read_response().await.unwrap().status, 200);
        assert!(front.app.recorder.last().body == body);
        front.app.recorder.reply_at("/public/down", Reply::Big(5 * MIB));
        assert_eq!(answer(&mut client, head("GET /public/down", &[])).await.body.len(), 5 * MIB);
    }
}

/// A record may wait for the socket when the service falls silent behind it.
#[tokio::test]
async fn what_the_service_has_said_arrives_though_it_says_no_more() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string());
    let front = TlsFront::of(&[&[HOST]], builder).await;
    let size = 16 * MIB;
    // One byte is left to be said, or the last chunk.
    for (framing, start) in [
        (format!("content-length: {}", size + 1), String::new()),
        ("transfer-encoding: chunked".to_owned(), format!("{size:x}\r\n")),
    ] {
        let mut client = front.client().handshake(front.app.address, HOST).await.unwrap();
        client.write_all(head("GET /public/stream", &[]).as_bytes()).await.unwrap();
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        let sends = async {
            service.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{start}")).await;
            service.write("@".repeat(size)).await;
        };
        let reads = async {
            // All buffers on the way fill up meanwhile.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut content = 0;
            let mut part = vec![0; 64 * 1024];
            while content < size {
                let read = timeout(PROMPT, client.read(&mut part)).await.expect("more comes").unwrap();
                assert!(read > 0, "{framing}");
                content += part[..read].iter().filter(|byte| **byte == b'@').count();
            }
        };
        tokio::join!(sends, reads);
    }
}

#[tokio::test]
async fn client_that_reads_nothing_is_given_up() {
    let front = TlsFront::with("server.write_timeout = '1s'").await;
    front.app.recorder.reply_at("/public/big", Reply::Big(64 * MIB));
    let mut client = front.connect().await;
    client.send(head("GET /public/big", &[])).await;
    front.app.wait_for_log(|line| line.contains("/public/big") && line.contains("outcome=\"failed\"")).await;
    front.assert_metric("gateward_connections", "0").await;
    drop(client);
}

#[tokio::test]
async fn websocket_works_over_tls_and_ends_with_its_session() {
    let front = TlsFront::start().await;
    front.app.recorder.reply(Reply::WebSocket);
    let (token, _) = front.person().await;
    let stream = front.client().handshake(front.app.address, HOST).await.unwrap();
    let mut request = format!("wss://{HOST}/private/ws").into_client_request().unwrap();
    let bearer = format!("Bearer {token}");
    request.headers_mut().insert("authorization", HeaderValue::try_from(&bearer).unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![7; 300_000]), Message::text("again")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(timeout(PROMPT, socket.next()).await.unwrap().unwrap().unwrap(), message);
    }
    let logout = head("POST /auth/logout", &[&format!("Authorization: {bearer}"), "Content-Length: 0"]);
    assert_eq!(front.send(logout).await.status, 204);
    let end = timeout(PROMPT, socket.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{end:?}");
}

/// `close_notify` behind the request: the answer still comes, and ends with ours.
#[tokio::test]
async fn client_that_has_said_all_still_gets_its_answer() {
    let front = TlsFront::start().await;
    front.app.recorder.reply_at("/public/late", Reply::Delay(Duration::from_millis(200)));
    for target in ["/public/late", "/.well-known/jwks.json"] {
        let mut client = front.connect().await;
        client.send(head(&format!("GET {target}"), &["Connection: close"])).await;
        let answered = client.read_response().await;
        assert_eq!(answered.unwrap().status, 200, "{target}");
    }
}

/// What ends without `close_notify` may have been cut off by somebody on the way.
#[tokio::test]
async fn connection_ends_with_close_notify() {
    let front = TlsFront::with("server.keepalive_timeout = '1s'").await;
    for (request, version) in [
        (head("GET /public/x", &["Connection: close"]), "1.1"),
        ("GET /public/x HTTP/1.0\r\nHost: gw.example\r\n\r\n".to_owned(), "1.0"),
        (head("GET /private/x", &["Connection: close"]), "own"),
        (head("GET /public//x", &[]), "refused head"),
        (head("GET /public/x", &[]), "kept until its time was over"),
    ] {
        let mut client = front.client().handshake(front.app.address, HOST).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let read = timeout(PROMPT, client.read_to_end(&mut all)).await.expect("it ends");
        assert!(read.is_ok(), "{version}: {read:?}");
        assert!(all.starts_with(b"HTTP/1.1 "), "{version}");
    }
}

/// A body that is cut off without `close_notify` is no complete one, whatever it looks like.
#[tokio::test]
async fn body_that_is_cut_off_never_arrives_as_a_whole() {
    let front = TlsFront::start().await;
    let client = front.client().handshake(front.app.address, HOST).await.unwrap();
    let (mut tcp, mut session) = client.into_inner();
    let request = head("POST /public/cut", &["Content-Length: 10"]) + "12345";
    std::io::Write::write_all(&mut session.writer(), request.as_bytes()).unwrap();
    let mut records = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut records).unwrap();
    }
    tcp.write_all(&records).await.unwrap();
    tcp.shutdown().await.unwrap();
    front.app.wait_for_log(|line| line.contains("/public/cut")).await;
    assert!(front.app.recorder.requests().iter().all(|request| !request.complete));
    assert_eq!(front.send(head("GET /public/x", &[])).await.status, 200);
}

#[tokio::test]
async fn stop_ends_idle_connections_and_handshakes_at_once() {
    let mut front = TlsFront::start().await;
    let mut idle = front.connect().await;
    assert_eq!(answer(&mut idle, head("GET /public/x", &[])).await.status, 200);
    let mut silent = RawClient::connect(front.app.address).await;
    front.assert_metric("gateward_connections", "2").await;
    let ended = timeout(PROMPT, front.app.stop()).await.expect("it waits for nobody");
    assert_eq!(ended.code(), Some(0));
    assert!(idle.closes_within(PROMPT).await && silent.closes_within(PROMPT).await);
}

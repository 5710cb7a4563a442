//! A WebSocket is asked for like anything else, and then nobody listens in.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::front::{Front, PROMPT, head};
use crate::support::recorder::Reply;

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

async fn front() -> Front {
    let front = Front::start().await;
    front.app.recorder.reply(Reply::WebSocket);
    front
}

fn request(front: &Front, path: &str, token: Option<&str>) -> Request<()> {
    let mut request = format!("ws://{}{path}", front.app.address).into_client_request().unwrap();
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert("authorization", value);
    }
    request
}

#[tokio::test]
async fn websocket_with_a_token_works_both_ways() {
    let front = front().await;
    for (path, token) in [("/private/ws", Some(front.token.as_str())), ("/public/ws", None)] {
        front.app.recorder.forget();
        let (mut socket, _) = connect_async(request(&front, path, token)).await.unwrap();
        for message in [
            Message::text("hello"),
            Message::binary(vec![0; 200_000]),
            Message::text("GET /public/smuggled HTTP/1.1\r\nHost: front.example\r\n\r\n"),
        ] {
            socket.send(message.clone()).await.unwrap();
            let back = tokio::time::timeout(PROMPT, socket.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(back, message, "{path}");
        }
        let seen = front.app.recorder.last();
        assert_eq!((front.app.recorder.count(), seen.target.as_str()), (1, path));
        assert_eq!(
            seen.header("x-forwarded-email"),
            [if token.is_some() { front.email.as_str() } else { "" }]
        );
        assert!(seen.header("authorization").is_empty(), "{path}");
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = tokio::time::timeout(PROMPT, socket.next()).await.unwrap() {}
    }
}

/// The service's `101` may arrive before the proxy library has noticed that the request has no body.
#[tokio::test]
async fn every_websocket_of_a_fast_service_lives() {
    let front = front().await;
    for number in 0..400 {
        let (mut socket, _) = connect_async(request(&front, "/public/ws", None)).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        let back = tokio::time::timeout(PROMPT, socket.next()).await.unwrap();
        assert!(matches!(&back, Some(Ok(text)) if *text == Message::text("hello")), "{number}: {back:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_the_service_refuses_leaves_nothing_behind() {
    let front = front().await;
    for path in ["/public/no", "/public/plain"] {
        front.app.recorder.reply_at(path, Reply::Describe);
    }
    for _ in 0..5 {
        match connect_async(request(&front, "/public/no", None)).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 200),
            other => panic!("{other:?}"),
        }
        assert_eq!(front.app.get_anonymously("/public/plain").await.status(), 200);
    }
}

#[tokio::test]
async fn websocket_without_a_valid_token_is_refused_and_nothing_is_forwarded() {
    let front = front().await;
    for token in [None, Some("garbage")] {
        front.app.recorder.forget();
        match connect_async(request(&front, "/private/ws", token)).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 401, "{token:?}"),
            other => panic!("{token:?}: {other:?}"),
        }
        front.assert_nothing_forwarded("a handshake");
    }
    // Nor what comes behind it on the connection, as frames or as a request.
    for behind in
        ["\u{1}\u{5}hello".to_owned(), head("GET /private/behind", &[]), head("GET /public/behind", &[])]
    {
        front.app.recorder.forget();
        let mut client = front.connect().await;
        client.send(head("GET /private/ws", &HANDSHAKE)).await;
        let answer = client.read_response().await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("connection"), ["close"]);
        client.send(&behind).await;
        let rest = client.read_rest(PROMPT).await;
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
        front.assert_nothing_forwarded(&behind);
    }
    front.app.recorder.reply(Reply::Describe);
    front.assert_serves("afterwards").await;
}

/// The service says no: the connection stays one of HTTP, and each request on it is judged.
#[tokio::test]
async fn request_behind_a_handshake_that_the_service_refused_is_judged() {
    let front = Front::start().await; // the recorder describes instead of upgrading
    let mut client = front.connect().await;
    client.send(front.head("GET /private/ws", &HANDSHAKE)).await;
    assert_eq!(client.read_response().await.unwrap().status, 200);
    front.app.recorder.forget();
    client.send(head("GET /private/behind", &[])).await;
    if let Ok(answer) = client.read_response().await {
        assert_eq!(answer.status, 401);
    }
    front.assert_nothing_forwarded("the second request");
}

#[tokio::test]
async fn other_upgrades_are_ignored() {
    let front = Front::start().await;
    for offer in ["h2c", "h2c, HTTP/2.0", "TLS/1.0"] {
        let upgrade = format!("Upgrade: {offer}");
        let lines = ["Connection: Upgrade, HTTP2-Settings", upgrade.as_str(), "HTTP2-Settings: AAMAAABk"];
        let (answer, request) = front.forwarded(front.head("GET /private/x", &lines)).await;
        assert_eq!(answer.status, 200, "{offer}");
        assert!(
            request.header("upgrade").is_empty() && request.header("http2-settings").is_empty(),
            "{offer}"
        );
        assert_eq!(front.send(head("GET /private/x", &lines)).await.status, 401, "{offer}");
    }
}

/// An idle socket is no idle connection.
#[tokio::test]
async fn quiet_websocket_outlives_the_keep_alive_time() {
    let front = Front::with("server.keepalive_timeout = '1s'\nserver.head_timeout = '1s'").await;
    front.app.recorder.reply(Reply::WebSocket);
    let (mut socket, _) = connect_async(request(&front, "/public/ws", None)).await.unwrap();
    // The passing of time is the subject.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    socket.send(Message::text("still there")).await.unwrap();
    let back = tokio::time::timeout(PROMPT, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(back, Message::text("still there"));
}

//! How large a body may be that is sent to a service.

use super::front::{Front, PROMPT, chunked, head, noise};
use super::origin::Origin;
use crate::support::app::TestApp;

const LIMITS: &str = "[[route]]\npath = '/small'\nupstream = 'recorder'\naccess = 'public'\nmax_body_bytes = 1000\n\
     [[route]]\npath = '/mine'\nupstream = 'recorder'\nmax_body_bytes = 1000\n\
     [[route]]\npath = '/any'\nupstream = 'recorder'\naccess = 'public'\nmax_body_bytes = 0";
const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn body_up_to_the_limit_passes_in_either_framing() {
    let front = Front::with(LIMITS).await;
    for (target, size) in
        [("/small", 0), ("/small", 999), ("/small", 1000), ("/any", 3 * MIB), ("/public", 3 * MIB)]
    {
        let body = noise(size);
        let length = head(&format!("POST {target}"), &[&format!("Content-Length: {size}")]);
        let (_, request) = front.forwarded([length.as_bytes(), &body].concat()).await;
        assert_eq!(request.body.len(), size, "{target}");
        let chunks = head(&format!("POST {target}"), &["Transfer-Encoding: chunked"]);
        let (_, request) = front.forwarded([chunks.as_bytes(), &chunked(&body, 700)].concat()).await;
        assert_eq!(request.body.len(), size, "{target}");
    }
}

#[tokio::test]
async fn announced_body_over_the_limit_is_refused_before_the_service_is_called() {
    let front = Front::with(LIMITS).await;
    for (line, lines, status) in [
        ("POST /small", &["Content-Length: 1001"][..], 413),
        ("POST /small", &["Content-Length: 1001", "Expect: 100-continue"], 413),
        ("GET /small", &["Content-Length: 1000000000000"], 413),
        ("POST /small/x", &["Content-Length: 10737418240"], 413),
        // The default.
        ("POST /public", &["Content-Length: 104857601"], 413),
        // Who may not come in is not told what would fit.
        ("POST /mine", &["Content-Length: 1001"], 401),
    ] {
        let mut client = front.connect().await;
        client.send(head(line, lines)).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{line}: {none:?}"));
        assert_eq!(answer.status, status, "{line}");
        if status == 413 {
            assert_eq!(answer.json()["code"], "body_too_large", "{line}");
        }
        assert!(client.closes_within(PROMPT).await, "{line}: the body never comes");
    }
    front.assert_nothing_forwarded("too large");
    front.assert_serves("afterwards").await;
}

#[tokio::test]
async fn body_that_grows_over_the_limit_is_answered_with_413_and_ends_the_services_connection() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string()).config(LIMITS);
    let front = Front::of(builder).await;
    let mut client = front.connect().await;
    client.send(head("POST /small", &["Transfer-Encoding: chunked"])).await;
    client.send(format!("3e8\r\n{}\r\n", "x".repeat(1000))).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.read_until(&"x".repeat(1000)).await;
    client.send("1\r\nY\r\n0\r\n\r\n").await;
    let answer = client.read_response().await.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body_too_large")));
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(client.closes_within(PROMPT).await);
    let rest = service.until_closed().await;
    assert!(rest < 10, "{rest} bytes: no end of the body, and nothing else");
    let said = front.app.wait_for_log(|line| line.contains("path=\"/small\"")).await;
    assert!(said.contains("status=413 outcome=\"refused\" reason=\"body_too_large\""), "{said}");
    // Another request has another connection.
    let mut next = front.connect().await;
    next.send(head("GET /public/next", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(next.read_response().await.unwrap().status, 200);
}

#[tokio::test]
async fn body_that_grows_over_the_limit_behind_an_answer_that_has_begun_is_cut_off() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string()).config(LIMITS);
    let front = Front::of(builder).await;
    let mut client = front.connect().await;
    client.send(head("POST /small", &["Transfer-Encoding: chunked"])).await;
    client.send("3\r\nabc\r\n").await;
    let mut service = origin.accept().await;
    service.read_until("abc").await;
    service.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    assert_eq!(client.read_response_to_head().await.unwrap().status, 200, "it has begun");
    client.send(chunked(&noise(2000), 500)).await;
    let rest = client.read_rest(PROMPT).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an answer that ends: {rest:?}");
    service.until_closed().await;
}

#[tokio::test]
async fn endless_body_is_given_up_soon() {
    let front = Front::with(LIMITS).await;
    let mut client = front.connect().await;
    client.send(head("POST /small", &["Transfer-Encoding: chunked"])).await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let sent = client.flood(chunk.as_bytes(), 1024 * MIB).await;
    assert!(sent < 1024 * MIB, "all was taken");
    front.app.wait_for_log(|line| line.contains("body_too_large")).await;
    front.assert_serves("afterwards").await;
}

/// It reads its answer when it has sent everything, as simple clients do.
#[tokio::test]
async fn client_that_sends_on_still_gets_its_413() {
    let front = Front::with(LIMITS).await;
    for _ in 0..3 {
        let mut client = front.connect().await;
        client.send(head("POST /small", &["Transfer-Encoding: chunked"])).await;
        client.send(chunked(&noise(8 * MIB), 10_000)).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}"));
        assert_eq!(answer.status, 413);
    }
}

/// The answer is out, and the body goes on: what is read away of it is bounded by bytes, not only by time.
#[tokio::test]
async fn refused_body_is_not_read_away_without_end() {
    let front = Front::with(LIMITS).await;
    for line in ["POST /mine", "POST /small"] {
        let mut client = front.connect().await;
        client.send(head(line, &["Content-Length: 1000000000000"])).await;
        let sent = client.flood(&[b'x'; 64 * 1024], 4096 * MIB).await;
        assert!(sent < 256 * MIB, "{line}: {sent} bytes were taken");
    }
    front.assert_serves("afterwards").await;
}

/// A WebSocket has no body, however much goes over it.
#[tokio::test]
async fn websocket_is_no_body() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;
    let front = Front::with(LIMITS).await;
    front.app.recorder.reply(crate::support::recorder::Reply::WebSocket);
    let url = format!("ws://{}/small/ws", front.app.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for _ in 0..4 {
        let message = Message::text("x".repeat(900));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}

//! Bodies and answers that move, but hardly: a byte per deadline must not hold a connection for ever.
//!
//! The passing of time is the subject here.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, PROMPT, head};
use super::origin::{Origin, Wire};
use crate::support::app::TestApp;
use crate::support::recorder::Reply;

const SHORT: &str = "server.body_timeout = '1s'\nserver.write_timeout = '1s'";
const MIB: usize = 1024 * 1024;

async fn front_of(origin: &Origin) -> Front {
    Front::of(TestApp::embedded().upstream(&origin.address().to_string()).config(SHORT)).await
}

#[tokio::test]
async fn trickling_body_is_given_up() {
    let front = Front::with(SHORT).await;
    let trickles = ["Content-Length: 10000", "Transfer-Encoding: chunked"].map(|announced| {
        let front = &front;
        async move {
            let mut client = front.connect().await;
            client.send(front.head("POST /private/slow", &[announced])).await;
            let body = if announced.starts_with('C') { "x".repeat(100) } else { "1\r\nx\r\n".repeat(20) };
            let started = Instant::now();
            // No silence is longer than the deadline for one.
            client.send_slowly(body, Duration::from_millis(300)).await;
            assert!(started.elapsed() < Duration::from_secs(20), "{announced}");
            let rest = client.read_rest(PROMPT).await;
            String::from_utf8_lossy(&rest).into_owned()
        }
    });
    for answer in futures_util::future::join_all(trickles).await {
        // It may be lost to a reset, as the client goes on sending.
        assert!(answer.is_empty() || answer.contains("body_timeout"), "{answer}");
    }
    assert!(front.app.recorder.requests().iter().all(|request| !request.complete));
    let late = |line: &str| line.contains("path=\"/private/slow\"");
    let said = front.app.wait_for_log(late).await;
    assert!(said.contains("status=408 outcome=\"refused\" reason=\"body_timeout\""), "{said}");
    front.assert_serves("afterwards").await;
}

#[tokio::test]
async fn slow_but_steady_upload_arrives() {
    let front = Front::with(SHORT).await;
    let mut client = front.connect().await;
    client.send(front.head("POST /private/steady", &["Content-Length: 3000"])).await;
    for _ in 0..10 {
        sleep(Duration::from_millis(300)).await;
        assert!(client.send([b'x'; 300]).await);
    }
    assert_eq!(client.read_response().await.unwrap().status, 200);
    assert_eq!(front.app.recorder.last().body.len(), 3000);
}

/// It is not the client that is slow here.
#[tokio::test]
async fn upload_waits_for_a_service_that_does_not_read() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let size = 32 * MIB;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("POST /private", &[&format!("Content-Length: {size}")])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    let send = async {
        let part = vec![b'x'; MIB];
        for _ in 0..size / MIB {
            client.write(&part).await;
        }
    };
    let receive = async {
        sleep(Duration::from_secs(3)).await;
        service.skip(size).await;
        service.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    };
    tokio::join!(send, receive);
    client.read_until("201 Created").await;
}

#[tokio::test]
async fn client_that_hardly_reads_is_given_up() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/big", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1024 * MIB)).await;
    let part = vec![b'x'; MIB];
    let send = async { while service.stream.write_all(&part).await.is_ok() {} };
    let mut sip = [0; 1];
    let read = async {
        while client.stream.read(&mut sip).await.is_ok_and(|size| size > 0) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        ended = timeout(2 * PROMPT, send) => assert!(ended.is_ok(), "it holds the service for ever"),
        () = read => {}
    }
}

#[tokio::test]
async fn quiet_events_are_no_slow_answer() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/events", &["Accept: text/event-stream"])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n").await;
    for number in 1..=6 {
        sleep(Duration::from_millis(600)).await;
        let event = format!("data: {number}\n\n");
        service.write(&event).await;
        client.read_until(&event).await;
    }
}

#[tokio::test]
async fn quiet_websocket_is_no_slow_body() {
    let front = Front::with(SHORT).await;
    front.app.recorder.reply(Reply::WebSocket);
    let (mut socket, _) = connect_async(format!("ws://{}/public/ws", front.app.address)).await.unwrap();
    for number in 0..6 {
        sleep(Duration::from_millis(600)).await;
        let message = Message::text(format!("{number}"));
        socket.send(message.clone()).await.unwrap();
        let back = timeout(PROMPT, socket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(back, message);
    }
}

/// The wait for the service's `100 Continue` is not the client's.
#[tokio::test]
async fn body_begins_with_its_first_byte() {
    let origin = Origin::start().await;
    let front = Front::of(
        TestApp::embedded().upstream(&origin.address().to_string()).config("server.body_timeout = '3s'"),
    )
    .await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(head("POST /public", &["Content-Length: 400", "Expect: 100-continue"])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    sleep(Duration::from_millis(2500)).await;
    service.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    for _ in 0..4 {
        client.write([b'x'; 100]).await;
        sleep(Duration::from_millis(500)).await;
    }
    service.skip(400).await;
    service.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    client.read_until("201 Created").await;
}

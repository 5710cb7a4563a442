//! Bodies stream both ways: as they come, and without being held.

use tokio::io::AsyncWriteExt as _;

use super::front::{Front, PROMPT, head};
use super::origin::{Origin, Wire};
use crate::support::app::TestApp;
use crate::support::wait::eventually;

const MIB: usize = 1024 * 1024;
const BIG: usize = 50 * MIB;
/// How much the peak of memory may grow while [`BIG`] passes, in KiB.
const GROWTH: u64 = 16 * 1024;

async fn front_of(origin: &Origin) -> Front {
    Front::of(TestApp::embedded().upstream(&origin.address().to_string())).await
}

/// The peak of the program's memory in KiB; none where the system does not say.
fn peak(front: &Front) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", front.app.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn assert_memory_stayed(front: &Front, before: Option<u64>) {
    if let (Some(before), Some(after)) = (before, peak(front)) {
        assert!(after < before + GROWTH, "{before} KiB before, {after} KiB after");
    }
}

async fn open_connections(front: &Front) -> u64 {
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix("gateward_connections "));
    value.expect("connections are counted").parse().unwrap()
}

/// Each event is sent only when the one before has arrived: held back, the test would stand still.
#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    for framing in ["transfer-encoding: chunked", "connection: close", "content-length: 54"] {
        let mut client = Wire::connect(front.app.address).await;
        client.write(front.head("GET /private/events", &["Accept: text/event-stream"])).await;
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        service
            .write(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framing}\r\n\r\n"))
            .await;
        for number in 1..=6 {
            let event = format!("data: {number}\n\n");
            if framing.ends_with("chunked") {
                service.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
            } else {
                service.write(&event).await;
            }
            client.read_until(&event).await;
        }
        drop(service);
    }
}

/// The head of an answer too, although no byte of its body is there.
#[tokio::test]
async fn head_of_an_answer_does_not_wait_for_its_body() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(head("GET /public", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
}

#[tokio::test]
async fn uploads_arrive_as_they_are_sent() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("POST /private", &["Transfer-Encoding: chunked"])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    for number in 1..=3 {
        let part = format!("part {number}");
        client.write(format!("{:x}\r\n{part}\r\n", part.len())).await;
        service.read_until(&part).await;
    }
}

#[tokio::test]
async fn big_download_needs_no_memory() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let before = peak(&front);
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/big", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {BIG}\r\n\r\n")).await;
    let part = vec![b'x'; MIB];
    let send = async {
        for _ in 0..BIG / MIB {
            service.write(&part).await;
        }
    };
    let receive = async {
        client.read_until("\r\n\r\n").await;
        client.skip(BIG).await;
    };
    tokio::join!(send, receive);
    assert_memory_stayed(&front, before);
}

#[tokio::test]
async fn big_upload_needs_no_memory() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    let before = peak(&front);
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("POST /private/big", &[&format!("Content-Length: {BIG}")])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    let part = vec![b'x'; MIB];
    let send = async {
        for _ in 0..BIG / MIB {
            client.write(&part).await;
        }
    };
    tokio::join!(send, service.skip(BIG));
    service.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    client.read_until("201 Created").await;
    assert_memory_stayed(&front, before);
}

/// A client that reads nothing holds back the service, not the gateway's memory, and not for ever.
#[tokio::test]
async fn client_that_does_not_read_holds_the_service_back_for_a_while() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string());
    let front = Front::of(builder.config("server.write_timeout = '1s'")).await;
    let before = peak(&front);
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/big", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    service.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {BIG}\r\n\r\n")).await;
    let part = vec![b'x'; MIB];
    let mut sent = 0;
    let send = async {
        while sent < BIG && service.stream.write_all(&part).await.is_ok() {
            sent += MIB;
        }
    };
    assert!(tokio::time::timeout(PROMPT, send).await.is_ok(), "the service is held for ever");
    assert!(sent < BIG, "{BIG} bytes went somewhere");
    assert_memory_stayed(&front, before);
}

#[tokio::test]
async fn client_that_leaves_ends_the_request_at_the_service() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    // The client that set up the person keeps its own.
    let before = open_connections(&front).await;
    // In the middle of the answer, before it, and in the middle of the request.
    for case in ["answer", "wait", "request"] {
        let mut client = Wire::connect(front.app.address).await;
        if case == "request" {
            client.write(front.head("POST /private", &["Content-Length: 1000"]) + "half").await;
        } else {
            client.write(front.head("GET /private", &[])).await;
        }
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        if case == "answer" {
            service.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf").await;
            client.read_until("half").await;
        }
        drop(client);
        service.until_closed().await;
    }
    let ended = eventually(PROMPT, || async { open_connections(&front).await <= before });
    assert!(ended.await, "{before} open connections before, {} after", open_connections(&front).await);
}

/// The client must see that the answer is not whole.
#[tokio::test]
async fn service_that_breaks_off_breaks_off_the_answer() {
    let origin = Origin::start().await;
    let front = front_of(&origin).await;
    for (framing, body) in [("content-length: 1000", "half"), ("transfer-encoding: chunked", "4\r\nhalf\r\n")]
    {
        let mut client = front.connect().await;
        client.send(front.head("GET /private", &[])).await;
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;
        service.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}")).await;
        drop(service);
        let broken = client.read_response().await;
        assert!(matches!(broken, Err(crate::support::raw::NoResponse::CutOff(_))), "{framing}: {broken:?}");
    }
}

//! A stop lets requests finish and takes no new ones.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::front::{Front, PROMPT};
use super::origin::{Origin, Wire};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::wait::eventually;

#[tokio::test]
async fn request_in_flight_finishes_and_the_exit_is_clean() {
    let origin = Origin::start().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut front = Front::of(TestApp::embedded().upstream(&origin.address().to_string())).await;
        let mut client = front.connect().await;
        client.send(front.head("GET /private/slow", &[])).await;
        let mut idle = front.connect().await;
        let mut service = origin.accept().await;
        service.read_until("\r\n\r\n").await;

        front.app.signal(signal);
        let address = front.app.address;
        let refused = eventually(PROMPT, || async { TcpStream::connect(address).await.is_err() }).await;
        assert!(refused, "{signal}: new connections are taken");
        assert!(idle.closes_within(PROMPT).await, "{signal}: an idle connection stays");
        assert!(front.app.ended().is_none(), "{signal}: it does not wait for the request");

        service.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").await;
        let answer = client.read_response().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "late"), "{signal}");
        assert!(client.closes_within(PROMPT).await, "{signal}: the connection is over");
        let ended = eventually(PROMPT, || std::future::ready(front.app.ended().is_some())).await;
        assert!(ended, "{signal}: still running");
        let status = front.app.ended().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{signal}");

        // What was acknowledged is there after it.
        front.app.restart().await;
        front.app.login(&front.email, PASSWORD).await;
    }
}

#[tokio::test]
async fn stop_waits_no_longer_than_its_grace() {
    let origin = Origin::start().await;
    let builder = TestApp::embedded().upstream(&origin.address().to_string());
    let mut front = Front::of(builder.config("server.shutdown_grace = '1s'")).await;
    let mut client = Wire::connect(front.app.address).await;
    client.write(front.head("GET /private/never", &[])).await;
    let mut service = origin.accept().await;
    service.read_until("\r\n\r\n").await;
    let started = Instant::now();
    let status = front.app.stop().await;
    assert_eq!(status.code(), Some(0));
    let took = started.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&took), "{took:?}");
    client.until_closed().await;
}

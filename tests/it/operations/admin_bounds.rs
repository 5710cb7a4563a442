//! The operators' listener is bounded too.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::app::TestApp;
use crate::support::raw::RawClient;
use crate::support::wait::eventually;

const HEAD: Duration = Duration::from_secs(10);
const PROMPT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn slow_heads_and_idle_connections_of_the_admin_listener_are_closed() {
    let app = TestApp::embedded().start().await;
    let started = Instant::now();
    let mut silent = RawClient::connect(app.admin_address).await;
    let mut stuck = RawClient::connect(app.admin_address).await;
    stuck.send("GET /livez HTTP/1.1\r\nHost: a\r\n").await;
    let mut trickling = RawClient::connect(app.admin_address).await;
    let mut kept = RawClient::connect(app.admin_address).await;
    kept.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(kept.read_response().await.unwrap().status, 200);
    let head = format!("GET /livez HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100));
    let (silent, stuck, sent, kept) = tokio::join!(
        silent.read_rest(HEAD + PROMPT),
        stuck.read_rest(HEAD + PROMPT),
        trickling.send_slowly(head, Duration::from_millis(300)),
        kept.read_rest(HEAD + PROMPT),
    );
    assert!(started.elapsed() > HEAD / 2, "not at once either");
    assert!(sent < 80, "{sent} bytes were taken");
    for (name, rest) in [("silent", silent), ("stuck", stuck), ("kept", kept)] {
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{name}: {}", rest.escape_ascii());
    }
    assert!(started.elapsed() < HEAD + 4 * PROMPT);
    assert_eq!(app.get_admin("/livez").await.status(), 200);
}

#[tokio::test]
async fn connections_of_the_admin_listener_are_bounded_and_come_back() {
    let app = TestApp::embedded().start().await;
    let mut held = Vec::new();
    let mut closed = 0;
    for _ in 0..100 {
        let mut client = RawClient::connect(app.admin_address).await;
        client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
        match client.read_response().await {
            Ok(_) => held.push(client),
            Err(_) => closed += 1,
        }
    }
    assert!((50..=64).contains(&held.len()), "{} held, {closed} closed", held.len());
    drop(held);
    let again = eventually(PROMPT, || async {
        let mut client = RawClient::connect(app.admin_address).await;
        client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.read_response().await.is_ok()
    });
    assert!(again.await);
}

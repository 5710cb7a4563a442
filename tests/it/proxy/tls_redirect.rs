//! The plain listener: every request is sent to TLS, nothing else happens there.

use std::net::SocketAddr;

use super::front::PROMPT;
use super::tls_front::{HOST, TlsFront, head_for};
use crate::support::app::TestApp;
use crate::support::ports::free_address;
use crate::support::raw::{RawClient, RawResponse, exchange};

async fn front(config: &str) -> (TlsFront, SocketAddr) {
    let redirect = free_address();
    let config = format!("tls.redirect_listen = '{redirect}'\n{config}");
    let names: &[&[&str]] = &[&[HOST, "127.0.0.1", "::1"], &["*.apps.example"]];
    (TlsFront::of(names, TestApp::embedded().config(&config)).await, redirect)
}

async fn sent(redirect: SocketAddr, bytes: impl AsRef<[u8]>) -> RawResponse {
    exchange(redirect, bytes).await.unwrap()
}

#[tokio::test]
async fn requests_are_sent_to_the_same_host_and_target() {
    let (front, redirect) = front("tls.hsts = '1h'").await;
    let port = front.app.address.port();
    for (line, host, location) in [
        ("GET /", HOST, format!("https://{HOST}:{port}/")),
        ("GET /a/b?c=d&e=%2F", HOST, format!("https://{HOST}:{port}/a/b?c=d&e=%2F")),
        ("GET /a?", HOST, format!("https://{HOST}:{port}/a?")),
        ("POST /auth/login", "gw.example:8081", format!("https://{HOST}:{port}/auth/login")),
        ("DELETE /x", "one.apps.example", format!("https://one.apps.example:{port}/x")),
        ("GET /x", "127.0.0.1:80", format!("https://127.0.0.1:{port}/x")),
        ("GET /x", "[::1]:80", format!("https://[::1]:{port}/x")),
        ("OPTIONS /x", HOST, format!("https://{HOST}:{port}/x")),
    ] {
        let mut client = RawClient::connect(redirect).await;
        client.send(head_for(host, line, &[])).await;
        let answer = client.read_response().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, vec![location.as_str()]),
            "{line} {host}"
        );
        assert_eq!(answer.header("connection"), ["close"]);
        assert!(answer.header("strict-transport-security").is_empty(), "RFC 6797 section 7.2");
        assert!(client.closes_within(PROMPT).await, "{line}");
    }
    assert_eq!(front.app.recorder.count(), 0);
    front.app.wait_for_log(|line| line.contains("status=308") && line.contains("/auth/login")).await;
}

#[tokio::test]
async fn the_port_is_the_one_that_clients_know() {
    for (url, location) in [
        ("https://gw.example", "https://gw.example/x"),
        ("https://gw.example:444", "https://gw.example:444/x"),
    ] {
        let (_front, redirect) = front(&format!("server.public_url = '{url}'")).await;
        assert_eq!(sent(redirect, head_for(HOST, "GET /x", &[])).await.header("location"), [location]);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_a_host_that_is_not_ours() {
    let (front, redirect) = front("").await;
    for host in [
        "evil.example",
        "gw.example.evil.example",
        "apps.example",
        "a.b.apps.example",
        "127.0.0.2",
        "[::2]",
        "x",
    ] {
        let answer = sent(redirect, head_for(host, "GET /x", &[])).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.header("location").is_empty(), "{host}");
    }
    for (request, status) in [
        ("GET /x HTTP/1.1\r\nHost: gw.example@evil.example\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: gw.example\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: gw.example/evil\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: gw.example\rSet-Cookie: a=b\r\n\r\n", 400),
        ("GET /x\rSet-Cookie:a=b HTTP/1.1\r\nHost: gw.example\r\n\r\n", 400),
        ("GET /%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: gw.example\r\n\r\n", 400),
        ("GET //evil.example HTTP/1.1\r\nHost: gw.example\r\n\r\n", 400),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: gw.example\r\n\r\n", 400),
        ("GET /\\evil.example HTTP/1.1\r\nHost: gw.example\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\n\r\n", 400),
        ("GET /x HTTP/1.1\nHost: gw.example\n\n", 400),
        ("\u{16}\u{3}\u{1}\u{0}\u{4}\u{1}\u{0}\u{0}\u{0}", 400),
    ] {
        let answer = sent(redirect, request).await;
        assert_eq!(answer.status, status, "{}", request.escape_debug());
        assert!(answer.header("location").is_empty() && answer.header("set-cookie").is_empty());
    }
    // In a query it stays percent-encoded, as it came.
    let answer = sent(redirect, head_for(HOST, "GET /x?a=%0d%0aSet-Cookie:b", &[])).await;
    assert_eq!((answer.status, answer.header("set-cookie").len()), (308, 0));
    assert!(answer.header("location")[0].ends_with("/x?a=%0d%0aSet-Cookie:b"));
    assert_eq!(front.app.recorder.count(), 0);
}

#[tokio::test]
async fn a_body_is_never_a_request_and_a_slow_head_is_given_up() {
    let (front, redirect) = front("server.head_timeout = '500ms'\nserver.max_connections = 3").await;
    let smuggled = head_for(HOST, "GET /second", &[]);
    let length = format!("Content-Length: {}", smuggled.len());
    let mut client = RawClient::connect(redirect).await;
    client.send(head_for(HOST, "POST /first", &[&length]) + &smuggled + &smuggled).await;
    assert_eq!(client.read_response().await.unwrap().status, 308);
    assert!(client.closes_within(PROMPT).await);

    let mut slow = RawClient::connect(redirect).await;
    slow.send("GET /x HT").await;
    assert_eq!(slow.read_response().await.unwrap().status, 408);
    let mut silent = RawClient::connect(redirect).await;
    assert!(silent.closes_within(PROMPT).await);

    // They count with those of the other listener.
    front.assert_metric("gateward_connections", "0").await;
    let crowd =
        [RawClient::connect(redirect).await, RawClient::connect(redirect).await, front.connect().await];
    let mut fourth = RawClient::connect(redirect).await;
    assert!(fourth.closes_within(PROMPT).await);
    drop(crowd);
}

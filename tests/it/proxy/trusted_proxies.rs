//! A proxy in front of the gateway: what it says about who calls counts, and nobody else's word does.
//!
//! The test is the peer: 127.0.0.1 is a trusted proxy, 127.0.0.2 is not.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::front::{Front, head};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::raw::RawClient;
use crate::support::recorder::RecordedRequest;

const TRUSTED: &str = "server.trusted_proxies = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8']";
const CLIENT: &str = "203.0.113.9";

/// The request that the service gets for this one.
async fn forwarded(front: &Front, lines: &[&str]) -> RecordedRequest {
    front.forwarded(head("GET /public/x", lines)).await.1
}

fn told(request: &RecordedRequest) -> [String; 3] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| {
        let values = request.header(name);
        assert_eq!(values.len(), 1, "{name}: exactly one value");
        values.concat()
    })
}

#[tokio::test]
async fn service_and_log_are_told_the_client_behind_a_trusted_proxy() {
    let front = Front::with(TRUSTED).await;
    let list = format!("X-Forwarded-For: 198.51.100.1, {CLIENT}");
    for (case, lines, expected) in [
        ("none", &[][..], ["127.0.0.1", "http", "front.example"]),
        (
            "all three",
            &[
                &list,
                "X-Forwarded-For: 10.1.2.3",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: shop.example",
            ],
            ["203.0.113.9, 10.1.2.3, 127.0.0.1", "https", "shop.example"],
        ),
        (
            "IPv6 with port",
            &["X-Forwarded-For: [2001:db8::1]:4711"],
            ["2001:db8::1, 127.0.0.1", "http", "front.example"],
        ),
        ("no address", &["X-Forwarded-For: unknown"], ["127.0.0.1", "http", "front.example"]),
        (
            "a proxy that is not sure",
            &["X-Forwarded-For: 203.0.113.9, unknown, 10.1.2.3"],
            ["10.1.2.3, 127.0.0.1", "http", "front.example"],
        ),
        (
            "aliases and relatives",
            &[
                "X_Forwarded_For: 203.0.113.9",
                "Forwarded: for=203.0.113.9;proto=https",
                "X-Real-IP: 203.0.113.9",
            ],
            ["127.0.0.1", "http", "front.example"],
        ),
        (
            "bad values",
            &["X-Forwarded-Proto: https, http", "X-Forwarded-Host: a.example, b.example"],
            ["127.0.0.1", "http", "front.example"],
        ),
    ] {
        assert_eq!(told(&forwarded(&front, lines).await), expected, "{case}");
        front.assert_never_forwarded("198.51.100.1", case);
        front.assert_never_forwarded("x-real-ip", case);
    }
    front.send(head("GET /public/logged", &[&list])).await;
    let said = front.app.wait_for_log(|line| line.contains("path=\"/public/logged\"")).await;
    assert!(said.contains(&format!("client={CLIENT}")), "{said}");
}

#[tokio::test]
async fn session_belongs_to_the_client_and_not_to_the_proxy() {
    let front = Front::with(TRUSTED).await;
    let body = serde_json::json!({"email": front.email, "password": PASSWORD}).to_string();
    let length = format!("Content-Length: {}", body.len());
    let of_client = format!("X-Forwarded-For: {CLIENT}");
    let login = front
        .send(head("POST /auth/login", &["Content-Type: application/json", &length, &of_client]) + &body)
        .await;
    assert_eq!(login.status, 200, "{}", login.text());
    let answer = front.app.get("/auth/sessions", &front.token).await;
    let sessions: Value = answer.json().await.unwrap();
    let addresses: Vec<&str> = sessions["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|session| session["address"].as_str())
        .collect();
    assert!(addresses.contains(&CLIENT), "{sessions}");
}

/// The status of the answer to a peer that is not the trusted one.
async fn stranger(front: &Front, bytes: &str) -> u16 {
    let mut client = RawClient::connect_from(Ipv4Addr::new(127, 0, 0, 2), front.app.address).await;
    client.send(bytes).await;
    client.read_response().await.expect("an answer").status
}

#[tokio::test]
async fn nobody_elses_word_counts() {
    let front = Front::with(&format!("{TRUSTED}\nserver.max_connections_per_address = 50")).await;
    for lie in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-For: 10.0.0.1, 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example",
        "X-Forwarded-Uri: /public",
        "X-Real-IP: 203.0.113.9",
        "Forwarded: for=203.0.113.9;proto=https;host=shop.example",
        "X-Original-URL: /public",
        "X-Forwarded-Port: 443",
        "X-Client-IP: 203.0.113.9",
        "True-Client-IP: 203.0.113.9",
    ] {
        front.app.recorder.forget();
        let answer = stranger(&front, &head("GET /public/x", &[lie])).await;
        assert_eq!(answer, 200, "{lie}");
        assert_eq!(told(&front.app.recorder.last()), ["127.0.0.2", "http", "front.example"], "{lie}");
        let answer = stranger(&front, &head("GET /private/x", &[lie])).await;
        assert_eq!(answer, 401, "{lie}");
    }
    let lines = front.app.log_lines();
    assert!(lines.iter().any(|line| line.contains("client=127.0.0.2")));
    assert!(!lines.iter().any(|line| line.contains(CLIENT)), "a lie is in the log");
}

#[tokio::test]
async fn nobody_is_trusted_by_default() {
    let front = Front::of(TestApp::embedded()).await;
    let lies = ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"];
    assert_eq!(told(&forwarded(&front, &lies).await), ["127.0.0.1", "http", "front.example"]);
}

//! Floods of forged tokens: what one address may cost, and that nobody else is harmed by it.

use std::net::Ipv4Addr;

use serde_json::json;

use super::front::{Front, head};
use super::h2_client::{Client, front_with};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::forge::{Parts, encoded, signed_hs256};
use crate::support::problems::raw_problem;
use crate::support::raw::{RawClient, RawResponse};

/// Two, and the next one half a minute later.
const TWO: &str = "token.forged_per_minute = 2";
const CODE: &str = "too_many_forged_tokens";
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The same claims under a signature of nobody.
fn forged(token: &str) -> String {
    format!("{}.{}", Parts::of(token).message(), encoded([7; 64]))
}

/// The answer to this request with this token, from this address.
async fn call(front: &Front, from: Ipv4Addr, line: &str, token: &str, lines: &[&str]) -> RawResponse {
    let mut client = RawClient::connect_from(from, front.app.address).await;
    let authorization = format!("Authorization: Bearer {token}");
    let lines: Vec<&str> = [authorization.as_str()].iter().chain(lines).copied().collect();
    assert!(client.send(head(line, &lines)).await);
    client.read_response().await.unwrap()
}

fn assert_waits(answer: &RawResponse) {
    raw_problem(answer, 429, CODE);
    assert_eq!(answer.header("retry-after"), ["1"]);
    assert!(answer.header("www-authenticate").is_empty(), "nothing that makes a client throw its token away");
}

#[tokio::test]
async fn forgers_unknown_tokens_wait_and_known_ones_and_other_addresses_do_not() {
    let front = Front::with(TWO).await;
    let (known, unknown) = (front.token.clone(), front.app.login(&front.email, PASSWORD).await);
    assert_eq!(call(&front, HERE, "GET /private/x", &known, &[]).await.status, 200);
    front.app.recorder.forget();
    let forged = forged(&known);
    for _ in 0..2 {
        raw_problem(&call(&front, HERE, "GET /private/x", &forged, &[]).await, 401, "invalid_token");
    }
    for token in [&forged, &unknown] {
        for line in ["GET /private/x", "GET /auth/me", "POST /auth/logout", "GET /auth/sessions"] {
            assert_waits(&call(&front, HERE, line, token, &[]).await);
        }
    }
    front.assert_nothing_forwarded("429");
    front.app.wait_for_log(|line| line.contains("reason=\"too_many_forged\"")).await;
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("gateward_auth_checks_total{reason=\"too_many_forged\",result=\"refused\"} "));

    assert_eq!(call(&front, HERE, "GET /private/x", &known, &[]).await.status, 200, "known");
    assert_eq!(call(&front, HERE, "GET /auth/me", &known, &[]).await.status, 200, "known");
    assert_eq!(call(&front, THERE, "GET /private/x", &unknown, &[]).await.status, 200, "another address");
    assert_eq!(call(&front, HERE, "GET /private/x", &unknown, &[]).await.status, 200, "known by now");
}

#[tokio::test]
async fn tokens_that_cost_nothing_to_refuse_are_no_forgeries() {
    let front = Front::with(TWO).await;
    let (header, secret) = (Parts::of(&front.token).header.replace('E', "F"), b"secret");
    for _ in 0..5 {
        for token in ["a.b.c", "x", &signed_hs256(&header, "{}", secret)] {
            let answer = call(&front, HERE, "GET /private/x", token, &[]).await;
            raw_problem(&answer, 401, "invalid_token");
        }
    }
    assert_eq!(call(&front, HERE, "GET /private/x", &front.token, &[]).await.status, 200);
}

#[tokio::test]
async fn ended_sessions_are_no_forgeries() {
    let mut front = Front::with(TWO).await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let token = front.app.login(&front.email, PASSWORD).await;
        assert_eq!(call(&front, HERE, "POST /auth/logout", &token, &[]).await.status, 204);
        tokens.push(token);
    }
    // So that none of them is known.
    front.app.stop().await;
    front.app.restart().await;
    for token in &tokens {
        raw_problem(&call(&front, HERE, "GET /private/x", token, &[]).await, 401, "invalid_token");
    }
    assert_eq!(call(&front, HERE, "GET /private/x", &front.token, &[]).await.status, 200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own() {
    let front = Front::with(&format!("{TWO}\nserver.trusted_proxies = ['127.0.0.1']")).await;
    let forged = forged(&front.token);
    let of = |client: &str| format!("X-Forwarded-For: {client}");
    for client in ["203.0.113.9", "203.0.113.9", "2001:db8:1:2::1", "2001:db8:1:2::2"] {
        let answer = call(&front, HERE, "GET /private/x", &forged, &[&of(client)]).await;
        raw_problem(&answer, 401, "invalid_token");
    }
    for client in ["203.0.113.9", "6.6.6.6, 203.0.113.9", "2001:db8:1:2::3"] {
        assert_waits(&call(&front, HERE, "GET /private/x", &front.token, &[&of(client)]).await);
    }
    // A proxy that does not say for whom speaks for everybody.
    for _ in 0..4 {
        raw_problem(&call(&front, HERE, "GET /private/x", &forged, &[]).await, 401, "invalid_token");
    }
    for client in ["2001:db8:1:3::1", "203.0.113.10"] {
        let answer = call(&front, HERE, "GET /private/x", &front.token, &[&of(client)]).await;
        assert_eq!(answer.status, 200, "{client}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_vouches_for_is_not_counted_instead() {
    let front = Front::with(TWO).await;
    let forged = forged(&front.token);
    for number in 0..2 {
        let line = format!("X-Forwarded-For: 203.0.113.{number}");
        raw_problem(&call(&front, HERE, "GET /private/x", &forged, &[&line]).await, 401, "invalid_token");
    }
    assert_waits(&call(&front, HERE, "GET /private/x", &forged, &["X-Forwarded-For: 203.0.113.7"]).await);
}

#[tokio::test]
async fn streams_of_http2_are_counted_by_address_too() {
    let front = front_with(TWO).await;
    let forged = format!("Bearer {}", forged(&front.token));
    let mut client = Client::connect(front.app.address).await;
    for status in [401, 401, 429, 429] {
        let answer = client.get("GET /private/x", &[("authorization", &forged)]).await;
        assert_eq!(answer.status, status);
    }
    let unknown = format!("Bearer {}", front.token);
    let answer = client.get("GET /private/x", &[("authorization", &unknown)]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.json()["code"], json!(CODE));
    front.assert_nothing_forwarded("429");
    let mut other = Client::connect_from(THERE, front.app.address).await;
    assert_eq!(other.get("GET /private/x", &[("authorization", &unknown)]).await.status, 200);
}

#[tokio::test]
async fn strangers_who_revoke_are_counted_and_clients_are_not() {
    let secret = "a secret of one client of more than 32 bytes";
    let config = format!("{TWO}\n[[client]]\nid = 'shop'\nsecret = '{secret}'");
    let front = Front::with(&config).await;
    let token = forged(&front.token);
    let form = |path: &str| front.app.request(reqwest::Method::POST, path).form(&[("token", token.as_str())]);
    for _ in 0..4 {
        let answer = form("/auth/introspect").basic_auth("shop", Some(secret)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer = form("/auth/revoke").basic_auth("shop", Some(secret)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for status in [200, 200, 429, 429] {
        assert_eq!(form("/auth/revoke").send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn left_out_the_bound_does_not_count_programs_of_this_machine() {
    let front = Front::of(TestApp::embedded()).await;
    let forged = forged(&front.token);
    let mut client = RawClient::connect(front.app.address).await;
    for _ in 0..700 {
        assert!(client.send(head("GET /private/x", &[&format!("Authorization: Bearer {forged}")])).await);
        assert_eq!(client.read_response().await.unwrap().status, 401);
    }
    assert_eq!(call(&front, HERE, "GET /private/x", &front.token, &[]).await.status, 200);
}

//! Clients ask about tokens (RFC 7662).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::forge::{Parts, claims_of, encoded, signed_hs256};
use crate::support::oauth::{CLIENT, CLIENT_ID, CLIENT_SECRET, oauth_error};
use crate::support::services::{PrivatePostgres, PrivateRedis};
use crate::support::wait::eventually;

const INACTIVE: &str = r#"{"active":false}"#;
const SECRET: &str = "a secret of more than thirty-two bytes, for tests";

/// The body of a 200, which no cache may keep.
async fn body(answer: Response) -> String {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.text().await.unwrap()
}

async fn introspected(app: &TestApp, token: &str) -> Value {
    serde_json::from_str(&body(app.introspect(token).await).await).unwrap()
}

both_kinds!(
    a_live_token_is_active_and_described_and_its_end_shows_at_once,
    |app| app.config(CLIENT),
    |app| {
        async move {
            let (email, token) = app.new_person().await;
            let found = introspected(&app, &token).await;
            let claims = claims_of(&token);
            assert_eq!(found["active"], true);
            for name in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "scope", "roles"] {
                assert_eq!(found[name], claims[name], "{name}");
            }
            assert_eq!((&found["username"], &found["token_type"]), (&json!(email), &json!("Bearer")));

            let other = app.login(&email, PASSWORD).await;
            let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&token).send().await.unwrap();
            assert_eq!(logout.status(), 204);
            assert_eq!(body(app.introspect(&token).await).await, INACTIVE);
            assert_eq!(
                introspected(&app, &other).await["active"],
                true,
                "another session of the same person"
            );
        }
    }
);

#[tokio::test]
async fn all_inactive_tokens_look_alike_byte_for_byte() {
    let config = format!("token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'\n{CLIENT}");
    let app = TestApp::embedded().config(&config).start().await;
    let (email, good) = app.new_person().await;
    let parts = Parts::of(&good);
    let with = |name: &str, value: Value| {
        let mut claims = parts.claims();
        claims[name] = value;
        signed_hs256(&parts.header, claims.to_string(), SECRET.as_bytes())
    };
    assert_eq!(
        introspected(&app, &with("aud", json!("gateward"))).await["active"],
        true,
        "the forging works"
    );
    let ended = app.login(&email, PASSWORD).await;
    assert_eq!(app.revoke(&ended).await.status(), 200);
    let other_type = encoded(r#"{"typ":"JWT","alg":"HS256"}"#);
    let mut answers = Vec::new();
    for token in [
        ended,
        with("exp", json!(1_700_000_000)),
        with("iat", json!(4_000_000_000_u64)),
        with("aud", json!("other")),
        with("iss", json!("other")),
        with("sub", json!("nobody")),
        signed_hs256(&parts.header, parts.claims().to_string(), b"another secret"),
        signed_hs256(&other_type, parts.claims().to_string(), SECRET.as_bytes()),
        format!("{good}x"),
        "garbage".to_owned(),
        "an-opaque-token-that-nobody-issued-0123456789".to_owned(),
        "x".repeat(9_000),
    ] {
        let answer = app.introspect(&token).await;
        let headers: Vec<_> =
            answer.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let same = headers.into_iter().filter(|(name, _)| name != "x-request-id" && name != "date");
        answers.push((answer.status(), same.collect::<Vec<_>>(), answer.text().await.unwrap()));
    }
    assert_eq!(answers[0].2, INACTIVE);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn only_a_client_with_its_secret_may_ask() {
    let app = TestApp::embedded().config(CLIENT).start().await;
    let (_, token) = app.new_person().await;
    let token = token.as_str();
    let ask = |fields: &[(&str, &str)]| app.form("/auth/introspect", fields);
    let form = |id, secret| ask(&[("token", token), ("client_id", id), ("client_secret", secret)]);
    let basic = |text: &str| {
        ask(&[("token", token)]).header("authorization", format!("Basic {}", STANDARD.encode(text)))
    };

    let encoded = serde_urlencoded::to_string([("", CLIENT_SECRET)]).unwrap();
    let encoded = encoded.trim_start_matches('=');
    assert_ne!(encoded, CLIENT_SECRET);
    for right in [
        form(CLIENT_ID, CLIENT_SECRET),
        basic(&format!("{CLIENT_ID}:{CLIENT_SECRET}")),
        basic(&format!("{CLIENT_ID}:{encoded}")),
    ] {
        let found: Value = serde_json::from_str(&body(right.send().await.unwrap()).await).unwrap();
        assert_eq!(found["active"], true);
    }
    for wrong in [
        ask(&[("token", token)]),
        ask(&[("token", token)]).bearer_auth(token),
        ask(&[("token", token), ("client_id", CLIENT_ID)]),
        form(CLIENT_ID, "wrong"),
        form(CLIENT_ID, ""),
        form("other", CLIENT_SECRET),
        form("", ""),
        basic(&format!("{CLIENT_ID}:wrong")),
        basic(&format!("other:{CLIENT_SECRET}")),
        basic(&format!("{CLIENT_ID}:")),
        basic(":"),
        ask(&[("token", token), ("client_id", "other")]).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)),
        basic("no colon"),
        ask(&[("token", token)]).header("authorization", "Basic ???"),
        ask(&[("token", token)]).header("authorization", "Digest x"),
        basic(&format!("{CLIENT_ID}:{CLIENT_SECRET}")).bearer_auth(token),
    ] {
        oauth_error(wrong.send().await.unwrap(), 401, "invalid_client").await;
    }
    for wrong in [
        form(CLIENT_ID, CLIENT_SECRET).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)),
        form(CLIENT_ID, CLIENT_SECRET).bearer_auth(token),
        form(CLIENT_ID, CLIENT_SECRET).header("authorization", "Digest x"),
        ask(&[("token", token), ("client_secret", CLIENT_SECRET)]),
        ask(&[("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)]),
        ask(&[("token", ""), ("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)]),
        ask(&[("token", token), ("token", token)]).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)),
    ] {
        oauth_error(wrong.send().await.unwrap(), 400, "invalid_request").await;
    }
    let json = app.request(Method::POST, "/auth/introspect").basic_auth(CLIENT_ID, Some(CLIENT_SECRET));
    oauth_error(json.json(&json!({"token": token})).send().await.unwrap(), 415, "invalid_request").await;
}

#[tokio::test]
async fn without_clients_nobody_may_ask() {
    let app = TestApp::embedded().start().await;
    let (_, token) = app.new_person().await;
    oauth_error(app.introspect(&token).await, 401, "invalid_client").await;
    let empty = app.form("/auth/introspect", &[("token", &token), ("client_id", ""), ("client_secret", "")]);
    oauth_error(empty.send().await.unwrap(), 401, "invalid_client").await;
}

#[tokio::test]
async fn a_gateway_that_cannot_know_calls_nothing_active() {
    let (mut postgres, mut redis) = (PrivatePostgres::start(), PrivateRedis::start());
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&postgres.new_database(), &redis.url())
        .config(CLIENT)
        .start()
        .await;
    let (_, token) = app.new_person().await;
    assert_eq!(introspected(&app, &token).await["active"], true);
    assert_eq!(app.get_anonymously("/auth/status-lists/0").await.status(), 200);
    postgres.stop();
    redis.stop();
    let refused =
        eventually(Duration::from_secs(10), || async { app.introspect(&token).await.status() == 503 });
    assert!(refused.await, "stale revocations go unnoticed");
    oauth_error(app.introspect(&token).await, 503, "temporarily_unavailable").await;
    oauth_error(app.revoke(&token).await, 503, "temporarily_unavailable").await;
    oauth_error(app.revoke("garbage").await, 503, "temporarily_unavailable").await;
    let list = app.get_anonymously("/auth/status-lists/0").await;
    assert_eq!(list.status(), 503);
    assert!(list.headers().contains_key("retry-after"));
    postgres.start_again();
    redis.start_again();
    let answers =
        eventually(Duration::from_secs(10), || async { app.introspect(&token).await.status() == 200 });
    assert!(answers.await, "it recovers");
    assert_eq!(introspected(&app, &token).await["active"], true, "what was not acknowledged did not happen");
}

both_kinds!(a_refresh_token_is_active_until_it_is_used_or_revoked, |app| app.config(CLIENT), |app| {
    async move {
        let (_, pair) = app.new_pair().await;
        let found = introspected(&app, &pair.refresh).await;
        let claims = claims_of(&pair.access);
        assert_eq!((&found["active"], &found["sid"]), (&json!(true), &claims["sid"]));
        assert!(found.get("token_type").is_none(), "it is no bearer token: {found}");

        let next = app.refresh(&pair.refresh).await;
        assert_eq!(body(app.introspect(&pair.refresh).await).await, INACTIVE, "its successor is out");
        assert_eq!(introspected(&app, &next.refresh).await["active"], true);

        // Whoever holds the one that was used can end the session, too.
        assert_eq!(app.revoke(&pair.refresh).await.status(), 200);
        assert_eq!(body(app.introspect(&next.refresh).await).await, INACTIVE);
        assert_eq!(app.get("/private", &next.access).await.status(), 401);
        assert_eq!(app.try_refresh(&next.refresh).await.status(), 401);
        assert_eq!(app.revoke(&next.refresh).await.status(), 200, "what ended is unknown");
    }
});

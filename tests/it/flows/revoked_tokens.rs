//! Holders revoke tokens (RFC 7009).

use reqwest::Method;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::{Parts, signed_hs256};
use crate::support::oauth::{CLIENT, CLIENT_ID, CLIENT_SECRET, oauth_error};
use crate::support::problems::problem;

both_kinds!(a_revoked_token_ends_its_session_for_good_and_no_other, |mut app| async move {
    let (email, token) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    let answer = app.revoke(&token).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.text().await.unwrap(), "");
    app.recorder.forget();
    problem(app.get("/private", &token).await, 401, "invalid_token").await;
    problem(app.get("/auth/me", &token).await, 401, "invalid_token").await;
    assert_eq!(app.recorder.count(), 0, "the service saw a refused call");
    assert_eq!(app.get("/private", &other).await.status(), 200);
    assert_eq!(app.revoke(&token).await.status(), 200, "again: done already");

    app.kill9();
    app.restart().await;
    problem(app.get("/private", &token).await, 401, "invalid_token").await;
    assert_eq!(app.get("/private", &other).await.status(), 200);
});

#[tokio::test]
async fn what_is_no_valid_token_gets_the_same_answer_and_ends_nothing() {
    let app = TestApp::embedded().start().await;
    let (_, token) = app.new_person().await;
    for unknown in ["garbage", "a.b.c", &format!("{token}x"), &"x".repeat(9_000)] {
        let answer = app.revoke(unknown).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, ""));
    }
    for hint in ["access_token", "refresh_token", "something_else"] {
        let form = app.form("/auth/revoke", &[("token", "garbage"), ("token_type_hint", hint)]);
        assert_eq!(form.send().await.unwrap().status(), 200, "{hint}");
    }
    assert_eq!(app.get("/private", &token).await.status(), 200);
    let form = app.form("/auth/revoke", &[("token", &token), ("token_type_hint", "refresh_token")]);
    assert_eq!(form.send().await.unwrap().status(), 200, "a wrong hint does not matter");
    problem(app.get("/private", &token).await, 401, "invalid_token").await;
}

#[tokio::test]
async fn credentials_are_not_needed_and_must_be_right_when_sent() {
    let app = TestApp::embedded().config(CLIENT).start().await;
    let (email, token) = app.new_person().await;
    let ask = || app.form("/auth/revoke", &[("token", &token)]);
    for wrong in [
        ask().basic_auth(CLIENT_ID, Some("wrong")),
        ask().basic_auth("other", Some(CLIENT_SECRET)),
        ask().basic_auth("", Some("")),
        app.form("/auth/revoke", &[("token", &token), ("client_id", CLIENT_ID), ("client_secret", "wrong")]),
    ] {
        oauth_error(wrong.send().await.unwrap(), 401, "invalid_client").await;
    }
    for wrong in [
        app.form("/auth/revoke", &[]),
        app.form("/auth/revoke", &[("token", "")]),
        app.form("/auth/revoke", &[("token", &token), ("token", &token)]),
        app.form("/auth/revoke", &[("token", &token), ("client_secret", CLIENT_SECRET)]),
    ] {
        oauth_error(wrong.send().await.unwrap(), 400, "invalid_request").await;
    }
    let json = app.request(Method::POST, "/auth/revoke").json(&json!({"token": token}));
    oauth_error(json.send().await.unwrap(), 415, "invalid_request").await;
    assert_eq!(app.get("/private", &token).await.status(), 200, "what was refused ended nothing");

    let named = app.login(&email, PASSWORD).await;
    let form = app.form("/auth/revoke", &[("token", &named), ("client_id", "some-app")]);
    assert_eq!(form.send().await.unwrap().status(), 200, "a public client says its name");
    problem(app.get("/private", &named).await, 401, "invalid_token").await;
    let right = ask().basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).send().await.unwrap();
    assert_eq!(right.status(), 200);
    problem(app.get("/private", &token).await, 401, "invalid_token").await;
}

/// Old tokens lie in old logs: finding one must not be enough to throw somebody out.
#[tokio::test]
async fn an_expired_token_of_a_live_session_ends_nothing() {
    let secret = "a secret of more than thirty-two bytes, for tests";
    let config = format!("token.algorithm = 'HS256'\ntoken.secret = '{secret}'");
    let app = TestApp::embedded().config(&config).start().await;
    let (_, token) = app.new_person().await;
    let parts = Parts::of(&token);
    let mut claims = parts.claims();
    claims["exp"] = json!(1_700_000_000);
    let expired = signed_hs256(&parts.header, claims.to_string(), secret.as_bytes());
    assert_eq!(app.revoke(&expired).await.status(), 200);
    assert_eq!(app.get("/private", &token).await.status(), 200);
}

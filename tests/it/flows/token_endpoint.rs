//! The token endpoint that the discovery documents name.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::oauth::oauth_error;

#[tokio::test]
async fn the_password_grant_logs_in_as_the_login_form_does() {
    let app = TestApp::embedded().start().await;
    let (email, _) = app.new_person().await;
    let ask = |password: &str| {
        app.form("/auth/token", &[("grant_type", "password"), ("username", &email), ("password", password)])
    };
    let answer = ask(PASSWORD).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let pair: Value = answer.json().await.unwrap();
    assert_eq!(pair["token_type"], "bearer");
    assert_eq!(app.get("/private", pair["access_token"].as_str().unwrap()).await.status(), 200);
    oauth_error(ask("wrong").send().await.unwrap(), 400, "invalid_grant").await;
}

#[tokio::test]
async fn what_is_no_grant_is_refused() {
    let app = TestApp::embedded().start().await;
    let (email, _) = app.new_person().await;
    let person = [("username", email.as_str()), ("password", PASSWORD)];
    for (grants, error) in [
        (&[][..], "invalid_request"),
        (&[("grant_type", "")], "invalid_request"),
        (&[("grant_type", "password"), ("grant_type", "password")], "invalid_request"),
        (&[("grant_type", "client_credentials")], "unsupported_grant_type"),
        (&[("grant_type", "authorization_code")], "unsupported_grant_type"),
        (&[("grant_type", "PASSWORD")], "unsupported_grant_type"),
    ] {
        let answer = app.form("/auth/token", &[&person, grants].concat()).send().await.unwrap();
        oauth_error(answer, 400, error).await;
    }
    let json = app.request(Method::POST, "/auth/token");
    let json = json.json(&json!({"grant_type": "password", "username": email, "password": PASSWORD}));
    oauth_error(json.send().await.unwrap(), 415, "invalid_request").await;
}

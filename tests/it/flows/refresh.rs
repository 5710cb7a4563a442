//! A session goes on with refresh tokens, up to its two ends.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::app_refresh::Pair;
use crate::support::forge::claims_of;
use crate::support::problems::problem;

/// Milliseconds since the Unix epoch, `seconds` from now.
fn millis_in(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() + seconds * 1000
}

async fn form(app: &TestApp, fields: &[(&str, &str)]) -> Response {
    app.request(Method::POST, "/auth/refresh").form(fields).send().await.unwrap()
}

both_kinds!(a_refresh_carries_the_session_on_with_new_tokens, |app| async move {
    let (email, first) = app.new_pair().await;
    let second = app.refresh(&first.refresh).await;
    assert_ne!(second.refresh, first.refresh);
    assert_ne!(second.access, first.access);
    let (old, new) = (claims_of(&first.access), claims_of(&second.access));
    assert_eq!((&new["sid"], &new["sub"]), (&old["sid"], &old["sub"]));
    assert_ne!(new["jti"], old["jti"]);
    for token in [&first.access, &second.access] {
        assert_eq!(app.get("/private", token).await.status(), 200, "a refresh ends no access token");
    }

    // The OAuth2 form, as RFC 6749 6 has it and as short as it may be.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &second.refresh), ("client_id", "any")];
    let third = Pair::of(form(&app, &fields).await).await;
    let fourth = Pair::of(form(&app, &[("refresh_token", &third.refresh), ("scope", "x")]).await).await;
    assert_eq!(app.get("/auth/me", &fourth.access).await.status(), 200);

    // Another login is another family.
    let other = app.login_pair(&email).await;
    assert_eq!(
        app.request(Method::POST, "/auth/logout").bearer_auth(&fourth.access).send().await.unwrap().status(),
        204
    );
    problem(app.try_refresh(&fourth.refresh).await, 401, "invalid_refresh_token").await;
    app.refresh(&other.refresh).await;
});

both_kinds!(a_new_access_token_says_what_the_account_is_now, |app| async move {
    let (email, pair) = app.new_pair().await;
    app.sql(&format!("UPDATE accounts SET email_shown = 'Moved@Example.com' WHERE email_normal = '{email}'"))
        .await;
    let next = app.refresh(&pair.refresh).await;
    assert_eq!(claims_of(&next.access)["email"], "Moved@Example.com");

    app.cli_ok(&["user", "disable", &email], "").await;
    problem(app.try_refresh(&next.refresh).await, 401, "invalid_refresh_token").await;
    app.cli_ok(&["user", "enable", &email], "").await;
    problem(app.try_refresh(&next.refresh).await, 401, "invalid_refresh_token").await;
});

both_kinds!(nothing_outlives_the_session_and_an_idle_token_dies, |app| async move {
    let (_, pair) = app.new_pair().await;
    app.sql(&format!("UPDATE sessions SET expires_at = {}", millis_in(40))).await;
    let answer: Value = app.try_refresh(&pair.refresh).await.json().await.unwrap();
    let left = answer["expires_in"].as_u64().unwrap();
    assert!((20..=40).contains(&left), "an access token of a session that has 40 s left lives {left} s");
    let last = answer["refresh_token"].as_str().unwrap();
    app.sql(&format!("UPDATE sessions SET expires_at = {}", millis_in(-1))).await;
    problem(app.try_refresh(last).await, 401, "invalid_refresh_token").await;

    let (_, idle) = app.new_pair().await;
    app.sql(&format!("UPDATE refresh_tokens SET expires_at = {}", millis_in(-1))).await;
    problem(app.try_refresh(&idle.refresh).await, 401, "invalid_refresh_token").await;
    assert_eq!(app.get("/private", &idle.access).await.status(), 200, "expired is not stolen");
});

both_kinds!(a_body_of_another_shape_is_refused, |app| async move {
    for body in
        [json!({}), json!({"refresh_token": 7}), json!({"refresh_token": "x", "scope": "y"}), json!([])]
    {
        problem(app.post_json("/auth/refresh", &body).await, 422, "invalid_fields").await;
    }
    for (fields, error) in [
        (vec![("refresh_token", "gwr_x")], "invalid_grant"),
        (vec![("grant_type", "password"), ("refresh_token", "gwr_x")], "unsupported_grant_type"),
        (vec![("refresh_token", "gwr_x"), ("refresh_token", "gwr_y")], "invalid_request"),
        (vec![("token", "gwr_x")], "invalid_request"),
    ] {
        let answer = form(&app, &fields).await;
        assert_eq!(answer.status(), 400, "{fields:?}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], error, "{fields:?}");
    }
    let text = app.request(Method::POST, "/auth/refresh").header("content-type", "text/plain").body("gwr_x");
    problem(text.send().await.unwrap(), 415, "unsupported_media_type").await;
});

both_kinds!(a_minted_token_has_no_refresh_token_and_a_refresh_token_opens_nothing, |app| async move {
    let (email, pair) = app.new_pair().await;
    problem(app.get("/private", &pair.refresh).await, 401, "invalid_token").await;
    problem(app.get("/auth/me", &pair.refresh).await, 401, "invalid_token").await;
    problem(app.try_refresh(&pair.access).await, 401, "invalid_refresh_token").await;
    let listed = app.cli_ok(&["user", "list", "--json"], "").await;
    let person: Value =
        serde_json::from_str(listed.lines().find(|line| line.contains(&email)).unwrap()).unwrap();
    let minted = app.cli_ok(&["token", "mint", "--subject", person["id"].as_str().unwrap()], "").await;
    assert!(!minted.contains("gwr_"), "{minted}");
    // A token in place of the password, and the other way round.
    problem(app.try_login(&email, &pair.refresh).await, 401, "invalid_credentials").await;
    problem(app.try_refresh(PASSWORD).await, 401, "invalid_refresh_token").await;
});

both_kinds!(every_refused_token_gets_the_same_answer, |app| async move {
    let (email, ended) = app.new_pair().await;
    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&ended.access).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    let expired = app.login_pair(&email).await;
    app.sql(&format!("UPDATE refresh_tokens SET expires_at = {}", millis_in(-1))).await;
    let reused = app.login_pair(&email).await;
    app.refresh(&reused.refresh).await;
    let unknown = format!("gwr_{}", "A".repeat(43));

    let mut seen = Vec::new();
    for token in [&ended.refresh, &expired.refresh, &reused.refresh, &reused.refresh, &unknown, "gwr_", ""] {
        let answer = app.try_refresh_as("another client", token).await;
        let mut headers = answer.headers().clone();
        headers.remove("x-request-id");
        headers.remove("date");
        let status = answer.status();
        let body = problem(answer, 401, "invalid_refresh_token").await;
        seen.push((status, headers, body["detail"].clone(), body["title"].clone()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
});

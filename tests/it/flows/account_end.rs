//! Changing one's name, and deleting one's account.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::forge::claims_of;
use crate::support::problems::problem;
use crate::support::services::services;
use crate::support::wait::eventually;

async fn delete(app: &TestApp, token: &str, password: &str) -> Response {
    let request = app.request(Method::DELETE, "/auth/me").bearer_auth(token);
    request.json(&json!({"password": password})).send().await.unwrap()
}

async fn rename(app: &TestApp, token: &str, body: &Value) -> Response {
    app.request(Method::PATCH, "/auth/me").bearer_auth(token).json(body).send().await.unwrap()
}

both_kinds!(a_deleted_account_is_gone_with_its_sessions_and_its_address_is_free, |mut app| async move {
    let (email, first) = app.new_person().await;
    let second = app.login(&email, PASSWORD).await;
    let (_, somebody_else) = app.new_person().await;
    let me: Value = app.get("/auth/me", &first).await.json().await.unwrap();

    problem(delete(&app, &first, "not-The-password-11").await, 403, "invalid_credentials").await;
    let request = app.request(Method::DELETE, "/auth/me").bearer_auth(&first);
    problem(request.send().await.unwrap(), 415, "unsupported_media_type").await;
    assert_eq!(app.get("/private", &first).await.status(), 200, "nothing was done");

    assert_eq!(delete(&app, &first, PASSWORD).await.status(), 204);
    let assert_gone = async |app: &TestApp| {
        for token in [&first, &second] {
            problem(app.get("/private", token).await, 401, "invalid_token").await;
            problem(app.get("/auth/me", token).await, 401, "invalid_token").await;
        }
        assert_eq!(app.get("/private", &somebody_else).await.status(), 200);
    };
    assert_gone(&app).await;
    problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;
    problem(delete(&app, &first, PASSWORD).await, 401, "invalid_token").await;

    assert_eq!(app.register(&email, PASSWORD).await.status(), 201, "the address is free");
    let anew = app.login(&email, PASSWORD).await;
    let other: Value = app.get("/auth/me", &anew).await.json().await.unwrap();
    assert_ne!(other["id"], me["id"]);
    app.kill9();
    app.restart().await;
    assert_gone(&app).await;
    assert_eq!(app.get("/private", &anew).await.status(), 200);
    let log = app.log_lines().join("\n");
    assert!(log.contains("account deleted") && log.contains("account_deleted"), "{log}");
    assert!(!log.contains(&email) && !log.contains(PASSWORD));
});

both_kinds!(
    thousands_of_sessions_end_with_a_password_and_with_an_account,
    // Thousands of rows, beside other tests: not always within a quarter of a second.
    |app| app.config("postgres.timeout = '5s'"),
    |app| async move {
        let (email, token) = app.new_person().await;
        let new = "quiet-Lantern-58-meadow";
        let subject = claims_of(&token)["sub"].as_str().unwrap().to_owned();
        let minted =
            async || app.cli_ok(&["token", "mint", "--subject", &subject, "--count", "2050"], "").await;
        let assert_ended = async |tokens: &str| {
            assert_eq!(tokens.lines().count(), 2050);
            for token in tokens.lines() {
                assert_eq!(app.get("/private", token).await.status(), 401);
            }
        };
        let tokens = minted().await;
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let request = app.request(Method::POST, "/auth/password/change").bearer_auth(&token).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 204);
        assert_ended(&tokens).await;

        let token = app.login(&email, new).await;
        let tokens = minted().await;
        assert_eq!(delete(&app, &token, new).await.status(), 204);
        assert_ended(&tokens).await;
        problem(app.try_login(&email, new).await, 401, "invalid_credentials").await;
    }
);

both_kinds!(a_name_is_changed_or_removed_and_nothing_else, |app| async move {
    let (email, token) = app.new_person().await;
    let before: Value = app.get("/auth/me", &token).await.json().await.unwrap();
    for name in [json!("Ada Lovelace"), Value::Null] {
        let answer = rename(&app, &token, &json!({"name": name})).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let changed: Value = answer.json().await.unwrap();
        let mut expected = before.clone();
        expected["name"] = name;
        assert_eq!(changed, expected);
        assert_eq!(app.get("/auth/me", &token).await.json::<Value>().await.unwrap(), changed);
    }
    for body in [json!({}), json!({"name": 1}), json!({"name": "x", "email": email}), json!([])] {
        problem(rename(&app, &token, &body).await, 422, "invalid_fields").await;
    }
    problem(rename(&app, &token, &json!({"name": " \u{202e} x"})).await, 422, "invalid_name").await;
    problem(rename(&app, "no.token.really", &json!({"name": "x"})).await, 401, "invalid_token").await;
});

#[tokio::test]
async fn what_a_person_ends_at_one_replica_ends_at_the_other() {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let replica = || {
        let builder = AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url());
        let key = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
        builder.config(&format!("redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{key}'")).start()
    };
    let (one, other) = tokio::join!(replica(), replica());
    let (_, deleted) = one.new_person().await;
    let (_, changed) = one.new_person().await;
    for token in [&deleted, &changed] {
        assert_eq!(other.get("/private", token).await.status(), 200);
    }
    assert_eq!(delete(&one, &deleted, PASSWORD).await.status(), 204);
    let body = json!({"current_password": PASSWORD, "new_password": "quiet-Lantern-58-meadow"});
    let request = one.request(Method::POST, "/auth/password/change").bearer_auth(&changed).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 204);
    // At once, and whatever the feed has told: what asks the store is refused.
    problem(delete(&other, &changed, "quiet-Lantern-58-meadow").await, 401, "invalid_token").await;
    problem(rename(&other, &changed, &json!({"name": "x"})).await, 401, "invalid_token").await;
    for token in [&deleted, &changed] {
        problem(other.get("/auth/sessions", token).await, 401, "invalid_token").await;
        let refused = || async { other.get("/private", token).await.status() == 401 };
        assert!(eventually(std::time::Duration::from_secs(2), refused).await);
    }
}

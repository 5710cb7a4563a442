//! Ending the other sessions of an account, or all of them.

use reqwest::{Method, Response};
use serde_json::json;

use crate::support::app::{PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::forge::claims_of;
use crate::support::problems::problem;
use crate::support::services::services;
use crate::support::wait::eventually;

async fn logout(app: &TestApp, token: &str, scope: &str) -> Response {
    let request = app.request(Method::POST, "/auth/logout").bearer_auth(token);
    request.json(&json!({"scope": scope})).send().await.unwrap()
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.get("/private", token).await.status().as_u16()
}

async fn assert_ended(app: &TestApp, token: &str) {
    problem(app.get("/private", token).await, 401, "invalid_token").await;
    problem(app.get("/auth/me", token).await, 401, "invalid_token").await;
}

both_kinds!(others_and_global_end_what_they_say_and_nobody_elses, |mut app| async move {
    let (email, first) = app.new_person().await;
    let (_, somebody_else) = app.new_person().await;
    let second = app.login(&email, PASSWORD).await;
    let third = app.login(&email, PASSWORD).await;

    assert_eq!(logout(&app, &second, "others").await.status(), 204);
    assert_ended(&app, &first).await;
    assert_ended(&app, &third).await;
    assert_eq!(status(&app, &second).await, 200);
    assert_eq!(logout(&app, &second, "others").await.status(), 204, "again: done already");

    let fourth = app.login(&email, PASSWORD).await;
    assert_eq!(logout(&app, &second, "global").await.status(), 204);
    assert_ended(&app, &second).await;
    assert_ended(&app, &fourth).await;
    assert_eq!(status(&app, &somebody_else).await, 200);

    app.kill9();
    app.restart().await;
    for token in [&first, &second, &third, &fourth] {
        assert_ended(&app, token).await;
    }
    assert_eq!(status(&app, &somebody_else).await, 200);
    let text = app.get_admin("/metrics").await.text().await.unwrap();
    assert!(text.contains("gateward_sessions_ended_total{reason=\"logout\"} 0"), "{text}");
});

both_kinds!(the_token_of_an_ended_session_ends_no_others, |app| async move {
    let (email, ended) = app.new_person().await;
    let alive = app.login(&email, PASSWORD).await;
    assert_eq!(logout(&app, &ended, "local").await.status(), 204);
    for scope in ["others", "global"] {
        problem(logout(&app, &ended, scope).await, 401, "invalid_token").await;
        assert_eq!(status(&app, &alive).await, 200, "{scope}");
    }
    assert_eq!(logout(&app, &ended, "local").await.status(), 204, "its own end is done already");
    let request = app.request(Method::POST, "/auth/logout").bearer_auth(&ended);
    problem(request.json(&json!({"scope": "x"})).send().await.unwrap(), 422, "invalid_fields").await;
});

both_kinds!(each_end_is_logged_with_its_reason_and_counted, |app| async move {
    let (email, token) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    assert_eq!(logout(&app, &token, "global").await.status(), 204);
    for (token, reason) in [(&token, "logout"), (&other, "logout_elsewhere")] {
        let claims = claims_of(token);
        let words = [claims["sid"].as_str().unwrap(), claims["sub"].as_str().unwrap(), reason];
        app.wait_for_log(|line| {
            line.contains("session ended") && words.iter().all(|word| line.contains(word))
        })
        .await;
        let text = app.get_admin("/metrics").await.text().await.unwrap();
        let count = format!("gateward_sessions_ended_total{{reason=\"{reason}\"}} 1");
        assert!(text.contains(&count), "{text}");
    }
});

both_kinds!(
    thousands_of_sessions_end_with_one_logout,
    // Thousands of rows, beside other tests: not always within a quarter of a second.
    |app| app.config("postgres.timeout = '5s'"),
    |app| async move {
        let (_, token) = app.new_person().await;
        let subject = claims_of(&token)["sub"].as_str().unwrap().to_owned();
        let minted = app.cli_ok(&["token", "mint", "--subject", &subject, "--count", "2100"], "").await;
        let minted: Vec<&str> = minted.lines().collect();
        assert_eq!(minted.len(), 2100);
        assert_eq!(status(&app, minted[7]).await, 200);

        assert_eq!(logout(&app, &token, "others").await.status(), 204);
        for token in minted {
            assert_eq!(status(&app, token).await, 401);
        }
        assert_eq!(status(&app, &token).await, 200);
    }
);

both_kinds!(
    a_login_that_was_answered_before_a_global_logout_has_ended,
    // Logins and logouts of one account wait for each other; beside other tests not always for less than a quarter of a second.
    |app| app.config("postgres.timeout = '5s'"),
    |app| async move {
        let (email, _) = app.new_person().await;
        for _ in 0..5 {
            let asks = app.login(&email, PASSWORD).await;
            let answered = app.login(&email, PASSWORD).await;
            // Those under way at the same moment come before it and end, or after it and live.
            let logins = futures_util::future::join_all((0..6).map(|_| app.login(&email, PASSWORD)));
            let (ended, logins) = tokio::join!(logout(&app, &asks, "global"), logins);
            assert_eq!(ended.status(), 204);
            assert_ended(&app, &asks).await;
            assert_ended(&app, &answered).await;
            for token in logins {
                assert!([200, 401].contains(&status(&app, &token).await));
            }
        }
    }
);

#[tokio::test]
async fn a_session_that_ended_at_another_replica_ends_no_others() {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let replica = || {
        let builder = AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url());
        // The same for both, and no placeholder.
        let key = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
        builder.config(&format!("redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{key}'")).start()
    };
    let (one, other) = tokio::join!(replica(), replica());
    for scope in ["others", "global"] {
        let (email, stolen) = one.new_person().await;
        let owner = one.login(&email, PASSWORD).await;
        // At once: the feed need not have told the other replica yet.
        assert_eq!(logout(&one, &owner, "others").await.status(), 204);
        problem(logout(&other, &stolen, scope).await, 401, "invalid_token").await;
        for app in [&one, &other] {
            assert_eq!(status(app, &owner).await, 200, "{scope}");
        }
        assert_eq!(logout(&one, &owner, "global").await.status(), 204);
        let refused = || async { status(&other, &owner).await == 401 };
        assert!(eventually(std::time::Duration::from_secs(2), refused).await);
    }
}

//! Changing the password ends every session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;

const NEW: &str = "quiet-Lantern-58-meadow";

async fn change(app: &TestApp, token: &str, current: &str, new: &str) -> Response {
    let body = json!({"current_password": current, "new_password": new});
    app.request(Method::POST, "/auth/password/change").bearer_auth(token).json(&body).send().await.unwrap()
}

both_kinds!(a_changed_password_ends_all_sessions_and_is_the_one_from_then_on, |mut app| async move {
    let (email, first) = app.new_person().await;
    let second = app.login(&email, PASSWORD).await;
    let (_, somebody_else) = app.new_person().await;

    assert_eq!(change(&app, &first, PASSWORD, NEW).await.status(), 204);
    let assert_all_ended = async |app: &TestApp| {
        for token in [&first, &second] {
            problem(app.get("/private", token).await, 401, "invalid_token").await;
            problem(app.get("/auth/me", token).await, 401, "invalid_token").await;
        }
        problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;
        assert_eq!(app.get("/private", &somebody_else).await.status(), 200);
    };
    assert_all_ended(&app).await;
    let anew = app.login(&email, NEW).await;

    app.kill9();
    app.restart().await;
    assert_all_ended(&app).await;
    assert_eq!(app.get("/private", &anew).await.status(), 200);
    problem(change(&app, &first, NEW, PASSWORD).await, 401, "invalid_token").await;
    let log = app.log_lines().join("\n");
    assert!(log.contains("password changed") && log.contains("password_changed"), "{log}");
    assert!(!log.contains(PASSWORD) && !log.contains(NEW));
});

both_kinds!(a_password_that_is_not_changed_ends_nothing, |app| async move {
    let email = "wilhelmina.xanthopoulos@example.com";
    assert_eq!(app.register(email, PASSWORD).await.status(), 201);
    let token = app.login(email, PASSWORD).await;
    let (_, somebody_else) = app.new_person().await;
    let wrong = problem(change(&app, &token, "not-The-password-11", NEW).await, 403, "invalid_credentials");
    let wrong = wrong.await["detail"].as_str().unwrap().to_owned();
    assert!(!wrong.contains("token"), "{wrong}");
    let answer = change(&app, &token, "not-The-password-11", NEW).await;
    assert!(answer.headers().get("www-authenticate").is_none(), "the token is good");
    problem(change(&app, &token, "", NEW).await, 403, "invalid_credentials").await;
    problem(change(&app, &token, "not-The-password-11", "12345678").await, 403, "invalid_credentials").await;
    problem(change(&app, &token, PASSWORD, "12345678").await, 422, "weak_password").await;
    let own_address = change(&app, &token, PASSWORD, "wilhelmina.xanthopoulos").await;
    problem(own_address, 422, "weak_password").await;
    problem(change(&app, &token, PASSWORD, "").await, 422, "invalid_password").await;
    problem(change(&app, &token, PASSWORD, PASSWORD).await, 422, "same_password").await;
    problem(change(&app, "no.token.really", PASSWORD, NEW).await, 401, "invalid_token").await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW, "account": "x"});
    let request = app.request(Method::POST, "/auth/password/change").bearer_auth(&token).json(&body);
    problem(request.send().await.unwrap(), 422, "invalid_fields").await;
    let anonymous = app.post_json("/auth/password/change", &body).await;
    problem(anonymous, 401, "no_credentials").await;

    for token in [&token, &somebody_else] {
        assert_eq!(app.get("/private", token).await.status(), 200);
    }
    app.login(email, PASSWORD).await;
});

both_kinds!(a_wrong_current_password_costs_a_hash, |app| async move {
    let (_, token) = app.new_person().await;
    let hashes = async || {
        let text = app.get_admin("/metrics").await.text().await.unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix("gateward_hash_jobs_total{result=\"done\"} "));
        line.unwrap().parse::<u32>().unwrap()
    };
    let before = hashes().await;
    problem(change(&app, &token, "not-The-password-11", NEW).await, 403, "invalid_credentials").await;
    let request = app.request(Method::DELETE, "/auth/me").bearer_auth(&token);
    let answer = request.json(&json!({"password": "not-The-password-11"})).send().await.unwrap();
    problem(answer, 403, "invalid_credentials").await;
    assert_eq!(hashes().await, before + 2);
});

both_kinds!(
    no_login_with_the_old_password_outlives_its_change,
    // Several hash threads, and hashes that take long enough for a change to come between check and session.
    |app| app.config("password.hash_threads = 8\npassword.bcrypt_cost = 11\npostgres.timeout = '5s'"),
    |app| async move {
        let app = Arc::new(app);
        let (email, _) = app.new_person().await;
        let passwords = [PASSWORD, NEW, "gentle-Anchor-71-willow", "brave-Copper-26-orchard"];
        for pair in passwords.windows(2) {
            let (old, new) = (pair[0], pair[1]);
            let asks = app.login(&email, old).await;
            let changed = Arc::new(AtomicBool::new(false));
            let mut logins = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let (app, email, changed) = (Arc::clone(&app), email.clone(), Arc::clone(&changed));
                logins.spawn(async move {
                    let mut tokens = Vec::new();
                    // Until one that began after the change has been refused.
                    loop {
                        let last = changed.load(Ordering::SeqCst);
                        let answer = app.try_login(&email, old).await;
                        match answer.status().as_u16() {
                            200 => {
                                assert!(!last, "a login after the change");
                                let body: Value = answer.json().await.unwrap();
                                tokens.push(body["access_token"].as_str().unwrap().to_owned());
                            }
                            401 => {}
                            busy => assert_eq!(busy, 503),
                        }
                        if last {
                            return tokens;
                        }
                    }
                });
            }
            assert_eq!(change(&app, &asks, old, new).await.status(), 204);
            changed.store(true, Ordering::SeqCst);
            let tokens: Vec<String> = logins.join_all().await.into_iter().flatten().collect();
            assert!(!tokens.is_empty());
            for token in tokens {
                assert_eq!(app.get("/private", &token).await.status(), 401);
                assert_eq!(app.get("/auth/me", &token).await.status(), 401);
            }
        }
        tokio::time::timeout(Duration::from_secs(10), app.login(&email, passwords[3])).await.unwrap();
    }
);

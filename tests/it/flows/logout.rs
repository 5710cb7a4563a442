//! Ending a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_secs(10);

async fn logout(app: &TestApp, token: &str) -> Response {
    app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap()
}

async fn assert_refused(app: &TestApp, token: &str) {
    app.recorder.forget();
    for path in ["/private", "/auth/me"] {
        let answer = app.get(path, token).await;
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
        problem(answer, 401, "invalid_token").await;
    }
    assert_eq!(app.recorder.count(), 0, "the service saw a refused call");
}

both_kinds!(a_session_that_ended_stays_ended_and_the_others_go_on, |mut app| async move {
    let (email, ended) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    let goes_on = async |app: &TestApp| {
        assert_eq!(app.get("/private", &other).await.status(), 200);
        assert_eq!(app.get("/auth/me", &other).await.status(), 200);
    };
    assert_eq!(app.get("/private", &ended).await.status(), 200);

    let answer = logout(&app, &ended).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers().get("content-length"), None, "RFC 9110, section 8.6");
    assert_eq!(answer.text().await.unwrap(), "");
    assert_refused(&app, &ended).await;
    goes_on(&app).await;
    assert_eq!(logout(&app, &ended).await.status(), 204, "again: done already");
    assert_refused(&app, &ended).await;

    assert!(app.stop().await.success());
    app.restart().await;
    assert_refused(&app, &ended).await;
    goes_on(&app).await;
    assert_eq!(logout(&app, &ended).await.status(), 204, "after a restart too");

    let also_ended = app.login(&email, PASSWORD).await;
    assert_eq!(logout(&app, &also_ended).await.status(), 204);
    app.kill9();
    app.restart().await;
    assert_refused(&app, &ended).await;
    assert_refused(&app, &also_ended).await;
    goes_on(&app).await;
});

both_kinds!(a_logout_says_which_sessions_and_needs_a_token, |app| async move {
    let (email, token) = app.new_person().await;
    let answer = app.post_json("/auth/logout", &json!({"scope": "local"})).await;
    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"gateward\"");
    problem(answer, 401, "no_credentials").await;
    problem(logout(&app, "no.token.really").await, 401, "invalid_token").await;
    for body in [json!({"scope": "everything"}), json!({"scope": 1}), json!({"unknown": 1}), json!([])] {
        let request = app.request(Method::POST, "/auth/logout").bearer_auth(&token).json(&body);
        problem(request.send().await.unwrap(), 422, "invalid_fields").await;
    }
    assert_eq!(app.get("/private", &token).await.status(), 200, "what was refused ended nothing");
    for body in [json!({}), json!({"scope": "local"})] {
        let token = app.login(&email, PASSWORD).await;
        let request = app.request(Method::POST, "/auth/logout").bearer_auth(&token).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 204);
        assert_refused(&app, &token).await;
    }
});

both_kinds!(no_call_that_started_after_the_204_is_admitted, |app| async move {
    const CALLERS: usize = 200;
    let app = Arc::new(app);
    let (_, token) = app.new_person().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (admitted, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (app, token, stop) = (Arc::clone(&app), token.clone(), Arc::clone(&stop));
        let (admitted, refused) = (Arc::clone(&admitted), Arc::clone(&refused));
        callers.spawn(async move {
            let mut calls = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let status = app.get("/private", &token).await.status().as_u16();
                let counter = if status == 200 { &admitted } else { &refused };
                counter.fetch_add(1, Ordering::Relaxed);
                calls.push((started, status));
            }
            calls
        });
    }
    // More by twice the callers: all but those under way now have started later.
    let many_more = |counter: &Arc<AtomicUsize>| {
        let counter = Arc::clone(counter);
        let goal = counter.load(Ordering::Relaxed) + 2 * CALLERS;
        eventually(SOON, move || std::future::ready(counter.load(Ordering::Relaxed) > goal))
    };
    assert!(many_more(&admitted).await, "calls pass before the logout");
    assert_eq!(logout(&app, &token).await.status(), 204);
    let ended = Instant::now();
    assert!(many_more(&refused).await, "calls are refused after it");
    stop.store(true, Ordering::Relaxed);

    let calls: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert!(calls.iter().all(|(_, status)| [200, 401].contains(status)), "{calls:?}");
    let after: Vec<_> = calls.iter().filter(|(started, _)| *started > ended).collect();
    assert!(after.iter().all(|(_, status)| *status == 401), "{after:?}");
    assert!(after.len() > CALLERS, "calls started after the 204: {}", after.len());
});
